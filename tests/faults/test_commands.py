"""`kpi run` killed at the boundary of every stage and at random steps, and on a full disk.

The demo company's last day is run on what the days before left. Each process is forked, and counts its own steps; the
random ones are the same in every test run.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import Installation, deliver_demo
from tests.faults.injection import Fault, Steps, counted
from tests.faults.trials import Outcome, Trial
from tests.forked import PROCESSES
from tests.integration.conftest import published_hashes

STAGES = {  # the step with which each stage of the job begins
    "the checks of raw": "check_raw",
    "staging": "transform_staging",
    "marts": "transform_marts",
    "publishing": "published__kpi",
    "reports": "published__reports",
}
RANDOM_STEPS = 12
LAST_DAY = "2026-01-09"


@dataclass(frozen=True)
class Loaded:
    """An installation on whose data a day is still to be run, what it publishes before, and what after."""

    installation: Installation
    before: Path  # the folder as it was
    old: dict[str, str]
    new: dict[str, str]
    steps: int  # of the process that runs the day

    def begin(self) -> None:
        """Bring the folder back to what it was."""
        shutil.rmtree(self.installation.data_dir)
        shutil.copytree(self.before, self.installation.data_dir, symlinks=True)

    def run(self, fault: Fault | None, at: int, stage: str = "", *arguments: str) -> subprocess.CompletedProcess[str]:
        """`kpi run` with a fault at a step of the process, or of that stage."""
        out = self.before.with_name("out")
        process = PROCESSES.Process(
            target=_kpi_run, args=(self.installation.variables(), fault, at, stage, arguments, out)
        )
        process.start()
        process.join()
        assert process.exitcode is not None
        printed = [out.with_suffix(suffix).read_text() for suffix in (".1", ".2")]
        return subprocess.CompletedProcess(arguments, process.exitcode, *printed)


def _kpi_run(
    environment: dict[str, str], fault: Fault | None, at: int, stage: str, arguments: tuple[str, ...], out: Path
) -> None:
    from pipelines.__main__ import main
    from pipelines.runs import progress

    os.environ.clear()
    os.environ.update(environment)
    for stream in (1, 2):
        with out.with_suffix(f".{stream}").open("wb") as file:
            os.dup2(file.fileno(), stream)
    sys.argv = ["kpi", "run", *arguments]
    steps = Steps(Path(environment["DATA_DIR"]), None if stage else fault, at)
    if stage:

        class Begins(progress.logging.Handler):
            def emit(self, record: progress.logging.LogRecord) -> None:
                event = getattr(record, "dagster_meta", {}).get("dagster_event")
                if event and event.event_type_value == "STEP_START" and stage in event.step_key:
                    os.kill(os.getpid(), signal.SIGKILL)

        progress.STEP_LOGGER.addHandler(Begins())
    try:
        with counted(steps):
            main()
    finally:
        out.with_suffix(".steps").write_text(str(steps.count))


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    installation = deliver_demo(tmp_path_factory.mktemp("faults") / "data")
    installation.kpi("run", "--from", "2025-11-10", "--to", "2026-01-08")
    old = published_hashes(installation)
    before = installation.data_dir.with_name("before")
    shutil.copytree(installation.data_dir, before, symlinks=True)
    counting = Loaded(installation, before, old, {}, 0)
    clean = counting.run(None, 0)
    assert clean.returncode == 0, clean.stderr
    steps = int(before.with_name("out.steps").read_text())
    return Loaded(installation, before, old, published_hashes(installation), steps)


def judged(loaded: Loaded, fault: Fault, at: str, said: str, wrong: list[str]) -> Trial:
    """What readers find after a fault, and what the next `kpi run` makes of it."""
    found = published_hashes(loaded.installation)
    outcome: Outcome = "all-old" if found == loaded.old else "all-new" if found == loaded.new else "damaged"
    again = loaded.installation.kpi("run", check=False)
    if again.returncode != 0 or published_hashes(loaded.installation) != loaded.new:
        wrong.append(f"the next run: {again.stdout}\n{again.stderr}")
    if fault is Fault.KILLED and "was killed: " not in again.stdout:
        wrong.append("the next run does not mention the killed one")
    if "run_crashed" in loaded.installation.kpi("alerts", "list").stdout:
        wrong.append("the incident has not ended")
    if "killed processes have left nothing behind" not in loaded.installation.kpi("doctor", check=False).stdout:
        wrong.append("something was left behind")
    return Trial("kpi run", fault, at, outcome, said, tuple(wrong))


@pytest.mark.nightly
@pytest.mark.parametrize("stage", STAGES)
def test_killed_where_a_stage_begins(loaded: Loaded, stage: str, tried: Callable[[list[Trial]], None]) -> None:
    loaded.begin()
    killed = loaded.run(Fault.KILLED, 0, STAGES[stage])
    assert killed.returncode == -signal.SIGKILL, killed.stdout + killed.stderr
    tried([judged(loaded, Fault.KILLED, stage, "", [])])


@pytest.mark.nightly
@pytest.mark.parametrize("place", range(RANDOM_STEPS))
def test_killed_at_random_steps(loaded: Loaded, place: int, tried: Callable[[list[Trial]], None]) -> None:
    at = random.Random(20).sample(range(1, loaded.steps), RANDOM_STEPS)[place]
    loaded.begin()
    killed = loaded.run(Fault.KILLED, at)
    assert killed.returncode == -signal.SIGKILL, killed.stdout + killed.stderr
    tried([judged(loaded, Fault.KILLED, str(at), "", [])])


@pytest.mark.nightly
@pytest.mark.parametrize("percent", [1, 20, 40, 60, 80, 97])
def test_a_full_disk_is_said_in_one_sentence(
    loaded: Loaded, percent: int, tried: Callable[[list[Trial]], None]
) -> None:
    loaded.begin()
    ended = loaded.run(Fault.FULL, max(1, loaded.steps * percent // 100))
    printed = ended.stdout + ended.stderr
    wrong = [] if ended.returncode in (0, 1) and "Traceback" not in printed and "is full" in printed else [printed]
    tried([judged(loaded, Fault.FULL, f"{percent} %", "", wrong)])


@pytest.mark.nightly
def test_a_first_load_that_was_killed_goes_on_as_one_run_and_publishes_once(tmp_path: Path, loaded: Loaded) -> None:
    """It is killed where a table begins to land, after others have landed."""
    installation = deliver_demo(tmp_path / "data")
    first = Loaded(installation, tmp_path / "before", {}, {}, 0)
    assert first.run(Fault.KILLED, 0, "raw__shop__orders").returncode == -signal.SIGKILL
    assert not (installation.data_dir / "published").exists()
    again = installation.kpi("run").stdout
    assert "(the rest of an interrupted run, one run)" in again
    assert published_hashes(installation) == loaded.new
    assert len(list((installation.data_dir / "publications").iterdir())) == 1
