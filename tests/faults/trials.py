"""Tries an operation with a fault at each of its steps, and says what became of its files.

Every trial begins with the same folder. A forked process performs the operation, and fails or dies at step n. Another
one looks at what readers find then, performs the operation again as the next start does, and looks once more. What it
must find is known from an operation without a fault. n = 1, 2, … until the operation has fewer steps.

With two processes, the first one stops at step n until the second one, which performs the operation, too, has ended or
waits for it; then it dies or goes on. What is found must then be new.
"""

import json
import os
import re
import shutil
import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal
from unittest import mock

from pipelines.disk import disk_problem
from tests.faults.injection import BY_SIZE, KILLS, OF_TWO, Fault, Steps, counted, limit_files
from tests.forked import PROCESSES

SENTENCE = re.compile(r" is full| failed( at .*)? \(I/O error\)|cannot be (read or )?written: the user of this process")


class BlockedError(Exception):
    """A run failed; the message is what it says about it."""


State = dict[str, Any]  # what can be seen, by part; each part is either as before or as after the operation
Outcome = Literal["all-old", "all-new", "damaged"]


def nothing(folder: Path) -> None:
    """For an operation of which nothing must be true at each step."""


@dataclass(frozen=True)
class Operation:
    """Something that the pipeline does to files below a folder. All functions take the folder.

    Attributes:
        prepare: makes what is there before.
        act: the operation.
        look: what can be seen of it; the first part that the operation changes is what readers read.
        again: what happens at the next start; by default the operation.
        read: what a reader does at each step; it raises if it sees anything but the old or the new.
        names: a pattern of paths that differ between the operation and the next start, and stand for the same.
    """

    name: str
    prepare: Callable[[Path], None]
    act: Callable[[Path], None]
    look: Callable[[Path], State]
    again: Callable[[Path], None] | None = None
    read: Callable[[Path], None] = nothing
    names: str = r"$^"


@dataclass(frozen=True)
class Trial:
    """What became of one injection.

    Attributes:
        at: the step, by number and name.
        outcome: whether readers then found the old or the new; damaged if anything was neither.
        said: for an error, the sentence for whoever started the operation.
        wrong: what must not be; empty if all is well.
    """

    operation: str
    fault: str
    at: str
    outcome: Outcome
    said: str
    wrong: tuple[str, ...]


def try_all(operation: Operation, fault: Fault, folder: Path, every: int = 1) -> list[Trial]:
    """Try the fault at each step of the operation, or at one of `every` so many."""
    answer = folder / "trials.json"
    # The server of the processes has the environment of the first test that needed it.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("KPI_", "DAGSTER_"))}
    process = PROCESSES.Process(target=_try_all, args=(operation, fault, folder, every, answer, environment))
    process.start()
    process.join()
    assert process.exitcode == 0, f"{operation.name}: the trials themselves failed; see what was printed"
    return [Trial(**trial | {"wrong": tuple(trial["wrong"])}) for trial in json.loads(answer.read_text())]


def _try_all(
    operation: Operation, fault: Fault, folder: Path, every: int, answer: Path, environment: dict[str, str]
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    (folder / "temporary").mkdir(exist_ok=True)
    tempfile.tempdir = str(folder / "temporary")
    here, before = folder / "here", folder / "before"
    here.mkdir(exist_ok=True)  # a test may have prepared it
    _in_a_fork(operation.prepare, here)
    here.rename(before)

    shutil.copytree(before, here, symlinks=True)
    old = _in_a_fork(operation.look, here)
    _in_a_fork(operation.act, here)
    new, files = _in_a_fork(operation.look, here), _files(here, operation)

    trials = []
    for step in range(1, 1_000_000, every):
        shutil.rmtree(here)
        shutil.copytree(before, here, symlinks=True)
        if fault in OF_TWO:
            acted = _act_beside_another(operation, fault, step, here)
        else:
            acted = _in_a_fork(lambda at: _act(operation, fault, at, here), step)
        if not acted["happened"]:
            break
        seen, seen_again = _in_a_fork(lambda _: _look_and_go_on(operation, here), None)
        left = _files(here, operation) - files
        trials.append(_judged(operation, fault, step, acted, (old, new), (seen, seen_again), left))
    shutil.rmtree(here)
    answer.write_text(json.dumps([asdict(trial) for trial in trials]))


def _act_beside_another(operation: Operation, fault: Fault, step: int, folder: Path) -> dict[str, Any]:
    """Perform the operation in two processes; the second one begins when the first has come to the step."""
    (stopped, stop), (told, tell) = os.pipe(), os.pipe()

    def stop_here() -> None:
        os.write(stop, b".")
        os.read(told, 1)

    def act_as_second(_: None) -> None:
        os.close(waited)
        sleep = time.sleep

        def sleep_and_say_so(seconds: float) -> None:  # so wait those who have to for a lock
            os.write(wait, b".")
            sleep(seconds)

        with mock.patch("time.sleep", sleep_and_say_so):
            (operation.again or operation.act)(folder)

    first = _fork(lambda at: _act(operation, fault, at, folder, stop_here), step)
    os.close(stop)
    has_stopped = os.read(stopped, 1) != b""
    waited, wait = os.pipe()
    second = _fork(act_as_second, None) if has_stopped else None
    os.close(wait)
    os.read(waited, 1)  # until it waits or has ended
    os.write(tell, b".")
    acted: dict[str, Any] = _result(*first)
    if second:
        _result(*second)
    for descriptor in (stopped, told, tell, waited):
        os.close(descriptor)
    return acted


def _act(
    operation: Operation, fault: Fault, step: int, folder: Path, other: Callable[[], None] | None = None
) -> dict[str, Any]:
    """Perform the operation with the fault. Killed, it answers nothing."""
    error: Exception | None = None
    if fault in BY_SIZE:
        limit_files(fault, step - 1)
        steps = Steps(folder, None, 0)
    else:
        steps = Steps(folder, fault, step, (lambda: operation.read(folder)) if fault is Fault.READER else other)
    try:
        with counted(steps):
            operation.act(folder)
    except Exception as raised:
        error = raised
    if fault in BY_SIZE:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    return {
        "happened": error is not None if fault in BY_SIZE else bool(steps.last),
        "at": steps.last or f"{step - 1} blocks",
        "error": "".join(traceback.format_exception(error)) if error else "",
        "said": _said(error, folder),
    }


def _said(error: Exception | None, folder: Path) -> str:
    """The sentence about a disk that somebody reads; empty if there is none."""
    if isinstance(error, BlockedError):
        return next((line for line in str(error).splitlines() if SENTENCE.search(line)), "")
    return (disk_problem(error, folder) or "") if error else ""


def _look_and_go_on(operation: Operation, folder: Path) -> tuple[State, State]:
    seen = operation.look(folder)
    (operation.again or operation.act)(folder)
    return seen, operation.look(folder)


def _judged(
    operation: Operation,
    fault: Fault,
    step: int,
    acted: dict[str, Any],
    known: tuple[State, State],
    found: tuple[State, State],
    left: set[str],
) -> Trial:
    (old, new), (seen, seen_again) = known, found
    fine = [new] if fault in OF_TWO else [old, new]
    wrong = [f"{part}: {seen[part]}" for part in seen if seen[part] not in [state[part] for state in fine]]
    for part in new:
        if seen_again[part] != new[part]:
            wrong.append(f"after the next start, {part}: {seen_again[part]} instead of {new[part]}")
    if left:
        wrong.append(f"left behind: {', '.join(sorted(left))}")
    if fault in (Fault.READER, Fault.TWICE):
        wrong += [acted["error"]] if acted["error"] else []
    elif fault not in KILLS and acted["error"] and not acted["said"]:
        wrong.append(f"no sentence for: {acted['error']}")
    first = next(part for part in new if new[part] != old[part] or part == list(new)[-1])
    outcome: Outcome = "all-new" if seen[first] == new[first] else "all-old" if seen[first] == old[first] else "damaged"
    return Trial(operation.name, fault, f"{step}: {acted['at']}", outcome, acted["said"], tuple(wrong))


def _files(folder: Path, operation: Operation) -> set[str]:
    """Everything below a folder."""
    return {re.sub(operation.names, "", path.relative_to(folder).as_posix()) for path in folder.rglob("*")}


def _in_a_fork(work: Callable[[Any], Any], argument: Any) -> Any:
    """The result of some work in a forked process."""
    return _result(*_fork(work, argument))


def _fork(work: Callable[[Any], Any], argument: Any) -> tuple[int, int]:
    """A forked process that does some work: its id, and where to read its result."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(reading)
        try:
            answer = json.dumps({"result": work(argument)}, default=str)
        except BaseException:
            answer = json.dumps({"failed": traceback.format_exc()})
        with os.fdopen(writing, "w") as pipe:
            pipe.write(answer)
        os._exit(0)
    os.close(writing)
    return process, reading


def _result(process: int, reading: int) -> Any:
    """The result of a forked process. If it was killed, what is known of a killed operation."""
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    _, status = os.waitpid(process, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) in (signal.SIGKILL, signal.SIGXFSZ), status
        return {"happened": True, "at": "", "error": "", "said": ""}
    found = json.loads(answer)
    if "failed" in found:
        raise AssertionError(found["failed"])
    return found["result"]


def bad(trials: Sequence[Trial]) -> Iterator[str]:
    """A line for each trial in which something was wrong."""
    for trial in trials:
        for what in trial.wrong:
            yield f"{trial.operation}, {trial.fault} at {trial.at}: {what}"
