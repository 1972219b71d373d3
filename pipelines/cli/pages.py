"""`kpi pages` and `kpi report`: pages for people who read KPIs, served or as files."""

import os
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from pipelines.cli.common import console, errors_in_words
from pipelines.settings import get_settings

app = typer.Typer()


class FormatOfReport(StrEnum):
    """How a report is written."""

    html = "html"
    xlsx = "xlsx"


@app.command()
def pages(
    port: Annotated[
        int | None, typer.Option(help="Port on 127.0.0.1, 0 for a free one; default: that of pages_url, or 3003.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="The address to listen on. Others than 127.0.0.1, as in a container, need KPI_PASSWORD.")
    ] = "127.0.0.1",
    parent: Annotated[int | None, typer.Option(hidden=True, help="End with this process.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", hidden=True, help="Do not print the address.")] = False,
) -> None:
    """Serve the pages for sales leaders, managers, marketing, SDRs, account executives and customer success."""
    from pipelines.pages.app import PagesConfig
    from pipelines.pages.readers import load_readers
    from pipelines.pages.server import listening, serve
    from pipelines.web_guard import LOOPBACK, needs_password, password_of_environment

    with errors_in_words():
        settings = get_settings()
        readers = load_readers(settings.company_dir / "readers.yml")
        needs_password(host)
    address = urlsplit(settings.pages_url)
    is_here = address.hostname in LOOPBACK
    wanted = port if port is not None else (address.port if is_here else None) or 3003
    listener = listening(wanted, host)
    found = listener.getsockname()[1]
    if wanted and found != wanted:
        console.print(f"Port {wanted} is taken; the pages are at http://{host}:{found}/.", markup=False)
    elif not quiet:
        console.print(f"Pages: {f'http://{host}:{found}' if is_here else settings.pages_url}/", markup=False)
    url = "" if is_here else settings.pages_url
    config = PagesConfig(settings.published_dir, settings.zone, readers, url, password_of_environment())
    alive = None if parent is None else lambda: os.getppid() == parent
    with suppress(KeyboardInterrupt):
        serve(config, listener, alive)


@app.command()
def report(
    role: Annotated[
        str | None,
        typer.Option(help="leaders, managers, marketing, sdrs, aes or customer-success; a workbook may have all."),
    ] = None,
    lang: Annotated[str, typer.Option(help="en or pl.")] = "en",
    output: Annotated[
        FormatOfReport | None, typer.Option("--format", help="By default, that of the file's extension, or html.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--output", help="Write to this file; by default, one in the current folder.")
    ] = None,
) -> None:
    """Write a role's page as one HTML file that loads nothing, or the KPIs as an Excel workbook, to mail it."""
    from pipelines.pages.report import write_report

    with errors_in_words():
        settings = get_settings()
        as_workbook = output is FormatOfReport.xlsx or (output is None and to is not None and to.suffix == ".xlsx")
        file = write_report(settings.published_dir, settings.zone, settings.pages_url, role, lang, as_workbook, to)
    console.print(f"Written: {file}", markup=False)
