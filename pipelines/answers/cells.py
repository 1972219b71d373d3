"""The cells of the scorecard: which publication they are from, and finding the one that a person asks for.

Belongs here: KPI, variant, cut, entity and period of one published value. Does not belong here: what is said of it
(`explain.py`, `why.py`), and how it is printed (`cli/printing`).
"""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import duckdb

from pipelines.answers.periods import Choice, Grain, Period, choose_periods
from pipelines.answers.questions import QuestionError
from pipelines.formatting import local_time
from pipelines.sql import quote_text
from pipelines.warehouse import NotPublishedError

SCORECARD = "marts.kpi_scorecard"


@dataclass(frozen=True)
class Published:
    """The publication that is read."""

    publication_id: str
    published_at: datetime
    as_of_date: date
    currency: str  # of money; empty if an earlier version made the publication

    def in_words(self, zone: ZoneInfo) -> str:
        """The line under a title."""
        money = f", money in {self.currency}" if self.currency else ""
        when = local_time(self.published_at, zone)
        return f"as of {self.as_of_date}, published {when} ({self.publication_id}){money}"


@dataclass(frozen=True)
class Variant:
    """One way to compute a KPI, and its name."""

    kpi_id: str
    variant: str
    unit: str
    name: str
    formula: str


def publication_of(connection: duckdb.DuckDBPyConnection) -> Published:
    """The publication that `connection` reads.

    Raises:
        NotPublishedError: the file was made by an earlier version.
    """
    if not connection.execute("select 1 from duckdb_tables() where table_name = 'kpi_scorecard'").fetchone():
        raise NotPublishedError("The published file was made by an earlier version. Publish again: `kpi run`.")
    found = connection.execute("select * from meta.publication limit 1")
    columns = [column[0] for column in found.description or ()]
    row = found.fetchone()
    if row is None:
        raise NotPublishedError("The published file does not say which publication it is. Publish again: `kpi run`.")
    said = dict(zip(columns, row, strict=True))
    return Published(
        said["publication_id"], said["published_at"], said["as_of_date"], said.get("reporting_currency") or ""
    )


def choose_variant(
    connection: duckdb.DuckDBPyConnection, kpi_id: str, by: str, variant: str | None
) -> tuple[Variant, list[str]]:
    """The variant that is meant, by default the KPI's own, and notes about the choice.

    Raises:
        QuestionError: no such KPI, cut or variant is published.
    """
    defaults = dict(connection.execute("select kpi_id, default_variant from marts.kpi_catalogue order by 1").fetchall())
    if kpi_id not in defaults:
        raise unknown("KPI", kpi_id, defaults)
    cuts = _distinct(connection, "entity_type", {"kpi_id": kpi_id})
    if by not in cuts:
        raise unknown("--by", by, cuts, kpi_id)
    variants = {
        row[1]: Variant(*row)
        for row in connection.execute(
            "select kpi_id, variant, unit, name_en, formula_en from marts.kpi_variants "
            f"where kpi_id = {quote_text(kpi_id)}"
        ).fetchall()
    }
    of_cut = _distinct(connection, "variant", {"kpi_id": kpi_id, "entity_type": by})
    default = defaults[kpi_id]
    if variant is None and default not in of_cut:
        like_it = [name for name in of_cut if variants[name].unit == variants[default].unit]
        used, *others = [*like_it, *(name for name in of_cut if name not in like_it)]
        also = f" Also published by {by}: {', '.join(others)}." if others else ""
        return variants[used], [f"{kpi_id} ({default}) is not published by {by}; this is {used}.{also}"]
    variant = variant or default
    if variant not in of_cut:
        if variant in variants:
            elsewhere = _distinct(connection, "entity_type", {"kpi_id": kpi_id, "variant": variant})
            only = f"by {by}, only by {', '.join(elsewhere)}" if elsewhere else "for any period yet"
            raise QuestionError(
                f"{kpi_id} ({variant}) is not published {only}. Published by {by}: {', '.join(of_cut)}."
            )
        raise unknown("--variant", variant, of_cut, kpi_id)
    return variants[variant], []


def unknown(option: str, value: str, known: Iterable[str], kpi_id: str = "") -> QuestionError:
    """The error that says that `value` is not published, what is, and what was perhaps meant."""
    known = list(known)
    near = difflib.get_close_matches(value, known, n=1)
    of = f" for {kpi_id}" if kpi_id else ""
    meant = f" Did you mean {near[0]}?" if near else ""
    return QuestionError(f"{option} {value!r} is not published{of}.{meant} Published: {', '.join(known)}.")


def _distinct(connection: duckdb.DuckDBPyConnection, column: str, where: dict[str, str]) -> list[str]:
    rows = connection.execute(f"select distinct {column} from {SCORECARD} where {all_of(where)} order by 1").fetchall()
    return [str(value) for (value,) in rows]


def all_of(choices: dict[str, str]) -> str:
    """The SQL condition that every column has its value."""
    return " and ".join(f"{column} = {quote_text(value)}" for column, value in choices.items())


@dataclass(frozen=True)
class Cell:
    """One published value: a row of `kpi_scorecard`."""

    variant: Variant
    grain: Grain
    period: Period
    entity_type: str
    entity_id: str
    entity_name: str
    value: Decimal | None
    numerator: Decimal | None
    denominator: Decimal | None
    sample_size: int | None
    is_partial_period: bool
    is_mature: bool
    status: str

    @property
    def in_words(self) -> str:
        """`revenue (net), 2025-06, channel web`."""
        whose = "" if self.entity_type == "company" else f", {self.entity_type} {self.entity_name}"
        so_far = " to date" if self.is_partial_period else ""
        return f"{self.variant.kpi_id} ({self.variant.variant}), {self.period.label}{so_far}{whose}"


def find_cell(
    connection: duckdb.DuckDBPyConnection,
    kpi_id: str,
    variant: str | None = None,
    period: str | None = None,
    grain: Grain | None = None,
    by: str | None = None,
) -> tuple[Cell, list[str]]:
    """The published value that is meant, and notes about the choice.

    `period` is a label like `2025-Q3`, by default the last complete period with a value. `by` is `rep=R-07`, where an
    entity is named by its id or its name; by default the company.

    Raises:
        QuestionError: no such value is published; the message says what is.
    """
    entity_type, _, entity = (by or "company").partition("=")
    chosen, notes = choose_variant(connection, kpi_id, entity_type, variant)
    what = f"{kpi_id} ({chosen.variant}) by {entity_type}"
    of_cut = {"kpi_id": kpi_id, "variant": chosen.variant, "entity_type": entity_type}
    entity_id, entity_name = _entity(connection, of_cut, entity)
    of_entity = {**of_cut, "entity_id": entity_id}
    as_of = publication_of(connection).as_of_date
    periods = choose_periods(connection, Choice(grain, period), of_entity, what, as_of)
    rows = connection.execute(
        f"""
        select period_start, value, numerator, denominator, sample_size, is_partial_period, is_mature, status
        from {SCORECARD}
        where {all_of(of_entity)} and {periods.condition}
        order by is_partial_period, value is null, period_start desc
        """
    ).fetchall()
    start, *rest = rows[0]
    found = next(one for one in periods.periods if one.start == start)
    return Cell(chosen, periods.grain, found, entity_type, entity_id, entity_name, *rest), notes


def _entity(connection: duckdb.DuckDBPyConnection, of_cut: dict[str, str], wanted: str) -> tuple[str, str]:
    """The id and the name of an entity that is named by either."""
    cut = of_cut["entity_type"]
    if cut == "company":
        return "company", "company"
    known = connection.execute(
        f"select distinct entity_id, coalesce(entity_name, entity_id) from {SCORECARD} "
        f"where {all_of(of_cut)} order by 1"
    ).fetchall()
    found = [pair for pair in known if wanted == pair[0]] or [pair for pair in known if wanted == pair[1]]
    if not wanted or not found:
        raise unknown("--by", f"{cut}={wanted}", [f"{cut}={entity_id}" for entity_id, _ in known], of_cut["kpi_id"])
    if len(found) > 1:
        ids = ", ".join(f"{cut}={entity_id}" for entity_id, _ in found)
        raise QuestionError(f"--by {cut}={wanted} names several: {ids}.")
    return found[0]
