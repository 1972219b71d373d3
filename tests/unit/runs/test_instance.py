"""The configuration of the Dagster instance, on one machine and on several hosts."""

from pathlib import Path

import yaml

from pipelines.runs import instance
from pipelines.runs.instance import instance_file
from pipelines.settings import Settings


def settings(**others: object) -> Settings:
    return Settings(sources=["shop"], first_delivery="2025-01-01", time_zone="UTC", reporting_currency="EUR", **others)


def test_on_one_machine_it_is_the_shipped_file() -> None:
    assert instance_file(settings()) == Path(instance.__file__).with_name("dagster.yaml").read_text(encoding="utf-8")


def test_hosts_share_runs_events_and_schedules_in_the_database_that_a_variable_names() -> None:
    written = yaml.safe_load(instance_file(settings(database_env="KPI_DATABASE")))
    for key in ("run_storage", "event_log_storage", "schedule_storage"):
        assert written[key]["module"] == "pipelines.runs.postgres_storage"
        assert written[key]["config"] == {"database_env": "KPI_DATABASE"}
    assert "run_launcher" not in written
    assert written["concurrency"] == {"runs": {"max_concurrent_runs": 1}}


def test_with_workers_a_run_whose_worker_died_is_started_again_and_no_other() -> None:
    written = yaml.safe_load(instance_file(settings(database_env="KPI_DATABASE", workers=["a:4000", "b:4000"])))
    assert written["run_launcher"]["config"] == {"workers": ["a:4000", "b:4000"]}
    assert written["run_retries"] == {"enabled": True, "max_retries": 1, "retry_on_asset_or_op_failure": False}
    assert written["run_monitoring"]["enabled"]
    assert written["run_monitoring"]["max_runtime_seconds"] == 7200  # as without workers
