"""Reports of findings: the interface between the modules that watch and the modules that notify people.

Belongs here: a finding, and a report of findings that were made together.
Does not belong here: Dagster, and the effect of a finding (`incidents.py`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from pipelines.checks.suites import Severity

STEP_FAILED = "step_failed"


@dataclass(frozen=True)
class MissingDay:
    """A delivery day for which nothing arrived in a table's landing folder, and the line of a message that says so."""

    day: str
    folder: str
    line: str


@dataclass(frozen=True)
class Finding:
    """What one check, or one watch, found.

    `(asset, check)` identifies the incident that the finding opens, keeps open or ends.

    Attributes:
        asset: `staging/stg_shop__orders`; for anything else, its kind and name: `job/daily`, `run/daily`.
        check: the check's name; for anything else: `step_failed`, `run_crashed`, `missed_schedule`, `stale`, ….
        passed: True ends the incident.
        blocking: whether it holds back what depends on the asset.
        message: one sentence that says what was found. Contains no personal value and no secret.
        observed, expected: in words; empty if nothing was measured.
        failed_rows, rows: None if no single row is at fault.
        examples: up to five failing rows, personal columns as `***`.
        owner: `team:<name>` or an e-mail address; routes can match it.
        why: what goes wrong in the business when it fails.
        runbook: where the repair is described.
        next_step: the command or action that repairs it, in words.
        tags: what routes can match in addition to severity and owner, such as the source's name.
        deliveries: the delivery days that it is about (ISO dates).
        missing: the days for which nothing was delivered, if that is why the step failed.
        by_delivery: whether it is about those days only. A passing delivery of another day then says nothing about
            them.
    """

    asset: str
    check: str
    severity: Severity
    passed: bool
    message: str
    blocking: bool = False
    observed: str = ""
    expected: str = ""
    failed_rows: int | None = None
    rows: int | None = None
    examples: tuple[dict[str, Any], ...] = ()
    owner: str = "team:data"
    why: str = ""
    runbook: str = ""
    next_step: str = ""
    tags: tuple[str, ...] = ()
    deliveries: tuple[str, ...] = ()
    by_delivery: bool = False
    missing: tuple[MissingDay, ...] = ()


@dataclass(frozen=True)
class Report:
    """Findings made together, by one run or by one look of a watch.

    Attributes:
        report_id: the run's id, or the name of the look. Taking the same report twice changes nothing.
        at: when it was made, UTC.
        findings: everything that was examined, including what passed: only a passing finding ends an incident.
        impact: assets that were not brought up to date because of the findings; those that people read come first.
        attempt_of: the id of the run that this run retries, or None. A retry sends no reminders.
        published_as_of: the as-of date of what analysts read now; None if nothing has been published yet.
        links: what to open, by name: run, checks, quarantine.
    """

    report_id: str
    at: datetime
    findings: tuple[Finding, ...]
    impact: tuple[str, ...] = ()
    run_id: str | None = None
    attempt_of: str | None = None
    published_as_of: date | None = None
    links: dict[str, str] = field(default_factory=dict)

    @property
    def blocked_by(self) -> list[str]:
        """A line for each finding that blocks: failed steps with their message, failed checks with their names.

        Several tables for which nothing was delivered on the same day share one line.
        """
        blocking = [finding for finding in self.findings if not finding.passed and finding.blocking]
        tables: dict[str, set[str]] = {}
        for finding in blocking:
            for missing in finding.missing:
                tables.setdefault(missing.day, set()).add(".".join(finding.asset.split("/")[1:]))
        lines: dict[str, None] = {}
        for finding in blocking:
            name = "" if finding.check == STEP_FAILED else f"{finding.asset} {finding.check}: "
            shared = {missing.line: missing for missing in finding.missing if len(tables[missing.day]) > 1}
            for line in f"{name}{finding.message}".splitlines():
                missing_day = shared.get(line)
                lines[_nothing_delivered(missing_day, tables[missing_day.day]) if missing_day else line] = None
        return list(lines)


def _nothing_delivered(missing: MissingDay, tables: Iterable[str]) -> str:
    names = sorted(tables)
    return (
        f"Nothing was delivered for {missing.day} of {len(names)} tables: {', '.join(names)}. "
        f"Put the files into {missing.folder} and run the day again, or write `empty_day: allowed` for those "
        "tables whose days without a delivery are normal."
    )
