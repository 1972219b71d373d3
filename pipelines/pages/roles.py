"""The pages: which sections each role's page has, and the questions that it answers.

Belongs here: what is on which page. Does not belong here: how a section reads what it shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.pages.sections import Section
from pipelines.pages.sections.activity import activity
from pipelines.pages.sections.attainment import attainment
from pipelines.pages.sections.comparison import comparison
from pipelines.pages.sections.customers import MOVEMENTS, NPS, NPS_TRENDS, REVENUE_RETENTION, TRIANGLE
from pipelines.pages.sections.health import (
    ANNOTATIONS,
    CHECKS,
    DEFINITIONS,
    LEFT_OUT,
    QUARANTINE,
    RESTATEMENTS,
    SOURCES,
    VERSION,
)
from pipelines.pages.sections.history import history
from pipelines.pages.sections.leads import first_touch, funnel, open_leads
from pipelines.pages.sections.marketing import ATTRIBUTION, COHORTS, FUNNEL, SPEND
from pipelines.pages.sections.moved import moved, tree
from pipelines.pages.sections.pipeline import open_deals, pipeline
from pipelines.pages.sections.tiles import cuts_of, tiles
from pipelines.pages.view import View
from pipelines.pages.words import N_


@dataclass(frozen=True)
class Page:
    """A page of the navigation. All words are messages to translate."""

    name: str  # in its address
    title: str
    questions: Sequence[str]
    sections: Sequence[Section]

    @property
    def measures(self) -> list[tuple[str, str]]:
        """The variants that the page's tiles show."""
        return [one for section in self.sections for one in section.measures]


def cuts_of_page(view: View, page: Page) -> frozenset[str]:
    """The cuts by which some key figure of a page is published."""
    published_by = cuts_of(view)
    return frozenset(cut for one in page.measures for cut in published_by.get(one, ()))


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
        moved(),
        tree(),
    ),
)

MANAGERS = Page(
    "managers",
    N_("Sales managers"),
    (
        N_("Which teams and reps are on target, and whose rate really differs?"),
        N_("Is there enough pipeline for the target, and how old is it?"),
        N_("How active is each rep?"),
    ),
    (
        tiles(
            ("win_rate", "closed_count"),
            ("win_rate", "closed_value"),
            ("revenue", "bookings"),
            ("win_rate", "pipeline_coverage"),
            ("win_rate", "pipeline_velocity"),
            ("lead_conversion", "cohort_30d"),
        ),
        comparison(
            "people",
            N_("Teams and reps"),
            (("win_rate", "closed_count"), ("win_rate", "closed_value"), ("win_rate", "cycle_days_median")),
            (("revenue", "bookings"), ("win_rate", "average_deal")),
            (("lead_conversion", "cohort_30d"), ("lead_conversion", "hours_to_first_touch_median")),
            (("lead_conversion", "cohort_90d"),),
        ),
        attainment(),
        pipeline(),
        activity(),
    ),
)

MARKETING = Page(
    "marketing",
    N_("Marketing"),
    (
        N_("What did we spend, and what did a new customer cost?"),
        N_("Which sources and campaigns lead to customers?"),
        N_("Which of these cohorts are still maturing?"),
    ),
    (
        tiles(
            ("cac", "spend"),
            ("cac", "paid"),
            ("cac", "blended"),
            ("cac", "fully_loaded"),
            ("cac", "roas"),
            ("cac", "cpl"),
            ("cac", "ltv_cac"),
            ("cac", "payback_months"),
        ),
        SPEND,
        FUNNEL,
        ATTRIBUTION,
        COHORTS,
    ),
)

SDRS = Page(
    "sdrs",
    N_("SDRs"),
    (N_("How are my leads converting, and which are still open?"), N_("How fast do we get in touch?")),
    (
        tiles(
            ("lead_conversion", "cohort_30d"),
            ("lead_conversion", "cohort_90d"),
            ("lead_conversion", "activity"),
            ("lead_conversion", "hours_to_first_touch_median"),
            ("lead_conversion", "days_to_convert_median"),
        ),
        comparison(
            "people",
            N_("Teams and reps"),
            (("lead_conversion", "cohort_30d"), ("lead_conversion", "hours_to_first_touch_median")),
        ),
        first_touch(),
        funnel(),
        history(
            "cohorts",
            N_("Conversion by cohort"),
            ("lead_conversion", "cohort_30d"),
            ("lead_conversion", "cohort_60d"),
            ("lead_conversion", "cohort_90d"),
            note=N_(
                "A cohort is the leads that arrived in a period. Its rate is known once all of them have had that many "
                "days."
            ),
        ),
        open_leads(),
    ),
)

AES = Page(
    "aes",
    N_("Account executives"),
    (
        N_("How many of my deals do I win, by number and by value?"),
        N_("How far am I with my quota?"),
        N_("What is open, and for how long?"),
    ),
    (
        tiles(
            ("win_rate", "closed_count"),
            ("win_rate", "closed_value"),
            ("revenue", "bookings"),
            ("win_rate", "average_deal"),
            ("win_rate", "cycle_days_median"),
            ("win_rate", "pipeline_coverage"),
        ),
        comparison(
            "people",
            N_("Teams and reps"),
            (("win_rate", "closed_count"), ("win_rate", "closed_value"), ("win_rate", "cycle_days_median")),
        ),
        history(
            "history",
            N_("Closed deals over time"),
            ("win_rate", "closed_count"),
            ("win_rate", "closed_value"),
            ("win_rate", "cycle_days_median"),
        ),
        attainment(),
        pipeline(),
        open_deals(),
    ),
)

CUSTOMER_SUCCESS = Page(
    "customer-success",
    N_("Customer success"),
    (N_("Who stays, who buys more, and who leaves?"), N_("How do customers rate us, and how many answer?")),
    (
        tiles(
            ("retention", "logo"),
            ("retention", "nrr"),
            ("retention", "grr"),
            ("retention", "repeat_purchase"),
            ("nps", "trailing_90d"),
            ("nps", "response_rate"),
        ),
        TRIANGLE,
        MOVEMENTS,
        REVENUE_RETENTION,
        NPS,
        NPS_TRENDS,
    ),
)

DATA = Page(
    "data",
    N_("Data health"),
    (
        N_("How new are the data, and what is missing?"),
        N_("What did the checks find?"),
        N_("Which published numbers changed later, and why?"),
    ),
    (SOURCES, CHECKS, QUARANTINE, LEFT_OUT, RESTATEMENTS, ANNOTATIONS, DEFINITIONS, VERSION),
)

PAGES = {page.name: page for page in (LEADERS, MANAGERS, MARKETING, SDRS, AES, CUSTOMER_SUCCESS, DATA)}
ROLES = {name: page for name, page in PAGES.items() if page is not DATA}  # those that are also reports
