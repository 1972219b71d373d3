"""Lands one table's delivery of one day as raw Parquet.

Belongs here: provenance, atomic replacement, distinguishing new, unchanged and restated deliveries, and putting refused
files into quarantine.
Does not belong here: requirements for a file (`gate.py`), file formats (`readers.py`), Dagster (`assets.py`), and
anything that happens after raw.

A raw partition is one file, `raw/<source>/<table>/delivered_on=<day>/rows.parquet`. It contains every delivered row:
its columns as text, together with `_source_file`, `_row_number`, `_file_sha256`, `_delivered_on` and `_loaded_at`. A
row that cannot be parsed into columns has its text in `_unreadable_row` and the reason in `_problem`. The file's own
metadata records what it was made from, so that data and record are replaced in one step. The metadata also record
whether the day is history: older than the newest day of the table's first load (`first_live_day`), and how many rows of
the files are no records (`skip_rows` of the table).
"""

import json
import shutil
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

import duckdb
from filelock import FileLock

from pipelines.config_files import ConfigError
from pipelines.damage import REPAIR, DamagedError, first_line
from pipelines.disk import disk_problem, sha256_of, sync
from pipelines.formatting import counted
from pipelines.ingest.gate import DeliveryError, MissingDeliveryError, StillArrivingError, admit, check_name
from pipelines.ingest.readers import READING_COLUMNS, Delivered, iter_columns, needs_more, read_delivery
from pipelines.quarantine.files import QuarantinedFiles
from pipelines.sources import Source, Table, each_table
from pipelines.sql import quote_name, quote_path, quote_pattern, quote_text
from pipelines.tables import day_of, raw_days, raw_file
from pipelines.warehouse import READING_MEMORY, in_memory

READER_VERSION = "2"  # raw files of an older version are rebuilt when their day is run again

_ROWS_OF_GROUP, _FEWEST_ROWS_OF_GROUP = 122_880, 2_048  # DuckDB's usual size, and its smallest

HISTORY, SKIPPED_ROWS = "history", "skipped_rows"  # keys in the metadata of raw files
FEW_ROWS = 10  # files with fewer rows may be equal on two days by chance

Outcome = Literal["landed", "unchanged", "restated", "empty day"]


@dataclass(frozen=True)
class Landed:
    """The outcome of landing one delivery."""

    outcome: Outcome
    files: list[str]  # relative to the landing folder
    rows: int  # all delivered records
    unreadable_rows: int  # those of them that cannot be parsed into columns
    skipped_rows: int  # not among them: rows of the files that are no records
    size_bytes: int  # of the delivered files
    first_date: str | None  # smallest and largest value of the table's date column, as text
    last_date: str | None
    undeclared_columns: list[str]
    refused: list[str] = field(default_factory=list)  # for each file that went to quarantine, the reason


@dataclass(frozen=True)
class MadeFrom:
    """What a raw file was made from: delivered files with their hashes, how they were read, and what was skipped."""

    files: dict[str, str]
    read_as: list[str]
    skipped: dict[str, int] = field(default_factory=dict)  # by file: how many of its rows are no records

    @property
    def skipped_rows(self) -> int:
        return sum(self.skipped.values())


def first_live_day(
    database: duckdb.DuckDBPyConnection, raw_dir: Path, source: str, table_name: str, days: Sequence[date]
) -> date:
    """The first delivery day of a table that is not history, once `days` have landed.

    It is the newest day of the first load. A killed process may have left the first load unfinished; in that case, only
    history has landed. Any older day that lands, even later, is history, too.
    """
    landed = sorted(raw_days(raw_dir, source, table_name))
    # All history is older than all live days, so only a few footers need to be read.
    found = bisect_left(
        landed, True, key=lambda day: not history_days(database, [raw_file(raw_dir, source, table_name, day)])
    )
    return landed[found] if found < len(landed) else max(days)


def history_days(database: duckdb.DuckDBPyConnection, files: Iterable[Path]) -> set[date]:
    """The delivery days of those raw files of one table whose metadata say that they are history."""
    listed = ", ".join(quote_pattern(file) for file in files)
    if not listed:
        return set()
    with database.cursor() as connection:
        found = connection.execute(
            f"select file_name from parquet_kv_metadata([{listed}]) where decode(key) = '{HISTORY}'"
        )
        return {day_of(Path(name)) for [name] in found.fetchall()}


def skipped_lines(raw_dir: Path, sources: Iterable[Source], days: Sequence[date]) -> list[str]:
    """For each table of which rows were skipped on these delivery days, how many."""
    lines = []
    for source, name, table in each_table(sources):
        files = [raw_file(raw_dir, source.name, name, day) for day in days] if table.skip_rows else []
        if rows := _skipped_rows([file for file in files if file.exists()]):
            lines.append(f"{source.name}.{name}: {skipped_in_words(rows)}.")
    return lines


def _skipped_rows(raws: Iterable[Path]) -> int:
    listed = ", ".join(quote_pattern(raw) for raw in raws)
    if not listed:
        return 0
    with in_memory() as connection:
        [[rows]] = connection.execute(
            "select coalesce(sum(cast(decode(value) as bigint)), 0) "
            f"from parquet_kv_metadata([{listed}]) where decode(key) = '{SKIPPED_ROWS}'"
        ).fetchall()
    return int(rows)


def skipped_in_words(rows: int) -> str:
    """`1 row is no record and was skipped (skip_rows)`."""
    are, were = ("is no record", "was") if rows == 1 else ("are no records", "were")
    return f"{counted(rows, 'row')} {are} and {were} skipped (skip_rows)"


def delivered_files(raw: Path) -> dict[str, str]:
    """The delivered files from which `raw` was made, relative to the landing folder, with their hashes."""
    with in_memory() as connection:
        made_from = _made_from(connection, raw)
    return dict(made_from.files) if made_from else {}


def loads(raws: Iterable[Path]) -> dict[date, datetime]:
    """When the rows of these raw files of one table were loaded, according to the rows themselves, by delivery day.

    Files without rows are not included.
    """
    listed = ", ".join(quote_pattern(raw) for raw in raws)
    if not listed:
        return {}
    rows = f"read_parquet([{listed}], hive_partitioning = false, union_by_name = true)"
    with in_memory() as connection:
        return dict(connection.execute(f"select _delivered_on, max(_loaded_at) from {rows} group by 1").fetchall())


def has_landed(
    source: str,
    table_name: str,
    table: Table,
    delivered_on: date,
    landing_dir: Path,
    raw_dir: Path,
    database: duckdb.DuckDBPyConnection,
) -> bool:
    """Whether every file in the landing folder for the day is in raw in its current form, byte for byte."""
    with database.cursor() as connection:
        before = _made_from(connection, raw_file(raw_dir, source, table_name, delivered_on))
    landed = before.files if before else {}
    return all(
        file.is_file() and landed.get(file.relative_to(landing_dir).as_posix()) == sha256_of(file)
        for file in table.files(landing_dir, delivered_on)
    )


def land(
    source: str,
    table_name: str,
    table: Table,
    delivered_on: date,
    landing_dir: Path,
    raw_dir: Path,
    database: duckdb.DuckDBPyConnection,
    quarantine: QuarantinedFiles | None = None,
    *,
    is_history: bool = False,
    memory: int = READING_MEMORY,
) -> Landed:
    """Bring the delivery of one day into raw, each of its files as a whole or not at all.

    The same bytes, read in the same way, change nothing; different bytes replace the earlier ones. The rows of a file
    stay after the file has left the landing folder. A refused file goes to `quarantine`, if given, and the day's other
    files land without it; the rows of the file's earlier version stay. `database` reads and writes; nothing stays in
    it. A day that lands again stays history or live, whatever `is_history` says. Reading takes at most `memory` bytes.
    A file that changes while it is read stays where it is, for the next run.

    Raises:
        DeliveryError: nothing was delivered although the table forbids empty days, or all files were refused.
        ConfigError: the table's `skip_rows` cannot be applied to a file.
    """
    target = raw_file(raw_dir, source, table_name, delivered_on)
    with _alone(target) as scratch, database.cursor() as connection:
        if quarantine:
            quarantine.recover(source, table_name, table.path)
        before = _made_from(connection, target)
        files = table.files(landing_dir, delivered_on)
        waiting = quarantine.of_day(source, table_name, delivered_on) if quarantine else []
        if waiting and not files:
            raise DeliveryError("\n".join(file.still_waiting for file in waiting))
        if not files and not (before and before.files) and table.empty_day == "forbidden":
            expected = table.path.format(delivered_on=delivered_on)
            raise MissingDeliveryError(
                f"{expected}: nothing was delivered for {delivered_on}. Put the file into {landing_dir} and run the "
                f"day again, or write `empty_day: allowed` for {source}.{table_name} if days without a delivery are "
                "normal."
            )
        reads: dict[str, Delivered] = {}
        hashes: dict[str, str] = {}
        refused: dict[Path, str] = {}
        changing: list[str] = []
        for file in files:
            label = file.relative_to(landing_dir).as_posix()
            try:
                read, sha256 = _read(connection, file, label, table, landing_dir, scratch, target, before, memory)
                if twin := next((other for other, known in hashes.items() if known == sha256), None):
                    _check_not_twice(connection, read.query, label, twin, table)
                reads[label], hashes[label] = read, sha256
            except FileNotFoundError:  # removed since the folder was listed
                continue
            except StillArrivingError as error:
                changing.append(str(error))
            except DeliveryError as error:
                _raise_if_of_the_disk(error)
                refused[file] = str(error)
            except ConfigError as error:
                _raise_if_of_the_disk(error)
                raise ConfigError(f"{source}.yml: tables.{table_name}.{error}") from None
        problems = [*refused.values(), *changing, *(file.still_waiting for file in waiting if file.path not in reads)]
        if quarantine:
            for file, reason in refused.items():
                quarantine.take(file, reason, source, table_name, delivered_on)
        # An incomplete snapshot does not show which keys it lacks.
        if problems and (not reads or table.deliveries == "snapshot"):
            raise DeliveryError("\n".join(problems))
        delivered = list(reads)
        landed_before = dict(before.files) if before else {}
        for label in sorted(landed_before.keys() - reads.keys()):  # removed since, or refused in its current form
            reads[label], hashes[label] = _landed(target, label, before), landed_before[label]
        skipped = {label: read.skipped for label, read in reads.items() if read.skipped}
        made_from = MadeFrom(hashes, _read_as(table), skipped)
        if before == made_from:
            outcome: Outcome = "unchanged"
        else:
            stays_history = bool(history_days(database, [target])) if before else is_history
            try:
                _write(connection, reads, made_from, table, delivered_on, target, scratch, stays_history)
            except duckdb.OutOfMemoryException:
                reasons = {label: str(needs_more(label, memory)) for label in delivered}
                if quarantine:
                    for label, reason in reasons.items():
                        quarantine.take(landing_dir / label, reason, source, table_name, delivered_on)
                raise DeliveryError("\n".join(reasons.values())) from None
            outcome = "restated" if before else "landed" if reads else "empty day"
        content = _content(connection, target, table)
        _remember_files(content.rows_of_files, target, delivered_on, scratch)
        if quarantine:
            for replaced in (file for file in waiting if file.path in delivered):
                quarantine.dismiss(replaced, "replaced by a later delivery")
    return Landed(
        outcome=outcome,
        files=list(reads),
        rows=content.rows,
        unreadable_rows=content.unreadable_rows,
        skipped_rows=made_from.skipped_rows,
        size_bytes=sum((landing_dir / label).stat().st_size for label in delivered),
        first_date=content.first_date,
        last_date=content.last_date,
        undeclared_columns=[name for name in content.columns if not table.expects(name) and not name.startswith("_")],
        refused=problems,
    )


def _read(
    connection: duckdb.DuckDBPyConnection,
    file: Path,
    label: str,
    table: Table,
    landing_dir: Path,
    scratch: Path,
    target: Path,
    before: MadeFrom | None,
    memory: int,
) -> tuple[Delivered, str]:
    """The records of one delivered file, and its hash. A file that landed in this form is not read again."""
    check_name(file, label, landing_dir)
    sha256 = sha256_of(file)
    if before and before.read_as == _read_as(table) and before.files.get(label) == sha256:
        return _landed(target, label, before), sha256
    try:
        admitted = admit(file, table, label, landing_dir, scratch)
        _check_not_landed_before(connection, target, table, label, sha256)
        read = read_delivery(connection, admitted, table, memory)
    except DeliveryError:
        _check_unchanged(file, label, sha256)  # half a file is not what its sender meant
        raise
    _check_unchanged(file, label, sha256)
    _check_row_count(connection, read, file, table, label)
    return read, sha256


def _raise_if_of_the_disk(error: Exception) -> None:
    """Raise the error behind the refusal of a file if a disk is the reason: then nothing is wrong with the file."""
    cause = error.__cause__ or error.__context__
    if cause is None or isinstance(cause, duckdb.OutOfMemoryException):  # a file may be too large for what it may take
        return
    if disk_problem(cause, Path()):
        raise cause


def _check_unchanged(file: Path, label: str, sha256: str) -> None:
    """Ensure that the file is what it was before it was read, byte for byte: sizes and times can stay the same."""
    if sha256_of(file) != sha256:
        raise StillArrivingError(f"{label}: is still being written. It lands with the next run of its day.")


def _landed(target: Path, label: str, made_from: MadeFrom | None) -> Delivered:
    """The records that a file contained when it landed."""
    return Delivered(
        "select * exclude (_source_file, _file_sha256, _delivered_on, _loaded_at) "
        f"from {_raw_rows(target)} where _source_file = {quote_text(label)}",
        made_from.skipped.get(label, 0) if made_from else 0,
    )


def _raw_rows(target: Path) -> str:
    return f"read_parquet({quote_pattern(target)}, hive_partitioning = false)"


def _check_row_count(
    connection: duckdb.DuckDBPyConnection, read: Delivered, file: Path, table: Table, label: str
) -> None:
    """Refuse a file that has fewer or more rows than it should, those that are no records included."""
    if not table.row_count_suffix:
        return
    companion = file.with_name(file.name + table.row_count_suffix)
    try:
        declared = int(companion.read_text(encoding="utf-8").strip())
    except (OSError, ValueError):
        raise DeliveryError(
            f"{label}: {companion.name}, which says how many rows the file has, is missing or contains no number. Have "
            "it delivered, or remove `row_count_suffix` from the source's YAML."
        ) from None
    [[records]] = connection.execute(f"select count(*) from ({read.query})").fetchall()
    rows = records + read.skipped
    if rows != declared:
        raise DeliveryError(
            f"{label}: {rows:,} rows, but {companion.name} says {declared:,}: the file is incomplete. "
            "Have it delivered again."
        )


def _check_not_landed_before(
    connection: duckdb.DuckDBPyConnection, target: Path, table: Table, label: str, sha256: str
) -> None:
    """Refuse yesterday's file under today's name."""
    marker = _marker(target, sha256)
    if table.may_repeat_a_file or not marker.exists():
        return
    day = marker.read_text(encoding="utf-8")
    other = target.parent.with_name(f"delivered_on={day}") / target.name
    made_from = _made_from(connection, other) if other != target else None
    if made_from and sha256 in made_from.files.values():
        raise DeliveryError(
            f"{label}: the same bytes were already delivered for {day}. Have the correct file delivered or, if there "
            "is none, dismiss this one with `kpi quarantine dismiss`. If identical files are normal, write "
            "`same_file_again: allowed` in the source's YAML."
        )


def _check_not_twice(connection: duckdb.DuckDBPyConnection, query: str, label: str, twin: str, table: Table) -> None:
    """Refuse `orders (1).csv` next to `orders.csv`: if rows have no key, they would count twice."""
    [[rows]] = connection.execute(f"select count(*) from ({query})").fetchall()
    if rows >= FEW_ROWS and not table.may_repeat_a_file:
        raise DeliveryError(f"{label}: contains the same bytes as {twin} of the same day. Remove one of the two.")


def _remember_files(rows_of_files: Mapping[str, int], target: Path, delivered_on: date, scratch: Path) -> None:
    """Record the day on which each sufficiently large file has landed; the newest such day counts."""
    for sha256, rows in rows_of_files.items():
        if rows < FEW_ROWS:
            continue
        marker = _marker(target, sha256)
        if not marker.exists() or marker.read_text(encoding="utf-8") != str(delivered_on):
            marker.parent.mkdir(exist_ok=True)
            aside = scratch / sha256
            aside.write_text(str(delivered_on), encoding="utf-8")
            aside.replace(marker)


def _marker(target: Path, sha256: str) -> Path:
    """A small file that names the day on which a file with this hash has landed, so that no other day must be read."""
    return target.parent.parent / "_landed_files" / sha256


def _read_as(table: Table) -> list[str]:
    columns = [*table.columns, *table.optional_columns]
    skipped = [f"skip_lines: {table.skip_lines}"] if table.skip_lines else []
    skipped += [f"skip_rows: {table.skip_rows}"] if table.skip_rows else []
    also = [f"also: {column}: {', '.join(others)}" for column, others in table.also.items()]
    also += [f"from_header: {column}: {named}" for column, named in table.from_header.items()]
    also += [f"if_missing: {column}: {sql}" for column, sql in table.if_missing.items()]
    return [READER_VERSION, table.format, table.delimiter, table.encoding, table.sheet or "", *columns, *skipped, *also]


def _write(
    connection: duckdb.DuckDBPyConnection,
    reads: Mapping[str, Delivered],
    made_from: MadeFrom,
    table: Table,
    delivered_on: date,
    target: Path,
    scratch: Path,
    is_history: bool,
) -> None:
    selects = [_no_rows(table)]
    for label, read in reads.items():
        delivered = ", ".join(quote_name(name) for name in iter_columns(read.query, connection))
        selects.append(
            f"select {delivered}, {quote_text(label)} as _source_file, "
            f"{quote_text(made_from.files[label])} as _file_sha256 from ({read.query})"
        )
    _replace(
        connection,
        f"select *, date '{delivered_on}' as _delivered_on from ({' union all by name '.join(selects)})",
        made_from,
        target,
        scratch,
        is_history,
    )


def stamp_again(database: duckdb.DuckDBPyConnection, target: Path) -> None:
    """Give the raw file at `target` a new `_loaded_at`, so that staging types its rows again."""
    with _alone(target) as scratch, database.cursor() as connection:
        made_from = _made_from(connection, target)
        assert made_from is not None, f"{target} is not a raw file"
        is_history = bool(history_days(database, [target]))
        query = f"select * exclude (_loaded_at) from {_raw_rows(target)}"
        _replace(connection, query, made_from, target, scratch, is_history)


def _replace(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    made_from: MadeFrom,
    target: Path,
    scratch: Path,
    is_history: bool,
) -> None:
    """Write the rows of `query` to a file in `scratch` with the current time as `_loaded_at`, then replace `target`."""
    loaded_at = datetime.now(UTC).replace(tzinfo=None)
    aside = scratch / target.name
    metadata = {"made_from": json.dumps(asdict(made_from)), SKIPPED_ROWS: str(made_from.skipped_rows)}
    metadata |= {HISTORY: "true"} if is_history else {}
    entries = ", ".join(f"{key}: {quote_text(value)}" for key, value in metadata.items())
    for rows in (_ROWS_OF_GROUP, _FEWEST_ROWS_OF_GROUP):
        try:
            connection.execute(
                f"""
                copy (select *, timestamp '{loaded_at.isoformat(" ")}' as _loaded_at from ({query}))
                to {quote_path(aside)}
                (format parquet, compression zstd, row_group_size {rows}, kv_metadata {{{entries}}})
                """
            )
            break
        except duckdb.OutOfMemoryException:  # a group is in memory as a whole, and rows may be long
            if rows == _FEWEST_ROWS_OF_GROUP:
                raise
    sync(aside)
    target.parent.mkdir(exist_ok=True)
    aside.replace(target)
    sync(target.parent)


def _no_rows(table: Table) -> str:
    """A query without rows, which gives an empty day every declared column."""
    texts = [*table.columns, *table.optional_columns, "_source_file", "_file_sha256", *READING_COLUMNS[1:]]
    columns = ", ".join(f"cast(null as varchar) as {quote_name(column)}" for column in texts)
    return f"select {columns}, cast(null as bigint) as _row_number where false"


def _made_from(connection: duckdb.DuckDBPyConnection, target: Path) -> MadeFrom | None:
    """What the raw file at `target` was made from, according to its metadata; None if there is no file.

    Raises:
        DamagedError: it cannot be read.
    """
    if not target.exists():
        return None
    metadata = f"parquet_kv_metadata({quote_pattern(target)})"
    try:
        found = connection.execute(f"select decode(value) from {metadata} where decode(key) = 'made_from'").fetchone()
    except duckdb.Error as error:  # only the files that were delivered can replace it, all of them
        raise DamagedError(
            f"{target} cannot be read: {first_line(error)}. Move it aside ({REPAIR}), then: "
            f"kpi run --date {day_of(target)}."
        ) from None
    return MadeFrom(**json.loads(found[0])) if found else None


@dataclass(frozen=True)
class _Content:
    """What a raw file contains; the dates are those of the table's date column."""

    rows: int
    unreadable_rows: int
    first_date: str | None
    last_date: str | None
    columns: list[str]
    rows_of_files: dict[str, int]  # by the hash of the delivered file


def _content(connection: duckdb.DuckDBPyConnection, target: Path, table: Table) -> _Content:
    date_value = f"try_cast({quote_name(table.date_column)} as timestamp)" if table.date_column else "null"
    (rows, unreadable_rows, first_date, last_date, _), *files = connection.execute(
        f"""
        select
            count(*), count(_problem), cast(min({date_value}) as varchar), cast(max({date_value}) as varchar),
            _file_sha256
        from {_raw_rows(target)}
        group by grouping sets ((), (_file_sha256))
        order by grouping(_file_sha256) desc
        """
    ).fetchall()
    columns = list(iter_columns(f"select * from {_raw_rows(target)}", connection))
    rows_of_files = {sha256: count for count, *_, sha256 in files}
    return _Content(rows, unreadable_rows, first_date, last_date, columns, rows_of_files)


@contextmanager
def _alone(target: Path) -> Iterator[Path]:
    """Let only one process at a time land the table of `target`; a folder for what it writes until that is complete.

    The folder is the table's, so the next landing of any day removes what a killed process left in it.
    """
    of_table = target.parent.parent
    of_table.mkdir(parents=True, exist_ok=True)
    scratch = of_table / ".landing"
    with FileLock(of_table / ".lock"):
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
