"""Lands one table's delivery of one day as raw Parquet.

Belongs here: provenance, atomic replacement, and telling new, unchanged and restated deliveries apart.
Does not belong here: file formats (`readers.py`), Dagster (`assets.py`), and anything that happens after raw.

A raw partition is one file, `raw/<source>/<table>/delivered_on=<day>/rows.parquet`. It holds the delivered columns as
text, and beside them `_source_file`, `_row_number`, `_file_sha256`, `_delivered_on` and `_loaded_at`. What it was made
from stands in the file's own metadata, so that data and record are replaced in one step.
"""

import hashlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

import duckdb

from pipelines.ingest.readers import DeliveryError, iter_columns, literal_path, read_delivery, sql_name, sql_text
from pipelines.sources import Table

Outcome = Literal["landed", "unchanged", "restated", "empty day"]


@dataclass(frozen=True)
class Landed:
    """What became of one delivery."""

    outcome: Outcome
    files: list[str]  # relative to the landing folder
    rows: int
    size_bytes: int  # of the delivered files
    first_date: str | None  # smallest and largest value of the table's date column, as text
    last_date: str | None
    undeclared_columns: list[str]


@dataclass(frozen=True)
class MadeFrom:
    """What a raw file was made from: delivered files with their hashes, and how they were read."""

    files: dict[str, str]
    read_as: list[str]


def raw_file(raw_dir: Path, source: str, table_name: str, delivered_on: date) -> Path:
    """Where the raw rows of one table and delivery day lie."""
    return raw_dir / source / table_name / f"delivered_on={delivered_on}" / "rows.parquet"


def raw_days(raw_dir: Path, source: str, table_name: str) -> set[date]:
    """The delivery days of one table that have landed."""
    files = (raw_dir / source / table_name).glob("delivered_on=*/rows.parquet")
    return {date.fromisoformat(file.parent.name.removeprefix("delivered_on=")) for file in files}


def land(
    source: str,
    table_name: str,
    table: Table,
    delivered_on: date,
    landing_dir: Path,
    raw_dir: Path,
    database: duckdb.DuckDBPyConnection,
) -> Landed:
    """Bring the delivery of one day into raw: all of it, or nothing.

    The same bytes read the same way again change nothing; other bytes replace what was there. `database` does the
    reading and writing; nothing stays in it.

    Raises:
        DeliveryError: nothing was delivered although the table forbids empty days, or a file cannot be read.
    """
    files = table.files(landing_dir, delivered_on)
    if not files and table.empty_day == "forbidden":
        expected = table.path.format(delivered_on=delivered_on)
        raise DeliveryError(
            f"{expected}: nothing was delivered for {delivered_on}. Put the file into {landing_dir} and run the day "
            f"again, or write `empty_day: allowed` for {source}.{table_name} if days without a delivery are normal."
        )
    labels = [file.relative_to(landing_dir).as_posix() for file in files]
    made_from = MadeFrom(
        files=dict(zip(labels, map(_sha256, files), strict=True)),
        read_as=[table.format, table.delimiter, table.encoding, *table.columns, *table.optional_columns],
    )
    target = raw_file(raw_dir, source, table_name, delivered_on)
    with database.cursor() as connection:
        before = _made_from(connection, target)
        if before == made_from:
            outcome: Outcome = "unchanged"
        else:
            _write(connection, files, labels, made_from, table, delivered_on, target)
            outcome = "restated" if before else "landed" if files else "empty day"
        rows, first_date, last_date, columns = _summary(connection, target, table)
    declared = [*table.columns, *table.optional_columns]
    return Landed(
        outcome=outcome,
        files=labels,
        rows=rows,
        size_bytes=sum(file.stat().st_size for file in files),
        first_date=first_date,
        last_date=last_date,
        undeclared_columns=[name for name in columns if name not in declared and not name.startswith("_")],
    )


def _write(
    connection: duckdb.DuckDBPyConnection,
    files: list[Path],
    labels: list[str],
    made_from: MadeFrom,
    table: Table,
    delivered_on: date,
    target: Path,
) -> None:
    loaded_at = datetime.now(UTC).replace(tzinfo=None)
    selects = [_no_rows(table)]
    for file, label in zip(files, labels, strict=True):
        query = read_delivery(connection, file, table, label)
        delivered = ", ".join(sql_name(name) for name in iter_columns(query, connection) if name != "_row_number")
        selects.append(
            f"select {delivered}, {sql_text(label)} as _source_file, cast(_row_number as bigint) as _row_number, "
            f"{sql_text(made_from.files[label])} as _file_sha256 from ({query})"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, aside_name = tempfile.mkstemp(dir=target.parent, prefix=".landing-", suffix=".parquet")
    os.close(descriptor)
    aside = Path(aside_name)
    try:
        connection.execute(
            f"""
            copy (
                select *, date '{delivered_on}' as _delivered_on, timestamp '{loaded_at.isoformat(" ")}' as _loaded_at
                from ({" union all by name ".join(selects)})
            ) to {sql_text(str(aside))}
            (format parquet, compression zstd, kv_metadata {{made_from: {sql_text(json.dumps(asdict(made_from)))}}})
            """
        )
        _fsync(aside)
        aside.replace(target)
        _fsync(target.parent)
    finally:
        aside.unlink(missing_ok=True)


def _no_rows(table: Table) -> str:
    """Gives every declared column to an empty day, and the optional ones to a file that lacks them."""
    declared = [*table.columns, *table.optional_columns]
    columns = ", ".join(f"cast(null as varchar) as {sql_name(column)}" for column in declared)
    return (
        f"select {columns}, cast(null as varchar) as _source_file, cast(null as bigint) as _row_number, "
        "cast(null as varchar) as _file_sha256 where false"
    )


def _made_from(connection: duckdb.DuckDBPyConnection, target: Path) -> MadeFrom | None:
    """What the raw file at `target` says it was made from; None where there is none."""
    if not target.exists():
        return None
    metadata = f"parquet_kv_metadata({sql_text(literal_path(target))})"
    found = connection.execute(f"select decode(value) from {metadata} where decode(key) = 'made_from'").fetchone()
    return MadeFrom(**json.loads(found[0])) if found else None


def _summary(
    connection: duckdb.DuckDBPyConnection, target: Path, table: Table
) -> tuple[int, str | None, str | None, list[str]]:
    query = f"select * from read_parquet({sql_text(literal_path(target))}, hive_partitioning = false)"
    date_value = f"try_cast({sql_name(table.date_column)} as timestamp)" if table.date_column else "null"
    row = connection.execute(
        f"select count(*), cast(min({date_value}) as varchar), cast(max({date_value}) as varchar) from ({query})"
    ).fetchone()
    assert row is not None
    return row[0], row[1], row[2], list(iter_columns(query, connection))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
