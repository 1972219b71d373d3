"""What each rep did in the chosen period, as far as the delivered records show it.

Belongs here: counts of leads, deals and stage changes per rep, with those of the compared period. Calls and mails are
not delivered, so they are not counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from pipelines.answers.periods import Comparison
from pipelines.pages.sections import Missing, Section
from pipelines.pages.sections.facts import UNASSIGNED, by_name, last_day, may_see, reps_in
from pipelines.pages.sections.limits import not_by, not_delivered
from pipelines.pages.sections.numbers import Fact, Key, Number
from pipelines.pages.view import COMPANY, View
from pipelines.pages.words import N_

# What a row is, and what identifies it.
_ROWS = {
    "marts.fct_leads": (N_("lead"), "lead_id"),
    "marts.fct_opportunities": (N_("deal"), "opportunity_id"),
    "marts.fct_opportunity_stage_events": (N_("stage of a deal"), "concat(opportunity_id, ' in ', stage)"),
}


def _names_of_reps(view: View) -> Mapping[str, str]:
    return {rep_id: rep.name for rep_id, rep in reps_in(view, view.period).items()}


@dataclass(frozen=True)
class Kind:
    """What is counted: the rows of a fact, on a day, for a rep."""

    name: str
    title: str
    relation: str
    rep: str
    day: str
    condition: str = "true"
    settles: bool = True  # with the end of the period; what goes on growing is not compared

    def number(self, first: str, last: str) -> Number:
        """What is counted from one day to another, of one rep."""
        row_is, key = _ROWS[self.relation]
        fact = Fact(
            row_is,
            f"{self.relation} as counted",
            key,
            self.day,
            "counted",
            f"{self.day} >= {first} and {self.day} <= {last} and ({self.condition})",
            cuts=None,  # a rep's own numbers do not depend on how the page is filtered
        )
        return Number(self.title, fact, {"rep": Key(N_("Rep"), self.rep, _names_of_reps, is_required=True)})


KINDS = (
    Kind("leads", N_("Leads received"), "marts.fct_leads", "sdr_id", "created_on"),
    Kind(
        "touched",
        N_("of them touched so far"),
        "marts.fct_leads",
        "sdr_id",
        "created_on",
        "hours_to_first_touch is not null",
        settles=False,
    ),
    Kind("mqls", N_("Became MQL"), "marts.fct_leads", "sdr_id", "mql_on"),
    Kind("sqls", N_("Became SQL"), "marts.fct_leads", "sdr_id", "sql_on"),
    Kind("passed_on", N_("Deals created from own leads"), "marts.fct_opportunities", "sdr_id", "created_on"),
    Kind("created", N_("Own deals created"), "marts.fct_opportunities", "owner_id", "created_on"),
    Kind(
        "moves",
        N_("Stage changes of own deals"),
        "marts.fct_opportunity_stage_events",
        "owner_id",
        "entered_on",
        "event_number > 1 and not is_derived",
    ),
    Kind("won", N_("Deals won"), "marts.fct_opportunities", "owner_id", "closed_on", "is_won"),
    Kind("lost", N_("Deals lost"), "marts.fct_opportunities", "owner_id", "closed_on", "is_lost"),
)

# Of the chosen period, and of the one that it is compared with.
_NUMBERS = {
    **{kind.name: kind.number("$start", "$until - 1") for kind in KINDS},
    **{f"{kind.name}_earlier": kind.number("$earlier_first", "$earlier_last") for kind in KINDS},
}


@dataclass(frozen=True)
class Active:
    """A rep's counts by kind, now and in the compared period."""

    rep_id: str
    name: str
    team: str
    counts: tuple[int, ...]
    earlier: tuple[int, ...]
    is_chosen: bool


@dataclass(frozen=True)
class Activity:
    """The kinds that somebody has, and a line per rep."""

    kinds: tuple[Kind, ...]
    lines: tuple[Active, ...]
    is_compared: bool


def activity(name: str = "activity", title: str = N_("Activity per rep")) -> Section:
    """A section with counts of what each rep did."""
    return Section(name, title, activity_of, "activity", is_of_entity=True, numbers=_NUMBERS)


def activity_of(view: View) -> Activity | Missing:
    """What the reps did in the chosen period, or why that is not known."""
    if view.state.cut not in (COMPANY, "team", "rep", "office"):
        return not_by(view, "team", "rep", "office")
    now = _counts(view, view.period.start, last_day(view, view.period))
    window = compared_window(view)
    earlier = _counts(view, *window) if window else {}
    reps = reps_in(view, view.period)
    team_of = {rep_id: rep.team for rep_id, rep in reps.items()}
    of_rep = team_of.get(view.state.entity) if view.state.cut == "rep" else None

    def is_shown(rep_id: str) -> bool:
        if not may_see(view, "rep", rep_id):
            return False
        match view.state.cut:
            case "team":
                return team_of.get(rep_id, UNASSIGNED) == view.state.entity
            case "rep":
                return rep_id == view.state.entity or (of_rep is not None and team_of.get(rep_id) == of_rep)
            case "office":
                return rep_id in reps and reps[rep_id].office == view.state.entity
            case _:
                return True

    lines = [
        Active(
            rep_id,
            reps[rep_id].name if rep_id in reps else rep_id,
            team_of.get(rep_id, UNASSIGNED),
            tuple(counts.get(kind.name, 0) for kind in KINDS),
            tuple(earlier.get(rep_id, {}).get(kind.name, 0) for kind in KINDS),
            view.state.cut == "rep" and rep_id == view.state.entity,
        )
        for rep_id, counts in now.items()
        if is_shown(rep_id)
    ]
    if not lines:
        return not_delivered(view, "leads", "opportunities") or Missing(
            view.words.text("No delivered record of this period names a rep.")
        )
    lines.sort(key=lambda one: by_name(one.rep_id, one.name))
    return Activity(KINDS, tuple(lines), window is not None)


def _counts(view: View, first: date, last: date) -> Mapping[str, Mapping[str, int]]:
    """How often each kind happened from `first` to `last`, by rep."""
    found: dict[str, dict[str, int]] = {}
    counted = " union all ".join(
        f"select {kind.rep} as rep_id, '{kind.name}' as kind from {kind.relation} "
        f"where {kind.day} >= $first and {kind.day} <= $last and {kind.condition} and {kind.rep} is not null"
        for kind in KINDS
    )
    for rep_id, kind, count in view.execute(
        f"select rep_id, kind, count(*) from ({counted}) group by all", {"first": first, "last": last}
    ).fetchall():
        found.setdefault(rep_id, {})[kind] = count
    return found


def compared_window(view: View) -> tuple[date, date] | None:
    """The first and last day of the compared period; of one in progress, of as many days."""
    name = "prior" if view.state.compare is Comparison.prior else "last_year"
    found = view.execute(
        f"""
        select periods.{name}_period_start, coalesce(periods.{name}_to_date_end, earlier.period_end)
        from marts.dim_period as periods
        inner join marts.dim_period as earlier
            on periods.grain = earlier.grain and periods.{name}_period_start = earlier.period_start
        where periods.grain = $grain and periods.period_start = $start
        """,
        {"grain": view.state.grain, "start": view.period.start},
    ).fetchone()
    return (found[0], found[1] - timedelta(days=1)) if found else None
