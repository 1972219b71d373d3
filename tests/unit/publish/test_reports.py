"""The reports asset: what it shows, and that whatever goes wrong with reports leaves the run and its numbers alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipelines.alerts.run_report import report_of_run
from pipelines.publish.assets import PUBLISHED_KEY
from pipelines.publish.reports import REPORTS_KEY, reports_asset
from pipelines.settings import PROJECT_DIR, Settings, load_settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(PROJECT_DIR / "kpi.yml").with_data_dir(tmp_path)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def run(settings: Settings, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    """A run in which something was published, and then its reports are written."""

    @dg.asset(key=PUBLISHED_KEY)
    def published() -> None:
        folder = settings.published_dir.with_name("publications") / "p1"
        folder.mkdir(parents=True, exist_ok=True)
        if not settings.published_dir.exists():
            settings.published_dir.symlink_to(folder)

    return dg.materialize([published, reports_asset(settings)], instance=instance, raise_on_error=False)


def test_written_reports_are_materialized_in_the_folder_of_their_publication(
    settings: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_reports(folder: Path, *_: Any) -> list[Path]:
        (folder / "leaders.en.html").write_text("x" * 40_000)
        return [folder / "leaders.en.html"]

    monkeypatch.setattr("pipelines.pages.report.write_reports", write_reports)
    result = run(settings, instance)
    assert result.success
    [made] = [event for event in result.get_asset_materialization_events() if event.asset_key == REPORTS_KEY]
    metadata = made.materialization.metadata
    assert (metadata["publication"].value, metadata["files"].value) == ("p1", {"leaders.en.html": "40 KB"})
    [check] = result.get_asset_check_evaluations()
    assert (check.passed, check.description) == (True, "Written: 1 file of p1.")


def test_reports_that_fail_are_a_failed_check_and_a_warning_and_the_run_succeeds(
    settings: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("pipelines.pages.report.write_reports", breaks)
    result = run(settings, instance)
    assert result.success
    made = [event.asset_key for event in result.get_asset_materialization_events()]
    assert made == [PUBLISHED_KEY]
    [check] = result.get_asset_check_evaluations()
    assert (check.passed, check.blocking) == (False, False)
    assert check.description == "The reports were not written: OSError: the disk is full."
    assert "breaks" in str(check.metadata["error"].value)

    report = report_of_run(instance, result.run_id, {}, settings)
    [finding] = [finding for finding in report.findings if not finding.passed]
    assert (finding.asset, finding.check, finding.severity) == ("published/reports", "written", "warning")
    assert finding.next_step == (
        "The numbers are published. Find the cause: kpi report --role leaders. Then write them: kpi run"
    )
    assert report.blocked_by == []


def test_no_reports_are_written_when_nothing_was_published(
    settings: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dg.asset(key=PUBLISHED_KEY)
    def blocked() -> None:
        raise dg.Failure("Not published.", allow_retries=False)

    def is_not_called(*_: Any) -> None:
        pytest.fail("reports of a publication that did not happen")

    monkeypatch.setattr("pipelines.pages.report.write_reports", is_not_called)
    result = dg.materialize([blocked, reports_asset(settings)], instance=instance, raise_on_error=False)
    assert not result.success
    assert result.get_asset_check_evaluations() == []
