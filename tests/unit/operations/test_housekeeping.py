"""What old runs leave behind is deleted. What assets know, and what is in progress, stays."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from sqlite3 import DatabaseError

import dagster as dg
import pytest

from pipelines.operations.housekeeping import forget_old_runs, housekeeping_sensor, tidy_safely
from pipelines.runs.job import prepare_instance
from pipelines.settings import Settings

DAYS = dg.DailyPartitionsDefinition("2025-01-01", "2025-01-04")


@dg.asset(partitions_def=DAYS)
def orders() -> None:
    """Something delivered each day."""


@dg.asset_check(asset=orders)
def not_empty() -> dg.AssetCheckResult:
    """Something that is checked each day."""
    return dg.AssetCheckResult(passed=True)


class House:
    """An installation that keeps one run."""

    def __init__(self, instance: dg.DagsterInstance, settings: Settings) -> None:
        self.instance, self.settings = instance, settings

    def run(self, day: str) -> str:
        """Run a day, and return the id of the run."""
        result = dg.materialize([orders, not_empty], instance=self.instance, partition_key=day)
        return result.run_id

    def files(self) -> set[str]:
        """How the names of the files that belong to single runs begin."""
        history = self.settings.dagster_home / "history" / "runs"
        storage = self.settings.dagster_home / "storage"
        return {path.name.split(".")[0] for path in (*history.iterdir(), *storage.iterdir())} - {"index"}

    def known(self) -> set[str]:
        return {run.run_id for run in self.instance.get_runs()}


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    settings = Settings(
        sources=["shop"],
        first_delivery=date(2025, 1, 1),
        time_zone="UTC",
        reporting_currency="EUR",
        data_dir=tmp_path,
        keep_runs=1,
    )
    monkeypatch.setenv("DAGSTER_HOME", "")
    prepare_instance(settings)
    with dg.DagsterInstance.get() as instance:
        yield House(instance, settings)


def test_of_the_runs_that_are_over_the_newest_stay_and_of_the_others_no_file(house: House) -> None:
    runs = [house.run("2025-01-01"), house.run("2025-01-02")]
    assert house.files() == set(runs)
    assert forget_old_runs(house.instance, house.settings) == 1
    assert house.known() == house.files() == {runs[1]}
    assert forget_old_runs(house.instance, house.settings) == 0


def test_a_run_under_way_is_not_touched_and_takes_nobodys_place(house: House) -> None:
    under_way = dg.DagsterRun(job_name="daily", status=dg.DagsterRunStatus.STARTED)
    house.instance.add_run(under_way)
    runs = [house.run("2025-01-01"), house.run("2025-01-02")]
    forget_old_runs(house.instance, house.settings)
    assert house.known() == {under_way.run_id, runs[1]}


def test_a_day_that_landed_stays_known_after_its_run_is_forgotten(house: House) -> None:
    for day in ("2025-01-01", "2025-01-02"):
        house.run(day)
    forget_old_runs(house.instance, house.settings)
    assert house.instance.get_materialized_partitions(orders.key) == {"2025-01-01", "2025-01-02"}


def test_the_newest_result_of_a_check_stays_known_after_its_run_is_forgotten(house: House) -> None:
    house.run("2025-01-01")
    dg.materialize([orders], instance=house.instance, partition_key="2025-01-02")
    forget_old_runs(house.instance, house.settings)
    [check] = not_empty.check_keys
    found = house.instance.get_latest_asset_check_evaluation_record(check)
    assert found is not None
    assert found.status.value == "SUCCEEDED"


def test_where_the_daemon_runs_a_sensor_does_it(house: House) -> None:
    house.run("2025-01-01")
    house.run("2025-01-02")
    said = housekeeping_sensor(house.settings)(dg.build_sensor_context(house.instance))
    assert isinstance(said, dg.SkipReason)
    assert said.skip_message == "1 old run deleted."


def test_a_history_that_cannot_be_used_fails_no_run(
    house: House, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_broken(*_: object) -> None:
        raise DatabaseError("no database")

    monkeypatch.setattr(house.instance, "get_run_records", is_broken)
    assert tidy_safely(house.instance, house.settings) == 0
    assert "Old runs could not be deleted: DatabaseError" in caplog.text
