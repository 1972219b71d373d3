"""Whether another process still works, also in the moments in which it ends."""

import os
import subprocess
import sys

import pytest

from pipelines.runs.processes import is_alive


def test_this_process_is_alive() -> None:
    assert is_alive(os.getpid())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux says that a process is ending")
def test_a_killed_process_is_not_alive_before_its_parent_has_noticed() -> None:
    """Its locks are free already, and the run that waited for them says which run was killed."""
    with subprocess.Popen(["sleep", "600"]) as process:
        assert is_alive(process.pid)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and nobody has taken note of it
        assert not is_alive(process.pid)
    assert not is_alive(process.pid)
