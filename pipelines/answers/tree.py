"""The KPI tree in a period: how each node changed, and what drove it.

Belongs here: which lines there are. Does not belong here: the tree itself (`kpi_tree.py`), and how lines are printed
(`cli/printing/tree.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import duckdb

from pipelines.answers.cells import SCORECARD, Published, Variant, publication_of
from pipelines.answers.compared_cells import TO_DATE
from pipelines.answers.comparing import TwoPeriods, two_periods
from pipelines.answers.kpi_tree import Effect, Node, Tree, Values, effects_of
from pipelines.answers.periods import Comparison, Grain, Period
from pipelines.answers.why import Finding, most_unusual
from pipelines.warehouse import NotPublishedError


@dataclass(frozen=True)
class Line:
    """A node where it stands in the tree. `kind` is root, identity or association: how its parent depends on it."""

    node: Node
    depth: int
    kind: str
    before: Fraction | None
    after: Fraction | None
    driver: Effect | None  # of an identity: the factor that contributes most to the change
    finding: Finding | None  # of a node without an identity: the part of a cut that stands out
    is_repeated: bool  # it stands above, with what it depends on

    @property
    def change(self) -> Fraction | None:
        """After less before; None if one of them is not known."""
        return None if self.before is None or self.after is None else self.after - self.before


@dataclass(frozen=True)
class TreeOfPeriod:
    """The tree with the company's values of two periods."""

    publication: Published
    grain: Grain
    period: Period
    against: Period
    to_date: bool
    tree: Tree
    lines: tuple[Line, ...]


def tree_of(
    connection: duckdb.DuckDBPyConnection,
    period: str | None = None,
    against: Comparison = Comparison.prior,
    grain: Grain | None = None,
) -> TreeOfPeriod:
    """The KPI tree with the values of a period, by default the last complete one, and what they were before.

    Raises:
        NotPublishedError: the publication has no tree.
        QuestionError: no such period is published, or nothing before it.
    """
    publication = publication_of(connection)
    tree = Tree.of(connection)
    if tree is None:
        raise NotPublishedError("The published file has no tree: an earlier version made it. Publish again: `kpi run`.")
    root = tree.nodes[tree.roots[0]]
    assert root.kpi_id
    periods = two_periods(connection, root.kpi_id, root.variant, period, against, grain)
    now, calendar = periods.cell.period, periods.calendar
    before = tree.values(connection, calendar.grain, periods.earlier.start, TO_DATE if periods.to_date else SCORECARD)
    after = tree.values(connection, calendar.grain, now.start)
    seen: set[str] = set()
    every = [line for root in tree.roots for line in _lines(tree, root, before, after, seen)]
    lines = tuple(replace(line, finding=_finding(connection, line, periods)) for line in every)
    return TreeOfPeriod(publication, calendar.grain, now, periods.earlier, periods.to_date, tree, lines)


def _lines(
    tree: Tree, node: str, before: Values, after: Values, seen: set[str], depth: int = 0, kind: str = "root"
) -> Iterator[Line]:
    """A node and all below it. What a node stands for is shown once, where it occurs first."""
    effects = effects_of(tree, node, before, after)
    driver = max(effects, key=lambda one: abs(one.effect), default=None)
    is_repeated = node in seen and bool(tree.of_parent(node))
    yield Line(tree.nodes[node], depth, kind, before[node], after[node], driver, None, is_repeated)
    if is_repeated:
        return
    seen.add(node)
    for relation in tree.of_parent(node):
        below = "identity" if relation.expression else "association"
        for child in relation.children:
            yield from _lines(tree, child, before, after, seen, depth + 1, below)


def _finding(connection: duckdb.DuckDBPyConnection, line: Line, periods: TwoPeriods) -> Finding | None:
    """Where the change of a node sits that is a KPI by itself, if it sits anywhere."""
    node = line.node
    if line.driver or line.is_repeated or not line.change or node.column != "value" or not node.kpi_id:
        return None
    assert node.variant
    variant = Variant(node.kpi_id, node.variant, node.unit, node.name, "")
    return most_unusual(connection, variant, periods)
