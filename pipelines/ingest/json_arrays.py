"""Splits a JSON array into the texts of its elements, with one element in memory at a time.

Belongs here: where an element ends. Does not belong here: what it says (`readers.py`).
"""

import contextlib
import json
import re
from collections.abc import Iterator
from typing import IO

MOST_CHARACTERS = 16_000_000  # of one element, as of one row of any format

_CHUNK = 1 << 20
_DECODER = json.JSONDecoder(parse_float=str, parse_int=str)
_VALUE = re.compile(r"\S")
# What decides where an element ends. The group is empty or a backslash where a text goes on behind what was read.
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+("|\\?\Z)|[\[\]{},]', re.DOTALL)


class JsonArrayError(ValueError):
    """The text is not an array, or has an element that is too large; the message begins with the line or element."""


def elements(text: IO[str]) -> Iterator[tuple[int, str]]:
    """For each element of the JSON array in `text`: the line where it begins, and its text, which need not be JSON.

    Raises:
        JsonArrayError: the array does not end, something comes after it, or an element is too large.
    """
    buffer, begins, line = _up_to_array(text)
    at, depth, number = begins, 1, 1
    while depth:
        if at == begins and (value := _VALUE.search(buffer, at)):
            with contextlib.suppress(ValueError, RecursionError):  # but nearly every element is JSON, and read whole
                _, at = _DECODER.raw_decode(buffer, value.start())
        token = _TOKEN.search(buffer, at)
        if token is None or token[1] in ("", "\\"):  # the rest has not been read
            if len(buffer) - begins > MOST_CHARACTERS:
                raise JsonArrayError(f"row {number}: has more than {MOST_CHARACTERS:,} characters")
            if not (chunk := text.read(_CHUNK)):
                raise JsonArrayError(f"row {line}: not valid JSON: the array does not end")
            at = (token.start() if token else len(buffer)) - begins
            buffer, begins = buffer[begins:] + chunk, 0
            continue
        at = token.end()
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        if depth > 1 or (depth == 1 and token[0] != ","):
            continue
        element = buffer[begins : token.start()]
        blank = len(element) - len(element.lstrip())
        if depth or number > 1 or element.strip():
            yield line + element.count("\n", 0, blank), element.strip()
        line += element.count("\n")
        begins, number = at, number + 1
        if token[0] == "}":
            raise JsonArrayError(f"row {line}: not valid JSON: the array ends with {token[0]!r}")
    rest = buffer[begins:]
    while not rest.strip() and (rest := text.read(_CHUNK)):
        pass
    if rest.strip():
        raise JsonArrayError(f"row {line}: not valid JSON: something comes after the array")


def _up_to_array(text: IO[str]) -> tuple[str, int, int]:
    """The first text that is not blank, the place behind its opening bracket, and its line."""
    line = 1
    while buffer := text.read(_CHUNK):
        if start := buffer.lstrip():
            line += buffer[: len(buffer) - len(start)].count("\n")
            if start[0] != "[":
                raise JsonArrayError(_other_than_array(start, line))
            return start, 1, line
        line += buffer.count("\n")
    raise JsonArrayError(f"row {line}: not valid JSON: Expecting value")


def _other_than_array(start: str, line: int) -> str:
    names = {"{": "object", "t": "boolean", "f": "boolean", "n": "null"}
    names |= dict.fromkeys('"-0123456789', "text or number")
    if start[0] in names:
        return f"a JSON {names[start[0]]} where an array of rows is expected"
    return f"row {line}: not valid JSON: Expecting value"
