"""`kpi run` and `kpi accept`: run delivery days, and decide about deliveries that block them."""

import shutil
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.common import FAILED, By, as_date, console, errors, errors_in_words, login_name
from pipelines.config_files import ConfigError
from pipelines.formatting import counted
from pipelines.settings import get_settings

if TYPE_CHECKING:
    from pipelines.runs.job import Plan

app = typer.Typer()

FROM = "First delivery day. With --to alone, all days up to it."
TO = "Last delivery day. With --from alone, all days up to the newest."


@app.command()
def run(
    day: Annotated[datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="One delivery day.")] = None,
    first: Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help=FROM)] = None,
    last: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help=TO)] = None,
    full_refresh: Annotated[bool, typer.Option(help="Rebuild every table from raw.")] = False,
    profile: Annotated[bool, typer.Option("--profile", help="Print where the time went, and save it as JSON.")] = False,
) -> None:
    """Land deliveries, bring staging and marts up to date, check every stage and publish.

    Without a day: all deliveries that have arrived and have not landed yet.
    """
    from pipelines.partitions import business_day, days_in_words
    from pipelines.runs.job import NothingDeliveredError, delivered_again, newest_day, plan
    from pipelines.sources import enabled_sources

    if day and (first or last):
        raise typer.BadParameter("give --date for one day, or --from, --to or both for several")
    with errors_in_words():
        settings = get_settings()
        sources = enabled_sources(settings)
        begin, end = as_date(day or first), as_date(day or last)
        for asked in filter(None, (begin, end)):
            if asked < settings.first_delivery:
                raise ConfigError(f"{asked} is before the setting first_delivery ({settings.first_delivery}).")
        if begin and not end:
            end = newest_day(settings, sources)
            if end is None or end < begin:
                newest = f"The newest delivery is for {end}" if end else f"There is none in {settings.landing_dir}"
                raise ConfigError(
                    f"Nothing was delivered for {begin} or a later day. {newest}. Deliver it, or give an earlier day."
                )
        if end and not begin:
            begin = settings.first_delivery
        if begin and end and end < begin:
            raise ConfigError(f"--to {end} is before --from {begin}.")
        if end and end >= business_day(settings):
            raise ConfigError(f"{end} is not over yet. You can run a delivery day from the next day on.")
        try:
            days = plan(settings, sources, begin, end)
        except NothingDeliveredError as error:
            errors.print(f"[red]Nothing to run.[/red] {error}")
            raise typer.Exit(FAILED) from None
        again = [] if begin else [day for day in delivered_again(settings, sources) if day not in days.days]
        if again:
            each = "; ".join(f"kpi run --date {day}" for day in again[:3])
            console.print(
                f"The landing folder contains new or changed files for {days_in_words(again)}. "
                "They are not part of this run. To run them: "
                + (each if len(again) <= 3 else f"kpi run --from {again[0]} --to {again[-1]}"),
                markup=False,
            )
        if profile:
            _run_and_report_profiled(days, full_refresh)
        else:
            run_and_report(days, full_refresh)


def _run_and_report_profiled(days: "Plan", full_refresh: bool) -> None:
    from pipelines.cli.printing.profile import print_profile
    from pipelines.runs.profiling import profiled, save_profile

    with profiled() as profile:
        try:
            run_and_report(days, full_refresh)
        finally:
            print_profile(profile, console)
            kept = save_profile(profile, f"kpi run, {days}", get_settings().data_dir / "profiles")
            console.print(f"Saved: {kept}", markup=False)


def run_and_report(days: "Plan", full_refresh: bool = False) -> None:
    """Run delivery days, then show the scorecard and what is in quarantine, or what blocked publication."""
    from pipelines.alerts.service import notified_safely
    from pipelines.cli.printing.show import show_scorecard
    from pipelines.ingest.landing import skipped_lines
    from pipelines.publish.left_out import left_out_lines
    from pipelines.publish.versions import what_stays
    from pipelines.quarantine.decisions import Quarantine
    from pipelines.runs.job import execute, prepare_instance
    from pipelines.sources import enabled_sources

    settings = get_settings()
    prepare_instance(settings)
    blocked = execute(days, console, full_refresh)
    for line in skipped_lines(settings.raw_dir, enabled_sources(settings), days.days):
        console.print(line, markup=False)
    files, rows = Quarantine.of(settings).counts()
    if files or rows:
        console.print(f"In quarantine: {counted(files, 'file')}, {counted(rows, 'row')}. See kpi quarantine list.")
    if incidents := notified_safely(settings):
        console.print(f"Alerts: {counted(len(incidents), 'open incident')}. See kpi alerts list.")
    for title, problems in blocked.items():
        errors.print(f"Blocked: this run published nothing, and {what_stays(settings.published_dir)}.", style="red")
        errors.print(f"  {title}:", markup=False)
        for problem in problems:
            errors.print(f"  {problem}", markup=False)
    if blocked:
        errors.print(
            "Correct the delivery, the model or the rule, then run the day again. `kpi dev` shows the run in the UI."
        )
        raise typer.Exit(FAILED)
    show_scorecard(settings.published_dir, settings.zone, console)
    for line in left_out_lines(settings.published_dir):
        console.print(line, markup=False)
    console.print(f"Published: {settings.published_dir / 'kpi.duckdb'}", markup=False)
    here = Path(sys.executable).with_name("kpi")
    kpi = "kpi" if shutil.which("kpi") else here.relative_to(Path.cwd()) if here.is_relative_to(Path.cwd()) else here
    console.print(f"Query it: {kpi} show revenue --by channel. See runs and checks: {kpi} dev, {settings.ui_url}.")


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
    from pipelines.deliveries.accepting import accept as decide
    from pipelines.sources import enabled_sources

    with errors_in_words():
        settings = get_settings()
        sources = enabled_sources(settings)
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
    what = "is accepted as it is" if delivery.state == "accepted" and delivery.is_landed else "is no longer required"
    console.print(
        f"{delivery} {'is left out' if delivery.state == 'left_out' else what}, decided by {delivery.decided_by}: "
        f"{delivery.reason}",
        markup=False,
    )
    console.print(f"The next run applies this decision: kpi run --date {day.date()}")
