"""Two `kpi run` at the same time: the second waits for the first, which is killed at a stage of its run."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import PROJECT_DIR, Installation, deliver_demo
from tests.faults.injection import Fault
from tests.faults.trials import Outcome, Trial
from tests.integration.conftest import published_hashes

LOADED, DAY = ("2025-11-10", "2025-11-11"), "2025-11-12"


def start(installation: Installation) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pipelines", "run", "--date", DAY],
        cwd=PROJECT_DIR,
        env=installation.variables(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def read_until(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdout
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return
    raise AssertionError("".join(lines))


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Installation, dict[str, str], dict[str, str]]:
    """An installation with two days, what it publishes, and what a clean run of the third day would publish."""
    folder = tmp_path_factory.mktemp("two")
    installation = deliver_demo(folder / "data")
    installation.kpi("run", "--from", LOADED[0], "--to", LOADED[1])
    clean = replace(installation, data_dir=folder / "clean")
    shutil.copytree(installation.data_dir, clean.data_dir, symlinks=True)
    clean.kpi("run", "--date", DAY)
    return installation, published_hashes(installation), published_hashes(clean)


@pytest.mark.nightly
@pytest.mark.parametrize("stage", ["raw__shop__orders: done", "transform_staging: done"])
def test_a_run_goes_on_where_the_one_that_it_waits_for_was_killed(
    loaded: tuple[Installation, dict[str, str], dict[str, str]],
    stage: str,
    tmp_path: Path,
    tried: Callable[[list[Trial]], None],
) -> None:
    before, old, new = loaded
    installation = replace(before, data_dir=tmp_path / "data")
    shutil.copytree(before.data_dir, installation.data_dir, symlinks=True)
    first = start(installation)
    read_until(first, stage)
    os.kill(first.pid, signal.SIGSTOP)  # so that it cannot finish before the second one waits
    second = start(installation)
    read_until(second, "Another process is writing warehouse.duckdb (`kpi run`")
    wrong = [] if published_hashes(installation) == old else ["something was published before"]
    first.kill()
    first.communicate()
    said, _ = second.communicate()
    found = published_hashes(installation)
    if second.returncode != 0 or found != new:
        wrong.append(f"the run that waited: {said}")
    if "was killed: " not in said:
        wrong.append(f"the killed run is not mentioned: {said}")
    doctor = installation.kpi("doctor", check=False).stdout
    if "killed processes have left nothing behind" not in doctor or "fail " in doctor:
        wrong.append(doctor)
    outcome: Outcome = "all-new" if found == new else "all-old" if found == old else "damaged"
    tried([Trial("kpi run, and another one waits", Fault.AWAITED, stage, outcome, "", tuple(wrong))])
