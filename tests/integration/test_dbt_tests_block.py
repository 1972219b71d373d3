"""A dbt test that fails keeps a publication back, one of severity `warn` does not; both are seen as checks.

The failure says what failed, and what was built says how many rows it has.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DbtCliResource, dbt_assets
from dbt.cli.main import dbtRunner

from pipelines.publish import assets as publishing
from pipelines.publish.assets import published_asset
from pipelines.quality.history import CheckHistory
from pipelines.settings import load_settings
from pipelines.transform.assets import Translator, blocking_tests, build_arguments, built
from pipelines.transform.project import DBT

FILES = {
    "dbt_project.yml": "name: tiny\nprofile: tiny\nmodels: {tiny: {+materialized: table, +schema: marts}}\n",
    "profiles.yml": "tiny: {target: dev, outputs: {dev: {type: duckdb, path: tiny.duckdb, threads: 1}}}\n",
    "macros/generate_schema_name.sql": "{% macro generate_schema_name(name, node) %}{{ name or 'main' }}{% endmacro %}",
    "models/orders.sql": "select 1 as order_id",
    "models/lines.sql": "select 1 as line_id",
    "models/late_orders.sql": "select * from {{ ref('orders') }}",
    "tests/has_two_orders.sql": "select count(*) as orders from {{ ref('orders') }} having count(*) < 2",
    "tests/has_a_note.sql": "{{ config(severity='warn') }}\nselect * from {{ ref('orders') }}",
}


def test_a_dbt_test_blocks_unless_it_warns(tmp_path: Path, monkeypatch):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    dbt = DbtCliResource(project_dir=str(tmp_path), profiles_dir=str(tmp_path), dbt_executable=str(DBT))
    parsed = dbtRunner().invoke(["parse", "--quiet", "--project-dir", str(tmp_path), "--profiles-dir", str(tmp_path)])
    assert parsed.success, parsed.exception

    @dbt_assets(manifest=tmp_path / "target" / "manifest.json", dagster_dbt_translator=Translator())
    def models(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
        invocation = dbt.cli(build_arguments({}, full_refresh=False), context=context, raise_on_error=False)
        yield from built(invocation, tmp_path / "tiny.duckdb", context.log)

    published: list[str] = []
    monkeypatch.setattr(publishing, "publish", lambda publication, *_, **__: published.append(publication.run_id))
    tests = blocking_tests([models])
    publication = published_asset(load_settings(), [], ["orders"], [], CheckHistory(tmp_path / "c.sqlite"), tests)
    job = dg.Definitions(
        assets=[models, publication], jobs=[dg.define_asset_job("job")], resources={"dbt": dbt}
    ).resolve_job_def("job")
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
        "1 test failed. What builds on that was left out: 1 models and tests.\nhas_two_orders: Got 1 result, configured to fail if != 0"
    )
    rows = {
        event.materialization.asset_key.path[-1]: event.materialization.metadata["dagster/row_count"].value
        for event in result.all_events
        if event.is_step_materialization
    }
    assert rows == {"orders": 1, "lines": 1}
