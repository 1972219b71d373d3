"""What checks compare a table with, from files as they are in an installation."""

from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from pipelines.checks import baselines
from pipelines.checks.baselines import days_off, delivered_months, deliveries, published_months
from pipelines.checks.gx.relations import DuckDBTable, ParquetFiles, View, opened
from pipelines.checks.results import CheckResult
from pipelines.checks.source_suites import suites_of
from pipelines.checks.suites import Suite
from pipelines.checks.validation import validate
from pipelines.ingest.landing import land
from pipelines.settings import Settings
from pipelines.sources import Source
from pipelines.sql import quote_path
from pipelines.tables import raw_file
from pipelines.warehouse import sandboxed

FIRST = date(2025, 3, 3)

SOURCE = Source.model_validate(
    {
        "name": "shop",
        "description": "A shop.",
        "connector": "files",
        "owner": "team:commerce",
        "sla": "06:00",
        "entities": ["orders"],
        "tables": {
            "orders": {
                "description": "Orders.",
                "path": "orders_{delivered_on}.csv",
                "format": "csv",
                "columns": ["order_id", "ordered_at", "updated_at"],
                "key": ["order_id"],
                "newest_by": ["updated_at"],
            },
            "lines": {
                "description": "Lines.",
                "path": "lines_{delivered_on}.csv",
                "format": "csv",
                "columns": ["line_id", "order_id"],
                "key": ["line_id"],
            },
            "products": {
                "description": "Products.",
                "path": "products_{delivered_on}.csv",
                "format": "csv",
                "columns": ["product_id"],
                "key": ["product_id"],
            },
        },
    }
)


def settings(folder: Path, **changes: object) -> Settings:
    return Settings.model_validate(
        {
            "sources": ["shop"],
            "first_delivery": "2025-03-03",
            "time_zone": "Europe/Warsaw",
            "reporting_currency": "EUR",
            "data_dir": folder,
            "company_dir": folder,
            **changes,
        }
    )


def land_rows(raw_dir: Path, day: date, rows: int, is_history: bool = False, skipped: int = 0) -> Path:
    file = raw_file(raw_dir, "shop", "orders", day)
    file.parent.mkdir(parents=True)
    entries = [*(["history: 'true'"] if is_history else []), *([f"skipped_rows: '{skipped}'"] if skipped else [])]
    metadata = f", kv_metadata {{{', '.join(entries)}}}" if entries else ""
    duckdb.execute(
        f"""
        copy (
            select
                'o' || range as order_id, '{day} 10:00' as ordered_at, '{day} 10:00' as updated_at,
                'orders.csv' as _source_file, 'x' as _file_sha256, range as _row_number, null::varchar as _problem,
                null::varchar as _unreadable_row, date '{day}' as _delivered_on, timestamp '{day}' as _loaded_at
            from range({rows})
        ) to {quote_path(file)} (format parquet {metadata})
        """
    )
    return file


def rows_of(view: View, beside: Path) -> list[dict[str, object]]:
    with opened(ParquetFiles((beside,), (view,))) as batch:
        return batch.rows(f"select * from {view.name} order by all")


def test_deliveries_are_counted_by_their_footers_up_to_the_judged_day(tmp_path: Path) -> None:
    raw_dir = tmp_path / "raw [it's]"
    files = {
        day: land_rows(raw_dir, date(2025, 3, day), rows, is_history=day == 3, skipped=2 if day == 5 else 0)
        for day, rows in ((3, 500), (4, 0), (5, 7), (6, 9))
    }
    found = rows_of(deliveries(raw_dir, "shop", "orders", [date(2025, 3, 5)]), files[5])
    columns = ("day", "row_count", "skipped_rows", "is_judged", "is_first", "is_history")
    assert found == [
        dict(zip(columns, values, strict=True))
        for values in [
            (date(2025, 3, 3), 500, 0, False, True, True),
            (date(2025, 3, 4), 0, 0, False, False, False),
            (date(2025, 3, 5), 7, 2, True, False, False),
        ]
    ]


def test_a_delivery_of_which_the_condition_leaves_nothing_is_told(tmp_path: Path) -> None:
    table = SOURCE.tables["orders"].model_copy(update={"skip_rows": "order_id like 'Total%'", "empty_day": "allowed"})
    landing, raw_dir = tmp_path / "landing", tmp_path / "raw"
    landing.mkdir()
    (landing / f"orders_{FIRST}.csv").write_text("order_id,ordered_at,updated_at\nTotal,,\nTotal: all,,\n")
    with sandboxed(landing, raw_dir) as database:
        land("shop", "orders", table, FIRST, landing, raw_dir, database)
    suite: Suite = suites_of(SOURCE, "orders", table)[0]
    views = (deliveries(raw_dir, "shop", "orders", [FIRST]), days_off(settings(tmp_path)))
    results = validate(suite, ParquetFiles((raw_file(raw_dir, "shop", "orders", FIRST),), views))
    [failed] = [result for result in results if not result.passed]
    assert (failed.check, failed.severity) == ("not_all_rows_are_skipped", "warning")
    assert failed.message.startswith("not_all_rows_are_skipped: no rows, 2 skipped, on 2025-03-03")


def test_a_delivery_that_is_a_tenth_of_what_is_usual_is_blocked_with_the_figures(tmp_path: Path) -> None:
    """With the suite that follows from the source's YAML, and Great Expectations."""
    counts = [900, *[100] * 14, 12, 100]
    files = [land_rows(tmp_path, FIRST.replace(day=3 + offset), count) for offset, count in enumerate(counts)]
    suite: Suite = suites_of(SOURCE, "orders", SOURCE.tables["orders"])[0]
    judged = date(2025, 3, 18)
    views = (deliveries(tmp_path, "shop", "orders", [judged]), days_off(settings(tmp_path)))
    results = {result.check: result for result in validate(suite, ParquetFiles((files[15],), views))}
    assert [name for name, result in results.items() if not result.passed] == [
        "row_count_is_usual", "row_count_is_plausible",
    ]  # fmt: skip
    blocked = results["row_count_is_plausible"]
    assert blocked.severity == "critical"
    assert blocked.message == (
        "row_count_is_plausible: 12 rows on 2025-03-18, fewer than 50: 50% of 100, the median for a working day (of 10)"
        ". If it is right, add to unusual_days in kpi.yml: 2025-03-18"
    )
    assert (blocked.unexpected_count, blocked.element_count) == (1, 1)
    assert blocked.failing_days == ("2025-03-18",)
    assert blocked.expected == "delivery with 50% to 300% of the rows that are usual"


def judged(folder: Path, counts: list[int], last: int, **more: str) -> dict[str, CheckResult]:
    """The results for the newest `last` deliveries of orders. `counts` are their row counts from FIRST on."""
    days = [FIRST + timedelta(days=offset) for offset in range(len(counts))]
    files = [land_rows(folder, day, count) for day, count in zip(days, counts, strict=True)]
    views = (deliveries(folder, "shop", "orders", days[-last:]), days_off(settings(folder, **more)))
    suite = suites_of(SOURCE, "orders", SOURCE.tables["orders"])[0]
    return {result.check: result for result in validate(suite, ParquetFiles(tuple(files[-last:]), views))}


def test_an_empty_delivery_is_implausible_unless_the_source_allows_it(tmp_path: Path) -> None:
    files = [
        land_rows(tmp_path, FIRST + timedelta(days=offset), count) for offset, count in enumerate([100] * 15 + [0])
    ]
    views = (deliveries(tmp_path, "shop", "orders", [date(2025, 3, 18)]), days_off(settings(tmp_path)))

    def blocked(empty_day: str) -> list[str]:
        table = SOURCE.tables["orders"].model_copy(update={"empty_day": empty_day})
        results = validate(suites_of(SOURCE, "orders", table)[0], ParquetFiles((files[15],), views))
        return [result.check for result in results if not result.passed and result.severity == "critical"]

    assert blocked("forbidden") == ["delivery_not_empty", "row_count_is_plausible"]
    assert blocked("allowed") == []


def test_a_range_names_the_implausible_day_only_and_the_day_alone_gets_the_same_verdict(tmp_path: Path) -> None:
    counts = [100] * 17 + [6] + [100] * 5
    together = judged(tmp_path / "range", counts, last=8)["row_count_is_plausible"]
    alone = judged(tmp_path / "day", counts[:18], last=1)["row_count_is_plausible"]
    assert together.failing_days == alone.failing_days == ("2025-03-20",)
    assert together.message == alone.message


def test_more_implausible_days_than_are_told_one_by_one_are_all_listed(tmp_path: Path) -> None:
    blocked = judged(tmp_path, [100] * 28 + [6] * 3 + [100, 6, 6], last=6)["row_count_is_plausible"]
    days = ("2025-03-31", "2025-04-01", "2025-04-02", "2025-04-04", "2025-04-05")
    assert blocked.failing_days == days
    assert blocked.observed.endswith("(of 4); in all 5: 2025-03-31 to 2025-04-02, 2025-04-04, 2025-04-05")
    assert blocked.message.endswith(f". If it is right, add to unusual_days in kpi.yml: {', '.join(days)}")


def test_the_answer_to_blocked_days_holds_those_that_would_be_blocked_next(tmp_path: Path) -> None:
    """The last Monday, 100, is above half of the median of all, 165, but below half of 285, without the two 40."""
    mondays = [100, 150, 160, 170, 400, 410, 420, 40, 40, 100]
    counts = [count for monday in mondays for count in (monday, *[100] * 6)][:-6]
    found = judged(tmp_path / "before", counts, last=15)["row_count_is_plausible"]
    assert found.failing_days == ("2025-04-21", "2025-04-28")
    answer = "2025-04-21, 2025-04-28, 2025-05-05"
    assert found.message.endswith(
        f". If it is right, add to unusual_days in kpi.yml: {answer} "
        "(once these are added, 2025-05-05 would be blocked)"
    )
    some = judged(tmp_path / "some", counts, last=15, unusual_days="2025-04-21, 2025-04-28")["row_count_is_plausible"]
    assert some.failing_days == ("2025-05-05",)
    assert judged(tmp_path / "all", counts, last=15, unusual_days=answer)["row_count_is_plausible"].passed


def test_what_has_changed_for_good_is_answered_by_a_new_start(tmp_path: Path) -> None:
    blocked = judged(tmp_path, [100] * 28 + [40] * 8, last=8)["row_count_is_plausible"]
    assert blocked.message.endswith(
        ". If volumes stay like this, write `volume: {since: 2025-03-31}` in the source's YAML instead"
    )


def test_a_file_without_rows_fails_among_others_with_rows_as_it_does_alone(tmp_path: Path) -> None:
    files = {day: land_rows(tmp_path, date(2025, 3, day), rows) for day, rows in ((3, 9), (4, 0), (5, 7), (6, 0))}
    suite = suites_of(SOURCE, "orders", SOURCE.tables["orders"])[0]

    def failed(*days: int) -> dict[str, tuple[str, ...]]:
        views = (
            deliveries(tmp_path, "shop", "orders", [date(2025, 3, day) for day in days]),
            days_off(settings(tmp_path)),
        )
        results = validate(suite, ParquetFiles(tuple(files[day] for day in days), views))
        return {result.check: result.failing_days for result in results if not result.passed}

    assert failed(3, 4, 5, 6) == {"delivery_not_empty": ("2025-03-04", "2025-03-06")}
    assert failed(4) == {"delivery_not_empty": ("2025-03-04",)}
    assert failed(3, 5) == {}


def test_holidays_of_the_country_and_unusual_days_are_days_off(tmp_path: Path) -> None:
    view = days_off(settings(tmp_path, holiday_country="PL", unusual_days="2025-11-28, 2025-12-25"))
    found = {row["day"]: row for row in rows_of(view, land_rows(tmp_path, FIRST, 1))}
    assert found[date(2025, 11, 11)] == {
        "day": date(2025, 11, 11), "name": "National Independence Day", "is_unusual": False,
    }  # fmt: skip
    assert found[date(2025, 11, 28)]["is_unusual"]
    assert found[date(2025, 12, 25)]["is_unusual"]
    assert rows_of(days_off(settings(tmp_path)), land_rows(tmp_path, date(2025, 3, 4), 1)) == []


PUBLISHED_AT = datetime(2025, 3, 5, 12)


@pytest.fixture
def installation(tmp_path: Path) -> Settings:
    """Published on 5 March with the deliveries of 3 and 4 March. The tests fill the logs in the warehouse."""
    here = settings(tmp_path)
    here.published_dir.mkdir()
    with duckdb.connect(str(here.published_dir / "kpi.duckdb")) as connection:
        connection.execute("create schema meta; create schema marts")
        connection.execute("create table meta.publication as select ?::timestamp as published_at", [PUBLISHED_AT])
        connection.execute(
            """
            create table meta.delivered_row_counts as
            select 'shop' as source, name as table_name, day as delivered_on
            from (values ('orders'), ('lines'), ('products')) as tables (name),
                (values (date '2025-03-03'), (date '2025-03-04')) as days (day)
            """
        )
        connection.execute(
            """
            create table marts.kpi_scorecard__monthly as
            select
                date '2024-12-01' as period_month, 'revenue' as kpi_id, 'net' as variant, 'company' as entity_type,
                'company' as entity_id, 100.0 as value, 'ok' as status, false as is_partial_period, true as is_mature
            """
        )
    with duckdb.connect(str(here.warehouse_path)) as connection:
        connection.execute("create schema staging; create schema marts")
        provenance = "_delivered_on date, _loaded_at timestamp"
        connection.execute(
            f"create table staging.base_shop__orders (order_id text, ordered_at timestamp, updated_at timestamp, {provenance})"  # noqa: E501
        )
        connection.execute(f"create table staging.base_shop__lines (line_id text, order_id text, {provenance})")
        connection.execute(f"create table staging.base_shop__products (product_id text, {provenance})")
        connection.execute(
            "insert into staging.base_shop__orders values "
            "('o1', '2024-12-31', '2025-03-03', '2025-03-03', '2025-03-04 06:00'), "
            "('o2', '2025-01-01', '2025-03-03', '2025-03-04', '2025-03-05 06:00')"
        )
        connection.execute(
            "create table marts.kpi_scorecard__monthly as select * from "
            "(values (date '2024-12-01', 'revenue', 'net', 'company', 'company', 90.0)) "
            "as t (period_month, kpi_id, variant, entity_type, entity_id, value)"
        )
    return here


def months(here: Settings, *inserts: str) -> list[object]:
    with duckdb.connect(str(here.warehouse_path)) as connection:
        for insert in inserts:
            connection.execute(f"insert into staging.base_shop__{insert}")
    view = delivered_months(here, [SOURCE])
    with opened(DuckDBTable(here.warehouse_path, "marts", "kpi_scorecard__monthly", (view,))) as batch:
        return [row["month"] for row in batch.rows("select month from delivered_months order by month")]


def test_what_was_there_when_it_was_published_explains_nothing(installation: Settings) -> None:
    assert months(installation) == []


def test_a_row_that_came_since_is_dated_by_its_dates_but_not_by_its_change(installation: Settings) -> None:
    row = "orders values ('o9', '2024-11-30', '2025-03-06', '2025-03-06', '2025-03-07 06:00')"
    assert months(installation, row) == [date(2024, 11, 1)]


def test_a_delivery_that_came_again_with_other_bytes_is_one_that_came_since(installation: Settings) -> None:
    again = "orders values ('o9', '2024-10-30', '2025-03-06', '2025-03-03', '2025-03-07 06:00')"
    assert months(installation, again) == [date(2024, 10, 1)]


def test_a_day_that_landed_while_another_was_published_is_one_that_came_since(installation: Settings) -> None:
    early = "orders values ('o9', '2024-09-30', '2025-03-06', '2025-03-05', '2025-03-05 11:59')"
    assert months(installation, early) == [date(2024, 9, 1)]


def test_lines_are_dated_by_their_orders_and_what_has_no_date_by_any_month(installation: Settings) -> None:
    line = "lines values ('l1', 'o1', '2025-03-06', '2025-03-07 06:00')"
    assert months(installation, line) == [date(2024, 12, 1)]
    assert months(installation, "products values ('p1', '2025-03-06', '2025-03-07 06:00')") == [date(2024, 12, 1), None]


def test_before_the_first_publication_there_is_nothing_to_compare_with(installation: Settings) -> None:
    (installation.published_dir / "kpi.duckdb").unlink()
    assert delivered_months(installation, [SOURCE]).attached == ()
    with duckdb.connect(str(installation.warehouse_path)) as connection:
        connection.execute(
            "create or replace table marts.kpi_scorecard__monthly as select *, 'ok' as status, "
            "false as is_partial_period, true as is_mature from marts.kpi_scorecard__monthly"
        )
    view = published_months(installation)
    with opened(DuckDBTable(installation.warehouse_path, "marts", "kpi_scorecard__monthly", (view,))) as batch:
        assert batch.rows("select * from published_months") == []


def test_a_closed_month_that_moved_is_told_unless_a_delivery_explains_it(
    installation: Settings, tmp_path: Path
) -> None:
    """Through Great Expectations, with the published file next to the warehouse."""
    suite = Suite.model_validate(
        {
            "stage": "marts",
            "name": "kpi_scorecard__monthly",
            "path": tmp_path / "kpi_scorecard__monthly.yml",
            "owner": "team:data",
            "description": "Scorecard.",
            "expectations": [{"type": "expect_closed_months_to_stay", "severity": "warning", "why": "History moved."}],
        }
    )

    def result() -> tuple[bool, str]:
        views = (published_months(installation), delivered_months(installation, [SOURCE]))
        relation = DuckDBTable(installation.warehouse_path, "marts", "kpi_scorecard__monthly", views)
        found = validate(suite, relation)[-1]
        return found.passed, found.observed

    told = "revenue net of 2024-12 was 100, is 90"
    assert result() == (False, f"{told}, and no row of that time was delivered since")
    months(installation, "lines values ('l1', 'o1', '2025-03-06', '2025-03-07 06:00')")
    assert result() == (True, f"{told}: rows of that time were delivered since")


def test_the_views_that_a_suite_needs_are_made_and_no_others(tmp_path: Path) -> None:
    made: list[str] = []

    def view(name: str) -> View:
        made.append(name)
        return View(name, "select 1")

    suite = suites_of(SOURCE, "orders", SOURCE.tables["orders"])[0]
    wanted = {name: (lambda name=name: view(name)) for name in ("deliveries", "days_off", "published_months")}
    assert len(baselines.views_for(suite, wanted)) == 2
    assert made == ["days_off", "deliveries"]
