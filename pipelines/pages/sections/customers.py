"""Who stays, who leaves and how customers rate: the retention triangle, movements, revenue retention, and NPS."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from markupsafe import Markup

from pipelines.answers.periods import Grain, Period, Periods
from pipelines.pages import charts
from pipelines.pages.charts import Step
from pipelines.pages.sections import Missing, Section
from pipelines.pages.sections.limits import not_by_cut, not_delivered
from pipelines.pages.sections.numbers import Fact, Key, Number
from pipelines.pages.sections.trends import Trend, shown_periods, trends_of
from pipelines.pages.view import COMPANY, View
from pipelines.pages.words import N_

_CUTS = ("segment", "region", "channel")  # by which retention and NPS are published


_OF_CUSTOMERS = {"segment": "customers.segment", "region": "customers.region", "channel": "customers.first_channel"}


def _entity(view: View) -> dict[str, Any]:
    """The parameters of a query for the reader's cut."""
    return {"cut": view.state.cut, "entity": view.state.entity or COMPANY}


# The retention triangle

_COHORTS = 25  # two years and the same month
STEPS = 8  # classes of the style sheet, from pale to strong


_MONTH = "cast(date_trunc('month', ordered_on) as date)"
_BUYERS = Fact(
    N_("customer, by the first order of the month"),
    f"""
    (select *, {_MONTH} as month from marts.fct_orders where customer_id is not null
    qualify row_number() over (partition by customer_id, {_MONTH} order by ordered_on, order_id) = 1) as orders
    inner join marts.dim_customer as customers on orders.customer_id = customers.customer_id
    """,
    key="customers.customer_id",
    day="orders.ordered_on",
    file="orders",
    where="customers.cohort_month is not null",
    cuts=_OF_CUSTOMERS,
)
_SINCE = "date_diff('month', customers.cohort_month, orders.month)"
_BY_COHORT = {"cohort": Key(N_("First order in"), "strftime(customers.cohort_month, '%Y-%m')")}
_COHORT = Number(N_("Customers"), _BUYERS, _BY_COHORT, where=f"{_SINCE} = 0")
_NUMBERS_OF_TRIANGLE = {
    "customers": _COHORT,
    "share": Number(
        N_("Share that ordered again"),
        _BUYERS,
        {**_BY_COHORT, "month": Key(N_("Months since the first order"), _SINCE)},
        whole=_COHORT,
    ),
}


@dataclass(frozen=True)
class Returned:
    """A cell of the triangle; `step` is the class of its colour, and `rate` is None if the month is not over."""

    active: int | None
    rate: float | None
    step: int


@dataclass(frozen=True)
class CohortOfCustomers:
    """The customers whose first order was in a month, and who of them ordered in each month after it."""

    label: str
    name: str
    customers: int
    returned: list[Returned]


@dataclass(frozen=True)
class Triangle:
    """Cohorts in rows, months since the first order in columns; the width of a class is in rates."""

    cohorts: Sequence[CohortOfCustomers]
    months: Sequence[int]
    width: float

    @property
    def legend(self) -> list[tuple[int, float, float]]:
        """The classes that occur, with the rates from which and to which they reach."""
        used = sorted({one.step for cohort in self.cohorts for one in cohort.returned if one.rate is not None})
        return [(step, round((step - 1) * self.width, 2), round(step * self.width, 2)) for step in used]


def triangle(view: View) -> Triangle | Missing:
    """The share of each cohort that ordered again in each month up to the chosen period."""
    reason = not_by_cut(view, *_CUTS) or not_delivered(view, "orders")
    if reason:
        return reason
    rows = view.execute(
        """
        select cohort_month, months_since, customers, active_customers, retention_rate
        from marts.kpi_retention__cohort
        where entity_type = $cut and entity_id = $entity and months_since > 0
            and cohort_month < $end and period_month < $end
        order by cohort_month, months_since
        """,
        {**_entity(view), "end": view.period.end},
    ).fetchall()
    known = [row for row in rows if row[4] is not None]
    if not known:
        return Missing(
            view.words.text("No month after a customer's first order is over yet, so nobody can have returned.")
        )
    # Whole percentages, so that the legend is short.
    width = max(math.ceil(max(row[4] for row in known) * 100 / STEPS), 1) / 100
    months = {period.start: period for period in Periods.of(view.connection, Grain.month).periods}
    names = {start: view.words.short_period(month, Grain.month) for start, month in months.items()}
    cohorts: dict[date, CohortOfCustomers] = {}
    for month, _, customers, active, rate in rows:
        of = cohorts.setdefault(month, CohortOfCustomers(months[month].label, names[month], customers, []))
        of.returned.append(Returned(active, rate, step_of(rate, width)))
    newest = [one for one in cohorts.values() if any(cell.rate is not None for cell in one.returned)][-_COHORTS:]
    longest = max(len([cell for cell in one.returned if cell.rate is not None]) for one in newest)
    return Triangle(newest, range(1, longest + 1), width)


def step_of(rate: float | None, width: float) -> int:
    """The class of a rate, from 1 to STEPS: the first reaches from 0 up to one width."""
    return 1 if rate is None else min(int(rate / width + 1e-9) + 1, STEPS)


# Movements


def _ordered_before(day: str) -> str:
    """SQL: that an order was so recent that its customer was active on a day."""
    return f"ordered_on < {day} and ordered_on >= {day} - $active_days"


def _active_on(day: str) -> Fact:
    """The customers who were active on a day, each by the latest order before it."""
    return Fact(
        N_("customer, by the latest order"),
        f"""
        (select * from marts.fct_orders where {_ordered_before(day)}
        qualify row_number() over (partition by customer_id order by ordered_on desc, order_id desc) = 1) as orders
        inner join marts.dim_customer as customers on orders.customer_id = customers.customer_id
        """,
        key="customers.customer_id",
        day="orders.ordered_on",
        file="orders",
        cuts=_OF_CUSTOMERS,
    )


def _is_active_on(day: str) -> str:
    """SQL: that a customer was active on a day."""
    return f"customers.customer_id in (select customer_id from marts.fct_orders where {_ordered_before(day)})"


_IS_NEW = "coalesce(customers.first_ordered_on >= $start and customers.first_ordered_on < $until, false)"
_AT_START, _AT_END = _active_on("$start"), _active_on("$until")
_WAS_ACTIVE, _IS_ACTIVE = _is_active_on("$start"), _is_active_on("$until")
# The net revenue of each customer in the period and in the one before, of one in progress in as many days.
_NET = "sum(case when moved_on >= $start and moved_on < $until then amount else 0 end)"
_NET_BEFORE = "sum(case when moved_on >= $prior_start and moved_on < $prior_until then amount else 0 end)"
_SPENDERS = Fact(
    N_("customer, by the first order"),
    f"""
    (select customer_id, {_NET} as net, {_NET_BEFORE} as net_before from (
        select customer_id, ordered_on as moved_on, gross_amount - discount_amount as amount from marts.fct_order_items
        union all select customer_id, refunded_on as moved_on, -refund_amount as amount from marts.fct_refunds
    ) where customer_id is not null group by customer_id) as spent
    left join marts.dim_customer as customers on spent.customer_id = customers.customer_id
    left join marts.fct_orders as orders on spent.customer_id = orders.customer_id and orders.is_first_order
    """,
    key="spent.customer_id",
    day="orders.ordered_on",
    file="orders",
    cuts=_OF_CUSTOMERS,
)
_REVENUE_MOVEMENT = f"""
    case
        when net_before > 0 and net <= 0 then 'churned'
        when net_before > 0 and net > net_before then 'expansion'
        when net_before > 0 and net < net_before then 'contraction'
        when net_before > 0 then 'retained'
        when net > 0 and {_IS_NEW} then 'new'
        when net > 0 then 'reactivated'
        else 'none'
    end
"""
_MOVEMENTS = {
    "start": N_("Start"),
    "new": N_("New"),
    "reactivated": N_("Reactivated"),
    "expansion": N_("Expansion"),
    "contraction": N_("Contraction"),
    "churned": N_("Churned"),
    "none": N_("Refunds alone"),
    "end": N_("End"),
}


def _of_revenue(movement: str) -> Number:
    """The net revenue of a movement."""
    match movement:
        case "start":
            adds, where = "net_before", "net_before <> 0"
        case "end":
            adds, where = "net", "net <> 0"
        case _:
            adds, where = "net - net_before", f"net <> net_before and {_REVENUE_MOVEMENT} = '{movement}'"
    return Number(_MOVEMENTS[movement], _SPENDERS, {}, adds, where, unit="money")


_NUMBERS_OF_MOVEMENTS = {
    "customers_start": Number(N_("Start"), _AT_START),
    "customers_new": Number(N_("New"), _AT_END, where=_IS_NEW),
    "customers_reactivated": Number(N_("Reactivated"), _AT_END, where=f"not {_WAS_ACTIVE} and not {_IS_NEW}"),
    "customers_churned": Number(N_("Churned"), _AT_START, adds="-1", where=f"not {_IS_ACTIVE}"),
    "customers_end": Number(N_("End"), _AT_END),
    "customers_retained": Number(N_("Active at both ends"), _AT_END, where=_WAS_ACTIVE),
    **{f"revenue_{movement}": _of_revenue(movement) for movement in _MOVEMENTS},
}


@dataclass(frozen=True)
class Movement:
    """A step from the start to the end of the period; None where it does not apply."""

    kind: str  # of `_MOVEMENTS`
    name: str
    customers: int | None
    amount: Decimal | None
    is_total: bool = False


@dataclass(frozen=True)
class Movements:
    """Who came, stayed and left in the period, in customers and in net revenue; both add up."""

    movements: Sequence[Movement]
    of_customers: Markup
    of_revenue: Markup
    retained: int
    is_start_known: bool
    active_days: str


def movements(view: View) -> Movements | Missing:
    """The movements of customers and of their net revenue in the chosen period."""
    reason = not_by_cut(view, *_CUTS) or not_delivered(view, "orders")
    if reason:
        return reason
    found = view.execute(
        """
        select
            customers_at_start, new_customers, reactivated_customers, churned_customers, customers_at_end,
            start_amount, new_amount, reactivated_amount, expansion_amount, contraction_amount, churned_amount,
            refund_change_amount, end_amount,
            retained_customers, is_start_known, (select value from meta.settings where name = 'active_days')
        from marts.kpi_retention
        where grain = $grain and period_start = $start and entity_type = $cut and entity_id = $entity
        """,
        {**_entity(view), "grain": view.state.grain, "start": view.period.start},
    ).fetchone()
    if found is None:
        return Missing(view.words.text("No customers in this period."))
    start, new, reactivated, churned, end, *amounts, retained, is_start_known, active_days = found
    text = view.words.text
    counts = {"start": start, "new": new, "reactivated": reactivated, "churned": -churned, "end": end}
    steps = [
        Movement(kind, text(name), counts.get(kind), amount, is_total=kind in ("start", "end"))
        for (kind, name), amount in zip(_MOVEMENTS.items(), amounts, strict=True)
    ]
    return Movements(
        steps,
        _waterfall(view, [(one, one.customers) for one in steps], "count", text("Active customers from start to end")),
        _waterfall(view, [(one, one.amount) for one in steps], "money", text("Net revenue from start to end")),
        retained,
        is_start_known,
        active_days or "",
    )


def _waterfall(
    view: View, steps: Sequence[tuple[Movement, int | None] | tuple[Movement, Decimal | None]], unit: str, label: str
) -> Markup:
    words = view.words
    drawn = [
        Step(
            one.name,
            float(value),
            one.is_total,
            words.value(value, unit) if one.is_total else words.signed(value, unit),
        )
        for one, value in steps
        if value is not None and (one.is_total or value)
    ]
    return charts.waterfall(drawn, label, width=560)


# Trends


def revenue_retention(view: View) -> list[Trend] | Missing:
    """Net and gross revenue retention over time."""
    reason = not_by_cut(view, *_CUTS) or not_delivered(view, "orders")
    return reason or _known(view, [("retention", "nrr"), ("retention", "grr")])


def _known(view: View, measures: Sequence[tuple[str, str]]) -> list[Trend] | Missing:
    trends = [one for one in trends_of(view, measures) if one.is_known]
    return trends or Missing(view.words.text("Nothing is known yet: the delivered history is too short."))


# NPS

CATEGORIES = ("promoters", "passives", "detractors")
_ANSWERS = Fact(
    N_("answer"),
    """
    (select *, lead(responded_on) over (partition by respondent_key order by responded_at, response_id)
    as next_responded_on from marts.fct_nps_responses) as answers
    """,
    key="response_id",
    day="responded_on",
    file="answers",
    # A customer's latest answer of those before the end counts.
    where="responded_on < $until and coalesce(next_responded_on >= $until, true)",
    cuts={cut: cut for cut in _CUTS},
)
_INVITATIONS = Fact(
    N_("invitation"),
    "marts.fct_nps_invitations as invitations",
    key="invitation_id",
    day="sent_on",
    file="invitations",
    where="sent_on >= $start and sent_on < $until",
    cuts={cut: cut for cut in _CUTS},
)


def _names_of_categories(view: View) -> Mapping[str, str]:
    names = (N_("Promoters (9–10)"), N_("Passives (7–8)"), N_("Detractors (0–6)"))
    return {category: view.words.text(name) for category, name in zip(CATEGORIES, names, strict=True)}


_BY_CATEGORY = {"category": Key(N_("Answers"), "category || 's'", _names_of_categories)}
_WINDOWS = {"period": "responded_on >= $start", "trailing_90d": "responded_on >= $until - 90"}
_NUMBERS_OF_NPS = {
    "invitations": Number(N_("Invitations"), _INVITATIONS),
    "answered": Number(N_("Answered"), _INVITATIONS, where="is_answered"),
    **{
        f"{window}_answers": Number(N_("Customers"), _ANSWERS, _BY_CATEGORY, where=of)
        for window, of in _WINDOWS.items()
    },
    **{
        f"{window}_share": Number(
            N_("Share"), _ANSWERS, _BY_CATEGORY, where=of, whole=Number(N_("Customers"), _ANSWERS, where=of)
        )
        for window, of in _WINDOWS.items()
    },
}


@dataclass(frozen=True)
class Answers:
    """How many customers are promoters, passives and detractors in a window, and their NPS with its interval."""

    promoters: int
    passives: int
    detractors: int
    nps: float | None
    low: float | None
    high: float | None
    bar: Markup

    @property
    def responses(self) -> int:
        return self.promoters + self.passives + self.detractors

    def share(self, category: str) -> float:
        """The share of a category in all answers."""
        return float(getattr(self, category)) / self.responses


@dataclass(frozen=True)
class Asked:
    """A period's answers and who was invited."""

    period: Period
    answers: Answers
    invitations: int
    answered: int
    response_rate: float | None


@dataclass(frozen=True)
class Nps:
    """Distributions of the chosen period and the 90 days to its end, and of the newest periods."""

    of_period: Answers
    trailing: Answers
    history: Sequence[Asked]


_NPS_COLUMNS = ", ".join(
    f"{window}_{column}"
    for window in ("period", "trailing_90d")
    for column in (*CATEGORIES, "nps", "nps_low", "nps_high")
)


def nps_distribution(view: View) -> Nps | Missing:
    """Promoters, passives and detractors, and how many of those who were invited answered."""
    reason = not_by_cut(view, *_CUTS) or not_delivered(view, "nps_responses")
    if reason:
        return reason
    periods = {period.start: period for period in shown_periods(view)}
    rows = view.execute(
        f"""
        select period_start, {_NPS_COLUMNS}, invitations, answered_invitations, response_rate
        from marts.kpi_nps
        where grain = $grain and list_contains($starts, period_start) and entity_type = $cut and entity_id = $entity
        order by period_start
        """,
        {**_entity(view), "grain": view.state.grain, "starts": list(periods)},
    ).fetchall()
    chosen = next((row for row in rows if row[0] == view.period.start), None)
    if chosen is None or not (sum(chosen[1:4]) or sum(chosen[7:10])):
        return Missing(view.words.text("Nobody answered a survey in this period or in the 90 days to its end."))
    return Nps(
        _answers(view, chosen[1:7], 560),
        _answers(view, chosen[7:13], 560),
        [Asked(periods[row[0]], _answers(view, row[1:7], 160), *row[13:16]) for row in rows],
    )


def _answers(view: View, row: Sequence[Any], width: int) -> Answers:
    words = view.words
    promoters, passives, detractors, nps, low, high = row
    counts = dict(zip(CATEGORIES, (promoters, passives, detractors), strict=True))
    said = words.text("%(promoters)s promoters, %(passives)s passives, %(detractors)s detractors", **counts)
    total = sum(counts.values())
    parts = [(name, float(count), words.share(count / total) if total else "") for name, count in counts.items()]
    bar = charts.stacked(parts, said, width=width, height=28 if width > 200 else 16)
    return Answers(promoters, passives, detractors, nps, low, high, bar)


def nps_trends(view: View) -> list[Trend] | Missing:
    """NPS with its interval, and the response rate, over time."""
    reason = not_by_cut(view, *_CUTS) or not_delivered(view, "nps_responses")
    return reason or _known(view, [("nps", "trailing_90d"), ("nps", "response_rate")])


TRIANGLE = Section(
    "triangle",
    N_("Who returns: cohorts by month of the first order"),
    triangle,
    "triangle",
    N_(
        "The share of a cohort's customers who ordered in each month after their first order. Months that are not over "
        "are empty. Cohorts are monthly, whatever grain is chosen."
    ),
    is_of_entity=True,
    numbers=_NUMBERS_OF_TRIANGLE,
)
MOVEMENTS = Section(
    "movements", N_("Movements"), movements, "movements", is_of_entity=True, numbers=_NUMBERS_OF_MOVEMENTS
)
REVENUE_RETENTION = Section(
    "revenue-retention", N_("Revenue retention"), revenue_retention, "trends", is_of_entity=True
)
NPS = Section(
    "nps", N_("Promoters, passives and detractors"), nps_distribution, "nps", is_of_entity=True, numbers=_NUMBERS_OF_NPS
)
NPS_TRENDS = Section("nps-trend", N_("NPS and response rate"), nps_trends, "trends", is_of_entity=True)
