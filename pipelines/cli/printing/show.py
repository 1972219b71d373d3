"""Shows the scorecard and single KPIs from the published file.

Belongs here: what is shown of the published file, and the words for it. Does not belong here: people's own queries
(`query.py`), how results are written (`output.py`), and anything slow to import: these commands respond within a
second.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipelines.answers.annotations import Annotation, annotations_of
from pipelines.answers.cells import SCORECARD, Published, Variant, all_of, publication_of
from pipelines.answers.periods import Choice, Comparison, Grain, Periods
from pipelines.answers.shown import find_rows
from pipelines.formatting import cell_text, printable
from pipelines.output import NUMBER_FORMATS, OTHER_NUMBERS, Format, Result, Target, aside, write, write_parquet
from pipelines.partitions import days_in_words
from pipelines.sql import quote_text
from pipelines.warehouse import published

_PERIOD_WIDTH = 15  # of a column of the scorecard, with its padding
_MOST_NOTES = 5  # about deliveries, under a table
_MOST_ANNOTATIONS = 8  # under a table
_IN_UNIT = (
    *("value", "ci_low", "ci_high", "target", "target_to_date"),
    *("prior_value", "delta", "delta_low", "delta_high"),
    *("last_year_value", "last_year_delta", "last_year_delta_low", "last_year_delta_high"),
)

# The columns of an earlier value, of the change since then, and of whether the change is more than noise.
_COMPARED = {
    Comparison.prior: ("prior_value", "delta", "is_delta_significant"),
    Comparison.last_year: ("last_year_value", "last_year_delta", "is_last_year_delta_significant"),
}


@dataclass(frozen=True)
class _Column:
    """A column of the scorecard: the values of a period, or those that they are compared with."""

    header: str
    grain: Grain
    start: date
    is_prior: bool = False


def show_kpi(
    published_dir: Path,
    zone: ZoneInfo,
    kpi_id: str,
    by: str = "company",
    choice: Choice | None = None,
    variant: str | None = None,
    target: Target | None = None,
    compare: Comparison = Comparison.prior,
) -> None:
    """Print one KPI of the scorecard by period and entity, or write it to a file.

    Raises:
        NotPublishedError: there is no published file.
        QuestionError: no such KPI, cut, variant or period.
        UsageError: the file cannot be written.
    """
    target = target or Target()
    with published(published_dir) as connection:
        shown = find_rows(connection, kpi_id, by, choice, variant)
        publication, chosen, periods, notes = shown.publication, shown.variant, shown.periods, [*shown.notes]
        if target.form is Format.parquet:
            assert target.file is not None
            with aside(target.file) as path:
                write_parquet(connection, shown.query, path)
            return
        result = Result.of(connection.execute(shown.query))
        if target.form is Format.table and target.file is None:
            records = [dict(zip(result.columns, row, strict=True)) for row in result.rows]
            title = f"{kpi_id} ({chosen.variant}) by {by}: {chosen.name}"
            heading = [title, chosen.formula, publication.in_words(zone)]
            _print_for_people(records, heading, by, chosen.unit, publication, compare)
            notes += _listed(annotations_of(connection, kpi_id, by, periods))
            notes += _what_is_missing(records, chosen)
            notes += _what_is_compared(records, periods, compare)
            notes += _hint_at_what_is_known(connection, chosen, by, records, periods)
            notes += _periods_that_began_late(records, periods)
            notes += _deliveries_in_question(connection, publication)
        else:
            formats = dict.fromkeys(_IN_UNIT, NUMBER_FORMATS.get(chosen.unit, OTHER_NUMBERS))
            ratio = chosen.unit not in ("money", "count")
            formats |= {"attainment": "0.00%"}
            formats |= dict.fromkeys(("numerator", "denominator"), "#,##0.####" if ratio else formats["value"])
            write(Result(result.columns, result.types, result.rows, formats), target)
    for note in notes:
        print(printable(note), file=sys.stderr if target.form is not Format.table else sys.stdout)


def show_what_is_published(published_dir: Path, console: Console) -> None:
    """Print every KPI with its variants and cuts, the default variant first.

    Raises:
        NotPublishedError: there is no published file.
    """
    with published(published_dir) as connection:
        publication_of(connection)
        rows = connection.execute(
            f"""
            select kpi_id, list(variant order by is_default desc, variant), flatten(list(cuts))
            from (
                select kpi_id, variant, variant = any_value(default_variant) as is_default,
                    list(distinct entity_type) as cuts
                from {SCORECARD}
                inner join marts.kpi_catalogue using (kpi_id)
                where value is not null
                group by kpi_id, variant
            ) as variants
            group by kpi_id
            order by kpi_id
            """
        ).fetchall()
    table = Table(title="Published KPIs", title_justify="left")
    for name in ("KPI", "--variant", "--by"):
        table.add_column(name)
    for kpi_id, variants, cuts in rows:
        table.add_row(
            kpi_id, ", ".join(variants), ", ".join(sorted(set(cuts), key=lambda cut: (cut != "company", cut)))
        )
    console.print(table)
    console.print("The first variant is the default. Periods: --grain week, month, quarter or year.", markup=False)


def show_scorecard(published_dir: Path, zone: ZoneInfo, console: Console) -> None:
    """Print the company's headline KPIs, one per line, for as many periods as fit.

    The month and quarter in progress stand beside as many days of the month and quarter before.

    Raises:
        NotPublishedError: there is no published file.
    """
    with published(published_dir) as connection:
        publication = publication_of(connection)
        headline = connection.execute(
            """
            select kpi_id, kpi_id || ' (' || default_variant || ')' as name, unit
            from marts.kpi_catalogue
            order by kpi_id not in ('revenue', 'sales_growth'), kpi_id
            """
        ).fetchall()
        cells = {
            (kpi_id, grain, start): (value, status, prior_value)
            for kpi_id, grain, start, value, status, prior_value in connection.execute(
                f"""
                select kpi_id, grain, period_start, value, status, prior_value
                from {SCORECARD}
                inner join marts.kpi_catalogue using (kpi_id)
                where entity_type = 'company' and variant = default_variant
                """
            ).fetchall()
        }
        calendar = {grain: Periods.of(connection, grain) for grain in (Grain.month, Grain.quarter)}
        notes = _deliveries_in_question(connection, publication)
    names = {kpi_id: _with_unit(name, unit, publication) for kpi_id, name, unit in headline}
    fitting = max(1, min((console.width - max(map(len, names.values())) - 4) // _PERIOD_WIDTH, 7))
    columns = _columns_of_scorecard(calendar, fitting)
    table = Table(title=f"Scorecard, as of {publication.as_of_date}", title_justify="left")
    table.add_column("KPI", no_wrap=True)
    for column in columns:
        table.add_column(column.header, justify="right")
    for kpi_id, _, unit in headline:
        shown = []
        for column in columns:
            value, status, prior_value = cells.get((kpi_id, column.grain, column.start), (None, "", None))
            shown.append(cell_text(prior_value, unit) if column.is_prior else cell_text(value, unit) or status)
        table.add_row(names[kpi_id], *shown)
    console.print(table)
    for note in notes:
        console.print(printable(note), markup=False, highlight=False)


def _columns_of_scorecard(calendar: dict[Grain, Periods], fitting: int) -> list[_Column]:
    """Complete months, then the month in progress beside as many days of the one before, and the quarter if it fits."""
    in_progress: list[_Column] = []
    for grain, periods in calendar.items():
        columns = _in_progress(grain, periods)
        if not in_progress or len(in_progress) + len(columns) < fitting:  # there is room for a complete month, too
            in_progress += columns
    complete = [
        _Column(period.label, Grain.month, period.start)
        for period in calendar[Grain.month].periods
        if period.is_complete
    ]
    return [*complete[max(len(complete) + len(in_progress) - fitting, 0) :], *in_progress][-fitting:]


def _in_progress(grain: Grain, periods: Periods) -> list[_Column]:
    """The period in progress, after what it is compared with; nothing if there is none."""
    current = periods.in_progress
    if current is None:
        return []
    columns = [_Column(f"{current.label}\nto date", grain, current.start)]
    if before := periods.before(current):
        days = min(current.days_elapsed, before.days)
        first = "first day" if days == 1 else f"first {days} days"
        columns.insert(0, _Column(f"{first}\nof {before.label}", grain, current.start, is_prior=True))
    return columns


def _listed(annotations: Sequence[Annotation]) -> list[str]:
    """A line per annotation, oldest first. If there are too many, what people wrote and what is newest."""
    by_weight = sorted(annotations, key=lambda one: (one.kind == "event", one.starts_on), reverse=True)
    chosen = by_weight[:_MOST_ANNOTATIONS]
    lines = [f"* {one.in_words}" for one in annotations if one in chosen]
    more = len(annotations) - len(chosen)
    return [*lines, f"And {more} more in meta.annotations."] if more else lines


def _hint_at_what_is_known(
    connection: duckdb.DuckDBPyConnection,
    chosen: Variant,
    by: str,
    records: Sequence[dict[str, object]],
    periods: Periods,
) -> list[str]:
    """If periods have no value yet, a hint at the variants of the same kind that have one in all those periods."""
    immature = sorted({str(record["period_start"]) for record in records if record["status"] == "immature"})
    if not immature:
        return []
    rows = connection.execute(
        f"""
        select variant
        from {SCORECARD}
        inner join marts.kpi_variants using (kpi_id, variant)
        where {all_of({"kpi_id": chosen.kpi_id, "entity_type": by, "unit": chosen.unit})}
            and variant <> {quote_text(chosen.variant)} and value is not null
            and grain = {quote_text(periods.grain)}
            and cast(period_start as varchar) in ({", ".join(map(quote_text, immature))})
        group by variant
        having count(distinct period_start) = {len(immature)}
        order by variant
        """
    ).fetchall()
    which = periods.in_words([date.fromisoformat(start) for start in immature])
    known = ", ".join(f"--variant {variant}" for (variant,) in rows)
    instead = f" Already known: {known}." if known else ""
    why = f"the {periods.grain}, or the window of a lead or customer, is not over yet"
    or_else = "costs have not arrived, or the history before is too short"
    return [f"immature ({which}): {why}, {or_else}.{instead}"]


def _what_is_missing(records: Sequence[dict[str, object]], chosen: Variant) -> list[str]:
    """A note that names what no source delivers, if the KPI has no value because of that."""
    if not any(record["status"] == "no_source" for record in records):
        return []
    needs = f"{chosen.kpi_id} ({chosen.variant}) needs"
    missing = records[0].get("missing_entities")
    if missing:
        return [f"no_source: {needs} {missing}, which no source delivers."]
    return [
        f"no_source: {needs} a column that is empty in all rows, such as when leads and deals came in or converted."
    ]


def _what_is_compared(records: Sequence[dict[str, object]], periods: Periods, compare: Comparison) -> list[str]:
    """A note about what the period in progress is compared with, if it is."""
    earlier, _, _ = _COMPARED[compare]
    for record in records:
        if record["is_partial_period"] and record[earlier] is not None:
            return [
                f"{record['period_label']} so far is compared with as many days of the {compare.of(periods.grain)}."
            ]
    return []


def _periods_that_began_late(records: Sequence[dict[str, object]], periods: Periods) -> list[str]:
    """A note that names the periods of which only a part was delivered; a KPI without a value may be due to them."""
    late = sorted({date.fromisoformat(str(record["period_start"])) for record in records if record.get("began_late")})
    if not late:
        return []
    those = "it" if len(late) == 1 else "them"
    which = periods.in_words(late)
    return [f"The delivered history does not cover all of {which}. No {periods.grain} is compared with {those}."]


def _deliveries_in_question(connection: duckdb.DuckDBPyConnection, publication: Published) -> list[str]:
    """What the numbers lack, and what a person accepted: a line for each table and decision."""
    if not connection.execute(
        "select 1 from duckdb_tables() where schema_name = 'meta' and table_name = 'deliveries_in_question'"
    ).fetchone():
        return []  # published by an earlier version
    found = connection.execute(
        f"""
        select source || '.' || table_name, state, coalesce(decided_by, ''), coalesce(reason, ''), list(delivered_on)
        from meta.deliveries_in_question
        where state in ('missing', 'refused', 'left_out', 'accepted')
            and delivered_on <= cast({quote_text(str(publication.as_of_date))} as date)
        group by all
        order by max(delivered_on) desc, 1, 2
        """
    ).fetchall()
    lines = []
    for table, state, by, reason, days in found:
        which = f"{table} of {days_in_words(days)}"
        if state == "accepted":  # including a day on which nothing arrived
            lines.append(f"Accepted by {by}: {which} ({reason}).")
        else:
            decision = f" by {by}: {reason}" if by else ""
            lines.append(f"Not in these numbers: {which} ({state.replace('_', ' ')}{decision}).")
    more = f"And {len(lines) - _MOST_NOTES} more in meta.deliveries_in_question."
    return lines if len(lines) <= _MOST_NOTES else [*lines[:_MOST_NOTES], more]


def _print_for_people(
    records: Sequence[dict[str, object]],
    heading: Sequence[str],
    by: str,
    unit: str,
    publication: Published,
    compare: Comparison,
) -> None:
    """Print the rows as text under their heading; leave out columns without values."""
    in_progress = any(record["is_partial_period"] for record in records)
    lines = [_line(record, by, unit, in_progress, compare) for record in records]
    filled = [name for name in lines[0] if any(line[name] for line in lines)]
    period, before = next(iter(lines[0])), compare.of(Grain(str(records[0]["grain"])))
    table = Table()
    for name in filled:
        header = _with_unit(name, unit, publication) if name in ("value", before) else name
        table.add_column(header, justify="left" if name in (period, by, "status") else "right")
    for line in lines:
        table.add_row(*(Text(printable(line[name])) for name in filled))
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 160, highlight=False, soft_wrap=True)
    for words in heading:
        console.print(words, markup=False)
    console.print(table, soft_wrap=False)


def _line(record: dict[str, object], by: str, unit: str, in_progress: bool, compare: Comparison) -> dict[str, str]:
    """One row in readable form. For a period in progress, it separates the target due by now from the final target."""

    def number(name: str) -> Decimal | None:
        value = record.get(name)
        return value if isinstance(value, Decimal) else None

    grain = Grain(str(record["grain"]))
    so_far, mark = " to date" if record["is_partial_period"] else "", " *" if record["annotations"] else ""
    low, high = number("ci_low"), number("ci_high")
    top, bottom = number("numerator"), number("denominator")
    earlier, delta, is_significant = _COMPARED[compare]
    return {
        grain: f"{record['period_label']}{so_far}{mark}",
        by: "" if by == "company" else str(record["entity_name"]),
        "value": cell_text(number("value"), unit),
        "numerator / denominator": "" if top is None or bottom is None else f"{top:,.0f} / {bottom:,.0f}",
        "cases": f"{bottom:,.0f}" if top is None and bottom is not None else "",
        "95 % interval": "" if low is None else f"{cell_text(low, unit)} to {cell_text(high, unit)}",
        compare.of(grain): cell_text(number(earlier), unit),
        "change": _change(number(delta), number(earlier), unit),
        "more than noise": "" if record[is_significant] is None else "yes" if record[is_significant] else "no",
        f"target (whole {grain})" if in_progress else "target": cell_text(number("target"), unit),
        "target to date": cell_text(number("target_to_date"), unit) if in_progress else "",
        "attained (to date)" if in_progress else "attained": cell_text(number("attainment"), "rate"),
        "status": "" if record["status"] == "ok" else str(record["status"]),
    }


def _change(delta: Decimal | None, prior: Decimal | None, unit: str) -> str:
    """A difference with its sign; for amounts and counts, also as a share of the earlier value."""
    if delta is None:
        return ""
    if unit in ("rate", "score"):
        return cell_text(delta, "points" if unit == "rate" else unit)
    signed = ("+" if delta > 0 else "") + cell_text(delta, unit)
    return f"{signed} ({delta / prior * 100:+.1f} %)" if prior and prior > 0 else signed


def _with_unit(name: str, unit: str, publication: Published) -> str:
    return f"{name}, {publication.currency}" if unit == "money" and publication.currency else name
