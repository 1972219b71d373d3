"""The pages: which sections each role's page has, and the questions that it answers.

Belongs here: what is on which page. Does not belong here: how a section reads what it shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.pages.sections import Section
from pipelines.pages.sections.tiles import tiles
from pipelines.pages.words import N_


@dataclass(frozen=True)
class Page:
    """A page of the navigation. All words are messages to translate."""

    name: str  # in its address
    title: str
    questions: Sequence[str]
    sections: Sequence[Section]


LEADERS = Page(
    "leaders",
    N_("Sales leaders"),
    (
        N_("Are we where we planned to be, and where we were a year ago?"),
        N_("What moved, is it more than noise, and what drove it?"),
        N_("What does a new customer cost, and what is a customer worth?"),
    ),
    (
        tiles(
            ("revenue", "net"),
            ("sales_growth", "mom"),
            ("retention", "nrr"),
            ("win_rate", "closed_count"),
            ("lead_conversion", "cohort_30d"),
            ("cac", "blended"),
            ("clv", "historic_90d"),
            ("nps", "trailing_90d"),
        ),
    ),
)

PAGES = {page.name: page for page in (LEADERS,)}
