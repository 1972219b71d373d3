"""Ctrl-C and SIGTERM on `kpi run`: one sentence, exit code 130, a canceled run, and no notices."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
import pytest
from filelock import FileLock

from tests.conftest import PROJECT_DIR, Installation


@contextmanager
def started(demo: Installation, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A running `kpi` process whose output can be read line by line."""
    with subprocess.Popen(
        [sys.executable, "-m", "pipelines", *arguments],
        cwd=PROJECT_DIR,
        env=demo.variables(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a shell may have it ignored
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def interrupt_at(process: subprocess.Popen[str], words: str, signal_number: int) -> str:
    """Send the signal after a line with these words was printed. Return what the process prints before it exits."""
    assert process.stdout
    line = next((line for line in process.stdout if words in line), None)
    assert line is not None, f"it never printed {words!r}: {process.communicate()}"
    process.send_signal(signal_number)
    _, errors = process.communicate()
    return errors


def incidents(demo: Installation) -> object:
    """All incidents, and who was notified of them."""
    return json.loads(demo.kpi("alerts", "list", "--all", "--format", "json").stdout)["incidents"]


@pytest.mark.nightly
def test_asked_to_end_before_a_run_begins(demo: Installation) -> None:
    with FileLock(demo.data_dir / "warehouse.lock"), started(demo, "run", "--date", "2026-01-09") as process:
        said = interrupt_at(process, "Another process is writing", signal.SIGTERM)
    assert (process.returncode, said) == (130, "Interrupted before a run started: nothing was changed.\n")


def test_ctrl_c_in_a_run(demo: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    before = incidents(demo)
    with started(demo, "run", "--date", "2026-01-09") as process:
        said = interrupt_at(process, "raw__ads__campaigns: done", signal.SIGINT)
    assert (process.returncode, said) == (
        130,
        "Interrupted during delivery day 2026-01-09: it published nothing, and the same command continues with what "
        "has landed.\n",
    )
    monkeypatch.setenv("DAGSTER_HOME", str(demo.data_dir / "dagster"))
    with dg.DagsterInstance.get() as instance:
        [run] = instance.get_runs(limit=1)
    assert run.status is dg.DagsterRunStatus.CANCELED
    assert incidents(demo) == before
    with FileLock(demo.data_dir / "warehouse.lock", timeout=0):
        pass  # the lock is free
