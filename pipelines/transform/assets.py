"""The dbt models as Dagster assets: staging in one step, intermediate models and marts in the next.

Belongs here: how Dagster sees and runs dbt. There are two steps so that the checks of staging run between them: a
delivery that fails them never reaches a mart.
Does not belong here: the project itself (`project.py`), and any SQL (`dbt_project/`).
"""

import json
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtProject, dbt_assets
from dagster_dbt.asset_utils import DAGSTER_DBT_UNIQUE_ID_METADATA_KEY
from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage

from pipelines.checks.asset_checks import UNCHANGED_SINCE
from pipelines.checks.assets import Suites, judge_log, owners_of_models
from pipelines.damage import DamagedError
from pipelines.deliveries.model_inputs import entities_of_tables, write_left_out, write_missing
from pipelines.deliveries.standing import Delivery, Standing
from pipelines.deliveries.store import DeliveryStore
from pipelines.disk import disk_problems_as_failures
from pipelines.partitions import days_of_run
from pipelines.quarantine.decisions import update_rows
from pipelines.settings import Settings
from pipelines.sources import Source, each_table
from pipelines.tables import STAGING, TableRef
from pipelines.transform.dbt_runner import Invocation, invoke
from pipelines.transform.failures import failure_of
from pipelines.transform.kpis import kpis_of_marts
from pipelines.transform.project import (
    as_of_date,
    assemble_project,
    dbt_command,
    dbt_environment,
    dbt_variables,
    stamp_of,
)
from pipelines.transform.table_metadata import built_tables
from pipelines.transform.unchanged import Built, Versions, build_what_changed, parents_first
from pipelines.warehouse import hold_writer_lock

DATA_TEAM = "team:data"  # owns the assets that have no suite
OPENS_MARTS = dg.AssetKey(["intermediate", "int_run_parameters"])


class Translator(DagsterDbtTranslator):
    """Asset keys are `<layer>/<model>` and, for delivered tables, `raw/<source>/<table>`.

    A model has the owner of its suite, found by (layer, model), and the tags of its KPIs, found by unique id.
    """

    def __init__(
        self, owners: Mapping[tuple[str, str], str] | None = None, kpis: Mapping[str, Iterable[str]] | None = None
    ) -> None:
        super().__init__()
        self._owners, self._kpis = owners or {}, kpis or {}

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        name = dbt_resource_props["name"]
        if dbt_resource_props["resource_type"] == "source":
            return dg.AssetKey(TableRef(dbt_resource_props["source_name"], name).asset)
        return dg.AssetKey([self.get_group_name(dbt_resource_props), name])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        return str(dbt_resource_props["schema"])

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:
        place = (self.get_group_name(dbt_resource_props), dbt_resource_props["name"])
        return [self._owners.get(place, DATA_TEAM)]

    def get_tags(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, str]:
        kpis = self._kpis.get(dbt_resource_props["unique_id"], ())
        return {**super().get_tags(dbt_resource_props), **{f"kpi/{kpi}": "" for kpi in kpis}}

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        return str(dbt_resource_props.get("description") or "")

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None) -> dg.AssetSpec:
        """A model as an asset. The model that opens the marts step waits for every table of staging.

        Dagster makes a step wait only for the blocking checks of the tables that its models read. Marts do not read
        delivery logs directly, only models built from them, so checks of delivery logs would not hold the step back.
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
        """A dbt test as a check. Its description is its opening comment, which says what a failure means.

        Generic tests of shipped models are no checks: they document what the suites check.
        """
        node = manifest["nodes"][unique_id]
        if "test_metadata" in node and node["original_file_path"].startswith(("models/", "seeds/")):
            return None
        spec = super().get_asset_check_spec(asset_spec, manifest, unique_id, project)
        if spec is None:
            return None
        return dg.AssetCheckSpec(
            name=spec.name,
            asset=spec.asset_key,
            description=opening_comment(node["raw_code"]),
            additional_deps=[dep.asset_key for dep in spec.additional_deps],
            metadata=spec.metadata,
            blocking=spec.blocking,
        )


def opening_comment(sql: str) -> str:
    """The opening comment of `sql` as one line; empty if it has none."""
    lines = takewhile(lambda line: line.startswith("--"), sql.splitlines())
    return " ".join(line.removeprefix("--").strip() for line in lines)


def model_assets(
    settings: Settings,
    sources: list[Source],
    manifest: Path,
    suites: Suites,
    make_ready: Callable[[Callable[[str], None]], None] = lambda _: None,
) -> list[dg.AssetsDefinition]:
    """The staging step and the marts step, each after `make_ready`, which says what it did.

    Staging leaves out rejected deliveries of sources that say `rejected: leave_out`. Whether a delivery can be read is
    known only after staging has read it. Their `suites` therefore judge the delivery logs of those sources
    immediately, and staging is built again without the deliveries that fail.

    The names of these steps sort after those of the raw steps. Dagster 1.13 plans a run's events by the partitions of
    the last step's asset: if that were a raw asset, a first load of 61 days would plan 61 events for each
    unpartitioned asset, too.
    """
    variables = dbt_variables(settings, sources)
    parsed = json.loads(manifest.read_text(encoding="utf-8"))
    translator = Translator(owners_of_models(suites), kpis_of_marts(parsed))

    def lock(context: dg.AssetExecutionContext) -> None:
        """Hold the lock until the run ends: the run must publish the same data that its checks have seen."""
        try:
            hold_writer_lock(
                settings.warehouse_path, f"run {context.run.run_id[:8]}", context.log.warning, settings.database_url
            )
            make_ready(context.log.warning)
        except DamagedError as error:
            raise dg.Failure(description=str(error), allow_retries=False) from None

    def step_folder(context: dg.AssetExecutionContext) -> Path:
        """The folder of a step, which every run reuses: dagster-dbt's folders, one per run, are never deleted."""
        return manifest.with_name(context.op.name)

    def up_to_date(context: dg.AssetExecutionContext) -> tuple[list[Invocation], dict[str, Built]]:
        """Have dbt build the step's nodes. Return what dbt did, and the nodes that it left as they are."""
        environment = dbt_environment(settings, as_of_date(settings, sources))
        project_dir, folder = assemble_project(settings), step_folder(context)
        full_refresh = "full_refresh" in context.run.tags
        invocations: list[Invocation] = []
        (folder / "dbt.log").unlink(missing_ok=True)  # dbt would append to it

        def build(nodes: Iterable[str]) -> list[str]:
            options = [*build_arguments(folder, full_refresh), *selection_of(nodes, parsed)]
            _, *arguments = dbt_command(options, project_dir, variables)
            try:
                invocations.append(invoke(arguments, environment, manifest.with_name("partial_parse.msgpack")))
            except KeyboardInterrupt:
                raise dg.DagsterExecutionInterruptedError from None
            return invocations[-1].succeeded_nodes

        now = Versions(parsed, stamp_of(manifest), environment, settings.raw_dir)
        kept = build_what_changed(
            settings.warehouse_path,
            now,
            nodes_of_step(context),
            build,
            context.run.run_id,
            everything=full_refresh or context.is_subset,  # a person's selection is always built
        )
        return invocations, kept

    def build(context: dg.AssetExecutionContext) -> Iterator[Any]:
        invocations, kept = up_to_date(context)
        yield from built(invocations, context, parsed, translator, settings.warehouse_path, step_folder(context), kept)

    @dbt_assets(manifest=manifest, name="transform_staging", select=f"fqn:{STAGING}", dagster_dbt_translator=translator)
    def transform_staging(context: dg.AssetExecutionContext) -> Iterator[Any]:
        lock(context)

        def build_again() -> None:
            raise_if_failed(up_to_date(context)[0])

        with disk_problems_as_failures(settings.data_dir):
            left_out = yield from staged_without_rejected(
                settings, sources, suites, context.run, lambda: build(context), build_again
            )
        for delivery in left_out:
            context.log.warning(f"{delivery} is left out: {'; '.join(delivery.problems) or delivery.reason}")
        if open_rows := update_rows(settings):
            context.log.warning(f"{open_rows:,} delivered rows are in quarantine: `kpi quarantine list`.")

    @dbt_assets(manifest=manifest, name="transform_marts", exclude=f"fqn:{STAGING}", dagster_dbt_translator=translator)
    def transform_marts(context: dg.AssetExecutionContext) -> Iterator[Any]:
        lock(context)
        deliveries = Standing(settings, sources).in_question
        write_missing(settings, deliveries, entities_of_tables(manifest), as_of_date(settings, sources))
        with disk_problems_as_failures(settings.data_dir):
            yield from build(context)

    return [transform_staging, transform_marts]


def staged_without_rejected(
    settings: Settings,
    sources: Sequence[Source],
    suites: Suites,
    run: dg.DagsterRun,
    build: Callable[[], Iterator[Any]],
    build_again: Callable[[], None],
) -> Generator[Any, None, list[Delivery]]:
    """Build staging without what is left out, and again if only the built logs show what must be left out.

    Returns:
        The deliveries that are left out.
    """
    leaving_out = [source for source in sources if source.rejected == "leave_out"]
    store = DeliveryStore(settings.deliveries_path, settings.database_url)
    for source, name, _ in each_table(leaving_out):  # a day that is run again is also read again
        store.forget(source.name, name, days_of_run(run.tags), "staging")
    before = Standing(settings, sources).left_out
    write_left_out(settings, before)
    yield from build()
    for source, name, _ in each_table(leaving_out):
        judge_log(settings, source, name, suites[STAGING, TableRef(source.name, name).log], run.run_id)
    left_out = Standing(settings, sources).left_out
    if set(map(str, left_out)) != set(map(str, before)):
        write_left_out(settings, left_out)
        build_again()
    return left_out


def nodes_of_step(context: dg.AssetExecutionContext) -> list[str]:
    """The models, seeds and tests that Dagster has selected: those of the step, or those that a person selected."""
    assets = context.assets_def
    selected: list[dg.AssetSpec | dg.AssetCheckSpec] = [
        *(spec for spec in assets.specs if spec.key in context.selected_asset_keys),
        *(spec for spec in assets.check_specs if spec.key in context.selected_asset_check_keys),
    ]
    return [unique_id_of(spec) for spec in selected]


def unique_id_of(spec: dg.AssetSpec | dg.AssetCheckSpec) -> str:
    """The unique id in dbt of the model, seed or test that has this spec in Dagster."""
    return str((spec.metadata or {})[DAGSTER_DBT_UNIQUE_ID_METADATA_KEY])


def selection_of(nodes: Iterable[str], manifest: Mapping[str, Any]) -> list[str]:
    """The arguments with which dbt runs these nodes, given by unique id, and no others."""
    names = (".".join(manifest["nodes"][unique_id]["fqn"]) for unique_id in nodes)
    return ["--select", *(f"fqn:{name}" for name in names), "--indirect-selection", "empty"]


def built(
    invocations: Sequence[Invocation],
    context: dg.AssetExecutionContext,
    manifest: Mapping[str, Any],
    translator: DagsterDbtTranslator,
    warehouse_path: Path,
    folder: Path,
    kept: Mapping[str, Built] | None = None,
) -> Iterator[Any]:
    """The events of `dbt build` in dagster-dbt's form, those of nodes `kept` as they are, and table metadata.
    If anything failed, raise the reason after them.

    `folder` contains what dbt compiled.

    Raises:
        dg.Failure: dbt failed; the description begins with what failed.
    """
    kept = kept or {}
    models = [node for invocation in invocations for node in invocation.succeeded_nodes]
    tables = built_tables(warehouse_path, manifest, folder, models) if models or kept else {}
    tests = {unique_id_of(spec): spec for spec in context.assets_def.check_specs}
    told: dict[str, list[Any]] = {}
    for unique_id, before in kept.items():
        since: dict[str, Any] = {UNCHANGED_SINCE: before.run_id} if before.run_id != context.run.run_id else {}
        if test := tests.get(unique_id):
            check = dg.AssetCheckResult(passed=True, asset_key=test.asset_key, check_name=test.name, metadata=since)
            told[unique_id] = [check]
        else:
            name = translator.get_asset_key(manifest["nodes"][unique_id]).to_python_identifier()
            told[unique_id] = [dg.Output(None, name, metadata={"unique_id": unique_id, **since})]
    for raw_event in (event for invocation in invocations for event in invocation.events):
        message = DbtCoreCliEventMessage(raw_event=raw_event, event_history_metadata={})
        unique_id = raw_event["data"]["node_info"]["unique_id"]
        told.setdefault(unique_id, []).extend(message.to_default_asset_events(manifest, translator, context))
    for unique_id in parents_first(manifest):  # Dagster requires this order
        for event in told.get(unique_id, ()):
            is_table = isinstance(event, dg.Output) and unique_id in tables
            yield event.with_metadata({**event.metadata, **tables[unique_id]}) if is_table else event
    raise_if_failed(invocations)


def raise_if_failed(invocations: Iterable[Invocation]) -> None:
    """Raise the reason if `dbt build` could not build everything.

    Raises:
        dg.Failure: dbt failed; the description begins with what failed.
    """
    for invocation in invocations:
        if not invocation.succeeded:
            raise failure_of(invocation.results, invocation.error)


def blocking_tests(assets: Iterable[dg.AssetsDefinition]) -> list[dg.AssetCheckKey]:
    """The dbt tests that must pass before anything is published: all except those with severity `warn`."""
    return [spec.key for asset in assets for spec in asset.check_specs if spec.blocking]


def build_arguments(folder: Path, full_refresh: bool) -> list[str]:
    """The arguments of a `dbt build` that writes its log and compiled SQL to `folder`.

    Unit tests test the code, not the data: they run in the test suite instead.
    """
    # The manifest is there already, and dbt would spend a second on writing it again with the compiled SQL in it.
    arguments = ["build", "--exclude-resource-type", "unit_test", "--no-send-anonymous-usage-stats", "--no-write-json"]
    # Without this level, dbt spends a tenth of a build on logging every step of every thread.
    arguments += ["--target-path", str(folder), "--log-path", str(folder), "--log-level-file", "info"]
    return [*arguments, "--full-refresh"] if full_refresh else arguments


def models_in_schema(manifest: Path, schema: str) -> list[str]:
    """The names of the models and seeds that dbt builds in `schema`."""
    nodes = json.loads(manifest.read_text(encoding="utf-8"))["nodes"].values()
    return sorted(
        node["name"] for node in nodes if node["resource_type"] in ("model", "seed") and node["schema"] == schema
    )
