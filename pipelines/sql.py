"""Names, texts and paths inside SQL: the one place that quotes them."""

import re
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path

Value = str | int | date | Iterable[str | date]  # of a parameter


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


def literal(value: str | int | float | Decimal | date | None) -> str:
    """`value` as a literal of the type that it would have as a parameter."""
    match value:
        case None:
            return "null"
        case str():
            return quote_text(value)
        case date():
            return f"date '{value:%Y-%m-%d}'"
        case float():
            return f"cast('{value!r}' as double)"
        case _:  # in brackets, since a minus after a minus would begin a comment
            return f"({value:f})" if isinstance(value, Decimal) else f"({value})"


def literals(values: Iterable[str | date]) -> str:
    """`values` as a list."""
    return f"[{', '.join(map(literal, values))}]"


def with_values(query: str, values: Mapping[str, Value]) -> str:
    """`query` with literals in place of its parameters, `$name`.

    Raises:
        KeyError: a parameter has no value.
    """

    def of(name: str) -> str:
        value = values[name]
        return literal(value) if isinstance(value, str | int | date) else literals(value)

    return re.sub(r"\$([a-z]\w*)", lambda found: of(found[1]), query)


def quote_path(path: Path) -> str:
    """`path` as a literal, for statements that take one file, such as `attach` and `copy ... to`."""
    return quote_text(str(path))


def quote_pattern(path: Path) -> str:
    """`path` as a literal for functions that read files, which interpret their argument as a glob pattern."""
    return quote_text(pattern_of(path))


def pattern_of(path: Path) -> str:
    """The glob pattern that matches `path` and nothing else."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in str(path))
