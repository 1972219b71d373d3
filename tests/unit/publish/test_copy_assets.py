"""The assets of copies in an object store: what they show, and that whatever goes wrong leaves the run alone."""

from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import dagster as dg
import pytest

from pipelines import object_store
from pipelines.alerts.run_report import report_of_run
from pipelines.config_files import ConfigError
from pipelines.damage import ObjectStoreError
from pipelines.ingest.raw_copies import Copied
from pipelines.publish import copy_assets as module
from pipelines.publish.assets import PUBLISHED_KEY
from pipelines.publish.copies import Pushed
from pipelines.publish.copy_assets import copy_assets
from pipelines.settings import PROJECT_DIR, Settings, load_settings
from pipelines.sources import Source, enabled_sources


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = load_settings(PROJECT_DIR / "kpi.yml").with_data_dir(tmp_path)
    return settings.model_copy(update={"object_store": "s3://company/kpis", "sources": ["shop"]})


@pytest.fixture
def sources(settings: Settings) -> list[Source]:
    return enabled_sources(settings)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def run(
    settings: Settings, sources: list[Source], instance: dg.DagsterInstance, fails: bool = False
) -> dg.ExecuteInProcessResult:
    """A run in which something has landed, and something was published unless that fails."""
    published, raw = copy_assets(settings, sources)

    @dg.asset(key=PUBLISHED_KEY)
    def publishing() -> None:
        if fails:
            raise dg.Failure("Not published.", allow_retries=False)

    @dg.multi_asset(specs=[dg.AssetSpec(key) for key in raw.dependency_keys])
    def landing() -> Iterator[dg.MaterializeResult[None]]:
        for key in raw.dependency_keys:
            yield dg.MaterializeResult(key)

    return dg.materialize([publishing, landing, published, raw], instance=instance, raise_on_error=False)


def test_what_was_copied_is_materialized(
    settings: Settings, sources: list[Source], instance: dg.DagsterInstance
) -> None:
    with (
        mock.patch.object(module, "push", return_value=Pushed("copied", "p1", 3, 2_500_000)),
        mock.patch.object(module, "push_raw", return_value=Copied(1, 400_000, 61)),
    ):
        result = run(settings, sources, instance)
    assert result.success
    said = {
        check.asset_key.path[-1]: (check.passed, check.description) for check in result.get_asset_check_evaluations()
    }
    assert said == {"published": (True, "p1: 3 files, 2.5 MB."), "raw": (True, "1 file, 0.4 MB; 61 in all.")}
    made = {event.asset_key.path[-1] for event in result.get_asset_materialization_events() if event.asset_key}
    assert {"published", "raw"} <= made


def test_a_newer_publication_of_another_host_is_no_failure(
    settings: Settings, sources: list[Source], instance: dg.DagsterInstance
) -> None:
    with (
        mock.patch.object(module, "push", return_value=Pushed("newer there", "p2")),
        mock.patch.object(module, "push_raw", return_value=Copied(0, 0, 61)),
    ):
        result = run(settings, sources, instance)
    [said] = [check for check in result.get_asset_check_evaluations() if check.asset_key.path[-1] == "published"]
    assert (said.passed, said.description) == (True, "s3://company/kpis keeps p2 of another host, which is newer.")


def test_a_copy_that_fails_is_a_failed_check_and_a_warning_and_the_run_succeeds(
    settings: Settings, sources: list[Source], instance: dg.DagsterInstance
) -> None:
    with (
        mock.patch.object(module, "push", side_effect=ObjectStoreError("The bucket is gone.")),
        mock.patch.object(module, "push_raw", side_effect=ZeroDivisionError("a mistake")),
    ):
        result = run(settings, sources, instance)
    assert result.success
    made = {event.asset_key for event in result.get_asset_materialization_events()}
    assert PUBLISHED_KEY in made
    assert not [key for key in made if key and key.path[0] == "object_store"]
    checks = result.get_asset_check_evaluations()
    assert {(check.passed, check.blocking, check.description) for check in checks} == {
        (False, False, "Not copied, so other hosts have what was there before: The bucket is gone."),
        (False, False, "Not copied, so other hosts have what was there before: ZeroDivisionError: a mistake."),
    }

    report = report_of_run(instance, result.run_id, {}, settings)
    findings = [finding for finding in report.findings if not finding.passed]
    assert {(finding.asset, finding.check, finding.severity) for finding in findings} == {
        ("object_store/published", "copied", "warning"),
        ("object_store/raw", "copied", "warning"),
    }
    assert {finding.next_step for finding in findings} == {
        "What this host has is right. Correct what the message names, then copy: kpi push"
    }
    assert report.blocked_by == []


def test_raw_is_copied_also_if_nothing_is_published(
    settings: Settings, sources: list[Source], instance: dg.DagsterInstance
) -> None:
    with (
        mock.patch.object(module, "push", side_effect=AssertionError("nothing was published")),
        mock.patch.object(module, "push_raw", return_value=Copied(1, 400_000, 61)) as pushed,
    ):
        result = run(settings, sources, instance, fails=True)
    assert not result.success
    assert [check.passed for check in result.get_asset_check_evaluations()] == [True]
    assert pushed.call_count == 1


def test_without_a_store_there_are_no_copies(settings: Settings, sources: list[Source]) -> None:
    assert copy_assets(settings.model_copy(update={"object_store": None}), sources) == []


def test_a_missing_package_is_noticed_before_a_run(settings: Settings, sources: list[Source]) -> None:
    with (
        mock.patch.object(object_store, "find_spec", return_value=None),
        pytest.raises(ConfigError, match=r"Install it: pip install '\.\[s3\]'"),
    ):
        copy_assets(settings, sources)
