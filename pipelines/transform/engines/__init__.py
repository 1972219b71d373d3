"""What builds the models: DuckDB, or Spark.

Belongs here: all that differs between them, one module per engine, behind one interface. Whatever the engine, everybody
else reads the warehouse with DuckDB.
"""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from importlib import import_module
from typing import Protocol, cast

from pipelines.settings import Settings

READS_NO_TABLES = {"parse", "clean", "deps", "ls", "list"}  # commands of dbt that may run while somebody writes


class Engine(Protocol):
    """A module of this package."""

    PACKAGES: tuple[str, ...]  # whose versions decide what dbt makes of a model
    STORES_VIEWS: bool  # whether a view has the rows that were there when it was built

    def environment(self, settings: Settings) -> dict[str, str]:
        """The variables of the environment that dbt's profile and the engine read.

        Raises:
            ConfigError: something that the engine needs is not installed.
        """

    def described(self, settings: Settings) -> str:
        """What it is and where, for people, once it could be reached.

        Raises:
            ConfigError: something that the engine needs is not installed, or cannot be reached.
        """

    def opened(self, command: str, environment: Mapping[str, str]) -> AbstractContextManager[Mapping[str, str]]:
        """The environment in which a dbt command runs. Afterwards, other processes can open all files."""

    def keep(self, built: Iterable[str], environment: Mapping[str, str]) -> None:
        """Let those who read the warehouse see the models that a command has built, given as `schema.name`."""

    def cancel(self) -> None:
        """Cancel all queries that run now."""


def engine(name: str) -> Engine:
    """The engine with this name, a value of the setting `engine`."""
    return cast(Engine, import_module(f"{__name__}.{name}"))
