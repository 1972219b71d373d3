"""The `kpi` command: its groups of commands, put together.

Belongs here: arguments, printing (`printing/`) and exit codes. Does not belong here: the work that commands do. Only
the commands that need Dagster, dbt and Great Expectations import them, so that the others respond immediately.
"""

import logging
import os
import signal
import warnings
from typing import Annotated

import typer

from pipelines.cli import alerts, answers, copies, init, pages, published, quarantine, run, sources, state, tools
from pipelines.settings import settings_file

app = typer.Typer(
    help="Turn deliveries into sales KPIs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},  # commands inherit it
)
for commands in (init, state, run, published, copies, answers, pages, tools):
    app.add_typer(commands.app)
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(sources.app, name="sources")
app.add_typer(alerts.app, name="alerts")


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


def main() -> None:
    """Run the command that was typed."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # SIGTERM acts like Ctrl-C
    logging.raiseExceptions = False  # a full disk is named in a sentence, not by each log that cannot be written
    # Great Expectations imports pyspark where that is installed, and hands it no pandas.
    warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas")
    os.environ["KPI_CONFIG"] = str(settings_file())  # for the processes that commands start, in other folders
    app()
