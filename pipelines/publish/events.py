"""What a person notes down about days and weeks: `events.yml` in the company's folder.

Belongs here: reading and checking the file. Does not belong here: how an event becomes an annotation
(`annotations.py`), and how annotations are shown.

    events:
      - date: 2025-11-28
        text: Black Friday
      - from: 2025-12-01
        to: 2025-12-14
        text: Sklep internetowy był zamknięty
        kpis: [revenue, sales_growth]
        entity: channel=web
"""

import difflib
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Annotated, Self

import duckdb
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from pipelines.config_files import load_yaml_model
from pipelines.transform.kpis import kpi_ids
from pipelines.warehouse import NotPublishedError, published


def _known_kpi(name: str) -> str:
    known = sorted(kpi_ids())
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        meant = f" Did you mean {near[0]}?" if near else ""
        raise ValueError(f"{name!r} is not a KPI.{meant} The KPIs are: {', '.join(known)}.")
    return name


def _type_and_id(entity: str) -> str:
    entity_type, _, entity_id = entity.partition("=")
    if not entity_type or not entity_id:
        raise ValueError(f"{entity!r} names no entity. Write its type and its id, as in channel=web or rep=R-07.")
    return entity


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty. Say what happened, in any language.")
    return text.strip()


class Event(BaseModel):
    """Something that happened on a day or in a span of days, and the KPIs and the entity that it concerns."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    day: date | None = Field(default=None, alias="date")
    first: date | None = Field(default=None, alias="from")
    last: date | None = Field(default=None, alias="to")
    text: Annotated[str, AfterValidator(_not_blank)]
    kpis: tuple[Annotated[str, AfterValidator(_known_kpi)], ...] = ()  # without any: all
    entity: Annotated[str, AfterValidator(_type_and_id)] | None = None  # without one: all

    @model_validator(mode="after")
    def _a_day_or_a_span(self) -> Self:
        is_span = self.first is not None and self.last is not None
        has_half = (self.first is None) != (self.last is None)
        if has_half or is_span == (self.day is not None):
            raise ValueError("give either date, or both from and to.")
        if self.first and self.last and self.last < self.first:
            raise ValueError(f"to ({self.last}) is before from ({self.first}). Swap them.")
        return self

    @property
    def span(self) -> tuple[date, date]:
        """Its first and its last day."""
        if self.day is not None:
            return self.day, self.day
        assert self.first is not None
        assert self.last is not None
        return self.first, self.last


class _EventsFile(BaseModel):
    model_config = ConfigDict(extra="forbid")
    events: list[Event] | None = None  # none yet, if only the key is there


def load_events(file: Path) -> list[Event]:
    """The events in `file`; none if there is no such file.

    Raises:
        ConfigError: an event is invalid. The message names file, line and what is possible.
    """
    return (load_yaml_model(file, _EventsFile).events or []) if file.exists() else []


def events_of_nobody(events: Iterable[Event], published_dir: Path) -> list[str]:
    """A line for each entity of an event that is not published, which may be misspelt, or has no value yet."""
    wanted = dict.fromkeys(event.entity for event in events if event.entity)
    if not wanted:
        return []
    try:
        with published(published_dir) as connection:
            rows = connection.execute(
                "select distinct entity_type || '=' || entity_id from marts.kpi_scorecard"
            ).fetchall()
    except (NotPublishedError, duckdb.CatalogException):  # nothing to compare with yet
        return []
    known = [entity for (entity,) in rows]
    lines = []
    for entity in wanted:
        if entity not in known:
            near = difflib.get_close_matches(entity, known, n=1)
            meant = f" Did you mean {near[0]}?" if near else ""
            lines.append(f"events.yml: no KPI is published for {entity}: its events are not shown.{meant}")
    return lines
