"""`kpi quarantine`: list, show, replay, dismiss and purge refused files and unreadable rows."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.common import Listing, OfDay, console, errors_in_words, is_json
from pipelines.config_files import ConfigError
from pipelines.formatting import counted
from pipelines.output import Format
from pipelines.settings import get_settings

if TYPE_CHECKING:
    from pipelines.quarantine.decisions import Selection
    from pipelines.quarantine.rows import State

app = typer.Typer(help="Refused files and unreadable rows.", no_args_is_help=True)

Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Ids, or the beginnings of ids.")]
OfSource = Annotated[str | None, typer.Option("--source", help="Only this source.")]
OfTable = Annotated[str | None, typer.Option("--table", help="Only this table.")]


@app.command("list")
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
    from pipelines.cli.printing.quarantine import print_json, print_list
    from pipelines.quarantine.decisions import Quarantine, chosen

    with errors_in_words():
        settings = get_settings()
        states: tuple[State, ...] = () if closed else ("open",)
        files, rows = chosen(Quarantine.of(settings), _selection(None, source, table, day), *states)
        if is_json(output):
            print_json(files, rows, console)
        else:
            print_list(files, rows, each, settings.zone, console)


@app.command("show")
def quarantine_show(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids, or the beginnings of ids.")],
) -> None:
    """Show files and rows as they were delivered, with personal columns as ***."""
    from pipelines.cli.printing.quarantine import print_items
    from pipelines.quarantine.decisions import Quarantine, chosen
    from pipelines.sources import enabled_sources

    with errors_in_words():
        settings = get_settings()
        sources = enabled_sources(settings)
        found = chosen(Quarantine.of(settings), _selection(ids, None, None, None))
        print_items(*found, sources, settings.zone, console)


@app.command("replay")
def quarantine_replay(ids: Ids = None, source: OfSource = None, table: OfTable = None, day: OfDay = None) -> None:
    """Run the delivery days of what is in quarantine again, after the file or the rule was repaired."""
    from pipelines.cli.run import run_and_report
    from pipelines.quarantine.decisions import Quarantine, chosen, make_ready
    from pipelines.runs.job import Plan

    with errors_in_words():
        settings = get_settings()
        files, rows = chosen(Quarantine.of(settings), _selection(ids, source, table, day), "open")
        if not files and not rows:
            console.print("No open file or row in quarantine matches.")
            return
        days = make_ready(settings, files, rows)
        run_and_report(Plan.day_by_day(days))


@app.command("dismiss")
def quarantine_dismiss(
    reason: Annotated[str, typer.Option(help="Why it does not matter; stored with the record.")],
    ids: Ids = None,
    source: OfSource = None,
    table: OfTable = None,
    day: OfDay = None,
) -> None:
    """Dismiss files and rows in quarantine that do not matter. They stay out of every KPI."""
    from pipelines.quarantine.decisions import Quarantine, Selection, chosen

    with errors_in_words():
        selection = _selection(ids, source, table, day)
        if selection == Selection():
            raise ConfigError("Specify what to dismiss: ids, --source, --table or --date.")
        quarantine = Quarantine.of(get_settings())
        files, rows = chosen(quarantine, selection, "open")
        for file in files:
            quarantine.files.dismiss(file, reason)
        quarantine.rows.dismiss(rows, reason)
        console.print(f"Dismissed: {counted(len(files), 'file')}, {counted(len(rows), 'row')}.")


@app.command("purge")
def quarantine_purge(
    older_than: Annotated[int, typer.Option(min=0, help="Days since it was first seen in quarantine.")] = 90,
    source: OfSource = None,
    table: OfTable = None,
) -> None:
    """Permanently delete what was resolved or dismissed."""
    from pipelines.quarantine.decisions import Quarantine, purge

    with errors_in_words():
        files, rows = purge(Quarantine.of(get_settings()), _selection(None, source, table, None), older_than)
        console.print(f"Deleted: {counted(files, 'file')}, {counted(rows, 'row')}.")


def _selection(ids: list[str] | None, source: str | None, table: str | None, day: datetime | None) -> "Selection":
    from pipelines.quarantine.decisions import Quarantine, Selection, check_selection
    from pipelines.sources import enabled_sources

    selection = Selection(tuple(ids or ()), source, table, str(day.date()) if day else None)
    if source or table:
        settings = get_settings()
        check_selection(Quarantine.of(settings), selection, enabled_sources(settings))
    return selection
