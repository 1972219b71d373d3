"""The published KPI tree: what depends on what, the values of its nodes, and the effects of factors.

Belongs here: reading the tree, and computing its expressions. Does not belong here: what the tree is
(`dbt_project/macros/kpi_tree.sql`), and what is shown of a period (`tree.py`).
"""

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Self

import duckdb

from pipelines.answers.cells import SCORECARD, all_of
from pipelines.answers.effects import ZERO, effects_on
from pipelines.answers.periods import Grain
from pipelines.sql import quote_text

TREE = "marts.kpi_tree"

_DECIMALS_OF_DEFINED = 6

Values = Mapping[str, Fraction | None]  # of nodes


@dataclass(frozen=True)
class Node:
    """A value of the scorecard, or one that is defined over others."""

    node: str
    name: str
    unit: str
    kpi_id: str | None
    variant: str | None
    column: str
    definition: str | None


@dataclass(frozen=True)
class Relation:
    """What a node depends on: an identity, which has an expression, or an association."""

    parent: str
    children: tuple[str, ...]
    expression: str | None


@dataclass(frozen=True)
class Tree:
    """The published tree."""

    nodes: Mapping[str, Node]
    relations: tuple[Relation, ...]
    roots: tuple[str, ...]

    @classmethod
    def of(cls, connection: duckdb.DuckDBPyConnection) -> Self | None:
        """The tree of the publication; None if an earlier version made it."""
        if not connection.execute("select 1 from duckdb_tables() where table_name = 'kpi_tree'").fetchone():
            return None
        nodes: dict[str, Node] = {}
        children: dict[tuple[str, str | None], list[str]] = {}
        roots = []
        for kind, parent, child, expression, *node in connection.execute(
            "select kind, parent, child, expression, name, unit, kpi_id, variant, scorecard_column, definition "
            f"from {TREE} order by position"
        ).fetchall():
            nodes[child] = Node(child, *node)
            if kind == "root":
                roots.append(child)
            else:
                children.setdefault((parent, expression), []).append(child)
        relations = tuple(Relation(parent, tuple(names), text) for (parent, text), names in children.items())
        return cls(nodes, relations, tuple(roots))

    def of_parent(self, node: str) -> list[Relation]:
        """What a node depends on."""
        return [relation for relation in self.relations if relation.parent == node]

    def identity(self, node: str) -> Relation | None:
        """The identity that a node's change is split by: its first."""
        return next((relation for relation in self.of_parent(node) if relation.expression), None)

    def node_of(self, kpi_id: str, variant: str) -> Node | None:
        """The node that is the value of a variant."""
        for node in self.nodes.values():
            if (node.kpi_id, node.variant, node.column) == (kpi_id, variant, "value"):
                return node
        return None

    def factors_of(self, node: str) -> tuple[str, list[str]] | None:
        """The identity of a node over nodes that have none themselves, and these nodes; None if it has no identity."""
        relation = self.identity(node)
        if relation is None:
            return None
        assert relation.expression
        text, leaves = f" {relation.expression} ", []
        for child in relation.children:
            below = self.factors_of(child)
            if below is None:
                leaves.append(child)
                continue
            text = text.replace(f" {child} ", f" ( {below[0]} ) ")
            leaves.extend(below[1])
        return text.strip(), leaves

    def values(
        self, connection: duckdb.DuckDBPyConnection, grain: Grain, start: date, table: str = SCORECARD
    ) -> dict[str, Fraction | None]:
        """The company's value of every node in a period; None where none is published."""
        published = {
            (kpi_id, variant): dict(zip(("value", "numerator", "denominator"), numbers, strict=True))
            for kpi_id, variant, *numbers in connection.execute(
                f"""
                select kpi_id, variant, value, numerator, denominator
                from {table}
                where {all_of({"grain": grain, "entity_type": "company"})} and value is not null
                    and period_start = cast({quote_text(str(start))} as date)
                """
            ).fetchall()
        }
        values: dict[str, Fraction | None] = {}
        for name, node in self.nodes.items():
            found = published.get((node.kpi_id or "", node.variant or ""), {}).get(node.column)
            values[name] = None if found is None else Fraction(found)
        for name, node in self.nodes.items():
            if node.definition:
                used = names_in(node.definition)
                is_known = any(values[each] is not None for each in used)
                if is_known:  # a rounding error in the twelfth decimal is not an order
                    exact = value_of(node.definition)([values[each] or ZERO for each in used])
                    values[name] = Fraction(round(exact, _DECIMALS_OF_DEFINED))
        return values


def names_in(expression: str) -> list[str]:
    """The nodes of an expression, in the order in which they first occur."""
    names = [each.id for each in ast.walk(ast.parse(expression, mode="eval")) if isinstance(each, ast.Name)]
    return sorted(set(names), key=lambda name: f" {expression} ".index(f" {name} "))


def value_of(expression: str) -> Callable[[list[Fraction]], Fraction]:
    """The function of its nodes' values, in the order of `names_in`, that an expression is.

    Raises:
        ValueError: it contains anything but nodes, brackets and the four operations.
        ZeroDivisionError: in the function, if it divides by a node that is zero.
    """
    body, names = ast.parse(expression, mode="eval").body, names_in(expression)

    def compute(part: ast.expr, values: Mapping[str, Fraction]) -> Fraction:
        if isinstance(part, ast.Name):
            return values[part.id]
        if not isinstance(part, ast.BinOp):
            raise ValueError(f"{ast.unparse(part)} in {expression!r} is no node and no operation on nodes.")
        left, right = compute(part.left, values), compute(part.right, values)
        match part.op:
            case ast.Add():
                return left + right
            case ast.Sub():
                return left - right
            case ast.Mult():
                return left * right
            case ast.Div():
                return left / right
        raise ValueError(f"{ast.unparse(part)} in {expression!r} is not +, -, * or /.")

    return lambda values: compute(body, dict(zip(names, values, strict=True)))


@dataclass(frozen=True)
class Effect:
    """What a node contributes to the change of one that it is a factor of."""

    node: Node
    before: Fraction
    after: Fraction
    effect: Fraction


def effects_of(tree: Tree, node: str, before: Values, after: Values) -> list[Effect]:
    """What the factors of a node contribute to its change, exactly; nothing if it has no identity or no value.

    A factor without a value, such as the average of no orders, counts as zero, as in the test of the identities.
    """
    found = tree.factors_of(node)
    if found is None or before[node] is None or after[node] is None:
        return []
    expression, _ = found
    names = names_in(expression)
    first, last = ([values[name] or ZERO for name in names] for values in (before, after))
    try:
        effects = effects_on(value_of(expression), first, last)
    except ZeroDivisionError:
        return []
    return [Effect(tree.nodes[name], *each) for name, *each in zip(names, first, last, effects, strict=True)]
