"""Executes the checks of a table only if something that they read has changed.

Belongs here: what a suite reads, as a text (equal texts mean equal results), and when earlier results remain valid.
Does not belong here: executing checks (`validation.py`), and how a table's version is determined.
"""

import hashlib
import re
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path

from pipelines.checks.gx.relations import DuckDBTable
from pipelines.checks.history import CheckHistory
from pipelines.checks.results import CheckResult
from pipelines.checks.suites import Suite
from pipelines.checks.validation import validate

# SQL that reads the time, a random number or a file can give other results on the same tables.
CHANGES_BY_ITSELF = re.compile(
    r"""
    \b(now|today|random|uuid|gen_random_uuid|uuidv\d|nextval|setseed|getenv|getvariable|glob)\s*\(
    | \bcurrent_|\blocaltime|\binformation_schema\b
    | \b(read|parquet|duckdb|pragma|sniff|scan|query|sqlite|postgres|mysql|iceberg|delta)_\w*\s*\(
    | \b(from|join)\s+'
    """,
    re.IGNORECASE | re.VERBOSE,
)


def validate_if_changed(
    suite: Suite, table: DuckDBTable, content: str | None, history: CheckHistory, run_id: str
) -> list[CheckResult]:
    """The results of `suite` on `table`; those of an earlier run if its checks read the same `content`.

    Every run repeats checks that could not be executed and critical checks that failed.
    """
    if content is None:
        return validate(suite, table)
    if kept := history.kept(suite, content):
        return kept
    results = validate(suite, table)
    if all(result.error is None and (result.passed or result.severity != "critical") for result in results):
        history.keep(suite, content, run_id, results)
    return results


def content_of(suite: Suite, table: DuckDBTable, versions: Mapping[tuple[str, str], str | None]) -> str | None:
    """A hash of everything that the checks of `suite` will read, in `table` and elsewhere; None if it is unknown.

    `versions` are those of the tables and views in its file, by schema and name; None where not known. A rule that
    names another table counts as reading it. A word that only looks like a table's name may repeat a check needlessly.
    """
    written = [spec.rule for spec in suite.checks if spec.rule is not None]
    ours = [spec.kind.figures(spec.kwargs) for spec in suite.checks if spec.kind.figures is not None]
    ours += [view.sql for view in table.views]
    words = {word for query in [*written, *ours] for word in re.findall(r"\w+", query)}
    read = {place: known for place, known in versions.items() if place[1] in words}
    read[table.schema, table.table] = versions.get((table.schema, table.table))
    if None in read.values() or any(CHANGES_BY_ITSELF.search(query) for query in written):
        return None
    parts = [
        _this_code(),
        suite.model_dump_json(exclude={"path", "description", "owner", "runbook"}),
        repr(sorted(read.items())),
        repr(table.without_days),
        *(f"{view.name} {view.sql} {_attached(view.attached)}" for view in table.views),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _attached(files: tuple[tuple[str, Path], ...]) -> str:
    """The identity of files. They are replaced, never changed, so a new file has a new name, inode or time."""
    stats = [(name, path.resolve(), path.stat()) for name, path in files]
    return repr([(name, str(path), stat.st_ino, stat.st_mtime_ns, stat.st_size) for name, path, stat in stats])


@cache
def _this_code() -> str:
    """A text that changes whenever the code that executes checks changes."""
    modules = sorted(Path(__file__).parent.rglob("*.py"))
    versions = [version(package) for package in ("great-expectations", "duckdb")]
    return repr([*versions, *((module.name, module.stat().st_mtime_ns) for module in modules)])
