"""Answers from the published file: the scorecard, one KPI, any query.

Belongs here: reading the published file and printing it as a table, CSV, JSON or Parquet.
Does not belong here: anything slow to import; these commands answer in under a second.
"""

import csv
import json
import sys
from contextlib import nullcontext
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Literal

import duckdb
from rich.console import Console
from rich.table import Table

from pipelines.warehouse import published

Format = Literal["table", "csv", "json", "parquet"]

_MONTH_WIDTH = 15  # of a column of the scorecard, with its padding


class UsageError(Exception):
    """What was asked for does not exist; the message lists what does."""


def show_kpi(
    published_dir: Path,
    kpi_id: str,
    by: str = "company",
    month: date | None = None,
    variant: str | None = None,
    output: Format = "table",
    to: Path | None = None,
) -> None:
    """Print one KPI of the scorecard by month and entity.

    Raises:
        NotPublishedError: there is no published file.
        UsageError: no such KPI, cut, variant or month.
    """
    with published(published_dir) as connection:
        variant = variant or _headlines(connection).get(kpi_id, ("", ""))[0]
        choices = {"kpi_id": kpi_id, "variant": variant, "entity_type": by}
        if month:
            choices["period_month"] = str(month)
        _check_choices(connection, choices)
        rows = connection.sql(
            f"""
            select period_month, entity_id, entity_name, value, numerator, denominator, sample_size, ci_low, ci_high,
                prior_value, delta, target, attainment, is_partial_period, status
            from marts.kpi_scorecard__monthly
            where {" and ".join(f"{column} = ?" for column in choices)}
            order by period_month, entity_id
            """,
            params=list(choices.values()),
        )
        if output == "table" and to is None:
            name, unit = _name_and_unit(connection, kpi_id, variant)
            _print_for_people(rows, f"{kpi_id} ({variant}) by {by}: {name}", by, unit)
        else:
            _write(rows, output, to)


def show_scorecard(published_dir: Path, console: Console) -> None:
    """Print the company's headline KPIs, a line each, over as many of the last months as fit.

    Raises:
        NotPublishedError: there is no published file.
    """
    with published(published_dir) as connection:
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
                """
                select kpi_id, period_month, value, status
                from marts.kpi_scorecard__monthly
                inner join marts.kpi_catalogue using (kpi_id)
                where entity_type = 'company' and variant = default_variant
                """
            ).fetchall()
        }
        months = connection.execute(
            """
            select distinct period_month, is_partial_period, as_of_date
            from marts.kpi_scorecard__monthly
            order by 1 desc
            """
        ).fetchall()
    fitting = (console.width - max(len(name) for _, name, _ in headline) - 4) // _MONTH_WIDTH
    shown = months[: max(1, min(fitting, 6))][::-1]
    table = Table(title=f"Scorecard, as of {months[0][2]}", title_justify="left")
    table.add_column("KPI", no_wrap=True)
    for month, is_partial, _ in shown:
        table.add_column(f"{month:%Y-%m}{' so far' if is_partial else ''}", justify="right")
    for kpi_id, name, unit in headline:
        values = (cells.get((kpi_id, month), (None, "")) for month, _, _ in shown)
        table.add_row(name, *(cell_text(value, unit) or status for value, status in values))
    console.print(table)


def run_sql(published_dir: Path, query: str, output: Format = "table", to: Path | None = None) -> None:
    """Print the result of a query over the published file, which is opened read-only.

    Raises:
        NotPublishedError: there is no published file.
        duckdb.Error: the query is wrong, or tries to write.
    """
    with published(published_dir) as connection:
        connection.execute("set enable_external_access = false" if output != "parquet" else "select 1")
        rows = connection.sql(query)
        if rows is not None:
            _write(rows, output, to)


def _headlines(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[str, str]]:
    """Default variant and unit of every KPI of the catalogue."""
    rows = connection.execute("select kpi_id, default_variant, unit from marts.kpi_catalogue order by 1").fetchall()
    return {kpi_id: (variant, unit) for kpi_id, variant, unit in rows}


def _name_and_unit(connection: duckdb.DuckDBPyConnection, kpi_id: str, variant: str) -> tuple[str, str]:
    """What people call a variant, and its unit."""
    [(name, unit)] = connection.execute(
        "select name_en, unit from marts.kpi_variants where kpi_id = ? and variant = ?", [kpi_id, variant]
    ).fetchall()
    return name, unit


def _check_choices(connection: duckdb.DuckDBPyConnection, choices: dict[str, str]) -> None:
    chosen: dict[str, str] = {}
    for column, value in choices.items():
        conditions = " and ".join(f"{name} = ?" for name in chosen) or "true"
        known = [
            str(row[0])
            for row in connection.execute(
                f"select distinct {column} from marts.kpi_scorecard__monthly where {conditions} order by 1",
                list(chosen.values()),
            ).fetchall()
        ]
        if value not in known:
            name = {"kpi_id": "KPI", "entity_type": "--by", "period_month": "--month"}.get(column, f"--{column}")
            of = f" of {chosen['kpi_id']}" if chosen else ""
            raise UsageError(f"{name} {value!r} is not published{of}. There are: {', '.join(known)}.")
        chosen[column] = value


def _print_for_people(rows: duckdb.DuckDBPyRelation, title: str, by: str, unit: str) -> None:
    """The columns of `show_kpi` as text; a column nobody fills is left out."""
    lines = [
        {
            "month": f"{month:%Y-%m}{' to date' if is_partial else ''}",
            by: "" if by == "company" else name,
            "value": cell_text(value, unit),
            "of": _fraction(top, bottom),
            "95 % interval": "" if low is None else f"{cell_text(low, unit)} to {cell_text(high, unit)}",
            "month before": cell_text(prior, unit),
            "change": cell_text(delta, "points" if unit == "rate" else unit),
            "target": cell_text(target, unit),
            "attained": cell_text(attainment, "rate"),
            "status": "" if status == "ok" else status,
        }
        for (
            month,
            _,
            name,
            value,
            top,
            bottom,
            _,
            low,
            high,
            prior,
            delta,
            target,
            attainment,
            is_partial,
            status,
        ) in rows.fetchall()
    ]
    table = Table(title=title, title_justify="left")
    filled = [name for name in lines[0] if any(line[name] for line in lines)]
    for name in filled:
        table.add_column(name, justify="left" if name in ("month", by, "status") else "right")
    for line in lines:
        table.add_row(*(line[name] for name in filled))
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else 160).print(table)


def _write(rows: duckdb.DuckDBPyRelation, output: Format, to: Path | None) -> None:
    if output == "parquet":
        if to is None:
            raise UsageError("--format parquet needs --output FILE.")
        rows.write_parquet(str(to))
        return
    with to.open("w", encoding="utf-8", newline="") if to else nullcontext(sys.stdout) as file:
        if output == "csv":
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(rows.columns)
            writer.writerows([_plain(value) for value in row] for row in rows.fetchall())
        elif output == "json":
            records = [dict(zip(rows.columns, map(_json_value, row), strict=True)) for row in rows.fetchall()]
            file.write(json.dumps(records, indent=2, ensure_ascii=False) + "\n")
        else:
            table = Table()
            for name, kind in zip(rows.columns, rows.types, strict=True):
                table.add_column(name, justify="left" if str(kind) == "VARCHAR" else "right")
            for row in rows.fetchall():
                table.add_row(*map(_plain, row))
            Console(file=file, width=None if file.isatty() else 200).print(table)


def _fraction(top: Decimal | None, bottom: Decimal | None) -> str:
    """What a ratio is made of; of a median there are only the cases."""
    if bottom is None:
        return ""
    return f"{bottom:,.0f} cases" if top is None else f"{top:,.0f} / {bottom:,.0f}"


def cell_text(value: Decimal | None, unit: str) -> str:
    if value is None:
        return ""
    match unit:
        case "rate":
            return f"{value * 100:.2f} %"
        case "points":
            return f"{value * 100:+.2f} points"
        case "count":
            return f"{value:,.0f}"
        case "score":
            return f"{value:+.1f}"
        case "days" | "hours" | "months":
            return f"{value:,.1f} {unit}"
        case _:
            return f"{value:,.2f}"


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return "" if value is None else str(value)


def _json_value(value: object) -> object:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
