"""The whole job, from landing to publication, with a fault at many of its steps.

It is the job of `tests/integration/test_nothing_rejected_is_published.py`: real assets, checks, dbt, gate and
publication in Dagster, for two shops. The first day is published, and the second one is run.
"""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from unittest import mock

import dagster as dg
import pytest

from pipelines.alerts.run_report import report_of_run
from tests.faults.injection import Fault
from tests.faults.trials import BlockedError, Operation, State, Trial, nothing
from tests.integration.test_nothing_rejected_is_published import FIRST_DAY, SOURCES, Company

SECOND_DAY = FIRST_DAY + timedelta(days=1)


def run_second_day(folder: Path) -> None:
    """Run the job as `kpi run` does. An error of the disk that may pass by itself is tried again, without a pause."""
    company = Company(folder, is_opened=True)
    job = company.definitions.resolve_job_def("everything")
    with dg.DagsterInstance.ephemeral() as instance, mock.patch("time.sleep"):
        result = job.execute_in_process(instance=instance, raise_on_error=False, partition_key=str(SECOND_DAY))
        if not result.success:
            report = report_of_run(instance, result.run_id, {}, company.settings)
            raise BlockedError("\n".join(report.blocked_by))


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
    ],
)
@pytest.mark.usefixtures("prepared")
def test_any_fault(fault: Fault, every: int, survives: Callable[..., list[Trial]]) -> None:
    trials = survives(JOB, fault, every)
    assert {trial.outcome for trial in trials} <= {"all-old", "all-new"}
