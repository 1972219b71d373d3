"""Has Dagster itself write what its daemon, its UI and its steps write, for tests of code that reads it, and makes its
webserver.

Dagster has no public names for these, so this file may need changes after an upgrade.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.execution.plan.objects import StepSuccessData
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, ScheduleInstigatorData
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster._daemon.types import DaemonHeartbeat
from dagster_webserver.webserver import DagsterWebserver
from starlette.applications import Starlette

from pipelines.runs.history import SCHEDULE


def switch_schedule(instance: dg.DagsterInstance, on: bool, name: str = SCHEDULE) -> None:
    """Do what the switch in the UI does."""
    location = ManagedGrpcPythonEnvCodeLocationOrigin(LoadableTargetOrigin(module_name="pipelines.definitions"))
    state = InstigatorState(
        RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), name),
        InstigatorType.SCHEDULE,
        InstigatorStatus.RUNNING if on else InstigatorStatus.STOPPED,
        ScheduleInstigatorData("30 10 * * *"),
    )
    known = {known.name for known in instance.all_instigator_state()}
    (instance.update_instigator_state if name in known else instance.add_instigator_state)(state)


def end_step(instance: dg.DagsterInstance, run: dg.DagsterRun, step: str) -> None:
    """Do what an executor does when a step has succeeded."""
    event = dg.DagsterEvent("STEP_SUCCESS", run.job_name, step_key=step, event_specific_data=StepSuccessData(1.0))
    instance.report_dagster_event(event, run.run_id)


def beat(instance: dg.DagsterInstance, at: datetime) -> None:
    """Do what the daemon does every half minute."""
    instance.add_daemon_heartbeat(DaemonHeartbeat(at.timestamp(), "SENSOR", "one", None))


@contextmanager
def webserver(
    made_by: type[DagsterWebserver[Any, Any]], instance: dg.DagsterInstance, read_only: bool = False, path: str = ""
) -> Iterator[Starlette]:
    """The application that `dagster-webserver` serves under `path`, without a code location."""
    with WorkspaceProcessContext(instance, EmptyWorkspaceTarget(), read_only=read_only) as context:
        yield made_by(context, path).create_asgi_app()
