"""Teams and reps beside each other: a table per measure, in which all rows share one axis.

Belongs here: which rows a table has, and in which period. Rows are ordered by name: with few cases, a rank is noise.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from markupsafe import Markup

from pipelines.answers.periods import Period
from pipelines.pages import charts
from pipelines.pages.sections import Missing, Section
from pipelines.pages.sections.facts import UNASSIGNED, Rep, by_name, change_of, name_of, reps_in
from pipelines.pages.sections.limits import not_by, not_delivered
from pipelines.pages.sections.tiles import Change
from pipelines.pages.view import COMPANY, Measure, Row, View

Asked = Sequence[tuple[str, str]]
"""The measures of one table, as (KPI, variant): the first is drawn, the others stand beside it as numbers."""


@dataclass(frozen=True)
class Line:
    """A row of a table: the company, a team or office, or a rep."""

    kind: str
    entity_id: str
    name: str
    row: Row
    change: Change | None
    beside: tuple[Row | None, ...]
    chart: Markup
    is_chosen: bool


Group = tuple[Line | None, tuple[Line, ...]]


@dataclass(frozen=True)
class Table:
    """One measure by team and rep; each group is a team or office, if it has a row, and its reps."""

    view: View  # of the period that is shown
    measure: Measure
    beside: tuple[Measure, ...]
    awaited: Period | None  # the chosen period, if its values are not known yet, so that an earlier one is shown
    company: Line | None
    groups: tuple[Group, ...]
    axis: Markup
    has_interval: bool
    has_target: bool


def comparison(name: str, title: str, *tables: Asked, note: str = "") -> Section:
    """A section with a table of teams and reps for each of `tables`."""
    return Section(name, title, partial(compared, tables=tables), "comparison", note, is_of_entity=True)


def compared(view: View, tables: Sequence[Asked]) -> list[Table] | Missing:
    """The tables that have rows, or why there are none."""
    cuts = [COMPANY, "team", "rep", "office"]
    if view.state.cut not in cuts:
        return not_by(view, "team", "rep", "office")
    every = [one for table in tables for one in table]
    whole = view.rows(every, view.state.cut, view.state.entity) if view.only else view.rows(every, COMPANY)
    periods = [_newest_known(view, table[0], whole) for table in tables]
    grouped_by = "office" if view.state.cut == "office" else "team"
    cells = view.rows(every, [COMPANY, grouped_by, "rep"], periods=periods)
    made = [_table(view, table, period, grouped_by, cells) for table, period in zip(tables, periods, strict=True)]
    if with_rows := [table for table in made if table.groups]:
        return with_rows
    needs_leads = all(kpi_id == "lead_conversion" for table in tables for kpi_id, _ in table)
    return not_delivered(view, "leads" if needs_leads else "opportunities") or Missing(
        view.words.text("No delivered record of this period names a rep.")
    )


def _newest_known(view: View, measure: tuple[str, str], whole: Iterable[Row]) -> Period:
    """The chosen period, or if its values are not mature yet, the newest before it whose values are."""
    rows = {row.start: row for row in whole if (row.kpi_id, row.variant) == measure}
    until = [period for period in view.calendar.periods if period.start <= view.period.start]
    mature = (period for period in reversed(until) if (row := rows.get(period.start)) and row.is_mature)
    return next(mature, view.period)


def _table(view: View, asked: Asked, period: Period, grouped_by: str, cells: Sequence[Row]) -> Table:
    is_chosen = period.start == view.period.start
    measure, beside = view.measures[asked[0]], tuple(view.measures[one] for one in asked[1:])
    at = {(row.kpi_id, row.variant, row.entity_type, row.entity_id): row for row in cells if row.start == period.start}
    members = _members(view, reps_in(view, period), grouped_by, at.values(), measure)
    of_measure = [
        row
        for row in at.values()
        if (row.kpi_id, row.variant) == asked[0]
        and (row.entity_type == COMPANY or row.entity_id in members or row.entity_id in members.values())
    ]
    ends = _ends(view, measure, of_measure)
    company = at.get((*asked[0], COMPANY, COMPANY))
    reference = _float(company.value) if company and measure.unit == "rate" else None

    def line(kind: str, entity_id: str) -> Line | None:
        row = at.get((*asked[0], kind, entity_id))
        if row is None:
            return None
        return Line(
            kind,
            entity_id,
            name_of(view, entity_id, row.entity_name),
            row,
            change_of(view, row, measure),
            tuple(at.get((*one, kind, entity_id)) for one in asked[1:]),
            _chart(view, measure, row, ends, reference),
            (kind, entity_id) == (view.state.cut, view.state.entity),
        )

    groups = _groups(view, members, grouped_by, line)
    return Table(
        view if is_chosen else view.of(period),
        measure,
        beside,
        None if is_chosen else view.period,
        line(COMPANY, COMPANY) if groups else None,
        groups,
        _axis(view, measure, ends, reference),
        any(row.ci_low is not None for row in of_measure),
        any(row.target is not None for row in of_measure),
    )


def _groups(
    view: View, members: Mapping[str, str], grouped_by: str, line: Callable[[str, str], Line | None]
) -> tuple[Group, ...]:
    """The teams or offices with their reps, both by name."""
    groups = []
    alone = {view.state.entity} if view.only and view.state.cut == grouped_by else set()
    for group in sorted({*members.values(), *alone}, key=lambda name: by_name(name, name)):
        of_group = [rep for rep, its_group in members.items() if its_group == group]
        lines = [found for rep in of_group if (found := line("rep", rep))]
        lines.sort(key=lambda one: by_name(one.entity_id, one.name))
        # What has no rep has no team either: one row says it.
        head = None if of_group == [UNASSIGNED] else line(grouped_by, group)
        if head or lines:
            groups.append((head, tuple(lines)))
    return tuple(groups)


def _members(
    view: View, reps: Mapping[str, Rep], grouped_by: str, cells: Iterable[Row], measure: Measure
) -> dict[str, str]:
    """The group of each rep that a table has a row for: who was employed, or has cases."""
    members = {}
    for row in cells:
        if row.entity_type != "rep" or (row.kpi_id, row.variant) != (measure.kpi_id, measure.variant):
            continue
        rep = reps.get(row.entity_id)
        if row.sample_size or (rep and rep.is_employed):
            members[row.entity_id] = getattr(rep, grouped_by) if rep else UNASSIGNED
    if set(members) == {UNASSIGNED}:
        return {}
    cut, entity = view.state.cut, view.state.entity
    if cut == COMPANY:
        return members
    group = members.get(entity) if cut == "rep" else entity
    return {rep: its_group for rep, its_group in members.items() if its_group == group}


def _ends(view: View, measure: Measure, rows: Iterable[Row]) -> tuple[float, float]:
    """The ends of the axis that all rows of a table share: of intervals, or of bars, of which the company has none."""
    if measure.unit == "money":
        drawn = [(row.value, row.compared(view.state.compare)[0]) for row in rows if row.entity_type != COMPANY]
        return 0.0, max((float(one) for pair in drawn for one in pair if one is not None), default=0.0)
    values = [float(one) for row in rows for one in (row.value, row.ci_low, row.ci_high) if one is not None]
    return (min(values), max(values)) if values else (0.0, 1.0)


def _chart(view: View, measure: Measure, row: Row, ends: tuple[float, float], reference: float | None) -> Markup:
    """A dot with its interval; of an amount, a bar with what it was before."""
    if row.value is None or (measure.unit == "money" and row.entity_type == COMPANY):
        return Markup("")
    words = view.words
    label = words.value(row.value, measure.unit)
    if row.ci_low is not None:
        label = words.text(
            "%(value)s, 95 %% interval %(low)s to %(high)s",
            value=label,
            low=words.value(row.ci_low, measure.unit),
            high=words.value(row.ci_high, measure.unit),
        )
    if measure.unit == "money" and row.ci_low is None:
        return charts.bullet(float(row.value), None, _float(row.compared(view.state.compare)[0]), ends, label)
    return charts.interval(_float(row.ci_low), float(row.value), _float(row.ci_high), ends, label, reference)


def _axis(view: View, measure: Measure, ends: tuple[float, float], reference: float | None) -> Markup:
    if measure.unit == "money":
        return Markup("")
    low, high = (view.words.value(end, measure.unit) for end in ends)
    return charts.axis(ends, low, high, view.words.text("from %(low)s to %(high)s", low=low, high=high), reference)


def _float(value: object) -> float | None:
    return None if value is None else float(str(value))
