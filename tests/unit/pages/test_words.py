"""Every word of the pages is translated, and numbers, dates and plurals follow the language."""

import re
from datetime import date, datetime
from decimal import Decimal
from io import BytesIO
from zoneinfo import ZoneInfo

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from pipelines.answers.periods import Grain, Period
from pipelines.pages.words import TRANSLATIONS, Words
from tests.conftest import PROJECT_DIR

PAGES = PROJECT_DIR / "pipelines" / "pages"
KEYWORDS = {"_": None, "gettext": None, "N_": None, "text": None, "counted": (1, 2)}
METHODS = [("**.py", "python"), ("templates/**.html", "jinja2")]


def messages() -> set[str]:
    """All messages of the code and templates; the first form of those with a plural."""
    options = {"templates/**.html": {"newstyle_gettext": "true", "extensions": "jinja2.ext.do", "silent": "false"}}
    found = extract_from_dir(PAGES, METHODS, options_map=options, keywords=KEYWORDS)
    return {message if isinstance(message, str) else message[0] for _, _, message, _, _ in found}


def catalogue(language: str) -> Catalog:
    return read_po(BytesIO((TRANSLATIONS / f"{language}.po").read_bytes()), locale=language)


def by_id(language: str) -> dict[str, Message]:
    return {(one.id if isinstance(one.id, str) else one.id[0]): one for one in catalogue(language) if one.id}


def test_every_message_is_translated_and_nothing_else_is() -> None:
    known = by_id("pl")
    assert len(messages()) > 150
    assert messages() - set(known) == set()
    assert set(known) - messages() == set()
    for name, message in known.items():
        forms = [message.string] if isinstance(message.string, str) else message.string
        assert all(forms), name
        assert not message.fuzzy, name


def test_translations_have_the_same_placeholders() -> None:
    placeholder = re.compile(r"%\((\w+)\)s")
    for name, message in by_id("pl").items():
        for form in [message.string] if isinstance(message.string, str) else message.string:
            assert set(placeholder.findall(form)) == set(placeholder.findall(name)), name
            assert "%" not in placeholder.sub("", form).replace("%%", ""), name


@pytest.mark.parametrize(
    ("value", "unit", "english", "polish"),
    [
        (Decimal("1234.5"), "money", "€1,234", "1 234 €"),
        (Decimal("12345.5"), "money", "€12,346", "12 346 €"),
        (Decimal("999.5"), "money", "€999.50", "999,50 €"),
        (Decimal("-3420.86"), "money", "−€3,421", "−3 421 €"),
        (Decimal("0.1234"), "rate", "12.3 %", "12,3 %"),
        (Decimal("12345"), "count", "12,345", "12 345"),
        (Decimal("24.7"), "score", "+24.7", "+24,7"),
        (Decimal("-2.94"), "score", "−2.9", "−2,9"),
        (Decimal("1.408"), "ratio", "1.41", "1,41"),
        (Decimal("1"), "days", "1.0 days", "1,0 dnia"),
        (Decimal("5.25"), "hours", "5.2 hrs", "5,2 godz."),
    ],
)
def test_values_are_written_as_the_language_writes_them(value: Decimal, unit: str, english: str, polish: str) -> None:
    spaces = str.maketrans("\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}", "  ")
    assert Words("en", "EUR").value(value, unit).translate(spaces) == english
    assert Words("pl", "EUR").value(value, unit).translate(spaces) == polish


@pytest.mark.parametrize(
    ("number", "polish"),
    [(1, "1 wiersz"), (2, "2 wiersze"), (5, "5 wierszy"), (22, "22 wiersze"), (112, "112 wierszy")],
)
def test_plurals_agree(number: int, polish: str) -> None:
    assert Words("pl").counted("%(num)s row", "%(num)s rows", number) == polish


def test_periods_and_days_are_written_in_words() -> None:
    month = Period(date(2025, 12, 1), date(2026, 1, 1), "2025-12", True, 31, 31)
    quarter = Period(date(2025, 10, 1), date(2026, 1, 1), "FY2026 Q3", True, 92, 92)
    week = Period(date(2025, 12, 29), date(2026, 1, 5), "2026-W01", True, 7, 7)
    english, polish = Words("en"), Words("pl")
    assert [english.period(month, Grain.month), polish.period(month, Grain.month)] == ["December 2025", "grudzień 2025"]
    assert [english.period(quarter, Grain.quarter), english.short_period(quarter, Grain.quarter)] == [
        "Q3 FY2026",
        "Q3 26",
    ]
    assert [english.period(week, Grain.week), polish.period(week, Grain.week)] == [
        "Week 1 of 2026",
        "Tydzień 1 roku 2026",
    ]
    assert [english.day(date(2026, 1, 9)), polish.day(date(2026, 1, 9))] == ["9 Jan 2026", "9 sty 2026"]
    moment = datetime(2026, 1, 9, 23, 30)
    assert polish.moment(moment, ZoneInfo("Europe/Warsaw")) == "10 sty 2026, 00:30 CET"


@pytest.mark.parametrize(
    ("delta", "earlier", "unit", "english", "polish"),
    [
        (Decimal("58815.18"), Decimal("161699.46"), "money", "+36.4 %", "+36,4 %"),
        (Decimal("-0.145"), Decimal("0.5"), "rate", "−14.5 pp", "−14,5 p.p."),
        (Decimal("-2.9"), Decimal("27.6"), "score", "−2.9", "−2,9"),
        (Decimal("0"), Decimal("5"), "count", "0.0 %", "0,0 %"),
        (Decimal("7"), Decimal("0"), "count", "+7", "+7"),
    ],
)
def test_changes_say_their_sign_and_size(
    delta: Decimal, earlier: Decimal, unit: str, english: str, polish: str
) -> None:
    spaces = str.maketrans("\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}", "  ")
    assert Words("en", "EUR").change(delta, earlier, unit).translate(spaces) == english
    assert Words("pl", "EUR").change(delta, earlier, unit).translate(spaces) == polish
