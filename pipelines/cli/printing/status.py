"""Prints the state of the data and the daily run."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, timedelta
from typing import Any

from rich.console import Console

from pipelines.deliveries import Delivery
from pipelines.operations.status import STATES, Facts, Line, cause, headline, in_one_line, lines, of_days, started_daily
from pipelines.partitions import days_in_words
from pipelines.runs.history import Run

_MOST_LINES = 5  # of a list; the commands that are named show all of it


def print_status(facts: Facts, console: Console) -> None:
    """Print the headline, the facts by topic, and what to do next."""
    found = lines(facts)
    wrong = [line for line in found if not line.ok]
    console.print(headline(facts), markup=False, style="red" if wrong else "green")
    console.print()
    for topic, said in _topics(facts).items():
        for number, text in enumerate(said):
            console.print(f"{topic if number == 0 else '':<12}{text}", markup=False)
    for number, line in enumerate(_untold_twice(wrong, facts)):
        topic, *said = ("Next", line.next_step) if number == 0 else ("Also", line.sentence, line.next_step)
        console.print()
        for place, text in enumerate(said):
            console.print(f"{topic if place == 0 else '':<12}{text.rstrip('.')}.", markup=False)


def _untold_twice(wrong: Sequence[Line], facts: Facts) -> list[Line]:
    """The problems, without incidents that only repeat what blocked the last run."""
    causes = {found.id for found in facts.blocked_by}
    others = [found for found in facts.incidents if found.severity == "critical" and found.id not in causes]
    return [line for line in wrong if others or line.name != "no_critical_incident" or not causes]


def as_json(facts: Facts) -> str:
    """The same as JSON, times in UTC."""
    found = lines(facts)
    run = facts.last_run
    return json.dumps(
        {
            "ok": all(line.ok for line in found),
            "headline": headline(facts),
            "at": facts.now,
            "checks": [asdict(line) for line in found],
            "as_of_date": facts.published.as_of_date if facts.published else None,
            "published_at": facts.published.published_at.replace(tzinfo=UTC) if facts.published else None,
            "publication": facts.published.publication_id if facts.published else None,
            "last_run": _run_as_json(run) | {"blocked_by": [cause(by) for by in facts.blocked_by]} if run else None,
            "under_way": _run_as_json(facts.under_way) if facts.under_way else None,
            "sources": [
                {
                    "source": state.source.name,
                    "owner": state.source.owner,
                    "complete_through": state.through,
                    "sla": state.source.sla,
                    "late": state.late,
                    "not_run_yet": state.waiting,
                }
                for state in facts.sources
            ],
            "deliveries": [asdict(delivery) for delivery in facts.questions],
            "incidents": [
                {"id": found.id, "severity": found.severity, "state": found.state, "title": found.title}
                | {"message": found.finding.message, "since": found.opened_at}
                for found in facts.incidents
            ],
            "schedule": {
                "started_by": facts.settings.started_by,
                "daily_run_expected": facts.is_run_daily,
                "daemon_seen_at": facts.daemon_seen_at,
            },
            "unreadable": list(facts.unreadable.values()),
        },
        default=lambda value: value.isoformat(),
        ensure_ascii=False,
        indent=2,
    )


def _topics(facts: Facts) -> dict[str, list[str]]:
    numbers = "nothing is published yet"
    if facts.published:
        published_at = facts.published.published_at.replace(tzinfo=UTC)
        numbers = f"as of {facts.published.as_of_date}, published {facts.time(published_at)}"
    width = max((len(state.source.name) for state in facts.sources), default=0)
    topics = {
        "Last run": _last_run_in_words(facts),
        "Numbers": [numbers],
        "Sources": [
            f"{state.source.name:<{width}}  {f'up to {state.through}' if state.through else 'nothing yet':<16}  "
            f"due by {state.source.sla}  {state.in_words}".rstrip()
            for state in facts.sources
        ],
        "Deliveries": _deliveries_in_words(facts),
        "Incidents": _incidents_in_words(facts),
        "Schedule": [started_daily(facts).sentence],
    }
    return {topic: said for topic, said in topics.items() if said}


def _last_run_in_words(facts: Facts) -> list[str]:
    run = facts.last_run
    if run is None:
        return []
    how = {"SUCCESS": "published", "FAILURE": "failed", "CANCELED": "stopped"}[run.status]
    took = f" after {_duration(run.ended_at - run.started_at)}" if run.ended_at else ""
    ended = f" {facts.time(run.ended_at)}{took}" if run.ended_at else ""
    return [
        f"{of_days(run.days)}: {how}{ended} (run {run.run_id[:8]})",
        *_shortened([f"{found.id[:8]}  {cause(found)}" for found in facts.blocked_by]),
    ]


def _deliveries_in_words(facts: Facts) -> list[str]:
    """The deliveries in question by state and table, with the reason for the newest day."""
    groups: dict[tuple[str, str], list[Delivery]] = {}
    for found in facts.questions:
        groups.setdefault((STATES[found.state], f"{found.source}.{found.table}"), []).append(found)
    return _shortened(
        [
            f"{state}: {table} of {days_in_words(delivery.delivered_on for delivery in those)}{_why(those[0])}"
            for (state, table), those in groups.items()
        ]
    )


def _incidents_in_words(facts: Facts) -> list[str]:
    """The incidents that somebody should know about, except what blocked the last run; minor ones are only counted."""
    blocking = {found.id for found in facts.blocked_by}
    major = [found for found in facts.incidents if found.severity != "info" and found.id not in blocking]
    said = _shortened([f"{found.severity}  {found.id[:8]}  {cause(found)}" for found in major])
    noted = sum(found.severity == "info" for found in facts.incidents)
    return [*said, *([f"{noted} of severity info: kpi alerts list"] if noted else [])]


def _run_as_json(run: Run) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "status": run.status,
        "days": list(run.days),
        "started_at": run.started_at,
        "ended_at": run.ended_at,
    }


def _why(delivery: Delivery) -> str:
    if delivery.decided_by:
        return f" ({delivery.decided_by}: {delivery.reason})"
    return f": {in_one_line(delivery.problems[0])}" if delivery.problems else ""


def _shortened(texts: list[str]) -> list[str]:
    return texts if len(texts) <= _MOST_LINES else [*texts[:_MOST_LINES], f"and {len(texts) - _MOST_LINES} more"]


def _duration(span: timedelta) -> str:
    seconds = round(span.total_seconds())
    return f"{seconds} s" if seconds < 120 else f"{round(seconds / 60)} min" if seconds < 7200 else f"{span}"
