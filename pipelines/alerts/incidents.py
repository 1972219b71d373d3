"""Incidents: one for each pair of asset and check, from the first failing finding to a passing one.

Belongs here: an incident, and how findings, people and time change it. Nothing here reads a clock.
Does not belong here: where incidents are stored (`store.py`), and who is notified (`routes.py`, `service.py`).
"""

import hashlib
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Literal

from pipelines.alerts.reports import Finding, Report
from pipelines.alerts.routes import Flapping, RenotifyHours
from pipelines.checks.suites import Severity
from pipelines.tables import is_raw

State = Literal["open", "notified", "repeated", "acknowledged", "muted", "resolved"]
Because = Literal["new", "worse", "reminder", "flapping", "mute_over", "unacknowledged", "resolved"]

RANK: dict[Severity, int] = {"info": 0, "warning": 1, "critical": 2}

# A daily run can be some minutes early. Without a tolerance, a reminder due after 24 hours would be sent after 48.
_REMINDER_TOLERANCE = 0.95


@dataclass(frozen=True)
class Incident:
    """A problem that exists, or existed.

    Attributes:
        id: id of this incident; `kpi alerts show` accepts its beginning.
        thread: the id that receivers know: its own, or that of the incident notified when its check began to flap.
        finding: the latest failing finding. Its texts are sanitized and masked.
        times: how many reports contained a failing finding.
        notified: the channels that were notified, and that are notified of the end.
        worst_notified: the highest severity in a notification.
        notices: how many notifications were sent, not counting escalations.
        escalated_to: the channels that were notified that nobody acknowledged it.
        ended: no further notification will be sent. The end of a flapping incident is sent only after a quiet period.
        resolution: the message of the passing finding, or why the incident ended without one.
        by, reason: who acknowledged, muted or resolved it, and why.
    """

    id: str
    asset: str
    check: str
    state: State
    severity: Severity
    finding: Finding
    opened_at: datetime
    last_seen_at: datetime
    times: int
    thread: str
    report_id: str
    run_id: str | None = None
    impact: tuple[str, ...] = ()
    links: dict[str, str] | None = None
    published_as_of: date | None = None
    notified: tuple[str, ...] = ()
    worst_notified: Severity | None = None
    first_notified_at: datetime | None = None
    last_notified_at: datetime | None = None
    notices: int = 0
    escalated_to: tuple[str, ...] = ()
    flapping: bool = False
    muted_until: datetime | None = None
    by: str = ""
    reason: str = ""
    resolved_at: datetime | None = None
    resolution: str = ""
    ended: bool = False

    def muted(self, now: datetime) -> bool:
        """True while no notifications of it are to be sent."""
        return self.muted_until is not None and now < self.muted_until

    @property
    def title(self) -> str:
        return f"{self.asset} {self.check}"


@dataclass(frozen=True)
class Rules:
    """The numbers that determine when a notification of an incident is sent again."""

    renotify: RenotifyHours
    flapping: Flapping


def failed(
    current: Incident | None,
    before: Incident | None,
    openings: int,
    finding: Finding,
    report: Report,
    now: datetime,
    rules: Rules,
) -> tuple[Incident, Because | None]:
    """The incident after a failing finding, and why to send a notification now; None if none is to be sent.

    `current` is the open incident of the same asset and check, `before` the last resolved one, and `openings` how many
    of them were opened within the flapping window.
    """
    if current is None:
        return _opened(before, openings, finding, report, now, rules)
    days = {*current.finding.deliveries, *finding.deliveries}
    both_by_delivery = finding.by_delivery and current.finding.by_delivery
    incident = replace(
        current,
        severity=finding.severity,
        finding=replace(finding, deliveries=tuple(sorted(days))) if both_by_delivery else finding,
        last_seen_at=max(report.at, current.last_seen_at),
        times=current.times + 1,
        report_id=report.report_id,
        run_id=report.run_id,
        impact=report.impact,
        links=report.links,
        published_as_of=report.published_as_of,
    )
    if incident.muted(now):
        return incident, None
    if current.state == "muted":
        return unmuted(incident), "mute_over"
    if incident.worst_notified is None:
        return incident, "new"
    if RANK[incident.severity] > RANK[incident.worst_notified]:
        return incident, "worse"
    if incident.state == "acknowledged" and _another_delivery_fails(incident, current):
        return unmuted(incident), "new"
    if incident.state == "acknowledged" or report.attempt_of is not None:
        return incident, None
    return incident, "reminder" if _reminder_is_due(incident, now, rules) else None


def _another_delivery_fails(incident: Incident, before: Incident) -> bool:
    """Whether another delivery fails: acknowledging one does not acknowledge the next. Only for raw tables do the days
    say what failed."""
    return _is_of_deliveries(incident) and not set(incident.finding.deliveries) <= set(before.finding.deliveries)


def _is_of_deliveries(incident: Incident) -> bool:
    return is_raw(incident.asset) and bool(incident.finding.deliveries)


def _opened(
    before: Incident | None, openings: int, finding: Finding, report: Report, now: datetime, rules: Rules
) -> tuple[Incident, Because | None]:
    name = "\0".join((finding.asset, finding.check, report.report_id, report.at.isoformat()))
    incident_id = hashlib.sha256(name.encode()).hexdigest()[:12]
    incident = Incident(
        id=incident_id,
        asset=finding.asset,
        check=finding.check,
        state="open",
        severity=finding.severity,
        finding=finding,
        opened_at=report.at,
        last_seen_at=report.at,
        times=1,
        thread=incident_id,
        report_id=report.report_id,
        run_id=report.run_id,
        impact=report.impact,
        links=report.links,
        published_as_of=report.published_as_of,
    )
    if before is not None and before.muted(now):
        incident = replace(incident, state="muted", muted_until=before.muted_until, by=before.by, reason=before.reason)
    if (
        before is not None
        and before.flapping
        and before.resolved_at
        and now < before.resolved_at + rules.flapping.window
    ):
        incident = replace(
            incident,
            state="muted" if incident.state == "muted" else "notified" if before.notified else "open",
            flapping=True,
            thread=before.thread,
            notified=before.notified,
            worst_notified=before.worst_notified,
            first_notified_at=before.first_notified_at,
            last_notified_at=before.last_notified_at,
            notices=before.notices,
            escalated_to=before.escalated_to,
        )
        if incident.state == "muted" or incident.worst_notified is None:
            return incident, None
        return incident, "worse" if RANK[incident.severity] > RANK[incident.worst_notified] else None
    if openings >= rules.flapping.reopened:
        incident = replace(incident, flapping=True)
    if incident.state == "muted":
        return incident, None
    return incident, "flapping" if incident.flapping else "new"


def _reminder_is_due(incident: Incident, now: datetime, rules: Rules) -> bool:
    interval = rules.renotify.interval(incident.severity)
    if interval is None or incident.last_notified_at is None:
        return False
    since = incident.last_notified_at
    if incident.flapping:  # people know that it comes and goes, but not that it stays
        since = max(since, incident.opened_at)
    return now - since >= interval * _REMINDER_TOLERANCE


def notified(incident: Incident, because: Because, channels: tuple[str, ...], now: datetime) -> Incident:
    """The incident after a notification of it has been queued for `channels`. Without channels, nobody is notified."""
    if not channels:
        return incident
    worst = incident.worst_notified
    if worst is None or RANK[incident.severity] > RANK[worst]:
        worst = incident.severity
    return replace(
        incident,
        state="notified" if incident.notices == 0 else "repeated",
        notified=tuple(dict.fromkeys((*incident.notified, *channels))),
        worst_notified=worst,
        first_notified_at=incident.first_notified_at or now,
        last_notified_at=now,
        notices=incident.notices + 1,
        # Acknowledging a warning does not acknowledge the more severe incident that it has become.
        by="" if because == "worse" else incident.by,
        reason="" if because == "worse" else incident.reason,
    )


def days_left(incident: Incident, finding: Finding) -> tuple[str, ...]:
    """The delivery days that keep failing although those of the passing `finding` do not."""
    if not incident.finding.by_delivery:
        return ()
    return tuple(day for day in incident.finding.deliveries if day not in finding.deliveries)


def still_failing(
    incident: Incident, days: tuple[str, ...], now: datetime, rules: Rules
) -> tuple[Incident, Because | None]:
    """The incident when only these of its delivery days keep failing, and why to send a notification now, if so."""
    incident = replace(incident, finding=replace(incident.finding, deliveries=days))
    if incident.muted(now) or incident.worst_notified is None or incident.state == "acknowledged":
        return incident, None
    if incident.state == "muted":
        return unmuted(incident), "mute_over"
    return incident, "reminder" if _reminder_is_due(incident, now, rules) else None


def resolved(incident: Incident, why: str, at: datetime, by: str = "", reason: str = "") -> tuple[Incident, bool]:
    """The incident after its end, and whether to send a notification of the end now."""
    tell = bool(incident.notified) and not incident.flapping
    return replace(
        incident,
        state="resolved",
        resolved_at=max(at, incident.last_seen_at),
        resolution=why,
        by=by or incident.by,
        reason=reason or incident.reason,
        ended=tell or not incident.notified,
    ), tell


def can_no_longer_change(incident: Incident, first_day: date) -> bool:
    """True for a warning about deliveries for which no more files are expected: their days are before `first_day`.

    An incident that holds something back never ends automatically.
    """
    days = incident.finding.deliveries
    return _is_of_deliveries(incident) and not incident.finding.blocking and max(days) < str(first_day)


def acknowledged(incident: Incident, by: str, reason: str) -> Incident:
    """The incident after somebody acknowledged it: no notifications until it is resolved or becomes more severe."""
    return replace(incident, state="acknowledged", muted_until=None, by=by, reason=reason)


def muted(incident: Incident, until: datetime, by: str, reason: str) -> Incident:
    """The incident after somebody muted it: no notifications until then."""
    return replace(incident, state="muted", muted_until=until, by=by, reason=reason)


def unmuted(incident: Incident) -> Incident:
    """The incident as if it had never been muted."""
    state: State = "open" if incident.notices == 0 else "notified" if incident.notices == 1 else "repeated"
    return replace(incident, state=state, muted_until=None, by="", reason="")


def awaits_somebody(incident: Incident, now: datetime) -> timedelta | None:
    """How long ago a critical incident was notified without being acknowledged; None if it needs no escalation."""
    waiting = incident.state in ("notified", "repeated") and incident.severity == "critical"
    return now - incident.first_notified_at if waiting and incident.first_notified_at else None


def is_calm(incident: Incident, now: datetime, rules: Rules) -> bool:
    """True if a resolved flapping incident has stayed resolved long enough for a notification of its end."""
    if incident.ended or incident.resolved_at is None:
        return False
    return now >= incident.resolved_at + rules.flapping.window
