"""dbt builds the models on Apache Spark, and DuckDB reads what Spark has written.

Each build of a model is a folder of Parquet files, `spark/<schema>/<model>/<build>`, that is written once. The file
`spark/tables.json` says which build is the table, and `warehouse.duckdb` has a view of each. Both change only after dbt
has ended, so nobody reads a build that died; the next command deletes its folder.

Spark keeps no catalogue of its own: a session learns the tables from that file.
"""

import json
import re
import shutil
import socket
import subprocess
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

import duckdb

from pipelines.config_files import ConfigError
from pipelines.disk import write_whole
from pipelines.settings import Settings
from pipelines.sql import pattern_of, quote_name, quote_qualified_name, quote_text
from pipelines.transform.engines import READS_NO_TABLES
from pipelines.warehouse import STORAGE_VERSION, in_memory, let_go

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame as SparkDataFrame
    from pyspark.sql import SparkSession

PACKAGES = ("dbt-spark", "pyspark")
STORES_VIEWS = True
_OPTIONS = {
    # As in DuckDB: a TIMESTAMP is a date and a time, in UTC by convention.
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.execution.arrow.pyspark.enabled": "false",  # it needs PyArrow, for one table
    "spark.sql.catalogImplementation": "in-memory",
    "spark.log.level": "ERROR",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
_NAMES_OF_TYPES = {"VARCHAR": "string", "INTEGER": "int", "TIMESTAMP": "timestamp_ntz"}  # the others are the same


@dataclass(frozen=True)
class Table:
    """Parquet files below a folder, and their columns as Spark declares them."""

    schema: str
    name: str
    folder: Path
    columns: str


def environment(settings: Settings) -> dict[str, str]:
    if not find_spec("pyspark") or not find_spec("dbt.adapters.spark"):
        raise ConfigError("engine: spark needs packages that are not installed. Install them: pip install '.[spark]'")
    if problem := _problem_of_java():
        raise ConfigError(f"engine: spark needs Java 17 or newer. {problem}")
    return {"KPI_SPARK": settings.spark.model_dump_json(), "KPI_SPARK_TABLES": str(settings.data_dir / "spark")}


def described(settings: Settings) -> str:
    environment(settings)
    master = settings.spark.master
    if master.startswith("spark://"):
        first = urlsplit(master.partition(",")[0])
        try:
            socket.create_connection((first.hostname or "", first.port or 7077), timeout=5).close()
        except OSError as error:
            raise ConfigError(
                f"spark.master: {master} cannot be reached: {error.strerror or error}. Start it, or name another."
            ) from None
    return f"Spark {version('pyspark')} at {master}"


@cache
def _problem_of_java() -> str | None:
    """Why this machine's Java will not do; None if it will."""
    try:
        said = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    except FileNotFoundError:
        return "No `java` is on the PATH. Install it, for example with: apt-get install openjdk-17-jre-headless"
    version = said.split('"')[1] if '"' in said else ""
    if version.split(".")[0].isdigit() and int(version.split(".")[0]) >= 17:
        return None
    return f"`java -version` says: {said.splitlines()[0] if said else 'nothing'}"


@contextmanager
def opened(command: str, environment: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    let_go()
    if command not in READS_NO_TABLES:
        folder = Path(environment["KPI_SPARK_TABLES"])
        _delete_what_is_no_table(folder)
        _run_python_models_here()
        _read_names_in_double_quotes()
        session = _session(environment["KPI_SPARK"], folder / "driver.log")
        for schema in session.sql("show schemas").collect():
            if schema.namespace != "default":
                session.sql(f"drop schema `{schema.namespace}` cascade")  # forgets tables; their files stay
        for table in [*_delivered(Path(environment["KPI_RAW_DIR"])), *_built(folder)]:
            session.sql(f"create schema if not exists `{table.schema}`")
            session.sql(
                f"create table `{table.schema}`.`{table.name}` ({table.columns}) using parquet "
                f"options (recursiveFileLookup 'true') location {quote_text(str(table.folder))}"
            )
    yield {**environment, "KPI_BUILD": uuid4().hex}


def keep(built: Iterable[str], environment: Mapping[str, str]) -> None:
    folder = Path(environment["KPI_SPARK_TABLES"])
    made = {name: f"{name.replace('.', '/')}/{environment['KPI_BUILD']}" for name in built}
    made = {name: build for name, build in made.items() if (folder / build / "_SUCCESS").exists()}
    if not made:
        return
    builds = {name: build for name, (build, _) in _stored(folder).items()} | made
    with _warehouse(Path(environment["KPI_WAREHOUSE"])) as warehouse:
        of_duckdb = warehouse.execute("select concat(schema_name, '.', table_name) from duckdb_tables()").fetchall()
        for name in builds.keys() & {name for (name,) in of_duckdb}:  # the engine was DuckDB before
            warehouse.execute(f"drop table {quote_qualified_name(name)}")
        for name, build in builds.items():  # all, since a command may have died before its views were there
            files = quote_text(f"{pattern_of(folder / build)}/*.parquet")
            warehouse.execute(f"create schema if not exists {quote_name(name.partition('.')[0])}")
            warehouse.execute(
                f"create or replace view {quote_qualified_name(name)} as select * from read_parquet({files})"
            )
        stored = {name: (build, _columns(warehouse, f"select * from {name}")) for name, build in builds.items()}
        write_whole(folder / "tables.json", json.dumps(stored, indent=1))


@contextmanager
def _warehouse(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that writes the warehouse, in one transaction."""
    with duckdb.connect(str(path), config={"storage_compatibility_version": STORAGE_VERSION}) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("begin")
        yield connection
        connection.execute("commit")


def _stored(folder: Path) -> dict[str, tuple[str, str]]:
    """The newest build of each table by `schema.name`, as a path in `folder`, and its columns."""
    try:
        stored = json.loads((folder / "tables.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return {name: (build, columns) for name, (build, columns) in stored.items()}


def _built(folder: Path) -> Iterator[Table]:
    for name, (build, columns) in _stored(folder).items():
        schema, table = name.split(".")
        yield Table(schema, table, folder / build, columns)


def _delivered(raw_dir: Path) -> Iterator[Table]:
    """The tables of raw. DuckDB finds their columns, which may differ between files, faster than Spark."""
    for folder in sorted(raw_dir.glob("*/*")):
        if any(folder.glob("*/rows.parquet")):
            files = quote_text(f"{pattern_of(folder)}/*/rows.parquet")
            rows = f"select * from read_parquet({files}, union_by_name = true, hive_partitioning = false)"
            with in_memory() as connection:
                yield Table(folder.parent.name, folder.name, folder, _columns(connection, rows))


def _columns(connection: duckdb.DuckDBPyConnection, rows: str) -> str:
    described = connection.execute(f"describe {rows}").fetchall()
    return ", ".join(f"`{name}` {_NAMES_OF_TYPES.get(kind, kind.lower())}" for name, kind, *_ in described)


def _delete_what_is_no_table(folder: Path) -> None:
    """Delete the builds of commands that died, and those that newer ones have replaced."""
    kept = {build for build, _ in _stored(folder).values()}
    for build in folder.glob("*/*/*"):
        if str(build.relative_to(folder)) not in kept:
            shutil.rmtree(build)


@cache
def _session(configuration: str, log: Path) -> "SparkSession":
    """The session of this process, which dbt-spark uses, too. What Java has to say goes to the file `log`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # about functions for pandas that nobody calls here
        from pyspark import SparkConf, SparkContext
        from pyspark.java_gateway import launch_gateway
        from pyspark.sql import SparkSession

        settings: dict[str, Any] = json.loads(configuration)
        conf = SparkConf().setAppName("kpi").setMaster(settings["master"])
        conf.set("spark.sql.warehouse.dir", str(log.parent / "schemas"))  # else Spark makes folders where it is started
        conf.setAll([*_OPTIONS.items(), *settings["options"].items()])
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as file:
            SparkContext(conf=conf, gateway=launch_gateway(conf, popen_kwargs={"stdout": file, "stderr": file}))
        return SparkSession.builder.config(conf=conf).getOrCreate()


@cache
def _read_names_in_double_quotes() -> None:
    """Let models write "Order Date", as DuckDB wants it. Spark reads that as a text unless it is in ANSI mode, which
    dbt-spark turns off."""
    from dbt.adapters.spark.session import Cursor

    execute = Cursor.execute
    Cursor.execute = lambda self, sql, *parameters: execute(self, names_in_backticks(sql), *parameters)


# Texts, names, comments, and names in double quotes.
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|`[^`]*`|--[^\n]*|/\*.*?\*/" + r'|"((?:[^"]|"")*)"', re.DOTALL)


def names_in_backticks(sql: str) -> str:
    """The statement with names in backticks instead of double quotes; texts and comments stay as they are."""
    return _QUOTED.sub(
        lambda found: found[0] if found[1] is None else "`" + found[1].replace('""', '"').replace("`", "``") + "`", sql
    )


def _run_python_models_here() -> None:
    """Let dbt-spark run Python models in this process, as dbt-duckdb does. By itself, it runs them on Databricks."""
    from dbt.adapters.spark.impl import SparkAdapter

    SparkAdapter.python_submission_helpers = property(lambda _: {"here": _InThisProcess})
    SparkAdapter.default_python_submission_method = property(lambda _: "here")


class _InThisProcess:
    """Runs a Python model on the driver."""

    def __init__(self, parsed_model: Mapping[str, Any], _credentials: object) -> None:
        self._name = str(parsed_model["name"])

    def submit(self, compiled_code: str) -> None:
        from pyspark.sql import SparkSession

        spark = SparkSession.active()
        exec(compile(compiled_code, self._name, "exec"), {"spark": spark, "to_spark": partial(_to_spark, spark)})


def _to_spark(spark: "SparkSession", frame: "pd.DataFrame") -> "SparkDataFrame":
    """The rows of a Python model, also if there are none. As in DuckDB, what is missing or not a number is NULL."""
    types = {"b": "boolean", "i": "bigint", "f": "double", "M": "timestamp_ntz"}
    columns = ", ".join(f"`{name}` {types.get(dtype.kind, 'string')}" for name, dtype in frame.dtypes.items())
    rows = frame.astype(object).where(frame.notna(), None)
    return spark.createDataFrame([*rows.itertuples(index=False, name=None)], columns)


def cancel() -> None:
    if "pyspark" in sys.modules:
        from pyspark import SparkContext

        SparkContext.getOrCreate().cancelAllJobs()
