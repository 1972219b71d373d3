"""What a disk does to this pipeline: a file that is replaced as a whole, and one sentence about a disk that fails.

Belongs here: what tells files apart, which errors come from a disk, a folder or its permissions, or from too little
memory, and the words for them.
Does not belong here: what is written (every module writes its own files), and free space before it runs out (`kpi
doctor`).
"""

import errno
import hashlib
import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from pipelines.damage import StoreError

Problem = Literal["full", "failing", "forbidden", "memory"]

_OF_NUMBERS: dict[int | None, Problem] = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "full"),
    errno.EIO: "failing",
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "forbidden"),
}
# What DuckDB, SQLite and the operating system call them; dbt and Dagster pass on only such texts.
_OF_WORDS: tuple[tuple[str, Problem], ...] = (
    (
        r"No space left on device|[Dd]isk quota exceeded|File too large|database or disk is full"
        r"|failed to offload data block",  # what DuckDB says if its temporary files find no room
        "full",
    ),
    (r"Out of Memory Error", "memory"),
    (r"Input/output error|disk I/O error", "failing"),
    (
        r"Permission denied|Operation not permitted|Read-only file system|attempt to write a readonly database"
        r"|unable to open database file",
        "forbidden",
    ),
)
_NEARLY_NOTHING = 1 << 20  # bytes
RUN_AGAIN = "run the day again"


def sync(path: Path) -> None:
    """Wait until a file or folder is on the disk, so that it survives a machine that goes down."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, text: str) -> None:
    """Replace the file at `path` by `text` in one step: a process or machine that dies leaves the old or the new one.

    Its folder must exist.
    """
    aside = path.with_name(f".{path.name}")
    with aside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    sync(path.parent)


def sha256_of(path: Path) -> str:
    """The SHA-256 of the file's bytes as they are, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def disk_problems_as_failures(data_dir: Path) -> Iterator[None]:
    """Make a step of Dagster fail with one sentence if a disk or too little memory is why it fails.

    Only an I/O error may pass by itself, so only then is the step tried again.

    Raises:
        dg.Failure: a disk, a folder or its permissions are why the block failed.
    """
    import dagster as dg  # takes seconds, and commands need only the sentences

    try:
        yield
    except dg.Failure as failure:
        if said := disk_problem_in(failure.description or "", data_dir):
            raise dg.Failure(said, allow_retries=False) from failure
        raise
    except Exception as error:  # whatever a library makes of an error of the disk; all others are raised again
        if said := disk_problem(error, data_dir):
            raise dg.Failure(said, allow_retries="I/O error" in said) from error
        raise


def disk_problem(error: BaseException, data_dir: Path, then: str = RUN_AGAIN) -> str | None:
    """One sentence if a disk, a folder, its permissions or too little memory led to `error`, with what to do about it.

    The reason may be any of the errors that led to this one.
    """
    for cause in _chain(error):
        if problem := _problem(cause):
            named = getattr(cause, "filename", None) or _named(str(cause))
            return _said(problem, str(cause), Path(os.fsdecode(named)) if named else None, data_dir, then)
    return None


def disk_problem_in(text: str, data_dir: Path) -> str | None:
    """The same for the text of an error, of which nothing else is left."""
    problem, named = _problem_in(text), _named(text)
    return _said(problem, text, Path(named) if named else None, data_dir, RUN_AGAIN) if problem else None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _problem(error: BaseException) -> Problem | None:
    if isinstance(error, StoreError):
        return None  # it has words of its own, also of another machine's disk
    if isinstance(error, OSError):
        return _OF_NUMBERS.get(error.errno)
    if isinstance(error, sqlite3.Error) or type(error).__module__.partition(".")[0] in ("duckdb", "_duckdb", "dagster"):
        return _problem_in(str(error))
    return None


def _problem_in(text: str) -> Problem | None:
    return next((problem for words, problem in _OF_WORDS if re.search(words, text)), None)


def _named(text: str) -> str | None:
    """The first path that an error's text quotes."""
    found = re.search(r"[\"'](/[^\"'\n]+)[\"']", text)
    return found[1] if found else None


def _said(problem: Problem, text: str, path: Path | None, data_dir: Path, then: str) -> str:
    if problem == "memory":
        limit = re.search(r"/([\d.]+ [KMGT]?i?B) used\)", text)
        may = f": DuckDB may take {limit[1]} here, and needed more at once" if limit else ""
        return f"Memory ran out{may}. Give the machine or its container more memory, then {then}."
    disk = _disk(path, data_dir)
    at = f" at {path}" if path else ""
    if problem != "forbidden" and _free_bytes(path or data_dir) < _NEARLY_NOTHING:
        problem = "full"  # SQLite calls a full disk an I/O error, too
    if problem == "full":
        return f"{disk} is full{at}: free up space, then {then}."
    if problem == "failing":
        return (
            f"{disk} failed{at} (I/O error): have the disk checked, or its connection if it is a network drive, then "
            f"{then}."
        )
    what = f"{path} cannot be read or written" if path else f"A file in DATA_DIR ({data_dir}) cannot be written"
    return (
        f"{what}: the user of this process lacks the permission, or the disk is read-only. Give the permission (`kpi "
        f"doctor` says what is missing), then {then}."
    )


def _disk(path: Path | None, data_dir: Path) -> str:
    if path is None or path.is_relative_to(data_dir):
        return f"The disk of DATA_DIR ({data_dir})"
    return f"The disk of {path.parent}"


def _free_bytes(path: Path) -> float:
    for folder in (path, *path.parents):
        with suppress(OSError):
            return shutil.disk_usage(folder).free
    return float("inf")
