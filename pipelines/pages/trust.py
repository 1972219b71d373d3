"""How far a number can be trusted: how new the deliveries are that it is made from, and what their checks found.

Belongs here: that, per KPI and for the whole publication, read once per publication. Does not belong here: how it is
shown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import duckdb

from pipelines.pages.publications import Opened


@dataclass(frozen=True)
class Trust:
    """Of the tables that a KPI is made from: their sources' newest complete day, and their checks."""

    data_through: date | None  # of the source that is furthest behind
    behind: tuple[str, ...]  # the sources that are behind the others
    passed: int
    warnings: int
    failed: int  # critical ones, whose findings a person accepted


def trust_in(connection: duckdb.DuckDBPyConnection, opened: Opened) -> Mapping[str, Trust]:
    """The trust in each KPI, by the marts that its variants are read from."""
    if "trust" not in opened.known:
        opened.known["trust"] = _read(connection)
    known: Mapping[str, Trust] = opened.known["trust"]
    return known


def _read(connection: duckdb.DuckDBPyConnection) -> dict[str, Trust]:
    parents: dict[str, list[str]] = {}
    for model, parent in connection.execute("select model, made_from from meta.lineage").fetchall():
        parents.setdefault(model, []).append(parent)
    checked: dict[str, Sequence[int]] = {
        table: counts
        for table, *counts in connection.execute(
            """
            select
                "table", count(*) filter (passed), count(*) filter (not passed and severity <> 'critical'),
                count(*) filter (not passed and severity = 'critical')
            from meta.check_results
            where run_id = (select any_value(run_id) from meta.publication)
            group by all
            """
        ).fetchall()
    }
    through = dict(connection.execute("select source, data_through from meta.publication").fetchall())
    marts: dict[str, set[str]] = {}
    for kpi_id, mart in connection.execute("select distinct kpi_id, mart from marts.kpi_measures").fetchall():
        marts.setdefault(kpi_id, set()).add(mart)
    return {kpi_id: _of_tables(_upstream(parents, of_kpi), checked, through) for kpi_id, of_kpi in marts.items()}


def _upstream(parents: Mapping[str, Sequence[str]], ends: set[str]) -> set[str]:
    """The models and delivered tables that `ends` are made from, and `ends` themselves."""
    found, waiting = set(ends), list(ends)
    while waiting:
        for parent in parents.get(waiting.pop(), ()):
            if parent not in found:
                found.add(parent)
                waiting.append(parent)
    return found


def _of_tables(tables: set[str], checked: Mapping[str, Sequence[int]], through: Mapping[str, date]) -> Trust:
    results = [checked[name] for table in tables if (name := table.replace(".", "__")) in checked]
    sources = {table.partition(".")[0] for table in tables if "." in table}
    days = {source: through[source] for source in sources if source in through}
    newest = max(days.values(), default=None)
    behind = tuple(sorted(source for source, day in days.items() if newest and day < newest))
    passed, warnings, failed = (sum(counts) for counts in zip(*results, strict=True)) if results else (0, 0, 0)
    return Trust(min(days.values(), default=None), behind, passed, warnings, failed)
