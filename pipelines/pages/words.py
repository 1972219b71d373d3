"""Words, numbers, dates and periods in the reader's language.

Belongs here: which languages there are, their catalogues, and how values are written in them. Does not belong here:
how commands write values (`formatting.py`), and what is said: templates hold the sentences.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache, cached_property, lru_cache
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime, format_skeleton
from babel.lists import format_list
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_currency, format_decimal, format_percent
from babel.support import NullTranslations, Translations
from babel.units import format_unit

from pipelines.answers.periods import Grain, Period

TRANSLATIONS = Path(__file__).parent / "translations"
LANGUAGES = {"en": "English", "pl": "Polski"}
_LOCALES = {"en": "en_GB", "pl": "pl_PL"}
MINUS = "\N{MINUS SIGN}"
EN_DASH = "\N{EN DASH}"
Number = Decimal | float


def N_(text: str) -> str:  # noqa: N802 - what extraction looks for
    """Mark `text` for the catalogues; it is translated where it is shown."""
    return text


@cache
def _catalogue(language: str) -> NullTranslations:
    """The translations of a language, compiled once when they are first needed."""
    file = TRANSLATIONS / f"{language}.po"
    if not file.exists():
        return NullTranslations()  # English is what the source says
    compiled = BytesIO()
    with file.open("rb") as text:
        write_mo(compiled, read_po(text, locale=_LOCALES[language]))
    compiled.seek(0)
    return Translations(compiled)


@dataclass(frozen=True)
class Words:
    """How one language writes things; money is in `currency`."""

    language: str
    currency: str = ""

    @cached_property
    def locale(self) -> Locale:
        return Locale.parse(_LOCALES[self.language])

    @property
    def catalogue(self) -> NullTranslations:
        """The translations of words and sentences."""
        return _catalogue(self.language)

    def text(self, message: str, **values: object) -> str:
        """`message` translated, with its values filled in as `%(name)s`."""
        translated: str = self.catalogue.ugettext(message)
        return translated % values if values else translated

    def counted(self, one: str, many: str, number: int, **values: object) -> str:
        """The form of a sentence that agrees with `number`, which it names as `%(num)s`."""
        translated: str = self.catalogue.ungettext(one, many, number)
        return translated % {"num": self.number(number), **values}

    def column(self, name: str) -> str:
        """The column of the KPI catalogue with the text in this language: `name_pl`."""
        return f"{name}_{self.language}"

    def number(self, value: Number, digits: int = 0) -> str:
        """A number with a fixed count of decimals."""
        return format_decimal(value, "#,##0" + ("." + "0" * digits if digits else ""), self.locale)

    def exact(self, value: Number | None) -> str:
        """A number as it is, with at most six decimals."""
        return self.text("unknown") if value is None else format_decimal(value, "#,##0.######", self.locale)

    def value(self, value: Number | None, unit: str) -> str:
        """A value of a KPI with its unit; nothing if there is no value."""
        return "" if value is None else _in_words(self, value, unit)

    def added(self, value: Number | None, unit: str) -> str:
        """What a row adds to a value: money with its cents, so that a column of it lines up, all else as it is."""
        if value is None or unit != "money":
            return self.exact(value)
        if value < 0:
            return MINUS + self.added(-value, unit)
        return format_currency(value, self.currency, locale=self.locale) if self.currency else self.number(value, 2)

    def change(self, delta: Number, earlier: Number | None, unit: str) -> str:
        """A difference with its sign: rates in points, amounts and counts as a share of a positive earlier value."""
        sign, size = _sign(delta), _size(delta)
        match unit:
            case "rate":
                return self.text("%(points)s pp", points=sign + self.number(size * 100, 1))
            case "money" | "count" if earlier and earlier > 0:
                return sign + self.value(float(size) / float(earlier), "rate")
            case "score":
                return sign + self.number(size, 1)
            case _:
                return sign + self.value(size, unit)

    def signed(self, delta: Number, unit: str) -> str:
        """An amount of change with its sign, in the unit of the value; of rates, in points."""
        sign, size = _sign(delta), _size(delta)
        if unit == "rate":
            return self.text("%(points)s pp", points=sign + self.number(size * 100, 2))
        return sign + self.value(size, "ratio" if unit == "score" else unit)

    def money(self, value: Number) -> str:
        """An amount. Cents of a large amount say nothing; the exact amount is in the element's data."""
        if value < 1000:
            return format_currency(value, self.currency, locale=self.locale)
        whole = "¤#,##0" if self.language == "en" else "#,##0\N{NO-BREAK SPACE}¤"
        return format_currency(value, self.currency, whole, self.locale, currency_digits=False)

    def share(self, value: Number) -> str:
        """A fraction of 1 as a whole percentage."""
        return format_percent(value, "#,##0\N{NARROW NO-BREAK SPACE}%", self.locale)

    def day(self, day: date) -> str:
        return format_date(day, "medium", self.locale)

    def short_day(self, day: date) -> str:
        return format_skeleton("MMMd", datetime(day.year, day.month, day.day), locale=self.locale)

    def moment(self, moment: datetime, zone: ZoneInfo) -> str:
        """A time to the minute, in the business time zone; without a zone it is UTC."""
        aware = moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo("UTC"))
        return format_datetime(aware, "d MMM y, HH:mm z", tzinfo=zone, locale=self.locale)

    def period(self, period: Period, grain: Grain) -> str:
        """`December 2025`, `Q4 2025`, `Week 50 of 2025`, `2025`; fiscal years as they are called."""
        label = period.label
        if grain is Grain.month:
            return format_date(period.start, "LLLL y", self.locale)
        if grain is Grain.week:
            return self.text("Week %(week)s of %(year)s", week=int(label[-2:]), year=label[:4])
        if grain is Grain.quarter:
            return f"{label[-2:]} {label[:-3]}"
        return label

    def short_period(self, period: Period, grain: Grain) -> str:
        """The same for an axis or a column: `Dec 25`, `W50`, `Q4 25`."""
        if grain is Grain.month:
            return format_date(period.start, "LLL yy", self.locale)
        if grain is Grain.week:
            return period.label[-3:]
        if grain is Grain.quarter:
            return f"{period.label[-2:]} {period.label[:-3][-2:]}"
        return period.label

    def listed(self, items: Iterable[str]) -> str:
        """`a, b and c`."""
        return format_list(list(items), locale=self.locale)


@lru_cache(maxsize=20_000)  # pages say the same numbers again and again, and Babel takes its time
def _in_words(words: Words, value: Number, unit: str) -> str:
    if value < 0 and unit != "score":
        return MINUS + _in_words(words, -value, unit)
    match unit:
        case "money" if words.currency:
            return words.money(value)
        case "rate":
            return format_percent(value, "#,##0.0\N{NARROW NO-BREAK SPACE}%", words.locale)
        case "count":
            return words.number(value)
        case "score":
            return _sign(value) + words.number(_size(value), 1)
        case "days" | "hours" | "months":
            return format_unit(
                round(Decimal(value), 1), unit.removesuffix("s"), "short", "#,##0.0", locale=words.locale
            )
        case _:
            return words.number(value, 2)


def _sign(value: Number) -> str:
    return "+" if value > 0 else MINUS if value < 0 else ""


def _size(value: Number) -> Number:
    return -value if value < 0 else value
