"""`kpi dev`, `validate`, `docs`, `mf` and `dbt`: the tools that the pipeline is made of."""

import subprocess
from contextlib import suppress
from enum import StrEnum
from typing import Annotated

import typer

from pipelines.cli.common import FAILED, USAGE, console, errors, errors_in_words
from pipelines.output import UsageError
from pipelines.settings import get_settings
from pipelines.warehouse import hold_writer_lock, release_writer_lock

app = typer.Typer()


class Service(StrEnum):
    """A part of Dagster."""

    code = "code"
    worker = "worker"
    daemon = "daemon"
    ui = "ui"


@app.command()
def dev(
    port: Annotated[int, typer.Option(help="Port of the UI on 127.0.0.1.")] = 3000,
    docs_port: Annotated[
        int | None, typer.Option(help="Port of check results and documentation; default: the port after the UI's.")
    ] = None,
    pages_port: Annotated[
        int | None, typer.Option(help="Port of the pages for people who read KPIs; default: the third after the UI's.")
    ] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="The UI starts no runs and changes nothing; the schedule still does.")
    ] = False,
) -> None:
    """Serve the Dagster UI, with schedule and sensors, on the same run history as `kpi run`.

    Only this machine reaches it, and no other web site through its browsers. Set KPI_PASSWORD to ask for a password.
    """
    from pipelines.operations.dev import serve

    with errors_in_words():
        ended_with = serve(get_settings(), port, docs_port or port + 1, pages_port, console, read_only)
    raise typer.Exit(ended_with)


@app.command()
def serve(
    service: Annotated[Service, typer.Argument(help="What this host does for the others.")],
    host: Annotated[str, typer.Option(help="The address of this machine to listen on.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="Default: 4000; for ui, 3000.")] = None,
) -> None:
    """Serve one part of Dagster, where several hosts share an installation; on one machine, kpi dev serves all.

    code has the definitions, worker executes runs, daemon starts them, ui is for people. Code servers and workers do
    what anybody asks: let nobody but these hosts reach them.
    """
    from pipelines.operations.services import become

    with errors_in_words():
        become(service, get_settings(), host, port)


@app.command()
def validate() -> None:
    """Check that settings, sources, suites, alerts, events and models load, and that Dagster can load all of it."""
    from pipelines.publish.events import events_of_nobody, load_events
    from pipelines.runs.job import prepare_instance

    with errors_in_words():
        settings = get_settings()
        prepare_instance(settings)
        import dagster as dg

        from pipelines.definitions import defs

        definitions = defs()
    dg.Definitions.validate_loadable(definitions)
    console.print("Settings, sources, suites, alerts, events, models and all Dagster definitions load.")
    for line in events_of_nobody(load_events(settings.events_file), settings.published_dir):
        console.print(line, markup=False)


@app.command()
def docs(
    port: Annotated[int, typer.Option(help="Where the page is served, on 127.0.0.1.")] = 3002,
    build: Annotated[bool, typer.Option("--build", help="Build the page, and do not serve it.")] = False,
) -> None:
    """Build and serve dbt's documentation: every model and column, the SQL, and the lineage."""
    from pipelines.checks.data_docs.server import server
    from pipelines.sources import enabled_sources
    from pipelines.transform.model_docs import build_model_docs

    with errors_in_words():
        settings = get_settings()
        hold_writer_lock(settings.warehouse_path, "`kpi docs`", errors.print, settings.database_url)
        page = build_model_docs(settings, enabled_sources(settings))
        release_writer_lock(settings.warehouse_path)
        console.print(f"Built: {page}", markup=False, soft_wrap=True)
        if build:
            return
        try:
            pages = server(page.parent, "127.0.0.1", port)
        except OSError as error:
            raise UsageError(f"--port {port}: {error.strerror}. Choose another port.") from None
        console.print(f"Serving it at http://127.0.0.1:{port}/{page.name}. Press Ctrl-C to stop.", markup=False)
        with suppress(KeyboardInterrupt):
            pages.serve_forever()


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def mf(context: typer.Context) -> None:
    """Query MetricFlow, for example: kpi mf -- query --metrics win_rate_count --group-by metric_time__month."""
    from pipelines.sources import enabled_sources
    from pipelines.transform.semantic_layer import MF, assemble_semantic_layer, semantic_layer_environment

    with errors_in_words():
        settings = get_settings()
        folder = assemble_semantic_layer(settings, enabled_sources(settings))
    finished = subprocess.run([str(MF), *context.args], cwd=folder, env=semantic_layer_environment(folder), check=False)
    raise typer.Exit(finished.returncode)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def dbt(context: typer.Context) -> None:
    """Run dbt as the pipeline does, for example: kpi dbt -- test --select test_type:unit."""
    from pipelines.sources import enabled_sources
    from pipelines.transform.dbt_runner import invoke
    from pipelines.transform.project import as_of_date, assemble_project, dbt_command, dbt_environment, dbt_variables

    with errors_in_words():
        settings = get_settings()
        sources = enabled_sources(settings)
        _, *arguments = dbt_command(
            context.args or ["--help"], assemble_project(settings), dbt_variables(settings, sources)
        )
        hold_writer_lock(settings.warehouse_path, "`kpi dbt`", errors.print, settings.database_url)
        ended = invoke(arguments, dbt_environment(settings, as_of_date(settings, sources)))
    if ended.error:  # dbt could not do what was asked, which is 2 in dbt as well
        errors.print(ended.error, markup=False)
        raise typer.Exit(USAGE)
    raise typer.Exit(0 if ended.succeeded else FAILED)
