"""Starts the runs of the UI and the schedule on other hosts: on the first of the setting `workers` that answers.

Belongs here: choosing a worker, and telling whether it still executes a run.
Does not belong here: `kpi run`, which executes its runs itself, and what happens to a run whose worker is gone, which
Dagster's daemon decides (`instance.py`).

A worker is a code server of Dagster's: `dagster api grpc --module-name pipelines.definitions`. `dagster.yaml` names
this class.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
from dagster._core.errors import DagsterLaunchFailedError, DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster._core.storage.tags import RETRY_STRATEGY_TAG
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult

_SECONDS_TO_ANSWER = 10
_LOOKS = 3  # a worker that does not answer to this many looks in a row is gone


class WorkersLauncher(dg.DefaultRunLauncher):
    """Starts each run on the first of `workers`, given as `host:port`, that answers."""

    def __init__(self, workers: Sequence[str], inst_data: Any = None) -> None:
        self._workers = tuple(workers)
        self._silent: dict[str, int] = {}  # looks at a run to which its worker has not answered, in a row
        super().__init__(inst_data)

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """The configuration in `dagster.yaml`."""
        return {"workers": [str]}

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Mapping[str, Any]) -> "WorkersLauncher":
        """The launcher of these workers."""
        return cls(config_value["workers"], inst_data)

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start the run.

        Raises:
            DagsterLaunchFailedError: no worker answers.
        """
        for worker in self._workers:
            client = _client(worker)
            try:
                client.heartbeat()
            except DagsterUserCodeUnreachableError:
                continue
            # If this worker dies, the next one repeats all steps: the gate takes checks of the same run only.
            self._instance.add_run_tags(context.dagster_run.run_id, {RETRY_STRATEGY_TAG: "ALL_STEPS"})
            # An error from here on is final: this worker may have started the run, and another must not do it again.
            self.launch_run_from_grpc_client(self._instance, context.dagster_run, client)
            self._run_ids.add(context.dagster_run.run_id)
            return
        raise DagsterLaunchFailedError(  # type: ignore[no-untyped-call]
            f"No worker answers (setting workers: {', '.join(self._workers)}). Start one of them again, as "
            "in docs/operations.md#dagster-on-several-hosts."
        )

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Dagster's daemon asks about each run that is in progress."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether a run's worker still executes it. `kpi run` has no worker: its runs count as running."""
        client = self._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call]
        if client is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        asked = CanCancelExecutionRequest(run_id=run.run_id)
        try:
            answer = client.can_cancel_execution(asked, timeout=_SECONDS_TO_ANSWER)
        except DagsterUserCodeUnreachableError:
            return self._not_answered(run.run_id, f"{client.host}:{client.port}")
        self._silent.pop(run.run_id, None)
        if dg.deserialize_value(answer, CanCancelExecutionResult).can_cancel:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        where = f"{client.host}:{client.port}"
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, f"Worker {where} was started again and has lost the run.")

    def _not_answered(self, run_id: str, worker: str) -> CheckRunHealthResult:
        """Patience with a network that is down for a moment: two hosts must not execute the same run."""
        self._silent[run_id] = self._silent.get(run_id, 0) + 1
        if self._silent[run_id] < _LOOKS:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        self._silent.pop(run_id)
        return CheckRunHealthResult(WorkerStatus.FAILED, f"Worker {worker} does not answer any more.")


def _client(worker: str) -> DagsterGrpcClient:
    host, _, port = worker.rpartition(":")
    return DagsterGrpcClient(host=host, port=int(port))
