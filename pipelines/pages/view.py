"""What a reader asks for, and what a page is made from.

Belongs here: the state in the URL, and the publication, words and calendar that all sections of one page share. Does
not belong here: what any section shows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property, lru_cache
from typing import Any, TypeVar
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

import duckdb

from pipelines.answers.cells import SCORECARD, Published, publication_of, unknown
from pipelines.answers.periods import Comparison, Grain, Period, Periods, period_of
from pipelines.answers.questions import QuestionError
from pipelines.pages.publications import Opened
from pipelines.pages.words import N_, Words
from pipelines.sql import Value, literals, quote_text, with_values

Choice = TypeVar("Choice", Grain, Comparison)

COMPANY = "company"
# The cuts that a page can be filtered by, in the order of the form.
CUTS = {
    "team": N_("Team"),
    "rep": N_("Rep"),
    "office": N_("Office"),
    "channel": N_("Channel"),
    "platform": N_("Platform"),
    "segment": N_("Segment"),
    "region": N_("Region"),
    "category": N_("Product category"),
}
GRAINS = {Grain.week: N_("Week"), Grain.month: N_("Month"), Grain.quarter: N_("Quarter"), Grain.year: N_("Year")}
STATUSES = {
    "no_source": N_("no source"),
    "no_data": N_("no data"),
    "immature": N_("not known yet"),
    "incomplete": N_("incomplete deliveries"),
    "small_sample": N_("few cases"),
}
# Why there is no value, or one to read with care; what no source delivers is said with the value.
STATUS_REASONS = {
    "no_data": N_("There were no cases in this period."),
    "immature": N_("The period, or the window of its cases, is not over, or the history before it is too short."),
    "incomplete": N_("Deliveries of this period are missing."),
    "small_sample": N_("Too few cases for a reliable rate: read its interval."),
}
COMPARISONS = {Comparison.prior: N_("the period before"), Comparison.last_year: N_("the same period last year")}


class RefusedError(QuestionError):
    """What a URL asks for cannot be shown: a message to translate, and its values."""

    def __init__(self, message: str, **values: str) -> None:
        super().__init__(message % values)
        self.message, self.values = message, values


@dataclass(frozen=True)
class State:
    """What the URL says: a period, what it is compared with, and one cut with an entity, or the whole company."""

    grain: Grain = Grain.month
    period: str = ""  # a label like 2025-12; empty: the last complete period
    compare: Comparison = Comparison.prior
    cut: str = COMPANY
    entity: str = ""
    # What single pages ask for besides.
    kpi: str = ""
    variant: str = ""
    number: str = ""  # of a section, with what it is by

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "State":
        """The state that the parameters of a URL describe.

        Raises:
            QuestionError: a parameter has no such value, or two cuts are combined.
        """
        chosen = [(cut, query[cut]) for cut in CUTS if query.get(cut)]
        if len(chosen) > 1:
            raise RefusedError(
                N_("KPIs are published by one cut at a time, and two were chosen: %(chosen)s. Choose one of them."),
                chosen=", ".join(f"{cut}={entity}" for cut, entity in chosen),
            )
        [(cut, entity)] = chosen or [(COMPANY, "")]
        return cls(
            _one_of(Grain, "grain", query.get("grain") or Grain.month),
            query.get("period", ""),
            _one_of(Comparison, "compare", query.get("compare") or Comparison.prior),
            cut,
            entity,
            query.get("kpi", ""),
            query.get("variant", ""),
            query.get("number", ""),
        )

    @property
    def by(self) -> str:
        """The cut as answers call it: `team=North`, or `company`."""
        return self.cut if self.cut == COMPANY else f"{self.cut}={self.entity}"

    def query(self, **changes: Any) -> str:
        """The part of a URL that asks for this state with `changes`; what is the default is left out."""
        return _query_of(replace(self, **changes) if changes else self)


@lru_cache(maxsize=20_000)  # pages link to the same again and again
def _query_of(state: State) -> str:
    said = {
        "kpi": state.kpi,
        "variant": state.variant,
        "number": state.number,
        "grain": "" if state.grain is Grain.month else state.grain,
        "period": state.period,
        "compare": "" if state.compare is Comparison.prior else state.compare,
    }
    if state.cut != COMPANY:
        said[state.cut] = state.entity
    given = {name: str(value) for name, value in said.items() if value}
    return f"?{urlencode(given, safe='/=')}" if given else ""


def _one_of(kind: type[Choice], name: str, value: str) -> Choice:
    try:
        return kind(value)
    except ValueError:
        raise unknown(name, value, list(kind)) from None


@dataclass(frozen=True)
class Row:
    """A cell of the scorecard, as tiles, tables and charts show it."""

    kpi_id: str
    variant: str
    entity_type: str
    entity_id: str
    entity_name: str
    start: date
    value: Any
    numerator: Any
    denominator: Any
    sample_size: int | None
    ci_low: Any
    ci_high: Any
    prior_value: Any
    delta: Any
    is_delta_significant: bool | None
    last_year_value: Any
    last_year_delta: Any
    is_last_year_delta_significant: bool | None
    target: Any
    target_to_date: Any
    attainment: Any
    is_partial: bool
    is_mature: bool
    status: str
    missing_entities: str | None

    def compared(self, comparison: Comparison) -> tuple[Any, Any, bool | None]:
        """The earlier value, the change since then, and whether it is more than noise."""
        if comparison is Comparison.prior:
            return self.prior_value, self.delta, self.is_delta_significant
        return self.last_year_value, self.last_year_delta, self.is_last_year_delta_significant


_COLUMNS = """
    kpi_id, variant, entity_type, entity_id, coalesce(entity_name, entity_id), period_start, value, numerator,
    denominator, sample_size, ci_low, ci_high, prior_value, delta, is_delta_significant, last_year_value,
    last_year_delta, is_last_year_delta_significant, target, target_to_date, attainment, is_partial_period, is_mature,
    status, missing_entities
"""


@dataclass(frozen=True)
class Measure:
    """A variant of a KPI in the reader's language."""

    kpi_id: str
    variant: str
    unit: str
    name: str
    formula: str
    kpi_name: str
    description: str
    good_direction: str  # up, down or none
    is_default: bool


@dataclass(frozen=True)
class View:
    """What the sections of one page are made from."""

    connection: duckdb.DuckDBPyConnection
    opened: Opened
    words: Words
    state: State
    zone: ZoneInfo
    address: str = ""  # of the pages in this language, before every link
    page: str = ""  # the page's own name in its address
    # The entities that the reader may see, by cut; without any, the whole company and all its parts.
    only: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def execute(self, query: str, values: Mapping[str, Value] | None = None) -> duckdb.DuckDBPyConnection:
        """Run a query with `values` in place of its parameters, `$name`; given them, DuckDB would import pandas."""
        return self.connection.execute(with_values(query, values or {}))

    def fetch(self, query: str, **values: Value) -> list[tuple[Any, ...]]:
        """The rows of a query with `values` in place of its parameters, `$name`."""
        return self.execute(query, values).fetchall()

    @cached_property
    def publication(self) -> Published:
        return publication_of(self.connection)

    @cached_property
    def calendar(self) -> Periods:
        """All periods of the chosen grain."""
        return Periods.of(self.connection, self.state.grain)

    @cached_property
    def period(self) -> Period:
        """The chosen period, by default the last complete one.

        Raises:
            QuestionError: there is no such period.
        """
        if self.state.period:
            return self._named(self.state.period)
        complete = [period for period in self.calendar.periods if period.is_complete]
        return (complete or self.calendar.periods)[-1]

    def _named(self, label: str) -> Period:
        """The period with a label. If that is of another grain, which the reader has just left, the last one in it."""
        try:
            return period_of(label, self.calendar)
        except QuestionError:
            known = self.calendar.periods
            for grain in (one for one in Grain if one is not self.state.grain):
                for other in Periods.of(self.connection, grain).periods:
                    if other.label == label and (begun := [one for one in known if one.start < other.end]):
                        return begun[-1]
            raise RefusedError(
                N_("There is no %(grain)s '%(label)s'. There are %(first)s to %(last)s."),
                grain=self.words.text(GRAINS[self.state.grain]).lower(),
                label=label,
                first=known[0].label,
                last=known[-1].label,
            ) from None

    @cached_property
    def in_progress(self) -> Period | None:
        """The period after the chosen one, if that is the one in progress."""
        current = self.calendar.in_progress
        return current if current and current.start == self.period.end else None

    @cached_property
    def measures(self) -> dict[tuple[str, str], Measure]:
        """Every published variant by KPI and variant."""
        name, formula = self.words.column("name"), self.words.column("formula")
        rows = self.connection.execute(
            f"""
            select
                variants.kpi_id, variants.variant, variants.unit, variants.{name}, variants.{formula},
                catalogue.{name}, catalogue.{self.words.column("description")}, variants.good_direction,
                variants.variant = catalogue.default_variant
            from marts.kpi_variants as variants
            inner join marts.kpi_catalogue as catalogue using (kpi_id)
            """
        ).fetchall()
        return {(row[0], row[1]): Measure(*row) for row in rows}

    @cached_property
    def entities(self) -> dict[str, list[tuple[str, str]]]:
        """The entities by which the page can be filtered, as (id, name) by cut; read once per publication."""
        if "entities" not in self.opened.known:
            found: dict[str, list[tuple[str, str]]] = {cut: [] for cut in CUTS}
            for cut, entity_id, name in self.fetch(
                f"""
                select entity_type, entity_id, any_value(coalesce(entity_name, entity_id)) as name
                from {SCORECARD}
                where list_contains($cuts, entity_type)
                group by entity_type, entity_id
                order by name
                """,
                cuts=CUTS,
            ):
                found[cut].append((entity_id, name))
            self.opened.known["entities"] = {cut: of_cut for cut, of_cut in found.items() if of_cut}
        known: dict[str, list[tuple[str, str]]] = self.opened.known["entities"]
        if not self.only:
            return known
        return {cut: [one for one in known.get(cut, []) if one[0] in entities] for cut, entities in self.only.items()}

    @property
    def entity_name(self) -> str:
        """The name of the entity that the page is filtered by.

        Raises:
            QuestionError: there is no such entity.
        """
        known = dict(self.entities.get(self.state.cut, []))
        if self.state.entity not in known:
            raise unknown(self.state.cut, self.state.entity, known)
        return known[self.state.entity]

    def check(self) -> None:
        """Look up what the URL names, before anything is read for it.

        Raises:
            QuestionError: there is no such period or entity.
        """
        _ = self.period, self.state.cut == COMPANY or self.entity_name

    def of(self, period: Period) -> "View":
        """The same for another period; what does not depend on the period is not read again."""
        other = replace(self, state=replace(self.state, period=period.label))
        other.__dict__.update({name: getattr(self, name) for name in ("publication", "calendar", "measures")})
        return other

    def at(self, start: date) -> Period:
        """The period that begins on a day."""
        return next(period for period in self.calendar.periods if period.start == start)

    def earlier_label(self, comparison: Comparison) -> str:
        """The name of the period that the chosen one is compared with; of one in progress, as many days of it."""
        start = self._earlier_starts.get(comparison)
        known = next((period for period in self.calendar.periods if period.start == start), None)
        if known is None:
            return self.words.text("before") if comparison is Comparison.prior else self.words.text("last year")
        name = self.words.short_period(known, self.state.grain)
        if self.period.is_complete:
            return name
        days = min(self.period.days_elapsed, known.days)
        return self.words.counted(
            "first %(num)s day of %(period)s", "first %(num)s days of %(period)s", days, period=name
        )

    @cached_property
    def _earlier_starts(self) -> dict[Comparison, date]:
        [row] = self.fetch(
            "select prior_period_start, last_year_period_start from marts.dim_period "
            "where grain = $grain and period_start = $start",
            grain=self.state.grain,
            start=self.period.start,
        )
        return dict(zip(Comparison, row, strict=True))

    def rows(
        self,
        measures: Iterable[tuple[str, str]],
        cut: str | Sequence[str] = COMPANY,
        entity: str | None = None,
        periods: Iterable[Period] | None = None,
        grain: Grain | None = None,
    ) -> list[Row]:
        """The cells of some variants by a cut or several, of one entity or all of them, in order of time.

        By default, they are of every period of the chosen grain.
        """
        cuts = [cut] if isinstance(cut, str) else list(cut)
        either = " or ".join(
            f"(kpi_id = {quote_text(kpi_id)} and variant = {quote_text(variant)})" for kpi_id, variant in measures
        )
        conditions = [f"({either})", "grain = $grain", "list_contains($cuts, entity_type)"]
        if self.only:
            allowed = [
                f"(entity_type = {quote_text(one)} and list_contains({literals(entities)}, entity_id))"
                for one, entities in self.only.items()
            ]
            conditions.append(f"({' or '.join(allowed)})")
        if entity is not None:
            conditions.append("entity_id = $entity")
        if periods is not None:
            conditions.append("list_contains($starts, period_start)")
        found = self.fetch(
            f"select {_COLUMNS} from {SCORECARD} where {' and '.join(conditions)} order by period_start, entity_id",
            grain=grain or self.state.grain,
            cuts=cuts,
            entity=entity or "",
            starts=[period.start for period in periods or ()],
        )
        return [Row(*row) for row in found]

    def rows_link(self, section: str, number: str, keys: Mapping[str, object], **changes: Any) -> str:
        """The address of the rows that a number of a section counts."""
        by = [f"{name}={quote(str(value), safe='')}" for name, value in keys.items()]
        return self.link(f"{self.page}/{section}/rows", number="/".join([number, *by]), **changes)

    def link(self, page: str, **changes: Any) -> str:
        """The address of a page that keeps the state, but for `changes`."""
        return f"{self.address}/{page}{self.state.query(**changes)}"
