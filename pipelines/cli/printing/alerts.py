"""Prints incidents and notifications, and what became of those that a command sends."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console

from pipelines.alerts.channels import ChannelError, Letter, Post
from pipelines.alerts.digests import digests, receivers
from pipelines.alerts.incidents import RANK, Because, Incident
from pipelines.alerts.masking import sanitize
from pipelines.alerts.messages import as_text, content, key_of, state_in_words, test_content
from pipelines.alerts.outbox import Flushed
from pipelines.alerts.reports import STEP_FAILED
from pipelines.alerts.service import AlertService
from pipelines.alerts.store import Notice
from pipelines.config_files import ConfigError
from pipelines.formatting import local_time, printable
from pipelines.publish.versions import current_version
from pipelines.tables import is_raw

_ID_LENGTH = 8


def print_list(service: AlertService, everything: bool, now: datetime, console: Console) -> None:
    """Print incidents, the most severe first, with `everything` resolved ones too; then undelivered notifications."""
    zone = service.zone
    found, dead, queued = _on_record(service, everything)
    if not found:
        console.print("No incident is on record." if everything else "No incident is open.")
    groups: dict[tuple[str, ...], list[Incident]] = {}
    for incident in found:
        groups.setdefault((state_in_words(incident, zone), incident.severity, *_cause(incident)), []).append(incident)
    for (standing, severity, *_), members in groups.items():
        first = members[0]
        if len(members) == 1:
            _print(console, f"{first.id[:_ID_LENGTH]}  {standing}  {severity}  {first.title}")
            _print(console, f"    {first.finding.message}")
        else:
            assets = ", ".join(incident.asset for incident in members)
            _print(console, f"{len(members)} incidents  {standing}  {severity}  {first.check} of {assets}")
            _print(console, f"    {_without_place(first)}")
            _print(console, f"    {', '.join(incident.id[:_ID_LENGTH] for incident in members)}")
        ended = f", resolved {local_time(first.resolved_at, zone)}" if first.resolved_at else ""
        _print(
            console,
            f"    since {local_time(min(incident.opened_at for incident in members), zone)}, "
            f"last seen {local_time(max(incident.last_seen_at for incident in members), zone)}"
            f", {first.times:,}x{ended}, owner {', '.join(sorted({one.finding.owner for one in members}))}",
        )
    for notice in dead:
        _print(console, f"dead letter  {notice.channel}  {notice.content['subject']}")
        _print(console, f"    given up after {notice.attempts} attempts: {notice.last_error}")
    for notice in queued:
        tried = f", tried {notice.attempts}x: {notice.last_error}" if notice.last_error else ""
        when = "at the next flush" if notice.next_try_at <= now else f"at {local_time(notice.next_try_at, zone)}"
        _print(console, f"waiting  {notice.channel}  {notice.content['subject']}")
        _print(console, f"    will be sent {when}{tried}")
    if found and not everything:
        _print(console, "kpi alerts show ID shows all details; ack ID acknowledges; mute ID mutes for a while.")
    if dead:
        _print(console, "kpi alerts flush --dead retries dead letters; kpi alerts test tests the channels.")


def print_digests(service: AlertService, console: Console) -> None:
    """Print what the current publication has to say to each channel that receives digests.

    Raises:
        NotPublishedError: nothing has been published yet.
    """
    channels = receivers(service.alerts)
    if not channels:
        _print(console, "No channel of alerts.yml receives digests. Add to one: digest: weekly, or digest: on_change.")
        return
    said = dict(digests(channels, service.settings, current_version(service.settings.published_dir)))
    for name, channel in channels.items():
        _print(console, f"{name} ({channel.digest}, {channel.language}):")
        if digest := said.get(name):
            for line in (digest.subject, *digest.lines, digest.page):
                _print(console, f"    {printable(line)}")
        else:
            _print(console, "    nothing moved by more than noise, so nothing is sent")


def print_json(service: AlertService, everything: bool, console: Console) -> None:
    """Print the same as `print_list` for programs: every incident separately, times in UTC."""
    found, dead, queued = _on_record(service, everything)
    console.print_json(
        data={
            "incidents": [
                {
                    "id": incident.id,
                    "state": incident.state,
                    "severity": incident.severity,
                    "asset": incident.asset,
                    "check": incident.check,
                    "message": incident.finding.message,
                    "deliveries": list(incident.finding.deliveries),
                    "owner": incident.finding.owner,
                    "opened_at": _iso(incident.opened_at),
                    "last_seen_at": _iso(incident.last_seen_at),
                    "resolved_at": _iso(incident.resolved_at),
                    "muted_until": _iso(incident.muted_until),
                    "times": incident.times,
                    "notified": list(incident.notified),
                    "told": list(incident.notified),  # the name before 0.2
                    "flapping": incident.flapping,
                    "by": incident.by,
                    "reason": incident.reason,
                    "next_step": incident.finding.next_step,
                    "runbook": incident.finding.runbook,
                }
                for incident in found
            ],
            "notices": [
                {
                    "state": notice.state,
                    "channel": notice.channel,
                    "subject": notice.content["subject"],
                    "attempts": notice.attempts,
                    "next_try_at": _iso(notice.next_try_at) if notice.state == "queued" else None,
                    "last_error": notice.last_error,
                }
                for notice in (*dead, *queued)
            ],
        }
    )


def _on_record(service: AlertService, everything: bool) -> tuple[list[Incident], list[Notice], list[Notice]]:
    """Incidents, open ones first and the most severe first; dead letters; pending notifications."""
    with service.store.transaction() as transaction:
        found = transaction.incidents(resolved=everything)
        dead, queued = transaction.notices("dead"), transaction.notices("queued")
    found.sort(key=lambda one: (one.state == "resolved", -RANK[one.severity], one.opened_at, one.asset))
    return found, dead, queued


def _cause(incident: Incident) -> tuple[str, ...]:
    """What incidents of several deliveries have in common if a person sees them as one problem, such as a day that was
    not delivered. All other incidents are separate.
    """
    if not is_raw(incident.asset) or incident.check != STEP_FAILED:
        return (incident.id,)
    return (incident.check, str(incident.resolved_at), str(incident.times), _without_place(incident))


def _without_place(incident: Incident) -> str:
    """An incident's message without the names of its file and table."""
    table = ".".join(incident.asset.split("/")[1:])
    return re.sub(r"^\S+: ", "", incident.finding.message).replace(table, "a table")


def _iso(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat(timespec="seconds") if moment else None


def print_incident(service: AlertService, incident: Incident, now: datetime, console: Console) -> None:
    """Print everything that is known about an incident, and its history."""
    with service.store.transaction() as transaction:
        history = transaction.history(incident)
        notices = transaction.notices_about(incident.thread)
    because: Because = "new" if incident.times == 1 else "reminder"
    said = (
        content("resolved", [(incident, "resolved")], now, service.settings.time_zone, service.settings.data_docs_url)
        if incident.state == "resolved"
        else content("problem", [(incident, because)], now, service.settings.time_zone, service.settings.data_docs_url)
    )
    _print(console, as_text(said))
    _print(console, f"State: {incident.state}{', flapping' if incident.flapping else ''}. History:")
    for event in history:
        who = f" by {event.who}" if event.who else ""
        detail = f": {event.detail}" if event.detail else ""
        _print(console, f"  {local_time(event.at, service.zone)}  {event.what}{who}{detail}")
    for notice in notices:
        when = local_time(notice.sent_at, service.zone) if notice.sent_at else f"{notice.attempts} attempts"
        problem = f", {notice.last_error}" if notice.last_error else ""
        _print(console, f"  notification over {notice.channel}: {notice.state}, {when}{problem}")


def print_chosen(done: str, incidents: Sequence[Incident], console: Console) -> None:
    """Print what a command did to which incidents."""
    for incident in incidents:
        _print(console, f"{done}: {incident.id[:_ID_LENGTH]}  {incident.title}")


def test_channels(service: AlertService, only: str | None, now: datetime, console: Console) -> bool:
    """Immediately send a test notification over each channel; True if all were sent.

    Raises:
        ConfigError: there is no channel with this name.
    """
    channels = service.alerts.channels
    if only is not None and only not in channels:
        raise ConfigError(f"alerts.yml has no channel {only!r}. Its channels: {', '.join(channels)}.")
    well = True
    for name in [only] if only else list(channels):
        delivery = service.alerts.delivery
        said = test_content(name, now, service.settings.time_zone)
        letter = Letter(key_of(f"test at {now}", name, ()), said)
        try:
            Post(service.settings.data_dir, delivery, now).send(channels[name], letter, delivery.flush_seconds)
        except ChannelError as error:
            well = False
            _print(console, f"{name}: failed: {sanitize(error, service.alerts.secrets())}")
        else:
            _print(console, f"{name}: sent")
    return well


def flush(service: AlertService, revive: bool, now: datetime, console: Console) -> bool:
    """Send what is due; with `revive`, dead letters, too. True if none is dead and no other process was sending."""
    if revive:
        revived, withdrawn = service.outbox.revive(now)
        _print(console, f"Dead letters: {revived} to be retried, {withdrawn} withdrawn as no longer needed.")
    service.tick(now)
    done: Flushed = service.outbox.flush(now, wait_seconds=2 * service.alerts.delivery.flush_seconds)
    if done.busy:
        _print(console, "Another process is still sending. Try again later.")
        return False
    for channel, reason in done.problems:
        _print(console, f"{channel}: failed: {reason}")
    with service.store.transaction() as transaction:
        dead, waiting = len(transaction.notices("dead")), len(transaction.notices("queued"))
    _print(console, f"Sent: {done.sent}. Waiting: {waiting}. Dead letters: {dead}.")
    return dead == 0


def _print(console: Console, line: str) -> None:
    console.print(line, markup=False)
