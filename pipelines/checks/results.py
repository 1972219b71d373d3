"""What one check found.

Belongs here: the result that every other module of this package passes on.
Does not belong here: how it was found or where it is stored.
"""

from dataclasses import dataclass, field
from typing import Any

from pipelines.checks.suites import Severity


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one expectation on one table.

    Attributes:
        stage, table, check: together they identify the check.
        severity: `critical` stops what depends on the table, `warning` and `info` do not.
        passed: also False if the expectation could not be evaluated; `error` then says why.
        column: the columns that it reads, separated by `, `; None if it reads none.
        observed, expected: in words.
        unexpected_count, element_count: failing rows and all rows; None if no single row is at fault.
        message: one sentence that names column, counts and, if known, the first failing file and row.
        examples: up to five failing rows: the position of the row and the values at fault, `***` for personal columns.
        error: why the check could not be executed.
        failing_days: for a failed check, the delivery days (ISO dates, in order) of all failing rows and figures; empty
            if they name none.
        checked_in_run: the earlier run that executed the check, if nothing that it reads has changed since.
    """

    stage: str
    table: str
    check: str
    severity: Severity
    passed: bool
    expectation_type: str
    column: str | None
    observed: str
    expected: str
    unexpected_count: int | None
    element_count: int | None
    message: str
    examples: list[dict[str, Any]] = field(default_factory=list)
    error: str | None = None
    failing_days: tuple[str, ...] = ()
    checked_in_run: str | None = None

    @property
    def finding(self) -> str:
        """The message without the check's name, for readers that show the name beside it."""
        return self.message.removeprefix(f"{self.check}: ")
