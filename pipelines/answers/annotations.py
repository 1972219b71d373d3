"""What a reader should know about the periods of a KPI: events that people wrote down, and automatic marks.

Belongs here: which rows of `meta.annotations` concern a KPI, an entity and a period. Does not belong here: how they
come about (`publish/annotations.py`), and how they are printed (`cli/printing`).
"""

from dataclasses import dataclass
from datetime import date

import duckdb

from pipelines.answers.cells import all_of
from pipelines.answers.periods import Periods
from pipelines.formatting import printable
from pipelines.sql import quote_text

# Of a month whose value has changed again and again, the last change counts.
_EACH_ONCE = """
    select
        * replace (text || case when times > 1 then format(' (the last of {} changes)', times) else '' end as text)
    from (
        select
            *,
            count(*) over one as times,
            row_number() over (one order by published_at desc, text) as nth
        from meta.annotations
        window one as (
            partition by
                kind, starts_on, ends_on, kpi_id, entity_type, entity_id, case when kind <> 'restated' then text end
        )
    ) as numbered
    where nth = 1
"""


@dataclass(frozen=True)
class Annotation:
    """A remark about some days of a KPI. Without an entity, it concerns all of them."""

    kind: str
    starts_on: date
    ends_on: date
    entity_type: str | None
    entity_id: str | None
    text: str
    publication_id: str  # in which it appeared first

    @property
    def in_words(self) -> str:
        """`2025-12-01 to 2025-12-14, channel web: shop closed (event)`."""
        days = str(self.starts_on) if self.starts_on == self.ends_on else f"{self.starts_on} to {self.ends_on}"
        whose = f", {self.entity_type} {self.entity_id}" if self.entity_type else ""
        return printable(f"{days}{whose}: {self.text} ({self.kind.replace('_', ' ')})")


def annotations_of(connection: duckdb.DuckDBPyConnection, kpi_id: str, by: str, periods: Periods) -> list[Annotation]:
    """The annotations of the shown periods of a KPI that concern the entities of a cut, oldest first."""
    shown = [period for period in periods.periods if period.start in periods.shown]
    if not shown or not _are_published(connection):
        return []
    inside = " or ".join(f"(starts_on < {_day(period.end)} and ends_on >= {_day(period.start)})" for period in shown)
    rows = connection.execute(
        f"""
        select distinct kind, starts_on, ends_on, entity_type, entity_id, text, publication_id
        from ({_EACH_ONCE}) as annotations
        where (kpi_id is null or kpi_id = {quote_text(kpi_id)})
            and (entity_type is null or (entity_type, entity_id) in (
                select entity_type, entity_id from marts.kpi_scorecard
                where {all_of({"kpi_id": kpi_id, "entity_type": by})}
            ))
            and ({inside})
        order by starts_on, ends_on, kind, entity_id, text
        """
    ).fetchall()
    return [Annotation(*row) for row in rows]


def annotations_column(connection: duckdb.DuckDBPyConnection) -> str:
    """SQL for a column with the annotations of a row of `kpi_scorecard as scorecard`, joined with its `dim_period`.

    It is one text, `kind: text; kind: text`, or null.
    """
    if not _are_published(connection):
        return "cast(null as varchar)"
    return f"""(
            select string_agg(distinct kind || ': ' || text, '; ' order by kind || ': ' || text)
            from ({_EACH_ONCE}) as annotations
            where (annotations.kpi_id is null or annotations.kpi_id = scorecard.kpi_id)
                and (annotations.entity_type is null or annotations.entity_type = scorecard.entity_type)
                and (annotations.entity_id is null or annotations.entity_id = scorecard.entity_id)
                and annotations.starts_on < period_end and annotations.ends_on >= scorecard.period_start
        )"""


def _are_published(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the file has annotations; those of earlier versions have none."""
    found = connection.execute(
        "select 1 from duckdb_tables() where schema_name = 'meta' and table_name = 'annotations'"
    )
    return found.fetchone() is not None


def _day(day: date) -> str:
    return f"cast({quote_text(str(day))} as date)"
