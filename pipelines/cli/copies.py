"""`kpi push` and `kpi pull`: publications and raw between this host and an object store."""

from functools import partial
from typing import Annotated

import typer

from pipelines.cli.common import console, errors_in_words, now
from pipelines.formatting import counted
from pipelines.settings import get_settings

app = typer.Typer()


@app.command()
def push(
    force: Annotated[
        bool, typer.Option("--force", help="Also if the store has a newer publication, as after kpi rollback.")
    ] = False,
) -> None:
    """Copy what is published here to the object store, for other hosts. Every run does the same at its end."""
    from pipelines.publish.copies import push as push_publication

    with errors_in_words():
        settings = get_settings()
        pushed = push_publication(settings, now(), force=force)
    said = {
        "copied": f"Copied to {settings.object_store}: {pushed.publication_id}, {_what(pushed.files, pushed.size)}.",
        "unchanged": f"{settings.object_store} has {pushed.publication_id} already.",
        "newer there": f"{settings.object_store} keeps {pushed.publication_id}, which is newer or has replaced this "
        "host's. Bring it here: kpi pull. Or have this host's publication replace it: kpi push --force",
    }
    console.print(said[pushed.outcome], markup=False)


@app.command()
def pull() -> None:
    """Bring what the object store has as the current publication to this host, and switch analysts to it."""
    from pipelines.publish.copies import pull as pull_publication

    with errors_in_words():
        settings = get_settings()
        pulled = pull_publication(settings, partial(console.print, markup=False))
    if pulled.is_new_here:
        console.print(
            f"Analysts now read {pulled.publication_id}: {_what(pulled.files, pulled.size)} copied.", markup=False
        )
    elif pulled.files:
        console.print(
            f"{pulled.publication_id} was damaged here: {_what(pulled.files, pulled.size)} copied.", markup=False
        )
    else:
        console.print(f"This host has {pulled.publication_id} already.", markup=False)


def _what(files: int, size: int) -> str:
    return f"{counted(files, 'file')}, {size / 1_000_000:,.1f} MB"
