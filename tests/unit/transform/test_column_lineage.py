"""Column lineage: read from the SQL, and stored until a model changes."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipelines.transform.column_lineage import (
    Columns,
    Lineage,
    as_metadata,
    column_lineage,
    lineage_of_models,
    with_source_names,
)

COLUMNS = {
    ("staging", "orders"): ["order_id", "customer_id", "amount", "ordered_on"],
    ("staging", "refunds"): ["refund_id", "order_id", "amount"],
}
RAW = "read_parquet('/data/raw/shop/orders/*/rows.parquet', union_by_name = true)"


def lineage(sql: str) -> dict[str, set[str]]:
    found = column_lineage(with_source_names(sql, {RAW: ("raw:shop", "orders")}), COLUMNS)
    return {column: {".".join(origin) for origin in origins} for column, origins in found.items()}


@pytest.mark.parametrize(
    ("sql", "origins"),
    [
        ("select amount * 2 as twice from w.staging.orders", {"twice": {"staging.orders.amount"}}),
        ("select count(*) as n, 'a' as letter from staging.orders", {"n": set(), "letter": set()}),
        (
            "with a as (select * from staging.orders), b as (select amount + 1 as x from a) select x from b",
            {"x": {"staging.orders.amount"}},
        ),
        (
            "select o.order_id, o.amount - coalesce(sum(r.amount), 0) as net from staging.orders as o "
            "left join staging.refunds as r on r.order_id = o.order_id group by all",
            {"order_id": {"staging.orders.order_id"}, "net": {"staging.orders.amount", "staging.refunds.amount"}},
        ),
        (
            "select order_id from staging.orders union all select refund_id from staging.refunds",
            {"order_id": {"staging.orders.order_id", "staging.refunds.refund_id"}},
        ),
        (
            "select order_id, (select max(r.amount) from staging.refunds as r where r.order_id = o.order_id) as most "
            "from staging.orders as o",
            {
                "order_id": {"staging.orders.order_id"},
                "most": {"staging.refunds.amount", "staging.refunds.order_id", "staging.orders.order_id"},
            },
        ),
        (f"select trim(id) as id from {RAW} as delivered", {"id": {"raw:shop.orders.id"}}),
        (
            f"with delivered as (select d.* from {RAW} as d), "
            "fresh as (select delivered.* from delivered join t__deliveries as n on delivered.day = n.day) "
            "select trim(id) as id from fresh",
            {"id": {"raw:shop.orders.id"}},
        ),
        (
            "select amount from staging.orders "
            "where not exists (select 1 from orders__unchanged as u where u.period = ordered_on)",
            {"amount": {"staging.orders.amount"}},
        ),
        (
            "select sum(amount) over (order by ordered_on) as so_far from staging.orders",
            {"so_far": {"staging.orders.amount", "staging.orders.ordered_on"}},
        ),
        ("this is no SQL (", {}),
        ("select order_id, amount from staging.orders union all select * from nobody_knows", {}),
    ],
)
def test_a_column_is_made_from_what_its_expression_names(sql: str, origins: dict[str, set[str]]) -> None:
    assert lineage(sql) == origins


def test_dagster_knows_deliveries_and_tables_by_their_assets() -> None:
    found = as_metadata({"id": [("raw:shop", "orders", "id"), ("staging", "orders", "order_id")]})
    assert found == dg.TableColumnLineage(
        {
            "id": [
                dg.TableColumnDep(dg.AssetKey(["raw", "shop", "orders"]), "id"),
                dg.TableColumnDep(dg.AssetKey(["staging", "orders"]), "order_id"),
            ]
        }
    )


def test_lineage_is_kept_until_the_project_is_parsed_again(tmp_path: Path) -> None:
    node = {"resource_type": "model", "package_name": "kpi", "original_file_path": "models/m.sql", "language": "sql"}
    python = {**node, "original_file_path": "models/p.py", "language": "python"}
    manifest: dict[str, Any] = {
        "metadata": {"generated_at": "first"},
        "nodes": {"model.kpi.m": node, "model.kpi.p": python},
        "sources": {},
    }
    compiled = tmp_path / "compiled" / "kpi" / "models" / "m.sql"
    assert lineage_of_models(manifest, tmp_path, COLUMNS, manifest["nodes"]) == {}, "nothing is compiled yet"
    compiled.parent.mkdir(parents=True)
    compiled.with_name("p.py").write_text("def model(dbt, session): ...")
    compiled.write_text("select amount from staging.orders")
    first = lineage_of_models(manifest, tmp_path, COLUMNS, manifest["nodes"])
    assert first == {"model.kpi.m": {"amount": [("staging", "orders", "amount")]}}
    compiled.write_text("select refund_id from staging.refunds")
    kept = lineage_of_models(manifest, tmp_path, COLUMNS, manifest["nodes"])
    assert as_metadata(kept["model.kpi.m"]) == as_metadata(first["model.kpi.m"])
    manifest["metadata"]["generated_at"] = "second"
    again = lineage_of_models(manifest, tmp_path, COLUMNS, manifest["nodes"])
    assert again == {"model.kpi.m": {"refund_id": [("staging", "refunds", "refund_id")]}}


def test_after_parsing_again_only_what_has_changed_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def reading(sql: str, columns: Columns) -> Lineage:
        read.append(sql)
        return column_lineage(sql, columns)

    monkeypatch.setattr("pipelines.transform.column_lineage.column_lineage", reading)
    names = ("orders", "refunds", "both")
    nodes = {
        f"model.kpi.{name}": {
            "resource_type": "model", "package_name": "kpi", "original_file_path": f"models/{name}.sql",
            "language": "sql",
        }
        for name in names
    }  # fmt: skip
    folder = tmp_path / "compiled" / "kpi" / "models"
    folder.mkdir(parents=True)
    sql = {
        "orders": "select amount from staging.orders",
        "refunds": "select * from staging.refunds",
        "both": "select o.amount from staging.orders as o join staging.refunds using (order_id)",
    }

    def models(parsed_at: str, columns: Columns, built: Iterable[str] = names) -> dict[str, Lineage]:
        for name, text in sql.items():
            (folder / f"{name}.sql").write_text(text)
        read.clear()
        manifest = {"metadata": {"generated_at": parsed_at}, "nodes": nodes, "sources": {}}
        return lineage_of_models(manifest, tmp_path, columns, [f"model.kpi.{name}" for name in built])

    first = models("first", COLUMNS)
    assert read == list(sql.values())
    assert shown(models("second", COLUMNS)) == shown(first)
    assert read == []
    sql["orders"] = "select order_id from staging.orders"
    third = models("third", COLUMNS)
    assert (read, set(third["model.kpi.orders"])) == ([sql["orders"]], {"order_id"})
    more = {**COLUMNS, ("staging", "refunds"): ["refund_id", "order_id", "amount", "reason"]}
    fourth = models("fourth", more)
    assert read == [sql["refunds"], sql["both"]]
    assert set(fourth["model.kpi.refunds"]) == {"refund_id", "order_id", "amount", "reason"}
    assert set(models("fifth", more, built=["both"])) == {"model.kpi.both"}, "the others may have changed"
    assert set(models("fifth", more, built=["orders"])) == {"model.kpi.both", "model.kpi.orders"}
    assert read == []


def shown(lineages: dict[str, Lineage]) -> dict[str, object]:
    return {model: as_metadata(lineage) for model, lineage in lineages.items()}


def test_only_what_was_built_is_looked_at_and_a_killed_run_leaves_no_half_file(tmp_path: Path) -> None:
    """The SQL of a model that was not built may be that of an older version."""
    node = {"resource_type": "model", "package_name": "kpi", "original_file_path": "models/m.sql", "language": "sql"}
    manifest: dict[str, Any] = {"metadata": {"generated_at": "now"}, "nodes": {"model.kpi.m": node}, "sources": {}}
    compiled = tmp_path / "compiled" / "kpi" / "models" / "m.sql"
    compiled.parent.mkdir(parents=True)
    compiled.write_text("select refund_id from staging.refunds")
    assert lineage_of_models(manifest, tmp_path, COLUMNS, []) == {}
    compiled.write_text("select amount from staging.orders")
    assert set(lineage_of_models(manifest, tmp_path, COLUMNS, ["model.kpi.m"])["model.kpi.m"]) == {"amount"}
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["column_lineage.json"]
