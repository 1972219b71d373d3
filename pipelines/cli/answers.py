"""`kpi explain`: answers about published numbers."""

from typing import Annotated

import typer

from pipelines.answers.periods import Grain
from pipelines.cli.common import console, errors_in_words
from pipelines.cli.printing.output import Target
from pipelines.cli.published import ForExcel, OfFormat, Output
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
