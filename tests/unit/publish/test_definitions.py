"""The definition of a measure changes with what its number is computed by, and with nothing else."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.publish.basis import Basis, Delivered, record
from pipelines.publish.definitions import Definition, Model, definitions_of

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
