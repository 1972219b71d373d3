"""The delivered tables behind a model are named, the nearest first."""

from pathlib import Path

from pipelines.transform.upstream import read_manifest, tables_behind

MANIFEST = {
    "nodes": {
        "model.kpi.fct_refunds": {"schema": "marts", "name": "fct_refunds"},
        "model.kpi.int_refunds": {"schema": "intermediate", "name": "int_refunds"},
        "model.kpi.int_rates_daily": {"schema": "intermediate", "name": "int_rates_daily"},
        "model.kpi.int_rates": {"schema": "intermediate", "name": "int_rates"},
    },
    "sources": {
        "source.kpi.shop.refunds": {"source_name": "shop", "name": "refunds"},
        "source.kpi.finance.rates": {"source_name": "finance", "name": "rates"},
        "source.kpi.pipeline.left_out_deliveries": {"source_name": "pipeline", "name": "left_out_deliveries"},
    },
    "parent_map": {
        "model.kpi.fct_refunds": ["model.kpi.int_rates_daily", "model.kpi.int_refunds"],
        "model.kpi.int_refunds": ["source.kpi.shop.refunds", "source.kpi.pipeline.left_out_deliveries"],
        "model.kpi.int_rates_daily": ["model.kpi.int_rates"],
        "model.kpi.int_rates": ["source.kpi.finance.rates"],
    },
}


def test_the_nearest_tables_come_first_and_the_pipelines_own_are_left_out() -> None:
    assert tables_behind(MANIFEST, "marts", "fct_refunds") == ["shop.refunds", "finance.rates"]


def test_nothing_is_behind_a_table_that_dbt_does_not_know(tmp_path: Path) -> None:
    assert tables_behind(MANIFEST, "marts", "fct_orders") == []
    assert tables_behind(read_manifest(tmp_path / "manifest.json"), "marts", "fct_refunds") == []
