"""dbt, with a record of the statements that it sends to DuckDB; and those statements again, without dbt.

Belongs here: intercepting the statements between dbt and DuckDB, recording them, and sending them again.
Does not belong here: what to run, and what it costs (`peers.py`).

    python -m benchmarks.recorded_dbt statements.json build --project-dir …
    python -m benchmarks.recorded_dbt --replay statements.json warehouse.duckdb

Statements that only query are not sent again. The Python model is computed again by its own function.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb

_ASKS = re.compile(r"\s*(/\*.*?\*/\s*)?(--[^\n]*\n\s*)*(select|describe|with|show)\b", re.IGNORECASE | re.DOTALL)
_WORD = re.compile(r"/\*.*?\*/", re.DOTALL)  # the comment that dbt adds to every statement
_FRAME = re.compile(r"__dbt_python_model_df_\w+")


class RecordingCursor:
    """A cursor that adds each statement to `statements`."""

    def __init__(self, cursor: Any, statements: list[str]) -> None:
        self._cursor, self._statements = cursor, statements

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def execute(self, sql: str, *bindings: Any) -> Any:
        """Execute the statement and record it."""
        if not _ASKS.match(sql):
            self._statements.append(sql)
        return self._cursor.execute(sql, *bindings)


def record(file: Path, arguments: list[str]) -> bool:
    """Run dbt with `arguments`, one statement after the other. Return whether it succeeded."""
    from dbt.adapters.duckdb.environments.local import LocalEnvironment
    from dbt.cli.main import dbtRunner

    statements: list[str] = []
    initialize = LocalEnvironment.initialize_cursor

    def initialize_recording(*initial: Any, **options: Any) -> RecordingCursor:
        return RecordingCursor(initialize(*initial, **options), statements)

    with mock.patch.object(LocalEnvironment, "initialize_cursor", staticmethod(initialize_recording)):
        finished = dbtRunner().invoke([*arguments, "--threads", "1"])
    file.write_text(json.dumps(statements), encoding="utf-8")
    return finished.success


def replay(file: Path, warehouse: Path) -> None:
    """Send the statements recorded in `file` to a copy of the database on which they were recorded."""
    from pipelines.transform.customer_value import predict

    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("set TimeZone = 'UTC'; set enable_progress_bar = false")
        is_open = False
        for sql in json.loads(file.read_text(encoding="utf-8")):
            # dbt itself ends a transaction in which it only queried, and each model has its own connection.
            if (word := _WORD.sub("", sql).strip().rstrip(";").lower()) in ("begin", "commit"):
                if is_open:
                    connection.commit()
                if is_open := word == "begin":
                    connection.begin()
                continue
            if frame := _FRAME.search(sql):
                purchases = connection.table("intermediate.int_customer_purchases").df()
                connection.register(frame[0], predict(purchases))
            connection.execute(sql)


def main() -> None:
    """Run the command that the module describes."""
    if sys.argv[1] == "--replay":
        replay(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        sys.exit(0 if record(Path(sys.argv[1]), sys.argv[2:]) else 1)


if __name__ == "__main__":
    main()
