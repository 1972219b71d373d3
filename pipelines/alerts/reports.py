"""What is reported to the alerts: the one thing that those who watch and those who tell people agree on.

Belongs here: a finding, and a report of findings that were made together.
Does not belong here: Dagster, and what becomes of a finding (`incidents.py`).
"""

import re
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from pipelines.quality.suites import Severity

STEP_FAILED = "step_failed"
# What landing says of a day without files (`ingest/landing.py`).
_NOT_DELIVERED = re.compile(
    r"\S+: nothing was delivered for (?P<day>\d{4}-\d\d-\d\d)\. Put the file into (?P<folder>.+) and run "
    r"the day again, or write `empty_day: allowed` for (?P<table>\S+) if days without a delivery are normal\."
)


@dataclass(frozen=True)
class Finding:
    """What one check, or one thing that is watched, said.

    `(asset, check)` names the incident it opens, keeps open or ends.

    Attributes:
        asset: `staging/stg_shop__orders`; of what is no asset its kind and name: `job/daily`, `run/daily`.
        check: the check's name; of what is no check: `step_failed`, `run_crashed`, `missed_schedule`, `stale`, ….
        passed: True ends the incident.
        blocking: whether what depends on the asset is held back by it.
        message: one sentence, what was found. Holds no personal value and no secret.
        observed, expected: in words; empty where nothing was measured.
        failed_rows, rows: None where no single row is at fault.
        examples: up to five failing rows, personal columns as `***`.
        owner: `team:<name>` or an e-mail address. Whoever is routed to by it.
        why: what goes wrong in the business when it fails.
        runbook: where the way to repair it is written.
        next_step: the command or act that repairs it, in words.
        tags: what routes may ask for beside severity and owner, such as the source's name.
        deliveries: the delivery days it is about (ISO dates).
        by_delivery: whether it is about those days only. Another day's delivery that passes then says nothing of them.
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


@dataclass(frozen=True)
class Report:
    """Findings made together, by one run or by one look of a watch.

    Attributes:
        report_id: taking the same report twice changes nothing: the run's id, or what names the look.
        at: when it was made, UTC.
        findings: everything that was looked at, what passed, too: only a passed finding ends an incident.
        impact: assets that were not brought up to date because of the findings, those that people read first.
        attempt_of: the id of the run that this one retries, None if it retries none: a retry alerts nobody again.
        published_as_of: the as-of date of what analysts read now; None if nothing was published yet.
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
        """What held something back, a line each: failed steps in their own words, failed checks with their names."""
        lines: list[str] = []
        for finding in self.findings:
            if not finding.passed and finding.blocking:
                name = "" if finding.check == STEP_FAILED else f"{finding.asset} {finding.check}: "
                lines += f"{name}{finding.message}".splitlines()
        return condensed(list(dict.fromkeys(lines)))


def condensed(lines: list[str]) -> list[str]:
    """Lines in their order, but those that say of several tables that a day was not delivered as one line a day."""
    missing: dict[str, list[re.Match[str]]] = {}
    for line in lines:
        if found := _NOT_DELIVERED.fullmatch(line):
            missing.setdefault(found["day"], []).append(found)
    together = {day: found for day, found in missing.items() if len(found) > 1}
    said: dict[str, None] = {}
    for line in lines:
        found = _NOT_DELIVERED.fullmatch(line)
        if found is None or found["day"] not in together:
            said[line] = None
            continue
        tables = sorted(one["table"] for one in together[found["day"]])
        said[
            f"Nothing was delivered for {found['day']} of {len(tables)} tables: {', '.join(tables)}. "
            f"Put the files into {found['folder']} and run the day again, or write `empty_day: allowed` for those "
            "tables whose days without a delivery are normal."
        ] = None
    return list(said)
