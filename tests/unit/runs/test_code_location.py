"""Runs that were not started in the UI are shown as its own."""

from collections.abc import Iterator

import dagster as dg
import pytest
import yaml

from pipelines.runs.code_location import MODULE, belong_to_code_location
from pipelines.settings import PROJECT_DIR


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        belong_to_code_location(instance, "daily")
        yield instance


@dg.op
def fails() -> None:
    raise dg.Failure("no")


@dg.job
def daily() -> None:
    fails()


def test_a_run_in_this_process_belongs_to_the_code_location_of_the_ui(instance: dg.DagsterInstance) -> None:
    run_id = daily.execute_in_process(instance=instance, raise_on_error=False).run_id
    run = instance.get_run_by_id(run_id)
    assert run
    assert run.is_failure
    assert run.remote_job_origin
    assert run.remote_job_origin.repository_origin.get_label() == f"__repository__@{MODULE}"
    assert run.remote_job_origin.job_name == "daily"


def test_the_ui_finds_the_runs_of_its_repository(instance: dg.DagsterInstance) -> None:
    run_id = daily.execute_in_process(instance=instance, raise_on_error=False).run_id
    of_repository = dg.RunsFilter(tags={".dagster/repository": f"__repository__@{MODULE}"})
    assert [run.run_id for run in instance.get_runs(of_repository)] == [run_id]


def test_the_workspace_loads_that_code_location() -> None:
    workspace = yaml.safe_load((PROJECT_DIR / "workspace.yaml").read_text())
    assert workspace == {"load_from": [{"python_module": MODULE}]}
