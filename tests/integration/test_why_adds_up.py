"""What `kpi why` says adds up to the published change, in cells of the demo company: 300, and a thousand by night."""

import random
from decimal import Decimal
from fractions import Fraction

import pytest

from pipelines.answers.kpi_tree import effects_of
from pipelines.answers.tree import tree_of
from pipelines.answers.why import Why, why
from tests.conftest import Installation


@pytest.mark.parametrize("wanted", [300, pytest.param(1000, marks=pytest.mark.nightly)])
def test_the_parts_add_up_to_the_published_change(demo: Installation, wanted: int) -> None:
    """A cell has a KPI, a variant, a grain, a period and a cut."""
    numbers, cells = random.Random(2025), 0
    with demo.published() as connection:
        changes = connection.execute(
            """
            select kpi_id, variant, grain, period_label, delta, unit
            from marts.kpi_scorecard
            inner join marts.dim_period using (grain, period_start)
            inner join (select kpi_id, variant, unit from marts.kpi_variants) using (kpi_id, variant)
            where entity_type = 'company' and delta is not null
            order by all
            """
        ).fetchall()
        while cells < wanted:
            kpi_id, variant, grain, period, delta, unit = numbers.choice(changes)
            answer = why(connection, kpi_id, period, variant=variant, grain=grain)
            within = Decimal("0.005") if unit == "money" else Decimal("1e-9")
            assert all(abs(_decimal(part) - delta) <= within for part in sums(answer)), (kpi_id, variant, period)
            cells += max(sum(not cut.why_not for cut in answer.cuts), 1)


def sums(answer: Why) -> list[float]:
    """Everything in an answer that has to be its change: the change itself, factors, and every cut that adds up."""
    found = [float(answer.change)]
    if answer.factors:
        found.append(float(sum(factor.effect for factor in answer.factors)))
    for cut in answer.cuts:
        if cut.why_not:
            continue
        found.append(float(sum(driver.contribution or 0 for driver in cut.drivers)))
        if cut.numerator:
            found.append(float(sum((driver.mix or 0) + (driver.rate or 0) for driver in cut.drivers)))
    return found


def _decimal(number: float) -> Decimal:
    return Decimal(repr(number))


def test_what_is_a_sum_of_orders_adds_up_in_every_cut(demo: Installation) -> None:
    """Otherwise, the test above could pass by splitting nothing."""
    with demo.published() as connection:
        answer = why(connection, "revenue", "2025-09")
    adding_up = {cut.entity_type for cut in answer.cuts if not cut.why_not}
    assert {"channel", "rep", "team", "region", "segment"} <= adding_up
    assert [factor.name for factor in answer.factors][:3] == [
        "Customers who ordered", "Orders per customer", "Average order value",
    ]  # fmt: skip


@pytest.mark.parametrize("period", ["2025-09", "2025-Q3", "2025-W40"])
def test_the_factors_of_every_node_of_the_tree_add_up(demo: Installation, period: str) -> None:
    with demo.published() as connection:
        shown = tree_of(connection, period)
        before, after = (shown.tree.values(connection, shown.grain, one.start) for one in (shown.against, shown.period))
    split = 0
    for line in shown.lines:
        effects = effects_of(shown.tree, line.node.node, before, after)
        if effects:
            split += 1
            assert line.change is not None
            assert abs(sum(effect.effect for effect in effects) - line.change) <= Fraction("0.005"), line.node.node
    assert split >= 3
