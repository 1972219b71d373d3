"""What marketing spends and what comes of it: costs by channel, the funnel, attribution, and maturing cohorts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from markupsafe import Markup

from pipelines.answers.periods import Period
from pipelines.pages import charts
from pipelines.pages.intervals import wilson
from pipelines.pages.sections import Missing, Section
from pipelines.pages.sections.leads import FUNNEL_NUMBERS
from pipelines.pages.sections.limits import not_by_cut, not_delivered
from pipelines.pages.sections.numbers import Fact, Key, Number
from pipelines.pages.sections.tiles import Change, changes_of
from pipelines.pages.view import COMPANY, Measure, Row, View
from pipelines.pages.words import N_

# What stands in a channel's place where there is none.
WITHOUT = {"unassigned": N_("not assigned"), "unattributed": N_("without a touch")}


def channel_name(view: View, channel: str) -> str:
    """A channel as it was delivered, or in words that there is none."""
    return view.words.text(WITHOUT[channel]) if channel in WITHOUT else channel


# Spend and acquisition cost

COSTS = tuple(("cac", variant) for variant in ("spend", "paid", "blended", "fully_loaded", "roas"))


@dataclass(frozen=True)
class Costs:
    """What one channel, or the company, spent and won in the chosen period."""

    name: str
    cells: Mapping[str, Row]  # by variant
    changes: Mapping[str, Change]  # since the period that the reader compares with
    bar: Markup

    @property
    def customers(self) -> object:
        """New customers whose last touch was a paid one."""
        paid = self.cells.get("paid")
        return paid.denominator if paid else None


@dataclass(frozen=True)
class Spend:
    """Costs by channel, the largest first, and of the company unless the reader asks for one channel."""

    measures: Mapping[str, Measure]
    channels: Sequence[Costs]
    company: Costs | None


def spend(view: View) -> Spend | Missing:
    """Spend, acquisition cost and return on ad spend by channel, in the chosen period."""
    reason = not_by_cut(view, "channel") or not_delivered(view, "ad_spend")
    if reason:
        return reason
    measures = {
        variant: view.measures[kpi_id, variant] for kpi_id, variant in COSTS if (kpi_id, variant) in view.measures
    }
    wanted = [(one.kpi_id, one.variant) for one in measures.values()]
    entity = view.state.entity or None
    by_channel: dict[str, dict[str, Row]] = {}
    company: dict[str, Row] = {}
    for row in view.rows(wanted, "channel" if entity else ("channel", COMPANY), entity, [view.period]):
        of = company if row.entity_type == COMPANY else by_channel.setdefault(row.entity_id, {})
        of[row.variant] = row
    if not by_channel and not company:
        return Missing(view.words.text("No spend in this period."))
    amounts = [
        float(amount)
        for cells in by_channel.values()
        for amount in _amounts(view, cells.get("spend"))
        if amount is not None
    ]
    ends = (0.0, max(amounts, default=0.0))
    costs = [_costs(view, channel_name(view, id_), cells, measures, ends) for id_, cells in by_channel.items()]
    costs.sort(key=lambda one: (-_value(one.cells.get("spend")), one.name))
    whole = _costs(view, view.words.text("Company"), company, measures, None) if company else None
    return Spend(measures, costs, whole)


def _value(row: Row | None) -> Decimal:
    return Decimal(0) if row is None or row.value is None else row.value


def _amounts(view: View, row: Row | None) -> tuple[Decimal | None, Decimal | None]:
    """The amount of a period and the one that it is compared with."""
    return (None, None) if row is None else (row.value, row.compared(view.state.compare)[0])


def _costs(
    view: View, name: str, cells: Mapping[str, Row], measures: Mapping[str, Measure], ends: tuple[float, float] | None
) -> Costs:
    changes = {
        variant: change
        for variant, row in cells.items()
        for change in changes_of(row, measures[variant])
        if change.comparison is view.state.compare
    }
    amount, earlier = _amounts(view, cells.get("spend"))
    bar = Markup("")
    if ends and amount is not None:
        said = view.words.text("Spend of %(channel)s", channel=name)
        bar = charts.bullet(float(amount), None, None if earlier is None else float(earlier), ends, said)
    return Costs(name, cells, changes, bar)


# Funnel

_STAGES = {"lead": N_("Lead"), "mql": N_("MQL"), "sql": N_("SQL"), "opportunity": N_("Opportunity"), "won": N_("Won")}


@dataclass(frozen=True)
class Stage:
    """How many leads reached a stage: of all, and of those that reached the stage before, each with its interval."""

    stage: str
    name: str
    leads: int
    reached: int
    of_leads: float | None
    of_before: float | None
    median_days: float | None
    before: int  # leads that reached the stage before

    @property
    def interval(self) -> tuple[float, float] | None:
        return wilson(self.reached, self.leads)

    @property
    def step_interval(self) -> tuple[float, float] | None:
        return wilson(self.reached, self.before)


@dataclass(frozen=True)
class Branch:
    """The funnel of one source or campaign, or of the company."""

    keys: Mapping[str, str]  # by which its leads are found: of a source or a campaign
    name: str
    detail: str  # of a campaign: its channel and platform
    stages: Sequence[Stage]
    dot: Markup  # the share of leads that were won, on the scale that all branches beside it share

    @property
    def leads(self) -> int:
        return self.stages[0].leads


@dataclass(frozen=True)
class Funnel:
    """How far the leads of the period got: all of them, and by source and campaign, the largest first."""

    whole: Branch
    bars: Sequence[Markup]  # of the whole, one per stage
    sources: Sequence[Branch]
    campaigns: Sequence[Branch]
    is_settled: bool  # nobody expects the leads to get further


def funnel(view: View) -> Funnel | Missing:
    """The funnel of the leads that were created in the chosen period."""
    reason = not_by_cut(view, "channel") or not_delivered(view, "leads")
    if reason:
        return reason
    rows = view.execute(
        """
        select
            entity_type, entity_id, campaign_name, channel, platform, stage, leads, leads_reached, share_of_leads,
            share_of_stage_before, median_days_to_reach
        from marts.kpi_funnel as funnel
        left join marts.dim_campaign as campaigns
            on funnel.entity_type = 'campaign' and funnel.entity_id = campaigns.campaign_id
        where grain = $grain and period_start = $start and entity_type in ('company', 'channel', 'campaign')
        order by entity_type, entity_id, stage_number
        """,
        {"grain": view.state.grain, "start": view.period.start},
    ).fetchall()
    stages: dict[tuple[str, str], list[Stage]] = {}
    names: dict[tuple[str, str], tuple[str, str, str]] = {}
    for entity_type, id_, name, channel, platform, stage, leads, reached, of_leads, of_before, median_days in rows:
        of_branch = stages.setdefault((entity_type, id_), [])
        before = of_branch[-1].reached if of_branch else reached
        of_branch.append(
            Stage(stage, view.words.text(_STAGES[stage]), leads, reached, of_leads, of_before, median_days, before)
        )
        names[entity_type, id_] = (name or channel_name(view, id_), channel or "", platform or "")
    chosen = view.state.entity
    whole = stages.get(("channel", chosen) if chosen else (COMPANY, COMPANY))
    if not whole or not whole[0].leads:
        return Missing(view.words.text("No leads were created in this period."))
    sources = {key: of for key, of in stages.items() if key[0] == "channel" and chosen in ("", key[1])}
    campaigns = {key: of for key, of in stages.items() if key[0] == "campaign" and chosen in ("", names[key][1])}
    bars = [charts.bullet(one.reached, None, None, (0.0, whole[0].leads), one.name) for one in whole]
    return Funnel(
        Branch({}, view.words.text("All leads"), "", whole, Markup("")),
        bars,
        _branches(view, sources, names),
        _branches(view, campaigns, names),
        _settled_on(view.period, 90) <= view.publication.as_of_date,
    )


def _branches(
    view: View, stages: Mapping[tuple[str, str], Sequence[Stage]], names: Mapping[tuple[str, str], tuple[str, str, str]]
) -> list[Branch]:
    """The branches with leads, the largest first."""
    known = {key: of for key, of in stages.items() if of[0].leads}
    high = max((interval[1] for of in known.values() if (interval := of[-1].interval)), default=1.0)
    branches = []
    for key, of in known.items():
        name, channel, platform = names[key]
        low, top = of[-1].interval or (None, None)
        said = view.words.text("Won of the leads of %(name)s, with interval", name=name)
        dot = charts.interval(low, float(of[-1].of_leads or 0), top, (0.0, high), said)
        branches.append(Branch(dict([key]), name, " · ".join(filter(None, (channel, platform))), of, dot))
    return sorted(branches, key=lambda one: (-one.leads, one.name))


def _settled_on(period: Period, days: int) -> date:
    """The day with whose data a cohort is known: its last lead has had `days` days, of which its own is the first."""
    return period.end + timedelta(days=days - 2)


# Attribution

_MODELS = {
    "first": N_("First touch"),
    "last": N_("Last touch"),
    "linear": N_("Linear"),
    "position": N_("Position"),
    "time_decay": N_("Time decay"),
}
_LAST = list(_MODELS).index("last")  # which the costs of a new customer are computed by

_TOUCHES = Fact(
    N_("touch of an order"),
    "marts.fct_attribution as touches inner join marts.fct_orders as orders on touches.order_id = orders.order_id",
    key="concat(touches.order_id, ' touch ', touches.touch_number)",
    day="touches.ordered_on",
    file="orders",
    where="touches.ordered_on >= $start and touches.ordered_on < $until",
    cuts={"channel": "touches.channel"},
)


def _names_of_channels(view: View) -> Mapping[str, str]:
    return {channel: view.words.text(name) for channel, name in WITHOUT.items()}


_BY_CHANNEL = {"channel": Key(N_("Channel"), "touches.channel", _names_of_channels)}


def _credited(model: str) -> Number:
    """The sales that a model credits."""
    return Number(_MODELS[model], _TOUCHES, _BY_CHANNEL, f"touches.{model}_amount", unit="money")


def _share_credited(model: str) -> Number:
    """The share of a channel in all sales, also if the page is filtered by it."""
    credited = _credited(model)
    return replace(credited, whole=replace(credited, fact=replace(_TOUCHES, cuts=None), keys={}))


_NUMBERS_OF_ATTRIBUTION = {
    **{model: _credited(model) for model in _MODELS},
    **{f"{model}_share": _share_credited(model) for model in _MODELS},
}


@dataclass(frozen=True)
class Credited:
    """The sales that each model credits to a channel, in the order of the models."""

    channel: str
    name: str
    amounts: Sequence[Decimal]
    shares: Sequence[float | None]
    spread: Markup


@dataclass(frozen=True)
class Attribution:
    """The same sales by five models; `totals` are missing if the reader asks for one channel."""

    models: Mapping[str, str]  # their names
    channels: Sequence[Credited]
    totals: Sequence[Decimal]


def attribution(view: View) -> Attribution | Missing:
    """The sales of the chosen period by the channels that five models credit them to."""
    reason = not_by_cut(view, "channel") or not_delivered(view, "orders", "touchpoints")
    if reason:
        return reason
    key = f"attribution from {view.period.start} to {view.period.end}"
    if key not in view.opened.known:
        sums = ", ".join(f"sum({model}_amount)" for model in _MODELS)
        view.opened.known[key] = view.execute(
            f"select channel, {sums} from marts.fct_attribution where ordered_on >= $start and ordered_on < $end "
            "group by channel",
            {"start": view.period.start, "end": view.period.end},
        ).fetchall()
    found: dict[str, list[Decimal]] = {channel: amounts for channel, *amounts in view.opened.known[key]}
    shown = [channel for channel in found if view.state.entity in ("", channel)]
    if not shown:
        return Missing(view.words.text("No orders in this period."))
    totals = [sum(of_model, Decimal(0)) for of_model in zip(*found.values(), strict=True)]
    shares = {
        channel: [_share(amount, total) for amount, total in zip(amounts, totals, strict=True)]
        for channel, amounts in found.items()
    }
    ends = (0.0, max((share for of in shares.values() for share in of if share is not None), default=1.0))
    channels = []
    for channel in sorted(shown, key=lambda one: (-found[one][_LAST], one)):
        name = channel_name(view, channel)
        spread = _spread(view, name, shares[channel], ends)
        channels.append(Credited(channel, name, found[channel], shares[channel], spread))
    return Attribution(
        {model: view.words.text(name) for model, name in _MODELS.items()}, channels, [] if view.state.entity else totals
    )


def _share(amount: Decimal, total: Decimal) -> float | None:
    return float(amount / total) if total > 0 else None


def _spread(view: View, name: str, shares: Sequence[float | None], ends: tuple[float, float]) -> Markup:
    """The share by last touch as a dot, between the lowest and the highest of all models."""
    known = [share for share in shares if share is not None]
    if not known:
        return Markup("")
    said = view.words.text(
        "%(name)s: from %(low)s to %(high)s of sales, by model",
        name=name,
        low=view.words.value(min(known), "rate"),
        high=view.words.value(max(known), "rate"),
    )
    return charts.interval(min(known), float(shares[_LAST] or 0), max(known), ends, said)


# Cohorts

WINDOWS = (30, 60, 90)  # days after a lead was created
_COHORTS = 13


@dataclass(frozen=True)
class Window:
    """How many leads of a cohort converted within some days; `known_on` is the day with whose data that is known."""

    row: Row | None
    known_on: date


@dataclass(frozen=True)
class Cohort:
    """The leads that were created in a period."""

    start: date
    of: Row  # some share of it, whose denominator they are
    windows: Sequence[Window]


@dataclass(frozen=True)
class Cohorts:
    """The newest cohorts, the newest last."""

    measures: Sequence[Measure]
    cohorts: Sequence[Cohort]


def cohorts(view: View) -> Cohorts | Missing:
    """How much of the conversion of the newest lead cohorts is known."""
    reason = not_by_cut(view, "channel", "team", "rep", "office") or not_delivered(view, "leads")
    if reason:
        return reason
    measures = [
        view.measures[one] for days in WINDOWS if (one := ("lead_conversion", f"cohort_{days}d")) in view.measures
    ]
    until = [one for one in view.calendar.periods if one.end <= (view.in_progress or view.period).end][-_COHORTS:]
    cells = {
        (row.start, row.variant): row
        for row in view.rows(
            [(one.kpi_id, one.variant) for one in measures], view.state.cut, view.state.entity or None, until
        )
    }
    found = []
    for period in until:
        rows = [cells.get((period.start, one.variant)) for one in measures]
        of = next((row for row in rows if row is not None and row.denominator), None)
        if of is not None:
            windows = [Window(row, _settled_on(period, days)) for row, days in zip(rows, WINDOWS, strict=True)]
            found.append(Cohort(period.start, of, windows))
    if not found:
        return Missing(view.words.text("No leads were created in this period."))
    return Cohorts(measures, found)


SPEND = Section(
    "spend",
    N_("Spend and acquisition cost"),
    spend,
    "spend",
    N_(
        "Paid: spend of paid campaigns per new customer whose last touch was a paid one. Blended and fully loaded "
        "costs contain programmes, people and tools, which are not known by channel; only the company has them."
    ),
    is_of_entity=True,
)
FUNNEL = Section(
    "funnel", N_("Funnel by source and campaign"), funnel, "lead_sources", is_of_entity=True, numbers=FUNNEL_NUMBERS
)
ATTRIBUTION = Section(
    "attribution",
    N_("Attribution models side by side"),
    attribution,
    "attribution",
    N_(
        "The same sales, after discounts and before refunds, credited to the channels of the touches before each "
        "order. The line spans all models, the dot is the last touch, by which acquisition cost and ROAS are computed."
    ),
    numbers=_NUMBERS_OF_ATTRIBUTION,
)
COHORTS = Section(
    "cohorts",
    N_("Which cohorts are known"),
    cohorts,
    "cohorts",
    N_(
        "Leads by when they were created, and the share that converted within so many days. A share is known once "
        "every lead of the cohort has had that time."
    ),
    is_of_entity=True,
)
