"""What `engine: spark` asks of the machine is said before anything runs."""

import socket
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from pipelines.config_files import ConfigError
from pipelines.settings import Settings, Spark, load_settings
from pipelines.transform.engines import engine, spark
from pipelines.warehouse import memory_of_the_warehouse


@pytest.fixture
def settings() -> Settings:
    return load_settings().model_copy(update={"engine": "spark"})


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """The packages are installed, and the PATH is an empty folder."""
    monkeypatch.setattr(spark, "find_spec", lambda _: object())
    monkeypatch.setenv("PATH", str(tmp_path))
    spark._problem_of_java.cache_clear()
    yield tmp_path
    spark._problem_of_java.cache_clear()


def java_that_says(folder: Path, text: str) -> None:
    java = folder / "java"
    java.write_text(f"#!/bin/sh\necho '{text}' >&2\n", encoding="utf-8")
    java.chmod(0o755)


def test_missing_packages_are_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spark, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"pip install '\.\[spark\]'"):
        engine("spark").environment(settings)


def test_missing_java_is_named(settings: Settings, installed: Path) -> None:
    with pytest.raises(ConfigError, match=r"needs Java 17 or newer\. No `java` is on the PATH\. Install it"):
        engine("spark").environment(settings)


def test_an_old_java_is_named(settings: Settings, installed: Path) -> None:
    java_that_says(installed, 'openjdk version "11.0.2" 2019-01-15')
    with pytest.raises(ConfigError, match=r'needs Java 17 .* says: openjdk version "11\.0\.2"'):
        engine("spark").environment(settings)


def test_a_new_java_will_do(settings: Settings, installed: Path) -> None:
    java_that_says(installed, 'openjdk version "21" 2023-09-19')
    environment = engine("spark").environment(settings)
    assert environment["KPI_SPARK_TABLES"] == str(settings.data_dir / "spark")
    assert '"master":"local[*]"' in environment["KPI_SPARK"]


def test_duckdb_needs_nothing_but_to_know_its_share_of_the_memory() -> None:
    assert engine("duckdb").environment(load_settings()) == {"KPI_MEMORY": memory_of_the_warehouse()}


class Builds:
    """The folder into which Spark writes, with DuckDB in its place."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.warehouse = folder / "spark", folder / "warehouse.duckdb"

    def write(self, table: str, build: str, number: int, *, whole: bool = True) -> dict[str, str]:
        """Write a build, and return the environment of the command that did."""
        folder = self.folder / table.replace(".", "/") / build
        folder.mkdir(parents=True)
        duckdb.sql(f"copy (select {number} as number) to '{folder}/part-0.parquet'")
        if whole:
            (folder / "_SUCCESS").touch()
        return {"KPI_SPARK_TABLES": str(self.folder), "KPI_WAREHOUSE": str(self.warehouse), "KPI_BUILD": build}

    def read(self, table: str) -> int:
        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            [(number,)] = connection.execute(f"from {table}").fetchall()
        return int(number)

    def folders(self) -> set[str]:
        return {str(build.relative_to(self.folder)) for build in self.folder.glob("*/*/*")}


@pytest.fixture
def builds(tmp_path: Path) -> Builds:
    return Builds(tmp_path)


def test_a_build_is_read_once_it_is_kept(builds: Builds) -> None:
    spark.keep(["marts.orders"], builds.write("marts.orders", "first", 1))
    environment = builds.write("marts.orders", "second", 2)
    assert builds.read("marts.orders") == 1
    spark.keep(["marts.orders"], environment)
    assert builds.read("marts.orders") == 2


def test_a_build_that_was_not_finished_is_never_read(builds: Builds) -> None:
    spark.keep(["marts.orders"], builds.write("marts.orders", "first", 1))
    spark.keep(["marts.orders"], builds.write("marts.orders", "second", 2, whole=False))
    assert builds.read("marts.orders") == 1


def test_only_tables_are_kept_when_the_next_command_begins(builds: Builds) -> None:
    for build, number in (("first", 1), ("second", 2)):
        spark.keep(["marts.orders"], builds.write("marts.orders", build, number))
    builds.write("marts.leads", "of a command that died", 3)
    spark._delete_what_is_no_table(builds.folder)
    assert builds.folders() == {"marts/orders/second"}
    assert builds.read("marts.orders") == 2


def test_a_table_of_duckdb_gives_way(builds: Builds) -> None:
    with duckdb.connect(str(builds.warehouse)) as connection:
        connection.execute("create schema marts")
        connection.execute("create table marts.orders as select 0 as number")
    spark.keep(["marts.orders"], builds.write("marts.orders", "first", 1))
    assert builds.read("marts.orders") == 1


def test_views_that_a_killed_command_left_behind_are_mended(builds: Builds) -> None:
    """It had written which build is the table, but not yet the view of it."""
    spark.keep(["marts.orders"], builds.write("marts.orders", "first", 1))
    builds.write("marts.orders", "second", 2)
    tables = builds.folder / "tables.json"
    tables.write_text(tables.read_text(encoding="utf-8").replace("first", "second"), encoding="utf-8")
    spark._delete_what_is_no_table(builds.folder)
    spark.keep(["marts.leads"], builds.write("marts.leads", "third", 3))
    assert builds.read("marts.orders") == 2


def test_a_master_that_does_not_answer_is_named(settings: Settings, installed: Path) -> None:
    java_that_says(installed, 'openjdk version "21" 2023-09-19')
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    elsewhere = settings.model_copy(update={"spark": Spark(master=f"spark://127.0.0.1:{port}")})
    with pytest.raises(ConfigError, match=rf"spark\.master: spark://127\.0\.0\.1:{port} cannot be reached: "):
        engine("spark").described(elsewhere)


def test_duckdb_takes_over_what_spark_has_built(tmp_path: Path) -> None:
    """dbt replaces a table by a seed, but no view."""
    build = tmp_path / "spark" / "marts" / "kpi_catalogue" / "1"
    build.mkdir(parents=True)
    environment = {"KPI_WAREHOUSE": str(tmp_path / "warehouse.duckdb")}
    with duckdb.connect(environment["KPI_WAREHOUSE"]) as connection:
        connection.execute(f"copy (select 1 as id, 2.50 as amount) to '{build}/part.parquet'")
        connection.execute(f"create schema marts; create view marts.kpi_catalogue as from read_parquet('{build}/*')")
        connection.execute("create view marts.own as select 3 as id")
    with engine("duckdb").opened("parse", environment):
        assert build.exists()
    with engine("duckdb").opened("build", environment), duckdb.connect(environment["KPI_WAREHOUSE"]) as connection:
        assert connection.execute("select table_name from duckdb_tables()").fetchall() == [("kpi_catalogue",)]
        assert connection.execute("from marts.kpi_catalogue").fetchall() == [(1, Decimal("2.50"))]
        assert connection.execute("from marts.own").fetchall() == [(3,)]
    assert not (tmp_path / "spark").exists()


@pytest.mark.parametrize(
    ("sql", "read"),
    [
        ('select "Order Date" as "a""b`c" from x', 'select `Order Date` as `a"b``c` from x'),
        ("""select 'say "hi"', '{"a": 1}', 'it\\'s "x"' from x""", None),
        ("""select `a "b" c`, 'it''s "x"', 1 -- a "comment"\n/* and "another" */ from x""", None),
        ("""select 'ends in \\\\', "a" from x""", """select 'ends in \\\\', `a` from x"""),
    ],
)
def test_names_in_double_quotes_are_names_on_spark_too(sql: str, read: str | None) -> None:
    assert spark.names_in_backticks(sql) == (read or sql)
