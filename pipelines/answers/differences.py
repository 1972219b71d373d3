"""The cells of the scorecard in which two publications differ: by how much, and why.

Belongs here: comparing two files that contain a scorecard, cell by cell at every grain, and the causes of differences.
Does not belong here: building a file to compare with (`operations/plan.py`), and how differences are printed
(`cli/printing`).

A cell is one period, KPI, variant and entity. All its columns count, except for those that only repeat the as-of date.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import duckdb

from pipelines.answers.causes import COLUMNS_OF_CAUSES, Cause, causes_of, kinds_of, main_cause
from pipelines.answers.cells import unknown
from pipelines.answers.questions import QuestionError
from pipelines.sql import quote_name, quote_text
from pipelines.warehouse import side_by_side

Change = Literal["changed", "created", "gone", "same value"]

_KEY = ("grain", "period_start", "kpi_id", "variant", "entity_type", "entity_id")
_OF_AS_OF_DATE = ("as_of_date", "comparison", "is_partial_period")
_SIDES = ("before", "after")


@dataclass(frozen=True)
class Difference:
    """A cell that differs.

    Attributes:
        change: `same value` if only other columns differ.
        is_headline: whether it is about the company as a whole and the KPI's default variant.
        relative: the difference as a fraction of the value before; None if there is none, or it is zero.
        differs_in: the columns of the scorecard that differ; of a cell that is created or gone, none.
        cause: one or two of `definition`, `data` and `as-of date`; or `not recorded`, if an earlier version made one of
            the publications; or `unknown`, if everything that is recorded is the same.
    """

    kpi_id: str
    variant: str
    unit: str
    grain: str
    period_start: date
    period: str
    entity_type: str
    entity_id: str
    entity_name: str
    is_headline: bool
    change: Change
    value_before: Decimal | None
    value_after: Decimal | None
    difference: Decimal | None
    relative: float | None
    status_before: str | None
    status_after: str | None
    differs_in: tuple[str, ...]
    cause: str
    causes: tuple[Cause, ...] = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of causes, as precise as they are known."""
        return kinds_of(self.causes) or (self.cause,)

    @property
    def cause_in_words(self) -> str:
        """`late rows of shop.orders and 2 more causes`, or only `data`."""
        return main_cause(self.causes) or self.cause

    @property
    def has_value(self) -> bool:
        """False for a cell that comes or goes without ever having had a value."""
        return self.change == "same value" or self.value_before is not None or self.value_after is not None


@dataclass(frozen=True)
class DefinitionChange:
    """A measure whose definition differs, with the models and settings because of which it does.

    The measure is new if `before` is None, and gone if `after` is. `settings` are in JSON: before and after, by name.
    """

    kpi_id: str
    variant: str
    before: str | None  # the hash
    after: str | None
    models: tuple[str, ...]
    settings: dict[str, tuple[str | None, str | None]]


@dataclass(frozen=True)
class OfKpi:
    """How many cells of a KPI differ. The largest of them comes first in `cells`."""

    kpi_id: str
    cells: Sequence[Difference]

    def count(self, change: Change) -> int:
        """How many cells have changed in this way."""
        return sum(cell.change == change for cell in self.cells)

    @property
    def largest(self) -> Difference:
        """The largest change: of the company's default variant, if it has changed, else of any."""
        return self.cells[0]

    @property
    def causes(self) -> list[str]:
        """The causes, the most frequent first."""
        found = [kind for cell in self.cells for kind in cell.kinds]
        return sorted(set(found), key=lambda cause: (-found.count(cause), cause))


@dataclass(frozen=True)
class Differences:
    """Everything in which two scorecards differ.

    `new_tables` are the delivered tables of which the deliveries differ. Neither they nor `definitions` are known
    unless the basis of both is recorded.
    """

    as_of_before: date | None
    as_of_after: date | None
    cells: Sequence[Difference]
    definitions: Sequence[DefinitionChange]
    new_tables: Sequence[str]
    is_recorded: bool

    def __bool__(self) -> bool:
        return bool(self.cells)

    @cached_property
    def by_kpi(self) -> list[OfKpi]:
        """The KPIs with cells that differ, the largest relative change first."""
        found = [OfKpi(kpi_id, list(cells)) for kpi_id, cells in groupby(self.cells, lambda cell: cell.kpi_id)]
        return sorted(found, key=lambda one: (-_size(one.largest), one.kpi_id))

    def count(self, change: Change) -> int:
        """How many cells have changed in this way."""
        return sum(cell.change == change for cell in self.cells)


def _size(cell: Difference) -> float:
    if cell.change == "same value" or not cell.has_value:
        return -1
    return abs(cell.relative) if cell.relative is not None else 0


def differences(before: Path | None, after: Path, kpi_id: str | None = None) -> Differences:
    """The cells in which the scorecard in the file `after` differs from that in `before`, optionally only of one KPI.

    Without a file `before`, every cell is new. Cells are in the order of KPIs, the largest changes of the company's
    default variant first.

    Raises:
        QuestionError: neither file has such a KPI, or an earlier version made one of them, without this scorecard.
    """
    with side_by_side(after=after, **({"before": before} if before else {})) as connection:
        if before is None:
            _attach_nothing(connection)
        for side, file in (("before", before), ("after", after)):
            if not _has(connection, side, "marts", "kpi_scorecard"):
                raise QuestionError(
                    f"An earlier version made {file}, and it does not contain the scorecard of all grains. Compare "
                    "other publications: kpi versions lists them."
                )
        if kpi_id:
            _check_kpi(connection, kpi_id)
        is_recorded = all(_has(connection, side, "meta", "definitions") for side in _SIDES)
        definitions = definition_changes(connection) if is_recorded else []
        tables = new_tables(connection) if is_recorded else []
        _prepare_causes(connection, tables if is_recorded else None)
        return Differences(
            _as_of(connection, "before"),
            _as_of(connection, "after"),
            _cells(connection, kpi_id),
            [one for one in definitions if one.kpi_id == (kpi_id or one.kpi_id)],
            tables,
            is_recorded,
        )


@dataclass(frozen=True)
class Totals:
    """How many cells have another value, are new or gone; how many measures are defined differently."""

    changed: int
    created: int
    gone: int
    definitions: int | None  # None if an earlier version made one of the publications


def has_scorecard(file: Path) -> bool:
    """Whether a file has a scorecard that `differences` can compare."""
    with side_by_side(file=file) as connection:
        return _has(connection, "file", "marts", "kpi_scorecard")


def totals(before: Path, after: Path) -> Totals:
    """The same comparison as `differences`, counted only.

    Raises:
        duckdb.CatalogException: one of the files has no scorecard of this form.
    """
    key = ", ".join(_KEY)
    with side_by_side(before=before, after=after) as connection:
        [[changed, created, gone]] = connection.execute(
            f"""
            select
                count(*) filter (is_old and is_new and value_before is distinct from value_after),
                count(*) filter (is_old is null),
                count(*) filter (is_new is null)
            from (select {key}, value as value_before, true as is_old from before.marts.kpi_scorecard) as old
            full join (select {key}, value as value_after, true as is_new from after.marts.kpi_scorecard) as new
                using ({key})
            """
        ).fetchall()
        is_recorded = all(_has(connection, side, "meta", "definitions") for side in _SIDES)
        return Totals(changed, created, gone, len(definition_changes(connection)) if is_recorded else None)


def _as_of(connection: duckdb.DuckDBPyConnection, side: str) -> date | None:
    found = connection.execute(f"select max(as_of_date) from {side}.marts.kpi_scorecard").fetchone()
    return found[0] if found else None


def _attach_nothing(connection: duckdb.DuckDBPyConnection) -> None:
    """Let `before` be a scorecard without a row."""
    connection.execute("attach ':memory:' as before; create schema before.marts")
    for table in ("kpi_scorecard", "kpi_variants", "kpi_catalogue", "dim_period"):
        connection.execute(f"create table before.marts.{table} as from after.marts.{table} limit 0")


def _check_kpi(connection: duckdb.DuckDBPyConnection, kpi_id: str) -> None:
    known = connection.execute(
        "select distinct kpi_id from (select kpi_id from before.marts.kpi_catalogue "
        "union all select kpi_id from after.marts.kpi_catalogue) order by 1"
    ).fetchall()
    if (kpi_id,) not in known:
        raise unknown("--kpi", kpi_id, [name for (name,) in known])


def _has(connection: duckdb.DuckDBPyConnection, side: str, schema: str, table: str) -> bool:
    found = connection.execute(
        f"select 1 from duckdb_tables() where database_name = {quote_text(side)} "
        f"and schema_name = {quote_text(schema)} and table_name = {quote_text(table)}"
    )
    return found.fetchone() is not None


def definition_changes(
    connection: duckdb.DuckDBPyConnection, before: str = "before", after: str = "after"
) -> list[DefinitionChange]:
    """The measures whose hashes differ between two attached files that record them, by their names in `connection`.

    A setting is named if it differs and is in a model that does.
    """
    rows = connection.execute(
        f"""
        with changed_models as (
            select
                coalesce(old.model, new.model) as model,
                list_distinct(list_concat(coalesce(old.settings, []), coalesce(new.settings, []))) as settings
            from {before}.meta.definition_models as old
            full join {after}.meta.definition_models as new on old.model = new.model
            where old.hash is distinct from new.hash
        ),

        changed_settings as (
            select coalesce(old.name, new.name) as name, old.value as value_before, new.value as value_after
            from {before}.meta.settings as old
            full join {after}.meta.settings as new on old.name = new.name
            where old.value is distinct from new.value
        ),

        changed as (
            select
                coalesce(old.kpi_id, new.kpi_id) as kpi_id,
                coalesce(old.variant, new.variant) as variant,
                old.hash as hash_before,
                new.hash as hash_after,
                list_concat(coalesce(old.models, []), coalesce(new.models, [])) as models
            from {before}.meta.definitions as old
            full join {after}.meta.definitions as new on old.kpi_id = new.kpi_id and old.variant = new.variant
            where old.hash is distinct from new.hash
        )

        select
            kpi_id, variant, hash_before, hash_after,
            (select list(model order by model) from changed_models where list_contains(changed.models, model)),
            (
                select to_json(list(struct_pack(name, value_before, value_after) order by name))
                from changed_settings
                where exists (
                    select 1 from changed_models
                    where list_contains(changed.models, model) and list_contains(settings, name)
                )
            )
        from changed
        order by all
        """
    ).fetchall()
    return [
        DefinitionChange(
            kpi_id,
            variant,
            before,
            after,
            tuple(models or ()),
            {one["name"]: (one["value_before"], one["value_after"]) for one in json.loads(settings or "[]") or []},
        )
        for kpi_id, variant, before, after, models, settings in rows
    ]


def new_tables(connection: duckdb.DuckDBPyConnection, before: str = "before", after: str = "after") -> list[str]:
    """The delivered tables, like `shop.orders`, of which two attached files have used other deliveries."""
    rows = connection.execute(
        f"""
        with used as (
            select 'before' as side, source, table_name, delivered_on, content from {before}.meta.deliveries
            union all
            select 'after', source, table_name, delivered_on, content from {after}.meta.deliveries
            union all
            select 'before', source, table_name, delivered_on, state from {before}.meta.deliveries_in_question
            union all
            select 'after', source, table_name, delivered_on, state from {after}.meta.deliveries_in_question
        )

        select distinct concat(source, '.', table_name)
        from (
            select source, table_name from used
            group by source, table_name, delivered_on, content having count(distinct side) = 1
        )
        order by 1
        """
    ).fetchall()
    return [table for (table,) in rows]


def _prepare_causes(connection: duckdb.DuckDBPyConnection, tables: Sequence[str] | None) -> None:
    """Create the table `causes`: for each measure, whether its definition or its deliveries differ.

    `tables` have other deliveries; if this is not recorded, the table stays empty. What distinguishes the causes of
    changed data belongs here, joined by measure.
    """
    if tables is None:
        connection.execute(
            "create temp table causes (kpi_id varchar, variant varchar, has_other_definition boolean, "
            "has_other_data boolean)"
        )
        return
    connection.execute(
        f"""
        create temp table causes as
        select
            coalesce(old.kpi_id, new.kpi_id) as kpi_id,
            coalesce(old.variant, new.variant) as variant,
            old.hash is distinct from new.hash as has_other_definition,
            list_has_any(
                list_concat(coalesce(old.delivered_tables, []), coalesce(new.delivered_tables, [])),
                cast([{", ".join(map(quote_text, tables))}] as varchar[])
            ) as has_other_data
        from before.meta.definitions as old
        full join after.meta.definitions as new on old.kpi_id = new.kpi_id and old.variant = new.variant
        """
    )


def _cells(connection: duckdb.DuckDBPyConnection, kpi_id: str | None) -> list[Difference]:
    columns = _common_columns(connection)
    of_kpi = f"where kpi_id = {quote_text(kpi_id)}" if kpi_id else ""
    differing = ", ".join(
        f"case when old.{quote_name(name)} is distinct from new.{quote_name(name)} then {quote_text(name)} end"
        for name in columns
    )
    key = ", ".join(_KEY)
    rows = connection.execute(
        f"""
        with variants as (
            select distinct on (kpi_id, variant)
                kpi_id, variant, kpi_variants.unit, settles, variant = default_variant as is_default
            from (
                select 1 as place, * from after.marts.kpi_variants
                union all by name
                select 2 as place, * from before.marts.kpi_variants
            ) as kpi_variants
            left join after.marts.kpi_catalogue using (kpi_id)
            order by place
        ),

        as_of as (
            select min(day) as earlier, count(distinct day) > 1 as is_other
            from (
                select max(as_of_date) as day from before.marts.kpi_scorecard
                union all
                select max(as_of_date) from after.marts.kpi_scorecard
            )
        ),

        periods as (
            -- With another fiscal year, a quarter that begins on the same day has another name.
            select distinct on (grain, period_start) grain, period_start, period_label, period_end
            from (
                select 1 as place, * from after.marts.dim_period
                union all by name
                select 2 as place, * from before.marts.dim_period
            )
            order by place
        ),

        differing as (
            select
                {key},
                coalesce(new.entity_name, old.entity_name, entity_id) as entity_name,
                case
                    when old.grain is null then 'created'
                    when new.grain is null then 'gone'
                    when old.value is distinct from new.value then 'changed'
                    else 'same value'
                end as change,
                old.value as value_before,
                new.value as value_after,
                new.value - old.value as difference,
                cast(new.value - old.value as double) / nullif(abs(cast(old.value as double)), 0) as relative,
                old.status as status_before,
                new.status as status_after,
                case
                    when old.grain is not null and new.grain is not null
                        then list_filter([{differing}], column_name -> column_name is not null)
                    else []
                end as differs_in,
                old.is_mature <> new.is_mature as has_matured
            from (from before.marts.kpi_scorecard {of_kpi}) as old
            full join (from after.marts.kpi_scorecard {of_kpi}) as new using ({key})
        )

        select
            kpi_id, variant, unit, grain, period_start, coalesce(period_label, cast(period_start as varchar)),
            entity_type, entity_id, entity_name, is_default and entity_type = 'company', change, value_before,
            value_after, difference, relative, status_before, status_after, differs_in,
            has_other_definition, has_other_data,
            -- Values change as time passes: of periods in progress, of young cohorts, and those that never settle.
            as_of.is_other and (
                coalesce(period_end > as_of.earlier + 1, true)
                or coalesce(has_matured, false)
                or not coalesce(settles, true)
            ) as is_of_as_of_date
        from differing
        left join variants using (kpi_id, variant)
        left join periods using (grain, period_start)
        left join causes using (kpi_id, variant)
        cross join as_of
        where change in ('created', 'gone') or len(differs_in) > 0
        order by
            kpi_id, change = 'same value', is_default and entity_type = 'company' desc, is_default desc,
            entity_type = 'company' desc, abs(coalesce(value_after, 0) - coalesce(value_before, 0)) desc,
            variant, grain, period_start desc, entity_type, entity_id
        """
    ).fetchall()
    is_other_basis = _has_other_basis(connection)
    restated = _restated(connection)
    found = []
    for *cell, differs_in, has_other_definition, has_other_data, is_of_as_of_date in rows:
        cause = _cause(has_other_definition, has_other_data, is_of_as_of_date, is_other_basis)
        found.append(Difference(*cell, tuple(differs_in), cause))  # type: ignore[call-arg]  # as selected
    return [replace(cell, causes=_causes_of(cell, restated)) for cell in found] if restated else found


_Key = tuple[str, date, str, str, str, str]


@dataclass(frozen=True)
class _Restated:
    """A value that publications after `before`, up to `after`, have restated."""

    value_before: Decimal | None
    value_after: Decimal | None
    causes: Sequence[Sequence[Any]]


def _restated(connection: duckdb.DuckDBPyConnection) -> dict[_Key, _Restated]:
    """The values that were restated between the publications, by cell; none if `after` is the earlier one."""
    needed = (*((side, "publication") for side in _SIDES), ("after", "restatements"), ("after", "restatement_causes"))
    if not all(_has(connection, side, "meta", table) for side, table in needed):
        return {}
    key = ", ".join(_KEY)
    rows = connection.execute(
        f"""
        with steps as (
            select *
            from after.meta.restatements
            where published_at > (select max(published_at) from before.meta.publication)
        )

        select
            {key},
            arg_min_null(value_before, published_at),
            arg_max_null(value_after, published_at),
            coalesce(any_value(causes), [])
        from steps
        left join (
            select {key}, list(row({COLUMNS_OF_CAUSES})) as causes
            from after.meta.restatement_causes
            where publication_id in (select publication_id from steps)
            group by all
        ) as of_cells using ({key})
        group by {key}
        """
    ).fetchall()
    return {tuple(cell): _Restated(before, after, causes) for *cell, before, after, causes in rows}


def _causes_of(cell: Difference, restated: Mapping[_Key, _Restated]) -> tuple[Cause, ...]:
    """The causes of a cell, if what was restated leads from the one value to the other.

    It does not if the publications are on different branches: one of them was rolled back, and another one followed.
    """
    found = restated.get((cell.grain, cell.period_start, cell.kpi_id, cell.variant, cell.entity_type, cell.entity_id))
    if not found or (found.value_before, found.value_after) != (cell.value_before, cell.value_after):
        return ()
    return causes_of(found.causes)


def _common_columns(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The columns of a cell that both scorecards have."""
    rows = connection.execute(
        "select column_name from duckdb_columns() where database_name in ('before', 'after') "
        "and schema_name = 'marts' and table_name = 'kpi_scorecard' "
        "group by column_name having count(*) = 2 order by min(column_index)"
    ).fetchall()
    return [name for (name,) in rows if name not in (*_KEY, *_OF_AS_OF_DATE)]


def _has_other_basis(connection: duckdb.DuckDBPyConnection) -> bool | None:
    """Whether any model or setting differs; None if it is not recorded."""
    if not all(_has(connection, side, "meta", "settings") for side in _SIDES):
        return None
    found = connection.execute(
        """
        from (
            select model, hash from before.meta.definition_models union all select name, value from before.meta.settings
        ) as old
        full join (
            select model, hash from after.meta.definition_models union all select name, value from after.meta.settings
        ) as new using (model)
        select count(*) where old.hash is distinct from new.hash
        """
    ).fetchone()
    return bool(found and found[0])


def _cause(
    has_other_definition: bool | None, has_other_data: bool | None, is_of_as_of_date: bool, is_other_basis: bool | None
) -> str:
    """The cause of a difference in words.

    Targets and comparisons are made by models that the definition of a value does not include, so `is_other_basis`
    explains what is left.
    """
    found = ["definition"] if has_other_definition else []
    if is_of_as_of_date:
        found.append("as-of date")
    elif has_other_data:
        found.append("data")
    if found:
        return " and ".join(found)
    if is_other_basis is None:
        return "not recorded"
    return "definition" if is_other_basis else "unknown"


def changed_settings(changes: Iterable[DefinitionChange]) -> dict[str, tuple[str | None, str | None]]:
    """The settings because of which any of these definitions differs, with their values before and after, as JSON."""
    return dict(sorted((name, values) for change in changes for name, values in change.settings.items()))
