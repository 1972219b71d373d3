"""`kpi init`: a new installation."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.common import console, errors_in_words
from pipelines.config_files import ConfigError

app = typer.Typer()


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where the installation is made; by default here.")] = Path(),
    currency: Annotated[str | None, typer.Option(help="The currency of all KPIs, such as EUR.")] = None,
    time_zone: Annotated[
        str | None, typer.Option(help="Whose dates are business dates, such as Europe/Berlin.")
    ] = None,
    country: Annotated[str | None, typer.Option(help="Whose public holidays you observe, such as DE or DE-BY.")] = None,
    fiscal_year_start_month: Annotated[
        int | None, typer.Option(help="The month in which your fiscal year begins: 1 to 12. By default, January.")
    ] = None,
    sources: Annotated[str, typer.Option(help="Shipped sources to start with, such as shopify,hubspot.")] = "",
) -> None:
    """Make an installation for your own data: settings, a folder for your sources, and one for deliveries."""
    from pipelines.onboarding.installation import create_installation

    with errors_in_words():
        if not (currency and time_zone):
            currency = currency or _asked("Currency of all KPIs, such as EUR", "--currency")
            time_zone = time_zone or _asked("Time zone of business dates, such as Europe/Berlin", "--time-zone")
            country = country or _asked("Country of your public holidays, such as DE or DE-BY, or nothing", "--country")
            if fiscal_year_start_month is None:
                option = "--fiscal-year-start-month"
                answer = _asked("Month in which your fiscal year begins, 1 to 12, or nothing for January", option)
                if answer and not answer.isdigit():
                    raise ConfigError(f"{option}: {answer!r} is not a month from 1 to 12.")
                fiscal_year_start_month = int(answer or 1)
        named = [name.strip() for name in sources.split(",") if name.strip()]
        settings = create_installation(
            folder.absolute(), currency, time_zone, country or None, named, fiscal_year_start_month or 1
        )
    console.print(f"Written: {folder / 'kpi.yml'}, {folder / 'company'}, {folder / 'data' / 'landing'}", markup=False)
    console.print("Next:", markup=False)
    steps = [f"Go there: cd {folder}"] if folder != Path() else []
    if named:
        steps.append(f"Put exports into {', '.join(f'data/landing/{name}' for name in settings.sources)}")
    steps += ["Add a file, a folder or a zip of your own: kpi sources add FILE", "Run it: kpi run"]
    for number, step in enumerate(steps, start=1):
        console.print(f"  {number}. {step}", markup=False)


def _asked(question: str, option: str) -> str:
    """The answer that a person types.

    Raises:
        ConfigError: nobody can be asked, because this is not a terminal.
    """
    if not sys.stdin.isatty():
        raise ConfigError(f"{option}: missing. Give it: {question[0].lower()}{question[1:]}.")
    return str(typer.prompt(question, default="", show_default=False)).strip()
