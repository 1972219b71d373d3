"""The publications that are kept, and which one analysts read.

Belongs here: the publications that are kept, the link to the current one, rolling back to an earlier one.
Does not belong here: building a publication (`publication.py`).
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb

from pipelines.damage import REPAIR, DamagedError, damage_of_duckdb
from pipelines.leftovers import delete
from pipelines.warehouse import NotPublishedError, reader

MANIFEST, FILE = "manifest.json", "kpi.duckdb"
KEPT = 5  # publications
CANDIDATE = ".candidate"  # a file in publications to which no link has led yet


class NoSuchVersionError(Exception):
    """There is no such publication; the message lists the available ones."""


@dataclass(frozen=True)
class Version:
    """A publication that is kept."""

    publication_id: str
    published_at: datetime  # UTC
    as_of_date: date
    run_id: str
    is_current: bool


def versions(published_dir: Path) -> list[Version]:
    """The publications that are kept, newest first; empty before the first publication.

    Of a publication whose manifest cannot be read, its file says the same. If that cannot be read either, it is left
    out: see `unreadable_versions`.
    """
    return [found for _, found in _kept_folders(published_dir) if found]


def unreadable_versions(published_dir: Path) -> list[Path]:
    """The folders of publications of which neither manifest nor file can be read, newest first."""
    return [folder for folder, found in _kept_folders(published_dir) if not found]


def published_as_of(published_dir: Path) -> date | None:
    """The as-of date of what analysts read now; None if nothing has been published yet."""
    return next((version.as_of_date for version in versions(published_dir) if version.is_current), None)


def what_stays(published_dir: Path) -> str:
    """What analysts read after a run that published nothing, as the second half of a sentence."""
    is_published = published_as_of(published_dir) is not None
    return "the previous publication stays" if is_published else "nothing has been published yet"


def roll_back(published_dir: Path, publication_id: str | None = None) -> Version:
    """Switch analysts to an earlier publication: the one whose id begins with `publication_id`, or the previous one.

    Nothing is deleted, and the next run that passes publishes again. Readers who have a file open keep it.

    Raises:
        NotPublishedError: nothing has been published yet.
        NoSuchVersionError: no publication, or more than one, matches.
        DamagedError: its file cannot be read, or `published_dir` is no link.
    """
    found = version_named(published_dir, publication_id) if publication_id else version_before(published_dir)
    file = file_of(published_dir, found)
    if why := damage_of_duckdb(file):
        raise DamagedError(
            f"{file} cannot be read: {why}. Set it aside ({REPAIR}), or choose another publication: kpi versions."
        )
    point_to(file.parent, published_dir)
    return found


def current_version(published_dir: Path) -> Version:
    """The publication that analysts read.

    Raises:
        NotPublishedError: nothing has been published yet.
    """
    return next(version for version in _kept(published_dir) if version.is_current)


def version_named(published_dir: Path, beginning: str) -> Version:
    """The publication whose id begins like this.

    Raises:
        NotPublishedError: nothing has been published yet.
        NoSuchVersionError: no publication, or more than one, matches.
    """
    kept = _kept(published_dir)
    found = [version for version in kept if version.publication_id.startswith(beginning)]
    return _only(found, kept, f"has an id that begins with {beginning}")


def version_before(published_dir: Path) -> Version:
    """The newest publication that is older than the current one.

    Raises:
        NotPublishedError: nothing has been published yet.
        NoSuchVersionError: none that is older is kept.
    """
    kept = _kept(published_dir)
    newer = [place for place, version in enumerate(kept) if version.is_current]
    return _only(kept[newer[0] + 1 : newer[0] + 2] if newer else kept[:1], kept, "is older than the current one")


def file_of(published_dir: Path, version: Version) -> Path:
    """The DuckDB file of a publication."""
    return _folder(published_dir) / version.publication_id / FILE


def _kept(published_dir: Path) -> list[Version]:
    if kept := versions(published_dir):
        return kept
    raise NotPublishedError("Nothing has been published yet. Run `kpi run` first.")


def _only(found: list[Version], kept: list[Version], wanted: str) -> Version:
    if len(found) == 1:
        return found[0]
    problem = "No publication" if not found else "More than one publication"
    kept_ids = ", ".join(version.publication_id for version in kept)
    raise NoSuchVersionError(f"{problem} {wanted}. Publications kept: {kept_ids}.")


def point_to(publication_dir: Path, published_dir: Path) -> None:
    """Make `published_dir` a link to `publication_dir` in one step.

    Raises:
        DamagedError: `published_dir` is a folder, such as a copy that somebody has restored.
    """
    if published_dir.is_dir() and not published_dir.is_symlink():
        raise DamagedError(f"{published_dir} is a folder, but should be a link. Repair it: {REPAIR}.")
    link = published_dir.with_name(f".{published_dir.name}-{os.getpid()}")
    (published_dir / CANDIDATE).unlink(missing_ok=True)  # a killed process may have left it in what was published
    while True:
        _delete_unfinished_links(published_dir)
        link.symlink_to(publication_dir.relative_to(published_dir.parent), target_is_directory=True)
        with suppress(FileNotFoundError):  # another process does the same, and took the link for an unfinished one
            link.replace(published_dir)
            break
    (publication_dir / CANDIDATE).unlink(missing_ok=True)


def prune(published_dir: Path, keep: int) -> None:
    """Delete all but the newest `keep` publications, but never the current one."""
    for version in versions(published_dir)[keep:]:
        if not version.is_current:
            folder = _folder(published_dir) / version.publication_id
            shutil.rmtree(folder.rename(folder.with_name(f".{folder.name}")))  # half of it must not look like a whole


def sweep(published_dir: Path) -> None:
    """Delete what killed processes left: candidates, half-deleted publications, and links to nowhere.

    Only a process that holds the writer lock may call it.
    """
    (published_dir / CANDIDATE).unlink(missing_ok=True)
    for left in leftovers(published_dir):
        delete(left)


def leftovers(published_dir: Path) -> list[Path]:
    """What killed processes have left, unless one is publishing now: folders that nobody reads, and links."""
    kept = folders_kept(published_dir)
    nobodys = [path for path in _folder(published_dir).glob("*") if path.is_dir() and path not in kept]
    return [*nobodys, *_unfinished_links(published_dir)]


def folders_kept(published_dir: Path) -> list[Path]:
    """The folders of publications, newest first: of those that analysts read or have read."""
    current = published_dir.resolve().name if published_dir.exists() else None
    folders = [path for path in _folder(published_dir).glob("[!.]*") if path.is_dir()]
    return sorted((path for path in folders if path.name == current or not (path / CANDIDATE).exists()), reverse=True)


def _delete_unfinished_links(published_dir: Path) -> None:
    for link in _unfinished_links(published_dir):
        link.unlink(missing_ok=True)


def _unfinished_links(published_dir: Path) -> Iterator[Path]:
    return published_dir.parent.glob(f".{published_dir.name}-*")


def _folder(published_dir: Path) -> Path:
    return published_dir.with_name("publications")


def _kept_folders(published_dir: Path) -> list[tuple[Path, Version | None]]:
    current = published_dir.resolve().name if published_dir.exists() else None
    return [(folder, _version(folder, current)) for folder in folders_kept(published_dir)]


def _version(folder: Path, current: str | None) -> Version | None:
    """What the manifest says or, if it is damaged, the file; None if neither can be read."""
    for read in (_manifest, recorded):
        try:
            return _described(read(folder), current)
        except (OSError, ValueError, KeyError, TypeError, duckdb.Error):
            continue
    return None


def _manifest(folder: Path) -> Any:
    return json.loads((folder / MANIFEST).read_text(encoding="utf-8"))


def recorded(folder: Path) -> dict[str, Any]:
    """What `meta.publication` says about a publication, under the names that its manifest uses.

    Raises:
        duckdb.Error: the file cannot be read.
    """
    with reader(folder / FILE) as connection:
        found = connection.execute(
            "select publication_id, run_id, cast(published_at as varchar) as published_at, "
            "cast(as_of_date as varchar) as as_of_date, code_version, reporting_currency, "
            "map_from_entries(list((source, cast(data_through as varchar)) order by source)) as data_through "
            "from meta.publication group by all"
        )
        return dict(zip([name for name, *_ in found.description or ()], found.fetchall()[0], strict=True))


def _described(manifest: Mapping[str, str], current: str | None) -> Version:
    return Version(
        manifest["publication_id"],
        datetime.fromisoformat(manifest["published_at"]),
        date.fromisoformat(manifest["as_of_date"]),
        manifest["run_id"],
        manifest["publication_id"] == current,
    )
