"""Answers from the published file: the scorecard, one KPI, any query.

Belongs here: reading the published file and printing it as a table, CSV, JSON or Parquet.
Does not belong here: anything slow to import; these commands answer in under a second.
"""

import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Literal

import duckdb
from rich.console import Console
from rich.table import Table

from pipelines.warehouse import escaped, published

Format = Literal["table", "csv", "json", "parquet"]


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
        variant = variant or _default_variants(connection).get(kpi_id, ("", ""))[0]
        choices = {"kpi_id": kpi_id, "variant": variant, "entity_type": by}
        if month:
            choices["period_month"] = str(month)
        _check_choices(connection, choices)
        conditions = " and ".join(f"{column} = ?" for column in choices)
        relation = connection.execute(
            f"""
            select period_month, entity_id, entity_name, value, numerator, denominator, sample_size, ci_low, ci_high,
                prior_value, delta, is_partial_period, status
            from marts.kpi_scorecard__monthly
            where {conditions}
            order by period_month, entity_id
            """,
            list(choices.values()),
        )
        title = f"{kpi_id} ({variant}) by {by}"
        _write(connection, relation, output, to, title)


def show_scorecard(published_dir: Path, console: Console) -> None:
    """Print the company's headline KPIs of the last months.

    Raises:
        NotPublishedError: there is no published file.
    """
    with published(published_dir) as connection:
        headline = _default_variants(connection)
        rows = connection.execute(
            """
            select period_month, kpi_id, value, status, is_partial_period, as_of_date
            from marts.kpi_scorecard__monthly
            inner join marts.kpi_catalogue using (kpi_id)
            where entity_type = 'company' and variant = default_variant
                and period_month > (select max(period_month) - interval 6 month from marts.kpi_scorecard__monthly)
            order by period_month, kpi_id
            """
        ).fetchall()
    table = Table(title=f"Scorecard, as of {rows[0][5]}", title_justify="left")
    table.add_column("month")
    for kpi_id, (variant, _) in headline.items():
        table.add_column(f"{kpi_id} ({variant})", justify="right")
    for month in sorted({row[0] for row in rows}):
        cells = {row[1]: row for row in rows if row[0] == month}
        texts = [
            _cell(cells[kpi_id][2], cells[kpi_id][3], unit) if kpi_id in cells else ""
            for kpi_id, (_, unit) in headline.items()
        ]
        is_partial = any(cell[4] for cell in cells.values())
        table.add_row(f"{month:%Y-%m}{' to date' if is_partial else ''}", *texts)
    console.print(table)


def run_sql(published_dir: Path, query: str, output: Format = "table", to: Path | None = None) -> None:
    """Print the result of a query over the published file, which is opened read-only.

    Raises:
        NotPublishedError: there is no published file.
        duckdb.Error: the query is wrong, or tries to write.
    """
    with published(published_dir) as connection:
        connection.execute("set enable_external_access = false" if output != "parquet" else "select 1")
        _write(connection, connection.execute(query), output, to, title=None)


def _default_variants(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[str, str]]:
    """Default variant and unit of every KPI of the catalogue."""
    rows = connection.execute("select kpi_id, default_variant, unit from marts.kpi_catalogue order by 1").fetchall()
    return {kpi_id: (variant, unit) for kpi_id, variant, unit in rows}


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


def _write(
    connection: duckdb.DuckDBPyConnection,
    result: duckdb.DuckDBPyConnection,
    output: Format,
    to: Path | None,
    title: str | None,
) -> None:
    names = [column[0] for column in result.description or []]
    if output == "table":
        table = Table(title=title, title_justify="left")
        rows = result.fetchall()
        for name in names:
            table.add_column(name, justify="left" if name in ("entity_id", "entity_name", "status") else "right")
        for row in rows:
            table.add_row(*(_plain(value) for value in row))
        Console(width=None if sys.stdout.isatty() else 200).print(table)
        return
    frame = result.df()
    if output == "parquet":
        if to is None:
            raise UsageError("--format parquet needs --output FILE.")
        with duckdb.connect() as writer:
            writer.register("frame", frame)
            writer.execute(f"copy frame to '{escaped(to)}' (format parquet)")
        return
    if output == "csv":
        text = frame.to_csv(index=False, lineterminator="\n")
    else:
        text = (frame.to_json(orient="records", date_format="iso", indent=2) or "[]") + "\n"
    if to is None:
        sys.stdout.write(text)
    else:
        to.write_text(text, encoding="utf-8")


def _cell(value: Decimal | None, status: str, unit: str) -> str:
    if value is None:
        return status
    return f"{value * 100:.2f} %" if unit == "rate" else f"{value:,.2f}"


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return "" if value is None else str(value)
