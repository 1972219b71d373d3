"""The documentation as pages: whatever refers to it opens, wherever the pages are served."""

import re
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pipelines.checks.assets import complete_suites
from pipelines.checks.data_docs import pages, server
from pipelines.checks.data_docs.pages import anchor_of, page_url, write_pages
from pipelines.checks.suites import load_suites
from pipelines.settings import PROJECT_DIR
from pipelines.sources import SHIPPED_DIR, load_sources


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    write_pages(folder)
    (folder / "index.html").write_text("the checks")
    (folder / "incidents.html").write_text("the incidents")
    return folder


def runbooks() -> set[str]:
    """All runbooks that a shipped suite or an alert names."""
    sources = load_sources(sorted(path.stem for path in SHIPPED_DIR.glob("*.yml")), PROJECT_DIR / "company")
    suites = complete_suites(load_suites(PROJECT_DIR / "expectations"), sources).values()
    of_suites = {book for suite in suites for book in (suite.runbook, *(spec.runbook for spec in suite.checks)) if book}
    code = "".join(path.read_text() for path in (PROJECT_DIR / "pipelines").rglob("*.py"))
    return of_suites | set(re.findall(r"\"(docs/[^\"#]+\.md#[^\"]+)\"", code))


def test_every_runbook_has_a_page_with_its_anchor(site: Path) -> None:
    found = runbooks()
    assert len(found) > 10
    for runbook in found:
        url = urlsplit(page_url("http://127.0.0.1:3001", runbook))
        assert f'id="{url.fragment}"' in (site / url.path[1:]).read_text(), runbook


def test_pages_are_written_again_only_if_their_files_have_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs, site = tmp_path / "docs", tmp_path / "site"
    docs.mkdir()
    (docs / "dates.md").write_text("# Dates")
    monkeypatch.setattr(pages, "_DOCS", docs)
    write_pages(site)
    made = site / "docs" / "dates.html"
    made.write_text("as it was")
    write_pages(site)
    assert made.read_text() == "as it was"
    (docs / "dates.md").write_text("# Dates and times")
    write_pages(site)
    assert "Dates and times" in made.read_text()
    assert "Dates and times" in (site / "docs" / "index.html").read_text()


def test_pages_link_only_to_pages_that_are_there(site: Path) -> None:
    for page in site.rglob("docs/**/*.html"):
        for link in re.findall(r'href="([^"#]+)', page.read_text()):
            if not re.match(r"\w+:", link):
                assert (site / link[1:] if link.startswith("/") else page.parent / link).exists(), (page, link)


def test_what_is_no_page_has_no_address() -> None:
    assert page_url("http://h", "docs/nothing.md#x") == ""
    assert page_url("http://h", "../docs/operations.md") == ""
    assert page_url("http://h", "call Anna") == ""
    assert page_url("http://h", "https://wiki.example.org/kpi") == "https://wiki.example.org/kpi"
    assert page_url("http://h", "docs/operations.md") == "http://h/docs/operations.html"


def test_anchors_are_those_of_github() -> None:
    assert anchor_of("What an alert means, and what to do") == "what-an-alert-means-and-what-to-do"
    assert anchor_of("`kpi run`: the day") == "kpi-run-the-day"


@pytest.fixture(params=["first port", "second port"])
def url(site: Path) -> Iterator[str]:
    pages = server.server(site, "127.0.0.1", 0)
    threading.Thread(target=pages.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{pages.server_port}"
    pages.shutdown()
    pages.server_close()


def test_a_runbook_opens_under_any_port(url: str) -> None:
    for reference in ("docs/operations.md#dates", "docs/quality.md"):
        place = urlsplit(page_url(url, reference))
        connection = HTTPConnection(str(place.hostname), place.port, timeout=10)
        connection.request("GET", place.path)
        assert connection.getresponse().status == 200
        connection.close()
