"""Only one process writes the warehouse at a time. The others say which process they wait for."""

import subprocess
import sys
from pathlib import Path

HOLD = """
import sys
from pathlib import Path
from pipelines.warehouse import hold_writer_lock, release_writer_lock
path = Path(sys.argv[1])
hold_writer_lock(path, sys.argv[2], lambda message: print(message, flush=True))
hold_writer_lock(path, "again", print)
print("mine", flush=True)
sys.stdin.readline()
if len(sys.argv) > 3:
    release_writer_lock(path)
    print("released", flush=True)
    sys.stdin.readline()
"""


def start(warehouse: Path, who: str, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD, str(warehouse), who, *more]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    process.stdin.write("\n")
    process.stdin.flush()


def test_a_second_writer_waits_and_says_for_whom(tmp_path: Path) -> None:
    warehouse = tmp_path / "data" / "warehouse.duckdb"
    first = start(warehouse, "run 1234", "release")
    assert said(first) == "mine"
    second = start(warehouse, "run 5678")
    message = said(second)
    assert message.startswith(f"Another process is writing warehouse.duckdb (run 1234, process {first.pid}, since ")
    assert message.endswith("). Waiting until it has finished.")
    go_on(first)
    assert said(first) == "released"
    assert said(second) == "mine"
    for process in (first, second):
        process.kill()
        process.wait()


def test_a_writer_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    warehouse = tmp_path / "warehouse.duckdb"
    first = start(warehouse, "run 1234")
    assert said(first) == "mine"
    first.kill()
    first.wait()
    second = start(warehouse, "run 5678")
    assert said(second) == "mine"
    second.kill()
    second.wait()
