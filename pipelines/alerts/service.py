"""Ingests reports and people's decisions, and queues notifications. Sensors, cron and commands call this module.

Belongs here: turning a report into incidents and queued notifications in one transaction; changes that happen only
because time passes; and the functions that never raise.
Does not belong here: when an incident is worth a notification (`incidents.py`), and sending (`outbox.py`).
"""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pipelines.alerts import incidents, page
from pipelines.alerts.digests import queue_digests
from pipelines.alerts.incidents import RANK, Because, Incident, Rules
from pipelines.alerts.masking import Secrets, sanitize
from pipelines.alerts.messages import Kind, content, key_of, without
from pipelines.alerts.outbox import Flushed, Outbox, is_per_incident
from pipelines.alerts.reports import Finding, Report
from pipelines.alerts.routes import AlertsFile, load_alerts
from pipelines.alerts.store import Store, Transaction
from pipelines.blocked_runs import BlockedRun, note_blocked_run
from pipelines.checks.data_docs.pages import INCIDENTS
from pipelines.formatting import local_time
from pipelines.settings import Settings

KEPT_DAYS = 90  # of resolved incidents and sent notifications
_SHOWN_EXAMPLES = 5
_LONGEST_VALUE = 200  # characters of a cell of an example

logger = logging.getLogger("pipelines.alerts")


@dataclass(frozen=True)
class Ingested:
    """The effects of a report.

    Attributes:
        opened, resolved: how many incidents were opened and resolved.
        notified: of how many incidents, or ends of incidents, at least one channel is notified.
    """

    opened: int = 0
    resolved: int = 0
    notified: int = 0


@dataclass(frozen=True)
class Notification:
    """An incident, the reason for its notification, and the channels with the time from which each may be used."""

    incident: Incident
    because: Because
    channels: dict[str, datetime]


@dataclass(frozen=True)
class AlertService:
    """The incidents of one installation and their notifications."""

    store: Store
    alerts: AlertsFile
    settings: Settings

    @classmethod
    def of(cls, settings: Settings) -> "AlertService":
        """The alert service of an installation.

        Raises:
            ConfigError: `alerts.yml` is invalid.
        """
        return cls(Store(settings.alerts_path, settings.database_url), load_alerts(settings.alerts_file), settings)

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.settings.time_zone)

    @property
    def outbox(self) -> Outbox:
        return Outbox(self.store, self.alerts, self.settings.data_dir)

    @property
    def rules(self) -> Rules:
        return Rules(self.alerts.renotify_hours, self.alerts.flapping)

    @contextmanager
    def _writing(self, now: datetime) -> Iterator[Transaction]:
        """A transaction, after which the incidents page shows its changes."""
        with self.store.transaction() as transaction:
            yield transaction
        unfinished = self._site / f".{INCIDENTS}"  # by a process that was killed
        if transaction.changed or unfinished.exists() or not (self._site / INCIDENTS).exists():
            self.write_page(now)

    @property
    def _site(self) -> Path:
        return self.settings.data_docs_dir / "site"

    def write_page(self, now: datetime) -> None:
        """Write the incidents page with the current incidents. If that fails, log the error and continue.

        Raises:
            sqlite3.Error: the store cannot be used.
        """
        with self.store.transaction() as transaction:  # one writer at a time, each with the newest state
            histories = [(one, transaction.history(one)) for one in transaction.incidents(resolved=True)]
            try:
                page.write(self._site, histories, now, self.settings)
            except OSError as error:
                _log("The incidents page was not written", error)

    def ingest(self, report: Report, now: datetime) -> Ingested:
        """Update incidents with the findings of a report, and queue notifications about them.

        A report that was ingested before changes nothing, and neither do findings that are older than the latest one of
        their check. Findings about single delivery days must arrive in the order in which they were made.

        Raises:
            sqlite3.Error, OSError: the store cannot be used. In that case, nothing of the report was ingested.
        """
        report = _sanitized_report(report, self.alerts.secrets())
        with self._writing(now) as transaction:
            if not transaction.is_new(report.report_id, now):
                return Ingested()
            self._announce_ends_of_flapping(transaction, now)
            opened, resolved = 0, 0
            problems: list[Notification] = []
            ends: list[Notification] = []
            for finding in _one_per_check(report.findings):
                current = transaction.incident(finding.asset, finding.check)
                before = transaction.last_resolved(finding.asset, finding.check)
                known = current.last_seen_at if current else before.resolved_at if before else None
                if known is not None and report.at < known and not finding.by_delivery:
                    continue
                if not finding.passed:
                    opened += current is None
                    problems += self._failed(transaction, current, before, finding, report, now)
                elif current is not None and (left := incidents.days_left(current, finding)):
                    problems += self._still_failing(transaction, current, left, now)
                elif current is not None:
                    resolved += 1
                    ends += self._ended(transaction, current, finding.message, now, at=report.at)
            self._queue(transaction, "problem", report.report_id, problems, now)
            self._queue(transaction, "resolved", report.report_id, ends, now)
        return Ingested(opened, resolved, len(problems) + len(ends))

    def has_ingested(self, report_id: str) -> bool:
        """Whether a report was ingested before.

        Raises:
            sqlite3.Error, OSError: the store cannot be used.
        """
        with self.store.transaction() as transaction:
            return transaction.knows(report_id)

    def notified(self) -> list[Incident]:
        """The open incidents for which a notification was sent or queued.

        Raises:
            sqlite3.Error, OSError: the store cannot be used.
        """
        with self.store.transaction() as transaction:
            return [incident for incident in transaction.incidents() if incident.notified]

    def tick(self, now: datetime) -> None:
        """Do what is due because time has passed: escalate, end what stopped flapping or is too old, delete old data.

        Raises:
            sqlite3.Error, OSError: the store cannot be used.
        """
        with self._writing(now) as transaction:
            self._escalate(transaction, now)
            self._end_what_can_no_longer_change(transaction, now)
            self._announce_ends_of_flapping(transaction, now)
            transaction.prune(now, KEPT_DAYS)

    def digest_safely(self, now: datetime) -> None:
        """Queue the digests of a new publication. What goes wrong is logged: it must not stop notifications."""
        try:
            queue_digests(self.store, self.alerts, self.settings, now)
        except Exception as error:  # any error: pages read what companies can change
            _log("The digest of the current publication could not be made", error)

    def acknowledge(self, chosen: Iterable[Incident], by: str, reason: str, now: datetime) -> None:
        """Record that somebody is working on these incidents."""
        with self._writing(now) as transaction:
            for incident in chosen:
                after = incidents.acknowledged(incident, self._sanitized(by), self._sanitized(reason))
                transaction.put(after)
                transaction.log(after, now, "acknowledged", after.by, after.reason)
                keepers = [name for name in after.notified if is_per_incident(self.alerts, name)]
                notification = Notification(after, "new", dict.fromkeys(keepers, now))
                self._queue(transaction, "acknowledged", f"acknowledged at {now}", [notification], now)

    def resolve(self, chosen: Iterable[Incident], by: str, reason: str, now: datetime) -> None:
        """Resolve incidents on a person's decision. Another failure opens a new incident."""
        by, reason = self._sanitized(by), self._sanitized(reason)
        with self._writing(now) as transaction:
            ends: list[Notification] = []
            for incident in chosen:
                ends += self._ended(transaction, incident, f"{by} resolved it: {reason}", now, by=by, reason=reason)
            self._queue(transaction, "resolved", f"resolved at {now}", ends, now)

    def mute(self, chosen: Iterable[Incident], until: datetime, by: str, reason: str, now: datetime) -> None:
        """Send no notifications of these incidents until then, including those already queued."""
        with self._writing(now) as transaction:
            for incident in chosen:
                after = incidents.muted(incident, until, self._sanitized(by), self._sanitized(reason))
                after = replace(after, notified=self._withdraw(transaction, after))
                transaction.put(after)
                transaction.log(after, now, f"muted until {local_time(until, self.zone)}", after.by, after.reason)

    def unmute(self, chosen: Iterable[Incident], by: str, now: datetime) -> None:
        """Send notifications of these incidents again."""
        with self._writing(now) as transaction:
            for incident in chosen:
                after = incidents.unmuted(incident)
                transaction.put(after)
                transaction.log(after, now, "unmuted", self._sanitized(by))

    def _failed(
        self,
        transaction: Transaction,
        current: Incident | None,
        before: Incident | None,
        finding: Finding,
        report: Report,
        now: datetime,
    ) -> list[Notification]:
        """Write the incident after a failing finding; return the notification to send, if any."""
        openings = transaction.openings(finding.asset, finding.check, now - self.rules.flapping.window)
        incident, because = incidents.failed(current, before, openings, finding, report, now, self.rules)
        if current is None:
            transaction.log(incident, now, "opened", detail=f"{finding.severity}: {finding.message}")
            if before and incident.thread == before.thread:
                transaction.put(replace(before, ended=True))  # it ends together with this one
        elif current.severity != incident.severity:
            transaction.log(incident, now, f"{current.severity} became {incident.severity}", detail=finding.message)
        return self._notify(transaction, incident, because, now)

    def _still_failing(
        self, transaction: Transaction, current: Incident, days: tuple[str, ...], now: datetime
    ) -> list[Notification]:
        """Write that only some delivery days keep failing; return the notification to send, if any."""
        incident, because = incidents.still_failing(current, days, now, self.rules)
        if days != current.finding.deliveries:
            transaction.log(incident, now, "still failing", detail=", ".join(days))
        return self._notify(transaction, incident, because, now)

    def _notify(
        self, transaction: Transaction, incident: Incident, because: Because | None, now: datetime
    ) -> list[Notification]:
        """Write an incident that needs a notification; if no route matches it, none is sent."""
        channels = self._channels_for(incident, now) if because else {}
        if because and channels:
            transaction.log(incident, now, f"notified: {because}", detail=", ".join(channels))
            self._withdraw(transaction, incident, channels)  # the held notification says less than this one
            incident = incidents.notified(incident, because, tuple(channels), now)
        transaction.put(incident)
        return [Notification(incident, because, channels)] if because and channels else []

    def _ended(
        self,
        transaction: Transaction,
        current: Incident,
        why: str,
        now: datetime,
        *,
        at: datetime | None = None,
        by: str = "",
        reason: str = "",
    ) -> list[Notification]:
        """Write the end of an incident; return the notification to send, if any."""
        incident, tell = incidents.resolved(current, why, at or now, by, reason)
        transaction.put(incident)
        transaction.log(incident, now, "resolved", by, reason or why)
        channels = self._channels_for_end(incident, self._withdraw(transaction, incident), now)
        return [Notification(incident, "resolved", channels)] if tell and channels else []

    def _end_what_can_no_longer_change(self, transaction: Transaction, now: datetime) -> None:
        """End warnings about deliveries so old that no more files are expected for them: nobody will repair them."""
        first_day = now.astimezone(self.zone).date() - timedelta(days=self.settings.late_file_days)
        why = f"files of days before {first_day} are no longer expected (setting late_file_days)"
        ends: list[Notification] = []
        for incident in transaction.incidents():
            if incidents.can_no_longer_change(incident, first_day):
                ends += self._ended(transaction, incident, why, now)
        self._queue(transaction, "resolved", f"old at {now}", ends, now)

    def _escalate(self, transaction: Transaction, now: datetime) -> None:
        """Escalate critical incidents that nobody has acknowledged in time."""
        unacknowledged = []
        for incident in transaction.incidents():
            notified_for = incidents.awaits_somebody(incident, now)
            if notified_for is None:
                continue
            finding = incident.finding
            channels = self.alerts.escalations(
                incident.severity, finding.owner, finding.tags, notified_for, now, self.zone
            )
            channels = {name: due for name, due in channels.items() if name not in incident.escalated_to}
            if not channels:
                continue
            after = replace(
                incident,
                escalated_to=(*incident.escalated_to, *channels),
                notified=tuple(dict.fromkeys((*incident.notified, *channels))),
            )
            transaction.put(after)
            transaction.log(after, now, "escalated", detail=", ".join(channels))
            unacknowledged.append(Notification(after, "unacknowledged", channels))
        self._queue(transaction, "escalation", f"escalation at {now}", unacknowledged, now)

    def _announce_ends_of_flapping(self, transaction: Transaction, now: datetime) -> None:
        """Send notifications of the end of incidents that have stopped flapping."""
        calm = []
        for incident in transaction.unannounced_ends():
            if not incidents.is_calm(incident, now, self.rules):
                continue
            after = replace(incident, ended=True)
            transaction.put(after)
            transaction.log(after, now, "stopped flapping")
            if channels := self._channels_for_end(after, after.notified, now):
                calm.append(Notification(after, "resolved", channels))
        self._queue(transaction, "resolved", f"calm at {now}", calm, now)

    def _channels_for(self, incident: Incident, now: datetime) -> dict[str, datetime]:
        finding = incident.finding
        return self.alerts.channels_for(incident.severity, finding.owner, finding.tags, now, self.zone)

    def _channels_for_end(self, incident: Incident, notified: Iterable[str], now: datetime) -> dict[str, datetime]:
        """The notified channels that are also notified of the end. If the incident is muted, these are only channels
        whose receivers store incidents themselves: they would show it forever."""
        due = self._channels_for(incident, now)
        return {
            name: due.get(name, now)
            for name in notified
            if name in self.alerts.channels and (not incident.muted(now) or is_per_incident(self.alerts, name))
        }

    def _withdraw(
        self, transaction: Transaction, incident: Incident, only: Iterable[str] | None = None
    ) -> tuple[str, ...]:
        """Remove an incident from notifications that nobody has received yet; return the notified channels."""
        received, withdrawn = set(), set()
        for notice in transaction.notices_about(incident.thread):
            if notice.state == "withdrawn" or (only is not None and notice.channel not in only):
                continue
            # A notification that was tried may have been received, whatever the channel responded.
            if notice.attempts or notice.last_error or notice.content["kind"] == "resolved":
                received.add(notice.channel)
                continue
            withdrawn.add(notice.channel)
            left = without(notice.content, incident.thread)
            threads = tuple(thread for thread in notice.threads if thread != incident.thread)
            if left is None:
                transaction.update(replace(notice, state="withdrawn"))
            else:
                transaction.update(replace(notice, content=left, threads=threads))
        return tuple(name for name in incident.notified if name in received or name not in withdrawn)

    def _queue(
        self, transaction: Transaction, kind: Kind, notice: str, notifications: list[Notification], now: datetime
    ) -> None:
        """Queue one notification per channel and time, or one per incident if the receiver stores incidents itself."""
        groups: dict[tuple[str, datetime, str], list[Notification]] = {}
        for notification in notifications:
            for channel, due in notification.channels.items():
                alone = notification.incident.thread if is_per_incident(self.alerts, channel) else ""
                groups.setdefault((channel, due, alone), []).append(notification)
        for (channel, due, _), members in groups.items():
            threads = [member.incident.thread for member in members]
            said = content(
                kind,
                [(member.incident, member.because) for member in members],
                now,
                self.settings.time_zone,
                self.settings.data_docs_url,
            )
            transaction.queue(key_of(f"{kind} of {notice}", channel, threads), channel, threads, said, now, due)

    def _sanitized(self, text: str) -> str:
        return sanitize(text, self.alerts.secrets())


def report_safely(settings: Settings, report: Report, now: datetime) -> bool:
    """Ingest a report. Never raises: alerts must not stop what they watch.

    Returns:
        False if the report was not ingested, which is logged. The caller should then pass the same report again later.
    """
    try:
        AlertService.of(settings).ingest(report, now)
        if report.run_id:
            blocked = BlockedRun(report.at, len(report.blocked_by)) if report.blocked_by else None
            note_blocked_run(settings.published_dir, blocked)
    except Exception as error:  # any error: it must not make a run or a sensor fail
        _log("A report of checks was not stored", error)
        return False
    return True


def notified_safely(settings: Settings) -> list[Incident]:
    """The same as `AlertService.notified`. Never raises; empty if the store cannot be read."""
    try:
        return AlertService.of(settings).notified()
    except Exception as error:  # as above
        _log("Open incidents could not be read", error)
        return []


def tick_safely(settings: Settings, now: datetime) -> Flushed | None:
    """Escalate, delete old data, queue digests, and send what is due. Never raises.

    It takes little longer than `delivery.flush_seconds`, and a second more when a publication is new.

    Returns:
        None if this failed, which is logged.
    """
    try:
        service = AlertService.of(settings)
        service.tick(now)
        service.digest_safely(now)
        flushed = service.outbox.flush(now)
    except Exception as error:  # as above
        _log("Alerts could not be sent", error)
        return None
    for channel, reason in flushed.problems:
        logger.warning("An alert was not delivered over %s: %s", channel, reason)
    return flushed


def _log(what: str, error: Exception) -> None:
    # Secrets may be unknown here, since alerts.yml may be invalid; errors about files and YAML contain none.
    logger.error("%s: %s: %s", what, type(error).__name__, sanitize(error, Secrets()))


def _sanitized_report(report: Report, secrets: Secrets) -> Report:
    """The report with each of its texts as one safe line without secrets."""

    def clean(value: Any, longest: int = 1000) -> Any:
        if value is None or isinstance(value, bool | int):
            return value
        return sanitize(value, secrets, longest)

    def clean_finding(finding: Finding) -> Finding:
        texts = {
            field.name: clean(getattr(finding, field.name)) for field in fields(finding) if field.type in (str, "str")
        }
        return replace(
            finding,
            **texts,
            examples=tuple(
                {clean(name, 100): clean(value, _LONGEST_VALUE) for name, value in example.items()}
                for example in finding.examples[:_SHOWN_EXAMPLES]
            ),
            tags=tuple(map(clean, finding.tags)),
            deliveries=tuple(map(clean, finding.deliveries)),
        )

    return replace(
        report,
        findings=tuple(map(clean_finding, report.findings)),
        impact=tuple(map(clean, report.impact)),
        run_id=clean(report.run_id),
        links={clean(name, 100): clean(url) for name, url in report.links.items()},
    )


def _one_per_check(findings: Iterable[Finding]) -> list[Finding]:
    """One finding per asset and check. Several, as for several days, become the worst failure, for all their days."""
    by_check: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        by_check.setdefault((finding.asset, finding.check), []).append(finding)
    found = []
    for group in by_check.values():
        failing = [finding for finding in group if not finding.passed]
        worst = max(failing or group, key=lambda finding: RANK[finding.severity])
        days = sorted({day for finding in failing or group for day in finding.deliveries})
        more = f" The same in {len(failing) - 1} more." if len(failing) > 1 else ""
        found.append(replace(worst, deliveries=tuple(days), message=worst.message + more))
    return found
