"""Workbooks: several sheets by one mechanism, typed numbers, and text that is never a formula."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from openpyxl import load_workbook

from pipelines.output import Format, Formatted, Result, Sheet, Target, write, write_workbook

COLUMNS, TYPES = ["name", "value", "day"], ["VARCHAR", "DECIMAL(38,12)", "DATE"]


def test_sheets_have_their_names_and_numbers_their_formats(tmp_path: Path) -> None:
    rows = [("a", Formatted(Decimal("0.25"), "0.00%"), date(2025, 12, 1)), ("b", Formatted(None, "0.00%"), None)]
    sheets = [Sheet("First", Result(COLUMNS, TYPES, rows)), Sheet("Second", Result(["n"], ["BIGINT"], [(1,)]))]
    write_workbook(sheets, tmp_path / "book.xlsx")
    book = load_workbook(tmp_path / "book.xlsx")
    assert book.sheetnames == ["First", "Second"]
    first = book["First"]
    assert (first["B2"].value, first["B2"].number_format, first["B2"].data_type) == (0.25, "0.00%", "n")
    assert (first["C2"].is_date, first["B3"].value, first["C3"].value) == (True, None, None)
    assert first["A1"].font.bold
    assert first.freeze_panes == "A2"
    assert book["Second"]["A2"].value == 1


@pytest.mark.parametrize(
    "text", ["=1+1", "=cmd|'/c calc'!A1", "+1", "@SUM(A1)", "-1", "#REF!", "\t=1", '=HYPERLINK("http://evil.example")']
)
def test_text_is_text_whatever_it_begins_with(tmp_path: Path, text: str) -> None:
    write(Result([text], ["VARCHAR"], [(text,)]), Target(Format.xlsx, tmp_path / "book.xlsx"))
    for cell in load_workbook(tmp_path / "book.xlsx")["KPI"]["A"]:
        assert (cell.data_type, cell.value) == ("s", text)


def test_characters_that_turn_text_around_are_replaced(tmp_path: Path) -> None:
    text = "\N{RIGHT-TO-LEFT OVERRIDE}cod.exe\N{POP DIRECTIONAL FORMATTING}\x07"
    write(Result(["a"], ["VARCHAR"], [(text,)]), Target(Format.xlsx, tmp_path / "book.xlsx"))
    assert load_workbook(tmp_path / "book.xlsx")["KPI"]["A2"].value == "\ufffdcod.exe\ufffd\ufffd"


@pytest.mark.parametrize(
    ("name", "shown"), [("a/b: [c]?*\\", "a b   c"), ("'x'", "x"), ("y" * 40, "y" * 31), ("", "KPI")]
)
def test_names_of_sheets_are_such_as_excel_allows(tmp_path: Path, name: str, shown: str) -> None:
    write_workbook([Sheet(name, Result(["a"], ["BIGINT"], []))], tmp_path / "book.xlsx")
    assert load_workbook(tmp_path / "book.xlsx").sheetnames == [shown]
