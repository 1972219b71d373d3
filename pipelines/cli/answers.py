"""`kpi explain`, `why` and `tree`: answers about published numbers."""

from typing import Annotated

import typer

from pipelines.answers.periods import Comparison, Grain
from pipelines.cli.common import console, errors_in_words
from pipelines.cli.published import ForExcel, OfFormat, Output
from pipelines.output import Target
from pipelines.settings import get_settings

app = typer.Typer()

OfKpi = Annotated[str, typer.Argument(metavar="KPI", help="For example revenue; `kpi show` lists what is published.")]
OfVariant = Annotated[str | None, typer.Option(help="A variant, like gross or cohort_30d.")]
OfGrain = Annotated[Grain | None, typer.Option(help="By default, that of --period, or else month.")]
OfPeriod = Annotated[
    str | None, typer.Option("--period", "--month", help="2025-06, 2025-W14, 2025-Q3, 2025; by default the last one.")
]


@app.command()
def explain(
    kpi_id: OfKpi,
    period: OfPeriod = None,
    by: Annotated[
        str | None, typer.Option(help="One entity, by id or name, like rep=R07 or channel=web; by default the company.")
    ] = None,
    variant: OfVariant = None,
    grain: OfGrain = None,
    rows: Annotated[bool, typer.Option("--rows", help="Print all rows behind the value instead.")] = False,
    output: OfFormat = None,
    to: Output = None,
    excel: ForExcel = None,
) -> None:
    """Show how a published value was made: formula, numbers, delivered rows, what is left out, models and checks."""
    from pipelines.cli.printing.explain import explain_kpi

    with errors_in_words():
        settings = get_settings()
        target = Target.of(output, to, excel)
        explain_kpi(settings.published_dir, settings.zone, kpi_id, variant, period, grain, by, rows, target, console)


@app.command()
def why(
    kpi_id: OfKpi,
    period: OfPeriod = None,
    against: Annotated[
        str, typer.Option(help="prior (the period before), last-year, or a period like 2025-03.")
    ] = Comparison.prior,
    by: Annotated[str | None, typer.Option(help="Only this cut: channel, rep, team, region or segment.")] = None,
    variant: OfVariant = None,
    grain: OfGrain = None,
    most: Annotated[int, typer.Option(min=1, help="How many entities to show; the others are summed up.")] = 6,
    output: OfFormat = None,
    to: Output = None,
    excel: ForExcel = None,
) -> None:
    """Explain the change of a KPI: by its factors, by every cut, and where it sits."""
    from pipelines.cli.printing.why import print_why

    with errors_in_words():
        settings = get_settings()
        target = Target.of(output, to, excel)
        print_why(settings.published_dir, settings.zone, kpi_id, period, against, by, variant, grain, most, target)


@app.command()
def tree(
    period: OfPeriod = None,
    against: Annotated[
        Comparison, typer.Option(help="The period before, or the same one a year before.")
    ] = Comparison.prior,
    grain: OfGrain = None,
    output: OfFormat = None,
    to: Output = None,
    excel: ForExcel = None,
) -> None:
    """Show how KPIs depend on each other, how each changed, and what drove it."""
    from pipelines.cli.printing.tree import print_tree

    with errors_in_words():
        settings = get_settings()
        print_tree(settings.published_dir, settings.zone, period, against, grain, Target.of(output, to, excel))
