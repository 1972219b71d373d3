"""`kpi run` that kills itself in the middle of a stage: python -m tests.spark.killed_run STAGE

The process dies as soon as some models of the stage are built, while others are being built.
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


def die_after_some_builds(folder: Path, before: set[Path]) -> None:
    while len(builds(folder) - before) < BUILT_BEFORE:
        sleep(0.05)
    os.kill(os.getpid(), signal.SIGKILL)


class WhenItBegins(progress.logging.Handler):
    """Watches the folder of builds from the beginning of a stage on."""

    def emit(self, record: progress.logging.LogRecord) -> None:
        event = getattr(record, "dagster_meta", {}).get("dagster_event")
        if event and event.event_type_value == "STEP_START" and event.step_key == self.name:
            folder = load_settings().data_dir / "spark"
            threading.Thread(target=die_after_some_builds, args=(folder, builds(folder)), daemon=True).start()


if __name__ == "__main__":
    handler = WhenItBegins()
    handler.name = sys.argv[1]
    progress.STEP_LOGGER.addHandler(handler)
    sys.argv = ["kpi", "run"]
    main()
