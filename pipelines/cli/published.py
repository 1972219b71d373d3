"""`kpi show`, `sql`, `versions` and `rollback`: what analysts read."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.common import Listing, console, errors_in_words, is_json
from pipelines.cli.printing.output import Excel, Format, Target
from pipelines.config_files import ConfigError
from pipelines.settings import get_settings

app = typer.Typer()

Output = Annotated[
    Path | None,
    typer.Option("--output", help="Write to this file. Its extension sets the format if --format does not."),
]
OfFormat = Annotated[Format | None, typer.Option("--format", help="By default, a table.")]
ForExcel = Annotated[
    Excel | None, typer.Option("--excel", help="Write CSV that Excel opens as a table, with decimals like 1.5 or 1,5.")
]


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
    from pipelines.cli.printing.show import show_kpi

    with errors_in_words():
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
    from pipelines.cli.printing.query import run_sql

    with errors_in_words():
        run_sql(get_settings().published_dir, query, Target.of(output, to, excel), None if everything else limit)


@app.command()
def versions(output: Listing = Format.table) -> None:
    """List the publications that are kept, newest first."""
    from pipelines.cli.printing.versions import print_versions

    with errors_in_words():
        settings = get_settings()
        print_versions(settings.published_dir, settings.zone, is_json(output), console)


@app.command()
def rollback(
    publication: Annotated[
        str | None, typer.Argument(help="Its id, or the beginning of its id; by default the previous one.")
    ] = None,
) -> None:
    """Switch analysts to an earlier publication until a run publishes again."""
    from pipelines.publish.versions import NoSuchVersionError, roll_back

    with errors_in_words():
        try:
            version = roll_back(get_settings().published_dir, publication)
        except NoSuchVersionError as error:
            raise ConfigError(str(error)) from None
        console.print(f"Analysts now read {version.publication_id}, as of {version.as_of_date}.", markup=False)
        console.print("The next successful run publishes again.")
