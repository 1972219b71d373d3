"""Stops a run of Dagster on Ctrl-C, or on the signal with which a machine asks a process to end.

Belongs here: detecting the signals, and stopping the run at that point.
Does not belong here: what is printed about it (`job.py`, `cli/`).

While Dagster executes, it handles both signals itself. Inside a step, it raises them, and a step with a retry policy
then waits and tries again. A signal between two steps waits for the next step. A run that ends in this way counts as
failed, and people are notified. Therefore, a run itself checks at each of its events whether a signal has arrived.
"""

import logging
import select
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import dagster as dg

from pipelines.runs.progress import STEP_LOGGER

_SIGNALS = {signal.SIGINT.value, signal.SIGTERM.value}
_MESSAGE = "`kpi run` was interrupted."


@dataclass
class Interruption:
    """Whether somebody interrupted a run that had already succeeded."""

    came_too_late: bool = False


@contextmanager
def can_be_interrupted(instance: dg.DagsterInstance, run_id: str) -> Iterator[Interruption]:
    """Stop the run `run_id`, which the block executes, at the point where somebody interrupts it.

    Raises:
        KeyboardInterrupt: somebody interrupted the run. It is canceled.
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
    """Ends a run at its first event after an interruption."""

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
            self._instance.report_run_canceling(run, _MESSAGE)  # so that Dagster marks it as canceled, not failed
        raise KeyboardInterrupt


@contextmanager
def _listening() -> Iterator[Callable[[], bool]]:
    """Whether one of the signals has arrived since, whatever handles it."""
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
