"""What is read from Dagster's files, compared with Dagster, which writes them."""

import shutil
import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pytest

from pipelines.damage import StoreError
from pipelines.runs.history import JOB, SCHEDULE, DagsterHistory
from tests.unit.dagster_state import beat, switch_schedule

MOMENT = datetime(2026, 1, 9, 9, 30, tzinfo=UTC)


@pytest.fixture
def instance(tmp_path: Path, new_dagster_home: Path) -> Iterator[dg.DagsterInstance]:
    shutil.copytree(new_dagster_home, tmp_path, dirs_exist_ok=True)
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


@pytest.fixture
def history(tmp_path: Path) -> DagsterHistory:
    return DagsterHistory(tmp_path)


def run(instance: dg.DagsterInstance, job: str = JOB, succeeds: bool = True, **tags: str) -> str:
    @dg.op
    def work() -> None:
        if not succeeds:
            raise dg.Failure("no")

    made = dg.GraphDefinition(job, node_defs=[work]).to_job()
    tags = {name.replace("__", "/"): value for name, value in tags.items()}
    return made.execute_in_process(instance=instance, raise_on_error=False, tags=tags).run_id


def test_runs_of_the_daily_job_come_newest_first_with_their_days(
    instance: dg.DagsterInstance, history: DagsterHistory
) -> None:
    first = run(instance, dagster__partition="2026-01-08")
    run(instance, job="another")
    tags = {"dagster__asset_partition_range_start": "2026-01-08", "dagster__asset_partition_range_end": "2026-01-09"}
    second = run(instance, succeeds=False, **tags)
    newer, older = history.runs()
    assert (newer.run_id, newer.has_failed, newer.days) == (second, True, (date(2026, 1, 8), date(2026, 1, 9)))
    assert (older.run_id, older.status, older.days) == (first, "SUCCESS", (date(2026, 1, 8),))
    record = instance.get_run_record_by_id(second)
    assert record
    assert record.end_time
    assert newer.ended_at == datetime.fromtimestamp(record.end_time, UTC)
    assert newer.has_ended


def test_a_run_that_was_only_asked_for_has_not_ended(instance: dg.DagsterInstance, history: DagsterHistory) -> None:
    instance.create_run_for_job(dg.job(name=JOB)(lambda: None))
    [asked] = history.runs()
    assert not asked.has_ended
    assert asked.ended_at is None
    assert asked.started_at.tzinfo is UTC


def test_the_daemons_last_sign_of_life(instance: dg.DagsterInstance, history: DagsterHistory) -> None:
    assert history.daemon_seen_at() is None
    beat(instance, MOMENT)
    assert history.daemon_seen_at() == MOMENT


def test_the_switch_of_the_schedule_and_of_no_other(instance: dg.DagsterInstance, history: DagsterHistory) -> None:
    switch_schedule(instance, on=True, name="another")
    assert history.switch() is None
    switch_schedule(instance, on=True, name=SCHEDULE)
    assert history.switch() is True
    switch_schedule(instance, on=False, name=SCHEDULE)
    assert history.switch() is False


def test_where_dagster_never_ran_nothing_has_happened_and_nothing_is_made(tmp_path: Path) -> None:
    history = DagsterHistory(tmp_path / "none")
    assert (history.runs(), history.daemon_seen_at(), history.switch()) == ([], None, None)
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_another_version_is_named(tmp_path: Path) -> None:
    (tmp_path / "history").mkdir()
    with sqlite3.connect(tmp_path / "history" / "runs.db") as other:
        other.execute("create table pipelines (id integer)")
    with pytest.raises(StoreError, match=r"runs\.db cannot be read: no such table: runs"):
        DagsterHistory(tmp_path).runs()


def test_a_tag_that_is_no_date_is_no_day(instance: dg.DagsterInstance, history: DagsterHistory) -> None:
    """Dagster's API takes any tag, and one run must not keep people from seeing the others."""
    run(instance, dagster__partition="2026-01-11.csv")
    run(instance, dagster__asset_partition_range_start="2026-01-08", dagster__asset_partition_range_end="soon")
    assert [found.days for found in history.runs()] == [(), ()]
