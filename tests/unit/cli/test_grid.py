"""Tables of answers fit the terminal, and cut no number."""

import io

import pytest
from rich.console import Console

from pipelines.cli.printing.grid import Column, print_grid

COLUMNS = [
    Column("channel"),
    Column("2025-05", is_number=True),
    Column("change", is_number=True),
    Column("total", is_number=True, spare=2),
    Column("mostly due to", spare=1),
]
ROWS = [
    ("marketplaces abroad", "161,799.46", "+58,804.35", "1,220,603.81", "Customers who ordered"),
    None,
    ("  = of new customers", "37,268.47", "-2.62 points", "57,811.43", ""),
]


def printed(width: int) -> list[str]:
    file = io.StringIO()
    print_grid(Console(file=file, width=width), COLUMNS, ROWS)
    return file.getvalue().splitlines()


@pytest.mark.parametrize("width", range(50, 121, 5))
def test_a_number_is_never_cut(width: int) -> None:
    lines = printed(width)
    text = "\n".join(lines)
    assert max(map(len, lines)) <= width
    assert "…" not in text
    numbers = ["161,799.46", "+58,804.35", "-2.62 points"]
    if "Not shown" not in text:
        numbers.append("1,220,603.81")
    assert [number for number in numbers if number not in text] == []


def test_columns_that_can_be_spared_go_in_their_order() -> None:
    assert "Not shown" not in "\n".join(printed(100))
    assert printed(70)[-1] == "Not shown, since the terminal is narrow: total."
    assert (
        " ".join(" ".join(printed(55)[-2:]).split()) == "Not shown, since the terminal is narrow: total, mostly due to."
    )


def test_an_indented_cell_is_indented_on_all_its_lines() -> None:
    lines = [line.split("│")[1] for line in printed(50) if "│" in line]
    indented = lines[lines.index(next(line for line in lines if "= of new" in line)) :]
    assert [line.rstrip() for line in indented] == ["   = of new", "   customers"]


def test_a_terminal_in_which_nothing_fits_still_shows_every_character() -> None:
    shown = "".join(line.split("│")[2].strip() for line in printed(32) if line.startswith("│"))
    assert shown == "161,799.4637,268.47"
