"""Names, texts and paths inside SQL: the one place that quotes them."""

import re
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path


def quote_name(name: str) -> str:
    """`name` as an identifier."""
    return '"' + name.replace('"', '""') + '"'


def quote_qualified_name(name: str) -> str:
    """`schema.table` as two identifiers, `table` as one."""
    return ".".join(map(quote_name, name.split(".")))


def quote_text(text: str) -> str:
    """`text` as a literal.

    Commands that respond immediately write their values like this: given any value as a parameter, DuckDB imports
    pandas, which takes a second.
    """
    return "'" + text.replace("'", "''") + "'"


def quote_value(value: str | int | date | Iterable[str | date]) -> str:
    """A text, number, date or list of them as a literal."""
    if isinstance(value, str):
        return quote_text(str(value))
    if isinstance(value, int):
        return str(value)
    if isinstance(value, date):
        return f"date {quote_text(value.isoformat())}"
    return f"[{', '.join(map(quote_value, value))}]"


def with_values(query: str, values: Mapping[str, str | int | date | Iterable[str | date]]) -> str:
    """`query` with literals in place of its parameters, `$name`.

    Raises:
        KeyError: a parameter has no value.
    """
    return re.sub(r"\$([a-z]\w*)", lambda found: quote_value(values[found[1]]), query)


def quote_path(path: Path) -> str:
    """`path` as a literal, for statements that take one file, such as `attach` and `copy ... to`."""
    return quote_text(str(path))


def quote_pattern(path: Path) -> str:
    """`path` as a literal for functions that read files, which interpret their argument as a glob pattern."""
    return quote_text(pattern_of(path))


def pattern_of(path: Path) -> str:
    """The glob pattern that matches `path` and nothing else."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in str(path))
