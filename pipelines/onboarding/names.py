"""Names of files, sources and columns: the delivery day in them, and the words they are made of."""

import re
import unicodedata
from datetime import date, datetime
from typing import NamedTuple


class DayInName(NamedTuple):
    """A file name with its delivery day taken out."""

    pattern: str  # for a source's `path`; with {delivered_on}
    stem: str  # what is left of the name, without day and ending
    day: date | None


def day_in_name(name: str) -> DayInName:
    """The file name `name` as a pattern: the delivery day becomes {delivered_on}, further digits after it a `*`.

    A name without a day gets `_{delivered_on}`.
    """
    ending = "".join(re.findall(r"(?:\.[A-Za-z]+\d?)*$", name))  # .csv.gz, while 31.01.2025.csv ends with .csv
    stem = name.removesuffix(ending)
    for expression, code in _DAYS_IN_NAMES:
        for found in re.finditer(expression, stem):
            try:
                day = datetime.strptime(found.group(), code).date()
            except ValueError:
                continue
            before, after = stem[: found.start()], stem[found.end() :]
            hole = "{delivered_on}" if code == "%Y-%m-%d" else f"{{delivered_on:{code}}}"
            rest = re.sub(r"\d[\d_T-]*", "*", _escaped(after))  # a time of day, or a part's number
            return DayInName(f"{_escaped(before)}{hole}{rest}{ending}", slug(before + rest), day)
    return DayInName(f"{_escaped(stem)}_{{delivered_on}}{ending}", slug(stem), None)


def slug(text: str) -> str:
    """`text` as a name of a source or table: lower case, underscores, no digits left over at either end."""
    words = re.sub(r"[^a-z0-9]+", "_", plain_letters(text)).strip("_")
    return re.sub(r"^[0-9_]+|_[0-9_]+$", "", words)


def words_of(name: str) -> str:
    """A column's name as lower-case words with underscores: CustomerID and Customer-Id become customer_id.

    A currency in brackets, as in Cost (EUR), is none of its words.
    """
    name = re.sub(r"[(\[](EUR|USD|GBP|PLN|CHF|BRL|CZK|SEK|NOK|DKK|€|\$|£|zł)[)\]]", "", name)
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", plain_letters(parted)).strip("_")


def plain_letters(text: str) -> str:
    """Lower case without accents: ł becomes l, ä a."""
    decomposed = unicodedata.normalize("NFKD", text.lower().replace("ł", "l").replace("ø", "o").replace("ß", "ss"))
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
    """`text` so that neither the pattern's braces nor a file search's wildcards are read into it."""
    return re.sub(r"([*?\[])", r"[\1]", text).replace("{", "{{").replace("}", "}}")
