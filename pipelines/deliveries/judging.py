"""Judges deliveries by their suites, and stores the verdicts.

Belongs here: which deliveries a run judges, what the checks say about each, and what happens to rejected deliveries.
Does not belong here: the checks themselves (`checks/`), and Dagster (`checks/assets.py`).

A run judges the deliveries of its own days, and also every delivery that has not passed yet. A rejected delivery stays
rejected until a different file arrives, a rule or a setting is repaired, or a person accepts it. Deliveries that a
person has decided about are not judged.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from pipelines.checks.gx.relations import ParquetFiles, Relation
from pipelines.checks.results import CheckResult
from pipelines.checks.suites import Suite
from pipelines.checks.validation import validate
from pipelines.deliveries.standing import Delivery, Standing, landing_of
from pipelines.deliveries.store import Stage, Verdict
from pipelines.ingest.landing import loads
from pipelines.partitions import days_in_words
from pipelines.sources import Source
from pipelines.tables import raw_file

Problems = Mapping[date, dict[str, str]]  # by delivery day, what each critical check that failed found


@dataclass(frozen=True)
class Judged:
    """A delivered table, its suite, and the run that judges it."""

    standing: Standing
    source: Source
    table: str
    suite: Suite
    run_id: str


def judge_landed(of: Judged, days: Iterable[date], relation: Callable[[list[date]], Relation]) -> list[CheckResult]:
    """Judge a table's deliveries that landed on `days` or have not passed; `relation` gives the rows of days."""
    settings, source = of.standing.settings, of.source
    judged = of.standing.to_judge(source.name, of.table, days)
    if not judged:
        return _nothing_to_judge(of, days)
    landings = {day: landing_of(settings, source.name, of.table, day) for day in judged}
    results = validate(of.suite, relation(judged))
    problems = _by_day(results, judged, lambda day: validate(of.suite, relation([day])))
    _record(of, "raw", {day: problems.get(day, {}) for day in judged}, landings)
    if source.rejected == "leave_out":
        results = [_left_out(result, problems) for result in results]
    return [_with_decisions(of, result) for result in results]


def judge_logged(
    of: Judged, loads: Mapping[date, datetime], checked: Callable[[Sequence[date]], list[CheckResult]]
) -> list[CheckResult]:
    """Judge the deliveries in a table's log, `loads` by day; `checked` gives its results without some days."""
    settings, source = of.standing.settings, of.source
    deliveries = of.standing.of_table(source.name, of.table)
    decided = [day for day, delivery in deliveries.items() if delivery.decided_by]
    if loads and not loads.keys() - set(decided):
        return _as_decided(of, validate(of.suite, ParquetFiles(())))
    left_out = [delivery for delivery in deliveries.values() if delivery.state == "left_out" and delivery.is_landed]
    if not loads and left_out:
        return [_recalled(of, result) for result in _all_left_out(of, left_out)]
    results = checked(decided)
    # A delivery that was sent again since the log was built is a new landing, and these rows do not judge it.
    judged = [
        day
        for day, loaded in loads.items()
        if day in deliveries and day not in decided and of.standing.loaded_at(deliveries[day]) == loaded
    ]
    problems = _by_day(results, judged)
    landings = {day: landing_of(settings, source.name, of.table, day) for day in problems}
    of.standing.store.forget(source.name, of.table, [day for day in judged if day not in problems], "staging")
    _record(of, "staging", problems, landings)
    if source.rejected == "leave_out":
        results = [_recalled(of, result) for result in results]
    return [_with_decisions(of, result) for result in results]


def _by_day(
    results: Iterable[CheckResult], judged: Sequence[date], alone: Callable[[date], list[CheckResult]] | None = None
) -> Problems:
    """What critical checks found, by delivery. A failure without days counts for the days that fail `alone`, or all."""
    problems: dict[date, dict[str, str]] = {}
    each_alone: dict[date, set[str]] = {}
    for result in results:
        if result.passed or result.severity != "critical":
            continue
        at_fault = [day for day in judged if str(day) in result.failing_days]
        if not at_fault and len(judged) > 1 and alone and result.error is None:
            each_alone = each_alone or {
                day: {found.check for found in alone(day) if not found.passed} for day in judged
            }
            at_fault = [day for day, failed in each_alone.items() if result.check in failed]
        for day in at_fault or judged:
            problems.setdefault(day, {})[result.check] = result.finding
    return problems


def _record(of: Judged, stage: Stage, problems: Problems, landings: Mapping[date, str]) -> None:
    """Store the verdicts on the judged landings, but none on a delivery that has landed again since."""
    settings, source = of.standing.settings, of.source.name
    loaded = loads(raw_file(settings.raw_dir, source, of.table, day) for day in problems)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    of.standing.store.record(
        Verdict(source, of.table, day, stage, landings[day], loaded.get(day), found, of.run_id, now)
        for day, found in problems.items()
        if landing_of(settings, source, of.table, day) == landings[day]
    )


def _nothing_to_judge(of: Judged, days: Iterable[date]) -> list[CheckResult]:
    """The results if nothing of the days has landed, or a person has decided about everything that has."""
    results = validate(of.suite, ParquetFiles(()))
    wanted = set(days)
    decided = {delivery.delivered_on for delivery in of.standing.decided(of.source.name, of.table)}
    if wanted <= decided:
        return _as_decided(of, results)
    found = f"nothing has landed for {days_in_words(wanted - decided)}; what needs it is published without it"
    return [
        result if result.passed else replace(result, severity="warning", message=f"{result.check}: {found}")
        for result in results
    ]


def _all_left_out(of: Judged, left_out: Iterable[Delivery]) -> list[CheckResult]:
    """The results for a log that is empty only because all deliveries of its table are left out."""
    found = f"all deliveries are left out: {days_in_words(delivery.delivered_on for delivery in left_out)}"
    return [
        replace(result, passed=True, error=None, observed="left out", message=f"{result.check}: {found}")
        for result in validate(of.suite, ParquetFiles(()))
    ]


def _as_decided(of: Judged, results: Iterable[CheckResult]) -> list[CheckResult]:
    said = "; ".join(decision(delivery) for delivery in of.standing.decided(of.source.name, of.table))
    return [
        replace(result, passed=True, error=None, observed="accepted", message=f"{result.check}: {said}")
        for result in results
    ]


def _with_decisions(of: Judged, result: CheckResult) -> CheckResult:
    """The result of a check that passes because a person decided about the failing deliveries: its message says so."""
    said = [
        decision(delivery)
        for delivery in of.standing.decided(of.source.name, of.table)
        if result.check in delivery.failed_checks
    ]
    return replace(result, message="; ".join([result.message, *said])) if result.passed and said else result


def decision(delivery: Delivery) -> str:
    """A person's decision about a delivery, in words."""
    what = "left out" if delivery.state == "left_out" else "accepted" if delivery.is_landed else "waived"
    return f"{delivery.delivered_on} {what} by {delivery.decided_by}: {delivery.reason}"


def _left_out(result: CheckResult, problems: Problems) -> CheckResult:
    """The result of a critical check that failed only for deliveries that are left out: it blocks nothing."""
    if result.passed or result.severity != "critical":
        return result
    days = [day for day, found in problems.items() if result.check in found]
    return replace(result, severity="warning", message=f"{result.message}. Left out: {days_in_words(days)}")


def _recalled(of: Judged, result: CheckResult) -> CheckResult:
    """The result of a check that passes only because the failing deliveries are left out: it still counts as failed."""
    verdicts = [
        verdict
        for verdict in of.standing.store.verdicts()
        if (verdict.source, verdict.table, verdict.stage) == (of.source.name, of.table, "staging")
    ]
    for verdict in verdicts:
        if finding := verdict.failures.get(result.check):
            left_out = days_in_words([verdict.delivered_on])
            return replace(result, passed=False, severity="warning", message=f"{finding}. Left out: {left_out}")
    return result
