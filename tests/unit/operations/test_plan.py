"""A plan has the same deliveries on both sides, and says which ones those are."""

from datetime import date
from pathlib import Path

import pytest

from pipelines.config_files import ConfigError
from pipelines.operations.plan import _check_each_table, _deliveries, _recorded
from pipelines.publish.basis import Delivered
from pipelines.settings import PROJECT_DIR
from pipelines.sources import load_sources
from tests.unit.answers.scorecards import Scorecard

MONDAY, TUESDAY, WEDNESDAY = (date(2025, 3, day) for day in (3, 4, 5))
PUBLISHED = [
    Delivered("shop", "orders", MONDAY, "a"),
    Delivered("shop", "orders", TUESDAY, "b"),
    Delivered("crm", "deals", TUESDAY, "c"),
]


def test_the_same_deliveries_are_used() -> None:
    found = _deliveries(PUBLISHED, PUBLISHED)
    assert set(found.used) == {("shop", "orders", MONDAY), ("shop", "orders", TUESDAY), ("crm", "deals", TUESDAY)}
    assert (found.unpublished_days, found.new_tables) == ([], [])


def test_what_landed_later_is_left_out() -> None:
    late = [Delivered("shop", "orders", WEDNESDAY, "d"), Delivered("crm", "deals", MONDAY, "e")]
    found = _deliveries(PUBLISHED, [*PUBLISHED, *late])
    assert set(found.used) == {("shop", "orders", MONDAY), ("shop", "orders", TUESDAY), ("crm", "deals", TUESDAY)}
    assert found.unpublished_days == [MONDAY, WEDNESDAY]


def test_a_new_source_is_used_up_to_the_last_published_day() -> None:
    new = [Delivered("web", "orders", day, "f") for day in (MONDAY, TUESDAY, WEDNESDAY)]
    found = _deliveries(PUBLISHED, [*PUBLISHED, *new])
    assert {key for key in found.used if key[0] == "web"} == {("web", "orders", MONDAY), ("web", "orders", TUESDAY)}
    assert (found.unpublished_days, found.new_tables) == ([], ["web.orders"])


def test_a_source_that_is_no_longer_enabled_is_not_used() -> None:
    found = _deliveries(PUBLISHED, [one for one in PUBLISHED if one.source == "shop"])
    assert set(found.used) == {("shop", "orders", MONDAY), ("shop", "orders", TUESDAY)}


@pytest.mark.parametrize(
    "now",
    [[PUBLISHED[0], Delivered("shop", "orders", TUESDAY, "other"), PUBLISHED[2]], [PUBLISHED[0], PUBLISHED[2]]],
    ids=["replaced", "gone"],
)
def test_deliveries_that_are_not_there_any_more_are_named(now: list[Delivered]) -> None:
    with pytest.raises(ConfigError, match=r"replaced since the publication: shop\.orders of 2025-03-04\. .* kpi run"):
        _deliveries(PUBLISHED, now)


def test_a_table_of_which_nothing_has_landed_is_named() -> None:
    sources = load_sources(["survey"], PROJECT_DIR / "company")
    used = [("survey", "responses", MONDAY), ("survey", "invitations", MONDAY)]
    _check_each_table(sources, used)
    with pytest.raises(ConfigError, match=r"Nothing has landed of survey\.invitations, .* kpi sources check survey\."):
        _check_each_table(sources, used[:1])


def test_a_publication_says_what_it_was_made_from(tmp_path: Path) -> None:
    scorecard = Scorecard({}, deliveries={MONDAY: "a"}, left_out=[TUESDAY])
    used, [in_question] = _recorded(scorecard.write(tmp_path / "new.duckdb"))
    assert used == [Delivered("shop", "orders", MONDAY, "a")]
    assert (in_question.delivered_on, in_question.state) == (TUESDAY, "left_out")
    with pytest.raises(ConfigError, match=r"An earlier version made the current publication.* kpi run"):
        _recorded(Scorecard({}, is_recorded=False).write(tmp_path / "old.duckdb"))
