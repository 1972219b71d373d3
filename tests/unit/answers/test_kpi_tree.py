"""Expressions of the KPI tree, and the effects of its nodes."""

from fractions import Fraction

import pytest

from pipelines.answers.kpi_tree import Node, Relation, Tree, effects_of, names_in, value_of


def node(name: str) -> Node:
    return Node(name, name.title(), "money", "kpi", name, "value", None)


TREE = Tree(
    {name: node(name) for name in ("revenue", "orders", "average", "refunds", "customers", "frequency", "bookings")},
    (
        Relation("revenue", ("orders", "average", "refunds"), "orders * average - refunds"),
        Relation("orders", ("customers", "frequency"), "customers * frequency"),
        Relation("revenue", ("bookings",), None),
    ),
    ("revenue",),
)


def test_an_expression_is_computed_with_the_usual_precedence() -> None:
    expression = "( a + b ) * c - a / b"
    assert names_in(expression) == ["a", "b", "c"]
    assert value_of(expression)([Fraction(6), Fraction(2), Fraction(5)]) == 37


@pytest.mark.parametrize("expression", ["a ** b", "a + 1", "a . b", "f ( a )"])
def test_an_expression_contains_nothing_but_operations_on_nodes(expression: str) -> None:
    with pytest.raises(ValueError, match="in '"):
        value_of(expression)([Fraction(1)] * len(names_in(expression)))


def test_factors_that_are_identities_themselves_are_resolved() -> None:
    assert TREE.factors_of("revenue") == (
        "( customers * frequency ) * average - refunds",
        ["customers", "frequency", "average", "refunds"],
    )
    assert TREE.factors_of("bookings") is None


def test_effects_by_hand() -> None:
    # 10 customers * 2 orders * 5 - 20 = 80 → 10 * 3 * 5 - 30 = 120
    before = {"revenue": 80, "orders": 20, "average": 5, "refunds": 20, "customers": 10, "frequency": 2, "bookings": 1}
    after = {**before, "revenue": 120, "orders": 30, "frequency": 3, "refunds": 30}
    exact = [{name: Fraction(value) for name, value in values.items()} for values in (before, after)]
    effects = {effect.node.node: effect.effect for effect in effects_of(TREE, "revenue", *exact)}
    assert effects == {"customers": 0, "frequency": 50, "average": 0, "refunds": -10}


def test_a_node_without_a_value_has_no_effects() -> None:
    values = dict.fromkeys(TREE.nodes, Fraction(1))
    assert effects_of(TREE, "revenue", {**values, "revenue": None}, values) == []
