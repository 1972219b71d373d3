"""Ctrl-C, and the signal with which a machine asks a process to end: what becomes of a run of Dagster then.

Belongs here: knowing that somebody asked, stopping the run at that place, and ending the processes that it started.
Does not belong here: what a person is told of it (`run.py`, `cli.py`).

While Dagster executes, it takes both signals for itself. Inside a step it raises them, which a step with a retry policy
takes for a reason to wait and try again; what comes between two steps waits for the next one; and a run that ended so
is a failed one, of which people are told. So a run looks for itself, at each of its events, whether somebody asked.
"""

import logging
import select
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg

from pipelines.progress import STEP_LOGGER

_SIGNALS = {signal.SIGINT.value, signal.SIGTERM.value}
_MESSAGE = "Somebody interrupted `kpi run`."
_SECONDS_TO_END = 10  # what a process gets that was asked to end, before it is killed

_processes: set[subprocess.Popen[bytes]] = set()


@contextmanager
def can_be_interrupted(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """Stop the run `run_id`, which the block executes, where it is when somebody asks for it.

    Raises:
        KeyboardInterrupt: somebody asked. The run is canceled, unless it had succeeded; its processes have ended.
    """
    with _listening() as asked:
        stop = _Stop(instance, run_id, asked)
        STEP_LOGGER.addHandler(stop)
        try:
            yield
        except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
            pass
        finally:
            STEP_LOGGER.removeHandler(stop)
        if asked():
            _end_processes()
            run = instance.get_run_by_id(run_id)
            if run and run.status not in (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.CANCELED):
                instance.report_run_canceled(run, _MESSAGE)
            raise KeyboardInterrupt


@contextmanager
def ended_with_the_run(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Have `process`, which the block waits for, ended when the block fails or the run around it is interrupted.

    dagster-dbt ends its dbt only when the interruption comes while it waits for a line of it.
    """
    _processes.add(process)
    try:
        yield
    except BaseException:
        _end(process)
        raise
    finally:
        _processes.discard(process)


class _Stop(logging.Handler):
    """Ends a run at its first event after somebody asked for it."""

    def __init__(self, instance: dg.DagsterInstance, run_id: str, asked: Callable[[], bool]) -> None:
        super().__init__()
        self._instance, self._run_id, self._asked = instance, run_id, asked
        self._has_stopped = False

    def emit(self, record: logging.LogRecord) -> None:
        if self._has_stopped or not self._asked():
            return
        self._has_stopped = True
        if run := self._instance.get_run_by_id(self._run_id):
            self._instance.report_run_canceling(run, _MESSAGE)  # Dagster calls it canceled then, and not failed
        raise KeyboardInterrupt


@contextmanager
def _listening() -> Iterator[Callable[[], bool]]:
    """Whether one of the signals has come since, whoever handles it."""
    here, there = socket.socketpair()
    here.setblocking(False)
    there.setblocking(False)
    before = signal.set_wakeup_fd(there.fileno(), warn_on_full_buffer=False)

    def asked() -> bool:
        readable, _, _ = select.select([here], [], [], 0)
        return bool(readable) and not _SIGNALS.isdisjoint(here.recv(4096, socket.MSG_PEEK))

    try:
        yield asked
    finally:
        signal.set_wakeup_fd(before)
        here.close()
        there.close()


def _end_processes() -> None:
    for process in list(_processes):
        _end(process)
    _processes.clear()


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
