"""A verdict belongs to a delivery: it does not matter which run judges the delivery, or how often."""

import pytest

from pipelines.config_files import ConfigError
from pipelines.deliveries.accepting import accept
from tests.unit.deliveries.conftest import DAYS

GOOD = "id,amount\n1,10\n2,20\n"
OTHER = "id,amount\n3,30\n"
BROKEN = "id,amount\n,1\n,2\n,3\n,4\n"  # rows without a key: the checks reject it
REFUSED = "number,amount\n1,10\n"  # without the column id: the file gate refuses it
FIRST, SECOND, THIRD = DAYS[0], DAYS[1], DAYS[2]


def decide(shop, day, **how):
    return accept(shop.settings, [shop.source], "shop", "orders", day, by="anna", reason="the till was closed", **how)


def failed(results):
    return {result.check for result in results if not result.passed}


def test_a_delivery_is_unjudged_until_a_run_has_judged_it(open_shop):
    shop = open_shop()
    shop.deliver(FIRST, GOOD)
    assert shop.states == {FIRST: "unjudged"}
    shop.judge(FIRST)
    assert shop.states == {FIRST: "passed"}


def test_a_rejected_day_is_judged_again_by_the_next_days_run_and_stays_rejected(open_shop):
    shop = open_shop()
    shop.deliver(FIRST, BROKEN)
    assert failed(shop.judge(FIRST)) == {"id_not_null"}
    shop.deliver(SECOND, GOOD)
    assert failed(shop.judge(SECOND)) == {"id_not_null"}
    assert shop.states == {FIRST: "rejected", SECOND: "passed"}
    assert shop.standing.complete_through is None


def test_of_a_range_only_the_broken_day_is_rejected(open_shop):
    shop = open_shop()
    for day, text in ((FIRST, GOOD), (SECOND, BROKEN), (THIRD, OTHER)):
        shop.deliver(day, text)
    shop.judge(FIRST, SECOND, THIRD)
    assert shop.states == {FIRST: "passed", SECOND: "rejected", THIRD: "passed"}
    assert shop.standing.complete_through == FIRST


def test_a_delivery_that_nobody_judged_is_judged_by_the_next_run_of_any_day(open_shop):
    shop = open_shop()
    shop.deliver(FIRST, BROKEN)  # the run was killed before its checks
    shop.deliver(SECOND, GOOD)
    assert failed(shop.judge(SECOND)) == {"id_not_null"}


def test_other_bytes_are_another_delivery_and_pass_by_themselves(open_shop):
    shop = open_shop()
    shop.deliver(FIRST, BROKEN)
    shop.judge(FIRST)
    shop.deliver(FIRST, GOOD)
    assert shop.states == {FIRST: "unjudged"}
    assert failed(shop.judge(FIRST)) == set()
    assert shop.states == {FIRST: "passed"}


def test_an_accepted_delivery_is_not_judged_and_its_check_says_who_accepted_it(open_shop):
    shop = open_shop()
    shop.deliver(FIRST, BROKEN)
    shop.judge(FIRST)
    assert decide(shop, FIRST).state == "accepted"
    found = shop.judge(FIRST)
    assert failed(found) == set()
    assert "id_not_null: 2025-01-01 accepted by anna: the till was closed" in [result.message for result in found]
    assert shop.standing.complete_through == FIRST
    shop.deliver(SECOND, GOOD)
    [key] = [result for result in shop.judge(SECOND) if result.check == "id_not_null"]
    assert key.passed
    assert key.message.endswith("; 2025-01-01 accepted by anna: the till was closed")


@pytest.mark.parametrize("later", [BROKEN + ",5\n", GOOD])
def test_an_acceptance_ends_when_other_bytes_come(open_shop, later):
    shop = open_shop()
    shop.deliver(FIRST, BROKEN)
    shop.judge(FIRST)
    decide(shop, FIRST)
    shop.deliver(FIRST, later)
    assert shop.states == {FIRST: "unjudged"}
    shop.judge(FIRST)
    assert shop.states == {FIRST: "passed" if later == GOOD else "rejected"}


def test_a_decision_without_its_rows_leaves_a_delivery_out_and_its_day_is_complete(open_shop):
    shop = open_shop()
    for day, text in ((FIRST, GOOD), (SECOND, BROKEN)):
        shop.deliver(day, text)
    shop.judge(FIRST, SECOND)
    assert decide(shop, SECOND, with_rows=False).state == "left_out"
    assert [str(delivery) for delivery in shop.standing.left_out] == ["shop.orders of 2025-01-02"]
    assert shop.standing.complete_through == SECOND


def test_what_a_source_leaves_out_warns_and_its_day_is_not_complete(open_shop):
    shop = open_shop(rejected="leave_out")
    for day, text in ((FIRST, GOOD), (SECOND, BROKEN), (THIRD, OTHER)):
        shop.deliver(day, text)
    results = shop.judge(FIRST, SECOND, THIRD)
    [key] = [result for result in results if not result.passed]
    assert (key.check, key.severity) == ("id_not_null", "warning")
    assert key.message.endswith("Left out: 2025-01-02")
    assert shop.states == {FIRST: "passed", SECOND: "left_out", THIRD: "passed"}
    assert shop.standing.complete_through == FIRST


def test_a_day_without_a_delivery_is_missing_and_holds_back_what_follows(open_shop):
    shop = open_shop()
    shop.deliver(FIRST, GOOD)
    shop.deliver(THIRD, OTHER)
    shop.judge(FIRST, THIRD)
    assert shop.states == {FIRST: "passed", SECOND: "missing", THIRD: "passed"}
    assert shop.standing.complete_through == FIRST
    assert decide(shop, SECOND).state == "accepted"
    assert shop.standing.complete_through == THIRD
    shop.deliver(SECOND, BROKEN)
    shop.judge(SECOND)
    assert shop.states[SECOND] == "rejected", "it was accepted that nothing came, not that this came"


@pytest.mark.parametrize(
    ("table", "through"), [({"empty_day": "allowed"}, THIRD), ({"late": "publish_without"}, THIRD)]
)
def test_a_table_that_need_not_deliver_holds_nothing_back(open_shop, table, through):
    shop = open_shop(table=table)
    shop.deliver(FIRST, GOOD)
    shop.deliver(THIRD, OTHER)
    shop.judge(FIRST, THIRD)
    assert shop.standing.complete_through == THIRD
    assert shop.states.get(SECOND) == (None if "empty_day" in table else "missing")


def test_a_file_that_waits_to_be_read_holds_its_day_back_even_where_days_may_be_empty(open_shop):
    shop = open_shop(table={"empty_day": "allowed"})
    shop.deliver(FIRST, GOOD)
    shop.deliver(THIRD, OTHER)
    (shop.settings.landing_dir / f"orders_{SECOND}_a.csv").write_text(OTHER)
    assert shop.states[SECOND] == "missing"
    assert shop.standing.complete_through == FIRST


def test_a_day_of_which_one_file_was_refused_blocks_until_somebody_decides(open_shop):
    shop = open_shop()
    shop.deliver(FIRST, GOOD, part="a")
    shop.deliver(FIRST, REFUSED, part="b")
    shop.judge(FIRST)
    [delivery] = shop.standing.in_question
    assert (delivery.state, delivery.is_landed) == ("refused", True)
    assert "column 'id' is missing" in delivery.problems[0]
    assert decide(shop, FIRST).state == "accepted"


def test_a_refused_correction_leaves_the_day_as_it_was(open_shop):
    shop = open_shop()
    shop.deliver(FIRST, GOOD)
    shop.judge(FIRST)
    shop.deliver(FIRST, REFUSED)
    assert len(shop.refused) == 1
    assert shop.states == {FIRST: "passed"}


def test_a_day_whose_only_file_was_refused_is_not_complete(open_shop):
    shop = open_shop()
    shop.deliver(FIRST, GOOD)
    shop.judge(FIRST)
    shop.deliver(SECOND, REFUSED)
    assert shop.states == {FIRST: "passed", SECOND: "refused"}
    assert shop.standing.complete_through == FIRST


def test_there_is_nothing_to_accept_about_what_has_passed_or_was_never_expected(open_shop):
    shop = open_shop()
    shop.deliver(FIRST, GOOD)
    with pytest.raises(
        ConfigError, match=r"shop[.]orders of 2025-01-01 has not been checked yet: kpi run --date 2025-01-01"
    ):
        decide(shop, FIRST)
    shop.judge(FIRST)
    with pytest.raises(ConfigError, match=r"has passed its checks[.] There is nothing to accept"):
        decide(shop, FIRST)
    with pytest.raises(ConfigError, match=r"No delivery of shop[.]orders arrived or is missing on 2025-01-31"):
        decide(shop, DAYS[30])
    with pytest.raises(ConfigError, match=r"shop has no table 'order'[.] Its tables: orders"):
        accept(shop.settings, [shop.source], "shop", "order", FIRST, by="anna", reason="r")
    with pytest.raises(ConfigError, match=r"Give a reason"):
        accept(shop.settings, [shop.source], "shop", "orders", FIRST, by="anna", reason=" ")
