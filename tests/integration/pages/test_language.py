"""Pages in Polish have no English words but names, and the language of a page is the reader's."""

import re
from html.parser import HTMLParser

import pytest
from starlette.testclient import TestClient

from pipelines.pages.roles import PAGES
from tests.conftest import Installation

# Words that are the same in both languages.
SAME = {"KPI", "Marketing", "SDR", "Status", "Segment", "Region", "CSV", "Excel", "English", "Polski", "lead", "n ="}
SAME |= {"NPS", "MQL", "SQL", "Lead", "Staging"}
NOT_WORDS = {"code", "data", "script", "style", "title"}
ADDRESSES = [
    *PAGES,
    "kpi?kpi=win_rate",
    "explain?kpi=revenue",
    "explain?kpi=retention",
    "sdrs/funnel/rows?number=share/stage=mql",
    "managers/targets/rows?number=coverage",
    "data/checks/rows?number=checks/stage=raw/result=passed",
    "data/left-out/rows?number=rows",
    "handbook",
    "why?kpi=revenue",
    "why?kpi=nps",
]


class Texts(HTMLParser):
    """The texts of a page that are words for people, outside code, numbers, names, and what says that it is English."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: set[str] = set()
        self._inside: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        for name in ("aria-label", "title"):
            if given.get(name):
                self.texts.add(str(given[name]))
        if tag in NOT_WORDS or given.get("translate") == "no" or (given.get("lang") == "en" and tag != "html"):
            self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if not self._inside and re.search(r"[^\W\d_]{3,}", data):
            self.texts.add(" ".join(data.split()))


@pytest.fixture(scope="module")
def names(untouched_demo: Installation) -> set[str]:
    """Names in the data, which are not translated."""
    with untouched_demo.published() as connection:
        queries = [
            "select distinct coalesce(entity_name, entity_id) from marts.kpi_scorecard",
            "select distinct entity_id from marts.kpi_scorecard",
            "select distinct stage from marts.fct_opportunity_stage_events",
            "select distinct source_file from meta.delivered_files",
            "select distinct source || '.' || table_name from meta.delivered_files",
            "select distinct \"check\" || ' (' || stage || '.' || \"table\" || ')' from meta.check_results",
        ]
        return {str(name) for query in queries for (name,) in connection.execute(query).fetchall()}


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_polish_page_has_no_english_words(pages: TestClient, names: set[str], address: str) -> None:
    english, polish = (Texts(pages.get(f"/{language}/{address}").text).texts for language in ("en", "pl"))
    assert len(polish) > 20
    same = {text for text in english & polish if text not in names and text not in SAME}
    assert {text for text in same if not any(name in text for name in names if len(name) > 5)} == set()


def test_the_language_is_that_of_the_address_then_the_cookie_then_the_browser(pages: TestClient) -> None:
    def first_page(**headers: str) -> str:
        pages.cookies.clear()
        return pages.get("/", headers=headers, follow_redirects=False).headers["location"]

    assert first_page() == "/en/leaders"
    assert first_page(**{"accept-language": "de, pl;q=0.8, en;q=0.5"}) == "/pl/leaders"
    assert first_page(**{"accept-language": "pl-PL"}) == "/pl/leaders"
    assert first_page(**{"accept-language": "pl", "cookie": "language=en"}) == "/en/leaders"
    response = pages.get("/pl/leaders", headers={"accept-language": "en", "cookie": "language=en"})
    assert '<html lang="pl">' in response.text
    assert pages.cookies["language"] == "pl"


def test_there_are_no_pages_in_other_languages(pages: TestClient) -> None:
    assert pages.get("/de/leaders").status_code == 404


def test_kpi_show_speaks_polish(untouched_demo: Installation) -> None:
    printed = untouched_demo.kpi("show", "win_rate", "--lang", "pl", "--last", "3").stdout
    for words in (
        "Skuteczność sprzedaży: Wygrane z zamkniętych",
        "Okres",
        "Przedział 95 %",
        "styczeń 2026 (dotąd)",
        "p.p.",
    ):
        assert words in printed
    assert "Stan na 9 sty 2026" in printed
    assert "mało przypadków: Za mało przypadków" in printed
    assert "styczeń 2026 dotąd wobec: pierwszych 9 dni: gru 25" in printed
    by_team = untouched_demo.kpi("show", "revenue", "--by", "team", "--lang", "pl", "--last", "1").stdout
    assert "Zespół" in by_team
    assert "delta" in by_team
