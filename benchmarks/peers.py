"""What a day costs here, compared with the same day done in other ways, on the same installation in the same run.

Belongs here: creating the installation, restoring it before each turn, running all peers in turn, printing one table.
Does not belong here: any judgement, and the peers themselves (`documented.py`, `in_pandas.py`, `recorded_dbt.py`).

    SCALE=10 ROUNDS=3 python -m benchmarks.peers        # PEERS=0 leaves the slow peer out

All peers start with the same files: a company with two months of delivered days, and one more day in the landing
folder. Each turn is a process of its own. Its time includes all processes that it started, and its memory is the peak
of any one of them.

* `kpi run`: the whole day: landing, models, checks, publication, alerts.
* `dbt build`: only the models and their tests, on the landed day, with the project already parsed.
* SQL alone: the statements that dbt sent to build them, without those that only query, directly in DuckDB.
* in pandas: only the KPIs, from clean rows, see `in_pandas.py`.
* as documented: landing, models and checks on Dagster's default executor, one process per step, see `documented.py`.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from functools import cached_property
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
SLOW_PEER = "as documented"  # takes many times as long, so one turn is enough
WITH_SLOW_PEER = os.environ.get("PEERS") != "0"
BENCH = PROJECT_DIR / "data" / "bench"
FIRST_DAYS_END = date(2026, 1, 9)
DAY = FIRST_DAYS_END + timedelta(days=1)


@dataclass(frozen=True)
class Cost:
    """What a process and all its child processes used: seconds and megabytes."""

    cpu: float
    wall: float
    peak_mb: float


class Installation:
    """A company on the morning of a day, which can be restored.

    `found` creates it if it does not exist yet, by passing commands to `run`. `more` is the environment of them all.
    """

    def __init__(self, name: str, found: Callable[["Installation"], None], **more: str) -> None:
        self.folder = BENCH / name
        self._morning = BENCH / f"{name}-morning"
        self.environment = {**os.environ, "DATA_DIR": str(self.folder), "KPI_COMPANY_DIR": str(BENCH / "none"), **more}
        if not self._morning.exists():
            shutil.rmtree(self.folder, ignore_errors=True)
            found(self)
            shutil.copytree(self.folder, self._morning, symlinks=True)

    @cached_property
    def settings(self) -> Settings:
        """The settings of the installation."""
        return load_settings().model_copy(update={"company_dir": BENCH / "none"}).with_data_dir(self.folder)

    @cached_property
    def sources(self) -> list[Source]:
        """The sources that deliver to it."""
        return load_sources(self.settings.sources, self.settings.company_dir)

    def restore(self) -> None:
        """Restore everything to the morning of the day."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self._morning, self.folder, symlinks=True)

    def run(self, command: list[str], **more: str) -> Cost:
        """Run a command to its end, and return its cost.

        Raises:
            SystemExit: the command failed; its last lines are printed.
        """
        log = self.folder.with_name(f"{self.folder.name}.log")
        began = time.perf_counter()
        with log.open("w") as output:
            process = subprocess.Popen(
                command, cwd=PROJECT_DIR, env={**self.environment, **more}, stdout=output, stderr=subprocess.STDOUT
            )
            _, status, used = os.wait4(process.pid, 0)
        if status:
            sys.exit(f"{' '.join(command)[:200]} failed:\n{log.read_text()[-2000:]}")
        return Cost(used.ru_utime + used.ru_stime, time.perf_counter() - began, used.ru_maxrss / 1024)

    def dbt(self, program: list[str]) -> list[str]:
        """The command that builds all models. dbt's arguments are appended to `program`."""
        build = ["build", *LEFT_TO_TESTS, "--quiet"]
        _, *arguments = dbt_command(build, assemble_project(self.settings), dbt_variables(self.settings, self.sources))
        return [*program, *arguments]

    def land(self) -> None:
        """Bring the day into raw."""
        landing, raw = self.settings.landing_dir, self.settings.raw_dir
        with sandboxed(landing, raw) as database:
            for source, name, table in each_table(self.sources):
                table = table.model_copy(update={"empty_day": "allowed"})
                land(source.name, name, table, DAY, landing, raw, database)


def main() -> None:
    """Measure and print. The results are also written to `data/bench/peers-<scale>.json`."""
    console = Console()
    BENCH.mkdir(parents=True, exist_ok=True)
    # The day repeats one of four weeks earlier, which may be too small for its weekday.
    installation = Installation(f"peers-{SCALE:g}", _two_months, KPI_UNUSUAL_DAYS=str(DAY))
    statements, frames = _record_statements(installation), _keep_frames(installation)
    turns: dict[str, Callable[[], Cost]] = {
        "kpi run": lambda: installation.run([sys.executable, "-m", "pipelines", "run", "--date", str(DAY)]),
        "dbt build": lambda: _dbt_build(installation),
        "SQL alone": lambda: _sql_alone(installation, statements),
        "in pandas": lambda: installation.run(_in_pandas(installation, str(frames))),
        SLOW_PEER: lambda: _as_documented(installation),
    }
    costs: dict[str, list[Cost]] = {}
    for number in range(ROUNDS):
        for name, turn in turns.items():
            if name == SLOW_PEER and (number or not WITH_SLOW_PEER):
                continue
            installation.restore()
            costs.setdefault(name, []).append(turn())
            last = costs[name][-1]
            console.print(f"round {number + 1} of {ROUNDS}, {name}: {last.cpu:.1f} s processor, {last.wall:.1f} s wall")
    middle = {name: _median(each) for name, each in costs.items()}
    _print(console, middle)
    results = {"scale": SCALE, "rounds": ROUNDS, **{name: asdict(cost) for name, cost in middle.items()}}
    (BENCH / f"peers-{SCALE:g}.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def _two_months(installation: Installation) -> None:
    """Run what the demo company delivers in its two months, and have it deliver the next day."""
    company = [sys.executable, "-m", "demo_company"]
    installation.run([*company, "--scale", f"{SCALE:g}"])
    installation.run([sys.executable, "-m", "pipelines", "run"])
    installation.run([*company, "--days", "1"])


def _record_statements(installation: Installation) -> Path:
    """Build the day once, and store what dbt sent to DuckDB."""
    statements = BENCH / f"peers-{SCALE:g}-statements.json"
    installation.restore()
    installation.land()
    recording = [sys.executable, "-m", "benchmarks.recorded_dbt", str(statements)]
    installation.run(installation.dbt(recording), **dbt_environment(installation.settings, DAY))
    return statements


def _keep_frames(installation: Installation) -> Path:
    frames = BENCH / f"peers-{SCALE:g}-frames.pickle"
    installation.run(_in_pandas(installation, "--keep", str(frames)))
    return frames


def _in_pandas(installation: Installation, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.in_pandas", *arguments, str(installation.folder), str(DAY)]


def _dbt_build(installation: Installation) -> Cost:
    installation.land()
    return installation.run(installation.dbt([str(DBT)]), **dbt_environment(installation.settings, DAY))


def _sql_alone(installation: Installation, statements: Path) -> Cost:
    installation.land()
    replay = [sys.executable, "-m", "benchmarks.recorded_dbt", "--replay", str(statements)]
    return installation.run([*replay, str(installation.settings.warehouse_path)])


def _as_documented(installation: Installation) -> Cost:
    home = installation.folder / "documented"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    manifest = installation.settings.dbt_target_dir / "target" / "manifest.json"
    dagster = [sys.executable, "-m", "dagster", "job", "execute", "-m", "benchmarks.documented", "-j", "daily"]
    return installation.run(dagster, DAGSTER_HOME=str(home), KPI_DAY=str(DAY), KPI_PARSED=str(manifest))


def _median(costs: list[Cost]) -> Cost:
    return Cost(*(statistics.median(asdict(cost)[name] for cost in costs) for name in ("cpu", "wall", "peak_mb")))


def _print(console: Console, costs: dict[str, Cost]) -> None:
    table = Table(title=f"The day {DAY} at scale {SCALE:g}, medians of {ROUNDS} rounds", title_justify="left")
    table.add_column("")
    for column in ("CPU s", "of kpi run", "wall s", "peak MB"):
        table.add_column(column, justify="right")
    for name, cost in costs.items():
        ratio = cost.cpu / costs["kpi run"].cpu
        table.add_row(name, f"{cost.cpu:.1f}", f"{ratio:.2f}", f"{cost.wall:.1f}", f"{cost.peak_mb:,.0f}")
    console.print(table)


if __name__ == "__main__":
    main()
