"""What moved: the changes of all KPIs that are more than noise, and the KPI tree with what drove each node.

Belongs here: both sections for leaders. Does not belong here: how changes are judged and split (`pipelines.answers`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pipelines.answers.questions import QuestionError
from pipelines.answers.tree import Line, TreeOfPeriod, tree_of
from pipelines.pages.sections import Missing, Section
from pipelines.pages.sections.tiles import Change, changes_of
from pipelines.pages.view import COMPANY, CUTS, Measure, Row, View
from pipelines.pages.words import N_
from pipelines.warehouse import NotPublishedError

_MOST = 12  # lines


@dataclass(frozen=True)
class Moved:
    """A cell whose change is more than noise; `cut` is `company` or one by which pages can be filtered."""

    measure: Measure
    row: Row
    change: Change
    cut: str


@dataclass(frozen=True)
class Asked:
    """A line of the tree, and the KPI whose pages explain its value and its change.

    That is its own, unless the scorecard lacks it: then the line above, whose change names it as a factor.
    """

    line: Line
    kpi_id: str
    variant: str
    has_own: bool


@dataclass(frozen=True)
class ShownTree:
    """The tree of a period, each line with where its numbers lead."""

    of_period: TreeOfPeriod
    lines: tuple[Asked, ...]


def tree() -> Section:
    """The KPI tree: every node's value and change, and what drove it."""
    return Section("tree", N_("What the numbers depend on"), _tree, "tree")


def moved() -> Section:
    """The changes of default variants that are more than noise, for the company and all its parts."""
    return Section(
        "moved",
        N_("More than noise"),
        _moved,
        "moved",
        N_("Rates, scores and means whose change since the compared period exceeds chance, the clearest first."),
        is_of_entity=True,
    )


def _tree(view: View) -> ShownTree | Missing:
    if view.state.cut != COMPANY:
        return Missing(view.words.text("The tree is of the whole company. Reset the filters to see it."))
    key = f"tree {view.state.grain} {view.period.start} {view.state.compare}"
    if key not in view.opened.known:
        try:
            found = tree_of(view.connection, view.period.label, view.state.compare, view.state.grain)
        except (QuestionError, NotPublishedError) as error:
            return Missing(str(error))
        view.opened.known[key] = found
    known: TreeOfPeriod = view.opened.known[key]
    return ShownTree(known, tuple(_asked(known.lines)))


def _asked(lines: Sequence[Line]) -> Iterator[Asked]:
    above: dict[int, Asked] = {}  # by depth
    for line in lines:
        node = line.node
        if node.kpi_id and node.variant:
            asked = Asked(line, node.kpi_id, node.variant, has_own=True)
        else:
            asked = replace(above[line.depth - 1], line=line, has_own=False)
        above[line.depth] = asked
        yield asked


def _moved(view: View) -> list[Moved] | Missing:
    defaults = [(one.kpi_id, one.variant) for one in view.measures.values() if one.is_default]
    cuts = [COMPANY, *CUTS] if view.state.cut == COMPANY else [view.state.cut]
    entity = None if view.state.cut == COMPANY else view.state.entity
    found = [
        Moved(view.measures[row.kpi_id, row.variant], row, change, row.entity_type)
        for row in view.rows(defaults, cuts, entity, [view.period])
        for change in changes_of(row, view.measures[row.kpi_id, row.variant])
        if change.comparison == view.state.compare and change.is_significant and row.status == "ok"
    ]
    if not found:
        return Missing(view.words.text("No rate, score or mean changed by more than noise."))
    return sorted(found, key=_clearest_first)[:_MOST]


def _clearest_first(moved: Moved) -> tuple[int, float]:
    """The company before its parts, then changes by how many times their interval they are."""
    row = moved.row
    width = float(row.ci_high - row.ci_low) if row.ci_low is not None and row.ci_high is not None else 0.0
    clear = abs(float(str(moved.change.delta))) / width if width else 0.0
    return moved.cut != COMPANY, -clear
