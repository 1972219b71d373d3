"""Where a delivered file goes in the landing folder, and which delivery day it is.

Belongs here: the pattern of file names, the day inside a file, and copying. Does not belong here: reading what landed
(`ingest/`).
"""

import shutil
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from pipelines.config_files import ConfigError
from pipelines.onboarding.cells import as_date
from pipelines.onboarding.names import DayInName
from pipelines.onboarding.sniffing import Described

_ENDINGS = {"gzip": ".gz", "zip": ".zip", "": ""}


def landing_pattern(named: DayInName, described: Described) -> str:
    """The pattern of file names that the pipeline can read. The pipeline recognises a packed file by its ending, and
    unpacks text files only."""
    ending = _ENDINGS[described.packed]
    if is_unpacked(described):
        return named.pattern.removesuffix(ending)
    return named.pattern if named.pattern.endswith(ending) else f"{named.pattern}{ending}"


def is_unpacked(described: Described) -> bool:
    """True if a person has to unpack the file before it is delivered."""
    return bool(described.packed) and described.format in ("parquet", "excel")


def newest_date(described: Described, columns: Iterable[str], before: date) -> date | None:
    """The newest date before `before` in these columns: the day at whose end the file was made, if it does not say."""
    names = [column.name for column in described.columns]
    days = {
        day
        for name in columns
        for cell in {row[names.index(name)] for row in described.sample}
        if cell and (day := as_date(cell.strip(), described.column(name).readings)) and day < before
    }
    return max(days, default=None)


def check_place(path: Path, target: Path) -> None:
    """Check that the delivered file at `path` can be copied to `target`.

    Raises:
        ConfigError: another file is there.
    """
    if target.exists() and not target.samefile(path) and target.read_bytes() != path.read_bytes():
        raise ConfigError(f"{target}: another file is there. If {path.name} replaces it, copy it there yourself.")


def copy_to_landing(path: Path, target: Path) -> bool:
    """Copy a delivered file to its place in the landing folder, whole or not at all. False if it is there."""
    if target.exists():
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    shutil.copyfile(path, part)
    part.rename(target)
    return True
