"""What checks compare a table with: earlier deliveries, days off, the publication, and deliveries since then.

Belongs here: the views that our own expectation types need next to the table under test (`ExpectationType.needs`).
Does not belong here: how figures are judged with them (`checks/anomalies.py`).
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from pathlib import Path

from pipelines.checks.anomalies import DAYS_OFF, DELIVERED_MONTHS, DELIVERIES, PUBLISHED_MONTHS
from pipelines.checks.gx.relations import View
from pipelines.checks.suites import Suite
from pipelines.holidays import public_holidays
from pipelines.ingest.landing import HISTORY, SKIPPED_ROWS
from pipelines.publish.publication import SCORECARD
from pipelines.settings import Settings
from pipelines.sources import Source, each_table
from pipelines.sql import quote_name, quote_pattern, quote_text
from pipelines.tables import TableRef, raw_days, raw_file
from pipelines.warehouse import reader

_LONGEST_LOOK_BACK = 60  # days; the normal range comes from the preceding 8 weeks

_DAYS_OFF_COLUMNS = "day date, name varchar, is_unusual boolean"


def views_for(suite: Suite, made_by: dict[str, Callable[[], View]]) -> tuple[View, ...]:
    """Those views of `made_by` that the expectations of `suite` need."""
    needed = {name for spec in suite.expectations for name in spec.kind.needs}
    return tuple(made_by[name]() for name in sorted(needed & made_by.keys()))


def deliveries(raw_dir: Path, source: str, table: str, judged: Sequence[date]) -> View:
    """`deliveries`: day, row_count, skipped_rows, is_judged, is_first and is_history, up to the last judged day.

    Row counts, how many other rows were skipped because they are no records, and which days are history
    (`landing.first_live_day`) come from the files' footers; no row is read.
    """
    landed = sorted(raw_days(raw_dir, source, table))
    first, last = min(judged, default=date.max), max(judged, default=date.min)
    near = [day for day in landed if day <= last and (first - day).days <= _LONGEST_LOOK_BACK]
    files = ", ".join(quote_pattern(raw_file(raw_dir, source, table, day)) for day in near)
    if not files:
        nothing = "null::date as day, null::bigint as row_count, null::bigint as skipped_rows, false as is_judged"
        return View(DELIVERIES, f"select {nothing}, false as is_first, false as is_history where false")
    judged_days = ", ".join(f"date '{day}'" for day in judged)
    day_of_file = "cast(regexp_extract(file_name, 'delivered_on=([0-9-]+)/rows[.]parquet$', 1) as date)"
    return View(
        DELIVERIES,
        f"""
        with entries as (
            select {day_of_file} as day, decode(key) as name, decode(value) as value
            from parquet_kv_metadata([{files}])
        )
        select
            day, row_count, coalesce(skipped_rows, 0) as skipped_rows, day in ({judged_days}) as is_judged,
            day = date '{landed[0]}' as is_first,
            day in (select entries.day from entries where name = '{HISTORY}') as is_history
        from (
            select {day_of_file} as day, num_rows as row_count from parquet_file_metadata([{files}])
        ) as footers
        left join (
            select day, cast(value as bigint) as skipped_rows from entries where name = '{SKIPPED_ROWS}'
        ) as skipped using (day)
        """,
    )


def days_off(settings: Settings) -> View:
    """`days_off`: the public holidays of the setting holiday_country, and unusual_days."""
    rows = {day: (name, False) for day, name in public_holidays(settings).items()}
    rows |= dict.fromkeys(settings.unusual_days, ("unusual day", True))
    values = ", ".join(
        f"(date '{day}', {quote_text(name)}, {unusual})" for day, (name, unusual) in sorted(rows.items())
    )
    nothing = "select null::date as day, null::varchar as name, false as is_unusual where false"
    return View(DAYS_OFF, f"select * from (values {values}) as off (day, name, is_unusual)" if rows else nothing)


def published_months(settings: Settings) -> View:
    """`published_months`: the currently published scorecard; empty before the first publication."""
    columns = "period_month, kpi_id, variant, entity_type, entity_id, value, status, is_partial_period, is_mature"
    published = settings.published_dir / "kpi.duckdb"
    if published.exists():
        return View(PUBLISHED_MONTHS, f"select {columns} from published.marts.{SCORECARD}", (("published", published),))
    return View(PUBLISHED_MONTHS, f"select {columns} from marts.{SCORECARD} where false")


def delivered_months(settings: Settings, sources: Iterable[Source]) -> View:
    """`delivered_months`: the months of rows that have arrived since the last publication.

    The months of a row come from all its dates and times, except those that say when it was changed. If it has none,
    they come from the rows of its source whose key it names, as for the lines of an order. If there are none either,
    the month is NULL, which stands for any month: a product's new cost may change every month.
    """
    nothing = View(DELIVERED_MONTHS, "select null::date as month where false")
    published = settings.published_dir / "kpi.duckdb"
    if not published.exists():
        return nothing
    columns = _columns_of_logs(settings.warehouse_path)
    selects = [
        _months_of_new_rows(source, name, columns)
        for source, name, _ in each_table(sources)
        if TableRef(source.name, name).log in columns
    ]
    if not selects:
        return nothing
    return View(DELIVERED_MONTHS, " union ".join(selects), (("published", published),))


def _months_of_new_rows(source: Source, name: str, columns: dict[str, dict[str, str]]) -> str:
    log = TableRef(source.name, name).log
    new_rows = f"""
        select * from staging.{quote_name(log)} as log
        where _loaded_at > (select max(published_at) from published.meta.publication)
            or not exists (
                select 1 from published.meta.delivered_row_counts as seen
                where seen.source = {quote_text(source.name)} and seen.table_name = {quote_text(name)}
                    and seen.delivered_on = log._delivered_on
            )
    """
    if dates := _dates(source, name, columns):
        return _months(new_rows, [f"new_rows.{quote_name(column)}" for column in dates])
    for other, table in source.tables.items():
        [key, *more] = table.key
        other_dates = _dates(source, other, columns) if TableRef(source.name, other).log in columns else []
        if not more and other_dates and other != name and key in columns[log]:
            joined = (
                f"inner join staging.{quote_name(TableRef(source.name, other).log)} as dated using ({quote_name(key)})"
            )
            return _months(new_rows, [f"dated.{quote_name(column)}" for column in other_dates], joined)
    return f"select distinct cast(null as date) as month from ({new_rows}) as new_rows"


def _months(new_rows: str, dates: Iterable[str], joined: str = "") -> str:
    months = ", ".join(f"date_trunc('month', cast({column} as date))" for column in dates)
    return (
        "select distinct cast(month as date) as month from ("
        f"select unnest([{months}]) as month from ({new_rows}) as new_rows {joined}) as months where month is not null"
    )


def _dates(source: Source, name: str, columns: dict[str, dict[str, str]]) -> list[str]:
    of_log = columns[TableRef(source.name, name).log]
    return [
        column
        for column, kind in of_log.items()
        if kind.startswith(("DATE", "TIMESTAMP"))
        and not column.startswith("_")
        and column not in source.tables[name].newest_by
    ]


def _columns_of_logs(warehouse_path: Path) -> dict[str, dict[str, str]]:
    """The columns of every delivery log, with their types."""
    found: dict[str, dict[str, str]] = {}
    with reader(warehouse_path) as connection:
        for table, column, kind in connection.execute(
            "select table_name, column_name, data_type from duckdb_columns() "
            "where schema_name = 'staging' and table_name like 'base\\_%' escape '\\' order by column_index"
        ).fetchall():
            found.setdefault(table, {})[column] = kind
    return found
