"""Targets of teams and reps: what was due by now, what was sold, what remains, and whether the open pipeline covers it.

Belongs here: revenue against quotas in the period in progress, or in a period that is over. Does not belong here: the
pipeline by stage and age (`pipeline.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import partial

from markupsafe import Markup

from pipelines.pages import charts
from pipelines.pages.sections import Missing, Section
from pipelines.pages.sections.facts import UNASSIGNED, Rep, by_name, change_of, name_of, reps_in
from pipelines.pages.sections.limits import not_by, not_delivered
from pipelines.pages.sections.pipeline import OPEN_AMOUNT
from pipelines.pages.sections.tiles import Change
from pipelines.pages.view import COMPANY, Row, View
from pipelines.pages.words import N_

_MEASURE = ("revenue", "net")  # what quotas are about


@dataclass(frozen=True)
class Quota:
    """A team's or rep's row: its revenue against its target."""

    row: Row
    name: str
    chart: Markup
    change: Change | None
    before: Row | None  # of the chosen period, if `row` is of the one in progress after it
    remaining: Decimal | None  # what the target still lacks; None if the period is over
    open_amount: Decimal
    coverage: Decimal | None  # open pipeline ÷ what remains; None if nothing remains
    is_chosen: bool


@dataclass(frozen=True)
class Attainment:
    """The rows, teams with their reps, and the period that they are about."""

    view: View
    before: View | None
    groups: tuple[tuple[Quota, ...], ...]
    company: Quota | None


def attainment(name: str = "targets", title: str = N_("Targets and coverage")) -> Section:
    """A section with the targets of teams and reps."""
    return Section(name, title, attained, "attainment", is_of_entity=True, numbers=_NUMBERS)


def attained(view: View) -> Attainment | Missing:
    """Everyone with a target in the period in progress, or in the chosen one, or why there is nobody."""
    if view.state.cut not in (COMPANY, "team", "rep"):
        return not_by(view, "team", "rep")
    periods = [*([view.in_progress] if view.in_progress else []), view.period]
    rows = {
        (row.start, row.entity_type, row.entity_id): row
        for row in view.rows([_MEASURE], [COMPANY, "team", "rep"], periods=periods)
    }
    targets = [row for (_, cut, _), row in rows.items() if cut != COMPANY and row.target is not None]
    # The period in progress is what can still be changed; if it has no targets yet, the chosen one has the last word.
    period = next((one for one in periods if any(row.start == one.start for row in targets)), view.period)
    with_target = [row for row in targets if row.start == period.start]
    if not with_target:
        return not_delivered(view, "quotas", "orders") or Missing(
            view.words.text(
                "No team or rep has a target for %(period)s. Deliver quotas for each month of it.",
                period=view.words.period(period, view.state.grain),
            )
        )
    is_chosen = period.start == view.period.start
    shown = view if is_chosen else view.of(period)
    reps = reps_in(view, period)
    open_amounts = _open_amounts(view)
    company = rows.get((period.start, COMPANY, COMPANY))
    drawn = [*with_target, *([company] if company and company.target is not None else [])]
    shares = [_of_due(row, one) for row in drawn for one in (row.value, row.compared(view.state.compare)[0])]
    quota = partial(_quota, view, shown, rows, open_amounts, (0.0, max(1.2, *shares)))
    groups: dict[str, list[Quota]] = {}
    for row in with_target:
        team = row.entity_id if row.entity_type == "team" else _team(reps, row.entity_id)
        groups.setdefault(team, []).append(quota(row))
    wanted = view.state.entity if view.state.cut == "team" else _team(reps, view.state.entity)
    return Attainment(
        shown,
        None if is_chosen else view,
        tuple(
            tuple(sorted(groups[team], key=lambda one: (one.row.entity_type != "team", by_name(team, one.name))))
            for team in sorted(groups, key=lambda team: by_name(team, team))
            if view.state.cut == COMPANY or team == wanted
        ),
        quota(company) if company and company.target is not None else None,
    )


def _remaining(view: View) -> Decimal | None:
    """What the target of the company, or of the team or rep that the page is filtered by, still lacks."""
    found = attained(view)
    if isinstance(found, Missing):
        return None
    shown = [*([found.company] if found.company else []), *(one for group in found.groups for one in group)]
    wanted = (view.state.cut, view.state.entity or COMPANY)
    return next((one.remaining for one in shown if (one.row.entity_type, one.row.entity_id) == wanted), None)


_NUMBERS = {
    "open_amount": OPEN_AMOUNT,
    "coverage": replace(OPEN_AMOUNT, title=N_("Coverage"), divided_by=(N_("what the target still lacks"), _remaining)),
}


def _team(reps: Mapping[str, Rep], rep_id: str) -> str:
    return reps[rep_id].team if rep_id in reps else UNASSIGNED


def _open_amounts(view: View) -> dict[tuple[str, str], Decimal]:
    """The open pipeline at the end of the as-of date, by cut and entity."""
    rows = view.execute(
        """
        select
            case when grouping(rep_id) = 0 then 'rep' when grouping(team) = 0 then 'team' else 'company' end,
            coalesce(rep_id, team, 'company'), sum(open_amount)
        from marts.fct_pipeline_daily
        where date_day = $day
        group by grouping sets ((), (team), (rep_id))
        """,
        {"day": view.publication.as_of_date},
    ).fetchall()
    return {(cut, entity): amount for cut, entity, amount in rows if amount is not None}


def _of_due(row: Row, amount: Decimal | None) -> float:
    """An amount as a share of what was due by now, so that the target of every row is in the same place."""
    return float((amount or Decimal(0)) / row.target_to_date) if row.target_to_date else 0.0


def _quota(
    view: View,
    shown: View,
    rows: Mapping[tuple[date, str, str], Row],
    open_amounts: Mapping[tuple[str, str], Decimal],
    ends: tuple[float, float],
    row: Row,
) -> Quota:
    words, key = view.words, (row.entity_type, row.entity_id)
    value = row.value or Decimal(0)
    earlier = row.compared(view.state.compare)[0]
    remaining = max(row.target - value, Decimal(0)) if row.is_partial else None
    open_amount = open_amounts.get(key, Decimal(0))
    label = words.text(
        "%(value)s of %(target)s", value=words.value(value, "money"), target=words.value(row.target_to_date, "money")
    )
    before = None if earlier is None else _of_due(row, earlier)
    chart = charts.bullet(_of_due(row, value), 1.0, before, ends, label) if row.target_to_date else Markup("")
    return Quota(
        row,
        name_of(view, row.entity_id, row.entity_name),
        chart,
        change_of(view, row, view.measures[_MEASURE]),
        rows.get((view.period.start, *key)) if shown is not view else None,
        remaining,
        open_amount,
        (open_amount / remaining if open_amount else Decimal(0)) if remaining else None,
        key == (view.state.cut, view.state.entity),
    )
