"""`kpi alerts`: list, acknowledge, mute and resolve incidents, and send notifications."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from pipelines.cli.common import FAILED, By, Listing, console, errors, errors_in_words, is_json, login_name, now
from pipelines.config_files import ConfigError
from pipelines.formatting import local_time
from pipelines.output import Format
from pipelines.settings import get_settings

if TYPE_CHECKING:
    from pipelines.alerts.incidents import Incident
    from pipelines.alerts.service import AlertService

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}  # of --for

app = typer.Typer(help="Incidents and notifications.", no_args_is_help=True)

Incidents = Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of incidents, or the beginnings of ids.")]


@app.command("list")
def alerts_list(
    everything: Annotated[bool, typer.Option("--all", help="Include resolved incidents.")] = False,
    output: Listing = Format.table,
) -> None:
    """List open incidents, the most severe first, then dead letters and pending notifications."""
    from pipelines.cli.printing.alerts import print_json, print_list

    with _alerts() as service:
        if is_json(output):
            print_json(service, everything, console)
        else:
            print_list(service, everything, now(), console)


@app.command("show")
def alerts_show(ids: Incidents) -> None:
    """Show everything about incidents, and their history."""
    from pipelines.cli.printing.alerts import print_incident

    with _alerts() as service:
        for incident in _chosen(service, ids, resolved=True):
            print_incident(service, incident, now(), console)


@app.command("ack")
def alerts_ack(
    ids: Incidents, by: By = None, reason: Annotated[str, typer.Option(help="What is being done about it.")] = ""
) -> None:
    """Acknowledge incidents: no reminders until they are resolved or become more severe."""
    from pipelines.cli.printing.alerts import print_chosen

    with _alerts() as service:
        incidents = _chosen(service, ids)
        service.acknowledge(incidents, by or login_name(), reason, now())
        print_chosen("Acknowledged", incidents, console)


@app.command("mute")
def alerts_mute(
    ids: Incidents,
    reason: Annotated[str, typer.Option(help="Why it does not matter now; stored with the incident.")],
    until: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"], help="Mute until then, in the business time zone."),
    ] = None,
    duration: Annotated[str | None, typer.Option("--for", help="Mute for this long: 90m, 4h, 2d, 1w.")] = None,
    by: By = None,
) -> None:
    """Mute incidents for a while. If their checks still fail after that, send notifications again."""
    from pipelines.cli.printing.alerts import print_chosen

    with _alerts() as service:
        acted_at = now()
        end = _end_of_mute(until, duration, acted_at, service.zone)
        incidents = _chosen(service, ids)
        service.mute(incidents, end, by or login_name(), reason, acted_at)
        print_chosen(f"Muted until {local_time(end, service.zone)}", incidents, console)


@app.command("unmute")
def alerts_unmute(ids: Incidents, by: By = None) -> None:
    """Unmute incidents."""
    from pipelines.cli.printing.alerts import print_chosen

    with _alerts() as service:
        incidents = _chosen(service, ids)
        if loud := [incident.id for incident in incidents if incident.state != "muted"]:
            raise ConfigError(f"Not muted: {', '.join(loud)}.")
        service.unmute(incidents, by or login_name(), now())
        print_chosen("Unmuted", incidents, console)


@app.command("resolve")
def alerts_resolve(
    ids: Incidents,
    reason: Annotated[str, typer.Option(help="Why it is over although no check has passed; stored with the incident.")],
    by: By = None,
) -> None:
    """Resolve incidents although no check has passed. Another failure opens a new incident."""
    from pipelines.cli.printing.alerts import print_chosen

    with _alerts() as service:
        incidents = _chosen(service, ids)
        service.resolve(incidents, by or login_name(), reason, now())
        print_chosen("Resolved", incidents, console)


@app.command("test")
def alerts_test(
    channel: Annotated[str | None, typer.Option(help="Use only this channel of alerts.yml.")] = None,
) -> None:
    """Immediately send a test notification over each channel, and say for each whether it was sent."""
    from pipelines.cli.printing.alerts import test_channels

    with _alerts() as service:
        if not test_channels(service, channel, now(), console):
            raise typer.Exit(FAILED)


@app.command("digest")
def alerts_digest() -> None:
    """Print the digest of each channel that receives one, as the current publication gives it. Sends nothing."""
    from pipelines.cli.printing.alerts import print_digests

    with _alerts() as service:
        print_digests(service, console)


@app.command("flush")
def alerts_flush(dead: Annotated[bool, typer.Option("--dead", help="Also retry dead letters.")] = False) -> None:
    """Send what is due. Exit code 1 while there are dead letters."""
    from pipelines.cli.printing.alerts import flush

    with _alerts() as service:
        if not flush(service, dead, now(), console):
            raise typer.Exit(FAILED)


@app.command("watchdog")
def alerts_watchdog() -> None:
    """For cron: do what the daemon's sensors do, check the daemon, too, and send what is due.

    Exit code 1 while something is wrong.
    """
    from pipelines.alerts.sensors import watchdog
    from pipelines.checks.assets import load_all_suites
    from pipelines.runs.job import prepare_instance
    from pipelines.sources import enabled_sources

    with _alerts() as service:
        settings = service.settings
        prepare_instance(settings)
        sources = enabled_sources(settings)
        wrong = watchdog(settings, sources, load_all_suites(settings, sources))
    for line in wrong:
        errors.print(line, markup=False)
    if wrong:
        errors.print("For details: kpi alerts list")
        raise typer.Exit(FAILED)
    if console.is_terminal:  # cron mails any output
        console.print("No problems found.")


@contextmanager
def _alerts() -> Iterator["AlertService"]:
    """The alert service of this installation. If its store cannot be used, print why and exit."""
    from pipelines.alerts.service import AlertService

    with errors_in_words():
        settings = get_settings()
        try:
            yield AlertService.of(settings)
        except OSError as error:
            errors.print(f"{settings.alerts_path} cannot be used: {error}.", markup=False, style="red")
            raise typer.Exit(FAILED) from None


def _chosen(service: "AlertService", starts: Sequence[str], resolved: bool = False) -> "list[Incident]":
    """The incidents whose ids begin with `starts`: open ones, and with `resolved` resolved ones, too.

    Raises:
        ConfigError: no id, or more than one id, has one of the beginnings.
    """
    with service.store.transaction() as transaction:
        everything = transaction.incidents(resolved=True)
    found: dict[str, Incident] = {}
    for start in starts:
        fitting = [incident for incident in everything if incident.id.startswith(start.lower())]
        if not fitting:
            raise ConfigError(f"No incident has an id that begins with {start!r}. See `kpi alerts list --all`.")
        if len(fitting) > 1:
            raise ConfigError(
                f"{len(fitting)} incidents have ids that begin with {start!r}: "
                f"{', '.join(incident.id for incident in fitting[:5])}. Give more characters of the id."
            )
        [incident] = fitting
        if incident.state == "resolved" and not resolved:
            raise ConfigError(f"{incident.id} is already resolved.")
        found[incident.id] = incident
    return list(found.values())


def _end_of_mute(moment: datetime | None, duration: str | None, now: datetime, zone: ZoneInfo) -> datetime:
    """When a mute ends, given as a time in the business time zone or as a duration like 4h.

    Raises:
        ConfigError: neither or both are given, or the time has passed already.
    """
    if moment is not None and duration is None:
        end = moment.replace(tzinfo=zone).astimezone(UTC)
        if end <= now:
            raise ConfigError(f"--until {moment:%Y-%m-%d %H:%M} is in the past.")
        return end
    if moment is None and duration is not None:
        if not (parts := re.fullmatch(r"(\d{1,4})([mhdw])", duration.strip().lower())):
            raise ConfigError(f"--for {duration}: expected a number and m, h, d or w, like 90m or 2d.")
        return now + timedelta(**{_UNITS[parts[2]]: int(parts[1])})
    raise ConfigError("Specify how long: --until 2026-01-31, or --for 4h (m, h, d, w).")
