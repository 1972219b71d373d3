"""Prints the cells in which two scorecards differ: by KPI, then one by one; for people, programs and code reviews.

Belongs here: the words and tables. Does not belong here: comparing (`answers/differences.py`).
"""

import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path

from rich.console import Console

from pipelines.answers.differences import DefinitionChange, Difference, Differences, OfKpi, changed_settings
from pipelines.cli.printing.grid import Column, print_grid
from pipelines.formatting import cell_text, counted, printable
from pipelines.output import Format, Result, Target, UsageError, write

_COLUMNS_OF_KPIS = (
    Column("KPI", wraps=False),
    *(Column(name, is_number=True) for name in ("changed", "created", "gone")),
    Column("same value", is_number=True, spare=1),
    Column("largest"),
    Column("cause"),
)
_COLUMNS_OF_CELLS = (
    Column("KPI"),
    Column("period", wraps=False),
    Column("of"),
    *(Column(name, is_number=True) for name in ("before", "after")),
    Column("change", is_number=True, spare=1),
    Column("cause"),
)
_SHOWN_CELLS = 20  # on the screen and in Markdown; files contain all
_SHOWN_MODELS = 8
_SHOWN_CAUSES = 3  # of a KPI
_WIDTH_OF_FILES = 1_000_000  # only a terminal wraps
_NAMED_VARIANTS = 3

_TYPES = {
    "kpi_id": "VARCHAR",
    "variant": "VARCHAR",
    "unit": "VARCHAR",
    "grain": "VARCHAR",
    "period_start": "DATE",
    "period": "VARCHAR",
    "entity_type": "VARCHAR",
    "entity_id": "VARCHAR",
    "entity_name": "VARCHAR",
    "change": "VARCHAR",
    "value_before": "DECIMAL(38,12)",
    "value_after": "DECIMAL(38,12)",
    "difference": "DECIMAL(38,12)",
    "relative": "DOUBLE",
    "status_before": "VARCHAR",
    "status_after": "VARCHAR",
    "differs_in": "VARCHAR",
    "cause": "VARCHAR",
    "causes": "VARCHAR",
}


def cells_target(form: Format | None, file: Path | None) -> Target:
    """Where cells go; to a file as CSV, JSON or a workbook.

    Raises:
        UsageError: cells are not written in this format.
    """
    target = Target.of(form, file)
    if target.form is Format.parquet or (target.form is Format.table and file):
        raise UsageError("Cells are written as csv, json or xlsx. Name the file so, or use --format csv.")
    return target


def write_cells(found: Differences, target: Target) -> None:
    """Write every cell that differs as CSV, JSON or a workbook.

    Raises:
        UsageError: the file cannot be written.
    """
    write(Result(list(_TYPES), list(_TYPES.values()), map(_row, found.cells)), target)


def _row(cell: Difference) -> tuple[object, ...]:
    return (
        cell.kpi_id, cell.variant, cell.unit, cell.grain, cell.period_start, cell.period,
        cell.entity_type, cell.entity_id, cell.entity_name,
        cell.change, cell.value_before, cell.value_after, cell.difference, cell.relative,
        cell.status_before, cell.status_after, ", ".join(cell.differs_in), cell.cause,
        "; ".join(cause.in_full for cause in cell.causes),
    )  # fmt: skip


def print_differences(found: Differences, console: Console, *, with_causes: bool = True) -> None:
    """Print how many cells of each KPI differ, the changed definitions, and the largest differences."""
    for line in definitions_in_words(found.definitions):
        console.print(line, markup=False)
    if found.new_tables and with_causes:
        console.print(f"Made from other deliveries of {', '.join(found.new_tables)}.", markup=False)
    if not found:
        return
    last = None if with_causes else -1  # the cause is in the last column
    kpis = [_summary(of_kpi)[:last] for of_kpi in found.by_kpi]
    _print_table(in_words(found), _COLUMNS_OF_KPIS[:last], kpis, console)
    cells = largest(found)
    title = "All of them" if len(cells) == len(found.cells) else f"The largest {len(cells)}"
    _print_table(title, _COLUMNS_OF_CELLS[:last], [_cell(cell)[:last] for cell in cells], console)
    if len(cells) < len(found.cells):
        console.print(f"All {len(found.cells):,} cells: --output FILE.csv, .json or .xlsx.", markup=False)


def _print_table(title: str, columns: Sequence[Column], rows: Sequence[Sequence[str]], console: Console) -> None:
    """Print a table without the columns in which there is nothing."""
    used = [place for place in range(len(columns)) if any(row[place] for row in rows)]
    screen = console if console.is_terminal else Console(file=console.file, width=_WIDTH_OF_FILES)
    print_grid(screen, [columns[place] for place in used], [[row[place] for place in used] for row in rows], title)


def markdown(found: Differences, title: str, notes: Iterable[str], nothing: str) -> str:
    """The same as Markdown, for a code review; `nothing` says that no cell differs."""
    parts = [f"### {title}", *notes]
    if words := definitions_in_words(found.definitions):
        parts.append("\n".join(f"- {line}" for line in words))
    parts.append(in_words(found) if found else nothing)
    if found:
        cells = largest(found)
        shown = "All of them" if len(cells) == len(found.cells) else f"The largest {len(cells)}"
        parts += [
            _markdown_table([column.name for column in _COLUMNS_OF_KPIS], map(_summary, found.by_kpi)),
            f"<details><summary>{shown}</summary>",
            _markdown_table([column.name for column in _COLUMNS_OF_CELLS], map(_cell, cells)),
            "</details>",
        ]
    return "\n\n".join(parts) + "\n"


def _markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(printable(cell).replace('|', '/') for cell in line)} |" for line in lines)


def in_words(found: Differences) -> str:
    """`120 cells changed, 4 created, 1 gone; 12 have the same value and another status or target`."""
    words = f"{counted(found.count('changed'), 'cell')} changed, {found.count('created'):,} created, "
    words += f"{found.count('gone'):,} gone"
    same = found.count("same value")
    return words + (f"; {same:,} have the same value and differ in something else" if same else "")


def definitions_in_words(changes: Sequence[DefinitionChange]) -> list[str]:
    """Which measures are defined differently, and because of what."""
    if not changes:
        return []
    by_kpi: dict[str, list[str]] = {}
    for change in changes:
        kind = " (new)" if change.before is None else " (gone)" if change.after is None else ""
        by_kpi.setdefault(change.kpi_id, []).append(change.variant + kind)
    named = (
        f"{kpi} ({', '.join(names) if len(names) <= _NAMED_VARIANTS else counted(len(names), 'variant')})"
        for kpi, names in by_kpi.items()
    )
    lines = [f"Defined differently: {', '.join(named)}."]
    lines += [_setting_in_words(name, *values) for name, values in changed_settings(changes).items()]
    if models := sorted({model for change in changes for model in change.models}):
        more = f" and {len(models) - _SHOWN_MODELS} more" if len(models) > _SHOWN_MODELS else ""
        lines.append(f"Other SQL: {', '.join(models[:_SHOWN_MODELS])}{more}.")
    return lines


def _setting_in_words(name: str, before: str | None, after: str | None) -> str:
    """A setting with both values; of one with many parts, such as that of all tables, only the parts that differ."""
    old, new = json.loads(before or "null"), json.loads(after or "null")
    if isinstance(old, dict) and isinstance(new, dict):
        parts = sorted(part for part in {*old, *new} if old.get(part) != new.get(part))
        return f"Setting {name} differs in {', '.join(parts)}."
    return f"Setting {name}: {before or 'none'} before, {after or 'none'} now."


def largest(found: Differences) -> list[Difference]:
    """The cells to show: the largest of each KPI, as many of one as of another, until there are enough."""
    if len(found.cells) <= _SHOWN_CELLS:
        return list(found.cells)
    of_kpis = [[cell for cell in of_kpi.cells if cell.has_value] for of_kpi in found.by_kpi]
    each = max(1, _SHOWN_CELLS // max(1, sum(map(bool, of_kpis))))
    return [cell for cells in of_kpis for cell in cells[:each]]


def _summary(of_kpi: OfKpi) -> tuple[str, ...]:
    counts = (of_kpi.count("changed"), of_kpi.count("created"), of_kpi.count("gone"), of_kpi.count("same value"))
    cell = of_kpi.largest
    before, after = _values(cell)
    text = f"{cell.variant}, {cell.period}, {_whose(cell)}: {before} → {after}" if cell.has_value else ""
    causes = of_kpi.causes[:_SHOWN_CAUSES]
    if more := len(of_kpi.causes) - len(causes):
        causes.append(f"{more} more")
    return (of_kpi.kpi_id, *(f"{count:,}" if count else "" for count in counts), text, ", ".join(causes))


def _cell(cell: Difference) -> tuple[str, ...]:
    name = f"{cell.kpi_id} ({cell.variant})"
    return (name, cell.period, _whose(cell), *_values(cell), _change(cell), cell.cause_in_words)


def _whose(cell: Difference) -> str:
    return "company" if cell.entity_type == "company" else f"{cell.entity_type} {cell.entity_name}"


def _values(cell: Difference) -> tuple[str, str]:
    """The values before and after; if they are the same, the first other difference."""
    if cell.change != "same value":
        return _value(cell.value_before, cell), _value(cell.value_after, cell)
    if cell.status_before != cell.status_after:
        return str(cell.status_before), str(cell.status_after)
    value = _value(cell.value_before, cell)
    return value, f"{value}, another {cell.differs_in[0]}"


def _value(value: Decimal | None, cell: Difference) -> str:
    return cell_text(value, cell.unit) or "-"


def _change(cell: Difference) -> str:
    if cell.change != "changed" or cell.difference is None:
        return cell.change
    if cell.unit == "rate":
        return cell_text(cell.difference, "points")
    return f"{cell.relative:+.1%}" if cell.relative is not None else cell_text(cell.difference, cell.unit)
