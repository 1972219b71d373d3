"""What connectors share: the window of a delivery day, retries, secrets, and the file that they write."""

import gzip
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from pipelines.config_files import ConfigError
from pipelines.ingest.gate import DeliveryError
from pipelines.leftovers import temporary_file
from pipelines.settings import Settings
from pipelines.sources.fetching import Incremental

Row = dict[str, str | None]

UNFINISHED = ".fetching-"  # the beginning of the names of files that are being fetched


class UnreachableError(DeliveryError):
    """The source cannot be queried now, for any day."""


class ConnectionLostError(UnreachableError):
    """The connection could not be opened or was lost; worth an immediate retry."""


@dataclass(frozen=True)
class Retries:
    """How often to query a source, and how long to wait before the second attempt; each further wait is doubled."""

    attempts: int = 5
    first_wait_seconds: float = 1
    longest_wait_seconds: float = 60


@dataclass(frozen=True)
class Window:
    """The half-open span `[start, end)` in which the rows last changed; without a start, all rows before the end.

    `zone` is the time zone of cursors without an offset.
    """

    start: datetime | None
    end: datetime
    zone: ZoneInfo


def window_of(fetch: Incremental, delivered_on: date, settings: Settings) -> Window:
    """The delivery day in the business time zone, and the lag's days before it. The first day includes all history."""
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
        ConfigError: the variable is not set, or is empty.
    """
    value = os.environ.get(variable, "").strip()
    if not value:
        raise ConfigError(
            f"source {source}: `{setting}` names the environment variable {variable}, which is not set. "
            "Set it where the pipeline runs, and run the day again."
        )
    return value


def write_delivery(target: Path, rows: Callable[[], Iterator[Row]]) -> int:
    """Write rows as gzipped JSON Lines to a temporary file, move it into place, and return the number of rows.

    Without rows, there is no file. The bytes depend only on the rows.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with temporary_file(UNFINISHED, target.parent) as aside:
        with aside.open("wb") as file:
            with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
                for row in rows():
                    packed.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
                    count += 1
            file.flush()
            os.fsync(file.fileno())
        if count:
            aside.chmod(0o644)
            aside.replace(target)
    return count
