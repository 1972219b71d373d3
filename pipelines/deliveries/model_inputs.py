"""Tells models which deliveries to leave out, which are missing, and which days are public holidays.

It writes Parquet files that dbt reads as sources.

Belongs here: those files. Does not belong here: the states of deliveries (`standing.py`), and the SQL that reads the
files.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path

from pipelines.deliveries.standing import Delivery
from pipelines.holidays import public_holidays
from pipelines.settings import Settings
from pipelines.tables import TableRef
from pipelines.warehouse import in_memory

# Tables of the dbt source `pipeline`.
LEFT_OUT, MISSING, HOLIDAYS = "left_out_deliveries", "missing_deliveries", "public_holidays"
_COLUMNS = {
    LEFT_OUT: "source varchar, table_name varchar, delivered_on date",
    MISSING: "source varchar, table_name varchar, entity varchar, delivered_on date",
    HOLIDAYS: "holiday_date date, holiday_name varchar",
}


def write_left_out(settings: Settings, deliveries: Iterable[Delivery]) -> None:
    """Make the next build leave these deliveries, and no others, out of staging."""
    _write(settings, LEFT_OUT, [(delivery.source, delivery.table, delivery.delivered_on) for delivery in deliveries])


def write_missing(
    settings: Settings, deliveries: Iterable[Delivery], entities: Mapping[tuple[str, str], Iterable[str]], as_of: date
) -> None:
    """Make the next build report the KPIs that lack these deliveries, up to the as-of date.

    `entities`: the entities built from each table, by (source, table).
    """
    rows = [
        (delivery.source, delivery.table, entity, delivery.delivered_on)
        for delivery in deliveries
        if delivery.state in ("missing", "refused", "left_out") and delivery.delivered_on <= as_of
        for entity in entities.get((delivery.source, delivery.table), ())
    ]
    _write(settings, MISSING, rows)


def ensure_files(settings: Settings) -> None:
    """Create the files that do not exist; in new files, no delivery is left out or missing. Write the public holidays.

    Raises:
        ConfigError: the public holidays of the setting holiday_country are not known.
    """
    for name in (LEFT_OUT, MISSING):
        if not _file(settings, name).exists():
            _write(settings, name, [])
    _write(settings, HOLIDAYS, sorted(public_holidays(settings).items()))


def entities_of_tables(manifest: Path) -> dict[tuple[str, str], list[str]]:
    """The entities that staging builds from each delivered table, by (source, table), from dbt's manifest."""
    nodes = json.loads(manifest.read_text(encoding="utf-8"))["nodes"].values()
    by_id = {node["unique_id"]: node for node in nodes if node["resource_type"] == "model"}
    found: dict[tuple[str, str], list[str]] = {}
    for node in by_id.values():
        if not node["name"].startswith("stg_"):
            continue
        waiting, seen = list(node["depends_on"]["nodes"]), set()
        while waiting:
            above = by_id.get(waiting.pop())
            if above is None or above["unique_id"] in seen:
                continue
            seen.add(above["unique_id"])
            waiting += above["depends_on"]["nodes"]
            if log := TableRef.of_log(above["name"]):
                found.setdefault((log.source, log.table), []).append(node["name"].partition("__")[2])
    return found


def _file(settings: Settings, name: str) -> Path:
    return settings.raw_dir / "pipeline" / name / "now" / "rows.parquet"  # where dbt looks for every source's tables


def _write(settings: Settings, name: str, rows: Sequence[tuple[object, ...]]) -> None:
    target = _file(settings, name)
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}")  # only the process that writes the warehouse comes here
    with in_memory() as connection:
        connection.execute(f"create temp table told ({_COLUMNS[name]})")
        if rows:
            marks = ", ".join("?" for _ in rows[0])
            connection.executemany(f"insert into told values ({marks})", rows)
        connection.execute("copy told to $1 (format parquet)", [str(aside)])
    if target.exists() and target.read_bytes() == aside.read_bytes():
        aside.unlink()  # a new file would make dbt rebuild everything that reads it
    else:
        aside.replace(target)
