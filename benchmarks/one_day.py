"""What a day costs as history grows: the same last delivery day, run on one month of history and on two years.

Belongs here: making both histories, running their last day, and printing counts and CPU time side by side.
Does not belong here: any judgement. The target stands in `docs/architecture.md`.

    SCALE=1 python -m benchmarks.one_day

A model that is built in full writes its whole table and reads all of its inputs; an incremental log writes what the
day brought, and reads that. CPU time is that of landing the day and of `dbt build`, children included: waiting for a
processor that other work has does not count.
"""

import json
import os
import resource
import subprocess
import sys
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console
from rich.table import Table

from pipelines.ingest.landing import land
from pipelines.settings import PROJECT_DIR, Settings, load_settings
from pipelines.sources import Source, each_table, load_sources
from pipelines.transform.project import assemble_project, dbt_command, dbt_environment, dbt_variables
from pipelines.warehouse import reader, sandboxed

SCALE = float(os.environ.get("SCALE") or 1)
LAST_DAY = date(2026, 1, 9)
HISTORIES = {"1 month": LAST_DAY - timedelta(days=30), "24 months": date(2025, 11, 10)}


@dataclass(frozen=True)
class Cost:
    """One day on one history."""

    delivered_rows: int
    rows_of_history: int
    rows_written: int
    rows_read: int
    cpu_seconds: float


def main() -> None:
    """Measure and print; results go to `data/bench/one_day.json`, too."""
    console = Console()
    bench = PROJECT_DIR / "data" / "bench"
    delivered = bench / f"one-day-{SCALE:g}"
    command = [sys.executable, "-m", "demo_company", "--scale", f"{SCALE:g}", "--data-dir", str(delivered)]
    subprocess.run(command, check=True, cwd=PROJECT_DIR)
    costs = {
        name: _cost(bench / f"one-day-{SCALE:g}-{name.replace(' ', '-')}", delivered / "landing", first)
        for name, first in HISTORIES.items()
    }
    _print(console, costs)
    results = {"scale": SCALE, **{name: asdict(cost) for name, cost in costs.items()}}
    (bench / "one_day.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def _cost(folder: Path, landing: Path, first: date) -> Cost:
    settings = load_settings().model_copy(update={"data_dir": folder, "company_dir": folder / "none"})
    sources = load_sources(settings.sources, settings.company_dir)
    settings.warehouse_path.unlink(missing_ok=True)
    folder.mkdir(exist_ok=True)
    if not settings.landing_dir.is_symlink():
        settings.landing_dir.symlink_to(landing)
    days = [first + timedelta(days=number) for number in range((LAST_DAY - first).days)]
    history = _land(settings, sources, days)
    _build(settings, sources, days[-1])
    before = _cpu_seconds()
    delivered = _land(settings, sources, [LAST_DAY])
    _build(settings, sources, LAST_DAY)
    cpu = _cpu_seconds() - before
    written, read = _rows(settings)
    return Cost(delivered, history, written, read, cpu)


def _land(settings: Settings, sources: list[Source], days: list[date]) -> int:
    rows = 0
    with sandboxed(settings.landing_dir, settings.raw_dir) as database:
        for source, name, table in each_table(sources):
            table = table.model_copy(update={"empty_day": "allowed"})
            for day in days:
                rows += land(source.name, name, table, day, settings.landing_dir, settings.raw_dir, database).rows
    return rows


def _build(settings: Settings, sources: list[Source], as_of: date) -> None:
    environment = {**os.environ, **dbt_environment(settings, as_of)}
    command = dbt_command(["build", "--exclude-resource-type", "unit_test", "--quiet"], assemble_project(settings),
                          dbt_variables(settings, sources))  # fmt: skip
    subprocess.run(command, env=environment, check=True)


def _rows(settings: Settings) -> tuple[int, int]:
    """Rows that the last build wrote, and rows that its models were given to read."""
    manifest = json.loads((settings.dbt_target_dir / "target" / "manifest.json").read_text(encoding="utf-8"))
    nodes: dict[str, dict[str, Any]] = {**manifest["nodes"], **manifest["sources"]}
    with reader(settings.warehouse_path) as warehouse:
        new = {name: _count(warehouse, settings, node, only_new=True) for name, node in nodes.items()}
        every = {name: _count(warehouse, settings, node, only_new=False) for name, node in nodes.items()}
    written = read = 0
    for name, node in nodes.items():
        if node["resource_type"] != "model" or node["config"]["materialized"] == "view":
            continue
        is_log = node["config"]["materialized"] == "incremental"
        written += new[name] if is_log else every[name]
        read += sum((new if is_log else every).get(parent, 0) for parent in node["depends_on"]["nodes"])
    return written, read


def _count(warehouse: duckdb.DuckDBPyConnection, settings: Settings, node: dict[str, Any], only_new: bool) -> int:
    if node["resource_type"] == "source":
        days = f"delivered_on={LAST_DAY}" if only_new else "*"
        files = settings.raw_dir / node["source_name"] / node["name"] / days / "rows.parquet"
        relation = f"read_parquet('{files}', union_by_name = true, hive_partitioning = false)"
        condition = "true"
    elif node["resource_type"] in ("model", "seed"):
        relation = f'{node["schema"]}."{node["name"]}"'
        condition = f"_delivered_on = date '{LAST_DAY}'" if only_new and node["name"].startswith("base_") else "true"
    else:
        return 0
    row = warehouse.execute(f"select count(*) from {relation} where {condition}").fetchone()
    assert row is not None
    return int(row[0])


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _print(console: Console, costs: dict[str, Cost]) -> None:
    table = Table(title=f"One day, {LAST_DAY}, at scale {SCALE:g}", title_justify="left")
    for column in ("", *costs, "ratio"):
        table.add_column(column, justify="left" if not column else "right")
    short, long = costs.values()
    for label, field in (
        ("rows delivered that day", "delivered_rows"),
        ("rows of history", "rows_of_history"),
        ("rows written", "rows_written"),
        ("rows read", "rows_read"),
        ("CPU seconds", "cpu_seconds"),
    ):
        a, b = getattr(short, field), getattr(long, field)
        shown = (f"{value:,.1f}" if field == "cpu_seconds" else f"{value:,}" for value in (a, b))
        table.add_row(label, *shown, f"{b / a:.2f}" if a else "")
    console.print(table)


if __name__ == "__main__":
    main()
