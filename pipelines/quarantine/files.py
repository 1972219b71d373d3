"""Delivered files that were refused, each with the reason.

Belongs here: taking a file out of the landing folder, listing what was taken, and putting it back.
Does not belong here: why a file is refused (`gate.py`, `readers.py`), and rows (`rows.py`).

A refused file is in `quarantine/files/<source>/<table>/<day>/<id>/` with a `reason.json`. Files of one day that were
refused one after another are all kept.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from pipelines.ingest.gate import escaped, sha256_of

_RECORD = "reason.json"


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
        """Move a delivered file to quarantine. A link is moved as a link."""
        label = escaped(path.relative_to(self.landing_dir).as_posix())
        is_file = path.is_file() and not path.is_symlink()
        file_id = hashlib.sha256(f"{label} {sha256_of(path) if is_file else ''}".encode()).hexdigest()[:10]
        home = self.folder / source / table / str(delivered_on) / file_id
        home.mkdir(parents=True, exist_ok=True)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        try:
            path.replace(home / "file")
        except FileNotFoundError:  # another process was faster
            return
        self._write(home, QuarantinedFile(file_id, source, table, str(delivered_on), label, reason, now, "open"))

    def all(self) -> list[QuarantinedFile]:
        """Every refused file, in the order of arrival."""
        return sorted((self._read(home) for home in self._homes()), key=lambda file: (file.first_seen, file.id))

    def of_day(self, source: str, table: str, delivered_on: date) -> list[QuarantinedFile]:
        """The refused files of one delivery that nobody has handled yet."""
        homes = (self.folder / source / table / str(delivered_on)).glob(f"*/{_RECORD}")
        return [file for file in (self._read(record.parent) for record in homes) if file.state == "open"]

    def put_back(self, file: QuarantinedFile) -> None:
        """Deliver a refused file again; if another file has taken its place in the meantime, dismiss this one."""
        target = self.landing_dir / file.path
        if target.exists():
            self.dismiss(file, "replaced by a later delivery")
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        (self._home(file) / "file").replace(target)
        shutil.rmtree(self._home(file))

    def dismiss(self, file: QuarantinedFile, note: str) -> None:
        """Record that the file is not wanted. Its day may then be empty."""
        self._write(self._home(file), QuarantinedFile(**asdict(file) | {"state": "dismissed", "note": note}))

    def purge(self, file: QuarantinedFile) -> None:
        """Delete the file permanently."""
        shutil.rmtree(self._home(file))

    def _homes(self) -> Iterator[Path]:
        return (record.parent for record in self.folder.glob(f"*/*/*/*/{_RECORD}"))

    def _home(self, file: QuarantinedFile) -> Path:
        return self.folder / file.source / file.table / file.delivered_on / file.id

    def _read(self, home: Path) -> QuarantinedFile:
        return QuarantinedFile(**json.loads((home / _RECORD).read_text(encoding="utf-8")))

    def _write(self, home: Path, file: QuarantinedFile) -> None:
        aside = home / f".{_RECORD}"
        aside.write_text(json.dumps(asdict(file), ensure_ascii=False, indent=2), encoding="utf-8")
        aside.replace(home / _RECORD)
