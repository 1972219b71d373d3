"""The definition of a measure changes with what its number is computed by, and with nothing else."""

import json
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.publish.definitions import (
    PLANNED,
    Basis,
    Definition,
    Delivered,
    Model,
    definitions_of,
    record,
    record_changes,
)
from tests.unit.answers.scorecards import COMPANY, FEBRUARY, JANUARY, WEB, Scorecard

MEASURES = """
with kpi_revenue as (select * from marts.kpi_revenue), kpi_nps as (select * from marts.kpi_nps),
measured as (
    select 'revenue' as kpi_id, 'net' as variant, cast(net as decimal) as value
    from kpi_revenue where grain in ('month')
    union all
    select 'nps' as kpi_id, 'period' as variant, cast(score as decimal) as value from kpi_nps
),
variants as (
    select 'revenue' as kpi_id, 'net' as variant, true as has_source,
        (select max(day) as kpi_id from marts.days) as since
    union all
    select 'nps' as kpi_id, 'period' as variant, false as has_source, null as since
)
select measured.*, variants.has_source from measured inner join variants using (kpi_id, variant)
"""
CODE = {
    "orders": "select * from raw.orders where status <> 'cancelled'",
    "answers": "def model(dbt, session):\n    return dbt.ref('x')  # all of them\n",
    "days": "select 1 as day",
    "kpi_revenue": "select grain, sum(amount) as net from orders group by 1",
    "kpi_nps": "select grain, avg(score) as score from answers group by 1",
    "int_kpi_measures": MEASURES,
    "kpi_scorecard": "select * from int_kpi_measures",
}
MADE_FROM = {
    "orders": ["source.shop.orders", "model.days"],
    "answers": ["source.survey.responses", "model.days"],
    "days": ["source.shop.orders", "source.survey.responses"],
    "kpi_revenue": ["model.orders"],
    "kpi_nps": ["model.answers"],
    "int_kpi_measures": ["model.kpi_revenue", "model.kpi_nps"],
    "kpi_scorecard": ["model.int_kpi_measures"],
}
MANIFEST = {
    "nodes": {
        f"model.{name}": {
            "name": name,
            "unique_id": f"model.{name}",
            "language": "python" if name == "answers" else "sql",
            "raw_code": "where status not in ({{ excluded() }})" if name == "orders" else "",
            "depends_on": {"nodes": above, "macros": ["macro.excluded"] if name == "orders" else []},
            "config": {"meta": {"passes_on": "content"} if name == "days" else {}},
        }
        for name, above in MADE_FROM.items()
    },
    "sources": {
        "source.shop.orders": {"source_name": "shop", "name": "orders"},
        "source.survey.responses": {"source_name": "survey", "name": "responses"},
    },
    "macros": {
        "macro.excluded": {"macro_sql": "{{ statuses() }}", "depends_on": {"macros": ["macro.statuses"]}},
        "macro.statuses": {"macro_sql": "{{ var('excluded_statuses') }}", "depends_on": {"macros": []}},
    },
}


def hashes(**changed: str) -> dict[str, str]:
    """The hash of each KPI's only measure, if the code of some models is another."""
    return {one.kpi_id: one.hash for one in definitions_of(MANIFEST, {**CODE, **changed})[1]}


def changed_by(**changed: str) -> set[str]:
    before, after = hashes(), hashes(**changed)
    assert before.keys() == after.keys()
    return {kpi for kpi in before if before[kpi] != after[kpi]}


def test_a_definition_names_what_a_measure_is_made_from() -> None:
    models, definitions = definitions_of(MANIFEST, CODE)
    nps, revenue = definitions
    assert (revenue.kpi_id, revenue.variant) == ("revenue", "net")
    assert revenue.models == ("days", "int_kpi_measures", "kpi_revenue", "kpi_scorecard", "orders")
    assert (revenue.settings, revenue.delivered_tables) == (("excluded_statuses",), ("shop.orders",))
    assert revenue.sql.startswith("select 'revenue' as kpi_id, 'net' as variant, cast(net as decimal)")
    assert "from kpi_revenue where grain in ('month')" in revenue.sql
    assert "nps" not in revenue.sql
    assert (nps.models[0], nps.settings, nps.delivered_tables) == ("answers", (), ("survey.responses",))
    [shared] = [model.sql for model in models if model.model == "int_kpi_measures"]
    assert "select measured.*" in shared
    assert "'revenue'" not in shared


@pytest.mark.parametrize(
    ("model", "sql"),
    [
        ("orders", "-- Of those, only some.\nselect *\n\nfrom raw.orders\nwhere /* not */ status <> 'cancelled'"),
        ("orders", "SELECT * FROM raw.orders WHERE Status <> 'cancelled'"),
        ("answers", "def model(dbt, session):\n\n    # Those of people.\n    return dbt.ref('x')\n"),
        (
            "int_kpi_measures",
            MEASURES.replace("union all", "union all  -- and\n").replace("as since\n", "as since --\n"),
        ),
    ],
    ids=["comments and layout", "case", "Python", "between measures"],
)
def test_comments_and_layout_define_nothing(model: str, sql: str) -> None:
    assert changed_by(**{model: sql}) == set()


@pytest.mark.parametrize(
    ("model", "old", "new", "kpis"),
    [
        ("orders", "cancelled", "Cancelled", {"revenue"}),
        ("answers", "ref('x')", "ref('y')", {"nps"}),
        ("kpi_nps", "avg", "min", {"nps"}),
        ("days", "1", "2", {"nps", "revenue"}),
        ("kpi_scorecard", "*", "* exclude (x)", {"nps", "revenue"}),
        ("int_kpi_measures", "cast(net", "cast(-net", {"revenue"}),
        ("int_kpi_measures", "false as has_source", "true as has_source", {"nps"}),
        ("int_kpi_measures", "inner join", "left join", {"nps", "revenue"}),
    ],
)
def test_any_other_change_changes_the_measures_that_it_is_about(model: str, old: str, new: str, kpis: set[str]) -> None:
    assert old in CODE[model]
    assert changed_by(**{model: CODE[model].replace(old, new)}) == kpis


def test_the_order_of_measures_defines_nothing() -> None:
    text = MEASURES.partition("measured as (")[2].partition("),\nvariants")[0]
    first, second = text.split("union all")
    swapped = MEASURES.replace(text, f"{second} union all {first}")
    assert swapped != MEASURES
    assert changed_by(int_kpi_measures=swapped) == set()


OCTOBER, NOVEMBER, DECEMBER = (date(2024, month, 1) for month in (10, 11, 12))
BEFORE = Scorecard(
    {
        **{(month, "revenue", "net", *COMPANY): 10 for month in (OCTOBER, NOVEMBER, DECEMBER, JANUARY, FEBRUARY)},
        (JANUARY, "revenue", "net", *WEB): 4,
        (JANUARY, "nps", "period", *COMPANY): 5,
    },
    as_of=date(2025, 2, 27),
    deliveries={date(2025, 2, 27): "a"},
)
AFTER = replace(
    BEFORE,
    values={
        **{(month, "revenue", "net", *COMPANY): 9 for month in (OCTOBER, NOVEMBER, DECEMBER, JANUARY, FEBRUARY)},
        (JANUARY, "revenue", "net", *WEB): 4,
        (JANUARY, "nps", "period", *COMPANY): 6,
    },
    excluded='["cancelled", "returned"]',
)


def changes(before: Scorecard | Path, after: Scorecard, folder: Path, name: str, planned: Path | None = None) -> Path:
    """The file of a publication called `name` that follows `before`."""
    previous = before if isinstance(before, Path) else before.write(folder / "first.duckdb")
    file = after.write(folder / f"{name}.duckdb")
    with duckdb.connect() as connection:
        connection.execute(f"attach '{file}' as candidate")
        record_changes(connection, name, datetime(2025, 3, 1), previous, planned)
    return file


def read(file: Path, query: str) -> list[Any]:
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute(query).fetchall()


VALUES = (
    "select publication_id, period_month, entity_id, cast(value_before as int), cast(value_after as int), cause "
    "from meta.definition_change_values order by all"
)


def test_both_values_are_recorded_of_the_three_months_before_a_change(tmp_path: Path) -> None:
    file = changes(BEFORE, AFTER, tmp_path, "second")
    assert read(file, VALUES) == [
        ("second", NOVEMBER, "company", 10, 9, "definition"),
        ("second", DECEMBER, "company", 10, 9, "definition"),
        ("second", JANUARY, "company", 10, 9, "definition"),
        ("second", JANUARY, "web", 4, 4, "definition"),
    ]
    [net, orders] = read(file, "from meta.definition_changes order by variant")
    assert net[2:4] == ("revenue", "net")
    assert orders[2:4] == ("revenue", "orders")
    settings = '{"excluded": {"before": ["cancelled"], "after": ["cancelled", "returned"]}}'
    assert net[6:] == (["orders"], settings, "definition")


@pytest.mark.parametrize(
    "other",
    [{"deliveries": {date(2025, 2, 27): "b"}}, {"as_of": date(2025, 2, 28)}],
    ids=["another delivery", "another as-of date"],
)
def test_values_from_other_data_say_so(tmp_path: Path, other: dict[str, Any]) -> None:
    file = changes(BEFORE, replace(AFTER, **other), tmp_path, "second")
    assert {row[-1] for row in read(file, VALUES)} == {"definition and data"}


def test_a_plan_of_the_same_change_gives_both_values_from_the_same_deliveries(tmp_path: Path) -> None:
    plan = changes(BEFORE, AFTER, tmp_path, PLANNED)
    corrected = replace(AFTER, values=dict.fromkeys(AFTER.values, 1), deliveries={date(2025, 2, 27): "b"})
    second = changes(tmp_path / "first.duckdb", corrected, tmp_path, "second", plan)
    assert read(second, VALUES) == [
        ("second", NOVEMBER, "company", 10, 9, "definition"),
        ("second", DECEMBER, "company", 10, 9, "definition"),
        ("second", JANUARY, "company", 10, 9, "definition"),
        ("second", JANUARY, "web", 4, 4, "definition"),
    ]
    assert read(second, "select distinct publication_id, cause from meta.definition_changes") == [
        ("second", "definition")
    ]


def test_a_plan_of_another_change_gives_nothing(tmp_path: Path) -> None:
    plan = changes(BEFORE, replace(AFTER, excluded='["other"]'), tmp_path, PLANNED)
    corrected = replace(AFTER, deliveries={date(2025, 2, 27): "b"})
    second = changes(tmp_path / "first.duckdb", corrected, tmp_path, "second", plan)
    assert {row[-1] for row in read(second, VALUES)} == {"definition and data"}


def test_later_publications_keep_what_is_recorded_and_add_nothing_without_a_change(tmp_path: Path) -> None:
    second = changes(BEFORE, AFTER, tmp_path, "second")
    third = changes(second, AFTER, tmp_path, "third")
    assert read(third, VALUES) == read(second, VALUES) != []
    fourth = changes(third, replace(AFTER, orders="select 3"), tmp_path, "fourth")
    assert {row[0] for row in read(fourth, VALUES)} == {"second", "fourth"}


@pytest.mark.parametrize("is_recorded", [True, False], ids=["the same", "not recorded"])
def test_without_a_known_change_nothing_is_recorded(tmp_path: Path, is_recorded: bool) -> None:
    file = changes(replace(AFTER, is_recorded=is_recorded), AFTER, tmp_path, "second")
    assert read(file, "from meta.definition_changes") == read(file, VALUES) == []


def test_what_is_recorded_can_be_read_by_sql(tmp_path: Path) -> None:
    found = Basis(
        [Definition("revenue", "net", "a1", "select 1", ("orders",), ("excluded",), ("shop.orders",))],
        [Model("orders", "b2", "select 2", ("excluded",))],
        {"excluded": json.dumps(["it's cancelled"])},
        [Delivered("shop", "orders", date(2025, 1, 1) + timedelta(days=day), f"c{day}") for day in range(2)],
    )
    with duckdb.connect() as connection:
        connection.execute("attach ':memory:' as file; create schema file.marts; create schema file.meta")
        connection.execute(
            "create table file.marts.kpi_variants as "
            "select 'revenue' as kpi_id, 'net' as variant, 'All sales.' as formula_en"
        )
        record(connection, found, "file")

        def rows(query: str) -> list[Any]:
            return connection.execute(query).fetchall()

        assert rows("from file.meta.definitions") == [
            ("revenue", "net", "a1", "All sales.", "select 1", ["orders"], ["excluded"], ["shop.orders"])
        ]
        assert rows("from file.meta.definition_models") == [("orders", "b2", "select 2", ["excluded"])]
        assert rows("select name, json_extract_string(value, '$[0]') from file.meta.settings") == [
            ("excluded", "it's cancelled")
        ]
        assert rows("from file.meta.deliveries")[1] == ("shop", "orders", date(2025, 1, 2), "c1")
