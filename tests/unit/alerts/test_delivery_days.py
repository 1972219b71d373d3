"""What fails for one delivery day is not mended by another day's delivery."""

from tests.unit.alerts.conftest import World, finding


def fails(world: World, *days: str) -> None:
    world.fails(asset="raw/shop/orders", deliveries=days, by_delivery=len(days) == 1)


def passes(world: World, *days: str) -> None:
    world.passes(asset="raw/shop/orders", deliveries=days, by_delivery=len(days) == 1)


def test_only_the_day_itself_ends_what_it_opened(world: World) -> None:
    fails(world, "2026-01-08")
    world.later(hours=1)
    passes(world, "2026-01-09")
    assert world.heard() == ["new"]
    assert world.incident().state == "notified"
    world.later(hours=1)
    passes(world, "2026-01-08")
    assert world.heard() == ["new", "resolved"]


def test_several_days_are_one_incident_that_the_last_of_them_ends(world: World) -> None:
    for day in ("2026-01-08", "2026-01-09"):
        fails(world, day)
        world.later(hours=1)
    assert world.incident().finding.deliveries == ("2026-01-08", "2026-01-09")
    passes(world, "2026-01-08")
    assert world.incident().finding.deliveries == ("2026-01-09",)
    passes(world, "2026-01-09")
    assert world.heard() == ["new", "resolved"]
    assert len(world.incidents()) == 1


def test_people_are_reminded_of_a_day_that_nobody_mends_while_later_days_pass(world: World) -> None:
    fails(world, "2026-01-08")
    for day in ("2026-01-09", "2026-01-10"):
        world.later(hours=24)
        passes(world, day)
    assert world.heard() == ["new", "reminder", "reminder"]
    assert world.notices()[-1]["incidents"][0]["deliveries"] == ["2026-01-08"]


def test_an_acknowledged_day_does_not_hide_the_next_that_fails(world: World) -> None:
    fails(world, "2026-01-08")
    world.desk.acknowledge([world.incident()], "anna", "it will never come", world.now)
    world.later(hours=24)
    passes(world, "2026-01-09")
    assert world.incident().state == "resolved"
    world.later(hours=24)
    fails(world, "2026-01-10")
    assert world.heard() == ["new", "resolved", "new"]


def test_a_range_of_days_ends_those_that_it_holds(world: World) -> None:
    fails(world, "2026-01-08")
    passes(world, "2026-01-05", "2026-01-06")
    assert world.incident().state == "notified"
    passes(world, "2026-01-07", "2026-01-08")
    assert world.incident().state == "resolved"


def test_of_a_range_that_failed_nobody_knows_the_day_and_any_day_ends_it(world: World) -> None:
    fails(world, "2026-01-05", "2026-01-06")
    passes(world, "2026-01-07")
    assert world.incident().state == "resolved"


def test_an_older_report_of_another_day_is_not_lost(world: World) -> None:
    earlier = world.now
    world.later(hours=1)
    fails(world, "2026-01-09")
    world.report(finding(asset="raw/shop/orders", deliveries=("2026-01-08",), by_delivery=True), at=earlier)
    passes(world, "2026-01-09")
    assert world.incident().finding.deliveries == ("2026-01-08",)
