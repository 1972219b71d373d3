"""Takes reports, and what people decide, and queues what is to be told. This is what sensors, cron and commands call.

Belongs here: from a report to incidents and queued notices, in one transaction; what time alone brings about; and the
functions that never raise.
Does not belong here: when an incident is worth a notice (`incidents.py`), and sending (`outbox.py`).
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
from pipelines.alerts.incidents import RANK, Because, Incident, Rules
from pipelines.alerts.masking import Secrets, harmless
from pipelines.alerts.messages import Kind, content, key_of, without
from pipelines.alerts.outbox import Flushed, Outbox, is_per_incident
from pipelines.alerts.reports import Finding, Report
from pipelines.alerts.routes import AlertsFile, load_alerts
from pipelines.alerts.store import Store, Transaction
from pipelines.docs_pages import INCIDENTS
from pipelines.output import local_time
from pipelines.settings import Settings

KEPT_DAYS = 90  # resolved incidents and sent notices
_SHOWN_EXAMPLES = 5
_LONGEST_VALUE = 200  # characters of a cell of an example

logger = logging.getLogger("pipelines.alerts")


@dataclass(frozen=True)
class Taken:
    """What a report led to.

    Attributes:
        opened, resolved: how many incidents.
        told: how many incidents are told, or their ends, over at least one channel.
    """

    opened: int = 0
    resolved: int = 0
    told: int = 0


@dataclass(frozen=True)
class Telling:
    """An incident, why it is told, over which channels and from when on each may be used."""

    incident: Incident
    because: Because
    channels: dict[str, datetime]


@dataclass(frozen=True)
class Desk:
    """The incidents of one installation and how they are told."""

    store: Store
    alerts: AlertsFile
    settings: Settings

    @classmethod
    def of(cls, settings: Settings) -> "Desk":
        """The desk of an installation.

        Raises:
            ConfigError: `alerts.yml` cannot be used.
        """
        return cls(Store(settings.alerts_path), load_alerts(settings.alerts_file), settings)

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
        """A transaction, after which the page of incidents says what it changed."""
        with self.store.transaction() as transaction:
            yield transaction
        if transaction.changed or not (self._site / INCIDENTS).exists():
            self.write_page(now)

    @property
    def _site(self) -> Path:
        return self.settings.data_docs_dir / "site"

    def write_page(self, now: datetime) -> None:
        """Write the page of incidents as they are now. That it cannot be written is in the log, and stops nothing.

        Raises:
            sqlite3.Error: the store cannot be used.
        """
        with self.store.transaction() as transaction:  # one writer after the other, each with what is newest
            histories = [(one, transaction.history(one)) for one in transaction.incidents(resolved=True)]
            try:
                page.write(self._site, histories, now, self.settings)
            except OSError as error:
                _log("The page of incidents was not written", error)

    def take(self, report: Report, now: datetime) -> Taken:
        """Bring incidents up to what a report found, and queue what is to be told of it.

        A report that was taken before changes nothing, nor do findings older than what is known of their check; those
        of single delivery days have to come in the order in which they were made.

        Raises:
            sqlite3.Error, OSError: the store cannot be used. Nothing of the report was taken then.
        """
        report = _harmless_report(report, self.alerts.secrets())
        with self._writing(now) as transaction:
            if not transaction.is_new(report.report_id, now):
                return Taken()
            self._tell_what_is_calm(transaction, now)
            opened, resolved = 0, 0
            problems: list[Telling] = []
            ends: list[Telling] = []
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
        return Taken(opened, resolved, len(problems) + len(ends))

    def has_taken(self, report_id: str) -> bool:
        """Whether a report was taken before.

        Raises:
            sqlite3.Error, OSError: the store cannot be used.
        """
        with self.store.transaction() as transaction:
            return transaction.knows(report_id)

    def told(self) -> list[Incident]:
        """The open incidents that somebody was told of.

        Raises:
            sqlite3.Error, OSError: the store cannot be used.
        """
        with self.store.transaction() as transaction:
            return [incident for incident in transaction.incidents() if incident.told]

    def tend(self, now: datetime) -> None:
        """What time alone brings about: escalations, ends of what stopped flapping or has grown old, forgetting.

        Raises:
            sqlite3.Error, OSError: the store cannot be used.
        """
        with self._writing(now) as transaction:
            self._escalate(transaction, now)
            self._end_what_can_no_longer_change(transaction, now)
            self._tell_what_is_calm(transaction, now)
            transaction.prune(now, KEPT_DAYS)

    def acknowledge(self, chosen: Iterable[Incident], by: str, reason: str, now: datetime) -> None:
        """Somebody is on these incidents."""
        with self._writing(now) as transaction:
            for incident in chosen:
                after = incidents.acknowledged(incident, self._harmless(by), self._harmless(reason))
                transaction.put(after)
                transaction.log(after, now, "acknowledged", after.by, after.reason)
                keepers = [name for name in after.told if is_per_incident(self.alerts, name)]
                telling = Telling(after, "new", dict.fromkeys(keepers, now))
                self._queue(transaction, "acknowledged", f"acknowledged at {now}", [telling], now)

    def resolve(self, chosen: Iterable[Incident], by: str, reason: str, now: datetime) -> None:
        """Somebody says that these incidents are over. What fails again opens a new one."""
        by, reason = self._harmless(by), self._harmless(reason)
        with self._writing(now) as transaction:
            ends: list[Telling] = []
            for incident in chosen:
                ends += self._ended(transaction, incident, f"{by} resolved it: {reason}", now, by=by, reason=reason)
            self._queue(transaction, "resolved", f"resolved at {now}", ends, now)

    def mute(self, chosen: Iterable[Incident], until: datetime, by: str, reason: str, now: datetime) -> None:
        """Nothing of these incidents is told until then, nor what is queued of them."""
        with self._writing(now) as transaction:
            for incident in chosen:
                after = incidents.muted(incident, until, self._harmless(by), self._harmless(reason))
                after = replace(after, told=self._withdraw(transaction, after))
                transaction.put(after)
                transaction.log(after, now, f"muted until {local_time(until, self.zone)}", after.by, after.reason)

    def unmute(self, chosen: Iterable[Incident], by: str, now: datetime) -> None:
        """These incidents are told again."""
        with self._writing(now) as transaction:
            for incident in chosen:
                after = incidents.unmuted(incident)
                transaction.put(after)
                transaction.log(after, now, "unmuted", self._harmless(by))

    def _failed(
        self,
        transaction: Transaction,
        current: Incident | None,
        before: Incident | None,
        finding: Finding,
        report: Report,
        now: datetime,
    ) -> list[Telling]:
        """Write what a failing finding makes of its incident; what is to be told of it, if anything."""
        openings = transaction.openings(finding.asset, finding.check, now - self.rules.flapping.window)
        incident, because = incidents.failed(current, before, openings, finding, report, now, self.rules)
        if current is None:
            transaction.log(incident, now, "opened", detail=f"{finding.severity}: {finding.message}")
            if before and incident.thread == before.thread:
                transaction.put(replace(before, ended=True))  # its end is this one's
        elif current.severity != incident.severity:
            transaction.log(incident, now, f"{current.severity} became {incident.severity}", detail=finding.message)
        return self._told(transaction, incident, because, now)

    def _still_failing(
        self, transaction: Transaction, current: Incident, days: tuple[str, ...], now: datetime
    ) -> list[Telling]:
        """Write that only some of its delivery days fail on, and return what is to be told of it, if anything."""
        incident, because = incidents.still_failing(current, days, now, self.rules)
        if days != current.finding.deliveries:
            transaction.log(incident, now, "still failing", detail=", ".join(days))
        return self._told(transaction, incident, because, now)

    def _told(
        self, transaction: Transaction, incident: Incident, because: Because | None, now: datetime
    ) -> list[Telling]:
        """Write an incident that is to be told; nothing is, when no route takes it."""
        channels = self._channels_for(incident, now) if because else {}
        if because and channels:
            transaction.log(incident, now, f"told: {because}", detail=", ".join(channels))
            self._withdraw(transaction, incident, channels)  # what waited for its hours says less than this
            incident = incidents.told(incident, because, tuple(channels), now)
        transaction.put(incident)
        return [Telling(incident, because, channels)] if because and channels else []

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
    ) -> list[Telling]:
        """Write the end of an incident; what is to be told of it, if anything."""
        incident, tell = incidents.resolved(current, why, at or now, by, reason)
        transaction.put(incident)
        transaction.log(incident, now, "resolved", by, reason or why)
        channels = self._hears_of_end(incident, self._withdraw(transaction, incident), now)
        return [Telling(incident, "resolved", channels)] if tell and channels else []

    def _end_what_can_no_longer_change(self, transaction: Transaction, now: datetime) -> None:
        """End warnings of deliveries so old that no file of them is awaited any more: nobody will mend them."""
        first_day = now.astimezone(self.zone).date() - timedelta(days=self.settings.late_file_days)
        why = f"no file of a day before {first_day} is awaited any more (setting late_file_days)"
        ends: list[Telling] = []
        for incident in transaction.incidents():
            if incidents.can_no_longer_change(incident, first_day):
                ends += self._ended(transaction, incident, why, now)
        self._queue(transaction, "resolved", f"old at {now}", ends, now)

    def _escalate(self, transaction: Transaction, now: datetime) -> None:
        """Call in others for critical incidents that nobody has acknowledged in time."""
        unacknowledged = []
        for incident in transaction.incidents():
            told_for = incidents.awaits_somebody(incident, now)
            if told_for is None:
                continue
            finding = incident.finding
            channels = self.alerts.escalations(incident.severity, finding.owner, finding.tags, told_for, now, self.zone)
            channels = {name: due for name, due in channels.items() if name not in incident.escalated_to}
            if not channels:
                continue
            after = replace(
                incident,
                escalated_to=(*incident.escalated_to, *channels),
                told=tuple(dict.fromkeys((*incident.told, *channels))),
            )
            transaction.put(after)
            transaction.log(after, now, "escalated", detail=", ".join(channels))
            unacknowledged.append(Telling(after, "unacknowledged", channels))
        self._queue(transaction, "escalation", f"escalation at {now}", unacknowledged, now)

    def _tell_what_is_calm(self, transaction: Transaction, now: datetime) -> None:
        """Tell the end of incidents that have stopped flapping."""
        calm = []
        for incident in transaction.untold_ends():
            if not incidents.is_calm(incident, now, self.rules):
                continue
            after = replace(incident, ended=True)
            transaction.put(after)
            transaction.log(after, now, "stopped flapping")
            if channels := self._hears_of_end(after, after.told, now):
                calm.append(Telling(after, "resolved", channels))
        self._queue(transaction, "resolved", f"calm at {now}", calm, now)

    def _channels_for(self, incident: Incident, now: datetime) -> dict[str, datetime]:
        finding = incident.finding
        return self.alerts.channels_for(incident.severity, finding.owner, finding.tags, now, self.zone)

    def _hears_of_end(self, incident: Incident, told: Iterable[str], now: datetime) -> dict[str, datetime]:
        """Over which of the channels it was told its end is told. Of a muted one only those hear that keep incidents
        themselves: they would show it for ever."""
        due = self._channels_for(incident, now)
        return {
            name: due.get(name, now)
            for name in told
            if name in self.alerts.channels and (not incident.muted(now) or is_per_incident(self.alerts, name))
        }

    def _withdraw(
        self, transaction: Transaction, incident: Incident, only: Iterable[str] | None = None
    ) -> tuple[str, ...]:
        """Take an incident out of the notices that nobody has received yet, and say over which channels it was told."""
        received, withdrawn = set(), set()
        for notice in transaction.notices_about(incident.thread):
            if notice.state == "withdrawn" or (only is not None and notice.channel not in only):
                continue
            # What was tried may have been received, whatever the channel answered.
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
        return tuple(name for name in incident.told if name in received or name not in withdrawn)

    def _queue(self, transaction: Transaction, kind: Kind, notice: str, tellings: list[Telling], now: datetime) -> None:
        """One notice for each channel and time, whatever it is about; one per incident where a receiver keeps them."""
        groups: dict[tuple[str, datetime, str], list[Telling]] = {}
        for telling in tellings:
            for channel, due in telling.channels.items():
                alone = telling.incident.thread if is_per_incident(self.alerts, channel) else ""
                groups.setdefault((channel, due, alone), []).append(telling)
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

    def _harmless(self, text: str) -> str:
        return harmless(text, self.alerts.secrets())


def report_safely(settings: Settings, report: Report, now: datetime) -> bool:
    """Take a report. Never raises: alerts must not be able to stop what they watch.

    Returns:
        False if it was not taken, which is in the log; then pass the same report again later.
    """
    try:
        Desk.of(settings).take(report, now)
    except Exception as error:  # whatever it is, a run or a sensor must not fail for it
        _log("A report of checks was not taken", error)
        return False
    return True


def told_safely(settings: Settings) -> list[Incident]:
    """The open incidents that somebody was told of. Never raises; none if the store cannot be read."""
    try:
        return Desk.of(settings).told()
    except Exception as error:  # as above
        _log("Open incidents could not be read", error)
        return []


def tend_safely(settings: Settings, now: datetime) -> Flushed | None:
    """Escalate, forget, and send what is due. Never raises; lasts little longer than `delivery.flush_seconds`.

    Returns:
        None if it could not be done, which is in the log.
    """
    try:
        desk = Desk.of(settings)
        desk.tend(now)
        flushed = desk.outbox.flush(now)
    except Exception as error:  # as above
        _log("Alerts could not be sent", error)
        return None
    for channel, reason in flushed.problems:
        logger.warning("An alert was not delivered over %s: %s", channel, reason)
    return flushed


def _log(what: str, error: Exception) -> None:
    # No secret is known here for sure, since alerts.yml may be what is broken; errors of files and YAML name none.
    logger.error("%s: %s: %s", what, type(error).__name__, harmless(error, Secrets()))


def _harmless_report(report: Report, secrets: Secrets) -> Report:
    """The report with every text of it one harmless line without secrets."""

    def clean(value: Any, longest: int = 1000) -> Any:
        if value is None or isinstance(value, bool | int):
            return value
        return harmless(value, secrets, longest)

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
    """One finding per asset and check: of several, as of several delivery days, the worst that failed, for all days."""
    by_check: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        by_check.setdefault((finding.asset, finding.check), []).append(finding)
    found = []
    for group in by_check.values():
        failing = [finding for finding in group if not finding.passed]
        worst = max(failing or group, key=lambda finding: RANK[finding.severity])
        days = sorted({day for finding in failing or group for day in finding.deliveries})
        more = f" And so in {len(failing) - 1} more." if len(failing) > 1 else ""
        found.append(replace(worst, deliveries=tuple(days), message=worst.message + more))
    return found
