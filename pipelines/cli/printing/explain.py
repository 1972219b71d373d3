"""Prints how a published value was made, or writes the rows behind it.

Belongs here: the words and tables for an explanation. Does not belong here: finding them (`answers/explain.py`).
"""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import Console

from pipelines.answers.cells import Published, find_cell, publication_of
from pipelines.answers.explain import SHOWN_ROWS, Explanation, NotCounted, Part, Rows, explain, rows_of_value
from pipelines.answers.formulas import formula_lines
from pipelines.answers.periods import Grain
from pipelines.cli.printing.grid import Column, print_grid
from pipelines.formatting import cell_text, counted, local_time, number_text, printable
from pipelines.output import Format, Result, Target, aside, json_value, write, write_parquet
from pipelines.warehouse import published

_SHOWN_LINES = 5  # of files, reasons and failed checks
_SHOWN_PARTS = 3


def explain_kpi(
    published_dir: Path,
    zone: ZoneInfo,
    kpi_id: str,
    variant: str | None,
    period: str | None,
    grain: Grain | None,
    by: str | None,
    all_rows: bool,
    target: Target,
    console: Console,
) -> None:
    """Print how a value was made, or write all rows behind it.

    Raises:
        NotPublishedError: there is no published file.
        QuestionError: no such value is published.
        UsageError: the file cannot be written.
    """
    with published(published_dir) as connection:
        publication = publication_of(connection)
        cell, notes = find_cell(connection, kpi_id, variant, period, grain, by)
        if all_rows:
            query = rows_of_value(connection, cell)
            if target.form is Format.parquet:
                assert target.file is not None
                connection.execute("create temp table rows_of_value as " + query)
                with aside(target.file) as path:
                    write_parquet(connection, "from rows_of_value", path)
            else:
                write(Result.of(connection.execute(query)), target)
            return
        explanation = explain(connection, cell)
    if target.form is Format.json:
        console.print_json(data={"publication_id": publication.publication_id, **_record(explanation)})
        return
    screen = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 160, highlight=False, soft_wrap=True)
    for note in notes:
        screen.print(note, markup=False)
    _print(explanation, publication, zone, screen)


def _record(explanation: Explanation) -> dict[str, object]:
    """An explanation as JSON can contain it."""
    record = json_value(asdict(explanation))
    assert isinstance(record, dict)
    return record


def _print(explanation: Explanation, publication: Published, zone: ZoneInfo, console: Console) -> None:
    def say(text: str) -> None:
        console.print(printable(text), markup=False, highlight=False)

    cell = explanation.cell
    unit = cell.variant.unit
    value = cell_text(cell.value, unit) or f"no value ({cell.status})"
    currency = f" {publication.currency}" if unit == "money" and publication.currency and cell.value is not None else ""
    say(f"{cell.in_words}: {value}{currency}")
    say(cell.variant.formula)
    say(publication.in_words(zone))
    say("")
    for position, (name, expression, filled) in enumerate(formula_lines(explanation, number_text)):
        say(f"{'  ' if position else ''}{name} = {expression} = {filled}")
    for part in explanation.parts:
        for term in part.terms:
            _print_rows(part, term, console)
    say("")
    if explanation.not_counted:
        say("Not counted, or not yet, of this period and entity:")
        several = len({one.parts for one in explanation.not_counted}) > 1
        for one in explanation.not_counted[:_SHOWN_LINES]:
            say(f"  {_not_counted(one)}{f' ({_names(one.parts)})' if several else ''}")
        _more(len(explanation.not_counted), "reasons", say)
    if explanation.left_out:
        say("Not counted of the same deliveries, whatever the period and entity:")
        for left in explanation.left_out[:_SHOWN_LINES]:
            say(f"  {left.rows:,} of {left.source}.{left.table}: {left.reason}")
        _more(len(explanation.left_out), "reasons", say)
    if explanation.models:
        say("Models:")
        for chain in explanation.models:
            say("  " + " → ".join(chain))
    if explanation.files:
        say(f"Rows are from {counted(len(explanation.files), 'delivered file')}:")
        for file in explanation.files[:_SHOWN_LINES]:
            say(f"  {file.source_file}: {counted(file.rows, 'row')}, delivered on {file.delivered_on}")
        _more(len(explanation.files), "files", say)
    checks = explanation.checks
    if checks.last_checked_at:
        say(f"Checks of these tables before publication: {checks.passed:,} passed, {len(checks.failed):,} failed")
        for name in checks.failed[:_SHOWN_LINES]:
            say(f"  failed: {name}")
        _more(len(checks.failed), "failed checks", say)
    for restated in explanation.restatements:
        before, after = (cell_text(value, unit) or "none" for value in (restated.value_before, restated.value_after))
        say(f"Restated on {local_time(restated.published_at, zone)}: from {before} to {after}")
        for cause in restated.causes:
            say(f"  {cause.in_full}")


def _not_counted(found: NotCounted) -> str:
    """`1 order that was deleted`."""
    reason = found.reason
    if found.rows == 1:
        reason = reason.replace("that were ", "that was ", 1).replace("that have ", "that has ", 1)
    return f"{counted(found.rows, found.row_is)} {reason}"


def _names(parts: Sequence[str]) -> str:
    more = f" and {len(parts) - _SHOWN_PARTS} more" if len(parts) > _SHOWN_PARTS else ""
    return f"{', '.join(parts[:_SHOWN_PARTS])}{more}"


def _more(number: int, things: str, say: object) -> None:
    if number > _SHOWN_LINES and callable(say):
        say(f"  and {number - _SHOWN_LINES:,} more {things}")


def _print_rows(part: Part, term: Rows, console: Console) -> None:
    """The first rows of a term as a table."""
    what = "" if part.statistic == "sum" else f"{part.statistic} "
    shown = f", the first {SHOWN_ROWS} of which are" if term.rows > SHOWN_ROWS else ""
    console.print(
        f"\n{part.name}: {what}{number_text(term.total)} from {counted(term.rows, 'row')}{shown}", markup=False
    )
    if not term.first_rows:
        return
    columns = [
        Column(term.row_is, wraps=False),
        Column("date", wraps=False),
        Column("adds", is_number=True),
        Column("file"),
        Column("row", is_number=True),
    ]
    rows = [
        (row.key, str(row.day or ""), number_text(row.adds), row.source_file, str(row.row_number))
        for row in term.first_rows
    ]
    print_grid(console, columns, rows)
