"""The publications that are kept, and which one analysts read.

Belongs here: the publications that are kept, the link to the current one, rolling back to an earlier one.
Does not belong here: building a publication (`publication.py`).
"""

import json
import os
import shutil
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from pipelines.warehouse import NotPublishedError


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
    """The publications that are kept, newest first; empty before the first publication."""
    current = published_dir.resolve().name if published_dir.exists() else None
    manifests = sorted(_folder(published_dir).glob("[!.]*/manifest.json"), reverse=True)
    return [_version(json.loads(path.read_text(encoding="utf-8")), current) for path in manifests]


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
    """
    found = version_named(published_dir, publication_id) if publication_id else version_before(published_dir)
    point_to(file_of(published_dir, found).parent, published_dir)
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
    return _folder(published_dir) / version.publication_id / "kpi.duckdb"


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
    """Make `published_dir` a link to `publication_dir` in one step."""
    link = published_dir.with_name(f"{_unfinished_link(published_dir)}{os.getpid()}")
    link.unlink(missing_ok=True)
    link.symlink_to(publication_dir.relative_to(published_dir.parent), target_is_directory=True)
    link.replace(published_dir)


def prune(published_dir: Path, keep: int) -> None:
    """Delete all but the newest `keep` publications, but never the current one."""
    for version in versions(published_dir)[keep:]:
        if not version.is_current:
            folder = _folder(published_dir) / version.publication_id
            shutil.rmtree(folder.rename(folder.with_name(f".{folder.name}")))  # half of it must not look like a whole


def sweep(published_dir: Path) -> None:
    """Delete what killed processes left: unfinished candidates, half-deleted publications, and links to nowhere.

    Only a process that holds the writer lock may call it.
    """
    for left in _folder(published_dir).glob(".*"):
        shutil.rmtree(left, ignore_errors=True)
    for link in published_dir.parent.glob(f"{_unfinished_link(published_dir)}*"):
        link.unlink(missing_ok=True)


def _unfinished_link(published_dir: Path) -> str:
    return f".{published_dir.name}-"


def _folder(published_dir: Path) -> Path:
    return published_dir.with_name("publications")


def _version(manifest: dict[str, str], current: str | None) -> Version:
    return Version(
        manifest["publication_id"],
        datetime.fromisoformat(manifest["published_at"]),
        date.fromisoformat(manifest["as_of_date"]),
        manifest["run_id"],
        manifest["publication_id"] == current,
    )
