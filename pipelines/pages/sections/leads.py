"""Leads of a period and of now: how fast somebody got in touch, how far they came, and which are still open.

Belongs here: what facts and the funnel say about leads. Does not belong here: conversion by cohort (`history.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from markupsafe import Markup

from pipelines.pages import charts
from pipelines.pages.sections import Missing, Section
from pipelines.pages.sections.facts import (
    LEADS,
    UNASSIGNED,
    Bands,
    Filter,
    by_name,
    filter_of,
    last_day,
    may_see,
    name_of,
    reps_in,
)
from pipelines.pages.sections.limits import not_by, not_delivered
from pipelines.pages.sections.numbers import Fact, Key, Number
from pipelines.pages.view import COMPANY, Row, View
from pipelines.pages.words import N_
from pipelines.sql import Value, literals

_TOUCH = ("lead_conversion", "hours_to_first_touch_median")
# Hours until the first touch: the end of each band, and its name.
_BANDS = (
    (4, N_("within 4 hours")),
    (24, N_("4 to 24 hours")),
    (48, N_("1 to 2 days")),
    (96, N_("2 to 4 days")),
    (168, N_("4 to 7 days")),
)
_LATER, _NEVER = N_("after 7 days"), N_("not yet")
_AGES = Bands((7, 30, 60, 90, 180))
_UNTOUCHED_FOR, _SHOWN = 30, 20  # days that a lead without a touch is listed, and how many of them
_CONVERSION_DAYS = 90  # after which a lead's conversion counts as known
STAGES = {
    "lead": N_("Lead"),
    "mql": N_("Marketing qualified (MQL)"),
    "sql": N_("Sales qualified (SQL)"),
    "opportunity": N_("Opportunity"),
    "won": N_("Won"),
}
# Neither a deal nor a customer has come of them.
_OPEN = "created_on is not null and converted_on is null and won_on is null and opportunities = 0"
_UNTOUCHED = f"mql_on is null and sql_on is null and created_on > $as_of - {_UNTOUCHED_FOR}"
_STAGE = "case when sql_on is not null then 'sql' when mql_on is not null then 'mql' else 'lead' end"
# The number of the band in which the first touch lies.
_TOUCH_BAND = f"""
    case
        when hours_to_first_touch is null then {len(_BANDS) + 1}
        {" ".join(f"when hours_to_first_touch <= {end} then {number}" for number, (end, _) in enumerate(_BANDS))}
        else {len(_BANDS)}
    end
"""


def _names_of_stages(view: View) -> Mapping[str, str]:
    return {stage: view.words.text(name) for stage, name in STAGES.items()}


def _names_of_bands(view: View) -> Mapping[str, str]:
    return {str(at): view.words.text(name) for at, name in enumerate((*(name for _, name in _BANDS), _LATER, _NEVER))}


def _names_of_reps(view: View) -> Mapping[str, str]:
    known = {rep_id: rep.name for rep_id, rep in reps_in(view, view.period).items()}
    return {UNASSIGNED: view.words.text("Unassigned"), **known}


_LEADS = Fact(N_("lead"), "marts.fct_leads as leads", "lead_id", "created_on", "leads", cuts=LEADS)
_OPEN_LEADS = replace(_LEADS, row_is=N_("open lead"), where=_OPEN)
_BY_AGE = {
    "stage": Key(N_("Stage"), _STAGE, _names_of_stages),
    "band": Key(N_("Age"), _AGES.number_of("$as_of - created_on"), _AGES.by_number),
}
_BY_LEAD = {"lead": Key(N_("Lead"), "lead_id")}
_NUMBERS_OF_OPEN = {
    "leads": Number(N_("Leads"), _OPEN_LEADS, _BY_AGE),
    "untouched": Number(N_("Leads without a touch"), _OPEN_LEADS, _BY_LEAD, where=_UNTOUCHED),
    "age": Number(N_("Age"), _OPEN_LEADS, _BY_LEAD, "$as_of - created_on", unit="days"),
}
_ARRIVED = replace(_LEADS, where="created_on >= $start and created_on < $until")
_BY_REP = {
    "rep": Key(N_("Rep"), f"coalesce(sdr_id, '{UNASSIGNED}')", _names_of_reps),
    "band": Key(N_("First touch"), _TOUCH_BAND, _names_of_bands),
}
_NUMBERS_OF_TOUCHES = {"leads": Number(N_("Leads"), _ARRIVED, _BY_REP)}

# The stages that leads of the period reached, as `kpi_funnel` counts them: who reached one has reached those before.
_WON_ON = "coalesce(won_on, converted_on)"
_FURTHEST = f"""
    case
        when {_WON_ON} is not null then 5
        when opportunity_on is not null or opportunities > 0 then 4
        when sql_on is not null then 3
        when mql_on is not null then 2
        else 1
    end
"""
_PLACE = f"list_position({literals(STAGES)}, $stage)"
_REACHED_ON = (
    f"case $stage when 'mql' then mql_on when 'sql' then sql_on when 'won' then {_WON_ON} else opportunity_on end"
)
_DAYS = f"{_REACHED_ON} - created_on"
_OF_FUNNEL = {
    "channel": Key(N_("Source"), f"coalesce(source, '{UNASSIGNED}')"),
    "campaign": Key(N_("Campaign"), f"coalesce(campaign_id, '{UNASSIGNED}')"),
}
_BY_REACHED = {**_OF_FUNNEL, "stage": Key(N_("Stage"), names=_names_of_stages, is_required=True)}
_ALL = Number(N_("Leads"), _ARRIVED, _OF_FUNNEL)
_REACHED = Number(N_("Leads"), _ARRIVED, _BY_REACHED, where=f"{_FURTHEST} >= {_PLACE}")
_REACHED_BEFORE = replace(_REACHED, where=f"{_FURTHEST} >= {_PLACE} - 1")
FUNNEL_NUMBERS = {
    "leads": _REACHED,
    "share": replace(_REACHED, title=N_("Share of all leads"), whole=_ALL),
    "share_of_before": replace(_REACHED, title=N_("Of the stage before"), whole=_REACHED_BEFORE),
    "median_days": Number(
        N_("Median days to get there"), _ARRIVED, _BY_REACHED, _DAYS, f"{_DAYS} >= 0", is_median=True, unit="days"
    ),
}


@dataclass(frozen=True)
class Touched:
    """How fast the leads of a rep, or of all, were touched."""

    kind: str
    entity_id: str
    name: str
    leads: int
    counts: tuple[int, ...]  # by band, at last those without a touch
    median: Row | None
    chart: Markup
    is_chosen: bool


@dataclass(frozen=True)
class FirstTouch:
    """The bands, and a line per rep."""

    bands: tuple[str, ...]
    lines: tuple[Touched, ...]
    all: Touched


@dataclass(frozen=True)
class Reached:
    """How many leads reached a stage."""

    stage: str
    leads: int
    share: float | None
    share_of_before: float | None
    median_days: float | None
    company_share: float | None
    chart: Markup


@dataclass(frozen=True)
class Funnel:
    """The stages of one period's leads."""

    stages: tuple[Reached, ...]
    is_mature: bool  # every lead has had the days after which its conversion counts as known


@dataclass(frozen=True)
class OpenStage:
    """The open leads of a stage, by age."""

    stage: str  # empty: of all stages
    leads: int
    bands: tuple[int, ...]


@dataclass(frozen=True)
class Untouched:
    """A lead that nobody has touched; nothing of the person."""

    lead_id: str
    source: str | None
    created_on: date
    age: int
    sdr_id: str | None
    sdr: str | None


@dataclass(frozen=True)
class OpenLeads:
    """Open leads by stage and age, and those that wait for a first touch."""

    ages: tuple[str, ...]
    stages: tuple[OpenStage, ...]
    total: OpenStage
    untouched: tuple[Untouched, ...]
    untouched_count: int
    days: int
    with_rep: bool


def first_touch(name: str = "first-touch", title: str = N_("Speed to first touch")) -> Section:
    """A section with the distribution of hours to the first touch, a line per rep."""
    return Section(name, title, first_touch_of, "first_touch", is_of_entity=True, numbers=_NUMBERS_OF_TOUCHES)


def funnel(name: str = "funnel", title: str = N_("How far leads came")) -> Section:
    """A section with the stages that the leads of the period reached."""
    return Section(name, title, funnel_of, "funnel", is_of_entity=True, numbers=FUNNEL_NUMBERS)


def open_leads(name: str = "open-leads", title: str = N_("Open leads by age")) -> Section:
    """A section with the leads that are neither a deal nor a customer."""
    return Section(name, title, open_leads_of, "open_leads", is_of_entity=True, numbers=_NUMBERS_OF_OPEN)


def first_touch_of(view: View) -> FirstTouch | Missing:
    """How fast the leads that arrived in the chosen period were touched so far, or why that is not known."""
    wanted = filter_of(view, LEADS)
    if isinstance(wanted, Missing):
        return wanted
    if view.state.cut == "rep" and not view.only:
        wanted = Filter("true", {})  # the rep stands beside the company
    counted = ", ".join(f"count(*) filter ({_TOUCH_BAND} = {band})" for band in range(len(_BANDS) + 2))
    rows = view.execute(
        f"""
        select
            coalesce(sdr_id, '{UNASSIGNED}'), grouping(sdr_id) = 1, count(*), {counted}
        from marts.fct_leads
        where created_on >= $start and created_on <= $end and {wanted.condition}
        group by grouping sets ((), (sdr_id))
        """,
        {"start": view.period.start, "end": last_day(view, view.period), **wanted.parameters},
    ).fetchall()
    total = next(row for row in rows if row[1])
    if not total[2]:
        return _no_leads(view)
    if total[-1] == total[2]:
        return Missing(view.words.text("No stage of these leads is recorded with a time, so no first touch is known."))
    reps = reps_in(view, view.period)
    medians = {row.entity_id: row for row in view.rows([_TOUCH], "rep", periods=[view.period])}
    most = max(share for row in rows for share in _shares(row[3:-1]))
    bands = tuple(view.words.text(name) for name in (*(name for _, name in _BANDS), _LATER, _NEVER))

    def line(kind: str, entity_id: str, name: str, row: tuple[int, ...], median: Row | None) -> Touched:
        leads, counts = row[2], row[3:]
        shares = _shares(counts[:-1])
        titles = [f"{band}: {view.words.share(share)}" for band, share in zip(bands, shares, strict=False)]
        chart = charts.columns(shares, most, ", ".join(titles), titles)
        is_chosen = (kind, entity_id) == (view.state.cut, view.state.entity)
        return Touched(kind, entity_id, name, leads, counts, median, chart, is_chosen)

    lines = [
        line(
            "rep",
            rep_id,
            name_of(view, rep_id, reps[rep_id].name if rep_id in reps else rep_id),
            row,
            medians.get(rep_id),
        )
        for row in rows
        if not row[1] and (rep_id := row[0]) and _has_line(view, rep_id)
    ]
    lines.sort(key=lambda one: by_name(one.entity_id, one.name))
    cut, entity = (COMPANY, "") if view.state.cut == "rep" and not view.only else (view.state.cut, view.state.entity)
    median = next(iter(view.rows([_TOUCH], cut, entity or COMPANY, [view.period])), None)
    return FirstTouch(bands, tuple(lines), line(cut, entity, "", total, median))


def _has_line(view: View, rep_id: str) -> bool:
    return may_see(view, "rep", rep_id) and (view.state.cut != "rep" or rep_id == view.state.entity)


def _shares(counts: Sequence[int]) -> list[float]:
    return [count / (sum(counts) or 1) for count in counts]


def funnel_of(view: View) -> Funnel | Missing:
    """How far the leads that arrived in the chosen period have come, beside the company's, or why that is not known."""
    cut, entity = view.state.cut, view.state.entity or COMPANY
    if cut not in (COMPANY, "rep", "team", "channel"):
        return not_by(view, "rep", "team", "channel")
    rows = view.execute(
        """
        select
            own.stage, own.leads_reached, own.share_of_leads, own.share_of_stage_before, own.median_days_to_reach,
            company.share_of_leads
        from marts.kpi_funnel as own
        left join marts.kpi_funnel as company
            on own.grain = company.grain and own.period_start = company.period_start and own.stage = company.stage
                and company.entity_type = 'company' and own.entity_type <> 'company' and $with_company
        where own.grain = $grain and own.period_start = $start and own.entity_type = $cut and own.entity_id = $entity
        order by own.stage_number
        """,
        {
            "grain": view.state.grain,
            "start": view.period.start,
            "cut": cut,
            "entity": entity,
            "with_company": not view.only,
        },
    ).fetchall()
    if not rows:
        return _no_leads(view)
    is_mature = view.period.end + timedelta(days=_CONVERSION_DAYS - 1) <= view.publication.as_of_date + timedelta(
        days=1
    )
    stages = [
        Reached(
            stage,
            leads,
            share,
            share_of_before,
            median_days,
            company_share,
            charts.bullet(share or 0.0, company_share, None, (0.0, 1.0), view.words.value(share, "rate")),
        )
        for stage, leads, share, share_of_before, median_days, company_share in rows
    ]
    return Funnel(tuple(stages), is_mature)


def open_leads_of(view: View) -> OpenLeads | Missing:
    """The leads that are open at the end of the as-of date, or why there are none."""
    wanted = filter_of(view, LEADS)
    if isinstance(wanted, Missing):
        return wanted
    parameters: dict[str, Value] = {"as_of": view.publication.as_of_date, **wanted.parameters}
    bands = range(len(_AGES.ends) + 1)
    rows = view.execute(
        f"""
        with open_leads as (
            select
                {_STAGE} as stage,
                {_AGES.number_of("$as_of - created_on")} as band
            from marts.fct_leads
            where {_OPEN} and {wanted.condition}
        )

        select coalesce(stage, ''), count(*), {", ".join(f"count(*) filter (band = {band})" for band in bands)}
        from open_leads
        group by grouping sets ((), (stage))
        """,
        parameters,
    ).fetchall()
    stages = {stage: OpenStage(stage, leads, tuple(counts)) for stage, leads, *counts in rows}
    total = stages.pop("")
    if not total.leads:
        return not_delivered(view, "leads") or Missing(
            view.words.text("No lead is open: each one is a deal or a customer.")
        )
    listed = view.execute(
        f"""
        select
            lead_id, source, created_on, $as_of - created_on, sdr_id, coalesce(reps.rep_name, sdr_id),
            count(*) over ()
        from marts.fct_leads
        left join marts.dim_sales_rep as reps on sdr_id = reps.rep_id and reps.is_current
        where {_OPEN} and {wanted.condition} and {_UNTOUCHED}
        order by created_on, lead_id
        limit {_SHOWN}
        """,
        parameters,
    ).fetchall()
    return OpenLeads(
        tuple(_AGES.names(view)),
        tuple(stages[stage] for stage in STAGES if stage in stages),
        total,
        tuple(Untouched(*row[:-1]) for row in listed),
        listed[0][-1] if listed else 0,
        _UNTOUCHED_FOR,
        view.state.cut != "rep",
    )


def _no_leads(view: View) -> Missing:
    return not_delivered(view, "leads") or Missing(
        view.words.text("No lead arrived in %(period)s.", period=view.words.period(view.period, view.state.grain))
    )
