"""A digest: which key figures of the leaders' page moved by more than noise, and what drove them, in five lines.

Belongs here: what is said, in the reader's language. Does not belong here: who receives it, and when
(`alerts/digests.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipelines.answers.noise import LEVEL, unusual
from pipelines.answers.periods import Comparison, Grain
from pipelines.answers.questions import QuestionError
from pipelines.answers.rounding import decimal
from pipelines.answers.why import Finding, why
from pipelines.pages.report import Source
from pipelines.pages.roles import LEADERS
from pipelines.pages.view import CUTS, Measure, Row, State, View

_MOST_LINES = 5
_HISTORY = 24  # how many earlier changes say what is usual, as for the parts of a change


@dataclass(frozen=True)
class Digest:
    """What moved in a period.

    Attributes:
        period: its label, like 2025-12 or 2025-W50.
        moved: which measures moved, in which period and direction; the same in every language.
        lines: at most five sentences.
        page: the address of the page with these numbers.
    """

    period: str
    moved: tuple[str, ...]
    subject: str
    lines: tuple[str, ...]
    page: str


def digest_of(source: Source, language: str, grain: Grain) -> Digest | None:
    """What moved in the last complete period of `grain`; None if nothing did.

    Of a figure that is known only later, such as the conversion of leads, it is the last period that is known.
    """
    view = source.view(language, LEADERS.name, State(grain))
    moved = _moved(view)
    if not moved:
        return None
    lines = [_line(view, row) for row in moved[:_MOST_LINES]]
    if (more := len(moved) - _MOST_LINES + 1) > 1:
        lines[-1] = view.words.counted("%(num)s more, see the page.", "%(num)s more, see the page.", more)
    return Digest(
        view.period.label,
        tuple(f"{row.kpi_id} {row.variant} {row.start} {row.delta > 0}" for row in moved),
        view.words.counted(
            "%(period)s: %(num)s key figure moved by more than noise",
            "%(period)s: %(num)s key figures moved by more than noise",
            len(moved),
            period=view.words.period(view.period, grain),
        ),
        tuple(lines),
        view.link(LEADERS.name),
    )


def _moved(view: View) -> list[Row]:
    """The newest value of each key figure whose change is more than noise, in the order of the page."""
    until = [period for period in view.calendar.periods if period.start <= view.period.start]
    by_measure: dict[tuple[str, str], list[Row]] = {}
    for row in view.rows(LEADERS.measures, periods=until):
        if row.status != "immature":  # one that nobody delivers any more has no value then, and is not told again
            by_measure.setdefault((row.kpi_id, row.variant), []).append(row)
    found = [(view.measures[one], by_measure[one]) for one in LEADERS.measures if one in by_measure]
    return [rows[-1] for measure, rows in found if _is_more_than_noise(rows, measure)]


def _is_more_than_noise(rows: Sequence[Row], measure: Measure) -> bool:
    """Whether the last change exceeds chance; of a value without an interval, whether it exceeds earlier changes."""
    *earlier, last = rows
    if last.status != "ok" or not last.delta:
        return False
    if last.is_delta_significant is not None:
        return bool(last.is_delta_significant)
    changes = [change for row in earlier[-_HISTORY:] if (change := _size(row, measure)) is not None]
    change = _size(last, measure)
    verdict = unusual(change, changes) if change is not None else None
    return verdict is not None and verdict.p_value < LEVEL


def _size(row: Row, measure: Measure) -> float | None:
    """A change as it is compared with others: of amounts and counts, relative to their mean, since they grow."""
    if row.delta is None:
        return None
    if measure.unit not in ("money", "count"):
        return float(row.delta)
    mean = float(row.value + row.prior_value) / 2
    return float(row.delta) / mean if mean > 0 else None


def _line(view: View, row: Row) -> str:
    """`Net revenue, Dec 25: €4,425,291, +17.8 % vs Nov 25, mainly channel Web: +€301,204.`"""
    measure, words = view.measures[row.kpi_id, row.variant], view.words
    at = replace(view, state=replace(view.state, period=view.at(row.start).label))
    moved = words.text(
        "%(kpi)s, %(period)s: %(value)s, %(change)s vs %(earlier)s",
        kpi=measure.name,
        period=words.short_period(at.period, view.state.grain),
        value=words.value(row.value, measure.unit),
        change=words.change(row.delta, row.prior_value, measure.unit),
        earlier=at.earlier_label(Comparison.prior),
    )
    driver = _largest_driver(at, measure)
    if driver is None or driver.driver.contribution is None:
        return words.text("%(moved)s; no part of it stands out.", moved=moved)
    return words.text(
        "%(moved)s, mainly %(cut)s %(name)s: %(contribution)s.",
        moved=moved,
        cut=words.text(CUTS.get(driver.entity_type, driver.entity_type)).lower(),
        name=driver.driver.name,
        contribution=words.signed(decimal(driver.driver.contribution), measure.unit),
    )


def _largest_driver(view: View, measure: Measure) -> Finding | None:
    """Of the parts that changed by more than noise, in the direction of the change, the one that contributes most."""
    period, grain = view.period.label, view.state.grain
    try:
        answer = why(view.connection, measure.kpi_id, period, Comparison.prior, variant=measure.variant, grain=grain)
    except QuestionError:
        return None
    alike = [
        one for one in answer.named if one.driver.contribution and (one.driver.contribution > 0) == (answer.change > 0)
    ]
    return max(alike, key=lambda one: float(abs(one.driver.contribution or 0)), default=None)
