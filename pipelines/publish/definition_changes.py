"""Changes of definitions: because of what, and both values of the months before.

Belongs here: recording them with the publication that changes a definition. Does not belong here: finding what differs
between two publications (`answers/differences.py`).
"""

import json
from datetime import datetime
from pathlib import Path

import duckdb

from pipelines.answers.differences import definition_changes, new_tables
from pipelines.sql import quote_text
from pipelines.transform.descriptions import Description
from pipelines.warehouse import attach_read_only

PLAN_FILE = "plan.duckdb"  # the latest plan that changes a definition, beside what is published
PLANNED = "planned"  # stands for the id of a publication in a plan
_MONTHS = 3  # of which both values are recorded

TABLES_OF_CHANGES = {
    "definition_changes": Description(
        "Measures that a publication defined in another way than the one before; one row per publication, KPI and "
        "variant.",
        {
            "models": "The models whose SQL differs.",
            "settings": "The settings in them that differ, with both values, as JSON.",
            "cause": "As in definition_change_values.",
        },
    ),
    "definition_change_values": Description(
        "Values of the three complete months before a definition changed; one row per publication, month, KPI, variant "
        "and entity.",
        {
            "value_before": "By the definition before.",
            "value_after": "By the definition of this publication.",
            "cause": "definition, if both values are made from the same deliveries; definition and data, if the value "
            "before is that of the publication before, and deliveries are new as well.",
        },
    ),
}


def record_changes(
    connection: duckdb.DuckDBPyConnection,
    publication_id: str,
    published_at: datetime,
    previous: Path,
    planned: Path | None = None,
) -> None:
    """Record which measures the candidate defines in another way than the `previous` publication, and what that did.

    Both values are known of the three complete months before. They are made from the same deliveries if no delivery is
    new, or if the change is the one that `kpi plan` has `planned`; otherwise, the cause is `definition and data`. What
    earlier publications recorded is kept.
    """
    connection.execute(
        """
        create table candidate.meta.definition_changes (
            publication_id varchar, published_at timestamp, kpi_id varchar, variant varchar, hash_before varchar,
            hash_after varchar, models varchar[], settings varchar, cause varchar
        );
        create table candidate.meta.definition_change_values (
            publication_id varchar, period_month date, kpi_id varchar, variant varchar, entity_type varchar,
            entity_id varchar, value_before decimal(38, 12), value_after decimal(38, 12), cause varchar
        )
        """
    )
    if not previous.exists():
        return
    attach_read_only(connection, previous, "previous")
    has = connection.execute(
        "select table_name from duckdb_tables() where database_name = 'previous' and schema_name = 'meta'"
    ).fetchall()
    for table in ("definition_changes", "definition_change_values"):
        if (table,) in has:
            connection.execute(f"insert into candidate.meta.{table} from previous.meta.{table}")
    if ("definitions",) in has:
        _insert_changes(connection, publication_id, published_at)
        if planned and planned.exists():
            _take_over(connection, publication_id, planned)
    connection.execute("detach previous")


def _take_over(connection: duckdb.DuckDBPyConnection, publication_id: str, planned: Path) -> None:
    """Where data have changed, too, take both values from a plan of the same change, if they are of the same months."""
    attach_read_only(connection, planned, "planned")
    connection.execute(
        f"""
        create temp table planned_measures as
        select kpi_id, variant
        from candidate.meta.definition_changes as changes
        inner join planned.meta.definition_changes as planned using (kpi_id, variant, hash_before, hash_after)
        where
            changes.publication_id = {quote_text(publication_id)}
            and planned.publication_id = {quote_text(PLANNED)}
            and changes.cause <> 'definition'
            and (select max(period_month) from planned.meta.definition_change_values)
            = (select max(period_start) from previous.marts.dim_period where grain = 'month' and is_complete);

        update candidate.meta.definition_changes set cause = 'definition'
        where publication_id = {quote_text(publication_id)} and (kpi_id, variant) in (from planned_measures);

        delete from candidate.meta.definition_change_values
        where publication_id = {quote_text(publication_id)} and (kpi_id, variant) in (from planned_measures);

        insert into candidate.meta.definition_change_values
        select {quote_text(publication_id)}, columns(* exclude (publication_id))
        from planned.meta.definition_change_values
        where publication_id = {quote_text(PLANNED)} and (kpi_id, variant) in (from planned_measures)
        order by all;

        drop table planned_measures
        """
    )
    connection.execute("detach planned")


def _insert_changes(connection: duckdb.DuckDBPyConnection, publication_id: str, published_at: datetime) -> None:
    [[is_other_day]] = connection.execute(
        "select (select max(as_of_date) from previous.marts.kpi_scorecard) "
        "is distinct from (select max(as_of_date) from candidate.marts.kpi_scorecard)"
    ).fetchall()
    other_tables = set(new_tables(connection, "previous", "candidate"))
    tables_of = {
        (kpi_id, variant): set(tables)
        for kpi_id, variant, tables in connection.execute(
            "select kpi_id, variant, delivered_tables from candidate.meta.definitions"
        ).fetchall()
    }
    for change in definition_changes(connection, "previous", "candidate"):
        tables = tables_of.get((change.kpi_id, change.variant), set())
        settings = {
            name: {"before": json.loads(old or "null"), "after": json.loads(new or "null")}
            for name, (old, new) in change.settings.items()
        }
        cause = "definition and data" if tables & other_tables or is_other_day else "definition"
        connection.execute(
            "insert into candidate.meta.definition_changes values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                *(publication_id, published_at, change.kpi_id, change.variant, change.before, change.after),
                *(list(change.models), json.dumps(settings), cause),
            ],
        )
    connection.execute(
        f"""
        insert into candidate.meta.definition_change_values
        select
            publication_id, period_start, kpi_id, variant, entity_type, entity_id, old.value, new.value, cause
        from candidate.meta.definition_changes as changes
        inner join candidate.marts.kpi_scorecard as new using (kpi_id, variant)
        inner join previous.marts.kpi_scorecard as old
            using (grain, period_start, kpi_id, variant, entity_type, entity_id)
        where
            publication_id = ?
            and (grain, period_start) in (
                select (grain, period_start) from previous.marts.dim_period
                where grain = 'month' and is_complete
                order by period_start desc
                limit {_MONTHS}
            )
        order by all
        """,
        [publication_id],
    )
