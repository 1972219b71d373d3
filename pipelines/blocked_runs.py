"""Whether the last run published nothing, for those who read only what is published.

Belongs here: a note beside the publications, which the end of a run writes and pages read. Does not belong here: what
blocked the run, which alerts and `kpi status` say to those who can mend it.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

_NAME = "blocked.json"


@dataclass(frozen=True)
class BlockedRun:
    """A run that published nothing."""

    at: datetime  # UTC, when it ended
    problems: int


def note_blocked_run(published_dir: Path, run: BlockedRun | None) -> None:
    """Note that the last run was blocked, or with None that it was not. Before the first publication, note nothing."""
    if not published_dir.exists():
        return
    file = _file(published_dir)
    if run is None:
        file.unlink(missing_ok=True)
        return
    new = file.with_suffix(".new")
    new.write_text(json.dumps({"at": run.at.isoformat(), "problems": run.problems}), encoding="utf-8")
    new.replace(file)


def blocked_run(published_dir: Path) -> BlockedRun | None:
    """The last run, if it was blocked; also None if the note cannot be read."""
    try:
        said = json.loads(_file(published_dir).read_text(encoding="utf-8"))
        return BlockedRun(datetime.fromisoformat(said["at"]), int(said["problems"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _file(published_dir: Path) -> Path:
    """Beside the publications: each of them is complete and does not change."""
    return published_dir.resolve().parent / _NAME
