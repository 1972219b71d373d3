"""Turns the findings of a finished run into a report.

Belongs here: reading a run's events in Dagster's history, and separating causes from what did not run because of them.
Does not belong here: who is notified, and when (`incidents.py`).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from pipelines.alerts.reports import STEP_FAILED, Finding, MissingDay, Report
from pipelines.checks.history import CheckHistory
from pipelines.checks.results import CheckResult
from pipelines.checks.suites import Severity, Suite
from pipelines.disk import disk_problem_in
from pipelines.partitions import FAILED_DAYS, MISSING_DAYS, days_of_run
from pipelines.publish.versions import published_as_of
from pipelines.settings import Settings
from pipelines.tables import RAW, STAGING, asset_of_check_step, asset_of_suite, is_raw, suite_of_asset
from pipelines.transform.failures import ONLY_TESTS, readable_error
from pipelines.transform.upstream import read_manifest, tables_behind

NOT_CHECKED, RUN_CRASHED = "not_checked", "run_crashed"
RUN, PUBLISHED, REPORTS = "run/daily", "published/kpi", "published/reports"
IN_STORE = "object_store/"  # copies for other hosts
_FAILED_CHECK = "DagsterAssetCheckFailedError"
_MOST_TABLES = 4
_EVENTS = {
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.ASSET_MATERIALIZATION,
    dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.STEP_SUCCESS,
    dg.DagsterEventType.RUN_FAILURE,
}

Suites = Mapping[tuple[str, str], Suite]


@dataclass(frozen=True)
class HowFar:
    """How far a run got, according to its events.

    Attributes:
        steps: the steps that succeeded, in the order in which they ended.
        failed: whether a step failed; a run that failed although none did was ended from outside, or there is an error.
        published: whether analysts read what it made.
        error: for a run that failed between its steps, why; otherwise empty.
    """

    steps: tuple[str, ...]
    failed: bool
    published: bool
    error: str = ""

    @classmethod
    def of(cls, instance: dg.DagsterInstance, run_id: str) -> "HowFar":
        """What the run `run_id` has done so far."""
        return cls.told_by(_events(instance, run_id))

    @classmethod
    def told_by(cls, events: Iterable[dg.DagsterEvent]) -> "HowFar":
        events = list(events)
        made = [event.asset_key for event in events if event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION]
        return cls(
            tuple(str(event.step_key) for event in events if event.is_step_success),
            any(event.is_step_failure for event in events),
            any(key is not None and "/".join(key.path) == PUBLISHED for key in made),
            next(filter(None, map(_error_between_steps, events)), ""),
        )

    @property
    def was_killed(self) -> bool:
        """Whether a run that counts as failed was ended from outside."""
        return not self.failed and not self.error

    def in_words(self, steps: int) -> str:
        """For a run that was killed: what it had done of `steps`, and what readers read."""
        done = (
            f"{len(self.steps)} of {steps} steps were done, the last {self.steps[-1]}"
            if self.steps
            else f"none of {steps} steps were done"
        )
        return f"{done}. It {'had published' if self.published else 'published nothing'}."


def report_of_run(instance: dg.DagsterInstance, run_id: str, suites: Suites, settings: Settings) -> Report:
    """The report of the finished run `run_id`: every check that it evaluated, every step that ended, and the run.

    Raises:
        LookupError: the instance has no such run.
    """
    record = instance.get_run_record_by_id(run_id)
    if record is None:
        raise LookupError(f"no run {run_id}")
    run = record.dagster_run
    events = _events(instance, run_id)
    days = days_of(run)
    # The history of checks says most. Only what is not in it comes from Dagster's events: dbt's tests, and results that
    # could not be recorded. What the checks of the published file say was found elsewhere, and is reported there.
    results = CheckHistory(settings.check_history_path, database=settings.database_url).results(run_id)
    findings = [_of_result(result, suites, days, settings) for result in results]
    known = {(finding.asset, finding.check) for finding in findings}
    checks = [event for event in events if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION]
    evaluations = [event.asset_check_evaluation_data for event in checks]
    findings += [
        _of_evaluation(evaluation, suites, days)
        for evaluation in evaluations
        if (asset := "/".join(evaluation.asset_key.path)) != PUBLISHED and (asset, evaluation.check_name) not in known
    ]
    findings += _of_steps(events, checks, suites, days, settings)
    if any(not finding.passed and finding.blocking and finding.asset != PUBLISHED for finding in findings):
        # In this case, it is no second problem that nothing was published.
        findings = [finding for finding in findings if finding.passed or finding.asset != PUBLISHED]
    how_far = HowFar.told_by(events)
    died = run.is_failure and not how_far.failed
    later = _success_since(instance, record) if died else None
    if later:  # it has found the same and more, and may have been reported first
        findings = []
    explained = any(not finding.passed and finding.blocking for finding in findings)
    findings.append(_of_the_run(run, died and not explained, later, how_far, days, settings))
    findings = _naming_tables_behind(findings, settings)
    causes = {finding.asset for finding in findings if not finding.passed}
    return Report(
        report_id=run_id,
        at=datetime.fromtimestamp(record.end_time or record.update_timestamp.timestamp(), UTC),
        findings=tuple(findings),
        impact=_impact(events, causes) if run.is_failure else (),
        run_id=run_id,
        attempt_of=run.tags.get("dagster/parent_run_id"),
        published_as_of=published_as_of(settings.published_dir),
        links={"run": f"{settings.ui_url}/runs/{run_id}", "checks": f"{settings.data_docs_url}/index.html"},
    )


def _naming_tables_behind(findings: Sequence[Finding], settings: Settings) -> list[Finding]:
    """The findings. Failed checks of models whose rows do not say where they are from name the delivered tables."""
    if not any(map(_lacks_a_place, findings)):
        return list(findings)
    manifest = read_manifest(settings.dbt_target_dir / "target" / "manifest.json")
    return [
        _naming(finding, tables_behind(manifest, *finding.asset.split("/", 1))) if _lacks_a_place(finding) else finding
        for finding in findings
    ]


def _lacks_a_place(finding: Finding) -> bool:
    is_failure = not finding.passed and finding.asset.startswith(("marts/", "intermediate/"))
    return is_failure and not any("_source_file" in example for example in finding.examples)


def _naming(finding: Finding, tables: Sequence[str]) -> Finding:
    if not tables:
        return finding
    more = f" and {len(tables) - _MOST_TABLES} more" if len(tables) > _MOST_TABLES else ""
    made_from = f"The table is made from {', '.join(tables[:_MOST_TABLES])}{more}."
    return replace(finding, message=f"{finding.message.rstrip('.')}. {made_from}")


def _events(instance: dg.DagsterInstance, run_id: str) -> list[dg.DagsterEvent]:
    events: list[dg.DagsterEvent] = []
    cursor = None
    while True:
        page = instance.get_records_for_run(run_id, cursor=cursor, of_type=_EVENTS, limit=1000)
        events += [record.event_log_entry.get_dagster_event() for record in page.records]
        if not page.has_more:
            return events
        cursor = page.cursor


def _of_result(result: CheckResult, suites: Suites, days: tuple[str, ...], settings: Settings) -> Finding:
    return _of_check(
        "/".join(asset_of_suite(result.stage, result.table)),
        result.check,
        suites,
        result.failing_days or days,
        severity=result.severity,
        passed=result.passed,
        message=disk_problem_in(result.error or "", settings.data_dir) or result.finding,
        observed=result.observed,
        expected=result.expected,
        failed_rows=result.unexpected_count,
        rows=result.element_count,
        examples=tuple(result.examples),
    )


def _of_evaluation(evaluation: dg.AssetCheckEvaluation, suites: Suites, days: tuple[str, ...]) -> Finding:
    blocks = bool(evaluation.blocking) and evaluation.severity is dg.AssetCheckSeverity.ERROR
    return _of_check(
        "/".join(evaluation.asset_key.path),
        evaluation.check_name,
        suites,
        days,
        severity="critical" if blocks else "warning",
        passed=evaluation.passed,
        message=evaluation.description or evaluation.check_name,
    )


def _of_check(
    asset: str,
    check: str,
    suites: Suites,
    days: tuple[str, ...],
    *,
    severity: Severity,
    passed: bool,
    message: str,
    **measured: Any,
) -> Finding:
    suite = _suite(suites, asset)
    spec = next((spec for spec in suite.checks if spec.name == check), None) if suite else None
    is_critical = (spec.severity if spec else severity) == "critical"
    return Finding(
        asset=asset,
        check=check,
        severity=severity,
        passed=passed,
        blocking=is_critical and severity == "critical",  # a result that only warns is about what is left out
        message=message,
        **measured,
        why=spec.why.strip() if spec else "",
        next_step=(spec.next_step if spec else None) or _next_step(asset, days),
        # Every run judges all deliveries that have not passed, so a passing critical check is valid for every delivery.
        # Deliveries with only warnings have passed and are not judged again: only a run of their own days ends those.
        **_about(asset, suite, days)
        | {"by_delivery": is_raw(asset) and not is_critical}
        | ({"runbook": spec.runbook} if spec and spec.runbook else {}),
    )


def _of_steps(
    events: Sequence[dg.DagsterEvent],
    checks: Iterable[dg.DagsterEvent],
    suites: Suites,
    days: tuple[str, ...],
    settings: Settings,
) -> list[Finding]:
    """A finding per step that ended. If a step failed only because of its checks, the checks report it."""
    made = _assets_of_steps(events)
    failed_checks = {event.step_key for event in checks if not event.asset_check_evaluation_data.passed}
    findings = []
    for event in events:
        if event.step_key is None or not (event.is_step_success or event.is_step_failure):
            continue
        said = _said(event, event.step_key in failed_checks) if event.is_step_failure else "done"
        if said is None:
            continue
        said = disk_problem_in(said, settings.data_dir) or said
        asset = made.get(event.step_key) or asset_of_check_step(event.step_key)
        at_fault = tuple(map(str, _said_of_failure(event, FAILED_DAYS) or ())) or days
        missing = dict(_said_of_failure(event, MISSING_DAYS) or {})
        about = _about(asset, _suite(suites, asset), at_fault)
        if event.step_key in made and is_raw(asset):
            about["by_delivery"] = True  # for a range of days, too: the step says which days failed
        findings.append(
            Finding(
                asset=asset,
                check=STEP_FAILED if event.step_key in made else NOT_CHECKED,
                severity="critical",
                passed=event.is_step_success,
                blocking=True,
                message=said,
                why="Whatever depends on this step was not updated.",
                next_step=_next_step(asset, at_fault, "Correct what the message names"),
                missing=tuple(MissingDay(day, str(settings.landing_dir), line) for day, line in missing.items()),
                **about,
            )
        )
    return findings


def _said_of_failure(event: dg.DagsterEvent, key: str) -> Any:
    """What a failed step says under a metadata key; None if it says nothing."""
    failure = event.step_failure_data.user_failure_data if event.is_step_failure else None
    said = failure.metadata.get(key) if failure else None
    return said.value if isinstance(said, dg.JsonMetadataValue) else None


def _assets_of_steps(events: Iterable[dg.DagsterEvent]) -> dict[str, str]:
    """The name for each step: the asset that it makes, or the step's own name if it makes several."""
    assets: dict[str, set[str]] = {}
    for event in events:
        if event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED and event.step_key and event.asset_key:
            assets.setdefault(event.step_key, set()).add("/".join(event.asset_key.path))
    return {step: names.copy().pop() if len(names) == 1 else step for step, names in assets.items()}


def _said(event: dg.DagsterEvent, has_failed_checks: bool) -> str | None:
    """The message of a failed step; None if its failed checks are more specific."""
    data = event.step_failure_data
    error = data.error
    if error and error.cls_name == _FAILED_CHECK:
        return None
    if (failure := data.user_failure_data) and failure.description:
        only_tests = failure.metadata.get(ONLY_TESTS)
        return None if has_failed_checks and only_tests and only_tests.value else failure.description
    cause = (error.cause or error) if error else None
    return readable_error(cause.message) if cause else f"{event.step_key} failed"


def _success_since(instance: dg.DagsterInstance, killed: dg.RunRecord) -> str | None:
    """The id of a run of the same job that was started after a killed one and succeeded."""
    succeeded = dg.RunsFilter(
        job_name=killed.dagster_run.job_name,
        statuses=[dg.DagsterRunStatus.SUCCESS],
        created_after=killed.create_timestamp,
    )
    return next((record.dagster_run.run_id for record in instance.get_run_records(succeeded, limit=1)), None)


def _of_the_run(
    run: dg.DagsterRun, crashed: bool, later: str | None, how_far: HowFar, days: tuple[str, ...], settings: Settings
) -> Finding:
    """The finding about the run itself: a run that failed although none of its steps failed died between them, or was
    ended from outside.

    If it did, but a `later` run has succeeded since, nothing is wrong any more.
    """
    ended = f"run {run.run_id[:8]} ended without a trace: its process was killed, or the machine went down"
    if how_far.error:
        why = disk_problem_in(how_far.error, settings.data_dir) or how_far.error.strip().splitlines()[0]
        ended = f"run {run.run_id[:8]} failed between two steps: {why}"
    outcome = "It had published." if how_far.published else "It published nothing."
    return Finding(
        asset=RUN,
        check=RUN_CRASHED,
        severity="critical",
        passed=not crashed or later is not None,
        blocking=True,
        message=(f"{ended}; run {later[:8]} has succeeded since" if later else ended) if crashed else "ended by itself",
        why=f"It is unknown how far it got. {outcome}",
        next_step=f"Run it again: {_run_command(days)}. Deliveries that have landed do not land again.",
        runbook="docs/operations.md#a-run-crashed",
        deliveries=days,
    )


def _error_between_steps(event: dg.DagsterEvent) -> str:
    """The error that ended a run outside of its steps; empty for anything else."""
    if event.event_type is not dg.DagsterEventType.RUN_FAILURE:
        return ""
    error = getattr(event.event_specific_data, "error", None)  # nothing is known of a run that was ended from outside
    while error and error.cause:
        error = error.cause
    return str(error.message) if error else ""


def _impact(events: Iterable[dg.DagsterEvent], causes: set[str]) -> tuple[str, ...]:
    """The assets that a run should have made and did not, except the causes; those that people read come first."""
    planned: dict[str, None] = {}
    for event in events:
        if event.asset_key is None:
            continue
        name = "/".join(event.asset_key.path)
        if event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED:
            planned[name] = None
        elif event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION:
            planned.pop(name, None)
    beginnings = (PUBLISHED, "marts/kpi_", "marts/")

    def distance(asset: str) -> int:
        return next((rank for rank, start in enumerate(beginnings) if asset.startswith(start)), len(beginnings))

    return tuple(sorted((asset for asset in planned if asset not in causes), key=distance))


def days_of(run: dg.DagsterRun) -> tuple[str, ...]:
    """The delivery days of a run, in order; none for a run without partitions."""
    return tuple(map(str, days_of_run(run.tags)))


def _suite(suites: Suites, asset: str) -> Suite | None:
    return suites.get(suite_of_asset(asset))


def _about(asset: str, suite: Suite | None, days: tuple[str, ...]) -> dict[str, Any]:
    """The attributes that all findings about an asset share. A check of a range of days does not say which failed."""
    stage, _, table = asset.partition("/")
    source = table.split("/")[0] if stage == RAW else re.sub(r"^(base|stg)_|__.*$", "", table)
    tags = (stage, source) if stage in (RAW, STAGING) and "__" in table.replace("/", "__") else (stage,)
    about: dict[str, Any] = {"tags": tags, "deliveries": days, "by_delivery": stage == RAW and len(days) == 1}
    if suite:
        about["owner"] = suite.owner
        if suite.runbook:
            about["runbook"] = suite.runbook
    return about


_FIND_ROWS = "Find the failing rows on the run's page, repair the delivery or the rule"


def _next_step(asset: str, days: tuple[str, ...], first: str = _FIND_ROWS) -> str:
    again = _run_command(days)
    if asset.startswith(IN_STORE):
        return "What this host has is right. Correct what the message names, then copy: kpi push"
    if asset == REPORTS:
        return f"The numbers are published. Find the cause: kpi report --role leaders. Then write them: {again}"
    if is_raw(asset):
        of = " ".join(asset.split("/")[1:])
        accepted = f'; if it is right as it is: kpi accept {of} {days[0] if len(days) == 1 else "DAY"} --reason "…"'
        return (
            f"Replace the delivery with a corrected one and run the day again: {again}. Refused files: "
            f"kpi quarantine list{accepted}"
        )
    return f"{first}, and run the day again: {again}"


def _run_command(days: tuple[str, ...]) -> str:
    if len(days) > 1:
        return f"kpi run --from {days[0]} --to {days[-1]}"
    return f"kpi run --date {days[0]}" if days else "kpi run"
