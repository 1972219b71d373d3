"""How sync tools keep the objects of shipped sources in a database: one YAML per source, by tool.

Belongs here: the schema of these files, and what to fetch according to them. Does not belong here: running the queries
(`ingest/connectors/synced.py`).
"""

import re
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from pipelines.config_files import ConfigError, load_yaml_model
from pipelines.settings import Synced, SyncTool
from pipelines.sources.fetching import SYNC_TOOLS, SyncedFetch, SyncedTable

LAYOUTS_DIR = Path(__file__).parent


class Delivered(BaseModel):
    """A delivered table of the source: each of its columns as an SQL expression over the tool's tables."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: dict[str, str]
    origin: str = Field(alias="from")  # what follows `from` in the query

    @property
    def query(self) -> str:
        columns = ", ".join(f'{expression} as "{name}"' for name, expression in self.columns.items())
        return f"select {columns} from {self.origin}"


class Layout(BaseModel):
    """How one tool keeps the objects of one source."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_name: str = Field(alias="schema")  # where the tool puts its tables, unless the setting says otherwise
    reads: dict[str, SyncedTable]  # the tool's tables, by the names that the queries use


class Layouts(BaseModel):
    """One source in synced tables. A tool is missing if its tables for this source are not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tables: dict[str, Delivered]  # every delivered table of the source
    fivetran: Layout | None = None
    airbyte: Layout | None = None
    dlt: Layout | None = None

    @property
    def by_tool(self) -> dict[SyncTool, Layout]:
        return {tool: layout for tool in SYNC_TOOLS if (layout := getattr(self, tool))}


def synced_sources() -> list[str]:
    """The names of the sources that can be read from synced tables."""
    return sorted(path.stem for path in LAYOUTS_DIR.glob("*.yml"))


def layouts_of(source: str) -> Layouts:
    """The layouts of one of the `synced_sources`."""
    return load_yaml_model(LAYOUTS_DIR / f"{source}.yml", Layouts)


def fetches(source: str, tables: Iterable[str], setting: Synced) -> dict[str, tuple[list[str], SyncedFetch]]:
    """For each table of one of the `synced_sources`, the columns that the tool's tables give, and how to fetch them.

    A table that the setting leaves out has no rows.

    Raises:
        ConfigError: the tool's tables are not known for this source, or `without` names no table of the source.
    """
    place = f"settings: synced: {source}"
    known = layouts_of(source)
    if setting.by not in known.by_tool:
        others = " and ".join(SYNC_TOOLS[tool].name for tool in known.by_tool)
        raise ConfigError(
            f"{place}: by: the tables of {SYNC_TOOLS[setting.by].name} are not known for this source, only those of "
            f"{others}. Describe them in a source of your own, with `connector: sql`."
        )
    if unknown := sorted(set(setting.without).difference(tables)):
        raise ConfigError(f"{place}: without: no table is called {unknown[0]!r}. The tables are: {', '.join(tables)}.")
    layout = known.by_tool[setting.by]
    return {
        name: (list(delivered.columns), _fetch(delivered, name in setting.without, layout, setting))
        for name, delivered in known.tables.items()
    }


def _fetch(delivered: Delivered, is_left_out: bool, layout: Layout, setting: Synced) -> SyncedFetch:
    nothing = ", ".join(f'cast(null as varchar) as "{name}"' for name in delivered.columns)
    query = f"select {nothing} where 1 = 0" if is_left_out else delivered.query
    named = set(re.findall(r"\b(?:from|join)\s+(\w+)", query))
    return SyncedFetch(
        query=query,
        cursor_time_zone="UTC",
        tool=setting.by,
        schema_name=setting.schema_name or layout.schema_name,
        is_schema_given=setting.schema_name is not None,
        prefix=setting.prefix,
        reads={name: table for name, table in layout.reads.items() if name in named},
    )
