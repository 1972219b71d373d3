"""Derives suites from a source's YAML: one for each delivered table, and one for its log in staging.

Belongs here: the checks that every delivered table gets, with the thresholds of its source. Each check judges every
delivery separately and names its `_delivered_on`, so that a day gets the same verdict in a run of its own and in a run
of many days.
Does not belong here: checks of the meaning of one particular table (`expectations/`). A suite file with the same name
replaces the suite made here.
"""

import re
from typing import Any

from pipelines.checks.suites import ExpectationSpec, Severity, Suite
from pipelines.ingest.readers import PROVENANCE
from pipelines.settings import PROJECT_DIR
from pipelines.sources import Rejects, Source, Table
from pipelines.sql import quote_name
from pipelines.tables import RAW, STAGING, TableRef

CANNOT_BE_READ = ": cannot be read as "  # between column and type, in reasons of `delivery_log` (staging.sql)
_RUNBOOK = "docs/operations.md#"


def suites_of(source: Source, name: str, table: Table) -> tuple[Suite, Suite]:
    """The suite of a delivered table, and the suite of its log."""
    return _raw_suite(source, name, table), _base_suite(source, name, table)


def _raw_suite(source: Source, name: str, table: Table) -> Suite:
    return Suite(
        stage=RAW,
        name=TableRef(source.name, name).suite[1],
        path=PROJECT_DIR / "pipelines" / "checks" / "source_suites.py",
        owner=source.owner,
        description=table.description,
        runbook=_RUNBOOK + "delivery-missing-or-small",
        allow_empty=True,  # `delivery_not_empty` looks at each delivery; that all days together have rows says little
        personal_columns=table.personal_columns,
        expectations=[
            *_not_empty(source, name, table),
            *_some_records(table),
            *(_rows_have_key(column, source.rejects) for column in table.key if not table.key_is_whole_row),
            _rule(
                "most_rows_are_whole",
                "critical",
                f"""
                    select _delivered_on, count(_problem) as broken_rows, count(*) as delivered_rows
                    from {{batch}}
                    group by 1
                    having {_too_many("count(_problem)", source.rejects.block, source.rejects.at_least)}
                """,
                f"{source.rejects.block:.0%} of a delivery or more cannot be parsed into columns: it is broken.",
                "unreadable-rows",
            ),
            _check(
                "no_new_columns",
                "expect_table_columns_to_be_known",
                {
                    "column_set": sorted({*table.columns, *table.optional_columns, *PROVENANCE}),
                    "patterns": table.further_columns,
                },
                "warning",
                "A new column lands, but nothing uses it: declare it in the source's YAML, and map it if it matters.",
                "columns-changed",
            ),
            *_volume(source, name, table),
        ],
    )


def _not_empty(source: Source, name: str, table: Table) -> list[ExpectationSpec]:
    if table.empty_day == "allowed":
        return []
    return [
        _check(
            "delivery_not_empty",
            "expect_deliveries_to_have_rows",
            {},
            "critical",
            "A file without rows arrived. If such days are normal, write `empty_day: allowed` in the source's YAML.",
            next_step=_accept(source, name),
        )
    ]


def _some_records(table: Table) -> list[ExpectationSpec]:
    if not table.skip_rows:
        return []
    return [
        _check(
            "not_all_rows_are_skipped",
            "expect_deliveries_to_have_rows",
            {"skipped": True},
            "warning",
            "Every row meets the condition `skip_rows` of the source's YAML: it may be wrong, or the file has changed.",
        )
    ]


def _volume(source: Source, name: str, table: Table) -> list[ExpectationSpec]:
    if not table.volume:
        return []
    volume = table.volume
    since = {"since": volume.since} if volume.since else {}
    date_column = {"date_column": table.date_column} if table.date_column else {}
    may_be_empty = {"may_be_empty": True} if table.empty_day == "allowed" else {}
    thresholds = {"below": volume.below, "above": volume.above, "at_least": volume.at_least}
    return [
        _check(
            "row_count_is_usual",
            "expect_row_counts_to_be_usual",
            {"deviations": volume.deviations, **since},
            "warning",
            "Part of the delivery may be missing, or have arrived twice.",
        ),
        _check(
            "row_count_is_plausible",
            "expect_row_counts_to_be_plausible",
            {**thresholds, **since, **date_column, **may_be_empty},
            "critical",
            f"Less than {volume.below:.0%} or more than {volume.above:.0%} of what is usual is more often a broken "
            "delivery than an extraordinary day.",
            next_step=_accept(source, name),
        ),
    ]


def _accept(source: Source, name: str) -> str:
    return f"have the delivery sent again, or if it is right: kpi accept {source.name} {name} DAY --reason TEXT"


def _rows_have_key(column: str, rejects: Rejects) -> ExpectationSpec:
    """Rows must have a key. Rows that cannot be parsed into columns have none; they count as unreadable."""
    key = quote_name(column)
    lacks_key = f"_problem is null and {key} is null"
    return _rule(
        f"{re.sub('[^a-z0-9]+', '_', column.lower()).strip('_') or 'key'}_not_null",
        "critical",
        f"""
            select _delivered_on, _source_file, _row_number, {key}
            from {{batch}}
            where {lacks_key} and _delivered_on in (
                select _delivered_on from {{batch}}
                group by 1
                having {_too_many(f"count(*) filter (where {lacks_key})", rejects.block, rejects.at_least)}
            )
        """,
        f"Without {column} rows cannot be distinguished, nor corrected later.",
        "keys-and-duplicates",
    )


def _base_suite(source: Source, name: str, table: Table) -> Suite:
    rejects = source.rejects
    of_this = f"--source {source.name} --table {name}"
    see_them = (
        f"kpi quarantine list {of_this}; after the delivery or the rule is repaired, kpi quarantine replay {of_this}"
    )
    return Suite(
        stage=STAGING,
        name=TableRef(source.name, name).log,
        path=PROJECT_DIR / "pipelines" / "checks" / "source_suites.py",
        owner=source.owner,
        description=f"Every delivered row of {source.name}.{name}, typed.",
        runbook=_RUNBOOK + "unreadable-rows",
        allow_empty=table.empty_day == "allowed",  # a table may have had nothing but such days so far
        personal_columns=table.personal_columns,
        expectations=[
            _rule(
                "rows_are_readable",
                "warning",
                _unreadable_share(rejects.warn, rejects.at_least),
                f"{rejects.warn:.0%} of a delivery or more is in quarantine; the KPIs lack those rows until repaired.",
                next_step=see_them,
            ),
            _rule(
                "most_rows_are_readable",
                "critical",
                _unreadable_share(rejects.block, rejects.at_least),
                f"{rejects.block:.0%} of a delivery or more cannot be read: it is broken, or its format has changed.",
                next_step=see_them,
            ),
            _rule(
                "columns_keep_their_type",
                "critical",
                _retyped_columns(rejects.at_least),
                "Most values of a column cannot be read as its declared type: the source has changed it.",
                "columns-changed",
            ),
            _rule(
                "unreadable_numbers_are_not_of_one_kind",
                "warning",
                _UNREADABLE_OF_ONE_KIND,
                "All unreadable numbers of a column are negative, or have separated thousands: the KPIs lack "
                "refunds, or the largest amounts, and nothing else. Correct the column in the base model.",
                next_step=see_them,
            ),
            *_one_row_per_key(table, rejects),
            *_window(table, rejects),
        ],
    )


def _one_row_per_key(table: Table, rejects: Rejects) -> list[ExpectationSpec]:
    """If rows of one delivery share a key, only one counts. `newest_by` distinguishes two versions of a row."""
    if "_row_number" in table.key:
        return []
    columns = [quote_name(name) for name in (*table.key, *table.newest_by)]
    same = " and ".join(f"lost.{column} is not distinct from other.{column}" for column in columns)

    def query(verdict: str, share: float, at_least: int) -> str:
        # Only rows that another row has superseded are compared, and these are few.
        return f"""
            with
            readable as (
                select *, hash(*columns(name -> not starts_with(name, '_'))) as _cells
                from {{batch}}
                where _reject_reason is null
            ),
            lost as (
                select
                    lost._delivered_on, lost._source_file, lost._row_number,
                    any_value(lost._cells) <> arg_max(other._cells, (other._source_file, other._row_number)) as differs
                from readable as lost
                inner join readable as other
                    on lost._delivered_on = other._delivered_on and {same}
                    and (lost._source_file, lost._row_number) < (other._source_file, other._row_number)
                where not lost._is_newest
                group by 1, 2, 3
            )
            select _source_file, _row_number, _delivered_on
            from lost
            inner join (select _delivered_on, count(*) as delivered_rows from {{batch}} group by 1) as days
                using (_delivered_on)
            where {verdict}
            qualify count(*) over (partition by _delivered_on) >= greatest({at_least}, {share} * delivered_rows)
            order by all
        """

    key = ", ".join(table.key)
    anchor = "keys-and-duplicates"
    differing_rows = (
        f"Of rows of one delivery that share {key} and differ, only one counts. If they are different things, add "
        "what distinguishes them to `key` in the source's YAML."
    )
    equal_rows = (
        "Rows of one delivery that are equal in every column count once. If each of them counts, give the table "
        "`key: [_source_file, _row_number]` in the source's YAML."
    )
    equal_rows_check = [_rule("rows_come_once", "info", query("not differs", 0, 1), equal_rows, anchor)]
    return [
        *(equal_rows_check if table.key_is_whole_row else ()),
        _rule("rows_of_one_key_are_equal", "warning", query("differs", 0, 1), differing_rows, anchor),
        _rule(
            "most_rows_have_a_key_of_their_own",
            "critical",
            query("differs", rejects.block, rejects.at_least),
            differing_rows,
            anchor,
        ),
    ]


def _window(table: Table, rejects: Rejects) -> list[ExpectationSpec]:
    """Dates must be within the window. Dates of unreadable rows are NULL in the log, and thus never outside it."""
    if not table.date_column:
        return []
    column = quote_name(table.date_column)
    window = table.date_window
    outside = f"_day > _delivered_on + {window.days_ahead} or _day < date '{window.earliest}'"

    def query(share: float) -> str:
        # A log may leave the column out. Its name then means that of `absent`, which is NULL.
        return f"""
            select
                _delivered_on, count(*) filter (where {outside}) as rows_outside, count(*) as delivered_rows,
                min(_day) as first_date, max(_day) as last_date
            from (select cast(null as date) as {column}) as absent
            cross join lateral (select _delivered_on, try_cast({column} as date) as _day from {{batch}}) as dated
            group by 1
            having {_too_many(f"count(*) filter (where {outside})", share, rejects.at_least)}
        """

    said = (
        f"{{:.0%}} of the rows hold dates before {window.earliest} or later than {window.days_ahead} days after their "
        "delivery: days and months may be swapped, or years mistyped. If they are right, widen date_window in the "
        "source's YAML."
    )
    return [
        _rule("dates_lie_in_window", "warning", query(rejects.warn), said.format(rejects.warn), "dates"),
        _rule("most_dates_lie_in_window", "critical", query(rejects.block), said.format(rejects.block), "dates"),
    ]


def _unreadable_share(share: float, at_least: int) -> str:
    return (
        "select _delivered_on, count(_reject_reason) as unreadable_rows, count(*) as delivered_rows from {batch} "
        f"group by 1 having {_too_many('count(_reject_reason)', share, at_least)}"
    )


def _too_many(counted: str, share: float, at_least: int) -> str:
    return f"{counted} >= {share} * count(*) and {counted} >= {at_least}"


def _retyped_columns(at_least: int) -> str:
    """Columns of a delivery in which more cells are unreadable than readable.

    A share of rows does not reveal them if most rows leave the column empty.
    """
    return f"""
        with
        reasons as (
            select _delivered_on, unnest(string_split(_reject_reason, '; ')) as reason
            from {{batch}}
            where _reject_reason is not null
        ),
        unreadable as (
            select
                _delivered_on, split_part(reason, '{CANNOT_BE_READ}', 1) as column_name,
                split_part(split_part(reason, '{CANNOT_BE_READ}', 2), ' (', 1) as declared_type,
                count(*) as unreadable_cells
            from reasons
            where reason like '%{CANNOT_BE_READ}%'
            group by 1, 2, 3
            having count(*) >= {at_least}
        ),
        filled as (
            select _delivered_on, count(columns(* exclude (_delivered_on)))
            from {{batch}}
            where _delivered_on in (select _delivered_on from unreadable)
            group by 1
        ),
        readable as (
            select
                _delivered_on, unreadable.column_name, unreadable.declared_type, unreadable.unreadable_cells,
                cast(json_extract_string(to_json(_filled), '$."' || unreadable.column_name || '"') as bigint)
                    as readable_cells
            from unreadable
            inner join filled as _filled using (_delivered_on)
        )
        select * from readable where unreadable_cells > readable_cells
    """


# However few: ten refunds in quarantine are a small share of a year's rows, and all of its refunds.
_UNREADABLE_OF_ONE_KIND = f"""
    with
    reasons as (
        select _delivered_on, unnest(string_split(_reject_reason, '; ')) as reason
        from {{batch}}
        where _reject_reason is not null
    ),
    unreadable as (
        select
            _delivered_on, split_part(reason, '{CANNOT_BE_READ}', 1) as column_name,
            regexp_extract(reason, ' [(](negative|thousands)[)]$', 1) as kind
        from reasons
        where reason like '%{CANNOT_BE_READ}%'
    )
    select _delivered_on, column_name, min(kind) as kind, count(*) as unreadable_cells
    from unreadable
    group by all
    having min(kind) <> '' and min(kind) = max(kind)
"""


def _rule(name: str, severity: Severity, query: str, why: str, anchor: str = "", **more: Any) -> ExpectationSpec:
    return _check(name, "unexpected_rows_expectation", {"unexpected_rows_query": query}, severity, why, anchor, **more)


def _check(
    name: str, kind: str, kwargs: dict[str, Any], severity: Severity, why: str, anchor: str = "", **more: Any
) -> ExpectationSpec:
    runbook = _RUNBOOK + anchor if anchor else None
    return ExpectationSpec(type=kind, name=name, severity=severity, kwargs=kwargs, why=why, runbook=runbook, **more)
