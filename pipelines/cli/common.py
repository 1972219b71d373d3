"""What all commands share: the consoles, options, exit codes, and turning errors into messages.

Exit codes: 0 success, 1 the job failed or was blocked, 2 an invalid argument or setting, 130 interrupted.
"""

import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import duckdb
import typer
from rich.console import Console

from pipelines.answers.questions import QuestionError
from pipelines.config_files import ConfigError
from pipelines.damage import REPAIR, DamagedError, ObjectStoreError, first_line
from pipelines.disk import disk_problem
from pipelines.output import Format, UsageError
from pipelines.settings import get_settings
from pipelines.warehouse import NotPublishedError

FAILED, USAGE, INTERRUPTED = 1, 2, 130

# What DuckDB raises for a file that it cannot read; other errors are ours.
_UNREADABLE = (duckdb.IOException, duckdb.SerializationException, duckdb.InternalException, duckdb.FatalException)

By = Annotated[str | None, typer.Option(help="Who does this; by default the user who is logged in.")]
Listing = Annotated[Format, typer.Option("--format", help="table or json.")]
OfDay = Annotated[datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="Only this delivery day.")]


class _Screen(Console):
    """The console that commands print to. A reader that stops early, as `head` does, does not stop the command."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


console = _Screen(file=sys.stdout, highlight=False, soft_wrap=True)
errors = _Screen(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def errors_in_words() -> Iterator[None]:
    """Print what is wrong with arguments, settings, the publication or the disk, and exit with the code for it."""
    try:
        yield
    except (ConfigError, UsageError, QuestionError) as error:
        errors.print(str(error), markup=False, style="red")
        raise typer.Exit(USAGE) from None
    except (NotPublishedError, DamagedError, ObjectStoreError) as error:
        errors.print(str(error), markup=False, style="red")
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt as interrupt:
        errors.print(str(interrupt) or "Interrupted.", markup=False)
        raise typer.Exit(INTERRUPTED) from None
    except typer.Exit:
        raise
    except Exception as error:  # any error may come from a disk; all others are raised again, as they are
        said = disk_problem(error, _data_dir(), then="type the command again")
        if said is None and isinstance(error, _UNREADABLE):
            said = f"{first_line(error)}. If no other process is using that file, repair it: {REPAIR}."
        if said is None:
            raise
        errors.print(said, markup=False, style="red")
        raise typer.Exit(FAILED) from None


def _data_dir() -> Path:
    """The data folder, or else the current one: settings may be what could not be read."""
    try:
        return get_settings().data_dir
    except (ConfigError, OSError):
        return Path.cwd()


def is_json(output: Format) -> bool:
    """Whether a list is to be printed as JSON.

    Raises:
        UsageError: lists are not printed in this format.
    """
    if output not in (Format.table, Format.json):
        raise UsageError(f"--format {output}: this command prints table or json.")
    return output is Format.json


def as_date(moment: datetime | None) -> date | None:
    """The day that an option gives, if it is given."""
    return moment.date() if moment else None


def now() -> datetime:
    """The time at which a person acts on alerts. Alerts get the time from here or from sensors, and read no clock."""
    return datetime.now(UTC)


def login_name() -> str:
    """The user who runs the command, as far as the system knows."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"
