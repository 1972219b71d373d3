"""Copies of raw in an object store: what has landed on any host, for a host that goes on from there.

Belongs here: which files of raw are copied, and which of two versions of a file counts.
Does not belong here: how a set of files in a store is replaced (`object_store.py`).

The store collects: what has landed on one host stays there when another host copies its own. Of two versions of a file,
the one that landed later counts, on both ways. A file whose size and time are those in the store is not read again.
"""

from collections.abc import Callable, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from pipelines.disk import sync
from pipelines.leftovers import PULL, temporary_folder
from pipelines.object_store import Chosen, LocalFile, Manifest, ObjectStore, StoredFile
from pipelines.settings import Settings
from pipelines.tables import all_raw_files
from pipelines.warehouse import hold_writer_lock, release_writer_lock

NAME = "raw"


@dataclass(frozen=True)
class Copied:
    """How many raw files were copied, with how many bytes, and how many the store has in all."""

    files: int
    size: int
    in_all: int


def push_raw(settings: Settings, now: datetime, *, force: bool = False, forget: bool = False) -> Copied:
    """Copy what has landed here to the store.

    Files that only the store has stay there, as do those that landed later on another host. With `forget`, the store
    then has what this host has, and nothing else. `force` uploads every file again.

    Raises:
        ConfigError: no store is set.
        ObjectStoreError: the store cannot be read or written. It has all files from before, or all of the new ones.
    """
    store = ObjectStore.of(settings, NAME)
    read = cache(LocalFile.of)

    def choose(found: Manifest, lost: Set[str]) -> Chosen | None:
        there: Mapping[str, StoredFile] = found.current.files if found.current else {}
        files: dict[str, LocalFile | StoredFile] = {} if forget else dict(there)
        for path in all_raw_files(settings.raw_dir):
            name = path.relative_to(settings.raw_dir).as_posix()
            stored = there.get(name)
            if stored is None:
                files[name] = read(path)
            elif _is_known(path, stored) or read(path).is_copy_of(stored):
                files[name] = read(path) if force or stored.object in lost else stored
            elif forget or not _landed_earlier(path, stored):
                files[name] = read(path)
        return None if files == there else Chosen(f"{now:%Y%m%dT%H%M%SZ}", files)

    replaced = store.replace(choose, now, anew=force)
    return Copied(replaced.files, replaced.size, len(list(replaced.manifest.files)))


def pull_raw(settings: Settings, say: Callable[[str], None]) -> Copied:
    """Bring the raw files of the store to this host that it lacks, or that landed later on another host.

    All are copied and verified before the first is put in its place. On a host without raw, that is one step.

    Raises:
        ConfigError: no store is set.
        ObjectStoreError: the store cannot be read.
    """
    store = ObjectStore.of(settings, NAME)
    hold_writer_lock(settings.warehouse_path, "`kpi pull --raw`", say, settings.database_url)
    try:
        found = store.read().current
        there = found.files if found else {}
        missing = {name: file for name, file in there.items() if _is_wanted(settings.raw_dir / name, file)}
        if missing:
            _place(store, missing, settings)
    finally:
        release_writer_lock(settings.warehouse_path)
    return Copied(len(missing), sum(file.size for file in missing.values()), len(there))


def _place(store: ObjectStore, missing: Mapping[str, StoredFile], settings: Settings) -> None:
    raw_dir = settings.raw_dir
    with temporary_folder(PULL, settings.data_dir) as aside:
        store.fetch(missing, aside / NAME)
        with suppress(OSError):  # it is missing, or has files
            raw_dir.rmdir()
        if not raw_dir.exists():
            (aside / NAME).rename(raw_dir)
            sync(raw_dir.parent)
            return
        for name in missing:
            (raw_dir / name).parent.mkdir(parents=True, exist_ok=True)
            (aside / NAME / name).replace(raw_dir / name)
            sync((raw_dir / name).parent)


def _is_wanted(path: Path, file: StoredFile) -> bool:
    if not path.exists():
        return True
    return not _is_known(path, file) and _landed_earlier(path, file) and not LocalFile.of(path).is_copy_of(file)


def _is_known(path: Path, file: StoredFile) -> bool:
    status = path.stat()
    return (status.st_size, status.st_mtime_ns) == (file.size, file.modified)


def _landed_earlier(path: Path, file: StoredFile) -> bool:
    return path.stat().st_mtime_ns < (file.modified or 0)
