"""How values, times and counts are written for people, wherever they appear: commands, pages, notifications.

Does not belong here: tables and files of results (`output.py`), and sentences about anything in particular.
"""

import re
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo


def cell_text(value: Decimal | None, unit: str) -> str:
    """A value with its unit, except for money, whose currency is in the heading."""
    if value is None:
        return ""
    match unit:
        case "rate":
            return f"{value * 100:.2f} %"
        case "points":
            return f"{value * 100:+.2f} points"
        case "count":
            return f"{value:,.0f}"
        case "score":
            return f"{value:+.1f}"
        case "days" | "hours" | "months":
            return f"{value:,.1f} {unit}"
        case _:
            return f"{value:,.2f}"


# Python calls them not printable, but Persian words and emoji are spelled with them.
_JOINERS = "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"


def printable(text: str) -> str:
    """`text` in a form that is safe for a terminal: it cannot move the cursor, break a line or reverse its order."""
    return "".join(
        character
        if character.isprintable() or character in _JOINERS
        else " "
        if character in "\n\t"
        else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )


# What isolates, embeds or overrides a direction. Marks are not among them: Arabic and Hebrew are written with them.
_DIRECTIONS = re.compile("[\u202a-\u202e\u2066-\u2069]")


def undirected(text: str) -> str:
    """`text` without characters that would reverse the order of what stands beside it on a page or in a cell."""
    return text if text.isascii() else _DIRECTIONS.sub("\N{REPLACEMENT CHARACTER}", text)


def local_time(moment: datetime, zone: ZoneInfo) -> str:
    """A time as every command writes it: to the minute, in the business time zone. Without a zone it is UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(zone).strftime("%Y-%m-%d %H:%M %Z")


def counted(number: int, thing: str) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def number_text(value: Decimal | float | None) -> str:
    """A number as it is, with at most six decimals."""
    if value is None:
        return "unknown"
    text = f"{value:,.6f}".rstrip("0").rstrip(".")
    return text if "." not in text or len(text.split(".")[1]) != 1 else text + "0"
