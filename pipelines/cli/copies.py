"""`kpi push` and `kpi pull`: publications and raw between this host and an object store."""

from functools import partial
from typing import Annotated

import typer

from pipelines.cli.common import console, errors_in_words, now
from pipelines.formatting import counted
from pipelines.settings import get_settings
from pipelines.warehouse import NotPublishedError

app = typer.Typer()


@app.command()
def push(
    force: Annotated[
        bool, typer.Option("--force", help="Also replace a newer publication, and upload every file again.")
    ] = False,
    forget: Annotated[
        bool, typer.Option("--forget", help="Also have the store forget raw files that this host does not have.")
    ] = False,
) -> None:
    """Copy raw and what is published here to the object store. Every run does the same.

    The store keeps a publication that is newer than this host's, and raw files that only other hosts have.
    """
    from pipelines.ingest.raw_copies import push_raw
    from pipelines.publish.copies import push as push_publication

    with errors_in_words():
        settings = get_settings()
        raw = push_raw(settings, now(), force=force, forget=forget)
        console.print(f"Raw: {_what(raw.files, raw.size)} copied; the store has {raw.in_all:,}.", markup=False)
        pushed = push_publication(settings, now(), force=force)
    said = {
        "copied": f"{_what(pushed.files, pushed.size)} copied. Other hosts get it by kpi pull.",
        "unchanged": "the store has it already.",
        "newer there": "the store keeps it, since it is newer than this host's, or has replaced it. Bring it here: kpi "
        "pull. Or have this host's replace it: kpi push --force",
    }
    console.print(f"{pushed.publication_id}: {said[pushed.outcome]}", markup=False)


@app.command()
def pull(
    raw: Annotated[bool, typer.Option("--raw", help="Also what has landed, so that this host can run.")] = False,
) -> None:
    """Bring the publication that the object store has to this host, and switch analysts to it."""
    from pipelines.ingest.raw_copies import pull_raw
    from pipelines.publish.copies import pull as pull_publication

    say = partial(console.print, markup=False)
    with errors_in_words():
        settings = get_settings()
        landed = 0
        if raw:
            copied = pull_raw(settings, say)
            say(f"Raw: {_what(copied.files, copied.size)} copied; the store has {copied.in_all:,}.")
            landed = copied.in_all
        try:
            pulled = pull_publication(settings, say)
        except NotPublishedError as error:
            if not landed:
                raise
            say(str(error))  # this host can run, and publish
            return
        if pulled.is_new_here:
            say(f"Analysts now read {pulled.publication_id}: {_what(pulled.files, pulled.size)} copied.")
        elif pulled.files:
            say(f"{pulled.publication_id} was damaged here: {_what(pulled.files, pulled.size)} copied.")
        else:
            say(f"{pulled.publication_id} is here already.")


def _what(files: int, size: int) -> str:
    return f"{counted(files, 'file')} ({size / 1_000_000:,.1f} MB)"
