"""dbt, with a count of the rows that its statements read and write, as DuckDB's profiler sees them.

Belongs here: intercepting the statements between dbt and DuckDB, and adding up the counts.
Does not belong here: what to run, and what the counts mean (`one_day.py`).

    python -m benchmarks.counted_dbt counts.json build --project-dir …

Rows written are those that go into tables, temporary tables included, and those that are updated or deleted. Rows read
are those that these statements scan in tables and files: a view is read by the statements that query it, and skipped
row groups and files are not read. The input of the Python model is not counted.
"""

import json
import sys
from pathlib import Path
from typing import Any
from unittest import mock

from dbt.adapters.duckdb.environments.local import LocalEnvironment
from dbt.cli.main import dbtRunner

METRICS = ("OPERATOR_NAME", "OPERATOR_TYPE", "OPERATOR_CARDINALITY", "OPERATOR_ROWS_SCANNED")
WRITERS = ("INSERT", "BATCH_INSERT", "CREATE_TABLE_AS", "BATCH_CREATE_TABLE_AS", "UPDATE", "DELETE_OPERATOR")

Operator = dict[str, Any]


class CountingCursor:
    """A cursor that adds what each statement read and wrote to `totals`."""

    def __init__(self, cursor: Any, totals: dict[str, int]) -> None:
        self._cursor, self._totals = cursor, totals
        cursor.execute("pragma enable_profiling = 'no_output'")
        cursor.execute(f"set custom_profiling_settings = '{json.dumps(dict.fromkeys(METRICS, 'true'))}'")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def execute(self, *arguments: Any) -> Any:
        """Execute the statement and count its rows."""
        result = self._cursor.execute(*arguments)
        operators = list(_operators(json.loads(self._cursor.get_profiling_information(format="json"))))
        writers = [operator for operator in operators if operator.get("operator_type") in WRITERS]
        if writers:
            self._totals["written"] += sum(each["children"][0]["operator_cardinality"] for each in writers)
            self._totals["read"] += sum(map(_rows_read, operators))
        return result


def _rows_read(operator: Operator) -> int:
    if operator.get("operator_type") != "TABLE_SCAN":
        return 0
    # For files, DuckDB 1.5 counts everything they contain as scanned, once per thread. Only the output was really read.
    is_table = operator["operator_name"].strip() == "SEQ_SCAN"
    return int(operator["operator_rows_scanned" if is_table else "operator_cardinality"])


def _operators(operator: Operator) -> list[Operator]:
    return [operator, *(found for child in operator.get("children", []) for found in _operators(child))]


def main() -> None:
    """Run dbt with the arguments that follow the name of the file for the counts."""
    totals = {"written": 0, "read": 0}
    initialize = LocalEnvironment.initialize_cursor

    def initialize_counting(*arguments: Any, **options: Any) -> CountingCursor:
        return CountingCursor(initialize(*arguments, **options), totals)

    with mock.patch.object(LocalEnvironment, "initialize_cursor", staticmethod(initialize_counting)):
        finished = dbtRunner().invoke([*sys.argv[2:], "--threads", "1"])  # counts are added up without a lock
    Path(sys.argv[1]).write_text(json.dumps(totals), encoding="utf-8")
    sys.exit(0 if finished.success else 1)


if __name__ == "__main__":
    main()
