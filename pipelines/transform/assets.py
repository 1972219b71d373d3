"""The dbt models as Dagster assets: staging in one step, intermediates and marts in the next.

Belongs here: how Dagster sees and runs dbt. Two steps rather than one, so that staging's checks stand between them:
a delivery that fails them never reaches a mart.
Does not belong here: the project itself (`project.py`), and any SQL (`dbt_project/`).
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliResource, DbtProject, dbt_assets

from pipelines.quarantine import update_rows
from pipelines.settings import Settings
from pipelines.sources import Source
from pipelines.transform.project import DBT, as_of_date, assemble_project, dbt_environment, dbt_variables
from pipelines.warehouse import hold_writer_lock

MODEL_OWNER = "team:data"
STAGING, MARTS = "staging", "marts"
OPENS_MARTS = dg.AssetKey(["intermediate", "int_run_parameters"])


class Translator(DagsterDbtTranslator):
    """Asset keys are `<layer>/<model>` and, for delivered tables, `raw/<source>/<table>`."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        name = dbt_resource_props["name"]
        if dbt_resource_props["resource_type"] == "source":
            return dg.AssetKey(["raw", dbt_resource_props["source_name"], name])
        return dg.AssetKey([self.get_group_name(dbt_resource_props), name])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        return str(dbt_resource_props["schema"])

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:
        return [MODEL_OWNER]

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        return str(dbt_resource_props.get("description") or "")

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None) -> dg.AssetSpec:
        """A model as an asset. The one that opens the marts step waits for every table of staging.

        Dagster has a step wait for the blocking checks of only those tables that its models read. Marts read what is
        made from the logs of deliveries, not the logs, so that checks of the logs would hold nothing back.
        """
        spec = super().get_asset_spec(manifest, unique_id, project)
        if spec.key != OPENS_MARTS:
            return spec
        staging = [
            self.get_asset_key(node)
            for node in manifest["nodes"].values()
            if node["resource_type"] == "model" and node["schema"] == STAGING
        ]
        return spec.replace_attributes(deps=[*spec.deps, *staging])

    def get_asset_check_spec(
        self, asset_spec: dg.AssetSpec, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetCheckSpec | None:
        """A dbt test as a check, described by the comment it opens with: what a failure means."""
        spec = super().get_asset_check_spec(asset_spec, manifest, unique_id, project)
        if spec is None:
            return None
        return dg.AssetCheckSpec(
            name=spec.name,
            asset=spec.asset_key,
            description=opening_comment(manifest["nodes"][unique_id]["raw_code"]),
            additional_deps=[dep.asset_key for dep in spec.additional_deps],
            metadata=spec.metadata,
            blocking=spec.blocking,
        )


def opening_comment(sql: str) -> str:
    """The comment that `sql` opens with, as one line; empty without one."""
    lines = takewhile(lambda line: line.startswith("--"), sql.splitlines())
    return " ".join(line.removeprefix("--").strip() for line in lines)


def model_assets(settings: Settings, sources: list[Source], manifest: Path) -> list[dg.AssetsDefinition]:
    """The staging step and the marts step.

    Their names sort after the raw steps'. Dagster 1.13 plans a run's events by the partitions of the last step's asset:
    were that a raw one, a first load of 61 days would plan 61 events for each of the unpartitioned assets, too.
    """
    variables = dbt_variables(settings, sources)

    def build(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
        # Held to the end of the run: what is published must be what its checks have seen.
        hold_writer_lock(settings.warehouse_path, f"run {context.run.run_id[:8]}", context.log.warning)
        os.environ.update(dbt_environment(settings, as_of_date(settings, sources)))
        arguments = build_arguments(variables, full_refresh="full_refresh" in context.run.tags)
        yield from dbt.cli(arguments, context=context).stream()

    @dbt_assets(
        manifest=manifest, name="transform_staging", select=f"fqn:{STAGING}", dagster_dbt_translator=Translator()
    )
    def transform_staging(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
        yield from build(context, dbt)
        if open_rows := update_rows(settings):
            context.log.warning(f"{open_rows:,} delivered rows are in quarantine: `kpi quarantine list`.")

    @dbt_assets(
        manifest=manifest, name="transform_marts", exclude=f"fqn:{STAGING}", dagster_dbt_translator=Translator()
    )
    def transform_marts(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
        yield from build(context, dbt)

    return [transform_staging, transform_marts]


def blocking_tests(assets: Iterable[dg.AssetsDefinition]) -> list[dg.AssetCheckKey]:
    """The dbt tests without whose passing nothing may be published: all but those of severity `warn`."""
    return [spec.key for asset in assets for spec in asset.check_specs if spec.blocking]


def build_arguments(variables: Mapping[str, object], full_refresh: bool) -> list[str]:
    """The arguments of `dbt build`; unit tests test the code, not the data, and run in the test suite instead."""
    arguments = ["build", "--exclude-resource-type", "unit_test", "--vars", json.dumps(variables)]
    return [*arguments, "--full-refresh"] if full_refresh else arguments


def dbt_resource(settings: Settings) -> DbtCliResource:
    """The dbt command line on this installation's project."""
    project_dir = str(assemble_project(settings))
    return DbtCliResource(
        project_dir=project_dir,
        profiles_dir=project_dir,
        dbt_executable=str(DBT),
    )


def models_in_schema(manifest: Path, schema: str) -> list[str]:
    """The names of the models and seeds that dbt builds in `schema`."""
    nodes = json.loads(manifest.read_text(encoding="utf-8"))["nodes"].values()
    return sorted(
        node["name"] for node in nodes if node["resource_type"] in ("model", "seed") and node["schema"] == schema
    )
