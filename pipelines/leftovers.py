"""Temporary files and folders that are gone after their process was killed, too.

Belongs here: telling what a living process is still writing from what a killed one has left. Each is locked while its
process lives. The lock belongs to the operating system, so it holds across containers, and ends with the process.
Does not belong here: what is replaced under a fixed name (`disk.py`), and what only the writer of the warehouse writes
(`publish/versions.py`).
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# The beginnings of names of folders in the data folder, each with a copy of it, or of what an object store has.
DRY_RUN, PLAN, PULL = ".dry-run-", ".plan-", ".pull-"


@contextmanager
def temporary_folder(prefix: str, parent: Path | None = None) -> Iterator[Path]:
    """A folder in `parent`, by default the system's folder for such, that is deleted after the block.

    If the process is killed, the next call with the same prefix deletes it.
    """
    parent = parent or Path(tempfile.gettempdir())
    sweep(parent.glob(f"{prefix}*"))
    with _held(lambda: Path(tempfile.mkdtemp(prefix=prefix, dir=parent))) as folder:
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def temporary_file(prefix: str, parent: Path) -> Iterator[Path]:
    """An empty file in `parent`, which the block fills and moves to where it belongs; otherwise it is deleted.

    If the process is killed, it stays until a `sweep`.
    """

    def make() -> Path:
        descriptor, name = tempfile.mkstemp(prefix=prefix, dir=parent)
        os.close(descriptor)
        return Path(name)

    with _held(make) as file:
        try:
            yield file
        finally:
            file.unlink(missing_ok=True)


def copies_in(data_dir: Path) -> list[Path]:
    """The copies that commands make to try something or to replace something, whether they still do or not."""
    return [path for prefix in (DRY_RUN, PLAN, PULL) for path in data_dir.glob(f"{prefix}*")]


def abandoned(paths: Iterable[Path]) -> list[Path]:
    """Those of `paths` that no living process holds. What this user may not open is not among them."""
    found = []
    for path in paths:
        if (descriptor := _free(path)) is not None:
            os.close(descriptor)
            found.append(path)
    return found


def sweep(paths: Iterable[Path]) -> None:
    """Delete those of `paths` that no living process holds."""
    for path in paths:
        if (descriptor := _free(path)) is not None:
            try:
                delete(path)
            finally:
                os.close(descriptor)


def delete(path: Path) -> None:
    """Delete a file, a link or a folder with all that is in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _held(make: Callable[[], Path]) -> Iterator[Path]:
    while True:
        path = make()
        with suppress(FileNotFoundError):  # another process swept it before it was held
            descriptor = os.open(path, os.O_RDONLY)
            with suppress(OSError):  # a file system without locks, where nothing is swept either
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if path.exists():
                break
            os.close(descriptor)
    try:
        yield path
    finally:
        os.close(descriptor)


def _free(path: Path) -> int | None:
    """A descriptor that holds `path`; None if it cannot be held."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
