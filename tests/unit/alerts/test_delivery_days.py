"""A failure for one delivery day is not resolved by the delivery of another day."""

from datetime import timedelta

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
    world.service.acknowledge([world.incident()], "anna", "it will never come", world.now)
    world.later(hours=24)
    fails(world, "2026-01-08")
    assert world.heard() == ["new"]
    world.later(hours=24)
    fails(world, "2026-01-10")
    assert world.heard() == ["new", "new"]
    assert world.incident().finding.deliveries == ("2026-01-08", "2026-01-10")
    assert (world.incident().state, world.incident().by) == ("repeated", "")


def test_an_acknowledged_day_stays_open_and_quiet_while_others_pass(world: World) -> None:
    fails(world, "2026-01-08")
    world.service.acknowledge([world.incident()], "anna", "it comes on Monday", world.now)
    for day in ("2026-01-09", "2026-01-10", "2026-01-11"):
        world.later(hours=24)
        passes(world, day)
    assert (world.incident().state, world.heard()) == ("acknowledged", ["new"])
    passes(world, "2026-01-08")
    assert world.heard() == ["new", "resolved"]


def test_a_warning_of_a_day_whose_files_nobody_awaits_any_more_ends_by_itself(world: World) -> None:
    world.fails(asset="raw/shop/orders", severity="warning", deliveries=("2026-01-08",), by_delivery=True)
    world.later(days=90)  # late_file_days: 90; it is 2026-04-12
    world.now -= timedelta(days=5)
    world.tick()
    assert world.incident().state == "notified"
    world.later(days=5)
    world.tick()
    assert world.heard() == ["new", "resolved"]
    assert world.incident().resolution == (
        "files of days before 2026-01-12 are no longer expected (setting late_file_days)"
    )


def test_what_holds_a_publication_back_never_ends_by_itself(world: World) -> None:
    world.fails(asset="raw/shop/orders", blocking=True, deliveries=("2026-01-08",), by_delivery=True)
    world.later(days=365)
    world.tick()
    assert world.incident().state == "notified"


def test_a_range_of_days_ends_those_that_it_holds(world: World) -> None:
    fails(world, "2026-01-08")
    passes(world, "2026-01-05", "2026-01-06")
    assert world.incident().state == "notified"
    passes(world, "2026-01-07", "2026-01-08")
    assert world.incident().state == "resolved"


def test_what_failed_in_a_range_ends_with_the_last_of_the_days_that_did(world: World) -> None:
    world.fails(asset="raw/shop/orders", deliveries=("2026-01-05", "2026-01-06"), by_delivery=True)
    for day in ("2026-01-07", "2026-01-06"):
        passes(world, day)
        assert world.incident().state == "notified"
    passes(world, "2026-01-05")
    assert world.incident().state == "resolved"


def test_an_older_report_of_another_day_is_not_lost(world: World) -> None:
    earlier = world.now
    world.later(hours=1)
    fails(world, "2026-01-09")
    world.report(finding(asset="raw/shop/orders", deliveries=("2026-01-08",), by_delivery=True), at=earlier)
    passes(world, "2026-01-09")
    assert world.incident().finding.deliveries == ("2026-01-08",)
