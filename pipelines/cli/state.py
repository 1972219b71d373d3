"""`kpi status` and `kpi doctor`: the state of the data and the daily run, and that of the installation."""

from functools import partial
from typing import Annotated

import typer

from pipelines.cli.common import FAILED, USAGE, Listing, console, errors, errors_in_words, is_json, now
from pipelines.output import Format
from pipelines.settings import get_settings

app = typer.Typer()


@app.command()
def status(output: Listing = Format.table) -> None:
    """Say whether all is well and, if not, what is wrong and what to do. Exit code 1 if something needs a person."""
    from pipelines.cli.printing.status import as_json, print_status
    from pipelines.operations.status import gather, lines
    from pipelines.sources import enabled_sources

    with errors_in_words():
        as_json_wanted = is_json(output)
        settings = get_settings()
        facts = gather(settings, enabled_sources(settings), now())
    if as_json_wanted:
        console.print(as_json(facts), markup=False)
    else:
        print_status(facts, console)
    if not all(line.ok for line in lines(facts)):
        raise typer.Exit(FAILED)


@app.command()
def doctor(
    with_repair: Annotated[
        bool, typer.Option("--repair", help="First repair what can be repaired; damaged files are moved, not deleted.")
    ] = False,
) -> None:
    """Examine the installation: programs, settings, disk, permissions, ports, damaged files, clock. Name remedies."""
    from pipelines.cli.printing.doctor import print_diagnosis
    from pipelines.operations.doctor import examine

    if with_repair:
        _repair()
    diagnosis = examine(get_settings, now())
    print_diagnosis(diagnosis, console)
    if diagnosis.is_misconfigured:
        raise typer.Exit(USAGE)
    if diagnosis.failed:
        raise typer.Exit(FAILED)


def _repair() -> None:
    from pipelines.operations.repair import CannotRepairError, repair
    from pipelines.sources import enabled_sources

    with errors_in_words():
        settings = get_settings()
        try:
            repair(settings, enabled_sources(settings), now().date(), partial(console.print, markup=False))
        except CannotRepairError as error:
            errors.print(str(error), markup=False, style="red")
            raise typer.Exit(FAILED) from None
