"""What Dagster shows of models: owner, KPIs, rows and columns; and of a publication: the scorecard and its values."""

from datetime import date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from pipelines.checks.assets import complete_suites, owners_of_models
from pipelines.checks.suites import Suite, load_suites
from pipelines.config_files import ConfigError
from pipelines.publish.metadata import publication_metadata
from pipelines.publish.publication import SCORECARD, Publication
from pipelines.settings import PROJECT_DIR
from pipelines.sources import SHIPPED_DIR, load_sources
from pipelines.transform.assets import Translator
from pipelines.transform.kpis import kpis_of_marts
from pipelines.transform.table_metadata import built_tables


def model(name: str, *parents: str, schema: str = "marts", **values: Any) -> dict[str, Any]:
    usual = {"columns": {}, "config": {}, "unique_id": f"model.kpi.{name}", "tags": [], "language": "sql"}
    usual |= {"package_name": "kpi", "original_file_path": f"models/{name}.sql"}
    needs = {"nodes": [f"model.kpi.{parent}" for parent in parents]}
    return {**usual, "resource_type": "model", "name": name, "schema": schema, "depends_on": needs, **values}


def manifest(*models: dict[str, Any]) -> dict[str, Any]:
    nodes = {node["unique_id"]: node for node in models}
    return {"metadata": {"generated_at": "2026-01-01"}, "nodes": nodes, "sources": {}}


def test_a_mart_and_its_facts_are_tagged_with_its_kpi() -> None:
    found = kpis_of_marts(
        manifest(
            model("int_deals", schema="intermediate"),
            model("dim_date"),
            model("fct_opportunities", "int_deals"),
            model("fct_refunds"),
            model("kpi_win_rate", "dim_date", "fct_opportunities"),
            model("kpi_lead_conversion", "fct_opportunities"),
            model("kpi_funnel", config={"meta": {"kpis": ["lead_conversion"]}}),
            model("kpi_scorecard__monthly", "kpi_win_rate"),
        )
    )
    assert found == {
        "model.kpi.fct_opportunities": ["lead_conversion", "win_rate"],
        "model.kpi.kpi_win_rate": ["win_rate"],
        "model.kpi.kpi_lead_conversion": ["lead_conversion"],
        "model.kpi.kpi_funnel": ["lead_conversion"],
    }


def test_a_model_has_its_suites_owner_and_its_kpis_as_tags() -> None:
    translator = Translator({("marts", "fct_leads"): "team:sales"}, {"model.kpi.fct_leads": ["lead_conversion"]})
    leads = model("fct_leads")
    assert translator.get_owners(leads) == ["team:sales"]
    assert translator.get_tags(leads)["kpi/lead_conversion"] == ""
    assert translator.get_owners(model("int_leads", schema="intermediate")) == ["team:data"]


def test_owners_of_shipped_suites_are_owners_that_dagster_knows() -> None:
    sources = load_sources(sorted(path.stem for path in SHIPPED_DIR.glob("*.yml")), PROJECT_DIR / "company")
    suites = complete_suites(load_suites(PROJECT_DIR / "expectations"), sources)
    assert owners_of_models(suites) == {key: suite.owner for key, suite in suites.items()}


def test_an_owner_that_dagster_does_not_know_is_named_with_its_file() -> None:
    expectation = {"type": "expect_column_to_exist", "kwargs": {"column": "a"}, "why": "w"}
    suite = Suite.model_validate(
        {
            "stage": "marts",
            "name": "dim_date",
            "path": Path("expectations/marts/dim_date.yml"),
            "owner": "Sales data",
            "description": "d",
            "expectations": [expectation],
        }
    )
    with pytest.raises(ConfigError, match=r"marts/dim_date.yml: owner 'Sales data' is neither a team nor"):
        owners_of_models({("marts", "dim_date"): suite})


def test_rows_of_tables_are_counted_and_columns_shown_that_no_contract_declares(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema marts; create schema staging")
        connection.execute("create table marts.dim_date as select unnest([1, 2, 3]) as day")
        connection.execute("create view staging.stg_shop__orders as select 'A1' as order_id")
    contract = {"day": {"data_type": "integer", "description": "The day."}}
    staging = {"order_id": {"data_type": None, "description": "The shop's number."}}
    found = built_tables(
        path,
        manifest(
            model("dim_date", columns=contract),
            model("stg_shop__orders", schema="staging", columns=staging),
            model("not_built"),
        ),
        tmp_path,
        [],
    )
    columns = dg.TableSchema([dg.TableColumn("order_id", "VARCHAR", "The shop's number.")])
    assert found == {
        "model.kpi.dim_date": {"dagster/row_count": 3},
        "model.kpi.stg_shop__orders": {"dagster/column_schema": columns},
    }


@pytest.fixture
def publication() -> Publication:
    through = {"shop": date(2026, 1, 9)}
    return Publication("p1", "run", datetime(2026, 1, 10), date(2026, 1, 9), through, "1", "EUR")


def test_a_publication_shows_its_scorecard_and_a_value_per_kpi(tmp_path: Path, publication: Publication) -> None:
    with duckdb.connect(str(tmp_path / "kpi.duckdb")) as connection:
        connection.execute(
            f"""
            create schema marts;
            create table marts.kpi_catalogue as
                select 'revenue' as kpi_id, 'net' as default_variant, 'money' as unit, 'Net revenue' as name_en;
            create table marts.{SCORECARD} as
            select * from (values
                (date '2025-12-01', 'revenue', 'net', 'company', 1250.5::decimal(38, 12), 'ok', true, false),
                (date '2026-01-01', 'revenue', 'net', 'company', 80::decimal(38, 12), 'ok', true, true),
                (date '2025-12-01', 'revenue', 'net', 'rep', 9::decimal(38, 12), 'ok', true, false)
            ) as t(period_month, kpi_id, variant, entity_type, value, status, is_mature, is_partial_period)
            """
        )
    metadata = publication_metadata(publication, {SCORECARD: 3}, tmp_path)
    assert metadata["revenue (net)"] == 1250.5
    assert metadata["scorecard"].value.splitlines() == [
        "| KPI | 2025-12 | 2026-01 to date |",
        "| --- | --- | --- |",
        "| Net revenue (net) | 1,250.50 | 80.00 |",
    ]
    assert metadata["data through"].value.splitlines()[-1] == "| shop | 2026-01-09 |"
    assert metadata["dagster/row_count"] == 3


def test_a_publication_without_a_scorecard_shows_what_there_is(tmp_path: Path, publication: Publication) -> None:
    metadata = publication_metadata(publication, {"dim_date": 2}, tmp_path)
    assert (metadata["publication"], metadata["as of"], metadata["dagster/row_count"]) == ("p1", "2026-01-09", 2)
