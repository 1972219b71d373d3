"""Tells staging which deliveries to leave out, as a Parquet file that dbt reads as a source.

Belongs here: that file. Does not belong here: which deliveries are left out (`standing.py`), and the SQL that heeds it.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from pipelines.deliveries.standing import Delivery
from pipelines.settings import Settings
from pipelines.warehouse import in_memory


def left_out_file(settings: Settings) -> Path:
    """Where the file lies; the dbt source `pipeline.left_out_deliveries` names it, too."""
    return settings.raw_dir / "left_out_deliveries.parquet"


def write_left_out(settings: Settings, deliveries: Iterable[Delivery]) -> None:
    """Have the next build leave these deliveries out of staging, and no others."""
    target = left_out_file(settings)
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}-{os.getpid()}")
    rows = [(delivery.source, delivery.table, delivery.delivered_on) for delivery in deliveries]
    with in_memory() as connection:
        connection.execute("create table left_out (source varchar, table_name varchar, delivered_on date)")
        if rows:
            connection.executemany("insert into left_out values (?, ?, ?)", rows)
        connection.execute("copy left_out to $1 (format parquet)", [str(aside)])
    aside.replace(target)


def ensure_left_out_file(settings: Settings) -> None:
    """Make the file where there is none: then nothing is left out."""
    if not left_out_file(settings).exists():
        write_left_out(settings, [])
