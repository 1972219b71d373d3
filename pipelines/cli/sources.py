"""`kpi sources`: draft a source from a delivered file or a database table, and try deliveries."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.common import FAILED, OfDay, as_date, console, errors_in_words, now
from pipelines.config_files import ConfigError
from pipelines.settings import get_settings

app = typer.Typer(help="Add, check and remove your own sources.", no_args_is_help=True)


@app.command("add")
def add(
    what: Annotated[str, typer.Argument(metavar="FILE", help="A delivered file, or postgresql-env:NAME_OF_VARIABLE.")],
    name: Annotated[str | None, typer.Option(help="Name of the source, like webshop.")] = None,
    table: Annotated[str | None, typer.Option(help="The table, like orders; of a database: public.orders.")] = None,
    entity: Annotated[str | None, typer.Option(help="What a row represents, like orders or ad_spend.")] = None,
    owner: Annotated[str, typer.Option(help="Who owns the source: team:<name> or an e-mail address.")] = "team:data",
    encoding: Annotated[str | None, typer.Option(help="If detected incorrectly: utf-8, cp1250, cp1252, …")] = None,
    dates: Annotated[str | None, typer.Option(help="If day and month can be confused: dd/mm/yyyy, …")] = None,
    decimal: Annotated[str | None, typer.Option(help="If thousands and decimals can be confused: , or .")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing files.")] = False,
) -> None:
    """Describe a delivered file and draft its source in the company folder: YAML and models. Moves no data."""
    from pipelines.cli.printing.source_draft import print_draft
    from pipelines.onboarding.adding import add_source

    with errors_in_words():
        settings = get_settings()
        added = add_source(what, settings, name, table, entity, owner, force, encoding, dates, decimal)
        print_draft(added, settings, console)


@app.command("check")
def check(
    name: Annotated[str, typer.Argument(metavar="SOURCE", help="The source, enabled or not.")],
    day: OfDay = None,
    file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Try this file, which can be anywhere.")
    ] = None,
    table: Annotated[str | None, typer.Option(help="The table to which --file is delivered.")] = None,
) -> None:
    """Try deliveries without touching anything: what lands, what is rejected, which checks fail, how KPIs change."""
    from pipelines.cli.printing.dry_run import print_dry_run
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
    if found.refused or found.said_by_dbt or found.is_blocked:
        raise typer.Exit(FAILED)


@app.command("remove")
def remove(
    name: Annotated[str, typer.Argument(metavar="SOURCE", help="A source of yours that is not enabled.")],
) -> None:
    """Undo `kpi sources add`: move a source's YAML, models and suites out of the company folder. Nothing is deleted."""
    from pipelines.onboarding.removing import remove_source

    with errors_in_words():
        kept, files = remove_source(get_settings(), name, now())
    for file in files:
        console.print(f"Removed: {file}", markup=False)
    console.print(f"Moved to {kept}. What has landed of {name} stays in raw; no KPI counts it.", markup=False)
