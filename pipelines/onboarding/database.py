"""Describes a database table by its catalogue and a sample of its rows.

Belongs here: querying the database. Does not belong here: conclusions from the answers (`sniffing.py`, `mapping.py`).
The connection's address is read from an environment variable and appears in no message.
"""

import os
from datetime import datetime
from typing import Any

from sqlalchemy import MetaData, Table, create_engine, inspect, select
from sqlalchemy.exc import NoSuchTableError, SQLAlchemyError

from pipelines.onboarding.columns import describe_columns
from pipelines.onboarding.entities import synonyms
from pipelines.onboarding.names import words_of
from pipelines.onboarding.sniffing import Described, UnrecognisedError, check_names

SAMPLE_ROWS = 1_000


def describe_table(
    variable: str, table: str, dates: str | None = None, decimal: str | None = None
) -> tuple[Described, str | None]:
    """Describe the database table `table`, such as public.orders, from up to 1,000 of its rows. Also return its cursor:
    the column that shows which rows are new or changed, if there is one. The environment variable `variable` holds the
    address.

    Raises:
        UnrecognisedError: the variable is not set, the query fails, or there is no such table or it has no rows.
    """
    address = os.environ.get(variable)
    if not address:
        raise UnrecognisedError(
            f"environment variable {variable}: not set. Set it to the database's address, "
            "such as postgresql://reader:password@host:5432/shop."
        )
    schema, _, name = table.rpartition(".")
    try:
        engine = create_engine(address)
        try:
            with engine.connect() as connection:
                mirrored = Table(name, MetaData(), schema=schema or None, autoload_with=connection)
                key = inspect(connection).get_pk_constraint(name, schema or None)["constrained_columns"]
                rows = connection.execute(select(mirrored).limit(SAMPLE_ROWS)).fetchall()
        finally:
            engine.dispose()
    except NoSuchTableError:
        raise UnrecognisedError(f"--table: the database of {variable} has no table {table!r}.") from None
    except (SQLAlchemyError, ImportError) as error:  # the message may contain the address
        problem = type(getattr(error, "orig", None) or error).__name__
        raise UnrecognisedError(f"{variable}: the database cannot be queried: {problem}. Check the address.") from None
    header = [column.name for column in mirrored.columns]
    check_names(header, table)
    if not rows:
        raise UnrecognisedError(f"{table}: has no rows, so its columns cannot be described.")
    cells = [tuple(_text(value) for value in row) for row in rows]
    described = Described(
        label=table,
        format="database",
        columns=describe_columns(header, cells, dates, decimal),
        rows=len(rows),
        sample=tuple(cells),
        primary_key=tuple(key),
    )
    known = synonyms()["orders"].columns["updated_at"]
    cursors = [column.name for column in described.columns if words_of(column.name) in known and column.is_complete]
    return described, min(cursors, key=lambda column: known.index(words_of(column)), default=None)


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return value.isoformat(" ") if isinstance(value, datetime) else str(value)
