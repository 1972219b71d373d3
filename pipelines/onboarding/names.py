"""Names of files, sources and columns: the delivery day that they contain, and the words that they consist of."""

import re
import unicodedata
from datetime import date, datetime
from functools import lru_cache
from typing import NamedTuple

from pipelines.onboarding.currencies import BRACKETS, currency_called


class DayInName(NamedTuple):
    """A file name without its delivery day."""

    pattern: str  # for a source's `path`, with {delivered_on}
    stem: str  # the rest of the name, without day and ending
    day: date | None


def day_in_name(name: str) -> DayInName:
    """Turn the file name `name` into a pattern: {delivered_on} replaces the delivery day, `*` any digits after it.

    If the name contains no day, `_{delivered_on}` is appended to it.
    """
    ending = "".join(re.findall(r"(?:\.[A-Za-z]+\d?)*$", name))  # .csv.gz, but only .csv of 31.01.2025.csv
    stem = name.removesuffix(ending)
    for expression, code in _DAYS_IN_NAMES:
        for found in re.finditer(expression, stem):
            try:
                day = datetime.strptime(found.group(), code).date()
            except ValueError:
                continue
            before, after = stem[: found.start()], stem[found.end() :]
            hole = "{delivered_on}" if code == "%Y-%m-%d" else f"{{delivered_on:{code}}}"
            rest = re.sub(r"\d[\d_T-]*", "*", _escaped(after))  # a time of day, or the number of a part
            return DayInName(f"{_escaped(before)}{hole}{rest}{ending}", slug(before + rest), day)
    return DayInName(f"{_escaped(stem)}_{{delivered_on}}{ending}", slug(stem), None)


def slug(text: str) -> str:
    """`text` as a name of a source or table: lower case, with underscores, and no digits at either end."""
    words = re.sub(r"[^a-z0-9]+", "_", plain_letters(text)).strip("_")
    return re.sub(r"^[0-9_]+|_[0-9_]+$", "", words)


def words_of(name: str) -> str:
    """A column's name as lower-case words with underscores: CustomerID and Customer-Id become customer_id, and Order #
    becomes order_number. Empty if the name has neither letters nor digits.

    A currency in brackets, as in Cost (EUR), is dropped.
    """
    name = BRACKETS.sub(lambda found: "" if currency_called(found[1]) else found[0], name).replace("#", " number ")
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", plain_letters(parted)).strip("_")


def without_brackets(name: str) -> str:
    """The name without what is in brackets: Start Date (in UTC) becomes Start Date."""
    return BRACKETS.sub(" ", name)


_LETTERS = str.maketrans({"ł": "l", "ø": "o", "ß": "ss", "\u0131": "i", "æ": "ae", "œ": "oe", "đ": "d", "º": "o"})


@lru_cache(1 << 16)  # of many cells, most of which stand in many rows
def plain_letters(text: str) -> str:
    """`text` in lower case without accents: ł becomes l, and ä becomes a."""
    decomposed = unicodedata.normalize("NFKD", text.lower().translate(_LETTERS))
    return "".join(character for character in decomposed if not unicodedata.combining(character))


_DAYS_IN_NAMES = [
    (r"(?<!\d)(19|20)\d\d-\d\d-\d\d(?!\d)", "%Y-%m-%d"),
    (r"(?<!\d)(19|20)\d\d_\d\d_\d\d(?!\d)", "%Y_%m_%d"),
    (r"(?<!\d)(19|20)\d\d\.\d\d\.\d\d(?!\d)", "%Y.%m.%d"),
    (r"(?<!\d)\d\d\.\d\d\.(19|20)\d\d(?!\d)", "%d.%m.%Y"),
    (r"(?<!\d)\d\d-\d\d-(19|20)\d\d(?!\d)", "%d-%m-%Y"),
    (r"(?<!\d)(19|20)\d{6}(?!\d)", "%Y%m%d"),
]


def _escaped(text: str) -> str:
    """Escape the braces of patterns and the wildcards of file searches in `text`."""
    return re.sub(r"([*?\[])", r"[\1]", text).replace("{", "{{").replace("}", "}}")
