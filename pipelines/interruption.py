"""Ctrl-C, and the signal with which a machine asks a process to end: what becomes of a run of Dagster then.

Belongs here: knowing that somebody asked, and stopping the run at that place.
Does not belong here: what a person is told of it (`run.py`, `cli.py`).

While Dagster executes, it takes both signals for itself. Inside a step it raises them, which a step with a retry policy
takes for a reason to wait and try again; what comes between two steps waits for the next one; and a run that ended so
is a failed one, of which people are told. So a run looks for itself, at each of its events, whether somebody asked.
"""

import logging
import select
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import dagster as dg

from pipelines.progress import STEP_LOGGER

_SIGNALS = {signal.SIGINT.value, signal.SIGTERM.value}
_MESSAGE = "Somebody interrupted `kpi run`."


@dataclass
class Interruption:
    """Whether somebody interrupted a run that had succeeded by then."""

    came_too_late: bool = False


@contextmanager
def can_be_interrupted(instance: dg.DagsterInstance, run_id: str) -> Iterator[Interruption]:
    """Stop the run `run_id`, which the block executes, where it is when somebody asks for it.

    Raises:
        KeyboardInterrupt: somebody asked. The run is canceled.
    """
    interruption = Interruption()
    with _listening() as asked:
        stop = _Stop(instance, run_id, asked)
        STEP_LOGGER.addHandler(stop)
        try:
            yield interruption
        except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
            pass
        finally:
            STEP_LOGGER.removeHandler(stop)
        if asked():
            run = instance.get_run_by_id(run_id)
            if run and run.is_success:
                interruption.came_too_late = True
                return
            if run and run.status is not dg.DagsterRunStatus.CANCELED:
                instance.report_run_canceled(run, _MESSAGE)
            raise KeyboardInterrupt


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
        run = self._instance.get_run_by_id(self._run_id)
        if run and run.is_finished:
            return
        if run:
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
