"""What a day costs as history grows: the same last delivery day, with a history of one month and of two years.

Belongs here: creating both histories, running their last day, and printing counts and CPU time side by side.
Does not belong here: any judgement. The target is stated in `docs/benchmarks.md`.

    SCALE=1 python -m benchmarks.one_day

Rows are those that dbt's statements write and read according to DuckDB's profiler (`counted_dbt.py`). CPU time is that
of landing the day and of `dbt build`, including child processes. Waiting for a processor that is busy with other work
does not count. The day is run several times, with the two histories in turns, and the median counts.
"""

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pipelines.ingest.landing import land
from pipelines.settings import PROJECT_DIR, Settings, load_settings
from pipelines.sources import Source, each_table, load_sources
from pipelines.transform.project import (
    DBT,
    LEFT_TO_TESTS,
    assemble_project,
    dbt_command,
    dbt_environment,
    dbt_variables,
)
from pipelines.warehouse import sandboxed

SCALE = float(os.environ.get("SCALE") or 1)
ROUNDS = int(os.environ.get("ROUNDS") or 3)
LAST_DAY = date(2026, 1, 9)
HISTORIES = {"1 month": LAST_DAY - timedelta(days=30), "24 months": date(2025, 11, 10)}


@dataclass(frozen=True)
class Cost:
    """The cost of one day with one history."""

    delivered_rows: int
    rows_of_history: int
    rows_written: int
    rows_read: int
    cpu_seconds: float


class Installation:
    """The company's data on the day before the last, which can be restored."""

    def __init__(self, folder: Path, landing: Path, first: date) -> None:
        self.settings = load_settings().model_copy(update={"data_dir": folder, "company_dir": folder / "none"})
        self.sources = load_sources(self.settings.sources, self.settings.company_dir)
        self.settings.warehouse_path.unlink(missing_ok=True)
        folder.mkdir(exist_ok=True)
        if not self.settings.landing_dir.is_symlink():
            self.settings.landing_dir.symlink_to(landing)
        days = [first + timedelta(days=number) for number in range((LAST_DAY - first).days)]
        self.rows_of_history = _land(self.settings, self.sources, days)
        _build(self.settings, self.sources, days[-1], [str(DBT)])
        self._before = self.settings.warehouse_path.with_suffix(".before")
        shutil.copy(self.settings.warehouse_path, self._before)

    def run_last_day(self, dbt: list[str]) -> tuple[int, float]:
        """The rows of the last day, and its CPU seconds."""
        for file in self.settings.raw_dir.glob(f"*/*/delivered_on={LAST_DAY}/*"):
            file.unlink()
        shutil.copy(self._before, self.settings.warehouse_path)
        before = _cpu_seconds()
        delivered = land_day(self.settings, self.sources, LAST_DAY)
        _build(self.settings, self.sources, LAST_DAY, dbt)
        return delivered, _cpu_seconds() - before


def main() -> None:
    """Measure and print. The results are also written to `data/bench/one_day.json`."""
    console = Console()
    bench = PROJECT_DIR / "data" / "bench"
    delivered = bench / f"one-day-{SCALE:g}"
    command = [sys.executable, "-m", "demo_company", "--scale", f"{SCALE:g}", "--data-dir", str(delivered)]
    subprocess.run(command, check=True, cwd=PROJECT_DIR)
    installations = {
        name: Installation(bench / f"one-day-{SCALE:g}-{name.replace(' ', '-')}", delivered / "landing", first)
        for name, first in HISTORIES.items()
    }
    rounds = [
        {name: installation.run_last_day([str(DBT)])[1] for name, installation in installations.items()}
        for _ in range(ROUNDS)
    ]
    counts = bench / "one_day_counts.json"
    costs = {}
    for name, installation in installations.items():
        rows, _ = installation.run_last_day([sys.executable, "-m", "benchmarks.counted_dbt", str(counts)])
        counted = json.loads(counts.read_text(encoding="utf-8"))
        cpu = statistics.median(cpu_seconds[name] for cpu_seconds in rounds)
        costs[name] = Cost(rows, installation.rows_of_history, counted["written"], counted["read"], cpu)
    _print(console, costs)
    results = {"scale": SCALE, "rounds": ROUNDS, **{name: asdict(cost) for name, cost in costs.items()}}
    (bench / "one_day.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def land_day(settings: Settings, sources: list[Source], day: date) -> int:
    """Bring one day of every table into raw, and return the number of rows."""
    return _land(settings, sources, [day])


def _land(settings: Settings, sources: list[Source], days: list[date]) -> int:
    rows = 0
    with sandboxed(settings.landing_dir, settings.raw_dir) as database:
        for source, name, table in each_table(sources):
            table = table.model_copy(update={"empty_day": "allowed"})
            for day in days:
                rows += land(source.name, name, table, day, settings.landing_dir, settings.raw_dir, database).rows
    return rows


def _build(settings: Settings, sources: list[Source], as_of: date, dbt: list[str]) -> None:
    """Run `dbt build` in a process of its own. `dbt` is the command to which dbt's arguments are appended."""
    environment = {**os.environ, **dbt_environment(settings, as_of)}
    build = ["build", *LEFT_TO_TESTS, "--quiet"]
    _, *arguments = dbt_command(build, assemble_project(settings), dbt_variables(settings, sources))
    subprocess.run([*dbt, *arguments], env=environment, check=True, cwd=PROJECT_DIR)


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
