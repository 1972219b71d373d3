"""Shows a person at a terminal the progress of a run.

Belongs here: the job's logger, and turning its events into a progress bar or plain lines.
Does not belong here: starting runs (`run.py`); the full log is in the UI.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from pipelines.tables import is_check_step

STEP_LOGGER = logging.getLogger("pipelines.steps")
STEP_LOGGER.propagate = False


@dg.logger
def step_logger(_: dg.InitLoggerContext) -> logging.Logger:
    """The logger of every job; the full log goes to the instance, and so to the UI, in any case."""
    STEP_LOGGER.setLevel(logging.DEBUG)  # finished steps are logged at that level
    return STEP_LOGGER


@contextmanager
def shown(console: Console, title: str, steps: int) -> Iterator[None]:
    """Show the steps of the run inside the block: a bar on a terminal, one line per step elsewhere."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[step]}"),
    )
    console.print(title)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        handler = _StepHandler(console, progress, progress.add_task("running", total=steps, step=""))
        STEP_LOGGER.addHandler(handler)
        try:
            yield
        finally:
            STEP_LOGGER.removeHandler(handler)


class _StepHandler(logging.Handler):
    def __init__(self, console: Console, progress: Progress, task: TaskID) -> None:
        super().__init__()
        self._console, self._progress, self._task = console, progress, task

    def emit(self, record: logging.LogRecord) -> None:
        event: dg.DagsterEvent | None = getattr(record, "dagster_meta", {}).get("dagster_event")
        if event is None or not event.step_key:
            return
        match event.event_type:
            case dg.DagsterEventType.STEP_START:
                self._progress.update(self._task, step=event.step_key)
            case dg.DagsterEventType.STEP_SUCCESS | dg.DagsterEventType.STEP_SKIPPED:
                self._progress.advance(self._task)
                if not self._console.is_terminal and not is_check_step(event.step_key):
                    outcome = "done" if event.is_step_success else "skipped"
                    self._console.print(f"  {event.step_key}: {outcome}")
            case dg.DagsterEventType.STEP_FAILURE:
                if (source := event.step_failure_data.error_source) and source.name == "INTERRUPT":
                    return
                self._progress.advance(self._task)
                self._console.print(f"  {event.step_key}: [red]failed[/red]")
