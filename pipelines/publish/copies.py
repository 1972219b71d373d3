"""Copies of publications in an object store: from the host that publishes, for hosts that only read.

Belongs here: which files of a publication are copied, which publication of two hosts counts, and bringing the store's
publication to this host.
Does not belong here: how a set of files in a store is replaced (`object_store.py`), and the Dagster assets
(`copy_assets.py`).

What was audited is copied: the file, the Parquet copies and the manifest, which never change. Reports are made from
them on each host (`kpi report`).
"""

import shutil
from collections.abc import Callable, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Literal

from pipelines.damage import DamagedError, ObjectStoreError
from pipelines.disk import sync
from pipelines.leftovers import PULL, temporary_folder
from pipelines.object_store import Chosen, FileSet, LocalFile, Manifest, ObjectStore, StoredFile
from pipelines.publish.versions import CANDIDATE, FILE, KEPT, MANIFEST, point_to, prune, sweep
from pipelines.settings import Settings
from pipelines.warehouse import NotPublishedError, hold_writer_lock, release_writer_lock

NAME = "published"


@dataclass(frozen=True)
class Pushed:
    """What became of copying this host's publication to the store.

    Attributes:
        outcome: whether it is there now, was there before, or the store has a newer one and keeps it.
        publication_id: the one that the store has as its current publication.
        files, size: what was uploaded, in number and bytes; Parquet copies that have not changed are not.
    """

    outcome: Literal["copied", "unchanged", "newer there"]
    publication_id: str
    files: int = 0
    size: int = 0


@dataclass(frozen=True)
class Pulled:
    """The publication that this host now has from the store, and how many files had to be copied for it."""

    publication_id: str
    files: int
    size: int
    is_new_here: bool


def push(settings: Settings, now: datetime, *, force: bool = False) -> Pushed:
    """Copy what analysts read here to the store, and make it what other hosts read.

    The store never goes back: if it has a newer publication, or this one was replaced there, it keeps what it has.
    `force` has it go back, and uploads every file again.

    Raises:
        ConfigError: no store is set.
        NotPublishedError: nothing has been published here.
        DamagedError: it was copied before, and its files are no longer what they were.
        ObjectStoreError: the store cannot be read or written. It has the publication from before, or this one.
    """
    store = ObjectStore.of(settings, NAME)
    if not settings.published_dir.exists():
        raise NotPublishedError("Nothing has been published here yet. Run `kpi run` first.")
    folder = settings.published_dir.resolve()
    local = cache(lambda: {path: LocalFile.of(folder / path) for path in _audited(folder)})

    def choose(found: Manifest, lost: Set[str]) -> Chosen | None:
        same = next((one for one in found.sets if one.id == folder.name), None)
        if not force:
            if same and same == found.current and lost.isdisjoint(file.object for file in same.files.values()):
                return None
            if same != found.current and any(one.id >= folder.name for one in found.sets):
                return None
        if same and (changed := [path for path, file in same.files.items() if not _is_same(folder / path, file)]):
            raise DamagedError(
                f"{folder / changed[0]} is not what it was when it was copied, so it is not copied again. Bring it "
                "back from the store, or from another host: kpi pull"
            )
        return Chosen(folder.name, local())

    replaced = store.replace(choose, now, KEPT, anew=force)
    assert replaced.manifest.current
    current = replaced.manifest.current.id
    if current == folder.name:
        return Pushed("copied" if replaced.is_new else "unchanged", current, replaced.files, replaced.size)
    return Pushed("newer there", current)


def _audited(folder: Path) -> list[str]:
    copies = sorted(file.relative_to(folder).as_posix() for file in folder.glob("parquet/*/*.parquet"))
    return [FILE, *copies, MANIFEST]


def pull(settings: Settings, say: Callable[[str], None]) -> Pulled:
    """Make the store's publication what analysts read on this host. Readers who have a file open keep it.

    Only files that this host lacks are copied. All are verified before analysts are switched to them in one step.

    Raises:
        ConfigError: no store is set.
        NotPublishedError: the store has no publication.
        ObjectStoreError: the store cannot be read, or this host has a newer publication that was never copied there.
    """
    store = ObjectStore.of(settings, NAME)
    hold_writer_lock(settings.warehouse_path, "`kpi pull`", say, settings.database_url)
    try:
        return _switched(store, settings)
    finally:
        release_writer_lock(settings.warehouse_path)


def _switched(store: ObjectStore, settings: Settings) -> Pulled:
    published_dir = settings.published_dir
    found = store.read()  # not before a run that was waited for may have published and copied
    if (wanted := found.current) is None:
        raise NotPublishedError(
            f"{store.address} has no publication yet. Check the address, or copy one from the host that runs the "
            "pipeline: kpi push"
        )
    here = published_dir.resolve().name if published_dir.exists() else ""
    if here > wanted.id and here not in {one.id for one in found.sets}:
        raise ObjectStoreError(
            f"This host's publication {here} is newer than {wanted.id} in {store.address}, and was never copied there. "
            "Copy it: kpi push. Or return to an earlier one: kpi rollback"
        )
    sweep(published_dir)
    folder = published_dir.with_name("publications") / wanted.id
    if folder.is_dir():
        missing = _missing(wanted.files, folder)
        _complete(store, missing, folder, settings.data_dir)
    else:
        missing = _build(store, wanted, folder, published_dir)
    if is_new := here != wanted.id:
        point_to(folder, published_dir)
    with suppress(OSError):  # what cannot be deleted now is deleted the next time
        prune(published_dir, KEPT)
    return Pulled(wanted.id, len(missing), sum(file.size for file in missing.values()), is_new)


def _build(store: ObjectStore, wanted: FileSet, folder: Path, published_dir: Path) -> dict[str, StoredFile]:
    """Put a publication together aside, and move it to `folder` when it is complete; return what had to be copied."""
    aside = folder.with_name(f".{folder.name}")
    aside.mkdir(parents=True)
    try:
        for path in wanted.files.keys() - _missing(wanted.files, published_dir).keys():
            (aside / path).parent.mkdir(parents=True, exist_ok=True)
            with suppress(OSError):  # not every file system has hard links
                (aside / path).hardlink_to((published_dir / path).resolve())
        missing = {path: file for path, file in wanted.files.items() if not (aside / path).exists()}
        store.fetch(missing, aside)
        (aside / CANDIDATE).touch()  # until a link leads there
        sync(aside)
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    sync(folder.parent)
    return missing


def _complete(store: ObjectStore, missing: Mapping[str, StoredFile], folder: Path, data_dir: Path) -> None:
    """Replace files of a publication that are missing or damaged, each in one step: all are of the same publication."""
    if not missing:
        return
    with temporary_folder(PULL, data_dir) as aside:
        store.fetch(missing, aside)
        for path in missing:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (aside / path).replace(folder / path)
            sync((folder / path).parent)


def _missing(files: Mapping[str, StoredFile], folder: Path) -> dict[str, StoredFile]:
    """Those of `files` that `folder` does not have as they are in the store."""
    return {path: file for path, file in files.items() if not _is_same(folder / path, file)}


def _is_same(path: Path, file: StoredFile) -> bool:
    try:
        return LocalFile.of(path).is_copy_of(file)
    except OSError:  # it is missing, or cannot be read
        return False
