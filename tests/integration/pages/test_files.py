"""Every table of every page is also a file that says what the page shows, with exact values."""

import csv
import re
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from io import BytesIO, StringIO

import openpyxl
import pytest
from starlette.testclient import TestClient

from pipelines.pages.roles import PAGES
from tests.integration.pages.reading import read
from tests.integration.pages.tables import tables_of


def values_in(texts: Iterable[str]) -> Counter[str]:
    """The numbers and dates among some texts, however exactly they are written."""
    found: Counter[str] = Counter()
    for text in texts:
        try:
            found[f"{Decimal(text.replace(',', '.')).normalize():f}"] += 1
        except InvalidOperation:
            found[text] += bool(re.fullmatch(r"\d{4}-\d\d-\d\d", text))
    return +found


def rows_of(csv_file: str, delimiter: str = ",") -> list[list[str]]:
    assert csv_file[0] == "\N{BYTE ORDER MARK}"  # by which Excel knows that it is UTF-8
    return list(csv.reader(StringIO(csv_file[1:]), delimiter=delimiter))


@pytest.mark.parametrize("address", [*PAGES, "marketing?channel=email"])
def test_a_file_says_what_its_table_says(pages: TestClient, address: str) -> None:
    page = address.partition("?")[0]
    html = pages.get(f"/en/{address}").text
    links = [link for link in read(html).links if link.startswith(f"/en/{page}/") and ".csv" in link]
    shown = [table for section in PAGES[page].sections for table in tables_of(html, section.name)]
    assert len(links) == len(shown) > 0
    for link, table in zip(links, shown, strict=True):
        header, *rows = rows_of(pages.get(link).text)
        assert len(set(header)) == len(header)
        assert not [name for name in header if not name or re.search(r"(\(\d\)|: \d)$", name)], header
        assert len(rows) == len(table)
        for written, row in zip(rows, table, strict=True):
            assert values_in(value for cell in row.cells for value in cell.values) <= values_in(written), (
                link,
                row.name,
            )
            assert re.sub(r"\W", "", row.name) in re.sub(r"\W", "", "".join(written)), link


@pytest.mark.parametrize("address", ["why?kpi=revenue", "why?kpi=win_rate&period=2026-01"])
def test_the_parts_of_a_change_are_a_file(pages: TestClient, address: str) -> None:
    [*_, table] = tables_of(pages.get(f"/en/{address}").text, "parts")
    header, *rows = rows_of(pages.get(f"/en/{address.replace('?', '.csv?')}").text)
    assert header[3] == "Contributes"
    assert len(rows) == len(table) > 2
    for written, row in zip(rows, table, strict=True):
        assert values_in(value for cell in row.cells for value in cell.values) <= values_in(written), row.name
    *parts, total = (Decimal(row[3]) for row in rows)
    assert sum(parts) == pytest.approx(total)
    book = openpyxl.load_workbook(BytesIO(pages.get(f"/en/{address.replace('?', '.xlsx?')}").content))
    assert book.sheetnames[-1] == "Parts of the change"
    assert isinstance(book.worksheets[-1].cell(2, 4).value, float)


def test_a_workbook_has_a_sheet_with_typed_numbers_for_each_table(pages: TestClient) -> None:
    book = openpyxl.load_workbook(BytesIO(pages.get("/pl/customer-success/nps.xlsx").content))
    assert len(book.sheetnames) == 3
    header, first, *_ = book.worksheets[0].iter_rows()
    assert [cell.value for cell in header[:2]] == ["Odpowiedzi", "Klienci"]
    assert isinstance(first[1].value, int)
    assert (first[-1].number_format, 0 <= first[-1].value <= 1) == ("0.00%", True)


def test_a_csv_file_is_for_the_excel_of_the_readers_language(pages: TestClient) -> None:
    english, polish = (pages.get(f"/{language}/marketing/attribution.csv").text for language in ("en", "pl"))
    in_english, in_polish = rows_of(english), rows_of(polish, ";")
    assert in_polish[0][0] == "Kanał"
    assert [values_in(row) for row in in_english] == [values_in(row) for row in in_polish]
    assert "," in in_polish[1][1]


@pytest.mark.parametrize("name", ["kpis", "pipeline-2", "nothing", "pipeline-x"])
def test_what_is_no_table_has_no_file(pages: TestClient, name: str) -> None:
    response = pages.get(f"/en/managers/{name}.csv")
    assert response.status_code in (400, 404)
    assert response.headers["content-type"].startswith("text/html")


def test_a_section_without_numbers_says_why_instead_of_a_file(pages: TestClient) -> None:
    response = pages.get("/en/marketing/spend.xlsx?team=delta")
    assert (response.status_code, "Not published by team" in response.text) == (400, True)
