"""`kpi run` in which a process is killed in the middle of a stage: python -m tests.spark.killed_run STAGE [WORKER]

It dies as soon as some models of the stage are built, while others are being built: the driver, which is this process,
or, if a worker's process id is given, the executor that this worker has started.
"""

import os
import signal
import sys
import threading
from pathlib import Path
from time import sleep

from pipelines.__main__ import main
from pipelines.runs import progress
from pipelines.settings import load_settings

BUILT_BEFORE = 5  # models


def builds(folder: Path) -> set[Path]:
    return {build.parent for build in folder.glob("*/*/*/_SUCCESS")}


def kill_after_some_builds(folder: Path, before: set[Path], worker: int | None) -> None:
    while len(builds(folder) - before) < BUILT_BEFORE:
        sleep(0.05)
    os.kill(child_of(worker) if worker else os.getpid(), signal.SIGKILL)


def child_of(process: int) -> int:
    """The number of a process that `process` has started."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            _, _, fields = status.read_text(encoding="utf-8").rpartition(")")  # after the name, which may have spaces
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended meanwhile
        if int(fields.split()[1]) == process:
            return int(status.parent.name)
    raise LookupError(f"process {process} has no child")


class WhenItBegins(progress.logging.Handler):
    """Watches the folder of builds from the beginning of a stage on."""

    def __init__(self, stage: str, worker: int | None) -> None:
        super().__init__()
        self.stage, self.worker = stage, worker

    def emit(self, record: progress.logging.LogRecord) -> None:
        event = getattr(record, "dagster_meta", {}).get("dagster_event")
        if event and event.event_type_value == "STEP_START" and event.step_key == self.stage:
            folder = load_settings().data_dir / "spark"
            arguments = (folder, builds(folder), self.worker)
            threading.Thread(target=kill_after_some_builds, args=arguments, daemon=True).start()


if __name__ == "__main__":
    stage, *worker = sys.argv[1:]
    progress.STEP_LOGGER.addHandler(WhenItBegins(stage, int(worker[0]) if worker else None))
    sys.argv = ["kpi", "run"]
    main()
