"""Dagster's webserver, which checks neither who asks nor how, behind a guard that does.

Belongs here: the guard's place. Does not belong here: what it refuses (`web_guard.py`), and what else makes up the UI
(`dev.py`).

    python -m pipelines.operations.webserver <options of dagster-webserver>
"""

from typing import Any

import dagster_webserver.app
from dagster_webserver.cli import cli
from dagster_webserver.webserver import DagsterWebserver
from starlette.middleware import Middleware

from pipelines.settings import get_settings
from pipelines.web_guard import Guard, GuardMiddleware, password_of_environment


class GuardedWebserver(DagsterWebserver[Any, Any]):
    """The webserver, with the guard before everything else."""

    def build_middleware(self) -> list[Middleware]:
        guard = Guard(get_settings().ui_url, may_change=True, password=password_of_environment())
        return [Middleware(GuardMiddleware, guard=guard), *super().build_middleware()]


def main() -> None:
    """Serve with the options of `dagster-webserver`."""
    dagster_webserver.app.DagsterWebserver = GuardedWebserver  # type: ignore[attr-defined]  # no option names it
    cli(auto_envvar_prefix="DAGSTER_WEBSERVER")


if __name__ == "__main__":
    main()
