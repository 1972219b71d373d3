"""Shows the scorecard and single KPIs from the published file.

Belongs here: what is shown of the published file, and the words for it. Does not belong here: people's own queries
(`query.py`), how results are written (`output.py`), and anything slow to import: these commands respond within a
second.
"""

import difflib
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipelines.cli.printing.output import Format, Result, Target, UsageError, aside, write, write_parquet
from pipelines.formatting import cell_text, local_time, printable
from pipelines.partitions import days_in_words
from pipelines.sql import quote_text
from pipelines.warehouse import NotPublishedError, published

_MONTH_WIDTH = 15  # of a column of the scorecard, with its padding
_MOST_NOTES = 5  # about deliveries, under a table
_SCORECARD = "marts.kpi_scorecard__monthly"
_FIRST_COLUMNS = "kpi_id, variant, entity_type, entity_id, entity_name, period_month"
# How Excel shows values of a unit; it shows values of other units as they are.
_NUMBER_FORMATS = {"money": "#,##0.00", "rate": "0.00%", "count": "#,##0", "score": "+0.0;-0.0;0.0"}
_IN_UNIT = ("value", "ci_low", "ci_high", "prior_value", "delta", "target", "target_to_date")


@dataclass(frozen=True)
class Published:
    """The publication that is read."""

    publication_id: str
    published_at: datetime
    as_of_date: date
    currency: str  # of money; empty if an earlier version made the publication

    def in_words(self, zone: ZoneInfo) -> str:
        """The line under a title."""
        money = f", money in {self.currency}" if self.currency else ""
        when = local_time(self.published_at, zone)
        return f"as of {self.as_of_date}, published {when} ({self.publication_id}){money}"


@dataclass(frozen=True)
class Variant:
    """One way to compute a KPI, and its name."""

    kpi_id: str
    variant: str
    unit: str
    name: str
    formula: str


def show_kpi(
    published_dir: Path,
    zone: ZoneInfo,
    kpi_id: str,
    by: str = "company",
    month: date | None = None,
    variant: str | None = None,
    target: Target | None = None,
) -> None:
    """Print one KPI of the scorecard by month and entity, or write it to a file.

    Raises:
        NotPublishedError: there is no published file.
        UsageError: no such KPI, cut, variant or month, or the file cannot be written.
    """
    target = target or Target()
    with published(published_dir) as connection:
        publication = _publication(connection)
        chosen, notes = _choose(connection, kpi_id, by, variant)
        choices = {"kpi_id": kpi_id, "variant": chosen.variant, "entity_type": by}
        if month:
            _check_month(connection, choices, month, publication)
            choices["period_month"] = str(month)
        has_currency = chosen.unit == "money" and publication.currency
        currency = quote_text(publication.currency) if has_currency else "cast(null as varchar)"
        query = f"""
            select {_FIRST_COLUMNS}, * exclude ({_FIRST_COLUMNS}), {quote_text(chosen.unit)} as unit,
                {currency} as currency, {quote_text(publication.publication_id)} as publication_id
            from {_SCORECARD}
            where {_all_of(choices)}
            order by period_month, entity_id
            """
        if target.form is Format.parquet:
            assert target.file is not None
            with aside(target.file) as path:
                write_parquet(connection, query, path)
            return
        result = Result.of(connection.execute(query))
        if target.form is Format.table and target.file is None:
            records = [dict(zip(result.columns, row, strict=True)) for row in result.rows]
            title = f"{kpi_id} ({chosen.variant}) by {by}: {chosen.name}"
            _print_for_people(
                records, [title, chosen.formula, publication.in_words(zone)], by, chosen.unit, publication
            )
            notes += _hint_at_what_is_known(connection, chosen, by, records)
            notes += _months_that_began_late(records)
            notes += _deliveries_in_question(connection, publication)
        else:
            formats = dict.fromkeys(_IN_UNIT, _NUMBER_FORMATS.get(chosen.unit, "#,##0.0###"))
            ratio = chosen.unit not in ("money", "count")
            formats |= {"attainment": "0.00%", "period_month": "yyyy-mm"}
            formats |= dict.fromkeys(("numerator", "denominator"), "#,##0.####" if ratio else formats["value"])
            write(Result(result.columns, result.types, result.rows, formats), target)
    for note in notes:
        print(note, file=sys.stderr if target.form is not Format.table else sys.stdout)


def show_scorecard(published_dir: Path, zone: ZoneInfo, console: Console) -> None:
    """Print the company's headline KPIs, one per line, for as many of the latest months as fit.

    Raises:
        NotPublishedError: there is no published file.
    """
    with published(published_dir) as connection:
        publication = _publication(connection)
        headline = connection.execute(
            """
            select kpi_id, kpi_id || ' (' || default_variant || ')' as name, unit
            from marts.kpi_catalogue
            order by kpi_id not in ('revenue', 'sales_growth'), kpi_id
            """
        ).fetchall()
        cells = {
            (kpi_id, month): (value, status)
            for kpi_id, month, value, status in connection.execute(
                f"""
                select kpi_id, period_month, value, status
                from {_SCORECARD}
                inner join marts.kpi_catalogue using (kpi_id)
                where entity_type = 'company' and variant = default_variant
                """
            ).fetchall()
        }
        months = connection.execute(
            f"select distinct period_month, is_partial_period from {_SCORECARD} order by 1 desc"
        ).fetchall()
        notes = _deliveries_in_question(connection, publication)
    names = {kpi_id: _with_unit(name, unit, publication) for kpi_id, name, unit in headline}
    fitting = (console.width - max(map(len, names.values())) - 4) // _MONTH_WIDTH
    shown = months[: max(1, min(fitting, 6))][::-1]
    table = Table(title=f"Scorecard, as of {publication.as_of_date}", title_justify="left")
    table.add_column("KPI", no_wrap=True)
    for month, is_partial in shown:
        table.add_column(f"{month:%Y-%m}{' so far' if is_partial else ''}", justify="right")
    for kpi_id, _, unit in headline:
        values = (cells.get((kpi_id, month), (None, "")) for month, _ in shown)
        table.add_row(names[kpi_id], *(cell_text(value, unit) or status for value, status in values))
    console.print(table)
    for note in notes:
        console.print(printable(note), markup=False, highlight=False)


def _publication(connection: duckdb.DuckDBPyConnection) -> Published:
    found = connection.execute("select * from meta.publication limit 1")
    columns = [column[0] for column in found.description or ()]
    row = found.fetchone()
    if row is None:
        raise NotPublishedError("The published file does not say which publication it is. Publish again: `kpi run`.")
    said = dict(zip(columns, row, strict=True))
    return Published(
        said["publication_id"], said["published_at"], said["as_of_date"], said.get("reporting_currency") or ""
    )


def _choose(
    connection: duckdb.DuckDBPyConnection, kpi_id: str, by: str, variant: str | None
) -> tuple[Variant, list[str]]:
    """The variant to show, and a note about the choice."""
    defaults = dict(connection.execute("select kpi_id, default_variant from marts.kpi_catalogue order by 1").fetchall())
    if kpi_id not in defaults:
        raise _unknown("KPI", kpi_id, defaults)
    cuts = _distinct(connection, "entity_type", {"kpi_id": kpi_id})
    if by not in cuts:
        raise _unknown("--by", by, cuts, kpi_id)
    variants = {
        row[1]: Variant(*row)
        for row in connection.execute(
            "select kpi_id, variant, unit, name_en, formula_en from marts.kpi_variants "
            f"where kpi_id = {quote_text(kpi_id)}"
        ).fetchall()
    }
    of_cut = _distinct(connection, "variant", {"kpi_id": kpi_id, "entity_type": by})
    default = defaults[kpi_id]
    if variant is None and default not in of_cut:
        like_it = [name for name in of_cut if variants[name].unit == variants[default].unit]
        used, *others = [*like_it, *(name for name in of_cut if name not in like_it)]
        also = f" Also published by {by}: {', '.join(others)}." if others else ""
        return variants[used], [f"{kpi_id} ({default}) is not published by {by}; this is {used}.{also}"]
    variant = variant or default
    if variant not in of_cut:
        if variant in variants:
            elsewhere = _distinct(connection, "entity_type", {"kpi_id": kpi_id, "variant": variant})
            only = f"by {by}, only by {', '.join(elsewhere)}" if elsewhere else "for any month yet"
            raise UsageError(f"{kpi_id} ({variant}) is not published {only}. Published by {by}: {', '.join(of_cut)}.")
        raise _unknown("--variant", variant, of_cut, kpi_id)
    return variants[variant], []


def _unknown(option: str, value: str, known: Iterable[str], kpi_id: str = "") -> UsageError:
    known = list(known)
    near = difflib.get_close_matches(value, known, n=1)
    of = f" for {kpi_id}" if kpi_id else ""
    meant = f" Did you mean {near[0]}?" if near else ""
    return UsageError(f"{option} {value!r} is not published{of}.{meant} Published: {', '.join(known)}.")


def _distinct(connection: duckdb.DuckDBPyConnection, column: str, where: dict[str, str]) -> list[str]:
    rows = connection.execute(
        f"select distinct {column} from {_SCORECARD} where {_all_of(where)} order by 1"
    ).fetchall()
    return [str(value) for (value,) in rows]


def _all_of(choices: dict[str, str]) -> str:
    return " and ".join(f"{column} = {quote_text(value)}" for column, value in choices.items())


def _check_month(
    connection: duckdb.DuckDBPyConnection, choices: dict[str, str], month: date, publication: Published
) -> None:
    months = [date.fromisoformat(value) for value in _distinct(connection, "period_month", choices)]
    if month not in months:
        what = f"{choices['kpi_id']} ({choices['variant']}) by {choices['entity_type']}"
        raise UsageError(
            f"--month {month:%Y-%m} is not published for {what}. "
            f"Published: {_months_in_words(months)}, as of {publication.as_of_date}."
        )


def _months_in_words(months: Sequence[date]) -> str:
    """`2024-01 to 2024-06, 2024-08`; `months` are sorted."""
    spans: list[list[date]] = []
    for month in months:
        if spans and (month.year - spans[-1][-1].year) * 12 + month.month - spans[-1][-1].month == 1:
            spans[-1].append(month)
        else:
            spans.append([month])
    return ", ".join(f"{span[0]:%Y-%m} to {span[-1]:%Y-%m}" if len(span) > 1 else f"{span[0]:%Y-%m}" for span in spans)


def _hint_at_what_is_known(
    connection: duckdb.DuckDBPyConnection, chosen: Variant, by: str, records: Sequence[dict[str, object]]
) -> list[str]:
    """If months have no value yet, a hint at the variants of the same kind that have one in all those months."""
    immature = sorted({str(record["period_month"]) for record in records if record["status"] == "immature"})
    if not immature:
        return []
    rows = connection.execute(
        f"""
        select variant
        from {_SCORECARD}
        inner join marts.kpi_variants using (kpi_id, variant)
        where {_all_of({"kpi_id": chosen.kpi_id, "entity_type": by, "unit": chosen.unit})}
            and variant <> {quote_text(chosen.variant)} and value is not null
            and cast(period_month as varchar) in ({", ".join(map(quote_text, immature))})
        group by variant
        having count(distinct period_month) = {len(immature)}
        order by variant
        """
    ).fetchall()
    months = _months_in_words([date.fromisoformat(month) for month in immature])
    known = ", ".join(f"--variant {variant}" for (variant,) in rows)
    instead = f" Already known: {known}." if known else ""
    why = "the month, or the window of a lead or customer, is not over yet"
    or_else = "costs have not arrived, or the history before is too short"
    return [f"immature ({months}): {why}, {or_else}.{instead}"]


def _months_that_began_late(records: Sequence[dict[str, object]]) -> list[str]:
    """A note that names the months of which only a part was delivered; a KPI without a value may be due to them."""
    months = sorted({date.fromisoformat(str(record["period_month"])) for record in records if record.get("began_late")})
    if not months:
        return []
    which = _months_in_words(months)
    those = "it" if len(months) == 1 else "them"
    return [f"The delivered history does not cover all of {which}. No month is compared with {those}."]


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
    records: Sequence[dict[str, object]], heading: Sequence[str], by: str, unit: str, publication: Published
) -> None:
    """Print the rows as text under their heading; leave out columns without values."""
    in_progress = any(record["is_partial_period"] for record in records)
    lines = [_line(record, by, unit, in_progress) for record in records]
    filled = [name for name in lines[0] if any(line[name] for line in lines)]
    table = Table()
    for name in filled:
        header = _with_unit(name, unit, publication) if name in ("value", "month before") else name
        table.add_column(header, justify="left" if name in ("month", by, "status") else "right")
    for line in lines:
        table.add_row(*(Text(printable(line[name])) for name in filled))
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 160, highlight=False, soft_wrap=True)
    for words in heading:
        console.print(words, markup=False)
    console.print(table, soft_wrap=False)


def _line(record: dict[str, object], by: str, unit: str, in_progress: bool) -> dict[str, str]:
    """One row in readable form. For a month in progress, it separates the target due by now from the final target."""

    def number(name: str) -> Decimal | None:
        value = record.get(name)
        return value if isinstance(value, Decimal) else None

    low, high = number("ci_low"), number("ci_high")
    top, bottom = number("numerator"), number("denominator")
    month = record["period_month"]
    return {
        "month": f"{month:%Y-%m}{' to date' if record['is_partial_period'] else ''}",
        by: "" if by == "company" else str(record["entity_name"]),
        "value": cell_text(number("value"), unit),
        "numerator / denominator": "" if top is None or bottom is None else f"{top:,.0f} / {bottom:,.0f}",
        "cases": f"{bottom:,.0f}" if top is None and bottom is not None else "",
        "95 % interval": "" if low is None else f"{cell_text(low, unit)} to {cell_text(high, unit)}",
        "month before": cell_text(number("prior_value"), unit),
        "change": _change(number("delta"), number("prior_value"), unit),
        "target (whole month)" if in_progress else "target": cell_text(number("target"), unit),
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
