"""From a failing finding to its end: who is notified, and how often."""

from datetime import timedelta
from typing import Any

import pytest

from pipelines.alerts.reports import Report
from tests.unit.alerts.conftest import ONE_FILE, World, finding

RECORDS_IN_BOTH = True


def routed(*routes: dict[str, Any], **more: Any) -> dict[str, Any]:
    """`alerts.yml` with the channels people, phone and desk, which are files, and a keeper that resembles PagerDuty."""
    channels: dict[str, Any] = {name: {"kind": "file", "path": f"{name}.jsonl"} for name in ("people", "phone", "desk")}
    channels["pager"] = {"kind": "pagerduty", "routing_key_env": "KEY"}
    return {"channels": channels, "routes": list(routes), **more}


def test_a_failure_is_told_once_and_its_end_once(world: World) -> None:
    world.fails()
    assert world.incident().state == "notified"
    world.later(hours=1)
    world.passes()
    world.later(hours=1)
    world.passes()
    assert world.heard() == ["new", "resolved"]
    assert world.incident().state == "resolved"


def test_what_never_failed_is_nothing(world: World) -> None:
    assert world.passes().resolved == 0
    assert world.incidents() == []
    assert world.notices() == []


def test_the_same_report_again_changes_nothing(world: World) -> None:
    report = Report("run 1", world.now, (finding(),))
    assert world.service.ingest(report, world.now).opened == 1
    world.later(hours=30)
    assert world.service.ingest(report, world.now).notified == 0
    world.flush()
    assert world.heard() == ["new"]
    assert world.incident().times == 1


@pytest.mark.parametrize(("severity", "reminded"), [("critical", list(range(1, 10))), ("warning", [3, 6, 9])])
def test_ten_days_of_failing_are_a_first_notice_and_reminders(world: World, severity: str, reminded: list[int]) -> None:
    days_heard = []
    for day in range(10):
        before = len(world.notices())
        world.fails(severity=severity)
        if len(world.notices()) > before:
            days_heard.append(day)
        world.later(hours=24, minutes=-7 if day % 2 else 7)  # no daily run ends at exactly the same minute
    assert days_heard == [0, *reminded]
    assert world.heard() == ["new", *["reminder"] * len(reminded)]
    assert world.incident().state == "repeated"
    world.passes(severity=severity)
    assert world.heard()[-1] == "resolved"


def test_hours_of_reminders_are_settings(world: World) -> None:
    world.said = {**ONE_FILE, "renotify_hours": {"critical": 2, "warning": None}}
    for _ in range(5):
        world.fails()
        world.report(finding(check="other", severity="warning"))
        world.later(hours=1)
    told = [(part["check"], part["because"]) for notice in world.notices() for part in notice["incidents"]]
    assert told == [
        ("order_id_unique", "new"), ("other", "new"), ("order_id_unique", "reminder"), ("order_id_unique", "reminder"),
    ]  # fmt: skip


def test_a_retry_alerts_nobody_again_but_for_what_is_new(world: World) -> None:
    world.fails()
    world.later(hours=48)
    world.report(finding(), attempt_of="run 1")
    assert world.heard() == ["new"]
    world.report(finding(), finding(check="not_empty"), attempt_of="run 1")
    assert [part["check"] for part in world.notices()[-1]["incidents"]] == ["not_empty"]
    world.report(finding(passed=True), attempt_of="run 1")
    assert world.heard() == ["new", "new", "resolved"]


def test_two_causes_in_one_run_are_one_message_and_their_ends_another(world: World) -> None:
    both = finding(), finding(asset="raw/orders", check="not_empty", severity="warning")
    world.report(*both, impact=("marts/a", "marts/b"))
    [notice] = world.notices()
    assert [part["asset"] for part in notice["incidents"]] == ["staging/orders", "raw/orders"]
    assert notice["subject"].endswith("3 of 100 rows are duplicates (and 1 more)")
    assert notice["impact"] == {"count": 2, "assets": ["marts/a", "marts/b"]}
    world.report(finding(passed=True), finding(asset="raw/orders", check="not_empty", passed=True))
    [_, end] = world.notices()
    assert (end["kind"], len(end["incidents"])) == ("resolved", 2)


def test_a_check_that_failed_for_several_days_is_one_incident(world: World) -> None:
    world.report(
        finding(deliveries=("2026-01-09",), severity="warning"),
        finding(deliveries=("2026-01-10",), passed=True),
        finding(deliveries=("2026-01-11",)),
    )
    [incident] = world.incidents()
    assert incident.severity == "critical"
    assert incident.finding.deliveries == ("2026-01-09", "2026-01-11")
    assert "The same in 1 more." in incident.finding.message


def test_what_gets_worse_is_told_at_once_even_if_acknowledged(world: World) -> None:
    world.fails(severity="warning")
    world.service.acknowledge([world.incident()], "kim", "", world.now)
    world.later(hours=100)
    world.fails(severity="warning")
    assert world.heard() == ["new"]
    world.fails(severity="critical")
    assert world.heard() == ["new", "worse"]
    assert (world.incident().state, world.incident().by) == ("repeated", "")
    world.fails(severity="warning")
    world.fails(severity="critical")  # that is already known
    assert world.heard() == ["new", "worse"]


def test_an_acknowledged_incident_is_quiet_and_its_end_is_told(world: World) -> None:
    world.fails()
    world.service.acknowledge([world.incident()], "kim", "supplier called", world.now)
    for _ in range(5):
        world.later(hours=24)
        world.fails()
        world.tick()
    assert world.heard() == ["new"]
    world.passes()
    assert world.heard() == ["new", "resolved"]


def test_a_muted_incident_is_silent_until_then_and_told_again_if_it_still_fails(world: World) -> None:
    world.fails(severity="warning")
    world.service.mute([world.incident()], world.now + timedelta(days=4), "kim", "known", world.now)
    for _ in range(3):
        world.later(days=1)
        world.fails(severity="critical")
        world.tick()
    assert world.heard() == ["new"]
    world.later(days=1)
    world.fails(severity="warning")
    assert world.heard() == ["new", "mute_over"]
    assert (world.incident().muted_until, world.incident().reason) == (None, "")


def test_a_muted_incident_ends_in_silence_and_comes_back_muted(world: World) -> None:
    world.fails()
    world.service.mute([world.incident()], world.now + timedelta(days=4), "kim", "known", world.now)
    world.later(days=1)
    world.passes()
    world.later(days=1)
    world.fails()
    assert world.heard() == ["new"]
    assert (world.incident().state, world.incident().reason) == ("muted", "known")
    world.later(days=3)
    world.fails()
    assert world.heard() == ["new", "mute_over"]


def test_unmuting_has_it_reminded_as_usual(world: World) -> None:
    world.fails()
    world.service.mute([world.incident()], world.now + timedelta(days=4), "kim", "known", world.now)
    world.service.unmute([world.incident()], "kim", world.now)
    assert world.incident().state == "notified"
    world.later(days=1)
    world.fails()
    assert world.heard() == ["new", "reminder"]


def test_flapping_is_told_once_then_neither_openings_nor_ends(world: World) -> None:
    for _ in range(6):
        world.fails()
        world.later(hours=1)
        world.passes()
        world.later(hours=1)
    # The first opening and two more are notified with their ends. When it returns for the third time, it is flapping.
    assert world.heard() == ["new", "resolved"] * 3 + ["flapping"]
    thread = world.notices()[-1]["incidents"][0]["thread"]
    world.later(days=6.9)
    world.tick()
    assert len(world.notices()) == 7
    world.later(days=0.2)
    world.tick()
    world.tick()
    assert world.heard()[7:] == ["resolved"]
    assert world.notices()[-1]["incidents"][0]["thread"] == thread
    world.fails()
    assert world.heard()[8:] == ["new"]


def test_what_flapped_and_stays_is_reminded_of(world: World) -> None:
    for _ in range(4):
        world.fails()
        world.later(hours=1)
        world.passes()
        world.later(hours=1)
    world.later(days=2)
    world.fails()
    assert world.heard()[-1] == "flapping"
    world.later(hours=24)
    world.fails()
    assert world.heard()[-2:] == ["flapping", "reminder"]


def test_what_flaps_on_is_not_reminded_of(world: World) -> None:
    for _ in range(3):
        world.fails()
        world.later(hours=1)
        world.passes()
        world.later(hours=1)
    world.fails()
    assert world.heard()[-1] == "flapping"
    world.passes()
    world.later(hours=23)
    world.fails()
    world.later(hours=2)  # it has failed for two hours, although it was notified a day ago
    world.fails()
    assert world.heard()[-1] == "flapping"


def test_what_flaps_and_gets_worse_is_told(world: World) -> None:
    for _ in range(4):
        world.fails(severity="warning")
        world.later(hours=1)
        world.passes(severity="warning")
        world.later(hours=1)
    world.fails(severity="critical")
    assert world.heard()[-2:] == ["flapping", "worse"]


def test_failing_once_a_week_is_not_flapping(world: World) -> None:
    for _ in range(6):
        world.fails()
        world.later(days=1)
        world.passes()
        world.later(days=6)
    assert world.heard() == ["new", "resolved"] * 6


def test_nobody_acknowledges_and_others_are_called_once(world: World) -> None:
    world.said = routed({"channels": ["people"], "escalate_to": ["phone"], "escalate_after_hours": 4})
    world.report(finding(), finding(check="late", severity="warning"))
    world.later(hours=3.9)
    world.tick()
    assert world.notices("phone") == []
    world.later(hours=0.2)
    world.tick()
    world.later(hours=5)
    world.tick()
    assert world.heard("phone") == ["unacknowledged"]
    assert [part["check"] for part in world.notices("phone")[0]["incidents"]] == ["order_id_unique"]
    world.passes()
    assert world.heard("phone") == ["unacknowledged", "resolved"]
    assert world.heard("people") == ["new", "resolved"]


@pytest.mark.parametrize("act", ["acknowledge", "mute", "resolve"])
def test_nobody_is_called_for_what_somebody_dealt_with(world: World, act: str) -> None:
    world.said = routed({"channels": ["people"], "escalate_to": ["phone"]})
    world.fails()
    if act == "acknowledge":
        world.service.acknowledge([world.incident()], "kim", "", world.now)
    elif act == "mute":
        world.service.mute([world.incident()], world.now + timedelta(days=1), "kim", "known", world.now)
    else:
        world.passes()
    world.later(hours=10)
    world.tick()
    assert world.notices("phone") == []


def test_info_is_on_record_and_told_where_a_route_asks(world: World) -> None:
    world.fails(severity="info")
    assert world.notices() == []
    assert world.incident().state == "open"
    world.passes(severity="info")
    assert world.notices() == []
    world.said = routed({"channels": ["people"]}, {"severities": ["info"], "channels": ["desk"]})
    world.fails(severity="info")
    world.later(days=30)
    world.fails(severity="info")
    assert (world.heard("people"), world.heard("desk")) == ([], ["new"])
    world.fails(severity="warning")
    assert (world.heard("people"), world.heard("desk")) == (["worse"], ["new"])
    world.passes(severity="warning")
    assert (world.heard("people"), world.heard("desk")) == (["worse", "resolved"], ["new", "resolved"])


def test_routes_by_owner_and_tag(world: World) -> None:
    world.said = routed(
        {"severities": ["critical"], "channels": ["people"]},
        {"owners": ["team:sales"], "channels": ["desk", "people"]},
        {"tags": ["shop", "crm"], "channels": ["phone"]},
    )
    world.report(finding(owner="team:sales"), finding(check="late", severity="warning", tags=("shop",)))
    assert [part["check"] for part in world.notices("people")[0]["incidents"]] == ["order_id_unique"]
    assert [part["check"] for part in world.notices("desk")[0]["incidents"]] == ["order_id_unique"]
    assert [part["check"] for part in world.notices("phone")[0]["incidents"]] == ["late"]
    assert len(world.notices("people")) == 1


HOURS = {"from": "08:00", "to": "18:00"}


def test_a_warning_waits_for_the_hours_and_a_critical_one_does_not(world: World) -> None:
    world.said = routed({"channels": ["people"], "hours": HOURS})
    world.report(finding(), finding(check="late", severity="warning"))  # Monday, 06:00 in Warsaw
    assert [part["check"] for part in world.notices()[0]["incidents"]] == ["order_id_unique"]
    world.later(hours=1, minutes=59)
    world.tick()
    assert len(world.notices()) == 1
    world.later(minutes=1)
    world.tick()
    assert [part["check"] for part in world.notices()[1]["incidents"]] == ["late"]


def test_what_ends_before_anybody_heard_of_it_is_never_told(world: World) -> None:
    world.said = routed({"channels": ["people"], "hours": HOURS})
    world.report(finding(check="a", severity="warning"), finding(check="b", severity="warning"))
    world.later(minutes=30)
    world.report(finding(check="a", severity="warning", passed=True))
    world.later(hours=3)
    world.tick()
    [notice] = world.notices()
    assert [part["check"] for part in notice["incidents"]] == ["b"]
    assert "more" not in notice["subject"]
    world.report(finding(check="b", severity="warning", passed=True))
    assert world.heard() == ["new", "resolved"]


def test_what_got_worse_replaces_what_was_held(world: World) -> None:
    world.said = routed({"channels": ["people"], "hours": HOURS})
    world.fails(severity="warning")
    world.later(minutes=5)
    world.fails(severity="critical")
    world.later(hours=5)
    world.tick()
    assert world.heard() == ["worse"]


def test_an_old_report_does_not_undo_a_newer_one(world: World) -> None:
    earlier = world.now - timedelta(hours=1)
    world.fails()
    world.report(finding(passed=True), at=earlier)
    world.report(finding(severity="info", message="older"), at=earlier)
    assert (world.incident().state, world.incident().severity, world.incident().times) == ("notified", "critical", 1)
    world.passes()
    world.report(finding(), at=earlier)
    assert world.incident().state == "resolved"
    assert world.heard() == ["new", "resolved"]


def test_a_keeper_of_incidents_gets_each_by_itself_and_hears_of_acknowledgement_and_end(world: World) -> None:
    world.said = routed({"channels": ["pager", "people"]})
    world.report(finding(), finding(check="not_empty"), flush=False)
    first, second = world.incidents()
    world.service.acknowledge([first], "kim", "", world.now)
    world.service.mute([second], world.now + timedelta(days=1), "kim", "known", world.now)
    world.report(finding(passed=True), finding(check="not_empty", passed=True), flush=False)
    with world.service.store.transaction() as transaction:
        pager = [notice for notice in transaction.notices("queued", "withdrawn") if notice.channel == "pager"]
    said = [(notice.content["kind"], notice.threads, notice.state) for notice in pager]
    # Nothing had been sent yet, so no end had to be notified.
    assert said == [
        ("problem", (first.thread,), "withdrawn"), ("problem", (second.thread,), "withdrawn"),
        ("acknowledged", (first.thread,), "withdrawn"),
    ]  # fmt: skip


def test_a_keeper_of_incidents_hears_of_the_end_of_a_muted_one(world: World) -> None:
    world.said = routed({"channels": ["pager", "people"]})
    world.fails()  # the pager fails because its key is not set, but it was tried
    world.service.mute([world.incident()], world.now + timedelta(days=1), "kim", "known", world.now)
    world.report(finding(passed=True), flush=False)
    with world.service.store.transaction() as transaction:
        assert [(notice.channel, notice.content["kind"]) for notice in transaction.notices("queued")] == [
            ("pager", "resolved")
        ]


def test_what_ended_long_ago_is_forgotten(world: World) -> None:
    world.fails()
    world.passes()
    world.fails(check="stays")
    world.later(days=89)
    world.tick()
    assert len(world.incidents()) == 2
    world.later(days=2)
    world.tick()
    assert [incident.check for incident in world.incidents()] == ["stays"]
    with world.service.store.transaction() as transaction:
        assert transaction.notices("sent", "withdrawn") == []
    world.passes(check="stays")
    assert world.heard() == ["new", "resolved", "new", "resolved"]


def test_a_time_without_a_zone_is_refused(world: World) -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        world.service.ingest(Report("run", world.now, (finding(),)), world.now.replace(tzinfo=None))


def test_what_a_person_resolves_is_over_and_everybody_who_was_told_hears_why(world: World) -> None:
    world.fails()
    world.service.resolve([world.incident()], "kim", "the shop was closed", world.now)
    world.flush()
    ended = world.incident()
    assert (ended.state, ended.by, ended.resolution) == ("resolved", "kim", "kim resolved it: the shop was closed")
    assert world.heard() == ["new", "resolved"]
    with world.service.store.transaction() as transaction:
        what = [(event.what, event.who, event.detail) for event in transaction.history(ended)]
    assert what[-1] == ("resolved", "kim", "the shop was closed")


def test_what_a_person_resolved_opens_again_when_it_fails_again(world: World) -> None:
    world.fails()
    world.service.resolve([world.incident()], "kim", "it was nothing", world.now)
    world.later(hours=1)
    world.fails()
    assert [incident.state for incident in world.incidents()] == ["resolved", "notified"]
    assert world.heard() == ["new", "resolved", "new"]
