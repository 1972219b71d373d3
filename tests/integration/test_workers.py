"""Runs are started on the first worker that answers, and a worker that is gone is noticed: real code servers."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

import dagster as dg
import pytest
from dagster._core.errors import DagsterLaunchFailedError, DagsterUserCodeUnreachableError
from dagster._core.launcher import LaunchRunContext, WorkerStatus
from dagster._grpc.client import DagsterGrpcClient

from pipelines.runs.code_location import origin_of
from pipelines.runs.workers import WorkersLauncher
from tests.conftest import PROJECT_DIR
from tests.integration.postgres import free_port
from tests.integration.waiting_job import JOB, waiting

PATIENCE = 60  # seconds until a test gives up


@dataclass(frozen=True)
class Worker:
    address: str
    process: subprocess.Popen[bytes]

    def die(self) -> None:
        """As a host does: with all its processes."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture(scope="module")
def go_on(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that ends the runs."""
    return tmp_path_factory.mktemp("workers") / "go on"


@pytest.fixture(scope="module")
def workers(go_on: Path) -> Iterator[list[Worker]]:
    started = []
    for number in range(2):
        port = free_port()
        command = ["dagster", "api", "grpc", "--module-name", "tests.integration.waiting_job", "--port", str(port)]
        with go_on.with_name(f"worker{number}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *command, "--host", "127.0.0.1"],
                cwd=PROJECT_DIR,
                env={**os.environ, "WAITING_JOB_FILE": str(go_on)},
                start_new_session=True,
                stdout=log,
                stderr=log,
            )
        started.append(Worker(f"127.0.0.1:{port}", process))
    yield started
    for worker in started:
        if worker.process.poll() is None:
            worker.die()


@pytest.fixture
def instance(tmp_path: Path, workers: list[Worker]) -> Iterator[dg.DagsterInstance]:
    addresses = [worker.address for worker in workers]
    (tmp_path / "dagster.yaml").write_text(
        "run_launcher: {module: pipelines.runs.workers, class: WorkersLauncher, config: {workers: "
        f"{addresses}}}}}\ntelemetry: {{enabled: false}}\n"
    )
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        yield instance


def launcher_of(instance: dg.DagsterInstance) -> WorkersLauncher:
    launcher = instance.run_launcher
    assert isinstance(launcher, WorkersLauncher)
    return launcher


def launch(instance: dg.DagsterInstance) -> dg.DagsterRun:
    run = instance.create_run_for_job(waiting, remote_job_origin=origin_of(JOB))
    launcher_of(instance).launch_run(LaunchRunContext(run, None))
    return current(instance, run)


def current(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRun:
    found = instance.get_run_by_id(run.run_id)
    assert found
    return found


def wait_until(is_so: Callable[[], bool]) -> None:
    given_up = monotonic() + PATIENCE
    while not is_so():
        assert monotonic() < given_up
        sleep(0.1)


def worker_of(run: dg.DagsterRun) -> str:
    return run.tags[".dagster/grpc_info"]


@pytest.mark.nightly
def test_a_worker_that_was_started_again_has_lost_its_run(instance: dg.DagsterInstance, workers: list[Worker]) -> None:
    wait_until(lambda: answers(workers[0].address))
    run = launch(instance)
    lost = instance.create_run_for_job(waiting, remote_job_origin=origin_of(JOB))
    instance.add_run_tags(lost.run_id, {".dagster/grpc_info": worker_of(run)})
    assert launcher_of(instance).check_run_worker_health(lost).status is WorkerStatus.NOT_FOUND
    assert launcher_of(instance).terminate(run.run_id)
    wait_until(lambda: current(instance, run).is_finished)


def test_a_run_goes_to_the_first_worker_that_answers_and_a_dead_one_is_noticed(
    instance: dg.DagsterInstance, workers: list[Worker], go_on: Path
) -> None:
    launcher = launcher_of(instance)
    for worker in workers:
        wait_until(lambda address=worker.address: answers(address))
    first = launch(instance)
    assert workers[0].address.partition(":")[2] in worker_of(first)
    assert first.tags["dagster/retry_strategy"] == "ALL_STEPS"
    wait_until(lambda: current(instance, first).status is dg.DagsterRunStatus.STARTED)
    assert launcher.check_run_worker_health(first).status is WorkerStatus.RUNNING

    workers[0].die()
    looks = [launcher.check_run_worker_health(first) for _ in range(3)]
    assert [look.status for look in looks] == [WorkerStatus.RUNNING, WorkerStatus.RUNNING, WorkerStatus.FAILED]
    assert looks[-1].msg == f"Worker {workers[0].address} does not answer any more."

    second = launch(instance)
    assert workers[1].address.partition(":")[2] in worker_of(second)
    assert launcher.check_run_worker_health(second).status is WorkerStatus.RUNNING
    go_on.touch()
    wait_until(lambda: current(instance, second).is_finished)
    assert current(instance, second).is_success
    assert not current(instance, first).is_finished  # the daemon ends it, and starts it again

    workers[1].die()
    with pytest.raises(DagsterLaunchFailedError, match=r"No worker answers \(setting workers: 127\.0\.0\.1:"):
        launch(instance)


def answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        return DagsterGrpcClient(host=host, port=int(port)).heartbeat("here") == "here"
    except DagsterUserCodeUnreachableError:
        return False
