"""How far published numbers can be trusted: what checks found, how new the numbers are, and what they lack.

Belongs here: reading that from the published file. Does not belong here: the state of the daily run
(`operations/status.py`), which is known only where it runs.
"""

from dataclasses import dataclass
from datetime import date

import duckdb

from pipelines.answers.questions import QuestionError
from pipelines.sql import quote_text

_OF_THIS_RUN = "run_id = (select any_value(run_id) from meta.publication)"


@dataclass(frozen=True)
class Checked:
    """What one check found in one table."""

    stage: str  # raw, staging or marts
    table: str
    check: str
    severity: str  # critical, warning or info
    status: str  # passed, failed, or error if it could not be executed
    message: str
    n: int | None  # of rows or figures that were judged
    n_failing: int | None


@dataclass(frozen=True)
class Delivered:
    """How new a source's data are, and those of its deliveries that are in any state other than passed."""

    source: str
    data_through: date
    status: str  # ok, or in_question if there is such a delivery
    n: int  # deliveries in question
    in_question: list[str]


def checks_of(
    connection: duckdb.DuckDBPyConnection, table: str | None = None, failed_only: bool = True
) -> list[Checked]:
    """What the checks of the run that published found; the worst first.

    Raises:
        QuestionError: no check of that run is about `table`.
    """
    tables = [
        name
        for (name,) in connection.execute(
            f'select distinct "table" from meta.check_results where {_OF_THIS_RUN} order by 1'
        ).fetchall()
    ]
    if table is not None and table not in tables:
        raise QuestionError(f"No check was about a table {table!r}. Checked tables: {', '.join(tables)}.")
    rows = connection.execute(
        f"""
        select
            stage, "table", "check", severity,
            case when error is not null then 'error' when passed then 'passed' else 'failed' end as status,
            message, element_count, unexpected_count
        from meta.check_results
        where {_OF_THIS_RUN}
            and ({failed_only} = false or not passed)
            {"" if table is None else f'and "table" = {quote_text(table)}'}
        order by
            passed, case severity when 'critical' then 1 when 'warning' then 2 else 3 end, stage, "table", "check",
            delivered_on
        """
    ).fetchall()
    return [Checked(*row) for row in rows]


def freshness_of(connection: duckdb.DuckDBPyConnection) -> list[Delivered]:
    """How new each source's data are."""
    rows = connection.execute(
        """
        select
            publication.source, any_value(publication.data_through), count(delivered_on),
            list(
                table_name || ' of ' || delivered_on || ': ' || state
                || coalesce(' by ' || decided_by || ' (' || coalesce(reason, '') || ')', '')
                order by delivered_on, table_name
            ) filter (delivered_on is not null)
        from meta.publication as publication
        left join meta.deliveries_in_question as deliveries using (source)
        group by publication.source
        order by publication.source
        """
    ).fetchall()
    return [
        Delivered(source, through, "in_question" if count else "ok", count, deliveries or [])
        for source, through, count, deliveries in rows
    ]
