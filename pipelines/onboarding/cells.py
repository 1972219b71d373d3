"""How the cells of one column can be read: as numbers, dates, timestamps or booleans, whichever system wrote them.

Belongs here: the ways in which values are written. Does not belong here: files and whole tables (`sniffing.py`).
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import NamedTuple

from pipelines.onboarding.names import words_of

_KEPT = 1 << 16  # cells that are remembered: the same dates and amounts stand in many rows
MAX_UNREADABLE_SHARE = 0.05  # of a column's cells; their rows are quarantined and reported

EXCEL = "excel"  # the format of dates as days since 1899-12-30, as spreadsheets store them
_BOOLEANS = {"true", "false", "t", "f", "yes", "no", "y", "n", "1", "0"}
_CURRENCIES = re.compile(r"R\$|US\$|zł|Kč|kr\.?|[A-Z]{3}|[€$£¥₹]")
_THOUSANDS_SPACES = " \u00a0\u202f'\u2019"
_ISO_TIMESTAMP = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?\s?(Z|UTC|[+-]\d{2}(:?\d{2})?)?")
# A date that a database keeps as a point in time. In a zone west of Greenwich it would be the day before.
_MIDNIGHT_UTC = re.compile(r"\d{4}-\d{2}-\d{2}[ T]00:00(:00([.,]0+)?)?\s?(Z|[+-]00(:?00)?)")
_ENOUGH_MIDNIGHTS = 3
_CODES = {
    **{"month": "%B", "mon": "%b", "yyyy": "%Y", "yy": "%y", "mm": "%m", "dd": "%d"},
    **{"hh": "%H", "mi": "%M", "ss": "%S"},
}
_NAMED_MONTH = re.compile(
    r"(?:\d{1,2}(?P<mark>[ /-])(?P<month>[A-Za-z]{3,9})(?P=mark)|(?P<name>[A-Za-z]{3,9}) \d{1,2}(?P<comma>,?) )"
    r"(?P<year>\d{4}|\d{2})(?:(?P<gap>,? )(?P<time>\d{1,2}:\d{2}(?P<seconds>:\d{2})?)(?P<half> [AaPp][Mm])?)?"
)
_T_BEFORE_TIME = re.compile(r"(?<=\d)T(?=\d)")
_DATE = re.compile(r"(\d{1,4})([-./])(\d{1,2})\2(\d{1,4})(?:(,? |T)(\d{1,2}:\d{2}(:\d{2})?)( [AaPp][Mm])?)?")


@dataclass(frozen=True)
class Reading:
    """One way to read a column, in the terms of the macro `delivery_log`.

    format: the date format if it is not ISO, such as dd.mm.yyyy, or dd-mon-yyyy for 05-Jan-2025.
    decimal: the decimal mark, if the cells contain one.
    ignore: characters that are skipped: thousands separators and currency signs.
    """

    type: str
    format: str | None = None
    decimal: str | None = None
    ignore: tuple[str, ...] = ()

    @property
    def is_local_date(self) -> bool:
        """True for a date format in which day and month could be confused."""
        return self.format is not None and not self.format.startswith(("yyyy", EXCEL)) and "mon" not in self.format

    def number(self, cell: str | None) -> Decimal | None:
        """The number in `cell`, as the macro `delivery_log` reads it; None if it holds none."""
        text = cell or ""
        for sign in self.ignore:
            text = text.replace(sign, "")
        text = signed(text)
        if self.decimal == ",":
            text = text.replace(".", "").replace(" ", "").replace(",", ".")
        try:
            return Decimal(text)
        except InvalidOperation:
            return None


class Found(NamedTuple):
    """The possible readings of a column, what is ambiguous about it, how many cells fit no reading, and two dates that
    are written in different ways if there is no reading for all."""

    readings: tuple[Reading, ...] = ()
    ambiguous: tuple[str, ...] = ()
    unreadable: int = 0
    mixed: tuple[str, ...] = ()


def read_column(cells: Sequence[str], name: str = "", dates: str | None = None, decimal: str | None = None) -> Found:
    """How `cells` can be read. `dates` and `decimal` decide what the cells leave open.

    If the values could mean two different things, the column can be read only as text, and `ambiguous` lists those
    meanings.
    """
    filled = [cell for cell in cells if cell]
    distinct = set(filled)
    if not filled:
        return Found()
    readings: list[Reading] = []
    as_date = _read_serial_dates(filled, name)
    if not as_date.readings:
        as_date = _read_dates(filled, name, dates)
    as_number = _read_numbers(filled, decimal) if not as_date.readings and not as_date.ambiguous else Found()
    if as_date.readings and as_date.readings[0].format == "yyyymmdd":
        as_number = Found((Reading("integer"),))
    readings += [*as_date.readings, *as_number.readings]
    if {value.lower() for value in distinct} <= _BOOLEANS:
        letters = not distinct <= {"0", "1"}
        readings.insert(0 if letters else len(readings), Reading("boolean"))
    ambiguous, unreadable = as_date.ambiguous or as_number.ambiguous, as_date.unreadable or as_number.unreadable
    return Found(tuple(readings), ambiguous, unreadable, () if readings or ambiguous else _mixed_dates(filled))


def signed(text: str) -> str:
    """A number with its minus in front: accountants write (10.00) and SAP 10.00- for -10.00."""
    text = text.strip()
    if re.fullmatch(r"\([^-()]+\)|[^-()]+-", text):
        return "-" + text.strip("()-").strip()
    return text


def _enough(count: int, filled: Sequence[str]) -> bool:
    return count > 0 and count >= len(filled) * (1 - MAX_UNREADABLE_SHARE)


# 1954 to 2064. Numbers of that size are dates only in a column that is called so.
_SERIAL_DAYS = (20_000, 60_000)
_NAMED_LIKE_A_DATE = re.compile(
    r"(^|_)(date|day|datum|data|dzien|tag|dia|time|timestamp|created|ordered|placed|closed|paid|sold|updated|modified)(_|$)"
    r"|_(at|on)$|(date|datum)$"
)


def _read_serial_dates(filled: Sequence[str], name: str) -> Found:
    if not _NAMED_LIKE_A_DATE.search(words_of(name)):
        return Found()
    days = [float(cell) for cell in filled if re.fullmatch(r"\d{5}(\.\d+)?", cell)]
    if len(days) < len(filled) or not all(_SERIAL_DAYS[0] <= day <= _SERIAL_DAYS[1] for day in days):
        return Found()
    return Found((Reading("date" if all(day.is_integer() for day in days) else "timestamp", EXCEL),))


def _read_dates(filled: Sequence[str], name: str, told: str | None) -> Found:
    stamps = sum(bool(_ISO_TIMESTAMP.fullmatch(cell)) for cell in filled)
    if len(filled) >= _ENOUGH_MIDNIGHTS and all(_MIDNIGHT_UTC.fullmatch(cell) for cell in filled):
        return Found((Reading("date"), Reading("timestamp")))
    # A sheet drops the time of midnight: 2025-01-31 among timestamps is one, too.
    stamps += sum(_is_date(cell, "yyyy-mm-dd") for cell in filled) if stamps else 0
    if _enough(stamps, filled):
        return Found((Reading("timestamp"),), unreadable=len(filled) - stamps)
    if _enough(sum(len(cell) == 8 and cell.isdigit() for cell in filled), filled):
        days = sum(_is_date(cell, "yyyymmdd") for cell in filled)
        return Found((Reading("date", "yyyymmdd"),)) if days == len(filled) else Found()
    shapes = [found for cell in filled if (found := _DATE.fullmatch(cell))]
    if not _enough(len(shapes), filled):
        return _read_named_months(filled)
    mark = shapes[0][2]
    gap = ", " if (shapes[0][5] or "").startswith(",") else " "
    has_time = shapes[0][6] is not None
    time = (f"{gap}hh:mi" + (":ss" if shapes[0][7] else "") + (" am" if shapes[0][8] else "")) if has_time else ""
    fits: dict[str, int] = {}
    for order in _orders(shapes[0], mark):
        format_ = mark.join(order)
        count = sum(_is_date(cell, format_ + time) for cell in filled)
        if _enough(count, filled):
            fits[format_] = count
    best = [format_ for format_, count in fits.items() if count == max(fits.values())]
    if told:
        told_order = re.split(r"[-./]", told.split(" ")[0])
        best = [format_ for format_ in best if _same_order(re.split(r"[-./]", format_), told_order)] or best
    if not best:
        return Found()
    if len(best) > 1:
        return Found(ambiguous=tuple(best))
    iso = best[0] == "yyyy-mm-dd" and not time
    reading = Reading("timestamp" if time else "date", None if iso else best[0] + time)
    return Found((reading,), unreadable=len(filled) - fits[best[0]])


def _read_named_months(filled: Sequence[str]) -> Found:
    """Dates such as 05-Jan-2025, 5 January 2025 or Jan 5, 2025, with or without a time. Months are in English, which is
    what the warehouse reads."""
    written = [found for cell in filled if (found := _NAMED_MONTH.fullmatch(cell))]
    if not _enough(len(written), filled):
        return Found()
    first = written[0]
    month = "month" if any(len(found["month"] or found["name"]) > 3 for found in written) else "mon"
    year = "yyyy" if len(first["year"]) == 4 else "yy"
    mark = first["mark"]
    format_ = mark.join(("dd", month, year)) if mark else f"{month} dd{first['comma']} {year}"
    if first["time"]:
        format_ += first["gap"] + "hh:mi" + (":ss" if first["seconds"] else "") + (" am" if first["half"] else "")
    count = sum(_is_date(cell, format_) for cell in filled)
    if not _enough(count, filled):
        return Found()
    return Found((Reading("timestamp" if first["time"] else "date", format_),), unreadable=len(filled) - count)


def _mixed_dates(filled: Sequence[str]) -> tuple[str, ...]:
    """Two cells of a column of dates that are written in different ways, as by people; empty if there are none."""
    ways: dict[str, str] = {}
    for cell in filled:
        shape = _DATE.fullmatch(cell)
        if not (shape or _ISO_TIMESTAMP.fullmatch(cell) or _NAMED_MONTH.fullmatch(cell)):
            return ()
        named = re.sub(r"[A-Za-z]+", "month", cell[:11].strip())
        way = re.sub(r"\d+", lambda found: "y" * (len(found[0]) == 4), named)
        if _ISO_TIMESTAMP.fullmatch(cell) or _is_date(cell, "yyyy-mm-dd"):
            way = "the year first"
        elif shape and way in ("//y", "--y", "//", "--"):
            way += " day first" * (int(shape[1]) > 12) + " month first" * (int(shape[3]) > 12)
        ways.setdefault(way, cell)
    by_order = [cell for way, cell in ways.items() if way.endswith(" first")]
    return tuple((by_order if len(by_order) > 1 else [*ways.values()])[:2]) if len(ways) > 1 else ()


def _orders(shape: re.Match[str], mark: str) -> list[list[str]]:
    if len(shape[1]) == 4:
        return [["yyyy", "mm", "dd"]]
    year = "yyyy" if len(shape[4]) == 4 else "yy"
    day_first = ["dd", "mm", year]
    return [day_first] if mark == "." else [day_first, ["mm", "dd", year]]


def _same_order(one: list[str], other: list[str]) -> bool:
    return [part[0] for part in one] == [part[0] for part in other]


@lru_cache(_KEPT)
def _is_date(cell: str, format_: str) -> bool:
    try:
        return 1900 <= datetime.strptime(_T_BEFORE_TIME.sub(" ", cell), strptime_pattern(format_)).year <= 2200
    except ValueError:
        return False


def strptime_pattern(format_: str) -> str:
    """The format in the syntax of Python and DuckDB: dd.mm.yyyy hh:mi becomes %d.%m.%Y %H:%M."""
    pattern = format_
    if pattern.endswith(" am"):
        pattern = pattern.removesuffix(" am").replace("hh", "%I") + " %p"
    for code, sign in _CODES.items():
        pattern = pattern.replace(code, sign)
    return pattern


def _read_numbers(filled: Sequence[str], told: str | None) -> Found:
    bare: list[str] = []
    ignore: set[str] = set()
    unreadable = 0
    for cell in filled:
        number, skipped = _bare_number(cell)
        if number is None:
            unreadable += 1
            continue
        bare.append(number)
        ignore |= skipped
    if _decimal_mark(set(bare)) is None:
        consistent = [number for number in bare if _decimal_mark([number]) is not None]
        unreadable += len(bare) - len(consistent)
        bare = consistent
    if not _enough(len(bare), filled):
        return Found()
    numbers = set(bare)
    digits = [re.sub(r"[.,]", "", number) for number in numbers]
    if any(len(text.lstrip("0")) > 17 for text in digits) or any(re.match(r"0\d", number) for number in numbers):
        return Found()  # an id: as a number it would lose its leading zeros or its last digits
    mark = _decimal_mark(numbers)
    if mark is None:
        return Found()
    if mark == "?":
        if told is None:
            return Found(ambiguous=("decimal mark .", "decimal mark ,"))
        mark = told if any(told in number for number in numbers) else ""
    thousands = {sign for sign in ".," if sign != mark and any(sign in number for number in numbers)}
    if mark == ",":
        thousands.discard(".")  # a decimal comma implies that points separate thousands
    fractions = {number.partition(mark)[2] for number in numbers if mark and mark in number}
    ignored = tuple(sorted(ignore | thousands))
    decimal = Reading("decimal", decimal=mark or None, ignore=ignored)
    whole = Reading("integer", ignore=ignored)
    if not fractions:
        readings: tuple[Reading, ...] = (whole, decimal)
    elif mark == "." and all(set(fraction) <= {"0"} for fraction in fractions):
        readings = (decimal, whole)  # whole numbers are often exported as 3.0 if the column has empty cells
    else:
        readings = (decimal,)
    return Found(readings, unreadable=unreadable)


@lru_cache(_KEPT)
def _bare_number(cell: str) -> tuple[str | None, frozenset[str]]:
    """The cell without its sign, currency and spaces, and which of these it has; None if it is no number."""
    number = signed(_CURRENCIES.sub("", cell))
    spaces = set(number.strip()) & set(_THOUSANDS_SPACES)
    signs = set(_CURRENCIES.findall(cell))
    number = re.sub(f"[{_THOUSANDS_SPACES}]", "", number)
    if not re.fullmatch(r"[+-]?[\d.,]*\d", number) or (spaces and not _grouped(cell, signs)):
        return None, frozenset()
    return number.lstrip("+-"), frozenset(signs | spaces | {c for c in _THOUSANDS_SPACES if c in cell and signs})


def _grouped(cell: str, signs: set[str]) -> bool:
    """True if the spaces in `cell` only separate thousands, or a currency sign from its amount."""
    for sign in signs:
        cell = cell.replace(sign, "")
    amount = signed(cell.strip(_THOUSANDS_SPACES))
    grouped = re.fullmatch(rf"[+-]?\d{{1,3}}([{_THOUSANDS_SPACES}]\d{{3}})*([.,]\d+)?", amount)
    return bool(grouped) or not set(amount) & set(_THOUSANDS_SPACES)


def _decimal_mark(numbers: Collection[str]) -> str | None:
    """The decimal mark, `.` or `,`; empty if there is none, `?` if it is ambiguous, None if these are not numbers."""
    marks: set[str] = set()
    undecided = False
    for number in numbers:
        found = re.findall(r"[.,]", number)
        if not found:
            continue
        last = found[-1]
        head, _, tail = number.rpartition(last)
        other = "," if last == "." else "."
        if other in found:  # both marks occur: the last one is the decimal mark
            if found.count(last) > 1 or not re.fullmatch(rf"\d{{1,3}}(\{other}\d{{3}})+", head):
                return None
            marks.add(last)
        elif len(found) > 1:  # one mark occurs several times: it separates thousands
            if not re.fullmatch(rf"\d{{1,3}}(\{last}\d{{3}})+", number):
                return None
            marks.add("not " + last)
        elif len(tail) != 3 or not head or head == "0" or len(head) > 3:
            marks.add(last)
        else:
            undecided = True
    decided = {mark for mark in marks if not mark.startswith("not ")}
    if len(decided) > 1 or any(f"not {mark}" in marks for mark in decided):
        return None
    if decided:
        return decided.pop()
    if marks:
        return ""
    return "?" if undecided else ""


def kind_of_unreadable(cells: Sequence[str | None], reading: Reading) -> str:
    """What all the unreadable cells have in common, since a KPI that lacks them is biased: `, all of them negative`.
    Empty if they have nothing in common, or are no numbers."""
    if reading.type not in ("decimal", "integer"):
        return ""
    unreadable = [cell for cell in cells if cell and reading.number(cell) is None]
    for kind, pattern in _KINDS.items():
        if unreadable and all(re.search(pattern, cell) for cell in unreadable):
            return f", all of them {kind}, so that what counts is biased"
    return ""


_KINDS = {
    "negative": r"^\s*[-(]|-\s*$|\d-|\bCR$",
    "with separated thousands, and thus the largest": r"\d[., '\u00a0\u2019]\d{3}([., '\u00a0\u2019]|$)",
    "words": r"^[^\d]+$",
}


def as_date(cell: str | None, column_readings: Sequence[Reading]) -> date | None:
    """The date in `cell`, read in the first of the ways that is a date; None if it holds none."""
    reading = next((one for one in column_readings if one.type in ("date", "timestamp")), None)
    if not cell or reading is None:
        return None
    try:
        if reading.format == EXCEL:
            return date(1899, 12, 30) + timedelta(days=int(float(cell)))
        if reading.format:
            return datetime.strptime(_T_BEFORE_TIME.sub(" ", cell), strptime_pattern(reading.format)).date()
        return date.fromisoformat(cell[:10])
    except ValueError:
        return None
