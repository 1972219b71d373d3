"""The `kpi` command.

Belongs here: arguments, exit codes, and turning errors into messages. Exit codes: 0 success, 1 the job failed or was
blocked, 2 an invalid argument or setting, 130 the command was interrupted.
Does not belong here: the work that commands do. Only the commands that need Dagster, dbt and Great Expectations import
them, so that the other commands respond immediately.
"""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from pipelines.config_files import ConfigError
from pipelines.output import Excel, Format, Target, UsageError, counted, local_time
from pipelines.settings import get_settings
from pipelines.warehouse import NotPublishedError, hold_writer_lock, release_writer_lock

if TYPE_CHECKING:
    from pipelines.alerts.desk import Desk
    from pipelines.quality.quarantined_rows import State
    from pipelines.quarantine import Selection
    from pipelines.run import Plan

app = typer.Typer(
    help="Turn deliveries into sales KPIs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},  # commands inherit it
)
quarantine_app = typer.Typer(help="Refused files and unreadable rows.", no_args_is_help=True)
app.add_typer(quarantine_app, name="quarantine")
sources_app = typer.Typer(help="Add and check your own sources.", no_args_is_help=True)
app.add_typer(sources_app, name="sources")
alerts_app = typer.Typer(help="Incidents and notifications.", no_args_is_help=True)
app.add_typer(alerts_app, name="alerts")


class _Screen(Console):
    """The console that commands print to. A reader that stops early, as `head` does, does not stop the command."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


console = _Screen(file=sys.stdout, highlight=False, soft_wrap=True)
errors = _Screen(stderr=True, highlight=False, soft_wrap=True)

FAILED, USAGE, INTERRUPTED = 1, 2, 130


Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"])]
By = Annotated[str | None, typer.Option(help="Who does this; by default the user who is logged in.")]
Output = Annotated[
    Path | None,
    typer.Option("--output", help="Write to this file. Its extension sets the format if --format does not."),
]
OfFormat = Annotated[Format | None, typer.Option("--format", help="By default, a table.")]
Listing = Annotated[Format, typer.Option("--format", help="table or json.")]
ForExcel = Annotated[
    Excel | None,
    typer.Option("--excel", help="Write CSV that Excel opens as a table, with decimals like 1.5 or 1,5."),
]


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"kpi {version('sales-kpi-pipeline')}")
        raise typer.Exit


@app.callback()
def every_command(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Turn deliveries into sales KPIs."""


@app.command()
def status(output: Listing = Format.table) -> None:
    """Say whether today is good and, if not, what is wrong and what to do. Exit code 1 if something needs a person."""
    from pipelines.sources import load_sources
    from pipelines.status import as_json, gather, lines, print_status

    with _errors_in_words():
        as_json_wanted = _is_json(output)
        settings = get_settings()
        facts = gather(settings, load_sources(settings.sources, settings.company_dir), _now())
    if as_json_wanted:
        console.print(as_json(facts), markup=False)
    else:
        print_status(facts, console)
    if not all(line.ok for line in lines(facts)):
        raise typer.Exit(FAILED)


@app.command()
def doctor() -> None:
    """Examine the installation: programs, settings, disk, permissions, ports, leftovers, clock. Name remedies."""
    from pipelines.doctor import examine, print_diagnosis

    diagnosis = examine(get_settings, _now())
    print_diagnosis(diagnosis, console)
    if diagnosis.is_misconfigured:
        raise typer.Exit(USAGE)
    if diagnosis.failed:
        raise typer.Exit(FAILED)


@app.command()
def run(
    day: Annotated[datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="One delivery day.")] = None,
    first: Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First delivery day.")] = None,
    last: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last delivery day.")] = None,
    full_refresh: Annotated[bool, typer.Option(help="Rebuild every table from raw.")] = False,
    profile: Annotated[bool, typer.Option("--profile", help="Print where the time went, and save it as JSON.")] = False,
) -> None:
    """Land deliveries, bring staging and marts up to date, check every stage and publish.

    Without a day: all deliveries that have arrived and have not landed yet.
    """
    from pipelines.partitions import business_day, days_in_words
    from pipelines.run import NothingDeliveredError, delivered_again, plan
    from pipelines.sources import load_sources

    if (first is None) != (last is None) or (day and first):
        raise typer.BadParameter("give --date, or --from and --to, or nothing")
    with _errors_in_words():
        settings = get_settings()
        sources = load_sources(settings.sources, settings.company_dir)
        begin, end = _date(day or first), _date(day or last)
        if begin and begin < settings.first_delivery:
            raise ConfigError(f"{begin} lies before first_delivery, {settings.first_delivery}, of the settings.")
        if begin and end and end < begin:
            raise ConfigError(f"--to {end} lies before --from {begin}.")
        if end and end >= business_day(settings):
            raise ConfigError(f"{end} is not over yet. A delivery day can be run from the next day on.")
        try:
            days = plan(settings, sources, begin, end)
        except NothingDeliveredError as error:
            errors.print(f"[red]Nothing to run.[/red] {error}")
            raise typer.Exit(FAILED) from None
        again = [] if begin else [day for day in delivered_again(settings, sources) if day not in days.days]
        if again:
            each = "; ".join(f"kpi run --date {day}" for day in again[:3])
            console.print(
                f"Files other than those that have landed lie there for {days_in_words(again)}. Not part of this run: "
                + (each if len(again) <= 3 else f"kpi run --from {again[0]} --to {again[-1]}"),
                markup=False,
            )
        if profile:
            _run_and_report_profiled(days, full_refresh)
        else:
            _run_and_report(days, full_refresh)


def _run_and_report_profiled(days: "Plan", full_refresh: bool) -> None:
    from pipelines.profiling import print_profile, profiled, save_profile

    with profiled() as profile:
        try:
            _run_and_report(days, full_refresh)
        finally:
            print_profile(profile, console)
            kept = save_profile(profile, f"kpi run, {days}", get_settings().data_dir / "profiles")
            console.print(f"Kept: {kept}", markup=False)


def _run_and_report(days: "Plan", full_refresh: bool = False) -> None:
    """Run delivery days, then show the scorecard and what is in quarantine, or what blocked publication."""
    from pipelines.alerts.desk import told_safely
    from pipelines.left_out import left_out_lines
    from pipelines.quarantine import Quarantine
    from pipelines.run import execute, prepare_instance
    from pipelines.show import show_scorecard

    settings = get_settings()
    prepare_instance(settings)
    blocked = execute(days, console, full_refresh)
    files, rows = Quarantine.of(settings).counts()
    if files or rows:
        console.print(f"In quarantine: {counted(files, 'file')}, {counted(rows, 'row')}. See kpi quarantine list.")
    if told := told_safely(settings):
        console.print(f"Alerts: {counted(len(told), 'open incident')}. See kpi alerts list.")
    for title, problems in blocked.items():
        errors.print("Blocked: nothing of this run was published, the file published before stays.", style="red")
        errors.print(f"  {title}:", markup=False)
        for problem in problems:
            errors.print(f"  {problem}", markup=False)
    if blocked:
        errors.print("Repair the delivery or the rule and run the day again; `kpi dev` shows the run in the UI.")
        raise typer.Exit(FAILED)
    show_scorecard(settings.published_dir, settings.zone, console)
    for line in left_out_lines(settings.published_dir):
        console.print(line, markup=False)
    console.print(f"Published: {settings.published_dir / 'kpi.duckdb'}", markup=False)
    kpi = "kpi" if shutil.which("kpi") else ".venv/bin/kpi"
    console.print(f"Ask it: {kpi} show revenue --by channel. Watch runs and checks: {kpi} dev, {settings.ui_url}.")


@app.command()
def accept(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="For example shop.")],
    table: Annotated[str, typer.Argument(metavar="TABLE", help="For example orders.")],
    day: Annotated[datetime, typer.Argument(metavar="DAY", formats=["%Y-%m-%d"], help="The delivery day.")],
    reason: Annotated[str, typer.Option(help="Why; stored, and shown with the publication.")],
    by: By = None,
    without_rows: Annotated[
        bool, typer.Option("--without-rows", help="Go on without the delivery instead: leave its rows out.")
    ] = False,
) -> None:
    """Accept a rejected or missing delivery. The decision expires when a different file arrives."""
    from pipelines.alerts.commands import login_name
    from pipelines.deliveries.accepting import accept as decide
    from pipelines.sources import load_sources

    with _errors_in_words():
        settings = get_settings()
        sources = load_sources(settings.sources, settings.company_dir)
        delivery = decide(
            settings,
            sources,
            source,
            table,
            day.date(),
            by=by or login_name(),
            reason=reason,
            with_rows=not without_rows,
        )
    what = "counts as it is" if delivery.state == "accepted" and delivery.is_landed else "is not waited for"
    console.print(
        f"{delivery} {'is left out' if delivery.state == 'left_out' else what}, decided by {delivery.decided_by}: "
        f"{delivery.reason}",
        markup=False,
    )
    console.print(f"The next run publishes accordingly: kpi run --date {day.date()}")


@app.command()
def show(
    kpi_id: Annotated[str, typer.Argument(metavar="KPI", help="For example revenue or lead_conversion.")],
    by: Annotated[str, typer.Option(help="company, team, rep, channel, segment or region.")] = "company",
    month: Annotated[str | None, typer.Option(help="One month, like 2025-06.")] = None,
    variant: Annotated[str | None, typer.Option(help="A variant, like gross or cohort_30d.")] = None,
    output: OfFormat = None,
    to: Output = None,
    excel: ForExcel = None,
) -> None:
    """Print a KPI by month from the published file."""
    from pipelines.show import show_kpi

    with _errors_in_words():
        try:
            start = datetime.strptime(month, "%Y-%m").date() if month else None
        except ValueError:
            raise typer.BadParameter(f"{month!r} is not a month like 2025-06", param_hint="--month") from None
        settings = get_settings()
        target = Target.of(output, to, excel)
        show_kpi(settings.published_dir, settings.zone, kpi_id, by, start, variant, target)


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help='For example "select * from marts.kpi_scorecard__monthly".')],
    output: OfFormat = None,
    to: Output = None,
    excel: ForExcel = None,
    limit: Annotated[int, typer.Option(min=0, help="How many rows to print as a table on the screen.")] = 40,
    everything: Annotated[
        bool, typer.Option("--all", help="Print all rows. Other formats always contain all rows.")
    ] = False,
) -> None:
    """Run a query on the published file. The query cannot read anything else or change anything."""
    from pipelines.query import run_sql

    with _errors_in_words():
        run_sql(get_settings().published_dir, query, Target.of(output, to, excel), None if everything else limit)


@app.command()
def versions(output: Listing = Format.table) -> None:
    """List the publications that are kept, newest first."""
    from pipelines.publish.versions import print_versions

    with _errors_in_words():
        settings = get_settings()
        print_versions(settings.published_dir, settings.zone, _is_json(output), console)


@app.command()
def rollback(
    publication: Annotated[
        str | None, typer.Argument(help="Its id, or the beginning of its id; by default the previous one.")
    ] = None,
) -> None:
    """Switch analysts to an earlier publication until a run publishes again."""
    from pipelines.publish.versions import NoSuchVersionError, roll_back

    with _errors_in_words():
        try:
            version = roll_back(get_settings().published_dir, publication)
        except NoSuchVersionError as error:
            raise ConfigError(str(error)) from None
        console.print(f"Analysts now read {version.publication_id}, as of {version.as_of_date}.", markup=False)
        console.print("The next run that passes publishes again.")


Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Ids, or the beginnings of ids.")]
OfSource = Annotated[str | None, typer.Option("--source", help="Only this source.")]
OfTable = Annotated[str | None, typer.Option("--table", help="Only this table.")]
OfDay = Annotated[datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="Only this delivery day.")]


@quarantine_app.command("list")
def quarantine_list(
    source: OfSource = None,
    table: OfTable = None,
    day: OfDay = None,
    each: Annotated[
        bool, typer.Option("--all", help="Each file and row, instead of counts by table and reason.")
    ] = False,
    closed: Annotated[bool, typer.Option("--closed", help="Include resolved and dismissed ones.")] = False,
    output: Listing = Format.table,
) -> None:
    """List what is in quarantine, by table and reason."""
    from pipelines.quarantine import Quarantine, chosen, print_json, print_list

    with _errors_in_words():
        settings = get_settings()
        states: tuple[State, ...] = () if closed else ("open",)
        files, rows = chosen(Quarantine.of(settings), _selection(None, source, table, day), *states)
        if _is_json(output):
            print_json(files, rows, console)
        else:
            print_list(files, rows, each, settings.zone, console)


@quarantine_app.command("show")
def quarantine_show(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids, or the beginnings of ids.")],
) -> None:
    """Show files and rows as they were delivered, with personal columns as ***."""
    from pipelines.quarantine import Quarantine, chosen, print_items
    from pipelines.sources import load_sources

    with _errors_in_words():
        settings = get_settings()
        sources = load_sources(settings.sources, settings.company_dir)
        found = chosen(Quarantine.of(settings), _selection(ids, None, None, None))
        print_items(*found, sources, settings.zone, console)


@quarantine_app.command("replay")
def quarantine_replay(ids: Ids = None, source: OfSource = None, table: OfTable = None, day: OfDay = None) -> None:
    """Run the delivery days of what is in quarantine again, after the file or the rule was repaired."""
    from pipelines.quarantine import Quarantine, chosen, make_ready
    from pipelines.run import Plan

    with _errors_in_words():
        settings = get_settings()
        files, rows = chosen(Quarantine.of(settings), _selection(ids, source, table, day), "open")
        if not files and not rows:
            console.print("Nothing of that is open in quarantine.")
            return
        days = make_ready(settings, files, rows)
        _run_and_report(Plan.day_by_day(days))


@quarantine_app.command("dismiss")
def quarantine_dismiss(
    reason: Annotated[str, typer.Option(help="Why it does not matter; stored with the record.")],
    ids: Ids = None,
    source: OfSource = None,
    table: OfTable = None,
    day: OfDay = None,
) -> None:
    """Dismiss files and rows in quarantine that do not matter. They stay out of every KPI."""
    from pipelines.quarantine import Quarantine, Selection, chosen

    with _errors_in_words():
        selection = _selection(ids, source, table, day)
        if selection == Selection():
            raise ConfigError("Name what to dismiss: ids, --source, --table or --date.")
        quarantine = Quarantine.of(get_settings())
        files, rows = chosen(quarantine, selection, "open")
        for file in files:
            quarantine.files.dismiss(file, reason)
        quarantine.rows.dismiss(rows, reason)
        console.print(f"Dismissed: {counted(len(files), 'file')}, {counted(len(rows), 'row')}.")


@quarantine_app.command("purge")
def quarantine_purge(
    older_than: Annotated[int, typer.Option(min=0, help="Days since it was first seen in quarantine.")] = 90,
    source: OfSource = None,
    table: OfTable = None,
) -> None:
    """Permanently delete what was resolved or dismissed."""
    from pipelines.quarantine import Quarantine, purge

    with _errors_in_words():
        files, rows = purge(Quarantine.of(get_settings()), _selection(None, source, table, None), older_than)
        console.print(f"Deleted: {counted(files, 'file')}, {counted(rows, 'row')}.")


def _selection(ids: list[str] | None, source: str | None, table: str | None, day: datetime | None) -> "Selection":
    from pipelines.quarantine import Quarantine, Selection, check_selection
    from pipelines.sources import load_sources

    selection = Selection(tuple(ids or ()), source, table, str(day.date()) if day else None)
    if source or table:
        settings = get_settings()
        check_selection(Quarantine.of(settings), selection, load_sources(settings.sources, settings.company_dir))
    return selection


Incidents = Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of incidents, or the beginnings of ids.")]


@alerts_app.command("list")
def alerts_list(
    everything: Annotated[bool, typer.Option("--all", help="Include resolved incidents.")] = False,
    output: Listing = Format.table,
) -> None:
    """List open incidents, the most severe first, then dead letters and pending notifications."""
    from pipelines.alerts.commands import print_json, print_list

    with _alerts() as desk:
        if _is_json(output):
            print_json(desk, everything, console)
        else:
            print_list(desk, everything, _now(), console)


@alerts_app.command("show")
def alerts_show(ids: Incidents) -> None:
    """Show everything about incidents, and their history."""
    from pipelines.alerts.commands import chosen, print_incident

    with _alerts() as desk:
        for incident in chosen(desk, ids, resolved=True):
            print_incident(desk, incident, _now(), console)


@alerts_app.command("ack")
def alerts_ack(
    ids: Incidents, by: By = None, reason: Annotated[str, typer.Option(help="What is being done about it.")] = ""
) -> None:
    """Acknowledge incidents: no reminders until they are resolved or become more severe."""
    from pipelines.alerts.commands import chosen, login_name, print_chosen

    with _alerts() as desk:
        incidents = chosen(desk, ids)
        desk.acknowledge(incidents, by or login_name(), reason, _now())
        print_chosen("Acknowledged", incidents, console)


@alerts_app.command("mute")
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
    from pipelines.alerts.commands import chosen, login_name, print_chosen
    from pipelines.alerts.commands import until as end_of_mute

    with _alerts() as desk:
        now = _now()
        end = end_of_mute(until, duration, now, desk.zone)
        incidents = chosen(desk, ids)
        desk.mute(incidents, end, by or login_name(), reason, now)
        print_chosen(f"Muted until {local_time(end, desk.zone)}", incidents, console)


@alerts_app.command("unmute")
def alerts_unmute(ids: Incidents, by: By = None) -> None:
    """Unmute incidents."""
    from pipelines.alerts.commands import chosen, login_name, print_chosen

    with _alerts() as desk:
        incidents = chosen(desk, ids)
        if loud := [incident.id for incident in incidents if incident.state != "muted"]:
            raise ConfigError(f"Not muted: {', '.join(loud)}.")
        desk.unmute(incidents, by or login_name(), _now())
        print_chosen("Unmuted", incidents, console)


@alerts_app.command("resolve")
def alerts_resolve(
    ids: Incidents,
    reason: Annotated[str, typer.Option(help="Why it is over although no check has passed; stored with the incident.")],
    by: By = None,
) -> None:
    """Resolve incidents although no check has passed. Another failure opens a new incident."""
    from pipelines.alerts.commands import chosen, login_name, print_chosen

    with _alerts() as desk:
        incidents = chosen(desk, ids)
        desk.resolve(incidents, by or login_name(), reason, _now())
        print_chosen("Resolved", incidents, console)


@alerts_app.command("test")
def alerts_test(
    channel: Annotated[str | None, typer.Option(help="Use only this channel of alerts.yml.")] = None,
) -> None:
    """Immediately send a test notification over each channel, and say for each whether it was sent."""
    from pipelines.alerts.commands import test_channels

    with _alerts() as desk:
        if not test_channels(desk, channel, _now(), console):
            raise typer.Exit(FAILED)


@alerts_app.command("flush")
def alerts_flush(dead: Annotated[bool, typer.Option("--dead", help="Also retry dead letters.")] = False) -> None:
    """Send what is due. Exit code 1 while there are dead letters."""
    from pipelines.alerts.commands import flush

    with _alerts() as desk:
        if not flush(desk, dead, _now(), console):
            raise typer.Exit(FAILED)


@alerts_app.command("watchdog")
def alerts_watchdog() -> None:
    """For cron: do what the daemon's sensors do, check the daemon, too, and send what is due.

    Exit code 1 while something is wrong.
    """
    from pipelines.alerts.sensors import watchdog
    from pipelines.checks import load_all_suites
    from pipelines.run import prepare_instance
    from pipelines.sources import load_sources

    with _alerts() as desk:
        settings = desk.settings
        prepare_instance(settings)
        sources = load_sources(settings.sources, settings.company_dir)
        wrong = watchdog(settings, sources, load_all_suites(settings, sources))
    for line in wrong:
        errors.print(line, markup=False)
    if wrong:
        errors.print("kpi alerts list says more.")
        raise typer.Exit(FAILED)
    if console.is_terminal:  # cron mails any output
        console.print("Nothing is wrong.")


@contextmanager
def _alerts() -> Iterator["Desk"]:
    """The desk of this installation. If its store cannot be used, print why and exit."""
    from pipelines.alerts.desk import Desk

    with _errors_in_words():
        settings = get_settings()
        try:
            yield Desk.of(settings)
        except (sqlite3.Error, OSError) as error:
            errors.print(f"{settings.alerts_path} cannot be used: {error}.", markup=False, style="red")
            raise typer.Exit(FAILED) from None


def _now() -> datetime:
    """The time at which a person acts on alerts. Alerts get the time from here or from sensors, and read no clock."""
    return datetime.now(UTC)


@app.command()
def dev(
    port: Annotated[int, typer.Option(help="Port of the UI on 127.0.0.1.")] = 3000,
    docs_port: Annotated[
        int | None, typer.Option(help="Port of check results and documentation; default: the port after the UI's.")
    ] = None,
) -> None:
    """Serve the Dagster UI, with schedule and sensors, on the same run history as `kpi run`."""
    from pipelines.dev import serve

    with _errors_in_words():
        settings = get_settings()
    raise typer.Exit(serve(settings, port, docs_port or port + 1, console))


@app.command()
def validate() -> None:
    """Check that settings, sources, suites, alerts and models load, and that Dagster can load every definition."""
    from pipelines.run import prepare_instance

    with _errors_in_words():
        prepare_instance(get_settings())
        import dagster as dg

        from pipelines.definitions import defs

        definitions = defs()
    dg.Definitions.validate_loadable(definitions)
    console.print("Settings, sources, suites, alerts and models load, and so does every definition of Dagster.")


@sources_app.command("add")
def add(
    what: Annotated[str, typer.Argument(metavar="FILE", help="A delivered file, or postgresql-env:NAME_OF_VARIABLE.")],
    name: Annotated[str | None, typer.Option(help="Name of the source, like webshop.")] = None,
    table: Annotated[str | None, typer.Option(help="The table, like orders; of a database: public.orders.")] = None,
    entity: Annotated[str | None, typer.Option(help="What a row stands for, like orders or ad_spend.")] = None,
    owner: Annotated[str, typer.Option(help="Who owns the source: team:<name> or an e-mail address.")] = "team:data",
    encoding: Annotated[str | None, typer.Option(help="If detected incorrectly: utf-8, cp1250, cp1252, …")] = None,
    dates: Annotated[str | None, typer.Option(help="If day and month can be confused: dd/mm/yyyy, …")] = None,
    decimal: Annotated[str | None, typer.Option(help="If thousands and decimals can be confused: , or .")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing files.")] = False,
) -> None:
    """Describe a delivered file and draft its source in the company folder: YAML and models. Moves no data."""
    from pipelines.onboarding.adding import add_source

    with _errors_in_words():
        add_source(what, get_settings(), console, name, table, entity, owner, force, encoding, dates, decimal)


@sources_app.command("check")
def check(
    name: Annotated[str, typer.Argument(metavar="SOURCE", help="The source, enabled or not.")],
    day: OfDay = None,
    file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Try this file, which can be anywhere.")
    ] = None,
    table: Annotated[str | None, typer.Option(help="The table to which --file is delivered.")] = None,
) -> None:
    """Try deliveries without touching anything: what lands, what is rejected, which checks fail, how KPIs change."""
    from pipelines.partitions import business_day
    from pipelines.rehearsal import Given, print_rehearsal, rehearse
    from pipelines.sources import load_sources

    with _errors_in_words():
        settings = get_settings()
        given = None
        if file:
            [source] = load_sources([name], settings.company_dir)
            if not table and len(source.tables) > 1:
                raise ConfigError(f"Say which table it is: --table {' or '.join(source.tables)}.")
            on = _date(day) or business_day(settings) - timedelta(days=1)
            given = Given(file, table or next(iter(source.tables)), on)
        found = rehearse(settings, name, _date(day), given)
        print_rehearsal(found, name, console)
    if found.refused or found.said_by_dbt or found.is_blocked:
        raise typer.Exit(FAILED)


@app.command()
def docs(
    port: Annotated[int, typer.Option(help="Where the page is served, on 127.0.0.1.")] = 3002,
    build: Annotated[bool, typer.Option("--build", help="Build the page, and do not serve it.")] = False,
) -> None:
    """Build and serve dbt's documentation: every model and column, the SQL, and the lineage."""
    from pipelines.quality.docs_server import server
    from pipelines.sources import load_sources
    from pipelines.transform.model_docs import build_model_docs

    with _errors_in_words():
        settings = get_settings()
        hold_writer_lock(settings.warehouse_path, "`kpi docs`", errors.print)
        page = build_model_docs(settings, load_sources(settings.sources, settings.company_dir))
        release_writer_lock(settings.warehouse_path)
        console.print(f"Built: {page}", markup=False, soft_wrap=True)
        if build:
            return
        try:
            pages = server(page.parent, "127.0.0.1", port)
        except OSError as error:
            raise UsageError(f"--port {port}: {error.strerror}. Name another one.") from None
        console.print(f"Read it at http://127.0.0.1:{port}/{page.name}. Ctrl-C ends this.", markup=False)
        with suppress(KeyboardInterrupt):
            pages.serve_forever()


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def mf(context: typer.Context) -> None:
    """Query MetricFlow, for example: kpi mf -- query --metrics win_rate_count --group-by metric_time__month."""
    from pipelines.sources import load_sources
    from pipelines.transform.semantic_layer import MF, assemble_semantic_layer, semantic_layer_environment

    with _errors_in_words():
        settings = get_settings()
        folder = assemble_semantic_layer(settings, load_sources(settings.sources, settings.company_dir))
    finished = subprocess.run([str(MF), *context.args], cwd=folder, env=semantic_layer_environment(folder), check=False)
    raise typer.Exit(finished.returncode)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def dbt(context: typer.Context) -> None:
    """Run dbt as the pipeline does, for example: kpi dbt -- test --select test_type:unit."""
    from pipelines.sources import load_sources
    from pipelines.transform.project import as_of_date, assemble_project, dbt_command, dbt_environment, dbt_variables

    with _errors_in_words():
        settings = get_settings()
        sources = load_sources(settings.sources, settings.company_dir)
        environment = {**os.environ, **dbt_environment(settings, as_of_date(settings, sources))}
        command = dbt_command(context.args, assemble_project(settings), dbt_variables(settings, sources))
        hold_writer_lock(settings.warehouse_path, "`kpi dbt`", errors.print)
    raise typer.Exit(subprocess.run(command, env=environment, check=False).returncode)


@contextmanager
def _errors_in_words() -> Iterator[None]:
    try:
        yield
    except (ConfigError, UsageError) as error:
        errors.print(str(error), markup=False, style="red")
        raise typer.Exit(USAGE) from None
    except NotPublishedError as error:
        errors.print(str(error), markup=False, style="red")
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt as interrupt:
        errors.print(str(interrupt) or "Interrupted.", markup=False)
        raise typer.Exit(INTERRUPTED) from None


def _is_json(output: Format) -> bool:
    if output not in (Format.table, Format.json):
        raise UsageError(f"--format {output}: lists are printed as table or json.")
    return output is Format.json


def _date(moment: datetime | None) -> date | None:
    return moment.date() if moment else None


def main() -> None:
    """Run the command that was typed."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # SIGTERM acts like Ctrl-C
    app()
