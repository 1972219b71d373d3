"""The same day as in the tools' own examples: the peer that `peers.py` measures.

Belongs here: a code location with one asset for each delivered table, `@dbt_assets` as in the documentation of
dagster-dbt, and one asset check for each suite, which reads its table into a pandas batch of Great Expectations (GX).
Does not belong here: anything that makes it faster or slower than the examples.

It lands, builds and checks the same tables by the same rules, as far as GX supports them on pandas: it supports neither
raw SQL nor this project's own expectations. It publishes nothing, stores no verdicts and alerts nobody. The
installation and the day are given by DATA_DIR, KPI_PARSED (dbt's `manifest.json`) and KPI_DAY.
"""

import json
import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pandas as pd
from dagster_dbt import DagsterDbtTranslator, DbtCliResource, dbt_assets

from pipelines.checks.assets import complete_suites
from pipelines.checks.gx.expectation_types import UNEXPECTED_ROWS
from pipelines.checks.suites import ExpectationSpec, Suite, load_suites
from pipelines.ingest.landing import land
from pipelines.settings import PROJECT_DIR, get_settings
from pipelines.sources import each_table, enabled_sources
from pipelines.sql import quote_path
from pipelines.tables import TableRef, asset_of_suite, raw_file
from pipelines.transform.assets import Translator
from pipelines.transform.project import DBT, assemble_project, dbt_environment, dbt_variables
from pipelines.warehouse import sandboxed

DAY = date.fromisoformat(os.environ["KPI_DAY"])
settings = get_settings()
sources = enabled_sources(settings)
suites = complete_suites(load_suites(PROJECT_DIR / "expectations"), sources)
manifest = Path(os.environ["KPI_PARSED"])
project = str(assemble_project(settings))


def raw_asset(source: str, name: str, table: Any) -> dg.AssetsDefinition:
    """A delivered table, landed by the same code as in the pipeline."""

    @dg.asset(key=TableRef(source, name).asset)
    def landed() -> None:
        with sandboxed(settings.landing_dir, settings.raw_dir) as database:
            allowed = table.model_copy(update={"empty_day": "allowed"})
            land(source, name, allowed, DAY, settings.landing_dir, settings.raw_dir, database)

    return landed


class Keys(Translator):
    """The same assets, without the order of two steps."""

    get_asset_spec = DagsterDbtTranslator.get_asset_spec


@dbt_assets(manifest=manifest, dagster_dbt_translator=Keys(), exclude="resource_type:unit_test test_type:generic")
def models(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
    """As in the documentation, with the arguments that our project needs."""
    build = ["build", "--vars", json.dumps(dbt_variables(settings, sources))]
    yield from dbt.cli(build, context=context).stream()


def suite_check(suite: Suite, key: dg.AssetKey) -> dg.AssetChecksDefinition:
    """One check for all expectations of a table, on a frame of the table."""

    @dg.asset_check(asset=key, name="suite")
    def checked() -> dg.AssetCheckResult:
        import great_expectations as gx

        context = gx.get_context(mode="ephemeral")
        asset = context.data_sources.add_pandas("pandas").add_dataframe_asset("table")
        batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame(suite)})
        expectations = [_configuration(spec) for spec in suite.checks if _is_on_pandas(spec)]
        found = batch.validate(gx.ExpectationSuite(name="suite", expectations=expectations))
        failed = [str(each.expectation_config) for each in found.results if not each.success]
        return dg.AssetCheckResult(passed=True, metadata={"expectations": len(expectations), "failed": failed})

    return checked


def frame(suite: Suite) -> pd.DataFrame:
    """The table that a suite checks; for raw, only what was delivered on that day."""
    if suite.stage == "raw":
        source, name = suite.name.split("__", 1)
        file = raw_file(settings.raw_dir, source, name, DAY)
        return duckdb.sql(f"from {quote_path(file)}").df() if file.exists() else pd.DataFrame()
    with duckdb.connect(str(settings.warehouse_path), read_only=True) as warehouse:
        return warehouse.sql(f'from {suite.stage}."{suite.name}"').df()


def _is_on_pandas(spec: ExpectationSpec) -> bool:
    from great_expectations.expectations.registry import list_registered_expectation_implementations

    return spec.type != UNEXPECTED_ROWS and spec.type in list_registered_expectation_implementations()


def _configuration(spec: ExpectationSpec) -> Any:
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    return ExpectationConfiguration(type=spec.type, kwargs=dict(spec.kwargs)).to_domain_obj()


os.environ.update(dbt_environment(settings, DAY))
_raw = {
    dg.AssetKey(TableRef(source.name, name).asset): raw_asset(source.name, name, table)
    for source, name, table in each_table(sources)
}
_known = {*_raw, *models.keys}
_keys = {(stage, name): dg.AssetKey(asset_of_suite(stage, name)) for stage, name in suites}
checks = [suite_check(suite, _keys[place]) for place, suite in suites.items() if _keys[place] in _known]
defs = dg.Definitions(
    assets=[*_raw.values(), models],
    asset_checks=checks,
    jobs=[dg.define_asset_job("daily")],
    resources={"dbt": DbtCliResource(project_dir=project, profiles_dir=project, dbt_executable=str(DBT))},
)
