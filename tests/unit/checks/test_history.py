"""What is remembered of a run, and whether it may publish."""

import sqlite3
from dataclasses import replace

import pytest

from pipelines.checks.history import CheckHistory
from pipelines.checks.results import CheckResult

PASSED = CheckResult(
    stage="raw",
    table="orders",
    check="order_id_not_null",
    severity="critical",
    passed=True,
    expectation_type="expect_column_values_to_not_be_null",
    column="order_id",
    observed="0 of 4 rows are empty",
    expected="not empty",
    unexpected_count=0,
    element_count=4,
    message="order_id: 0 of 4 rows are empty",
    examples=[{"_source_file": "č.csv", "_row_number": 1, "order_id": None}],
)
FAILED = replace(PASSED, passed=False, message="order_id: 1 of 4 rows is empty")
KEY = ("raw", "orders", "order_id_not_null")
RECORDS_IN_BOTH = True
NOON = "2025-11-11T12:00:00+00:00"


@pytest.fixture
def history(tmp_path, database):
    return CheckHistory(tmp_path / "state" / "checks.sqlite", database=database)


def test_results_come_back_as_they_were(history):
    other = replace(PASSED, check="rule", column=None, unexpected_count=None, element_count=None, error="no table")
    history.record("run-1", "2025-11-11", NOON, [PASSED, other])
    assert history.results("run-1") == [PASSED, other]
    assert history.results("run-2") == []


def test_the_days_at_fault_come_back_and_are_published_as_a_json_text(history):
    failed = replace(FAILED, failing_days=("2025-11-10", "2025-11-11"))
    history.record("run-1", None, NOON, [failed])
    assert history.results("run-1") == [failed]
    assert list(history.frame()["failing_days"]) == ['["2025-11-10", "2025-11-11"]']


@pytest.mark.parametrize("database", [None], indirect=True)
def test_a_history_of_before_days_were_recorded_is_read_and_written_on(history):
    history.record("run-1", "2025-11-11", NOON, [FAILED])
    with sqlite3.connect(history.path) as connection:
        connection.execute("alter table check_results drop column failing_days")
    assert history.results("run-1") == [FAILED]
    later = replace(FAILED, failing_days=("2025-11-12",))
    history.record("run-2", None, NOON, [later])
    assert history.results("run-2") == [later]


def test_the_latest_result_of_a_retried_check_counts(history):
    history.record("run-1", "2025-11-11", NOON, [FAILED])
    history.record("run-1", "2025-11-11", NOON, [PASSED])
    assert history.results("run-1") == [PASSED]
    assert history.blocking_problems("run-1", [KEY]) == []


def test_a_failed_check_speaks_against_publishing(history):
    history.record("run-1", None, NOON, [FAILED])
    assert history.blocking_problems("run-1", [KEY]) == ["raw/orders order_id_not_null: order_id: 1 of 4 rows is empty"]


def test_a_day_that_failed_is_not_made_good_by_another_day(history):
    history.record("run-1", "2025-11-10", NOON, [FAILED])
    history.record("run-1", "2025-11-11", NOON, [PASSED])
    assert len(history.blocking_problems("run-1", [KEY])) == 1


def test_a_check_without_a_result_in_this_run_speaks_against_publishing(history):
    history.record("run-1", None, NOON, [PASSED])
    assert history.blocking_problems("run-2", [KEY]) == [
        "raw/orders order_id_not_null: has no result in run run-2. It did not run."
    ]


def test_a_failed_warning_does_not_speak_against_publishing(history):
    history.record("run-1", None, NOON, [PASSED, replace(FAILED, check="w", severity="warning")])
    assert history.blocking_problems("run-1", [KEY]) == []


def test_the_frame_holds_the_newest_runs(history):
    for run in ("run-1", "run-2", "run-3"):
        history.record(run, None, NOON, [PASSED, FAILED])
    assert list(history.frame(last_runs=2)["run_id"]) == ["run-2", "run-2", "run-3", "run-3"]
    frame = history.frame()
    assert len(frame) == 6
    assert list(frame["passed"][:2]) == [True, False]
    assert frame["unexpected_count"].dtype == "Int64"
    assert frame["error"].isna().all()
    assert frame["error"].dtype == "string"  # published as text, whatever the day contained


def test_an_empty_history_has_an_empty_frame(history):
    assert history.frame().empty


def test_recording_is_all_or_nothing(history):
    broken = replace(PASSED, message=None)  # type: ignore[arg-type]
    with pytest.raises(Exception, match=r"(?i)not.null"):
        history.record("run-1", None, NOON, [PASSED, broken])
    assert history.results("run-1") == []


def test_the_oldest_runs_are_forgotten(tmp_path, database):
    history = CheckHistory(tmp_path / "checks.sqlite", database=database, kept_runs=2)
    for run in ("run-1", "run-2", "run-3"):
        history.record(run, None, NOON, [PASSED])
        history.record(run, None, NOON, [FAILED])
    assert list(history.frame()["run_id"]) == ["run-2", "run-2", "run-3", "run-3"]


def test_a_run_that_goes_on_forgets_nothing_of_its_own(tmp_path, database):
    history = CheckHistory(tmp_path / "checks.sqlite", database=database, kept_runs=1)
    history.record("run-1", None, NOON, [PASSED])
    history.record("run-2", None, NOON, [PASSED])
    history.record("run-2", "2025-11-11", NOON, [FAILED])
    assert list(history.frame()["passed"]) == [True, False]


def test_nothing_is_forgotten_when_nothing_can_be_recorded(tmp_path, database):
    history = CheckHistory(tmp_path / "checks.sqlite", database=database, kept_runs=1)
    history.record("run-1", None, NOON, [PASSED])
    with pytest.raises(Exception, match=r"(?i)not.null"):
        history.record("run-2", None, NOON, [replace(PASSED, message=None)])  # type: ignore[arg-type]
    assert history.results("run-1") == [PASSED]
