"""Delivered files that were refused, each with the reason.

Belongs here: taking a file out of the landing folder, listing what was taken, and putting it back.
Does not belong here: why a file is refused (`gate.py`, `readers.py`), and rows (`rows.py`).

A refused file is in `quarantine/files/<source>/<table>/<day>/<id>/`, called `file`, with its record, `reason.json`.
Files of one day that were refused one after another are all kept.
"""

import errno
import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from pipelines.disk import sha256_of, sync, write_whole
from pipelines.ingest.gate import escaped

_RECORD, _FILE = "reason.json", "file"
_UNKNOWN_REASON = "It was refused by a run that was killed before it recorded the reason. Have it delivered again."


@dataclass(frozen=True)
class QuarantinedFile:
    """One refused file."""

    id: str
    source: str
    table: str
    delivered_on: str
    path: str  # where it was delivered, relative to the landing folder
    reason: str
    first_seen: str  # UTC
    state: str  # open or dismissed
    note: str = ""

    @property
    def still_waiting(self) -> str:
        """What a later run of the same day reports about it."""
        since = f"{self.first_seen[:10]} (kpi quarantine show {self.id})"
        return f"{self.reason} The file has been in quarantine since {since}."


@dataclass(frozen=True)
class QuarantinedFiles:
    """The refused files in `folder`, which were delivered below `landing_dir`."""

    folder: Path
    landing_dir: Path

    def take(self, path: Path, reason: str, source: str, table: str, delivered_on: date) -> None:
        """Move a delivered file to quarantine. A link is moved as a link.

        The record comes first, so that no file is ever in quarantine without one. A record whose file has not come
        means nothing: the file is still where it was delivered.
        """
        label = escaped(path.relative_to(self.landing_dir).as_posix())
        is_file = path.is_file() and not path.is_symlink()
        file_id = hashlib.sha256(f"{label} {sha256_of(path) if is_file else ''}".encode()).hexdigest()[:10]
        home = self.folder / source / table / str(delivered_on) / file_id
        home.mkdir(parents=True, exist_ok=True)
        self._record(QuarantinedFile(file_id, source, table, str(delivered_on), label, reason, _now(), "open"))
        with suppress(FileNotFoundError):  # another process was faster
            _move(path, home / _FILE)

    def recover(self, source: str, table: str, path_of_table: str) -> None:
        """Complete what a killed process left of a table's files, each of which is either here or delivered.

        `path_of_table` is where the table's files are delivered. A file without a record is from a version that moved
        files first: it is recorded, under the name that the table's files have.
        """
        for home in (self.folder / source / table).glob("*/*"):
            if not _is_there(home / _FILE):
                shutil.rmtree(home)
            elif not (home / _RECORD).exists():
                day = home.parent.name
                label = path_of_table.format(delivered_on=date.fromisoformat(day)).replace("*", home.name)
                self._record(QuarantinedFile(home.name, source, table, day, label, _UNKNOWN_REASON, _now(), "open"))

    def all(self) -> list[QuarantinedFile]:
        """Every refused file, in the order of arrival."""
        return sorted(map(self._read, self._homes("*/*/*/*")), key=lambda file: (file.first_seen, file.id))

    def of_day(self, source: str, table: str, delivered_on: date) -> list[QuarantinedFile]:
        """The refused files of one delivery that nobody has handled yet."""
        homes = self._homes(f"{source}/{table}/{delivered_on}/*")
        return [file for file in map(self._read, homes) if file.state == "open"]

    def put_back(self, file: QuarantinedFile) -> None:
        """Deliver a refused file again; if another file has taken its place in the meantime, dismiss this one."""
        target = self.landing_dir / file.path
        if target.exists():
            self.dismiss(file, "replaced by a later delivery")
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        _move(self._home(file) / _FILE, target)
        shutil.rmtree(self._home(file), ignore_errors=True)  # what stays means nothing without its file

    def dismiss(self, file: QuarantinedFile, note: str) -> None:
        """Record that the file is not wanted. Its day may then be empty."""
        self._record(QuarantinedFile(**asdict(file) | {"state": "dismissed", "note": note}))

    def purge(self, file: QuarantinedFile) -> None:
        """Delete the file permanently."""
        (self._home(file) / _FILE).unlink(missing_ok=True)  # first, since a file without a record would be recorded
        shutil.rmtree(self._home(file))

    def _homes(self, pattern: str) -> Iterator[Path]:
        records = self.folder.glob(f"{pattern}/{_RECORD}")
        return (record.parent for record in records if _is_there(record.with_name(_FILE)))

    def _home(self, file: QuarantinedFile) -> Path:
        return self.folder / file.source / file.table / file.delivered_on / file.id

    def _read(self, home: Path) -> QuarantinedFile:
        return QuarantinedFile(**json.loads((home / _RECORD).read_text(encoding="utf-8")))

    def _record(self, file: QuarantinedFile) -> None:
        write_whole(self._home(file) / _RECORD, json.dumps(asdict(file), ensure_ascii=False, indent=2))


def _is_there(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _move(path: Path, target: Path) -> None:
    """Move a file, also to another disk. A process that dies meanwhile leaves it where it was."""
    try:
        path.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        aside = target.with_name(f".{target.name}")
        shutil.copy2(path, aside, follow_symlinks=False)
        if not aside.is_symlink():
            sync(aside)
        aside.replace(target)
        path.unlink()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
