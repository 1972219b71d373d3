"""Stores every check result in records of its own, which survive a failed or rebuilt warehouse.

Belongs here: recording and reading results, deleting old ones, and deciding whether a run may publish.
Does not belong here: executing checks, or deciding which of them a publication needs.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.checks.results import CheckResult
from pipelines.damage import store_errors
from pipelines.database import Connection, Records

if TYPE_CHECKING:
    import pandas as pd

    from pipelines.checks.suites import Suite

_BUSY_SECONDS = 30
KEPT_RUNS = 400  # a year of daily runs, and some repeated runs

_TABLE = """
create table if not exists check_results (
    result_id integer primary key,
    run_id text not null,
    delivered_on text,
    checked_at text not null,
    stage text not null,
    "table" text not null,
    "check" text not null,
    severity text not null,
    passed integer not null,
    expectation_type text not null,
    "column" text,
    observed text not null,
    expected text not null,
    unexpected_count integer,
    element_count integer,
    message text not null,
    examples text not null,
    error text,
    failing_days text not null default '[]',
    checked_in_run text
)
"""
# Files from before these columns were recorded lack them.
ADDED = {"failing_days": "text not null default '[]'", "checked_in_run": "text"}
# The newest results of a table, with what its checks had read: its `content`. New content replaces them.
_KEPT = """
create table if not exists kept_results (
    stage text not null,
    "table" text not null,
    content text not null,
    run_id text not null,
    results text not null,
    primary key (stage, "table")
)
"""
_INDEX = "create index if not exists check_results_of_run on check_results (run_id)"
_FORGET = """
delete from check_results where run_id not in (
    select run_id from check_results group by run_id order by max(result_id) desc limit ?
)
"""
_KEEP = """
insert into kept_results values (?, ?, ?, ?, ?)
on conflict (stage, "table") do update set
    content = excluded.content, run_id = excluded.run_id, results = excluded.results
"""
_ALL = 2**62  # more runs than there are
SCHEMA = f"{_TABLE}; {_KEPT}; {_INDEX};"
_RESULT_FIELDS = [field.name for field in fields(CheckResult)]


@dataclass(frozen=True)
class CheckHistory:
    """The check results of the newest `kept_runs` runs, in the SQLite file `path`, which is created on first use, or
    in the database with this URL."""

    path: Path
    kept_runs: int = KEPT_RUNS
    database: str | None = field(default=None, repr=False)

    @property
    def place(self) -> str:
        """Where results are recorded, as people name it."""
        return "the database" if self.database else self.path.name

    def record(self, run_id: str, delivered_on: str | None, checked_at: str, results: Sequence[CheckResult]) -> None:
        """Add `results` of run `run_id`, all or none of them. The first results of a run displace those of old runs.

        `delivered_on` is the delivery day that they are about (ISO date), or None if they are about all deliveries;
        `checked_at` is an ISO time.

        Raises:
            StoreError: they could not be recorded, and must not count.
        """
        names = ["run_id", "delivered_on", "checked_at", *_RESULT_FIELDS]
        columns, marks = ", ".join(f'"{name}"' for name in names), ", ".join("?" for _ in names)
        rows = [(run_id, delivered_on, checked_at, *_to_row(result)) for result in results]
        with self._connection(alone=True) as connection:
            if not connection.execute("select 1 from check_results where run_id = ?", (run_id,)).fetchone():
                connection.execute(_FORGET, (self.kept_runs - 1,))
            connection.executemany(f"insert into check_results ({columns}) values ({marks})", rows)

    def results(self, run_id: str) -> list[CheckResult]:
        """The results of one run by stage, table and check; for a check that was retried, the latest result.

        A check that was executed for several delivery days of one run has one result per day.
        """
        columns = ", ".join(f'"{name}"' for name in _RESULT_FIELDS)
        query = f"""
            select {columns} from check_results
            where result_id in (
                select max(result_id) from check_results where run_id = ?
                group by stage, "table", "check", delivered_on
            )
            order by stage, "table", "check", delivered_on nulls first
        """
        with self._connection() as connection:
            return [_from_row(row) for row in connection.execute(query, (run_id,))]

    def keep(self, suite: "Suite", content: str, run_id: str, results: Sequence[CheckResult]) -> None:
        """Store what run `run_id` found in the table of `suite`, whose checks read `content`, for later runs."""
        found = json.dumps([_to_row(result) for result in results])
        with self._connection(alone=True) as connection:
            connection.execute(_KEEP, (suite.stage, suite.name, content, run_id, found))

    def kept(self, suite: "Suite", content: str) -> list[CheckResult] | None:
        """What an earlier run found in the table of `suite`, if its checks read `content`; each result names it."""
        with self._connection() as connection:
            found = connection.execute(
                'select run_id, results from kept_results where stage = ? and "table" = ? and content = ?',
                (suite.stage, suite.name, content),
            ).fetchone()
        if found is None:
            return None
        run_id, results = found
        return [replace(_from_row(row), checked_in_run=run_id) for row in json.loads(results)]

    def blocking_problems(self, run_id: str, expected: Iterable[tuple[str, str, str]]) -> list[str]:
        """Why run `run_id` must not be published; an empty list if there is no reason.

        `expected` are the critical checks, as (stage, table, check), that must have passed in this run. A check without
        a result in this run is a problem, whatever the results of earlier runs. A check whose result only warns is not
        a problem: the deliveries that it failed for are left out.
        """
        found: dict[tuple[str, str, str], list[CheckResult]] = {}
        for result in self.results(run_id):
            found.setdefault((result.stage, result.table, result.check), []).append(result)
        problems = []
        for stage, table, check in expected:
            results = found.get((stage, table, check))
            if not results:
                problems.append(f"{stage}/{table} {check}: has no result in run {run_id}. It did not run.")
            else:
                problems += [
                    f"{stage}/{table} {check}: {item.message}"
                    for item in results
                    if not item.passed and item.severity == "critical"
                ]
        return problems

    def frame(self, last_runs: int | None = None) -> "pd.DataFrame":
        """All recorded results, or those of the newest `last_runs` runs; one row each, in the order of recording.

        Columns: run_id, delivered_on, checked_at, then the fields of `CheckResult`. `passed` is boolean, `examples`
        and `failing_days` are JSON texts, and the counts are nullable integers.
        """
        import pandas as pd  # only publication needs it

        names = ["run_id", "delivered_on", "checked_at", *_RESULT_FIELDS]
        columns = ", ".join(f'"{name}"' for name in names)
        query = f"""
            select {columns} from check_results
            where run_id in (
                select run_id from check_results group by run_id order by max(result_id) desc limit ?
            )
            order by result_id
        """
        with self._connection() as connection:
            rows = connection.execute(query, (_ALL if last_runs is None else last_runs,)).fetchall()
        frame = pd.DataFrame.from_records(rows, columns=names, coerce_float=True)
        texts = dict.fromkeys(
            ["delivered_on", "column", "error", "checked_in_run"], "string"
        )  # even if no row has a value
        return frame.astype({"passed": "bool", "unexpected_count": "Int64", "element_count": "Int64", **texts})

    @contextmanager
    def _connection(self, *, alone: bool = False) -> Iterator[Connection]:
        """A transaction in the file or the database. In the database, those who are `alone` wait for each other."""
        opened = self._file()
        if self.database:
            records = Records(self.database, "kpi_checks", SCHEMA, _BUSY_SECONDS, self.path, self._file)
            opened = records.transaction(alone=alone)
        with opened as connection:
            yield connection

    @contextmanager
    def _file(self) -> Iterator[Connection]:
        """A connection that waits for other writers, commits if the block succeeds, and is always closed."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with store_errors(self.path), closing(sqlite3.connect(self.path, timeout=_BUSY_SECONDS)) as connection:
            connection.execute("pragma journal_mode = wal")
            for statement in (_TABLE, _KEPT, _INDEX):
                connection.execute(statement)
            _bring_up_to_date(connection)
            with connection:
                yield connection


def _bring_up_to_date(connection: sqlite3.Connection) -> None:
    """Add the columns that a file from an older version lacks."""
    if not _lacks(connection):
        return
    connection.execute("begin immediate")  # if two processes start, one adds the columns, and the other sees them
    with connection:
        for column in _lacks(connection):
            connection.execute(f"alter table check_results add column {column} {ADDED[column]}")


def _lacks(connection: sqlite3.Connection) -> list[str]:
    there = {name for _, name, *_ in connection.execute("pragma table_info(check_results)")}
    return [column for column in ADDED if column not in there]


def _to_row(result: CheckResult) -> list[Any]:
    values = asdict(result) | {
        "passed": int(result.passed),
        "examples": json.dumps(result.examples),
        "failing_days": json.dumps(result.failing_days),
    }
    return [values[name] for name in _RESULT_FIELDS]


def _from_row(row: Sequence[Any]) -> CheckResult:
    values = dict(zip(_RESULT_FIELDS, row, strict=True))
    return CheckResult(
        **values
        | {
            "passed": bool(values["passed"]),
            "examples": json.loads(values["examples"]),
            "failing_days": tuple(json.loads(values["failing_days"])),
        }
    )
