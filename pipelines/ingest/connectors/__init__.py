"""Fetches a source's data for a delivery day into the landing folder, where it is a delivery like any other.

Belongs here: choosing the connector, and retrying. Does not belong here: how to query a database (`sql.py`) or an HTTP
API (`rest.py`), how to read a store (`store.py`), how to write the file (`delivery.py`), and what happens to the file
(`landing.py`).

No state is kept between days: the rows of a day are those that last changed in its window, so any day can be fetched
again. A file that exists has been fetched completely.
"""

import re
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

from pipelines.ingest.connectors.delivery import (
    UNFINISHED,
    ConnectionLostError,
    Retries,
    Row,
    UnreachableError,
    Window,
    window_of,
    write_delivery,
)
from pipelines.ingest.gate import DeliveryError
from pipelines.leftovers import abandoned, sweep
from pipelines.settings import Settings
from pipelines.sources import Source, Table
from pipelines.sources.fetching import SqlFetch

__all__ = ["Retries", "UnreachableError", "fetch", "sweep_fetches", "unfinished_fetches"]


def sweep_fetches(source: Source, table: Table, landing_dir: Path) -> None:
    """Delete what killed processes left of a table's files. What another process is fetching stays."""
    if source.is_asked:
        fixed = re.split(r"[{*?\[]", table.path)[0].rpartition("/")[0]  # the folder in which all of its files are
        sweep((landing_dir / fixed).rglob(f"{UNFINISHED}*"))


def unfinished_fetches(landing_dir: Path) -> list[Path]:
    """What killed processes left of files that they were fetching."""
    return abandoned(landing_dir.rglob(f"{UNFINISHED}*"))


def fetch(
    source: Source,
    table_name: str,
    table: Table,
    delivered_on: date,
    settings: Settings,
    retries: Retries | None = None,
) -> Path | None:
    """Write the delivery of one table and day into the landing folder.

    The same rows give the same bytes. An existing file is replaced in one step, or stays if anything fails.
    Returns None if there is no file: the source delivers its files itself, or has no rows on a day that may be empty.

    Raises:
        UnreachableError: the source cannot be reached, or denies access.
        DeliveryError: it returns something other than rows, or no rows although the table forbids empty days.
        ConfigError: an environment variable that the source names is not set.
    """
    if source.store:
        from pipelines.ingest.connectors.store import copy_deliveries

        copied = copy_deliveries(source, table, delivered_on, settings.landing_dir)
        return copied[0] if copied else None
    if table.fetch is None:
        return None
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

    retries = retries or Retries()
    label = f"{source.name}.{table_name}"
    target = settings.landing_dir / table.path.format(delivered_on=delivered_on)
    rows = _rows(source, table_name, table, window_of(table.fetch, delivered_on, settings), retries)
    attempts = Retrying(
        retry=retry_if_exception_type(ConnectionLostError),
        stop=stop_after_attempt(retries.attempts),
        wait=wait_exponential(multiplier=retries.first_wait_seconds, max=retries.longest_wait_seconds),
        reraise=True,
    )
    if attempts(write_delivery, target, rows):
        return target
    if table.empty_day == "forbidden":
        raise DeliveryError(
            f"{label}: the source has no rows for {delivered_on}. Check whether it is complete and run the day again, "
            f"or write `empty_day: allowed` for {label} if days without a row are normal."
        )
    target.unlink(missing_ok=True)
    return None


def _rows(
    source: Source, table_name: str, table: Table, window: Window, retries: Retries
) -> Callable[[], Iterator[Row]]:
    """A function that queries the source on each call. Drivers are imported only if they are needed."""
    if isinstance(table.fetch, SqlFetch):
        from pipelines.ingest.connectors import sql

        return lambda: sql.rows(source, table_name, table, window)
    from pipelines.ingest.connectors import rest

    return lambda: rest.rows(source, table_name, table, window, retries)
