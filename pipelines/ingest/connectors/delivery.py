"""What connectors share: the window of a delivery day, how often to try, secrets, and the file that is written."""

import gzip
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from pipelines.config_files import ConfigError
from pipelines.ingest.gate import DeliveryError
from pipelines.settings import Settings
from pipelines.sources.fetching import Incremental

Row = dict[str, str | None]


class UnreachableError(DeliveryError):
    """The source cannot be asked now, for this day or another."""


class ConnectionLostError(UnreachableError):
    """The connection could not be made, or was lost half-way; worth another try at once."""


@dataclass(frozen=True)
class Retries:
    """How often a source is asked, and how long is waited before the second time; each wait is twice the one before."""

    attempts: int = 5
    first_wait_seconds: float = 1
    longest_wait_seconds: float = 60


@dataclass(frozen=True)
class Window:
    """The half-open span `[start, end)` in which the rows last changed; without a start all before the end.

    `zone` is that of cursors without an offset.
    """

    start: datetime | None
    end: datetime
    zone: ZoneInfo


def window_of(fetch: Incremental, delivered_on: date, settings: Settings) -> Window:
    """The delivery day where the business is, and the days of the lag before it; the first day brings the history."""
    business = ZoneInfo(settings.time_zone)

    def start_of(day: date) -> datetime:
        return datetime(day.year, day.month, day.day, tzinfo=business)

    return Window(
        start=start_of(delivered_on - timedelta(days=fetch.lag_days))
        if delivered_on > settings.first_delivery
        else None,
        end=start_of(delivered_on + timedelta(days=1)),
        zone=ZoneInfo(fetch.cursor_time_zone or settings.time_zone),
    )


def secret(variable: str, source: str, setting: str) -> str:
    """The value of an environment variable that a source names.

    Raises:
        ConfigError: it is not set, or empty.
    """
    value = os.environ.get(variable, "").strip()
    if not value:
        raise ConfigError(
            f"source {source}: `{setting}` names the environment variable {variable}, which is not set. "
            "Set it where the pipeline runs, and run the day again."
        )
    return value


def write_delivery(target: Path, rows: Callable[[], Iterator[Row]]) -> int:
    """Write rows as gzipped JSON Lines, aside and then in place, and count them.

    No rows make no file. The bytes depend on the rows alone.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, aside_name = tempfile.mkstemp(dir=target.parent, prefix=".fetching-")
    aside = Path(aside_name)
    count = 0
    try:
        with os.fdopen(descriptor, "wb") as file:
            with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
                for row in rows():
                    packed.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
                    count += 1
            file.flush()
            os.fsync(file.fileno())
        if count:
            aside.chmod(0o644)
            aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)
    return count
