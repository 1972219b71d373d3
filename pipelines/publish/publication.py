"""Write, audit, publish: what analysts read is replaced in one step, or not at all.

Belongs here: building a publication, auditing it against the warehouse, swapping it in.
Does not belong here: whether this run may publish (`assets.py` consults the checks), and earlier publications
(`versions.py`).

A publication is a folder, `publications/<id>/`, with `kpi.duckdb` (schemas `marts` and `meta`), `parquet/<table>/` and
`manifest.json`. `published` is a link to the current publication: one rename swaps all three together, and readers who
have an old file open keep it.
"""

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path

import duckdb
import pandas as pd

from pipelines.deliveries import Delivery
from pipelines.disk import sha256_of, write_whole
from pipelines.publish.annotations import Marking, build_annotations
from pipelines.publish.basis import TABLES_OF_BASIS, Basis, record
from pipelines.publish.definition_changes import PLAN_FILE, TABLES_OF_CHANGES, record_changes
from pipelines.publish.restatements import build_restatements
from pipelines.publish.versions import CANDIDATE, KEPT, MANIFEST, point_to, prune, sweep
from pipelines.sql import quote_name, quote_path, quote_text
from pipelines.transform.descriptions import Description
from pipelines.warehouse import attach_read_only, ensure_writer, let_go, new_file, reader

SCORECARD = "kpi_scorecard__monthly"

_OWN_TABLES = {
    "annotations": Description(
        "What a reader should know about single days and months; one row per annotation and KPI that it concerns.",
        {
            "kind": "event (from events.yml), restated, quarantine, definition, unusual_day or source_connected.",
            "ends_on": "The last day.",
            "kpi_id": "Empty if it concerns all KPIs.",
            "entity_id": "Empty if it concerns all entities.",
            "subject": "The source, delivered table, check or variant that it is about.",
            "publication_id": "The publication in which it appeared first.",
        },
    ),
    "check_results": Description("What the checks of the last runs found; one row per run, table and check.", {}),
    "lineage": Description("From what each model is made; one row per model and model, seed or delivered table.", {}),
    "publication": Description("This publication and the sources that it was made from; one row per source.", {}),
    "restatements": Description(
        "Published values of past periods that have changed; one row per publication and value.", {}
    ),
    "restatement_causes": Description(
        "Why published values of past periods have changed; one row per publication, value, part, cause and delivery.",
        {
            "part": "What the value is computed from, as in kpi_parts.",
            "cause": "late, corrected, deleted, refund, exchange rate, definition, or related rows: rows that are as "
            "they were, but count otherwise because of a row that they refer to.",
            "table_name": "The delivered table of the row that has changed.",
            "changed_rows": "Rows that count otherwise than before.",
            "amount": "What they add to the part: money, or a number of rows.",
        },
    ),
}


class AuditError(Exception):
    """The candidate differs from the warehouse; the message names table and difference."""


@dataclass(frozen=True)
class Publication:
    """What `manifest.json` and `meta.publication` say about a publication."""

    publication_id: str
    run_id: str
    published_at: datetime
    as_of_date: date
    data_through: dict[str, date]  # per source, its newest delivery day
    code_version: str
    reporting_currency: str  # of every amount in the marts
    deliveries_in_question: tuple[Delivery, ...] = ()  # those in any state other than passed


@dataclass(frozen=True)
class Content:
    """The content of a table: row count, checksum of the rows in any order, and columns with their types."""

    rows: int
    checksum: int | None
    columns: str

    @property
    def written(self) -> str:
        """A text that is the same for the same content written by the same version of DuckDB."""
        parts = [duckdb.__version__, str(self.rows), str(self.checksum), self.columns]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def publish(
    publication: Publication,
    mart_tables: Iterable[str],
    check_results: pd.DataFrame,
    warehouse_path: Path,
    published_dir: Path,
    keep: int = KEPT,
    descriptions: Mapping[str, Description] | None = None,
    basis: Basis | None = None,
    marking: Marking | None = None,
) -> dict[str, int]:
    """Build the candidate, audit it, swap it in; return the published tables with their row counts.

    `descriptions`, by table, become comments in the file, which database tools show. `basis`, if given, is recorded.
    `marking` is what annotations are made of; without it, there are none.

    `published_dir` becomes (or stays) a link; the newest `keep` publications are kept next to it.

    Raises:
        AuditError: the candidate differs from the warehouse; the previous publication stays.
        StoreError: this process has lost the writer lock; the previous publication stays.
    """
    tables = sorted(mart_tables)
    sweep(published_dir)
    versions_dir = published_dir.with_name("publications")
    candidate_dir = versions_dir / publication.publication_id
    aside = versions_dir / f".{publication.publication_id}"
    (aside / "parquet").mkdir(parents=True)
    try:
        contents = contents_of(tables, warehouse_path)
        let_go()  # what was read stays in memory until then, and the file that is built needs it
        _link_unchanged(contents, published_dir, aside)
        _build(
            publication, tables, check_results, warehouse_path, published_dir, descriptions or {}, basis, marking, aside
        )
        audit(aside, contents)
        write_manifest(asdict(publication), contents, aside)
        (aside / CANDIDATE).touch()  # until a link leads there
        ensure_writer(warehouse_path)
        aside.rename(candidate_dir)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    point_to(candidate_dir, published_dir)
    with suppress(OSError):  # it is published: what cannot be deleted now is deleted after the next publication
        prune(published_dir, keep)
    return {table: content.rows for table, content in contents.items()}


def contents_of(tables: Iterable[str], warehouse_path: Path) -> dict[str, Content]:
    """The content of each mart in the warehouse."""
    with reader(warehouse_path) as connection:
        return {table: _content(connection, f'marts."{table}"') for table in tables}


def audit(candidate_dir: Path, contents: Mapping[str, Content]) -> None:
    """Compare every table of a candidate with the `contents` of the warehouse.

    Raises:
        AuditError: a table is missing, or its rows differ in number or content, in the file or in its Parquet copy.
    """
    with reader(candidate_dir / "kpi.duckdb") as connection:
        for table, expected in contents.items():
            copies = {
                "kpi.duckdb": f'marts."{table}"',
                "parquet": f"read_parquet({quote_path(_parquet_file(candidate_dir, table))})",
            }
            for name, relation in copies.items():
                try:
                    found = _content(connection, relation)
                except duckdb.Error as error:
                    raise AuditError(f"audit: {table} cannot be read from {name}: {error}") from None
                if (found.rows, found.checksum) != (expected.rows, expected.checksum):
                    raise AuditError(
                        f"audit: {table} differs: {(expected.rows, expected.checksum)} (rows, checksum) in the "
                        f"warehouse, {(found.rows, found.checksum)} in the candidate's {name}. Nothing was published; "
                        "run the day again."
                    )


def _content(connection: duckdb.DuckDBPyConnection, relation: str) -> Content:
    # A sum, since with XOR two equal rows that change in the same way would cancel each other out.
    [[rows, checksum]] = connection.execute(f"select count(*), sum(hash(t)) from {relation} as t").fetchall()
    columns = connection.execute(f"select column_name, column_type from (describe from {relation})").fetchall()
    return Content(rows, checksum, ", ".join(f"{name} {kind}" for name, kind in columns))


def _link_unchanged(contents: Mapping[str, Content], published_dir: Path, folder: Path) -> None:
    """Link the existing Parquet copies whose content is still correct into the candidate.

    A copy that cannot be linked, or of which nothing is known, is left to be written again.
    """
    try:
        before = json.loads((published_dir / "manifest.json").read_text(encoding="utf-8"))
        tables = dict(before["tables"])
    except (OSError, ValueError, KeyError, TypeError):  # nothing was published yet, or the manifest is damaged
        tables = {}
    for table, content in contents.items():
        _parquet_file(folder, table).parent.mkdir()
        known, copy = tables.get(table, {}), _parquet_file(published_dir, table)
        if known.get("content") == content.written and copy.exists() and sha256_of(copy) == known["parquet_sha256"]:
            with suppress(OSError):  # not every file system has hard links
                _parquet_file(folder, table).hardlink_to(copy.resolve())


def _build(
    publication: Publication,
    tables: list[str],
    check_results: pd.DataFrame,
    warehouse_path: Path,
    published_dir: Path,
    descriptions: Mapping[str, Description],
    basis: Basis | None,
    marking: Marking | None,
    folder: Path,
) -> None:
    with new_file(folder / "kpi.duckdb") as connection:
        attach_read_only(connection, warehouse_path, "warehouse")
        connection.execute("create schema candidate.marts")
        connection.execute("create schema candidate.meta")
        columns = _columns(connection, tables)
        for table in tables:
            # With a full order, equal marts become equal files, in whatever order deliveries arrived.
            key = descriptions[table].key if table in descriptions else ()
            connection.execute(
                f"create table candidate.marts.{quote_name(table)} as "
                f"select * from warehouse.marts.{quote_name(table)} order by {_full_order(columns[table], key)}"
            )
            parquet = _parquet_file(folder, table)
            if not parquet.exists():
                connection.execute(
                    f"copy candidate.marts.{quote_name(table)} to {quote_path(parquet)} "
                    "(format parquet, compression zstd)"
                )
        for table in ("delivered_files", "delivered_row_counts", "quarantined_rows"):
            connection.execute(
                f"create table candidate.meta.{table} as select * from warehouse.staging.{table} order by all"
            )
        for table in ("left_out_rows", "left_out_days"):
            connection.execute(
                f"create table candidate.meta.{table} as select * from warehouse.intermediate.int_{table} order by all"
            )
        publication_rows = pd.DataFrame(
            [
                {**asdict(publication), "source": source, "data_through": day}
                for source, day in publication.data_through.items()
            ]
        ).drop(columns="deliveries_in_question")
        connection.register("publication_rows", publication_rows)
        connection.execute(
            "create table candidate.meta.publication as select publication_id, run_id, published_at, "
            "cast(as_of_date as date) as as_of_date, source, cast(data_through as date) as data_through, code_version, "
            "reporting_currency "
            "from publication_rows"
        )
        _build_deliveries_in_question(connection, publication)
        _build_lineage(connection, descriptions)
        connection.register("check_results", check_results)
        connection.execute("create table candidate.meta.check_results as select * from check_results")
        if basis:
            record(connection, basis, "candidate")
            previous, planned = published_dir / "kpi.duckdb", published_dir.with_name(PLAN_FILE)
            record_changes(connection, publication.publication_id, publication.published_at, previous, planned)
        if "kpi_scorecard" in tables:
            build_restatements(connection, publication, published_dir / "kpi.duckdb")
        build_annotations(connection, publication, published_dir / "kpi.duckdb", marking)
        _comment(connection, {**_OWN_TABLES, **TABLES_OF_BASIS, **TABLES_OF_CHANGES, **descriptions})


def _columns(connection: duckdb.DuckDBPyConnection, tables: Iterable[str]) -> dict[str, list[str]]:
    """The columns of each mart in the warehouse, in their order."""
    found: dict[str, list[str]] = {table: [] for table in tables}
    for table, column in connection.execute(
        "select table_name, column_name from duckdb_columns() "
        "where database_name = 'warehouse' and schema_name = 'marts' order by column_index"
    ).fetchall():
        if table in found:
            found[table].append(column)
    return found


def _full_order(columns: Sequence[str], key: Iterable[str]) -> str:
    """All columns, as far as they can make a difference: no two rows are equal up to the last column of the key."""
    places = [columns.index(column) for column in key if column in columns]
    return ", ".join(quote_name(column) for column in columns[: max(places) + 1]) if places else "all"


def _comment(connection: duckdb.DuckDBPyConnection, descriptions: Mapping[str, Description]) -> None:
    """Write the descriptions of tables and columns into the candidate."""
    columns = connection.execute(
        "select schema_name, table_name, column_name from duckdb_columns() where database_name = 'candidate'"
    ).fetchall()
    connection.begin()  # otherwise, each statement would wait for the disk
    for schema, table in dict.fromkeys((schema, table) for schema, table, _ in columns):
        if text := descriptions[table].text if table in descriptions else "":
            connection.execute(f"comment on table candidate.{schema}.{quote_name(table)} is {quote_text(text)}")
    for schema, table, column in columns:
        if text := descriptions[table].columns.get(column, "") if table in descriptions else "":
            of_column = f"{schema}.{quote_name(table)}.{quote_name(column)}"
            connection.execute(f"comment on column candidate.{of_column} is {quote_text(text)}")
    connection.commit()


def _build_lineage(connection: duckdb.DuckDBPyConnection, descriptions: Mapping[str, Description]) -> None:
    """Build `meta.lineage`: from what each model is made; one row per model and model, seed or delivered table."""
    connection.execute("create table candidate.meta.lineage (model varchar, made_from varchar)")
    pairs = [(name, parent) for name, description in sorted(descriptions.items()) for parent in description.made_from]
    if pairs:
        names, parents = zip(*pairs, strict=True)
        connection.execute("insert into candidate.meta.lineage select unnest(?), unnest(?)", [names, parents])


def _build_deliveries_in_question(connection: duckdb.DuckDBPyConnection, publication: Publication) -> None:
    """Build `meta.deliveries_in_question`: what these numbers lack, and what they contain by a person's decision.

    One row per delivery in any state other than passed.
    """
    connection.execute(
        """
        create table candidate.meta.deliveries_in_question (
            source varchar, table_name varchar, delivered_on date, state varchar, problems varchar,
            decided_by varchar, reason varchar, decided_at varchar
        )
        """
    )
    rows = [
        (
            delivery.source, delivery.table, delivery.delivered_on, delivery.state, "\n".join(delivery.problems),
            delivery.decided_by or None, delivery.reason or None, delivery.decided_at or None,
        )
        for delivery in publication.deliveries_in_question
    ]  # fmt: skip
    if rows:
        connection.executemany(
            "insert into candidate.meta.deliveries_in_question values (?, ?, ?, ?, ?, ?, ?, ?)", rows
        )


def _parquet_file(folder: Path, table: str) -> Path:
    return folder / "parquet" / table / f"{table}.parquet"


def write_manifest(publication: Mapping[str, object], contents: Mapping[str, Content], folder: Path) -> None:
    """Write what is said of a publication and its tables, so that it outlasts a loss of power."""
    manifest = {
        **publication,
        "tables": {
            table: {
                "rows": content.rows,
                "parquet": _parquet_file(Path(), table).as_posix(),
                "parquet_sha256": sha256_of(_parquet_file(folder, table)),
                "content": content.written,
            }
            for table, content in contents.items()
        },
    }
    write_whole(folder / MANIFEST, json.dumps(manifest, indent=2, default=str) + "\n")
