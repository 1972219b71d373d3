"""What the tests of connectors share: a source with one table, fetched and landed for a day."""

import gzip
import json
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from pipelines.ingest.connectors import Retries, fetch
from pipelines.ingest.landing import Landed, land
from pipelines.settings import Settings
from pipelines.sources import Source
from pipelines.tables import raw_file
from pipelines.warehouse import in_memory

FIRST_DAY = date(2025, 1, 30)
AT_ONCE = Retries(attempts=5, first_wait_seconds=0)


class Pulled:
    """A table `orders` of a source called `shop`, in Warsaw, and the folders into which it is fetched and landed."""

    def __init__(self, folder: Path, source: dict[str, Any], table: dict[str, Any], retries: Retries = AT_ONCE) -> None:
        self.retries = retries
        self.settings = Settings(
            sources=["shop"],
            first_delivery=FIRST_DAY,
            time_zone="Europe/Warsaw",
            reporting_currency="EUR",
            data_dir=folder,
        )
        self.source = Source.model_validate(
            {
                "name": "shop",
                "description": "Shop.",
                "owner": "team:x",
                "sla": "06:00",
                "entities": ["orders"],
                "tables": {"orders": {"description": "Orders.", "key": ["id"], **table}},
                **source,
            }
        )
        self.table = self.source.tables["orders"]

    def fetch(self, day: date = FIRST_DAY) -> bytes:
        """The content of the fetched file; empty if there is no file."""
        path = fetch(self.source, "orders", self.table, day, self.settings, self.retries)
        assert path in (None, self.settings.landing_dir / self.table.path.format(delivered_on=day))
        return path.read_bytes() if path else b""

    def rows(self, day: date = FIRST_DAY) -> list[dict[str, str | None]]:
        """The rows of a day in the file, fetched now."""
        return [json.loads(line) for line in gzip.decompress(self.fetch(day)).splitlines()]

    def ids(self, day: date = FIRST_DAY) -> list[str | None]:
        return [row["id"] for row in self.rows(day)]

    def land(self, day: date = FIRST_DAY) -> Landed:
        """Land what was fetched."""
        with in_memory() as database:
            return land("shop", "orders", self.table, day, self.settings.landing_dir, self.settings.raw_dir, database)

    def raw(self, columns: str, *days: date) -> list[tuple[Any, ...]]:
        """Columns of the landed rows of these days."""
        files = [str(raw_file(self.settings.raw_dir, "shop", "orders", day)) for day in days or (FIRST_DAY,)]
        return duckdb.sql(f"select {columns} from read_parquet({files}) order by _delivered_on, _row_number").fetchall()
