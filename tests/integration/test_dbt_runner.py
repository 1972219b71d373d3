"""dbt in this process, on a small project, reported by Dagster in the same way as dagster-dbt reports a process.

A failing dbt test blocks a publication, but a test of severity `warn` does not; both are shown as checks. The failure
says what failed, and what was built says how many rows it has. Whatever happens to a build, the warehouse is released.
"""

import json
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
from dagster_dbt import DbtCliResource, dbt_assets

from pipelines.checks.history import CheckHistory
from pipelines.publish import assets as publishing
from pipelines.publish.assets import published_asset
from pipelines.settings import load_settings
from pipelines.transform.assets import Translator, blocking_tests, build_arguments, built, nodes_of_step, selection_of
from pipelines.transform.dbt_runner import Invocation, invoke
from pipelines.transform.project import DBT
from tests import dbt_caches
from tests.conftest import Installation

dbt_caches.enable()
FILES = {
    "dbt_project.yml": "name: tiny\nprofile: tiny\nmodels: {tiny: {+materialized: table, +schema: marts}}\n",
    "profiles.yml": "tiny: {target: d, outputs: {d: {type: duckdb, path: \"{{ env_var('TINY') }}\", threads: 2}}}\n",
    "macros/generate_schema_name.sql": "{% macro generate_schema_name(name, node) %}{{ name or 'main' }}{% endmacro %}",
    "models/orders.sql": "select 1 as order_id",
    "models/lines.sql": "select 1 as line_id",
    "models/nodes.sql": "select {{ graph.nodes | length }} as counted",
    "models/late_orders.sql": "select * from {{ ref('orders') }}",
    "tests/has_two_orders.sql": "select count(*) as orders from {{ ref('orders') }} having count(*) < 2",
    "tests/has_a_note.sql": "{{ config(severity='warn') }}\nselect * from {{ ref('orders') }}",
}


class Project:
    """The tiny project in a folder."""

    def __init__(self, folder: Path, **files: str) -> None:
        self.folder = folder
        self.warehouse = folder / "tiny.duckdb"
        self.step = folder / "target" / "step"
        for name, text in {**FILES, **files}.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
        parsed = self._invoke(["parse", "--quiet"])
        assert parsed.succeeded, parsed.error
        self.manifest = folder / "target" / "manifest.json"

    def build(self, selection: Sequence[str] = ()) -> Invocation:
        """Build it from the parsed project."""
        return self._invoke([*build_arguments(self.step, full_refresh=False), *selection], parsed=True)

    def _invoke(self, arguments: list[str], parsed: bool = False) -> Invocation:
        here = ["--project-dir", str(self.folder), "--profiles-dir", str(self.folder)]
        manifest = self.folder / "target" / "partial_parse.msgpack" if parsed else None
        return invoke([*arguments, *here], {"TINY": str(self.warehouse)}, manifest)

    def assets(self) -> dg.AssetsDefinition:
        """The project as this pipeline defines it."""
        content, translator = json.loads(self.manifest.read_text()), Translator()

        @dbt_assets(manifest=self.manifest, dagster_dbt_translator=translator)
        def models(context: dg.AssetExecutionContext) -> Iterator[Any]:
            invocation = self.build(selection_of(nodes_of_step(context), content))
            yield from built([invocation], context, content, translator, self.warehouse, self.step)

        return models

    def assets_of_dagster_dbt(self) -> dg.AssetsDefinition:
        """The project as in the documentation of dagster-dbt."""
        dbt = DbtCliResource(project_dir=str(self.folder), profiles_dir=str(self.folder), dbt_executable=str(DBT))

        @dbt_assets(manifest=self.manifest, dagster_dbt_translator=Translator())
        def models(context: dg.AssetExecutionContext) -> Iterator[Any]:
            yield from dbt.cli(["build"], context=context).stream()

        return models


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """The tiny project, parsed."""
    return Project(tmp_path)


def test_a_dbt_test_blocks_unless_it_warns(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = project.assets()
    published: list[str] = []
    monkeypatch.setattr(publishing, "publish", lambda publication, *_, **__: published.append(publication.run_id))
    tests = blocking_tests([models])
    publication = published_asset(load_settings(), [], ["orders"], [], CheckHistory(tmp_path / "c.sqlite"), tests)
    job = dg.Definitions(assets=[models, publication], jobs=[dg.define_asset_job("job")]).resolve_job_def("job")
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, raise_on_error=False)

    assert [test.name for test in tests] == ["has_two_orders"]
    assert not result.success
    assert published == []
    found = {item.check_name: (item.passed, item.severity) for item in result.get_asset_check_evaluations()}
    assert found == {
        "has_two_orders": (False, dg.AssetCheckSeverity.ERROR),
        "has_a_note": (False, dg.AssetCheckSeverity.WARN),
    }
    [failure] = [event.step_failure_data.user_failure_data for event in result.all_events if event.is_step_failure]
    assert failure.description == (
        "1 test failed. Skipped because of that: 1 model or test.\n"
        "has_two_orders: Got 1 result, configured to fail if != 0"
    )
    rows = {
        event.materialization.asset_key.path[-1]: event.materialization.metadata["dagster/row_count"].value
        for event in result.all_events
        if event.is_step_materialization
    }
    assert rows == {"orders": 1, "lines": 1, "nodes": 1}
    lineage = {
        event.materialization.asset_key.path[-1]: event.materialization.metadata["dagster/column_lineage"].value
        for event in result.all_events
        if event.is_step_materialization
    }
    assert lineage["orders"] == dg.TableColumnLineage({"order_id": []})
    with duckdb.connect(str(project.warehouse), read_only=True) as warehouse:
        # Models see the whole project, as if dbt had parsed it itself: four models, two tests.
        assert warehouse.execute("select counted from marts.nodes").fetchall() == [(6,)]


# Each starts dbt as a process, so only one of them is daily.
@pytest.mark.nightly
@pytest.mark.parametrize("picked", ["*", "marts/orders"])
def test_dagster_is_told_what_dagster_dbt_tells(project: Project, monkeypatch: pytest.MonkeyPatch, picked: str) -> None:
    monkeypatch.setenv("TINY", str(project.warehouse))

    def events(models: dg.AssetsDefinition) -> list[tuple[str, Any]]:
        job = dg.define_asset_job("job", selection=dg.AssetSelection.from_string(f'key:"{picked}"'))
        with dg.DagsterInstance.ephemeral() as instance:
            result = (
                dg.Definitions(assets=[models], jobs=[job])
                .resolve_job_def("job")
                .execute_in_process(instance=instance, raise_on_error=False)
            )
        checks = [
            (str(check.asset_check_key), (check.passed, check.severity, sorted(check.metadata)))
            for check in result.get_asset_check_evaluations()
        ]
        made = [
            (
                str(event.asset_key),
                {name: event.materialization.metadata[name].value for name in ("unique_id", "status")},
            )
            for event in result.all_events
            if event.is_step_materialization
        ]
        return sorted([*checks, *made], key=str)

    assert events(project.assets()) == events(project.assets_of_dagster_dbt()) != []


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"models/lines.sql": "select nothing as line_id"}, "Binder Error"),
        ({"models/l.py": "def model(dbt, session):\n    return session.sql(str(1 / 0))\n"}, "division by zero"),
    ],
)
def test_after_a_failed_build_the_warehouse_is_free(tmp_path: Path, files: dict[str, str], said: str) -> None:
    project = Project(tmp_path, **files)
    failed = project.build(["--select", *(Path(name).stem for name in files)])
    assert not failed.succeeded
    assert [said in str(result["message"]) for result in failed.results] == [True]
    with duckdb.connect(str(project.warehouse), config={"threads": 1}) as other:  # configured differently than dbt
        assert other.execute("select count(*) from duckdb_tables()").fetchall() == [(0,)]
    assert "TINY" not in os.environ


def test_what_cannot_be_compiled_comes_to_no_results(tmp_path: Path) -> None:
    folders = [f"{option}={tmp_path}" for option in ("--project-dir", "--profiles-dir", "--log-path")]
    said = invoke(["build", *folders], {})
    assert (said.succeeded, said.results) == (False, ())
    assert "dbt_project.yml" in said.error


def test_an_interrupted_build_cancels_its_queries_and_starts_no_more(tmp_path: Path) -> None:
    interrupted = (
        "import os, signal\n\n"
        "def model(dbt, session):\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    return session.sql('select sum(a.range * b.range) as total from range(100000) a, range(100000) b')\n"
    )
    project = Project(tmp_path, **{"models/a.py": interrupted, "models/b.sql": "select * from {{ ref('a') }}"})
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        project.build(["--select", "a", "b"])
    assert signal.getsignal(signal.SIGTERM) is before
    with duckdb.connect(str(project.warehouse), config={"threads": 1}) as other:
        assert other.execute("select table_name from duckdb_tables()").fetchall() == []


def test_kpi_dbt_ends_as_dbt_does(tmp_path: Path) -> None:
    installation = Installation(tmp_path / "data")
    assert "Usage: " in installation.kpi("dbt").stdout
    assert "Core:" in installation.kpi("dbt", "--", "--version").stdout
    refused = installation.kpi("dbt", "--", "bild", check=False)
    assert (refused.returncode, refused.stderr) == (2, "No such command 'bild'.\n")
