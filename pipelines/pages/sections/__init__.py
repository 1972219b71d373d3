"""The sections that pages are made of: each module reads what one kind of section shows.

A section has a title, a template in `templates/sections/`, and a function that reads what the template needs. If there
is nothing to show, the function says what is missing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipelines.pages.sections.numbers import Number
from pipelines.pages.view import View


@dataclass(frozen=True)
class Missing:
    """Why a section has nothing to show, and what would fill it, in the reader's language."""

    reason: str


@dataclass(frozen=True)
class Section:
    """A part of a page. `title` and `note` are messages to translate; `read` returns what the template needs."""

    name: str  # of its template, and what links within the page use
    title: str
    read: Callable[[View], Any | Missing]
    template: str
    note: str = ""
    # Whether it shows nothing but the chosen entity. Others are kept from readers who may see only some entities.
    is_of_entity: bool = False
    measures: tuple[tuple[str, str], ...] = ()  # whose cuts the page can be filtered by, as (KPI, variant)
    numbers: Mapping[str, Number] = field(default_factory=dict)  # those that link to the rows that they count

    @property
    def file(self) -> str:
        """Where its template is."""
        return f"sections/{self.template}.html"

    def for_reader(self, view: View) -> Missing | None:
        """Why this reader may not see it, if so."""
        if not view.only or self.is_of_entity:
            return None
        return Missing(view.words.text("This part is about the whole company, and you may see only parts of it."))

    def shown(self, view: View) -> Any | Missing:
        """What its template needs, or why there is nothing to show to this reader."""
        return self.for_reader(view) or self.read(view)
