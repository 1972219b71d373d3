"""How healthy the data are: deliveries, checks, rows that do not count, and published numbers that changed later.

Counts and reasons only: values of failing or quarantined rows may be personal data and stay where the pipeline runs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pipelines.answers.cells import Published
from pipelines.pages.sections import Missing, Section
from pipelines.pages.sections.numbers import Fact, Key, Number
from pipelines.pages.view import COMPANY, CUTS, GRAINS, Measure, View
from pipelines.pages.words import N_

_OF_THIS_RUN = "run_id = (select any_value(run_id) from meta.publication)"
_LEFT_OUT_OF = "coalesce(entity, source || '.' || table_name)"
_MOST = 50  # rows of a list; a sentence says how many there are

# Sources


@dataclass(frozen=True)
class DeliveredTable:
    """What a source last delivered of a table."""

    source: str
    table: str
    last_delivery: date | None
    last_with_rows: date | None
    rows: int | None  # of the last delivery that had any
    unreadable: int | None
    deliveries: int


@dataclass(frozen=True)
class InQuestion:
    """A delivery that did not simply pass. `findings` is how many problems it has."""

    name: str  # shop.orders
    delivered_on: date
    state: str
    findings: int
    reason: str | None  # of a person's decision


@dataclass(frozen=True)
class DeliveredSource:
    """A source, the newest day with whose data it is complete, and its tables."""

    source: str
    data_through: date | None
    days_behind: int | None
    tables: Sequence[DeliveredTable]


@dataclass(frozen=True)
class Sources:
    """All sources, and the deliveries that readers should know of."""

    sources: Sequence[DeliveredSource]
    in_question: Sequence[InQuestion]


def sources(view: View) -> Sources | Missing:
    """How new each source is, its last deliveries, and those in any state other than passed."""
    rows = view.execute(
        """
        with days as (
            select source, table_name, max(delivered_on) as last_delivery, count(*) as deliveries
            from meta.deliveries
            group by all
        ),

        counts as (
            select
                source, table_name, max(delivered_on) as last_with_rows, arg_max(raw_rows, delivered_on) as raw_rows,
                arg_max(quarantined_rows, delivered_on) as quarantined_rows
            from meta.delivered_row_counts
            where raw_rows > 0
            group by all
        )

        select
            publication.source, data_through, as_of_date - data_through, table_name, last_delivery, last_with_rows,
            raw_rows, quarantined_rows, deliveries
        from meta.publication as publication
        left join (days full join counts using (source, table_name)) using (source)
        order by publication.source, table_name
        """
    ).fetchall()
    found: dict[str, DeliveredSource] = {}
    of_sources: dict[str, list[DeliveredTable]] = {}
    for source, through, behind, table, last, with_rows, raw, unreadable, deliveries in rows:
        of_source = of_sources.setdefault(source, [])
        found[source] = DeliveredSource(source, through, behind, of_source)
        if table is not None:
            of_source.append(DeliveredTable(source, table, last, with_rows, raw, unreadable, deliveries or 0))
    if not found:
        return Missing(
            view.words.text("No source has delivered yet. To connect a source, see docs/connect in the project.")
        )
    in_question = view.execute(
        r"""
        select
            source || '.' || table_name, delivered_on, state,
            len(list_filter(string_split(coalesce(problems, ''), chr(10)), line -> line <> '')), reason
        from meta.deliveries_in_question
        order by delivered_on desc, 1
        """
    ).fetchall()
    return Sources(list(found.values()), [InQuestion(*row) for row in in_question])


# Checks


@dataclass(frozen=True)
class Tally:
    """How the checks of a stage ended."""

    stage: str
    passed: int
    failed: int
    not_executed: int

    @property
    def checks(self) -> int:
        return self.passed + self.failed + self.not_executed


@dataclass(frozen=True)
class Failure:
    """A check that failed, or could not be executed; `finding` counts rows, and is None where it is a value of one."""

    stage: str
    table: str
    check: str
    severity: str
    is_executed: bool
    finding: str | None
    expected: str


@dataclass(frozen=True)
class Checks:
    """What the checks of the run that published found."""

    stages: Sequence[Tally]
    failures: Sequence[Failure]


def checks(view: View) -> Checks | Missing:
    """How many checks passed per stage, and those that did not, the worst first."""
    stages = view.execute(
        f"""
        select
            stage, count(*) filter (passed), count(*) filter (not passed and error is null),
            count(*) filter (not passed and error is not null)
        from meta.check_results
        where {_OF_THIS_RUN}
        group by stage
        order by case stage when 'raw' then 1 when 'staging' then 2 when 'marts' then 3 else 4 end, stage
        """
    ).fetchall()
    if not stages:
        return Missing(view.words.text("The run that published recorded no checks."))
    # `message`, `examples` and `error` may quote rows. `observed` counts them, unless a column was measured: its
    # largest value is a value of some row.
    failures = view.execute(
        f"""
        select
            stage, "table", "check", severity, error is null,
            case when unexpected_count is not null or "column" is null then observed end, expected
        from meta.check_results
        where {_OF_THIS_RUN} and not passed
        order by
            case severity when 'critical' then 1 when 'warning' then 2 else 3 end, error is null, stage, "table",
            "check"
        """
    ).fetchall()
    return Checks([Tally(*row) for row in stages], [Failure(*row) for row in failures])


# Rows that do not count


@dataclass(frozen=True)
class Quarantined:
    """Rows of a table that cannot be read for the same reason."""

    name: str
    reason: str
    rows: int
    first: date
    last: date


@dataclass(frozen=True)
class Quarantine:
    """Rows in quarantine by table and reason, the most first."""

    groups: Sequence[Quarantined]
    rows: int
    delivered: int  # rows of all deliveries


def quarantine(view: View) -> Quarantine | Missing:
    """Which rows cannot be read, and why."""
    groups = view.execute(
        """
        select source || '.' || table_name, reason, count(*), min(delivered_on), max(delivered_on)
        from meta.quarantined_rows
        group by all
        order by 3 desc, 1, 2
        """
    ).fetchall()
    if not groups:
        return Missing(view.words.text("Nothing: every delivered row can be read."))
    found = view.execute("select coalesce(sum(raw_rows), 0) from meta.delivered_row_counts").fetchone()
    quarantined = [Quarantined(*row) for row in groups]
    return Quarantine(quarantined, sum(one.rows for one in quarantined), int(found[0]) if found else 0)


@dataclass(frozen=True)
class LeftOut:
    """Rows that can be read but do not count; `is_expected` if nobody has to investigate."""

    rows_of: str  # an entity, or a delivered table that no model uses
    left_out_of: str
    reason: str
    is_expected: bool
    rows: int


def left_out(view: View) -> list[LeftOut] | Missing:
    """Which rows do not count, those that nobody expects first."""
    rows = view.execute(
        f"""
        select {_LEFT_OUT_OF} as left_out_rows_of, left_out_of, reason, is_expected, cast(sum(left_out_rows) as bigint)
        from meta.left_out_rows
        group by all
        order by is_expected, 5 desc, left_out_rows_of, reason
        """
    ).fetchall()
    return [LeftOut(*row) for row in rows] or Missing(view.words.text("Nothing: every row that can be read counts."))


# Published numbers that changed later


@dataclass(frozen=True)
class Cause:
    """What changed a number: rows of a delivery, or another definition.

    `rows` are those of the part of the number in which most changed.
    """

    cause: str
    name: str | None  # the delivered table
    delivered_on: date | None
    rows: int | None


@dataclass(frozen=True)
class Restated:
    """A published number of a complete period that a later publication changed."""

    published_at: datetime
    measure: Measure | None
    kpi_id: str
    variant: str
    start: date
    before: Decimal | None
    after: Decimal | None
    causes: Sequence[Cause]


@dataclass(frozen=True)
class Restatements:
    """The newest restatements of the chosen entity by the chosen grain, and how many there are of all."""

    newest: Sequence[Restated]
    found: int
    of_all: int


def restatements(view: View) -> Restatements | Missing:
    """Which published numbers changed later, and why."""
    of_cell = {"cut": view.state.cut, "entity": view.state.entity or COMPANY, "grain": view.state.grain}
    is_of_cell = "entity_type = $cut and entity_id = $entity and grain = $grain"
    published = "meta.restatements semi join marts.dim_period using (grain, period_start)"
    counted = view.execute(f"select count(*) filter ({is_of_cell}), count(*) from {published}", of_cell).fetchone()
    found, of_all = counted or (0, 0)
    if not of_all:
        return Missing(view.words.text("None: no published number of a complete period changed later."))
    rows = view.execute(
        f"""
        with newest as (
            select *
            from {published}
            where {is_of_cell}
            order by published_at desc, period_start desc, kpi_id, variant
            limit {_MOST}
        ),

        causes as (
            select
                publication_id, kpi_id, variant, period_start, cause, source || '.' || table_name as name, delivered_on,
                cast(max(changed_rows) as bigint) as changed_rows
            from meta.restatement_causes
            where {is_of_cell}
            group by all
        )

        select
            publication_id, published_at, kpi_id, variant, period_start, value_before, value_after, cause, name,
            delivered_on, changed_rows
        from newest
        left join causes using (publication_id, kpi_id, variant, period_start)
        order by published_at desc, period_start desc, kpi_id, variant, cause, delivered_on, name
        """,
        of_cell,
    ).fetchall()
    restated: dict[tuple[Any, ...], Restated] = {}
    of_cells: dict[tuple[Any, ...], list[Cause]] = {}
    for publication_id, published_at, kpi_id, variant, start, before, after, cause, name, day, changed in rows:
        key = (publication_id, kpi_id, variant, start)
        causes = of_cells.setdefault(key, [])
        restated[key] = Restated(
            published_at, view.measures.get((kpi_id, variant)), kpi_id, variant, start, before, after, causes
        )
        if cause is not None:
            causes.append(Cause(cause, name, day, changed))
    return Restatements(list(restated.values()), found, of_all)


@dataclass(frozen=True)
class Remark:
    """An annotation, and the KPIs that it concerns; none if it concerns all."""

    kind: str
    starts_on: date
    ends_on: date
    text: str
    kpis: Sequence[str]


@dataclass(frozen=True)
class Remarks:
    """The newest annotations, and how many there are."""

    newest: Sequence[Remark]
    found: int


def annotations(view: View) -> Remarks | Missing:
    """What people wrote down and what the pipeline marked, the newest first."""
    rows = view.execute(
        """
        select
            kind, starts_on, ends_on, text,
            list(distinct kpi_id order by kpi_id) filter (kpi_id is not null) as kpis, count(*) over () as found
        from meta.annotations
        group by kind, starts_on, ends_on, text
        order by starts_on desc, ends_on desc, kind, text
        limit $most
        """,
        {"most": _MOST},
    ).fetchall()
    if not rows:
        return Missing(view.words.text("None. To note an event, add it to events.yml."))
    names = {measure.kpi_id: measure.kpi_name for measure in view.measures.values()}
    newest = [
        Remark(kind, starts_on, ends_on, text, [names.get(kpi_id, kpi_id) for kpi_id in kpis or ()])
        for kind, starts_on, ends_on, text, kpis, _ in rows
    ]
    return Remarks(newest, rows[0][-1])


@dataclass(frozen=True)
class Redefined:
    """A definition that a publication changed: by which models or settings."""

    published_at: datetime
    measure: Measure | None
    kpi_id: str
    variant: str
    is_new: bool
    is_removed: bool
    publication_id: str
    models: Sequence[str]
    settings: Sequence[str]
    values: int  # published values that have both


def definitions(view: View) -> list[Redefined] | Missing:
    """Which definitions changed, the newest first."""
    rows = view.execute(
        """
        select
            published_at, kpi_id, variant, hash_before is null, hash_after is null, publication_id,
            coalesce(models, []), coalesce(json_keys(settings), []), coalesce(given.n, 0)
        from meta.definition_changes
        left join (
            select publication_id, kpi_id, variant, count(*) as n from meta.definition_change_values group by all
        ) as given using (publication_id, kpi_id, variant)
        order by published_at desc, kpi_id, variant
        limit $most
        """,
        {"most": _MOST},
    ).fetchall()
    if not rows:
        return Missing(view.words.text("None: every published number was always computed as it is now."))
    return [Redefined(row[0], view.measures.get((row[1], row[2])), *row[1:]) for row in rows]


@dataclass(frozen=True)
class Version:
    """The publication that is shown."""

    published: Published
    run_id: str
    code_version: str


def version(view: View) -> Version:
    """The publication that all pages show."""
    found = view.execute("select run_id, code_version from meta.publication limit 1").fetchone()
    run_id, code_version = found or ("", "")
    return Version(view.publication, run_id, code_version)


# What the numbers count. Nothing here is by the page's filter.


def _names_of(messages: Mapping[str, str]) -> Callable[[View], Mapping[str, str]]:
    """What the values of a key are called, from messages to translate."""
    return lambda view: {value: view.words.text(message) for value, message in messages.items()}


_TABLE = Key(N_("Table"), "source || '.' || table_name")
_DELIVERY = {"table": _TABLE, "day": Key(N_("Delivery of"), "delivered_on")}
_FILES = Fact(N_("delivered file"), "meta.delivered_files", "source_file", "delivered_on", cuts=None)
_UNREADABLE = Fact(
    N_("row in quarantine"),
    "(select *, source_file as _source_file, row_number as _row_number from meta.quarantined_rows) as unreadable",
    "source || '.' || table_name || ': ' || reason",
    "delivered_on",
    "unreadable",
    cuts=None,
)
_NUMBERS_OF_SOURCES = {
    "deliveries": Number(
        N_("Deliveries"),
        Fact(N_("delivery"), "meta.deliveries", "source || '.' || table_name", "delivered_on", cuts=None),
        {"table": _TABLE},
    ),
    "rows": Number(N_("Delivered rows"), _FILES, _DELIVERY, "raw_rows"),
    "unreadable": Number(N_("Rows in quarantine"), _UNREADABLE, _DELIVERY),
}
_NUMBERS_OF_QUARANTINE = {
    "rows": Number(N_("Rows in quarantine"), _UNREADABLE, {"table": _TABLE, "reason": Key(N_("Reason"), "reason")}),
    "delivered": Number(N_("Delivered rows"), _FILES, adds="raw_rows"),
}

_STAGES = {"raw": N_("Deliveries"), "staging": N_("Staging"), "marts": N_("Marts")}
_RESULTS = {"passed": N_("Passed"), "failed": N_("Failed"), "not_executed": N_("Not executed")}
_RESULT = "case when passed then 'passed' when error is null then 'failed' else 'not_executed' end"
_NUMBERS_OF_CHECKS = {
    "checks": Number(
        N_("Checks"),
        Fact(
            N_("check"),
            "meta.check_results",
            f"""concat("table", ': ', replace("check", '_', ' '), ' (', replace({_RESULT}, '_', ' '), ')')""",
            "try_cast(delivered_on as date)",
            where=_OF_THIS_RUN,
            cuts=None,
        ),
        {
            "stage": Key(N_("Stage"), "stage", _names_of(_STAGES)),
            "result": Key(N_("Result"), _RESULT, _names_of(_RESULTS)),
        },
    )
}
_NUMBERS_OF_LEFT_OUT = {
    "rows": Number(
        N_("Rows that do not count"),
        Fact(
            N_("delivery, with the first of these rows"),
            "(select *, first_file as _source_file, first_row_number as _row_number from meta.left_out_rows) as firsts",
            "concat_ws('.', source, coalesce(table_name, entity))",
            "delivered_on",
            "firsts",
            cuts=None,
        ),
        {
            "of": Key(N_("Rows of"), _LEFT_OUT_OF),
            "from": Key(N_("Left out of"), "left_out_of", is_message=True),
            "reason": Key(N_("Reason"), "reason", is_message=True),
        },
        "left_out_rows",
    )
}
_NUMBERS_OF_RESTATEMENTS = {
    "restatements": Number(
        N_("Restatements"),
        Fact(
            N_("published number that changed"),
            "(from meta.restatements semi join marts.dim_period using (grain, period_start)) as restated",
            "concat_ws(' ', kpi_id, variant, 'by', grain, 'of', entity_type, nullif(entity_id, entity_type))",
            "period_start",
            cuts=None,
        ),
        {
            "grain": Key(N_("Period"), "grain", _names_of({str(grain): name for grain, name in GRAINS.items()})),
            "cut": Key(N_("Cut"), "entity_type", _names_of({COMPANY: N_("Company"), **CUTS})),
            "of": Key(N_("Of"), "entity_id"),
        },
    )
}
_NUMBERS_OF_ANNOTATIONS = {
    "annotations": Number(
        N_("Annotations"),
        Fact(
            N_("annotation"),
            "(select distinct kind, starts_on, ends_on, text from meta.annotations) as noted",
            "text",
            "starts_on",
            cuts=None,
        ),
    )
}
_NUMBERS_OF_DEFINITIONS = {
    "values": Number(
        N_("Values published with both"),
        Fact(
            N_("value by both definitions"),
            "meta.definition_change_values",
            "concat_ws(' ', kpi_id, variant, entity_type, nullif(entity_id, entity_type)) "
            "|| concat(': ', coalesce(round(value_before, 6)::varchar, '–'), ' → ', "
            "coalesce(round(value_after, 6)::varchar, '–'))",
            "period_month",
            cuts=None,
        ),
        {
            "publication": Key(N_("Publication"), "publication_id"),
            "kpi": Key(N_("KPI"), "kpi_id"),
            "variant": Key(N_("Variant"), "variant"),
        },
    )
}

SOURCES = Section(
    "sources",
    N_("Sources and deliveries"),
    sources,
    "sources",
    N_("Data health is about all data; of what follows, only restatements depend on the filters."),
    numbers=_NUMBERS_OF_SOURCES,
)
CHECKS = Section("checks", N_("Checks"), checks, "checks", numbers=_NUMBERS_OF_CHECKS)
QUARANTINE = Section(
    "quarantine",
    N_("Quarantine"),
    quarantine,
    "quarantine",
    N_("Rows that cannot be read count nowhere until they are repaired: kpi quarantine list."),
    numbers=_NUMBERS_OF_QUARANTINE,
)
LEFT_OUT = Section(
    "left-out",
    N_("Rows that do not count"),
    left_out,
    "left_out",
    N_("They can be read, but no number contains them, or not all numbers do."),
    numbers=_NUMBERS_OF_LEFT_OUT,
)
RESTATEMENTS = Section(
    "restatements",
    N_("Restatements"),
    restatements,
    "restatements",
    N_("Published numbers of complete periods that a later publication changed."),
    numbers=_NUMBERS_OF_RESTATEMENTS,
)
ANNOTATIONS = Section("annotations", N_("Annotations"), annotations, "annotations", numbers=_NUMBERS_OF_ANNOTATIONS)
DEFINITIONS = Section(
    "definitions", N_("Changed definitions"), definitions, "definitions", numbers=_NUMBERS_OF_DEFINITIONS
)
VERSION = Section("version", N_("This publication"), version, "version")
