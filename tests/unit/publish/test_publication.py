"""Write, audit, publish: everything is replaced, or nothing."""

import io
import json
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pandas as pd
import pytest
from rich.console import Console

import pipelines.warehouse
from pipelines.cli.printing.versions import print_versions
from pipelines.damage import StoreError
from pipelines.publish import publication as publishing
from pipelines.publish.publication import AuditError, Publication, publish
from pipelines.publish.versions import (
    NoSuchVersionError,
    prune,
    published_as_of,
    roll_back,
    sweep,
    versions,
    what_stays,
)
from pipelines.transform.descriptions import Description
from pipelines.warehouse import NotPublishedError, hold_writer_lock, published, release_writer_lock
from tests.integration.postgres import Postgres

DESCRIPTION = Description("The shop's numbers.", {"n": "A number; what isn't one is left out.", "gone": "No column."})
CHECKS = pd.DataFrame({"run_id": ["r"], "passed": [True]})


class Warehouse:
    """A warehouse with one mart."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.path, self.published_dir = folder / "warehouse.duckdb", folder / "published"
        with duckdb.connect(str(self.path)) as connection:
            connection.execute("create schema marts; create schema staging; create schema intermediate")
            connection.execute("create table marts.numbers as select unnest([3, 1, 2]) as n, null::varchar as text")
            connection.execute("create table staging.delivered_files as select 1 as raw_rows")
            connection.execute("create table staging.delivered_row_counts as select 1 as raw_rows")
            connection.execute("create table staging.quarantined_rows as select 'x' as reason")
            connection.execute("create table intermediate.int_left_out_rows as select 'x' as reason")
            connection.execute("create table intermediate.int_left_out_days as select 'x' as reason")

    def publish(self, name: str, keep: int = 5, description: Description = DESCRIPTION) -> dict[str, int]:
        publication = Publication(
            name, "run", datetime(2025, 1, 1), date(2025, 1, 1), {"shop": date(2025, 1, 1)}, "1", "EUR"
        )
        return publish(publication, ["numbers"], CHECKS, self.path, self.published_dir, keep, {"numbers": description})

    def read(self) -> list[tuple[int]]:
        with published(self.published_dir) as connection:
            return connection.execute("select n from marts.numbers").fetchall()


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "it's a folder")


def test_a_publication_has_file_parquet_and_manifest(warehouse: Warehouse) -> None:
    assert warehouse.publish("one") == {"numbers": 3}
    assert warehouse.read() == [(1,), (2,), (3,)]
    manifest = json.loads((warehouse.published_dir / "manifest.json").read_text())
    parquet = warehouse.published_dir / manifest["tables"]["numbers"]["parquet"]
    assert (manifest["publication_id"], manifest["tables"]["numbers"]["rows"]) == ("one", 3)
    assert parquet.exists()


def test_the_warehouse_is_not_kept_in_memory_while_the_file_is_built(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = publishing._build
    kept: list[bool] = []

    def seen(*arguments: object) -> None:
        kept.append(bool(pipelines.warehouse._kept_open))
        build(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(publishing, "_build", seen)
    hold_writer_lock(warehouse.path, "a test", print, None)
    try:
        with pipelines.warehouse.reader(warehouse.path):
            assert pipelines.warehouse._kept_open  # as checks leave it
        warehouse.publish("one")
    finally:
        release_writer_lock(warehouse.path)
    assert kept == [False]


@pytest.mark.parametrize("key", [(), ("n",), ("text", "n"), ("text", "day"), ("gone",)])
def test_rows_are_in_the_order_of_all_columns_whatever_identifies_them(
    warehouse: Warehouse, key: tuple[str, ...]
) -> None:
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("""
            create or replace table marts.numbers as
            select 7 - i as n, if(i % 2 = 0, 'even', 'odd') as text, 10 - i as day from range(7) as rows(i)
        """)
        ordered = connection.execute("from marts.numbers order by all").fetchall()
    warehouse.publish("one", description=Description("", {}, key))
    with published(warehouse.published_dir) as connection:
        assert connection.execute("from marts.numbers").fetchall() == ordered


def test_the_file_says_what_its_tables_and_columns_mean(warehouse: Warehouse) -> None:
    warehouse.publish("one")
    with published(warehouse.published_dir) as connection:
        tables = connection.execute("select table_name, comment from duckdb_tables() where comment is not null")
        comments = dict(tables.fetchall())
        assert comments["numbers"] == "The shop's numbers."
        assert comments["publication"] == "This publication and the sources that it was made from; one row per source."
        columns = connection.execute(
            "select column_name, comment from duckdb_columns() where comment is not null and schema_name = 'marts'"
        )
        assert columns.fetchall() == [("n", "A number; what isn't one is left out.")]


def test_old_clients_can_open_the_file(warehouse: Warehouse) -> None:
    warehouse.publish("one")
    with published(warehouse.published_dir) as connection:
        found = connection.execute("select tags['storage_version'] from duckdb_databases() where path is not null")
        assert found.fetchall() == [("v1.2.0+",)]


def test_a_reader_keeps_what_it_opened_while_a_new_publication_is_swapped_in(warehouse: Warehouse) -> None:
    warehouse.publish("one")
    with published(warehouse.published_dir) as reader:
        with duckdb.connect(str(warehouse.path)) as connection:
            connection.execute("delete from marts.numbers where n > 1")
        warehouse.publish("two")
        assert reader.execute("select count(*) from marts.numbers").fetchone() == (3,)
    assert warehouse.read() == [(1,)]


@pytest.mark.parametrize("rows", [(1, 2, 3), (1, 3, 3)], ids=["rows of their own", "two equal rows"])
def test_a_candidate_that_differs_from_the_warehouse_is_not_published(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, rows: tuple[int, ...]
) -> None:
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute(f"create or replace table marts.numbers as select unnest({list(rows)}) as n")
    warehouse.publish("one")
    build = publishing._build

    def build_wrongly(*arguments: object) -> None:
        build(*arguments)  # type: ignore[arg-type]
        folder = arguments[-1]
        assert isinstance(folder, Path)
        with duckdb.connect(str(folder / "kpi.duckdb")) as connection:
            connection.execute("update marts.numbers set n = 4 where n = 3")

    monkeypatch.setattr(publishing, "_build", build_wrongly)
    with pytest.raises(AuditError, match=r"audit: numbers differs: .*kpi\.duckdb"):
        warehouse.publish("two")
    assert warehouse.read() == [(row,) for row in rows]
    assert [folder.name for folder in warehouse.published_dir.with_name("publications").iterdir()] == ["one"]


def parquet_of(warehouse: Warehouse) -> Path:
    return (warehouse.published_dir / "parquet" / "numbers" / "numbers.parquet").resolve()


@pytest.mark.parametrize(
    "change",
    [
        "update marts.numbers set n = 4 where n = 3",
        "alter table marts.numbers alter n type bigint",
        "alter table marts.numbers rename n to m",
        "alter table marts.numbers drop text",
        "insert into marts.numbers values (1, null)",
    ],
)
def test_what_has_not_changed_shares_its_parquet_copy_with_the_publication_before(
    warehouse: Warehouse, change: str
) -> None:
    warehouse.publish("one")
    one = parquet_of(warehouse)
    warehouse.publish("two")
    assert parquet_of(warehouse) != one
    assert parquet_of(warehouse).samefile(one)
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute(change)
        changed = connection.execute("from marts.numbers order by all").fetchall()
    warehouse.publish("three", keep=1)
    assert not one.exists()
    assert (
        duckdb.sql(f"from read_parquet('{str(parquet_of(warehouse)).replace(chr(39), chr(39) * 2)}')").fetchall()
        == changed
    )


def test_a_parquet_copy_that_somebody_has_damaged_is_written_anew(warehouse: Warehouse) -> None:
    warehouse.publish("one")
    whole = parquet_of(warehouse).read_bytes()
    parquet_of(warehouse).write_bytes(whole[:-10])
    warehouse.publish("two")
    assert parquet_of(warehouse).read_bytes() == whole


def test_neither_a_missing_manifest_nor_a_file_system_without_hard_links_stops_a_publication(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("Operation not supported")

    warehouse.publish("one")
    whole = parquet_of(warehouse).read_bytes()
    (warehouse.published_dir / "manifest.json").unlink()
    warehouse.publish("two")
    monkeypatch.setattr(Path, "hardlink_to", refuse)
    warehouse.publish("three")
    assert parquet_of(warehouse).read_bytes() == whole
    assert parquet_of(warehouse).stat().st_nlink == 1


def test_the_newest_publications_are_kept(warehouse: Warehouse) -> None:
    for name in ("a", "b", "c", "d"):
        warehouse.publish(name, keep=2)
    folder = warehouse.published_dir.with_name("publications")
    assert sorted(entry.name for entry in folder.iterdir()) == ["c", "d"]


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_writer_that_has_lost_its_lock_publishes_nothing(
    warehouse: Warehouse, database: str, postgres: Postgres
) -> None:
    hold_writer_lock(warehouse.path, "a run", print, database)
    try:
        warehouse.publish("one")
        postgres.execute("postgres", "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'")
        with pytest.raises(StoreError, match="Nothing was published"):
            warehouse.publish("two")
    finally:
        release_writer_lock(warehouse.path)
    assert [folder.name for folder in warehouse.published_dir.with_name("publications").iterdir()] == ["one"]
    assert warehouse.published_dir.resolve().name == "one"


def test_what_a_blocked_run_leaves_is_the_previous_publication_or_nothing(warehouse: Warehouse, tmp_path: Path) -> None:
    assert what_stays(tmp_path / "never" / "published") == "nothing has been published yet"
    warehouse.publish("20260109T100000Z-a")
    assert what_stays(warehouse.published_dir) == "the previous publication stays"


def test_nothing_published_says_how_to_publish(tmp_path: Path) -> None:
    with (
        pytest.raises(NotPublishedError, match=r"nothing has been published yet\. Run `kpi run` first"),
        published(tmp_path),
    ):
        pass


SCORECARD_ROWS = """
    create or replace table marts.kpi_scorecard as
    select 'month' as grain, null::decimal(38, 12) as denominator, * from (values
        (date '2025-01-01', 'revenue', 'net', 'company', 'company', {january}::decimal(38, 12), false, true),
        (date '2025-02-01', 'revenue', 'net', 'company', 'company', 7.0, false, true),
        (date '2025-02-01', 'clv', 'historic_90d', 'company', 'company', {immature}, false, false),
        (date '2025-02-01', 'clv', 'probabilistic', 'company', 'company', {predicted}, false, true),
        (date '2025-03-01', 'revenue', 'net', 'company', 'company', {march}, true, true)
    ) as t(period_start, kpi_id, variant, entity_type, entity_id, value, is_partial_period, is_mature);
    create or replace table marts.kpi_variants as
    select * from (values ('revenue', 'net', true), ('clv', 'historic_90d', true), ('clv', 'probabilistic', false))
        as t(kpi_id, variant, settles)
"""


def test_what_changed_in_months_that_were_over_is_recorded_for_good(warehouse: Warehouse) -> None:
    def publish_with(
        name: str, january: float, march: float, immature: float, predicted: float = 1
    ) -> list[tuple[str, date, float, float]]:
        with duckdb.connect(str(warehouse.path)) as connection:
            rows = SCORECARD_ROWS.format(january=january, march=march, immature=immature, predicted=predicted)
            connection.execute(rows)
        publication = Publication(
            name, "run", datetime(2025, 4, 1), date(2025, 4, 1), {"shop": date(2025, 4, 1)}, "1", "EUR"
        )
        publish(publication, ["kpi_scorecard", "kpi_variants"], CHECKS, warehouse.path, warehouse.published_dir)
        with published(warehouse.published_dir) as connection:
            return [
                (publication_id, month, float(before), float(after))
                for publication_id, month, before, after in connection.execute(
                    "select publication_id, period_start, value_before, value_after from meta.restatements order by 1"
                ).fetchall()
            ]

    january = date(2025, 1, 1)
    assert publish_with("a", 10, 1, 5) == []
    assert publish_with("b", 10, 2, 6) == []  # a month in progress and a young cohort change, but nothing is restated
    assert publish_with("c", 9.5, 2, 6) == [("c", january, 10, 9.5)]
    assert publish_with("d", 12, 3, 6) == [("c", january, 10, 9.5), ("d", january, 9.5, 12)]
    assert publish_with("e", 12, 3, 6, predicted=2) == [("c", january, 10, 9.5), ("d", january, 9.5, 12)]


def test_a_zero_that_is_shown_no_more_is_restated_only_if_there_were_cases(warehouse: Warehouse) -> None:
    def publish_cells(name: str, cells: str) -> list[tuple[str]]:
        with duckdb.connect(str(warehouse.path)) as connection:
            connection.execute(SCORECARD_ROWS.format(january=1, march=1, immature=1, predicted=1))
            connection.execute(
                "insert into marts.kpi_scorecard by name "
                "select *, 'month' as grain, date '2025-01-01' as period_start, 'category' as entity_type, "
                "false as is_partial_period, true as is_mature "
                f"from (values {cells}) as cells(kpi_id, variant, entity_id, value, denominator)"
            )
        publication = Publication(
            name, "run", datetime(2025, 4, 1), date(2025, 4, 1), {"shop": date(2025, 4, 1)}, "1", "EUR"
        )
        publish(publication, ["kpi_scorecard", "kpi_variants"], CHECKS, warehouse.path, warehouse.published_dir)
        with published(warehouse.published_dir) as connection:
            return connection.execute("select entity_id from meta.restatements order by 1").fetchall()

    stays = "('revenue', 'net', 'stays', 0, null)"
    sum_of_nothing, rate = "('revenue', 'net', 'a sum', 0, null)", "('revenue', 'net', 'a rate', 0, 4)"
    assert publish_cells("a", f"{stays}, {sum_of_nothing}, {rate}") == []
    assert publish_cells("b", stays) == [("a rate",)]


def test_analysts_can_be_given_an_earlier_publication_again(warehouse: Warehouse) -> None:
    for name in ("one", "three", "two"):  # ids sort by time; these names sort as "one", "three", "two"
        warehouse.publish(name)
    assert [version.publication_id for version in versions(warehouse.published_dir)] == ["two", "three", "one"]
    assert roll_back(warehouse.published_dir).publication_id == "three"
    assert roll_back(warehouse.published_dir).publication_id == "one"
    with pytest.raises(NoSuchVersionError, match=r"No publication is older .* Publications kept: two, three, one\."):
        roll_back(warehouse.published_dir)
    assert roll_back(warehouse.published_dir, "tw").publication_id == "two"
    with pytest.raises(NoSuchVersionError, match="More than one publication has an id that begins with t"):
        roll_back(warehouse.published_dir, "t")
    assert published_as_of(warehouse.published_dir) == date(2025, 1, 1)


def test_there_is_nothing_to_go_back_to_before_the_first_publication(warehouse: Warehouse) -> None:
    assert versions(warehouse.published_dir) == []
    assert published_as_of(warehouse.published_dir) is None
    with pytest.raises(NotPublishedError):
        roll_back(warehouse.published_dir)


def test_the_publication_that_is_read_is_never_deleted(warehouse: Warehouse) -> None:
    warehouse.publish("one")
    warehouse.publish("two")
    roll_back(warehouse.published_dir)
    prune(warehouse.published_dir, keep=1)
    assert [version.publication_id for version in versions(warehouse.published_dir)] == ["two", "one"]
    assert warehouse.read() == [(1,), (2,), (3,)]


def printed_versions(published_dir: Path, as_json: bool = False) -> str:
    out = io.StringIO()
    print_versions(published_dir, ZoneInfo("Europe/Warsaw"), as_json, Console(file=out, soft_wrap=True))
    return out.getvalue()


def test_versions_says_when_there_is_none(tmp_path: Path) -> None:
    assert printed_versions(tmp_path / "published") == "Nothing has been published yet. Run `kpi run` first.\n"


def test_versions_are_listed_in_the_business_time_zone_and_as_json(warehouse: Warehouse) -> None:
    warehouse.publish("a")
    line = "a  as of 2025-01-01  published 2025-01-01 01:00 CET  <- analysts read this one\n"
    assert printed_versions(warehouse.published_dir) == line
    [version] = json.loads(printed_versions(warehouse.published_dir, as_json=True))
    assert (version["publication_id"], version["published_at"]) == ("a", "2025-01-01T00:00:00+00:00")


def test_a_publication_that_was_read_stays_after_a_kill_right_after_the_link(warehouse: Warehouse) -> None:
    warehouse.publish("one")
    warehouse.publish("two")
    (warehouse.published_dir / ".candidate").touch()  # as if the process had been killed then
    assert [version.publication_id for version in versions(warehouse.published_dir)] == ["two", "one"]
    roll_back(warehouse.published_dir)
    sweep(warehouse.published_dir)
    assert roll_back(warehouse.published_dir, "two").publication_id == "two"
