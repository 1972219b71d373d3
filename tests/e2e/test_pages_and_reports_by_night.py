"""What takes several browsers, or LibreOffice: pages while others publish, and a workbook as people open it."""

import asyncio
import shutil
import subprocess
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest
from openpyxl import load_workbook
from playwright.async_api import Playwright, async_playwright

from pipelines.pages.report import write_reports
from pipelines.publish.versions import point_to
from tests.conftest import Installation
from tests.e2e.conftest import how_to_start, serving

pytestmark = pytest.mark.nightly


def test_four_browsers_see_only_whole_publications_while_others_replace_them(
    untouched_demo: Installation, tmp_path: Path
) -> None:
    """During 30 publications and a rollback, each after at least one page has loaded."""
    for number, factor in (("1", 1), ("2", 1000)):
        made = tmp_path / "publications" / number
        made.mkdir(parents=True)
        shutil.copy(untouched_demo.data_dir / "published" / "kpi.duckdb", made)
        with duckdb.connect(str(made / "kpi.duckdb")) as connection:
            connection.execute(f"update meta.publication set publication_id = 'publication {number}'")
            connection.execute(f"update marts.kpi_scorecard set value = value * {factor} where kpi_id = 'revenue'")
    point_to(tmp_path / "publications" / "1", tmp_path / "published")
    with serving({**untouched_demo.variables(), "DATA_DIR": str(tmp_path)}) as address:
        seen = asyncio.run(reload_while_published(f"{address}/en/kpi?kpi=revenue", tmp_path))
    assert {publication for publication, _ in seen} == {"publication 1", "publication 2"}
    assert len(set(seen)) == 2, "a page has numbers of another publication"


async def reload_while_published(address: str, folder: Path) -> list[tuple[str, str]]:
    """What four browsers see while publications change: at each load, the publication and all numbers."""
    seen: list[tuple[str, str]] = []
    loaded = asyncio.Semaphore(0)
    is_over = asyncio.Event()

    async def read_again_and_again(playwright: Playwright) -> None:
        reader = await playwright.chromium.launch(**how_to_start())
        page = await reader.new_page()
        while not is_over.is_set():
            response = await page.goto(address)
            assert response
            assert response.status == 200
            numbers = await page.locator("data").evaluate_all("all => all.map(one => one.value).join()")
            seen.append((await page.locator("footer code").inner_text(), numbers))
            loaded.release()
        await reader.close()

    async with async_playwright() as playwright, asyncio.TaskGroup() as readers:
        for _ in range(4):
            readers.create_task(read_again_and_again(playwright))
        for number in range(31):  # the last one is a rollback
            point_to(folder / "publications" / "21"[number % 2], folder / "published")
            await loaded.acquire()
        is_over.set()
    return seen


def test_libreoffice_reads_the_workbook_as_it_was_written(untouched_demo: Installation, tmp_path: Path) -> None:
    """Every cell of every sheet is what it was, after LibreOffice has opened the workbook and saved it."""
    assert shutil.which("soffice"), "This test needs LibreOffice: apt-get install libreoffice-calc-nogui"
    shutil.copy(untouched_demo.data_dir / "published" / "kpi.duckdb", tmp_path)
    write_reports(tmp_path, ZoneInfo("Europe/Warsaw"), "https://kpi.example.org", ["en"])
    [written] = (tmp_path / "reports").glob("*.xlsx")
    profile = f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}"
    folder = tmp_path / "saved"
    command = ["soffice", profile, "--headless", "--convert-to", "xlsx", "--outdir", str(folder), str(written)]
    subprocess.run(command, check=True, capture_output=True)
    sheets = load_workbook(written).worksheets
    saved = load_workbook(folder / written.name, data_only=True).worksheets
    assert [sheet.title for sheet in saved] == [sheet.title for sheet in sheets]
    for sheet, again in zip(sheets, saved, strict=True):
        rows = [saved_by_libreoffice(row) for row in sheet.iter_rows(values_only=True)]
        assert len(rows) > 1
        assert list(again.iter_rows(values_only=True)) == rows, sheet.title


def saved_by_libreoffice(row: tuple[object, ...]) -> tuple[object, ...]:
    """The row, of whose numbers LibreOffice saves 15 digits."""
    return tuple(pytest.approx(value, rel=1e-14) if isinstance(value, float) else value for value in row)
