"""Prints tables of answers in any width: a number is never cut, texts wrap, and columns that can be spared go first.

Does not belong here: tables of query results, which have any columns (`output.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pipelines.formatting import printable

_NARROWEST_TEXT = 12  # of a column that wraps
_FRAME = 3  # characters per column


@dataclass(frozen=True)
class Column:
    """A heading, and how the cells below it behave.

    Attributes:
        is_number: aligned to the right, and on one line.
        wraps: whether cells of text may take several lines.
        spare: above 0 if the column is left out where the terminal is too narrow; the highest goes first.
    """

    name: str
    is_number: bool = False
    wraps: bool = True
    spare: int = 0

    @property
    def is_wrapping(self) -> bool:
        """Whether cells may take several lines."""
        return self.wraps and not self.is_number


def print_grid(
    console: Console,
    columns: Sequence[Column],
    rows: Sequence[Sequence[str] | None],
    title: str | None = None,
    caption: str | None = None,
) -> None:
    """Print rows of texts; None draws a line. Leading spaces indent all lines of a cell."""
    cells = [row for row in rows if row is not None]
    least = [_least_width(column, [row[place] for row in cells]) for place, column in enumerate(columns)]
    shown = list(range(len(columns)))
    for place in sorted(shown, key=lambda place: -columns[place].spare):
        if columns[place].spare and _width(least, shown) > console.width:
            shown.remove(place)
    fits = _width(least, shown) <= console.width  # else texts are broken anywhere, and then numbers
    table = Table(title=title, title_justify="left", caption=caption)
    for place in shown:
        column = columns[place]
        table.add_column(
            Text(printable(column.name)),
            justify="right" if column.is_number else "left",
            no_wrap=not column.is_wrapping,
            overflow="fold",
            min_width=least[place] if fits else None,
        )
    for row in rows:
        if row is None:
            table.add_section()
        else:
            table.add_row(*(_renderable(row[place]) for place in shown))
    console.print(table, soft_wrap=False)
    if left_out := [column.name for place, column in enumerate(columns) if place not in shown]:
        console.print(f"Not shown, since the terminal is narrow: {', '.join(left_out)}.", markup=False)


def _width(widths: Sequence[int], shown: Sequence[int]) -> int:
    return sum(widths[place] + _FRAME for place in shown) + 1


def _least_width(column: Column, cells: Sequence[str]) -> int:
    """The width below which something would be cut, or be hard to read."""
    heading = max(map(cell_len, column.name.split()), default=0)
    if not column.is_wrapping:
        return max([heading if column.is_number else cell_len(column.name), *map(cell_len, cells)], default=0)
    indented = ((len(text) - len(text.lstrip(" ")), word) for text in cells for word in text.split(" "))
    return max([heading, *(indent + min(cell_len(word), _NARROWEST_TEXT) for indent, word in indented)], default=0)


def _renderable(text: str) -> RenderableType:
    stripped = text.lstrip(" ")
    content = Text(printable(stripped), overflow="fold")
    indent = len(text) - len(stripped)
    return Padding(content, (0, 0, 0, indent)) if indent else content
