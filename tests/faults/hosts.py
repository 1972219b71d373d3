"""Hosts that share an object store: each publishes or lands something small, copies, and reads.

Belongs here: what a host does, and what is found on it and in the store. Does not belong here: faults.
"""

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from pipelines.ingest.raw_copies import Copied, pull_raw, push_raw
from pipelines.object_store import KEPT_FOR, Manifest
from pipelines.publish.copies import Pulled, Pushed, pull, push
from pipelines.publish.versions import point_to
from pipelines.settings import Settings
from pipelines.tables import all_raw_files, raw_file
from pipelines.warehouse import NotPublishedError
from tests.faults.object_store import FOLDER, STORE

OLD, NEW, NEWER = "20260101T090000Z-aaaa", "20260102T090000Z-bbbb", "20260103T090000Z-cccc"
FIRST, SECOND, THIRD = date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 3)
_UNCHANGED = "parquet/same/same.parquet"
_FILES = ("kpi.duckdb", "parquet/numbers/numbers.parquet", _UNCHANGED)


def _content(publication: str) -> dict[str, str]:
    """The files of a publication; the bytes say to which one they belong."""
    manifest = {"publication_id": publication, "published_at": "2026-01-01 09:00:00", "as_of_date": "2025-12-31"}
    return {
        **{path: "the same" if path == _UNCHANGED else f"{path} of {publication}, " * 9 for path in _FILES},
        "manifest.json": json.dumps({**manifest, "run_id": "r"}),
    }


@dataclass(frozen=True)
class Host:
    """A host with a data folder."""

    folder: Path

    @property
    def settings(self) -> Settings:
        return Settings(
            sources=["shop"], first_delivery="2026-01-01", time_zone="UTC", reporting_currency="EUR",
            data_dir=self.folder, object_store=STORE,
        )  # fmt: skip

    @property
    def published(self) -> Path:
        return self.settings.published_dir

    def publish(self, publication: str) -> "Host":
        folder = self.folder / "publications" / publication
        for path, content in _content(publication).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(content)
        point_to(folder, self.published)
        return self

    def land(self, rows: Mapping[date, str], hour: int = 9) -> "Host":
        """Land deliveries at an hour of 2026-01-03."""
        for day, content in rows.items():
            file = raw_file(self.settings.raw_dir, "shop", "orders", day)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
            os.utime(file, (at(hour).timestamp(), at(hour).timestamp()))
        return self

    def push(self, *, force: bool = False) -> Pushed:
        return push(self.settings, datetime.now(UTC), force=force)

    def push_when_all_is_old(self) -> Pushed:
        """Push on a day on which what earlier attempts have left may be deleted."""
        return push(self.settings, datetime.now(UTC) + 2 * KEPT_FOR)

    def pull(self) -> Pulled:
        return pull(self.settings, print)

    def push_raw(self, *, force: bool = False, forget: bool = False) -> Copied:
        return push_raw(self.settings, datetime.now(UTC), force=force, forget=forget)

    def push_raw_when_all_is_old(self) -> Copied:
        return push_raw(self.settings, datetime.now(UTC) + 2 * KEPT_FOR)

    def pull_raw(self) -> Copied:
        return pull_raw(self.settings, print)

    @property
    def reads(self) -> str | None:
        """The publication that readers find here, or what is wrong with it."""
        if not self.published.exists():
            return None
        folder = self.published.resolve()
        files = [file for file in folder.rglob("[!.]*") if file.is_file()]  # a mark of its writer may be there, too
        found = {file.relative_to(folder).as_posix(): file.read_text() for file in files}
        return folder.name if found == _content(folder.name) else f"a part of {folder.name}: {sorted(found)}"

    @property
    def raw(self) -> dict[date, str]:
        """What has landed here."""
        return {
            date.fromisoformat(file.parent.name.removeprefix("delivered_on=")): file.read_text()
            for file in all_raw_files(self.settings.raw_dir)
        }

    @property
    def left(self) -> set[str]:
        """What killed or failed processes have left."""
        return {path.name for path in self.folder.rglob(".*")}

    def copy(self, folder: Path) -> "Host":
        shutil.copytree(self.folder, folder, symlinks=True)
        return Host(folder)


def at(hour: int) -> datetime:
    return datetime(2026, 1, 3, hour, tzinfo=UTC)


def read_elsewhere(host: Host) -> str | None:
    """The publication that a host without anything finds in the store."""
    with TemporaryDirectory(dir=host.folder.parent) as folder:
        reader = Host(Path(folder))
        with suppress(NotPublishedError):
            reader.pull()
        return reader.reads


def raw_elsewhere(host: Host) -> dict[date, str]:
    """The raw that a host without anything finds in the store."""
    with TemporaryDirectory(dir=host.folder.parent) as folder:
        reader = Host(Path(folder))
        reader.pull_raw()
        return reader.raw


def unnamed(objects: Mapping[str, bytes]) -> set[str]:
    """The objects that are neither manifests nor named by one."""
    names = {name for name in objects if name.count("/") == 1}
    manifests = [Manifest.model_validate_json(objects[name]) for name in names]
    named = {file.object for manifest in manifests for file in manifest.files}
    kept_for_readers = {name for manifest in manifests for name in manifest.dropped}
    return objects.keys() - names - {f"{FOLDER}/{name}" for name in named | kept_for_readers}
