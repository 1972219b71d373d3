"""Unchanged models and checks are neither built nor checked again, are shown as unchanged, and have the same result."""

from pathlib import Path

import pytest

from pipelines.transform.unchanged import built
from tests.conftest import Installation, deliver_demo
from tests.integration.conftest import published_hashes
from tests.integration.test_subsets import LAST_DELIVERY, keep_the_historical_delivery_only

pytestmark = pytest.mark.nightly  # what one model or check does is in `tests/unit/transform/test_unchanged.py`

OF_SURVEYS = {"base_survey__responses", "stg_survey__nps_responses", "fct_nps_responses", "kpi_nps"}
OF_FINANCE = {"base_finance__fx_rates", "stg_finance__fx_rates", "base_finance__costs", "fct_marketing_spend"}


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """A company with surveys and costs, after its first delivery."""
    data_dir = tmp_path_factory.mktemp("company")
    installation = deliver_demo(data_dir, KPI_SOURCES="survey,finance")
    keep_the_historical_delivery_only(data_dir / "landing")
    installation.kpi("run", "--date", LAST_DELIVERY)
    return installation


def built_by_run(installation: Installation) -> dict[str, str]:
    """The run that built each model, by name."""
    found = built(installation.data_dir / "warehouse.duckdb")
    return {unique_id.split(".")[2]: one.run_id for unique_id, one in found.items()}


def checked_in_run(installation: Installation) -> dict[str, str]:
    """The run that made the checks of each table that the newest run covers, by the table's name."""
    with installation.published() as published:
        [[run]] = published.execute("select run_id from meta.publication limit 1").fetchall()
        return dict(
            published.execute(
                'select "table", max(coalesce(checked_in_run, run_id)) from meta.check_results '
                "where run_id = ? and stage <> 'raw' group by 1",
                [run],
            ).fetchall()
        )


def shown_by_dagster(installation: Installation) -> dict[str, str]:
    """The run since which Dagster shows an asset and its check as unchanged; only for those that it shows so."""
    code = """
import dagster as dg
from pipelines.runs.job import prepare_instance
from pipelines.settings import get_settings
prepare_instance(get_settings())
with dg.DagsterInstance.get() as instance:
    for mart in ("fct_marketing_spend", "fct_nps_responses"):
        key = dg.AssetKey(["marts", mart])
        made = instance.get_latest_materialization_event(key).asset_materialization
        check = dg.AssetCheckKey(key, "no_answer_is_dropped" if "nps" in mart else "exchange_rate_exists")
        found = instance.event_log_storage.get_latest_asset_check_execution_by_key([check]).get(check)
        of_check = found.event.dagster_event.event_specific_data if found else None
        for name, event in ((mart, made), (f"check of {mart}", of_check)):
            if event and "unchanged since run" in event.metadata:
                print(name, event.metadata["unchanged since run"].value, sep="=")
"""
    return dict(line.split("=") for line in installation.forked_python(code).stdout.splitlines())


def answer_again(responses: Path) -> None:
    """One customer changes an answer: it arrives again, with the lowest score."""
    *_, last = responses.read_text().splitlines()
    response, invitation, customer, _, answered_at = last.split("\t")
    with responses.open("a") as file:
        file.write("\t".join([response, invitation, customer, "0", answered_at]) + "\n")


@pytest.fixture(scope="module")
def built_before(company: Installation) -> dict[str, str]:
    """The run that built each model before a late answer came and was published, by name."""
    built, checked = built_by_run(company), checked_in_run(company)
    assert set(checked.values()) == set(built.values())
    answer_again(company.data_dir / "landing" / "survey" / "responses" / f"responses_{LAST_DELIVERY}.tsv")
    company.kpi("run", "--date", LAST_DELIVERY)
    return built


def test_a_late_answer_changes_what_is_made_from_answers_and_the_rest_stands(
    company: Installation, built_before: dict[str, str]
) -> None:
    [first_run] = set(built_before.values())
    by_run, checked = built_by_run(company), checked_in_run(company)
    assert by_run.keys() == built_before.keys()
    assert {name for name, run in by_run.items() if run == first_run} >= OF_FINANCE
    assert {name for name, run in by_run.items() if run != first_run} >= {*OF_SURVEYS, "kpi_scorecard__monthly"}
    assert {checked[name] for name in OF_FINANCE} == {first_run}
    assert first_run not in {checked[name] for name in OF_SURVEYS}
    shown = shown_by_dagster(company)
    assert shown == {"fct_marketing_spend": first_run, "check of fct_marketing_spend": first_run}
    for mart in ("fct_nps_responses", "kpi_nps"):
        company.assert_published(mart)


def test_what_stood_is_what_a_full_refresh_builds(company: Installation, built_before: dict[str, str]) -> None:
    [first_run] = set(built_before.values())
    assert first_run in built_by_run(company).values()
    published = published_hashes(company)
    company.kpi("run", "--date", LAST_DELIVERY, "--full-refresh")
    assert published_hashes(company) == published
    assert first_run not in {*built_by_run(company).values(), *checked_in_run(company).values()}


def test_after_dbt_by_itself_the_next_run_takes_nothing_for_granted(company: Installation) -> None:
    assert "fct_marketing_spend" in built_by_run(company)
    company.dbt("run", "--select", "fct_marketing_spend")
    assert built_by_run(company) == {}
