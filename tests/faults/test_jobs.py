"""The whole job, from landing to publication, with a fault at many of its steps.

It is the job of `tests/integration/test_nothing_rejected_is_published.py`: real assets, checks, dbt, gate and
publication in Dagster, for two shops. The first day is published, and the second one is run.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from unittest import mock

import dagster as dg
import pytest

from pipelines.alerts.run_report import report_of_run
from pipelines.warehouse import hold_writer_lock, release_writer_lock
from tests.faults.injection import Fault
from tests.faults.trials import BlockedError, Operation, State, Trial, nothing
from tests.integration.test_nothing_rejected_is_published import FIRST_DAY, SOURCES, Company

SECOND_DAY = FIRST_DAY + timedelta(days=1)


def run_second_day(folder: Path) -> None:
    """Run the job as `kpi run` does. An error of the disk that may pass by itself is tried again, without a pause."""
    company = Company(folder, is_opened=True)
    hold_writer_lock(company.settings.warehouse_path, "a trial", print)
    job = company.definitions.resolve_job_def("everything")
    sleep = time.sleep  # which may say that this process waits for another
    with dg.DagsterInstance.ephemeral() as instance, mock.patch("time.sleep", partial(_at_once, sleep)):
        result = job.execute_in_process(instance=instance, raise_on_error=False, partition_key=str(SECOND_DAY))
        release_writer_lock(company.settings.warehouse_path)
        if not result.success:
            report = report_of_run(instance, result.run_id, {}, company.settings)
            raise BlockedError("\n".join(report.blocked_by))


def _at_once(sleep: Callable[[float], None], _: float) -> None:
    sleep(0)


def look(folder: Path) -> State:
    """The as-of date and the rows that analysts read."""
    return {"published": str(Company(folder, is_opened=True).published())}


JOB = Operation(
    "the whole job", nothing, run_second_day, look, names=r"publications/\.?[^/]+|data_docs/.*|(^|/)dbt(/.*|$)"
)


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    company = Company(tmp_path / "here")
    for name in SOURCES:
        company.deliver((name, FIRST_DAY), "good")
    company.run(None)
    for name in SOURCES:
        company.deliver((name, SECOND_DAY), "good")
    return tmp_path


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("fault", "every"),
    [
        (Fault.KILLED, 60),
        (Fault.FULL, 40),
        (Fault.IO_ERROR, 40),
        (Fault.FORBIDDEN, 40),
        (Fault.TORN, 1024),
        (Fault.SHORT, 1024),
        (Fault.AWAITED, 300),
        (Fault.TWICE, 300),
    ],
)
@pytest.mark.usefixtures("prepared")
def test_any_fault(fault: Fault, every: int, survives: Callable[..., list[Trial]]) -> None:
    trials = survives(JOB, fault, every)
    assert {trial.outcome for trial in trials} <= {"all-old", "all-new"}
