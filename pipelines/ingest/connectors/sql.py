"""Queries a database for the declared columns of a table or query, and for the rows that last changed in a window.

PostgreSQL is read in one read-only transaction that sees a single state, row by row from a server-side cursor.
Other databases that SQLAlchemy supports are read with what their driver offers.
"""

import json
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from pipelines.config_files import ConfigError
from pipelines.ingest.connectors.delivery import ConnectionLostError, Row, Window, secret
from pipelines.ingest.connectors.synced import synced_query
from pipelines.ingest.gate import DeliveryError
from pipelines.sources import Source, Table
from pipelines.sources.fetching import SqlFetch, SyncedFetch

_BATCH_ROWS = 5_000
_CONNECT_SECONDS = 30
_SAID_BY_STR = (
    str, int, UUID, IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network,
)  # fmt: skip


def rows(source: Source, table_name: str, table: Table, window: Window) -> Iterator[Row]:
    """The rows of the window, every value as text, ordered by cursor and key.

    Raises:
        ConnectionLostError: the database cannot be reached, or the connection broke.
        DeliveryError: it refuses the query, lacks a synced table or column, or a value cannot be written as text
            without loss.
        ConfigError: the environment variable with its URL is not set, or does not contain a URL.
    """
    assert isinstance(table.fetch, SqlFetch)
    label = f"{source.name}.{table_name}"
    engine = _engine(source)
    try:
        with engine.connect() as connection:
            connection = _one_consistent_picture(connection, table.fetch, window)
            if isinstance(table.fetch, SyncedFetch):
                query: sa.Executable = synced_query(connection, table.fetch, source.name, table_name)
            else:
                query = _query(table, table.fetch, _bounds(window, engine.dialect.name))
            result = connection.execution_options(yield_per=_BATCH_ROWS).execute(query)
            for values in result:
                yield {name: _text(value, label, name) for name, value in zip(table.columns, values, strict=True)}
    except sa.exc.DBAPIError as error:
        raise _explained(error, label, source) from None
    except sa.exc.SQLAlchemyError as error:
        raise DeliveryError(f"{label}: the query cannot be built: {_first_line(error)}. Correct `fetch`.") from None
    finally:
        engine.dispose()


def _engine(source: Source) -> sa.Engine:
    variable = source.connection_env or ""
    try:
        url = sa.make_url(secret(variable, source.name, "connection_env"))
        postgresql = url.get_backend_name() == "postgresql"
        settings: dict[str, Any] = {}
        if postgresql:
            # JSON stays text: parsed into numbers, 12.30 would become 12.3.
            settings["json_deserializer"] = lambda text: text if isinstance(text, str) else bytes(text).decode()
            settings["connect_args"] = {"connect_timeout": _CONNECT_SECONDS}
        return sa.create_engine(url, poolclass=sa.NullPool, hide_parameters=True, **settings)
    except (sa.exc.ArgumentError, ModuleNotFoundError):  # their messages may contain the password
        raise ConfigError(
            f"source {source.name}: the environment variable {variable} (`connection_env`) is not the SQLAlchemy URL "
            "of a database whose driver is installed, such as postgresql+psycopg://user:password@host:5432/database."
        ) from None


def _one_consistent_picture(connection: sa.Connection, fetch: SqlFetch, window: Window) -> sa.Connection:
    if connection.dialect.name != "postgresql":
        return connection
    connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    local = {
        "statement_timeout": str(max(1, round(fetch.timeout_seconds * 1000))),
        "timezone": str(window.zone),  # PostgreSQL compares timestamps without a zone, and dates, in this zone
    }
    for name, value in local.items():  # for this transaction only, as poolers such as PgBouncer require
        connection.execute(sa.select(sa.func.set_config(name, value, True)))
    return connection


def _bounds(window: Window, dialect: str) -> tuple[datetime | str | None, datetime | str]:
    """Start and end of the window in the form that the database compares with a cursor."""
    if dialect == "postgresql":
        return window.start, window.end

    def local(moment: datetime) -> str:
        return moment.astimezone(window.zone).replace(tzinfo=None).isoformat(sep=" ")

    return local(window.start) if window.start else None, local(window.end)


def _query(table: Table, fetch: SqlFetch, bounds: tuple[datetime | str | None, datetime | str]) -> sa.Select[Any]:
    columns: list[sa.ColumnClause[Any]] = [sa.column(name) for name in table.columns]
    origin: sa.FromClause
    if fetch.table:
        *schema, name = fetch.table.rsplit(".", 1)
        origin = sa.table(name, *columns, schema=schema[0] if schema else None)
    else:
        text = (fetch.query or "").strip().rstrip(";").replace(":", r"\:")  # a colon does not mark a parameter here
        origin = sa.text(text).columns(*columns).subquery("fetched")
    query = sa.select(*(origin.c[name] for name in table.columns))
    if fetch.cursor:
        start, end = bounds
        cursor = origin.c[fetch.cursor]
        changed = cursor < end if start is None else sa.and_(cursor >= start, cursor < end)
        query = query.where(sa.or_(changed, cursor.is_(None)))  # rows without a time of change would never be included
    order = [fetch.cursor] if fetch.cursor else []
    order += [name for name in table.key if name in table.columns and name != fetch.cursor]
    return query.order_by(*(origin.c[name] for name in order))


def _text(value: Any, label: str, column: str) -> str | None:
    """A value as text, without loss: the value can be restored from it."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, _SAID_BY_STR):
        return str(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, ensure_ascii=False, default=lambda inner: _text(inner, label, column))
    raise DeliveryError(
        f"{label}: column {column}: a {type(value).__name__} cannot be written as text without loss. "
        "Write a `query` that casts it to text."
    )


def _explained(error: sa.exc.DBAPIError, label: str, source: Source) -> DeliveryError:
    """The error without the statement, its parameters and values of rows."""
    sqlstate = getattr(error.orig, "sqlstate", None) or ""
    # The text of a data exception contains the value, which may be personal; its name says enough.
    said = type(error.orig).__name__ if sqlstate.startswith("22") else _first_line(error.orig or error)
    refused_to_connect = isinstance(error, sa.exc.OperationalError) and error.statement is None and not sqlstate
    if sqlstate == "57014":
        return DeliveryError(
            f"{label}: the database cancelled the query: {said}. "
            "Index the cursor column, or raise `timeout_seconds` of the table's `fetch`."
        )
    if error.connection_invalidated or refused_to_connect:
        return ConnectionLostError(
            f"{label}: no connection to the database: {said}. "
            f"Check that it is running and that {source.connection_env} is correct, then run the day again."
        )
    is_synced = any(isinstance(table.fetch, SyncedFetch) for table in source.tables.values())
    remedy = f"`synced: {source.name}` in the settings" if is_synced else "`columns` and `fetch` in the source's YAML"
    return DeliveryError(
        f"{label}: the database refused the query: {said}. Correct {remedy}, or the permissions of the user in "
        f"{source.connection_env}, then run the day again."
    )


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
