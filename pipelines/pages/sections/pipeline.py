"""Open deals as of the newest day: by stage and age, and the largest and oldest of them one by one.

Belongs here: deals that are open at the end of the as-of date, whatever period the page shows. Does not belong here:
coverage of targets (`attainment.py`), closed deals (`comparison.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from operator import itemgetter
from typing import Any

from markupsafe import Markup

from pipelines.pages import charts
from pipelines.pages.sections import Missing, Section
from pipelines.pages.sections.facts import Bands, filter_of
from pipelines.pages.sections.limits import not_delivered
from pipelines.pages.sections.numbers import Fact, Key, Number
from pipelines.pages.view import View
from pipelines.pages.words import N_

_AGES = Bands((30, 60, 90, 180))
_SHOWN = 10  # deals of each list
_CUTS = {
    "rep": "stages.owner_id",
    "team": "reps.team",
    "office": "reps.office",
    "segment": "deals.segment",
    "region": "deals.region",
    "category": "deals.product_category",
}
# What `fct_pipeline_daily` counts at the end of the as-of date, deal by deal.
_OPEN = Fact(
    N_("open deal"),
    """
    marts.fct_opportunity_stage_events as stages
    inner join marts.fct_opportunities as deals on stages.opportunity_id = deals.opportunity_id
    left join marts.dim_sales_rep as reps
        on stages.owner_id = reps.rep_id and reps.valid_from <= $as_of and reps.valid_until > $as_of
    """,
    key="deals.opportunity_id",
    day="deals.created_on",
    file="deals",
    where="stages.is_open_stage and stages.left_on is null",
    cuts=_CUTS,
)
_AGE, _DAYS_IN_STAGE = "$as_of - deals.created_on", "$as_of - stages.entered_on"
_BY_STAGE = {"stage": Key(N_("Stage"), "stages.stage"), "band": Key(N_("Age"), _AGES.number_of(_AGE), _AGES.by_number)}
_NUMBERS_BY_STAGE = {
    "deals": Number(N_("Deals"), _OPEN, _BY_STAGE),
    "amount": Number(N_("Amount"), _OPEN, _BY_STAGE, "coalesce(deals.amount, 0)", unit="money"),
    "without_amount": Number(N_("Deals without an amount"), _OPEN, _BY_STAGE, where="deals.amount is null"),
    "median_age": Number(N_("Median age"), _OPEN, _BY_STAGE, _AGE, f"{_AGE} is not null", is_median=True, unit="days"),
    "median_in_stage": Number(N_("Median in stage"), _OPEN, _BY_STAGE, _DAYS_IN_STAGE, is_median=True, unit="days"),
}
OPEN_AMOUNT = Number(N_("Open pipeline"), _OPEN, adds="coalesce(deals.amount, 0)", unit="money")
_BY_DEAL = {"deal": Key(N_("Deal"), "deals.opportunity_id")}
_OVERDUE = "$as_of - deals.expected_close_date"
_NUMBERS_BY_DEAL = {
    "deals": Number(N_("Deals"), _OPEN, _BY_DEAL),
    "amount": Number(N_("Amount"), _OPEN, _BY_DEAL, "deals.amount", unit="money"),
    "age": Number(N_("Age"), _OPEN, _BY_DEAL, _AGE, unit="days"),
    "days_in_stage": Number(N_("In stage"), _OPEN, _BY_DEAL, _DAYS_IN_STAGE, unit="days"),
    "days_overdue": Number(N_("Overdue"), _OPEN, _BY_DEAL, _OVERDUE, unit="days"),
}


@dataclass(frozen=True)
class Band:
    """The open deals of a stage, or of all, in one band of ages."""

    deals: int
    amount: Decimal


@dataclass(frozen=True)
class Stage:
    """The open deals of a stage, or of all."""

    name: str
    deals: int
    amount: Decimal
    without_amount: int
    median_age: float | None  # days since they were created
    median_in_stage: float | None
    bands: tuple[Band, ...]
    without_age: int  # deals without a date of creation
    chart: Markup


@dataclass(frozen=True)
class Pipeline:
    """The stages in the order in which deals pass them, and all together."""

    ages: tuple[str, ...]
    stages: tuple[Stage, ...]
    total: Stage


@dataclass(frozen=True)
class Deal:
    """An open deal; nothing of its customer."""

    opportunity_id: str
    stage: str
    amount: Decimal | None
    age: int | None
    days_in_stage: int
    expected_close_date: date | None
    days_overdue: int | None
    owner_id: str | None
    owner: str | None


@dataclass(frozen=True)
class Deals:
    """The lists of open deals."""

    largest: tuple[Deal, ...]
    oldest: tuple[Deal, ...]
    total: int
    with_expected_close: bool
    with_owner: bool


def pipeline(name: str = "pipeline", title: str = N_("Open pipeline by stage and age")) -> Section:
    """A section with the open deals by stage and age."""
    return Section(name, title, stages_of, "pipeline", is_of_entity=True, numbers=_NUMBERS_BY_STAGE)


def open_deals(name: str = "deals", title: str = N_("Open deals")) -> Section:
    """A section with the largest and the oldest open deals."""
    return Section(name, title, deals_of, "deals", is_of_entity=True, numbers=_NUMBERS_BY_DEAL)


def stages_of(view: View) -> Pipeline | Missing:
    """The open deals by stage and age, or why there are none."""
    wanted = filter_of(view, _CUTS)
    if isinstance(wanted, Missing):
        return wanted
    rows = view.execute(
        f"""
        with open_deals as (
            select
                stages.stage, coalesce(deals.amount, 0) as amount, deals.amount is null as has_no_amount,
                {_AGE} as age, {_DAYS_IN_STAGE} as days_in_stage, {_AGES.number_of(_AGE)} as band
            from {_OPEN.relation} where {_OPEN.where} and {wanted.condition}
        )

        select
            stage, count(*), sum(amount), count(*) filter (has_no_amount), median(age), median(days_in_stage),
            count(*) filter (band is null),
            {
            ", ".join(
                f"count(*) filter (band = {band}), coalesce(sum(amount) filter (band = {band}), 0)"
                for band in range(len(_AGES.ends) + 1)
            )
        }
        from open_deals
        group by grouping sets ((), (stage))
        order by grouping(stage), stage
        """,
        {"as_of": view.publication.as_of_date, **wanted.parameters},
    ).fetchall()
    *stages, total = rows
    if not stages:
        return _nothing(view)
    places = _places(view)
    stages.sort(key=lambda row: places[row[0]])
    largest = max(float(row[2]) for row in stages)
    return Pipeline(
        tuple(_AGES.names(view)), tuple(_stage(view, row, largest) for row in stages), _stage(view, total, 0)
    )


def _places(view: View) -> dict[str, float]:
    """Where deals pass each stage on average: as their first, second and so on; read once per publication."""
    if "places of stages" not in view.opened.known:
        view.opened.known["places of stages"] = dict(
            view.execute(
                "select stage, avg(event_number) from marts.fct_opportunity_stage_events group by stage"
            ).fetchall()
        )
    known: dict[str, float] = view.opened.known["places of stages"]
    return known


def _stage(view: View, row: Sequence[Any], largest: float) -> Stage:
    name, deals, amount, without_amount, median_age, median_in_stage, without_age, *bands = row
    label = view.words.value(amount, "money")
    return Stage(
        name,
        deals,
        amount,
        without_amount,
        median_age,
        median_in_stage,
        tuple(Band(*band) for band in zip(bands[::2], bands[1::2], strict=True)),
        without_age,
        charts.bullet(float(amount), None, None, (0.0, largest), label) if largest else Markup(""),
    )


def deals_of(view: View) -> Deals | Missing:
    """The largest and the oldest open deals, or why there are none."""
    wanted = filter_of(view, _CUTS)
    if isinstance(wanted, Missing):
        return wanted
    rows = view.execute(
        f"""
        with listed as (
            select
                stages.opportunity_id, stages.stage, deals.amount, {_AGE} as age, {_DAYS_IN_STAGE},
                deals.expected_close_date, case when deals.expected_close_date < $as_of then {_OVERDUE} end,
                stages.owner_id, coalesce(reps.rep_name, stages.owner_id),
                row_number() over (order by deals.amount desc nulls last, stages.opportunity_id) as by_amount,
                row_number() over (order by deals.created_on nulls last, stages.opportunity_id) as by_age,
                count(*) over () as deals, count(deals.expected_close_date) over () as expected
            from {_OPEN.relation} where {_OPEN.where} and {wanted.condition}
        )

        select * from listed where by_amount <= {_SHOWN} or by_age <= {_SHOWN}
        """,
        {"as_of": view.publication.as_of_date, **wanted.parameters},
    ).fetchall()
    if not rows:
        return _nothing(view)
    listed = [(Deal(*deal), by_amount, by_age) for *deal, by_amount, by_age, _, _ in rows]
    largest, oldest = (tuple(one[0] for one in sorted(listed, key=itemgetter(place))[:_SHOWN]) for place in (1, 2))
    *_, deals, expected = rows[0]
    return Deals(largest, oldest, deals, bool(expected), view.state.cut != "rep")


def _nothing(view: View) -> Missing:
    return not_delivered(view, "opportunities") or Missing(
        view.words.text("No deal was open at the end of %(day)s.", day=view.words.day(view.publication.as_of_date))
    )
