"""`kpi sources`: draft a source from a delivered file or a database table, and try deliveries."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click
import typer

from pipelines.cli.common import FAILED, OfDay, as_date, console, errors_in_words, now
from pipelines.config_files import ConfigError
from pipelines.settings import get_settings

if TYPE_CHECKING:
    from pipelines.onboarding.questions import Question

app = typer.Typer(help="Add, check and remove your own sources.", no_args_is_help=True)


@app.command("add")
def add(
    what: Annotated[
        list[str],
        typer.Argument(metavar="FILE…", help="Files, folders or zips of a system, or postgresql-env:NAME_OF_VARIABLE."),
    ],
    name: Annotated[str | None, typer.Option(help="Name of the source, like webshop.")] = None,
    table: Annotated[
        list[str] | None, typer.Option(help="The table, like orders; of a database: public.orders, repeatable.")
    ] = None,
    entity: Annotated[
        list[str] | None,
        typer.Option(help="What a row represents, like orders; of several tables: sales=orders, repeatable."),
    ] = None,
    owner: Annotated[str, typer.Option(help="Who owns the source: team:<name> or an e-mail address.")] = "team:data",
    encoding: Annotated[str | None, typer.Option(help="If detected incorrectly: utf-8, cp1250, cp1252, …")] = None,
    dates: Annotated[str | None, typer.Option(help="If day and month can be confused: dd/mm/yyyy, …")] = None,
    decimal: Annotated[str | None, typer.Option(help="If thousands and decimals can be confused: , or .")] = None,
    rates: Annotated[str | None, typer.Option(help="What a rate means: direct, 1 USD = 0.9 EUR; or inverse.")] = None,
    amounts: Annotated[str | None, typer.Option(help="What amounts without decimals are: cents or whole.")] = None,
    draft_only: Annotated[
        bool, typer.Option("--draft-only", help="Copy no file to the landing folder, and enable nothing.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing files.")] = False,
) -> None:
    """Look at delivered files together, draft their source (YAML and models), land copies of them, and enable it."""
    from pipelines.cli.printing.source_draft import print_addition
    from pipelines.onboarding.adding import Options, add_sources

    with errors_in_words():
        settings = get_settings()
        options = Options(
            name,
            tuple(table or ()),
            _entities(entity or []),
            owner,
            force,
            encoding,
            dates,
            decimal,
            rates,
            amounts,
            draft_only,
        )
        print_addition(add_sources(what, settings, options, _answer if sys.stdin.isatty() else None), console)


def _entities(given: list[str]) -> dict[str, str]:
    """`sales=orders` of several tables; `orders` of the only one, which has no name here."""
    return {table: entity for table, _, entity in (one.rpartition("=") for one in given)}


def _answer(question: "Question") -> str:
    """What a person at the terminal chooses."""
    console.print(f"{question.table}: {question.text}.", markup=False)
    try:
        # Not `typer.prompt`, which refuses choices.
        return str(click.prompt(question.wanted, type=click.Choice(question.choices)))
    except click.Abort:
        raise typer.Abort from None


@app.command("check")
def check(
    name: Annotated[str, typer.Argument(metavar="SOURCE", help="The source, enabled or not.")],
    day: OfDay = None,
    file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Try this file, which can be anywhere.")
    ] = None,
    table: Annotated[str | None, typer.Option(help="The table to which --file is delivered.")] = None,
    output: Annotated[
        Path | None, typer.Option(help="Write every KPI value that would change to this file: .csv, .json or .xlsx.")
    ] = None,
) -> None:
    """Try deliveries without touching anything: what lands, what is rejected, which checks fail, how KPIs change."""
    from pipelines.cli.printing.dry_run import print_dry_run, write_changes
    from pipelines.onboarding.dry_run import Given, dry_run
    from pipelines.partitions import business_day
    from pipelines.sources import load_sources

    with errors_in_words():
        settings = get_settings()
        given = None
        if file:
            [source] = load_sources([name], settings.company_dir)
            if not table and len(source.tables) > 1:
                raise ConfigError(f"Specify the table: --table {' or '.join(source.tables)}.")
            on = as_date(day) or business_day(settings) - timedelta(days=1)
            given = Given(file, table or next(iter(source.tables)), on)
        found = dry_run(settings, name, as_date(day), given)
        print_dry_run(found, name, console)
        if output:
            write_changes(found, output)
    if found.refused or found.said_by_dbt or found.is_blocked:
        raise typer.Exit(FAILED)


@app.command("remove")
def remove(name: Annotated[str, typer.Argument(metavar="SOURCE", help="A source of yours.")]) -> None:
    """Undo `kpi sources add`: move a source's YAML, models and suites out of the company folder. Nothing is deleted."""
    from pipelines.onboarding.removing import remove_source

    with errors_in_words():
        kept, files = remove_source(get_settings(), name, now())
    for file in files:
        console.print(f"Removed: {file}", markup=False)
    console.print(f"Moved to {kept}. What has landed of {name} stays in raw; no KPI counts it.", markup=False)
