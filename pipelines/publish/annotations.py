"""Builds `meta.annotations`: what a reader should know about single days and months before concluding anything.

Belongs here: the events that a person wrote down (`events.py`), and the marks that follow from deliveries, checks,
restatements and definitions. Does not belong here: which annotations concern what a person asks for
(`answers/annotations.py`), and how they are printed.

One row per annotation and KPI that it concerns. What follows from the data as they are is found anew for each
publication, so that a delivery that was repaired loses its mark. What happened once is kept (`_HISTORY`).
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, fields, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import duckdb
import pandas as pd

from pipelines.answers.causes import COLUMNS_OF_CAUSES, causes_of, main_cause
from pipelines.formatting import cell_text, counted
from pipelines.publish.events import Event, load_events
from pipelines.settings import Settings
from pipelines.sources import Rejects, Source
from pipelines.sql import quote_text
from pipelines.transform.kpis import kpis_of_tables
from pipelines.warehouse import attach_read_only

EVENT, RESTATED, QUARANTINE = "event", "restated", "quarantine"
DEFINITION, UNUSUAL, CONNECTED = "definition", "unusual_day", "source_connected"

_HISTORY = {DEFINITION, UNUSUAL}  # kept from the publication before; restatements keep a history of their own
_JUDGE_WHAT_IS_USUAL = (
    *("expect_row_counts_to_be_usual", "expect_row_counts_to_be_plausible"),
    *("expect_daily_values_to_be_usual", "expect_monthly_values_to_be_usual"),
)
_MOST_MODELS = 3


@dataclass(frozen=True)
class Marking:
    """What annotations are made of besides the candidate itself."""

    events: Sequence[Event] = ()
    kpis_of_tables: Mapping[str, Sequence[str]] = field(default_factory=dict)  # of a mart, or of `shop.orders`
    rejects: Mapping[str, Rejects] = field(default_factory=dict)  # per source: what share in quarantine is marked

    @classmethod
    def of(cls, settings: Settings, sources: Iterable[Source], manifest: Path) -> "Marking":
        """The events and thresholds of an installation.

        Raises:
            ConfigError: an event is invalid; the message names file and line.
        """
        share = settings.mark_quarantine_from
        rejects = {
            source.name: source.rejects if share is None else source.rejects.model_copy(update={"warn": share})
            for source in sources
        }
        of_tables = kpis_of_tables(json.loads(manifest.read_text(encoding="utf-8")))
        return cls(load_events(settings.events_file), of_tables, rejects)


class _Made(Protocol):
    """The publication that is being made."""

    @property
    def publication_id(self) -> str: ...
    @property
    def run_id(self) -> str: ...
    @property
    def published_at(self) -> datetime: ...
    @property
    def as_of_date(self) -> date: ...


@dataclass(frozen=True)
class _Annotation:
    """A row of `meta.annotations`; the last two fields name the publication in which it appeared first."""

    kind: str
    starts_on: date
    ends_on: date
    kpi_id: str | None = None
    entity_type: str | None = None
    entity_id: str | None = None
    subject: str | None = None  # the source, delivered table, check or variant that it is about
    text: str = ""
    publication_id: str = ""
    published_at: datetime = datetime.min

    @property
    def about(self) -> tuple[object, ...]:
        """What it is about: if a later publication finds the same in other words, those count."""
        which = {EVENT: self.text, RESTATED: self.publication_id}.get(self.kind)  # a day, or a month, may have several
        of_whom = (self.kpi_id, self.entity_type, self.entity_id)
        return (self.kind, self.starts_on, self.ends_on, *of_whom, self.subject, which)


def build_annotations(
    connection: duckdb.DuckDBPyConnection, made: _Made, previous: Path, marking: Marking | None
) -> None:
    """Build `meta.annotations` in the candidate, from its other tables and from `previous`, the publication before."""
    connection.execute(
        """
        create table candidate.meta.annotations (
            kind varchar, starts_on date, ends_on date, kpi_id varchar, entity_type varchar, entity_id varchar,
            subject varchar, text varchar, publication_id varchar, published_at timestamp
        )
        """
    )
    if marking is None:
        return
    before: list[_Annotation] = []
    if previous.exists():
        attach_read_only(connection, previous, "previous")
        before = _annotations_of_previous(connection)
        connection.execute("detach previous")
    delivered = _deliveries(connection)
    new = [
        *_events(marking.events),
        *_restated(connection),
        *_quarantined(connection, marking),
        *_redefined(connection, made),
        *(one for one in _unusual(connection, made.run_id, marking) if not _is_outdated(one, delivered)),
        *_connected(connection, marking),
    ]
    history = [old for old in before if old.kind in _HISTORY and not _is_outdated(old, delivered)]
    found = _with_publications({one.about: one for one in [*history, *new]}.values(), before, made)
    if found:
        rows = pd.DataFrame(sorted(map(astuple, found), key=repr), columns=[one.name for one in fields(_Annotation)])
        connection.register("annotations_made", rows)  # a statement per row takes a millisecond, and history grows
        connection.execute("insert into candidate.meta.annotations select * from annotations_made")
        connection.unregister("annotations_made")


def _with_publications(found: Iterable[_Annotation], before: Iterable[_Annotation], made: _Made) -> list[_Annotation]:
    """`found` with the publication in which each annotation appeared first: one of those before, or this one."""
    first = {(old.about, old.text): old for old in before}
    this = _Annotation("", date.min, date.min, publication_id=made.publication_id, published_at=made.published_at)
    dated = []
    for one in found:
        where = one if one.publication_id else first.get((one.about, one.text), this)
        dated.append(replace(one, publication_id=where.publication_id, published_at=where.published_at))
    return dated


def _events(events: Iterable[Event]) -> Iterator[_Annotation]:
    for event in events:
        first, last = event.span
        entity_type, _, entity_id = (event.entity or "").partition("=")
        for kpi_id in event.kpis or (None,):
            yield _Annotation(
                EVENT, first, last, kpi_id, entity_type or None, entity_id or None, text=" ".join(event.text.split())
            )


def _restated(connection: duckdb.DuckDBPyConnection) -> Iterator[_Annotation]:
    """A line per publication, KPI and month: the company's value if it changed, how many others did, and why."""
    if not all(_columns(connection, "candidate", table) for table in ("restatements", "kpi_catalogue")):
        return
    rows = connection.execute(
        """
        with restated as (
            select *, entity_type = 'company' and variant = default_variant as is_headline
            from candidate.meta.restatements
            inner join candidate.marts.kpi_catalogue using (kpi_id)
            where grain = 'month'
        )
        select
            publication_id, published_at, kpi_id, period_start, default_variant, any_value(unit),
            max(case when is_headline then value_before end), max(case when is_headline then value_after end),
            count(*) filter (is_headline), count(*) filter (not is_headline)
        from restated
        group by publication_id, published_at, kpi_id, period_start, default_variant
        """
    ).fetchall()
    causes = _causes_by_month(connection)
    for publication_id, published_at, kpi_id, month, variant, unit, before, after, headline, others in rows:
        more = counted(others, "other value")
        main = main_cause(causes_of(causes.get((publication_id, kpi_id, month, bool(headline)), ())))
        because = f" because of {main}" if main else ""
        text = f"{more} changed{because}; {kpi_id} ({variant}) of the company did not"
        if headline:
            text = f"{kpi_id} ({variant}) was {_value(before, unit)}, is {_value(after, unit)}{because}"
            text += f"; {more} changed, too" if others else ""
        yield _Annotation(
            RESTATED, month, _end_of_month(month), kpi_id, text=text, publication_id=publication_id,
            published_at=published_at,
        )  # fmt: skip


def _causes_by_month(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, str, date, bool], list[Sequence[Any]]]:
    """The causes by publication, KPI and month, of the company's default variant (true) and of all other values."""
    if not _columns(connection, "candidate", "restatement_causes"):
        return {}
    rows = connection.execute(
        f"""
        select
            publication_id, kpi_id, period_start, entity_type = 'company' and variant = default_variant as is_headline,
            list(row({COLUMNS_OF_CAUSES}))
        from candidate.meta.restatement_causes
        inner join candidate.marts.kpi_catalogue using (kpi_id)
        where grain = 'month'
        group by 1, 2, 3, 4
        """
    ).fetchall()
    return {tuple(key): causes for *key, causes in rows}


def _value(value: Decimal | None, unit: str) -> str:
    return cell_text(value, unit) or "unknown"


def _quarantined(connection: duckdb.DuckDBPyConnection, marking: Marking) -> Iterator[_Annotation]:
    """Deliveries of which as large a share is in quarantine as their source, or the setting, has a warning for."""
    rows = connection.execute(
        """
        select source, table_name, delivered_on, quarantined_rows, raw_rows
        from candidate.meta.delivered_row_counts
        where quarantined_rows > 0
        """
    ).fetchall()
    for source, table, day, unreadable, delivered in rows:
        rejects = marking.rejects.get(source, Rejects())
        if unreadable < rejects.at_least or unreadable < rejects.warn * delivered:
            continue
        name = f"{source}.{table}"
        share = f"{unreadable / delivered:.1%}".replace("%", " %")
        text = f"{name}: {unreadable:,} of {counted(delivered, 'row')} ({share}) cannot be read and are in quarantine"
        yield from _per_kpi(_Annotation(QUARANTINE, day, day, subject=name, text=text), marking, name)


def _redefined(connection: duckdb.DuckDBPyConnection, made: _Made) -> Iterator[_Annotation]:
    """Variants that this publication computes in another way than the one before."""
    if not _columns(connection, "candidate", "definition_changes"):
        return
    rows = connection.execute(
        f"""
        select kpi_id, variant, models, settings
        from candidate.meta.definition_changes
        where publication_id = {quote_text(made.publication_id)} and hash_before is not null and hash_after is not null
        """
    ).fetchall()
    for kpi_id, variant, models, settings in rows:
        reasons = [
            f"setting {name} was {values['before']}, is {values['after']}"
            for name, values in json.loads(settings).items()
        ]
        if models:
            more = f" and {len(models) - _MOST_MODELS} more" if len(models) > _MOST_MODELS else ""
            reasons.append(f"SQL of {', '.join(models[:_MOST_MODELS])}{more}")
        text = f"{kpi_id} ({variant}) is computed differently: {'; '.join(reasons)}"
        yield _Annotation(DEFINITION, made.as_of_date, made.as_of_date, kpi_id, subject=variant, text=text)


def _unusual(connection: duckdb.DuckDBPyConnection, run_id: str, marking: Marking) -> Iterator[_Annotation]:
    """Days, and months, that a check found outside their normal range.

    A delivery is judged when it arrives, which may be in a run that published nothing.
    """
    rows = connection.execute(
        f"""
        select stage, "table", "check", examples, failing_days
        from candidate.meta.check_results
        where not passed and error is null and (stage = 'raw' or run_id = {quote_text(run_id)})
            and expectation_type in ({", ".join(map(quote_text, _JUDGE_WHAT_IS_USUAL))})
        order by checked_at
        """
    ).fetchall()
    kpis = {kpi for of_table in marking.kpis_of_tables.values() for kpi in of_table}
    for stage, table, check, examples, failing_days in rows:
        is_delivered = stage == "raw"
        name = table.replace("__", ".", 1) if is_delivered else table
        said = {example["finding"]: None for example in json.loads(examples) if "finding" in example}
        days = dict(_dated(said))
        for day in map(date.fromisoformat, json.loads(failing_days)):
            days.setdefault((day, day), "not a usual number of rows")
        for (first, last), finding in days.items():
            one = _Annotation(UNUSUAL, first, last, subject=f"{name} {check}", text=finding)
            judged = finding.split(" ", 1)[0]
            if judged in kpis:  # by a check of several KPIs
                yield replace(one, kpi_id=judged)
                continue
            of_what = name if is_delivered else re.sub("_(is|are)_usual$", "", check).replace("_", " ")
            yield from _per_kpi(replace(one, text=f"{of_what}: {finding}"), marking, name)


def _dated(findings: Iterable[str]) -> Iterator[tuple[tuple[date, date], str]]:
    """The days that each finding is about: `9 rows on 2025-12-12, …`, or `cac 22.55 in 2025-12, …`."""
    for finding in findings:
        if day := re.search(r" on (\d{4}-\d{2}-\d{2})\b", finding):
            yield (date.fromisoformat(day[1]),) * 2, finding
        elif month := re.search(r" in (\d{4}-\d{2})\b", finding):
            first = date.fromisoformat(f"{month[1]}-01")
            yield (first, _end_of_month(first)), finding


def _connected(connection: duckdb.DuckDBPyConnection, marking: Marking) -> Iterator[_Annotation]:
    """Sources whose first delivery came after the first delivery of all."""
    rows = connection.execute(
        """
        select source, first_day, tables
        from (
            select source, min(delivered_on) as first_day, list(distinct table_name order by table_name) as tables
            from candidate.meta.delivered_row_counts
            group by source
        ) as sources
        where first_day > (select min(delivered_on) from candidate.meta.delivered_row_counts)
        """
    ).fetchall()
    for source, day, tables in rows:
        text = f"{source} was connected: its first delivery, {', '.join(tables)}"
        names = [f"{source}.{table}" for table in tables]
        yield from _per_kpi(_Annotation(CONNECTED, day, day, subject=source, text=text), marking, *names)


def _per_kpi(one: _Annotation, marking: Marking, *tables: str) -> Iterator[_Annotation]:
    """`one` for each KPI of the tables; for all KPIs if none is known."""
    kpis = sorted({kpi for table in tables for kpi in marking.kpis_of_tables.get(table, ())})
    yield from (replace(one, kpi_id=kpi_id) for kpi_id in kpis or (None,))


def _deliveries(connection: duckdb.DuckDBPyConnection) -> dict[str, set[str]]:
    """Per delivered table, what a finding says of each delivery as it is: `9 rows on 2025-12-12`."""
    found: dict[str, set[str]] = {}
    for name, rows, day in connection.execute(
        "select source || '.' || table_name, raw_rows, delivered_on from candidate.meta.delivered_row_counts"
    ).fetchall():
        found.setdefault(name, set()).add(f"{counted(rows, 'row') if rows else 'no rows'} on {day}")
    return found


def _is_outdated(old: _Annotation, delivered: Mapping[str, set[str]]) -> bool:
    """Whether a delivery that was unusual has been replaced by one with another number of rows."""
    table = (old.subject or "").split(" ", 1)[0]
    said = re.search(r"(no rows|[\d,]+ rows?),? on \d{4}-\d{2}-\d{2}", old.text)
    return bool(old.kind == UNUSUAL and table in delivered and said and said[0] not in delivered[table])


def _annotations_of_previous(connection: duckdb.DuckDBPyConnection) -> list[_Annotation]:
    if not _columns(connection, "previous", "annotations"):
        return []
    names = ", ".join(one.name for one in fields(_Annotation))
    return [
        _Annotation(*row) for row in connection.execute(f"select {names} from previous.meta.annotations").fetchall()
    ]


def _columns(connection: duckdb.DuckDBPyConnection, database: str, table: str) -> set[str]:
    """The columns of a table; none if a database, such as one of an earlier version, does not have it."""
    rows = connection.execute(
        f"select column_name from duckdb_columns() where database_name = {quote_text(database)} "
        f"and table_name = {quote_text(table)}"
    ).fetchall()
    return {name for (name,) in rows}


def _end_of_month(first: date) -> date:
    return (first.replace(day=1) + timedelta(days=31)).replace(day=1) - timedelta(days=1)
