"""Check history, deliveries, quarantined rows and alerts with a fault at each step: a whole transaction, or nothing."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from pipelines.alerts.reports import Finding, Report
from pipelines.alerts.routes import AlertsFile
from pipelines.alerts.service import AlertService
from pipelines.alerts.store import Store
from pipelines.checks.history import CheckHistory
from pipelines.checks.results import CheckResult
from pipelines.deliveries.store import Acceptance, DeliveryStore, Verdict
from pipelines.quarantine.rows import QuarantinedRow, QuarantinedRows
from pipelines.settings import Settings
from tests.faults.injection import BY_SIZE, OF_ONE, Fault
from tests.faults.trials import Operation, State, Trial

NOON = datetime(2026, 1, 12, 12, tzinfo=UTC)
DAY = date(2026, 1, 11)
PASSED = CheckResult(
    stage="raw", table="orders", check="key", severity="critical", passed=True, expectation_type="t", column="id",
    observed="0", expected="0", unexpected_count=0, element_count=4, message="fine", examples=[],
)  # fmt: skip
BLOCKS_PER_TRY = 6  # of 512 bytes; SQLite writes eight at a time


def history_of(folder: Path) -> CheckHistory:
    return CheckHistory(folder / "check_history.sqlite")


def one_run(folder: Path) -> None:
    history_of(folder).record("run-1", str(DAY), str(NOON), [PASSED])


def another_run(folder: Path) -> None:
    checks = [replace(PASSED, check=f"rule {number}") for number in range(40)]
    history_of(folder).record("run-2", str(DAY), str(NOON), checks)


def results(folder: Path) -> State:
    history = history_of(folder)
    return {"the run": len(history.results("run-2")), "the run before": len(history.results("run-1"))}


def deliveries_of(folder: Path) -> DeliveryStore:
    return DeliveryStore(folder / "deliveries.sqlite")


def verdicts(*failures: str) -> list[Verdict]:
    found = dict.fromkeys(failures, "wrong")
    return [
        Verdict("shop", table, DAY, "raw", "landing", None, found, "run-1", str(NOON)) for table in ("orders", "items")
    ]


def judged(folder: Path) -> None:
    deliveries_of(folder).record(verdicts("key"))


def judge_again(folder: Path) -> None:
    deliveries_of(folder).record(verdicts())


def accept(folder: Path) -> None:
    decision = Acceptance("shop", "orders", DAY, "bytes", True, "anna", "a holiday", str(NOON))
    deliveries_of(folder).accept(decision)


def standing(folder: Path) -> State:
    store = deliveries_of(folder)
    return {
        "verdicts": [verdict.passed for verdict in store.verdicts()],
        "accepted": [acceptance.reason for acceptance in store.acceptances().values()],
    }


def rows_of(folder: Path) -> QuarantinedRows:
    return QuarantinedRows(folder / "rows.sqlite")


def unreadable(*numbers: int) -> list[QuarantinedRow]:
    return [
        QuarantinedRow(f"r{n}", "shop", "orders", str(DAY), "f.csv", n, "h", "1", "no date", {"id": str(n)}, str(NOON))
        for n in numbers
    ]


def some_rows(folder: Path) -> None:
    rows_of(folder).update(unreadable(1, 2), str(NOON))


def other_rows(folder: Path) -> None:
    rows_of(folder).update(unreadable(2, 3), str(NOON))


def dismiss_rows(folder: Path) -> None:
    rows_of(folder).dismiss(rows_of(folder).rows("open"), "not wanted")


def rows(folder: Path) -> State:
    return {"rows": [[row.id, row.state] for row in rows_of(folder).rows()]}


def service_of(folder: Path) -> AlertService:
    settings = Settings(
        sources=["shop"], first_delivery=DAY, time_zone="UTC", reporting_currency="EUR", data_dir=folder
    )
    file = {"channels": {"people": {"kind": "file", "path": "people.jsonl"}}, "routes": [{"channels": ["people"]}]}
    return AlertService(Store(settings.alerts_path), AlertsFile.model_validate(file), settings)


def quiet(folder: Path) -> None:
    service_of(folder).write_page(NOON)


def failing(folder: Path) -> None:
    """A run reports two failures. A killed one reports them again: its report has the same id."""
    findings = [
        Finding(f"marts/{name}", "key", "critical", passed=False, message="2 of 9 rows") for name in ("orders", "items")
    ]
    service_of(folder).ingest(Report("run 1", NOON, tuple(findings)), NOON)


def send(folder: Path) -> None:
    """Send what is due. What a channel cannot take is no error: it is tried again later."""
    service_of(folder).outbox.flush(NOON.replace(hour=20))


def send_later(folder: Path) -> None:
    service_of(folder).outbox.flush(NOON.replace(hour=21))


def incidents(folder: Path) -> State:
    """The incidents with the notices about them. A notice that was sent twice has the same key, as receivers know."""
    with service_of(folder).store.transaction() as transaction:
        known = sorted(incident.asset for incident in transaction.incidents())
        queued = len(transaction.notices("queued", "sent"))
    file = folder / "people.jsonl"
    sent = {json.loads(line)["key"] for line in file.read_text().splitlines()} if file.exists() else set()
    return {"notices": [known, queued], "sent": len(sent)}


STORES = [
    Operation("check history", one_run, another_run, results),
    Operation("verdicts on deliveries", judged, judge_again, standing),
    Operation("kpi accept", judged, accept, standing),
    Operation("rows in quarantine", some_rows, other_rows, rows),
    Operation("kpi quarantine dismiss: rows", some_rows, dismiss_rows, rows),
    Operation("incidents of a run", quiet, failing, incidents),
    Operation("sending alerts", failing, send, incidents, send_later),
]


@pytest.mark.parametrize("place", [0, pytest.param(5, marks=pytest.mark.nightly)])
def test_killed_at_any_step(place: int, survives: Callable[..., list[Trial]]) -> None:
    survives(STORES[place], Fault.KILLED, every=2)


@pytest.mark.nightly
@pytest.mark.parametrize("fault", OF_ONE)
@pytest.mark.parametrize("operation", STORES, ids=lambda operation: operation.name)
def test_any_fault(operation: Operation, fault: Fault, survives: Callable[..., list[Trial]]) -> None:
    survives(operation, fault, BLOCKS_PER_TRY if fault in BY_SIZE else 1)
