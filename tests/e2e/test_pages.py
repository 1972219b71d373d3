"""The pages in a real browser: they load nothing from elsewhere, work without scripts, and anybody can use them."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize

from pipelines.pages.roles import PAGES
from tests.conftest import Installation
from tests.e2e.conftest import serving

WIDTHS = {"phone": (390, 844), "desktop": (1440, 900)}
PAPER: ViewportSize = {"width": 1032, "height": 703}  # A4 across, without margins, at 96 dots per inch
ADDRESSES = [
    *PAGES,
    "kpi?kpi=win_rate",
    "explain?kpi=win_rate",
    "why?kpi=revenue",
    "sdrs/funnel/rows?number=share/stage=mql",
    "data/quarantine/rows?number=rows",
    "handbook",
    "leaders?team=delta&compare=last-year",
]

# Each language, width and scheme is in two looks of every day; all of their combinations are seen by night.
BY_DAY = {("en", "desktop", "light"), ("pl", "phone", "dark")}
LOOKS = [
    pytest.param(*look, marks=[] if look in BY_DAY else pytest.mark.nightly)
    for look in product(("en", "pl"), WIDTHS, ("light", "dark"))
]


@pytest.fixture(scope="module")
def address(untouched_demo: Installation) -> Iterator[str]:
    """Where `kpi pages` serves the demo company."""
    with serving(untouched_demo.variables()) as served:
        yield served


class Visit:
    """A page as one reader sees it, with everything that went wrong meanwhile."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.page: Page = context.new_page()
        self.address = address
        self.problems: list[str] = []
        self.transferred = 0
        host = urlsplit(address).netloc
        self.page.on("console", lambda message: self.problems.append(f"console: {message.text}"))
        self.page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        self.page.on("requestfailed", lambda request: self.problems.append(f"failed: {request.url}"))
        self.page.on(
            "request",
            lambda request: None if urlsplit(request.url).netloc == host else self.problems.append(request.url),
        )
        self.page.on("requestfinished", self._count)

    def _count(self, request: object) -> None:
        sizes = request.sizes()  # type: ignore[attr-defined]
        self.transferred += sizes["responseBodySize"] + sizes["responseHeadersSize"]

    def open(self, path: str) -> None:
        response = self.page.goto(f"{self.address}/{path}")
        assert response
        assert response.status == 200, path


@pytest.mark.parametrize(("language", "width", "scheme"), LOOKS)
def test_every_page_loads_whole_and_from_here_only(
    browser: Browser, address: str, language: str, width: str, scheme: str
) -> None:
    """Without scripts, in every language, width and scheme; nothing is wider than the screen."""
    size = WIDTHS[width]
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,  # type: ignore[arg-type]
        java_script_enabled=False,
    )
    # By day, each look is of every second page: the phone's are those that are not the desktop's.
    pages = ADDRESSES[width == "phone" :: 2] if (language, width, scheme) in BY_DAY else ADDRESSES
    for path in pages:
        visit = Visit(context, address)
        visit.open(f"{language}/{path}")
        assert visit.problems == []
        assert visit.page.locator("html").get_attribute("lang") == language
        assert visit.page.locator("h1").count() == 1
        assert visit.page.locator("script").count() == 0
        assert visit.page.evaluate("document.documentElement.scrollWidth") == size[0], path
        assert 0 < visit.transferred < 300_000, path
        visit.page.close()
    context.close()


def test_on_paper_no_page_is_cut(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport=PAPER, java_script_enabled=False)
    page = context.new_page()
    page.emulate_media(media="print")
    for path in ADDRESSES:
        page.goto(f"{address}/pl/{path}")  # in Polish, words are longer
        assert page.evaluate("document.documentElement.scrollWidth") <= PAPER["width"], path
        assert page.get_by_role("navigation").first.is_hidden()
    context.close()


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.nightly)])
@pytest.mark.parametrize(
    "path", [pytest.param(path, marks=[] if n % 3 == 0 else pytest.mark.nightly) for n, path in enumerate(ADDRESSES)]
)
def test_axe_finds_nothing_that_keeps_people_from_using_a_page(
    browser: Browser, address: str, path: str, scheme: str
) -> None:
    context = browser.new_context(
        viewport={"width": 1440, "height": 900},
        color_scheme=scheme,  # type: ignore[arg-type]
        bypass_csp=True,  # axe is a script
    )
    page = context.new_page()
    page.goto(f"{address}/en/{path}")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    context.close()


def test_a_definition_shows_where_a_reader_points_or_comes_with_the_keyboard(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/en/leaders")
    tile = page.locator("[data-kpi=win_rate]")
    definition = tile.get_by_text("Share of the deals closed")
    assert not definition.is_visible()
    tile.locator("summary").hover()
    assert definition.is_visible()
    page.get_by_role("heading", name="More than noise").hover()
    assert not definition.is_visible()
    tile.get_by_role("link", name="Win rate").focus()
    page.keyboard.press("Tab")
    assert definition.is_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}/en/handbook#win_rate")
    context.close()


def test_a_reader_filters_follows_a_number_to_its_rows_and_goes_back(browser: Browser, address: str) -> None:
    """With the keyboard and without scripts, as the URL says."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/en/leaders")
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == "Skip to the numbers"
    page.get_by_label("Team").select_option("delta")
    page.get_by_role("button", name="Show").click()
    assert "team=delta" in page.url
    assert "Team: delta" in page.locator("h1").inner_text()
    assert "Not published by team." in page.locator("[data-kpi=cac]").inner_text()
    page.locator("[data-kpi=revenue] .value a").click()
    assert urlsplit(page.url).path == "/en/explain"
    assert page.get_by_role("heading", name="The delivered rows behind it").count() == 1
    page.go_back()
    page.locator("[data-kpi=win_rate] .change a").first.click()
    assert urlsplit(page.url).path == "/en/why"
    page.get_by_role("link", name="Polski").click()
    assert urlsplit(page.url).path == "/pl/why"
    assert "team=delta" in page.url
    page.go_back()
    page.go_back()
    assert urlsplit(page.url).path == "/en/leaders"
    context.close()


def test_what_a_page_shows_can_be_downloaded(browser: Browser, address: str, tmp_path: Path) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{address}/pl/kpi?kpi=win_rate")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").first.click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    header, first = file.read_text(encoding="utf-8-sig").splitlines()[:2]
    assert header.split(";")[:2] == ["kpi_id", "variant"]
    assert first.split(";")[:2] == ["win_rate", "closed_count"]
    context.close()
