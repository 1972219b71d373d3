"""Prints the KPI tree with the values of a period: as a tree for people, as rows for programs.

Belongs here: words and tables. Does not belong here: what is in the tree (`answers/tree.py`).
"""

import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console

from pipelines.answers.periods import Comparison, Grain
from pipelines.answers.rounding import decimal
from pipelines.answers.tree import Line, TreeOfPeriod, tree_of
from pipelines.cli.printing.grid import Column, print_grid
from pipelines.cli.printing.why import signed
from pipelines.formatting import cell_text
from pipelines.output import Format, Result, Target, UsageError, write
from pipelines.warehouse import published

_MARKS = {"root": "", "identity": "= ", "association": "~ "}
_COLUMNS = {
    **dict.fromkeys(("period", "compared_with", "kind", "node", "name", "unit", "kpi_id", "variant"), "VARCHAR"),
    "depth": "BIGINT",
    **dict.fromkeys(("before", "after", "change"), "DECIMAL(38,12)"),
    "driver": "VARCHAR",
    "driver_effect": "DECIMAL(38,12)",
}


def print_tree(
    published_dir: Path,
    zone: ZoneInfo,
    period: str | None = None,
    against: Comparison = Comparison.prior,
    grain: Grain | None = None,
    target: Target | None = None,
) -> None:
    """Print the tree, or write it to a file.

    Raises:
        NotPublishedError: there is no published file, or it has no tree.
        QuestionError: no such period is published.
        UsageError: the file cannot be written.
    """
    target = target or Target()
    if target.form is Format.parquet:
        raise UsageError("--format parquet: this command prints table, csv, json or xlsx.")
    with published(published_dir) as connection:
        answer = tree_of(connection, period, against, grain)
    if target.form is not Format.table or target.file:
        write(Result(list(_COLUMNS), list(_COLUMNS.values()), list(_rows(answer))), target)
        return
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 160, highlight=False, soft_wrap=True)
    period_shown = f"{answer.period.label} to date" if answer.to_date else answer.period.label
    earlier = f"as many days of {answer.against.label}" if answer.to_date else answer.against.label
    console.print(f"KPI tree: the company in {period_shown}, compared with {earlier}", markup=False)
    console.print(answer.publication.in_words(zone), markup=False)
    columns = [
        Column(""),
        Column(answer.against.label, is_number=True),
        Column(answer.period.label, is_number=True),
        Column("change", is_number=True),
        Column("in %", is_number=True, spare=2),
        Column("mostly due to", spare=1),
    ]
    print_grid(console, columns, [_cells(line) for line in answer.lines])
    console.print("= the parent is computed from these, to the cent; ~ these move the parent, but do not add up to it.")
    console.print("Without a factor or a part that stands out, all changed about alike: `kpi why` shows by how much.")


def _cells(line: Line) -> tuple[str, ...]:
    unit = line.node.unit
    before, after = ("" if value is None else cell_text(decimal(value), unit) for value in (line.before, line.after))
    name = f"{'  ' * line.depth}{_MARKS[line.kind]}{line.node.name}"
    return name, before, after, *_change(line), "see above" if line.is_repeated else _driver(line)


def _change(line: Line) -> tuple[str, str]:
    """The change, of what is not a rate also in percent."""
    if line.change is None or line.before is None:
        return "", ""
    has_percent = line.node.unit != "rate" and line.before > 0
    percent = f"{float(line.change / line.before) * 100:+.1f} %" if has_percent else ""
    return signed(line.change, line.node.unit), percent


def _driver(line: Line) -> str:
    """The factor that contributes most, or the part of a cut that stands out, and how much it contributes."""
    if not line.change:
        return ""
    if line.driver:
        return f"{line.driver.node.name}: {signed(line.driver.effect, line.node.unit)}"
    if line.finding and line.finding.driver.contribution is not None:
        contribution = signed(line.finding.driver.contribution, line.node.unit)
        return f"{line.finding.entity_type} {line.finding.driver.name}: {contribution}"
    return ""


def _rows(answer: TreeOfPeriod) -> Iterator[tuple[Any, ...]]:
    def exact(value: Fraction | None) -> Any:
        return None if value is None else decimal(value)

    for line in answer.lines:
        node = line.node
        yield (
            *(answer.period.label, answer.against.label, line.kind, node.node, node.name, node.unit),
            *(node.kpi_id, node.variant, line.depth, exact(line.before), exact(line.after), exact(line.change)),
            *_driver_of(line),
        )


def _driver_of(line: Line) -> tuple[str | None, Any]:
    """What drove a node, and its effect."""
    if line.driver:
        return line.driver.node.node, decimal(line.driver.effect)
    if line.finding and line.finding.driver.contribution is not None:
        entity = f"{line.finding.entity_type}={line.finding.driver.entity_id}"
        return entity, decimal(line.finding.driver.contribution)
    return None, None
