"""What `kpi sources add` was given: files, folders and zips, as the files in them.

Belongs here: finding and unpacking files. Does not belong here: what they contain (`sniffing.py`), and what it means
(`mapping.py`).
"""

import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.onboarding.names import DayInName, day_in_name
from pipelines.onboarding.sniffing import UnrecognisedError

_ENDINGS = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".parquet", ".xlsx", ".xlsm", ".gz", ".zip")


@dataclass(frozen=True)
class File:
    """A file that was given, or that was in a folder or a zip that was given.

    Attributes:
        path: where it can be read; in a temporary folder if it was in a zip.
        shown: its name in messages: crm.zip/deals.csv.
        named: what its name says.
    """

    path: Path
    shown: str
    named: DayInName


@dataclass(frozen=True)
class Files:
    """All files that were given, and the names of those in folders and zips that are no deliveries, as a README.pdf."""

    found: list[File]
    left_out: list[str]


def find_files(given: Sequence[Path], scratch: Path) -> Files:
    """The files in `given`, sorted by name within each folder and zip. Zips of several files are unpacked to `scratch`.

    Raises:
        UnrecognisedError: a folder or a zip contains no delivery, or a zip cannot be unpacked.
    """
    files = Files([], [])
    for place, path in enumerate(given):
        if path.is_dir():
            _add_folder(path, path.name, files)
        elif members := _members(path):
            folder = scratch / str(place)
            _unpack(path, members, folder)
            _add_folder(folder, path.name, files)
        else:  # if it does not exist, or is no delivery, the person is told when the file is described
            files.found.append(File(path, path.name, day_in_name(path.name)))
    return files


def _add_folder(folder: Path, shown: str, files: Files) -> None:
    before = len(files.found)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        inside = path.relative_to(folder)
        if any(part.startswith((".", "__MACOSX", "~$")) for part in inside.parts):
            continue
        if path.suffix.lower() in _ENDINGS:
            files.found.append(File(path, f"{shown}/{inside}", day_in_name(path.name)))
        else:
            files.left_out.append(f"{shown}/{inside}")
    if len(files.found) == before:
        raise UnrecognisedError(f"{shown}: contains no delivery, which is a file that ends in {', '.join(_ENDINGS)}.")


def _members(path: Path) -> list[zipfile.ZipInfo]:
    """The files in a zip of several files; none if `path` is another file. A workbook is a zip, too."""
    if path.suffix.lower() in (".xlsx", ".xlsm") or not path.is_file() or not zipfile.is_zipfile(path):
        return []
    with zipfile.ZipFile(path) as archive:
        members = [info for info in archive.infolist() if not info.is_dir() and "__MACOSX" not in info.filename]
    return members if len(members) > 1 and "xl/workbook.xml" not in [info.filename for info in members] else []


def _unpack(path: Path, members: Iterable[zipfile.ZipInfo], folder: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            for member in members:
                archive.extract(member, folder)  # which keeps names like ../orders.csv within the folder
    except (OSError, EOFError, zipfile.BadZipFile, RuntimeError) as error:
        raise UnrecognisedError(
            f"{path.name}: cannot be unpacked: {error}. It is truncated or has a password; have it sent again."
        ) from None
