"""Keeps secrets and hostile characters out of everything that is stored, logged, printed or sent.

Belongs here: which texts are secret, masking them, and turning a text into one harmless line.
Does not belong here: the escaping of one format (`messages.py`).
"""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

HIDDEN = "***"

_SHORTEST_SECRET = 4  # masking shorter texts would make messages unreadable and protect nothing
_SHORTEST_TOKEN = 8
_USER_INFO = re.compile(r"(\w+://)[^\s/@]+@")  # `scheme://user:password@`, known as a secret or not


@dataclass(frozen=True)
class Secrets:
    """The texts that must not be visible, longest first."""

    texts: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def of_variables(cls, names: Iterable[str]) -> "Secrets":
        """The values of these environment variables, and the secret parts of those that are URLs."""
        found = {text for name in names for text in _within(os.environ.get(name, ""))}
        return cls(tuple(sorted(found, key=lambda text: (-len(text), text))))


def masked(text: str, secrets: Secrets) -> str:
    """`text` without any of the secrets, and without users and passwords in URLs."""
    for secret in secrets.texts:
        text = text.replace(secret, HIDDEN)
    return _USER_INFO.sub(rf"\1{HIDDEN}@", text)


def one_line(text: str, longest: int = 1000) -> str:
    """`text` as one line of printable characters, truncated if it is too long.

    Line breaks could forge mail headers; control and direction characters could forge what a terminal shows.
    """
    text = "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in " ".join(text.split())
    )
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def sanitize(value: Any, secrets: Secrets, longest: int = 1000) -> str:
    """A text or a value from outside, in a form that may be stored."""
    return one_line(masked(str(value), secrets), longest)


def _within(value: str) -> Iterator[str]:
    """Every part of the value that is itself a secret, as written and decoded. A value may list several URLs."""
    parts = [value, *value.replace(",", " ").split()]
    for url in parts[1:]:
        try:
            split = urlsplit(url)
        except ValueError:
            continue
        if not split.scheme:
            continue
        parts += [split.netloc.rpartition("@")[0], split.username or "", split.password or ""]
        path = [part for part in split.path.split("/") if _may_be_token(part)]
        parts += [split.path if path else "", *path, *(pair.partition("=")[2] for pair in split.query.split("&"))]
    yield from {form for part in parts for form in (part, unquote(part)) if len(form) >= _SHORTEST_SECRET}


def _may_be_token(part: str) -> bool:
    """Whether a part of a path may be a secret; a word like `services` is not, and messages need it."""
    is_a_word = part.isalpha() and part.islower() and len(part) < 2 * _SHORTEST_TOKEN
    return len(part) >= _SHORTEST_TOKEN and not is_a_word
