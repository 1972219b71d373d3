"""`kpi show`, `sql`, `mcp`, `versions`, `diff`, `plan`, `rollback`: what analysts read, read before, and would read."""

from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from pipelines.answers.periods import Choice, Comparison, Grain
from pipelines.cli.common import FAILED, Listing, console, errors, errors_in_words, is_json
from pipelines.config_files import ConfigError
from pipelines.output import Excel, Format, Target, UsageError
from pipelines.settings import Language, get_settings

app = typer.Typer()

Output = Annotated[
    Path | None,
    typer.Option("--output", help="Write to this file. Its extension sets the format if --format does not."),
]
OfFormat = Annotated[Format | None, typer.Option("--format", help="By default, a table.")]
ForExcel = Annotated[
    Excel | None, typer.Option("--excel", help="Write CSV that Excel opens as a table, with decimals like 1.5 or 1,5.")
]

ExitCode = Annotated[bool, typer.Option("--exit-code", help="Exit with 1 if any cell differs, as `git diff` does.")]


class FormatOfPlan(StrEnum):
    """How a plan is written."""

    table = "table"
    markdown = "markdown"
    csv = "csv"
    json = "json"
    xlsx = "xlsx"


class _ListsWhatIsPublished(TyperCommand):
    """A command whose help ends with the KPIs, variants and cuts of the current publication."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        from pipelines.cli.printing.show import show_what_is_published
        from pipelines.warehouse import NotPublishedError

        super().format_help(ctx, formatter)
        with suppress(ConfigError, NotPublishedError):  # help is also for those who have published nothing yet
            show_what_is_published(get_settings().published_dir, console)


@app.command(cls=_ListsWhatIsPublished)
def show(
    kpi_id: Annotated[
        str | None, typer.Argument(metavar="KPI", help="For example revenue; without it, lists what is published.")
    ] = None,
    by: Annotated[
        str, typer.Option(help="company, team, office, rep, channel, platform, segment, region or category.")
    ] = "company",
    grain: Annotated[Grain | None, typer.Option(help="By default, that of --period, or else month.")] = None,
    period: Annotated[
        str | None, typer.Option("--period", "--month", help="One period: 2025-06, 2025-W14, 2025-Q3, 2025 or FY2026.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="From this period or date on.")] = None,
    last: Annotated[int | None, typer.Option(min=1, help="Only so many of the latest periods.")] = None,
    compare: Annotated[
        Comparison, typer.Option(help="The period before, or the same one a year before.")
    ] = Comparison.prior,
    variant: Annotated[str | None, typer.Option(help="A variant, like gross or cohort_30d.")] = None,
    language: Annotated[Language | None, typer.Option("--lang", help="Print it in this language, as pages do.")] = None,
    output: OfFormat = None,
    to: Output = None,
    excel: ForExcel = None,
) -> None:
    """Print a KPI by week, month, quarter or year from the published file.

    A period in progress is compared with as many days of the earlier one.
    """
    from pipelines.cli.printing.show import show_kpi, show_what_is_published

    with errors_in_words():
        settings = get_settings()
        if kpi_id is None:
            show_what_is_published(settings.published_dir, console)
            return
        target = Target.of(output, to, excel)
        choice = Choice(grain, period, since, last)
        if language and target.form is Format.table and target.file is None:
            from pipelines.cli.printing.show_in_language import show_in_language

            show_in_language(settings.published_dir, settings.zone, language, kpi_id, by, choice, variant, compare)
            return
        show_kpi(settings.published_dir, settings.zone, kpi_id, by, choice, variant, target, compare)


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help='For example "select * from marts.kpi_scorecard".')],
    output: OfFormat = None,
    to: Output = None,
    excel: ForExcel = None,
    limit: Annotated[int, typer.Option(min=0, help="How many rows to print as a table on the screen.")] = 40,
    everything: Annotated[
        bool, typer.Option("--all", help="Print all rows. Other formats always contain all rows.")
    ] = False,
    seconds: Annotated[float, typer.Option(min=0.001, help="How long the query and its output may take.")] = 300,
    memory: Annotated[
        str | None, typer.Option(help="What they may take, like 500MB; default: half of this machine's, at most 4GB.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the output file if it exists.")] = False,
) -> None:
    """Run a query on the published file. The query cannot read anything else or change anything."""
    from pipelines.cli.printing.query import run_sql

    with errors_in_words():
        target = Target.of(output, to, excel)
        if to and to.is_file() and not force:
            raise UsageError(f"{to} exists. Write to another file, or replace it: --force")
        rows = None if everything else limit
        run_sql(get_settings().published_dir, query, target, rows, seconds, memory)


@app.command()
def mcp() -> None:
    """Answer a program's questions about published KPIs, by the Model Context Protocol over standard input and output.

    A program such as an assistant starts this command by itself; its settings need the command's path.
    """
    from pipelines.answers.mcp_server import serve

    with errors_in_words():
        serve(get_settings().published_dir)


@app.command()
def versions(output: Listing = Format.table) -> None:
    """List the publications that are kept, newest first, and how much of the scorecard each of them changed."""
    from pipelines.cli.printing.versions import print_versions

    with errors_in_words():
        settings = get_settings()
        print_versions(settings.published_dir, settings.zone, is_json(output), console)


@app.command()
def diff(
    before: Annotated[
        str | None,
        typer.Argument(metavar="[A]", help="The id of a publication, or its beginning; default: the previous."),
    ] = None,
    after: Annotated[str | None, typer.Argument(metavar="[B]", help="Compared with A; default: the current.")] = None,
    kpi_id: Annotated[str | None, typer.Option("--kpi", help="Only this KPI.")] = None,
    output: OfFormat = None,
    to: Output = None,
    exit_code: ExitCode = False,
) -> None:
    """Print the cells of the scorecard in which two publications differ: by how much, and why."""
    from pipelines.cli.printing.differences import cells_target
    from pipelines.cli.printing.versions import print_diff
    from pipelines.publish.versions import NoSuchVersionError

    with errors_in_words():
        settings = get_settings()
        target = cells_target(output, to)
        try:
            is_other = print_diff(settings.published_dir, settings.zone, (before, after), kpi_id, target, console)
        except NoSuchVersionError as error:
            raise ConfigError(str(error)) from None
    if is_other and exit_code:
        raise typer.Exit(FAILED)


@app.command()
def plan(
    kpi_id: Annotated[str | None, typer.Option("--kpi", help="Only this KPI.")] = None,
    output: Annotated[
        FormatOfPlan | None, typer.Option("--format", help="By default, a table; markdown is for code reviews.")
    ] = None,
    to: Output = None,
    exit_code: ExitCode = False,
) -> None:
    """Print what the present settings, sources and models would change of the published numbers; publish nothing.

    Everything is built on a copy, from the deliveries of the current publication and as of its date.
    """
    from pipelines.cli.printing.differences import cells_target
    from pipelines.cli.printing.plan import print_plan
    from pipelines.operations.plan import plan as planned
    from pipelines.sources import enabled_sources

    with errors_in_words():
        settings = get_settings()
        as_markdown = output is FormatOfPlan.markdown or (output is None and to is not None and to.suffix == ".md")
        form = Format(output.value) if output and not as_markdown else None
        target = Target(file=to) if as_markdown else cells_target(form, to)
        errors.print("Building everything on a copy. This takes as long as kpi run --full-refresh.", markup=False)
        found = planned(settings, enabled_sources(settings), kpi_id)
        print_plan(found, target, as_markdown, console)
    if found.failed_tests or (found.differences and exit_code):
        raise typer.Exit(FAILED)


@app.command()
def rollback(
    publication: Annotated[
        str | None, typer.Argument(help="Its id, or the beginning of its id; by default the previous one.")
    ] = None,
) -> None:
    """Switch analysts to an earlier publication until a run publishes again."""
    from pipelines.publish.versions import NoSuchVersionError, roll_back

    with errors_in_words():
        settings = get_settings()
        try:
            version = roll_back(settings.published_dir, publication)
        except NoSuchVersionError as error:
            raise ConfigError(str(error)) from None
        console.print(f"Analysts now read {version.publication_id}, as of {version.as_of_date}.", markup=False)
        console.print("The next successful run publishes again.")
        if settings.object_store:
            console.print(
                "Other hosts go on reading what the object store has. To have them go back, too: kpi push --force"
            )
