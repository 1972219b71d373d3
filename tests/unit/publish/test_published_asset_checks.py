"""The published asset shows its state: after a publication, and whenever the state changes."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from pipelines.operations.status import CHECKS, Line, standing
from pipelines.publish import asset_checks
from pipelines.publish.asset_checks import published_checks, report_standing, standing_sensor
from pipelines.publish.assets import PUBLISHED_KEY
from pipelines.settings import PROJECT_DIR, Settings, at_ports, load_settings

OLD = "Numbers are as of 2026-01-09, 9 days behind 2026-01-18."


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(PROJECT_DIR / "kpi.yml").with_data_dir(tmp_path)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[Line]:
    """The current state, for a test to change. At first everything is fine, except that the numbers are old."""
    said = [Line(name, name != "fresh", OLD if name == "fresh" else "All is well.", "") for name in CHECKS]
    said[CHECKS.index("fresh")] = Line("fresh", False, OLD, "Deliver what is missing, then: kpi run")
    monkeypatch.setattr(asset_checks, "standing", lambda *_: list(said))
    return said


def told(instance: dg.DagsterInstance) -> dict[str, tuple[bool, str | None]]:
    """What the newest evaluation of each check says."""
    records = instance.get_event_records(dg.EventRecordsFilter(dg.DagsterEventType.ASSET_CHECK_EVALUATION))
    found = [record.event_log_entry.dagster_event for record in reversed(records)]
    evaluations = [event.asset_check_evaluation_data for event in found if event]
    return {evaluation.check_name: (evaluation.passed, evaluation.description) for evaluation in evaluations}


@pytest.mark.usefixtures("lines")
def test_a_publication_tells_how_it_stands_and_fails_no_run(settings: Settings, instance: dg.DagsterInstance) -> None:
    @dg.asset(key=PUBLISHED_KEY)
    def published() -> None: ...

    result = dg.materialize([published, published_checks(settings, [])], instance=instance)
    assert result.success
    assert told(instance)["fresh"] == (False, OLD)
    assert set(told(instance)) == set(CHECKS)
    [old] = [found for found in result.get_asset_check_evaluations() if found.check_name == "fresh"]
    assert old.metadata["next step"].value == "Deliver what is missing, then: kpi run"


@pytest.mark.usefixtures("lines")
def test_a_blocked_run_does_not_leave_the_checks_as_they_were(settings: Settings, instance: dg.DagsterInstance) -> None:
    report_standing(instance, settings, [])
    assert told(instance)["fresh"] == (False, OLD)


def test_what_changed_is_told_and_else_nothing(
    settings: Settings, instance: dg.DagsterInstance, lines: list[Line]
) -> None:
    sensor = standing_sensor(settings, [])
    first = sensor.evaluate_tick(dg.build_sensor_context(instance))
    assert len(first.asset_events) == len(CHECKS)
    report_standing(instance, settings, [])
    assert sensor.evaluate_tick(dg.build_sensor_context(instance)).skip_message == "Nothing has changed."
    lines[CHECKS.index("fresh")] = Line("fresh", True, "Numbers are as of 2026-01-18.")
    [fresh] = sensor.evaluate_tick(dg.build_sensor_context(instance)).asset_events
    assert (fresh.check_name, fresh.passed) == ("fresh", True)  # type: ignore[union-attr]


def test_the_pages_of_a_check_follow_the_port(
    settings: Settings, instance: dg.DagsterInstance, lines: list[Line]
) -> None:
    report_standing(instance, settings, [])
    moved = at_ports(settings, 3100, 3101)
    report_standing(instance, moved, [])
    record = instance.get_latest_asset_check_evaluation_record(dg.AssetCheckKey(PUBLISHED_KEY, "fresh"))
    assert record
    assert isinstance(record.evaluation, dg.AssetCheckEvaluation)
    pages = {name: value.value for name, value in record.evaluation.metadata.items() if name != "next step"}
    assert pages == {
        "incidents": "http://127.0.0.1:3101/incidents.html",
        "runbook": "http://127.0.0.1:3101/docs/operations.html#one-look",
    }
    assert asset_checks.changes(instance, moved, lines) == []


def test_what_cannot_be_told_fails_the_checks_and_not_the_run(
    settings: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object) -> list[Line]:
        raise OSError("the disk is gone")

    monkeypatch.setattr(asset_checks, "standing", breaks)
    report_standing(instance, settings, [])
    assert set(told(instance).values()) == {(False, "The state cannot be determined: OSError: the disk is gone")}


def test_there_is_a_line_for_each_check(settings: Settings) -> None:
    lines = standing(settings, [], datetime(2026, 1, 10, tzinfo=UTC))
    assert tuple(line.name for line in lines) == CHECKS
    assert all(line.sentence.endswith(".") for line in lines)
