"""How to fetch tables of sources that the pipeline queries: the `fetch:` block of a table, and `auth:`.

Belongs here: the schema of what a person writes. Does not belong here: the fetching itself (`ingest/connectors/`).
"""

from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator

from pipelines.settings import SyncTool

EnvironmentVariable = Annotated[str, Field(pattern="^[A-Za-z_][A-Za-z0-9_]*$")]  # its name; never the secret itself

_PAGINATORS = ("single_page", "page_number", "offset", "cursor", "json_link", "header_link", "header_cursor")  # dlt's


class Incremental(BaseModel):
    """The rows to fetch for a delivery day: those last changed on that day, or on the days of the lag before it."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    cursor: str | None = None  # the column that says when a row last changed; without one, the whole table is fetched
    lag_days: int = Field(default=1, ge=0)  # earlier days that are read again, for rows that arrived late
    cursor_time_zone: str | None = None  # of a cursor without an offset; default: the business time zone

    @field_validator("cursor_time_zone")
    @classmethod
    def _known_time_zone(cls, value: str | None) -> str | None:
        try:
            ZoneInfo(value or "UTC")
        except (KeyError, ValueError, OSError):
            raise ValueError(f"no time zone is called {value!r}. Use a name such as Europe/Warsaw or UTC.") from None
        return value


class SqlFetch(Incremental):
    """A table of a database, or a query."""

    table: str | None = Field(default=None, pattern=r"^[^.]+(\.[^.]+)*$")  # with its schema: public.orders
    query: str | None = None  # instead of a table; treated like one
    timeout_seconds: float = Field(default=600, gt=0)  # for one statement, if the database is PostgreSQL

    @model_validator(mode="after")
    def _has_one_origin(self) -> "SqlFetch":
        if bool(self.table) == bool(self.query):
            raise ValueError("write either `table` or `query`.")
        return self


class SyncToolTraits(BaseModel):
    """What a sync tool is called, and what it adds to the tables that it keeps."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    deleted: str | None = None  # the column that shows that a record was deleted, with true or a time
    current: str | None = None  # the column that is false in earlier versions of a record


SYNC_TOOLS: dict[SyncTool, SyncToolTraits] = {
    "fivetran": SyncToolTraits(name="Fivetran", deleted="_fivetran_deleted", current="_fivetran_active"),
    "airbyte": SyncToolTraits(name="Airbyte", deleted="_ab_cdc_deleted_at"),
    "dlt": SyncToolTraits(name="dlt"),
}


class SyncedTable(BaseModel):
    """A table of a sync tool, and what queries read of it: as text, times in UTC.

    Columns are listed by the names that the queries use; a list of names is short for names that are the same. A column
    may be a path into JSON, such as `address.country` or `contacts.0`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str | None = None  # its name in the database, if the queries call it otherwise
    columns: dict[str, str] = {}  # must exist; a table without such columns may be missing, and then has no rows
    optional: dict[str, str] = {}  # NULL where the table has no such column
    each: str | None = None  # a column with a JSON list: a row per element, and paths may start with `each`
    times: list[str] = []  # names of columns that are times in UTC even if they hold texts, or seconds since 1970
    deleted: list[str] = []  # columns that show that a record was deleted, with true or a time
    keeps_deleted: bool = False  # for what other records refer to: a user who has left still owns deals

    @field_validator("columns", "optional", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        return {name: name for name in value} if isinstance(value, list) else value


class SyncedFetch(SqlFetch):
    """A query on the tables into which a sync tool copies what a vendor stores."""

    tool: SyncTool
    schema_name: str
    is_schema_given: bool  # by a person, and not only usual for the tool
    prefix: str  # before the tool's names of tables
    reads: dict[str, SyncedTable]  # by the name that the query uses


class RestFetch(Incremental):
    """A collection of an HTTP API, fetched page by page."""

    path: str = Field(pattern="^/")  # relative to the source's base URL
    data_selector: str = "$"  # a JSONPath to the list of records; $ if the response is that list
    params: dict[str, str] = {}
    paginator: dict[str, Any] = {"type": "single_page"}  # its type, and the arguments of dlt's paginator of that name
    cursor_start_param: str | None = None  # the parameter that requests records changed at or after a time
    cursor_end_param: str | None = None  # the parameter that requests records changed before a time
    cursor_format: Literal["iso", "date", "epoch_seconds", "epoch_milliseconds"] = "iso"

    @field_validator("paginator", mode="before")
    @classmethod
    def _known_paginator(cls, value: Any) -> Any:
        paginator = {"type": value} if isinstance(value, str) else value
        if isinstance(paginator, dict) and paginator.get("type") not in _PAGINATORS:
            known = ", ".join(_PAGINATORS)
            raise ValueError(f"no paginator is called {paginator.get('type')!r}. `type` is one of: {known}.")
        return paginator

    @model_validator(mode="after")
    def _can_be_incremental(self) -> "RestFetch":
        if not self.cursor and (self.cursor_start_param or self.cursor_end_param):
            raise ValueError("`cursor` is missing. Name the field that says when a record last changed.")
        if self.cursor and not self.lag_days and self.paginator["type"] != "single_page":
            raise ValueError(
                "`lag_days: 0` loses records if there are several pages: a record that changes while they are read "
                "shifts all records after it, and the next day must read these again. Write `lag_days: 1`."
            )
        return self


def _kind(value: Any) -> str:
    """The kind of a `fetch` block: only a collection fetched over HTTP has a path."""
    return "rest" if isinstance(value, RestFetch) or (isinstance(value, dict) and "path" in value) else "sql"


Fetch = Annotated[Annotated[SqlFetch, Tag("sql")] | Annotated[RestFetch, Tag("rest")], Discriminator(_kind)]


class BearerAuth(BaseModel):
    """The header `Authorization: Bearer <token>`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["bearer"]
    token_env: EnvironmentVariable


class ApiKeyAuth(BaseModel):
    """A key in a header or a query parameter called `name`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["api_key"]
    name: str
    key_env: EnvironmentVariable
    location: Literal["header", "query"] = "header"


class BasicAuth(BaseModel):
    """A user name and a password."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["basic"]
    user_env: EnvironmentVariable
    password_env: EnvironmentVariable


Auth = Annotated[BearerAuth | ApiKeyAuth | BasicAuth, Discriminator("type")]

_NEEDED = {"files": None, "sql": SqlFetch, "rest": RestFetch}  # the kind of `fetch` for each connector
_CONNECTOR_OF = {"store": "files", "connection_env": "sql", "base_url": "rest", "base_url_env": "rest", "auth": "rest"}


def connector_problem(connector: str, written: set[str]) -> str | None:
    """What is wrong with the settings of a source with this connector, and the next step."""
    for setting in sorted(written):
        if _CONNECTOR_OF[setting] != connector:
            return (
                f"`{setting}` belongs to sources with `connector: {_CONNECTOR_OF[setting]}`, but this one has "
                f"{connector}. Remove it, or correct `connector`."
            )
    if connector == "sql" and "connection_env" not in written:
        return "`connection_env` is missing. Name the environment variable that holds the database's SQLAlchemy URL."
    if connector == "rest" and len(written & {"base_url", "base_url_env"}) != 1:
        return "write either `base_url`, or `base_url_env` with the name of the environment variable that holds it."
    return None


def fetch_problem(connector: str, table_name: str, fetch: SqlFetch | RestFetch | None) -> str | None:
    """What is wrong with a table's `fetch` under this connector, and the next step."""
    needed = _NEEDED[connector]
    if needed is None and fetch:
        return f"{table_name}: `fetch` cannot be used with `connector: files`. Write `path` and `format` instead."
    if needed and not fetch:
        return f"{table_name}: `fetch` is missing: `connector: {connector}` needs it instead of `path` and `format`."
    if needed and not isinstance(fetch, needed):
        return f"{table_name}: this `fetch` does not match `connector: {connector}`. Correct one of them."
    return None
