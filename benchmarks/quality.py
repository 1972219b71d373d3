"""What checks cost: Great Expectations (GX) on DuckDB compared with its pandas engine, and the checks' share of a day.

Belongs here: creating the table, running both sides, running real days, and printing the tables.
Does not belong here: any judgement. The targets are stated in `docs/benchmarks.md`.

    ROWS=10000000 SCALE=10 python -m benchmarks.quality      # SCALE=0 leaves the days out

Both sides validate the same ten expectations on the same table, in turn, each in a process of its own. On DuckDB, the
table is in a file, as in the pipeline, and the suite runs as in the pipeline. On pandas, the same file is first read
into a frame. The time for this is shown separately, but the memory counts, because the engine needs the frame.
Neither side's time includes importing GX. Memory is the peak of the process, as reported by the operating system.

The share of a day is the time of the check steps divided by the time of all steps of the daily job, as recorded by
Dagster: first for the load of two months, and then for their last day, which is removed from raw and so lands again.
"""

import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
from rich.console import Console
from rich.table import Table

from pipelines.checks.gx.relations import DuckDBTable
from pipelines.checks.suites import Suite
from pipelines.settings import PROJECT_DIR, Settings, load_settings

ROWS = int(os.environ.get("ROWS") or 10_000_000)
ROUNDS = int(os.environ.get("ROUNDS") or 1)
SCALE = float(os.environ.get("SCALE") or 10)
LAST_DAY = date(2026, 1, 9)
BENCH = PROJECT_DIR / "data" / "bench"

# Columns as in the staging table of orders. All ids but two are unique. Some rules are each broken by one row in 997,
# and one row in 50 has no customer.
_ORDERS = f"""
    select
        concat('O', case when range = 1 then 0 else range end) as order_id,
        case when range % 50 > 0 then concat('C', range % 100_003) end as customer_id,
        case when range % 997 = 0 then 'lost' else ['paid', 'open', 'void', 'sent'][1 + range % 4] end as status,
        round((hash(range) % 1_000_000) / 100, 2) as amount,
        case when range % 997 = 0 then 'EURO' else ['EUR', 'PLN', 'CZK'][1 + range % 3] end as currency_code,
        timestamp '2024-01-01' + to_minutes(range % 1_000_000) as ordered_at,
        timestamp '2024-01-01' + to_minutes(range % 1_000_000 + range % 777) as shipped_at
    from range({ROWS})
"""

_EXPECTATIONS: list[tuple[str, dict[str, Any]]] = [
    ("expect_column_values_to_be_unique", {"column": "order_id"}),
    ("expect_column_values_to_not_be_null", {"column": "order_id"}),
    ("expect_column_values_to_not_be_null", {"column": "customer_id"}),
    ("expect_column_values_to_be_in_set", {"column": "status", "value_set": ["paid", "open", "void", "sent"]}),
    ("expect_column_values_to_be_between", {"column": "amount", "min_value": 0, "max_value": 9_999}),
    ("expect_column_value_lengths_to_equal", {"column": "currency_code", "value": 3}),
    ("expect_column_values_to_match_regex", {"column": "currency_code", "regex": "^[A-Z]{3}$"}),
    (
        "expect_column_pair_values_a_to_be_greater_than_b",
        {"column_A": "shipped_at", "column_B": "ordered_at", "or_equal": True},
    ),
    ("expect_column_mean_to_be_between", {"column": "amount", "min_value": 4_900, "max_value": 5_100}),
    ("expect_column_unique_value_count_to_be_between", {"column": "customer_id", "max_value": 200_000}),
]


@dataclass(frozen=True)
class Side:
    """One engine's turn.

    Attributes:
        reading, checking: seconds until the table was available, and seconds of the validation.
        cpu_seconds: CPU seconds of both, on all processors.
        peak_mb: the peak memory of the process.
        verdicts: for each expectation, whether it passed and how many rows failed; both sides must agree.
    """

    reading: float
    checking: float
    cpu_seconds: float
    peak_mb: float
    verdicts: list[tuple[bool, int | None]]


@dataclass(frozen=True)
class Day:
    """A run of the daily job: the seconds of its steps, by what they do."""

    title: str
    checks: float
    others: float

    @property
    def share(self) -> float:
        return self.checks / (self.checks + self.others)


def main() -> None:
    """Measure and print. The results are also written to `data/bench/quality.json`."""
    console = Console()
    BENCH.mkdir(parents=True, exist_ok=True)
    file = BENCH / f"orders-{ROWS}.duckdb"
    if not file.exists():
        with duckdb.connect(str(file)) as connection:
            connection.execute(f"create table orders as {_ORDERS}")
    rounds = [(_in_process("duckdb", file), _in_process("pandas", file)) for _ in range(ROUNDS)]
    if any(on_duckdb.verdicts != on_pandas.verdicts for on_duckdb, on_pandas in rounds):
        sys.exit(f"The engines disagree:\n{rounds[0][0].verdicts}\n{rounds[0][1].verdicts}")
    _print_engines(console, rounds)
    days = _days() if SCALE else []
    if days:
        _print_days(console, days)
    results = {
        "rows": ROWS,
        "rounds": [{"duckdb": asdict(on_duckdb), "pandas": asdict(on_pandas)} for on_duckdb, on_pandas in rounds],
        "scale": SCALE,
        "days": [{**asdict(day), "share": day.share} for day in days],
    }
    (BENCH / "quality.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def _in_process(engine: str, file: Path) -> Side:
    command = [sys.executable, "-m", "benchmarks.quality", engine, str(file)]
    finished = subprocess.run(command, cwd=PROJECT_DIR, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        sys.exit(f"{engine} failed:\n{finished.stderr}")
    side = Side(**json.loads(finished.stdout))
    return Side(**{**asdict(side), "verdicts": [tuple(verdict) for verdict in side.verdicts]})


def _suite() -> Suite:
    expectations = [
        {"type": type_, "name": f"check_{number}", "kwargs": kwargs, "why": "It is measured."}
        for number, (type_, kwargs) in enumerate(_EXPECTATIONS)
    ]
    return Suite.model_validate(
        {
            "stage": "main",
            "name": "orders",
            "path": BENCH / "main" / "orders.yml",
            "owner": "team:data",
            "description": "Orders.",
            "allow_empty": True,
            "expectations": expectations,
        }
    )


def _on_duckdb(file: Path) -> Side:
    from pipelines.checks.gx import runner  # noqa: F401  # imported before the clock starts
    from pipelines.checks.validation import validate

    before = time.perf_counter(), time.process_time()
    results = validate(_suite(), DuckDBTable(file, "main", "orders"))
    return _side(before, before[0], [(result.passed, result.unexpected_count) for result in results])


def _on_pandas(file: Path) -> Side:
    import great_expectations as gx
    from great_expectations.core import ExpectationSuite

    from pipelines.checks.gx.runner import check_of, configuration

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}  # type: ignore[assignment]  # GX reads it as a dictionary
    before = time.perf_counter(), time.process_time()
    with duckdb.connect(str(file), read_only=True) as connection:
        frame = connection.table("orders").df()
    read = time.perf_counter()
    asset = context.data_sources.add_pandas("pandas").add_dataframe_asset("orders")
    batch = asset.add_batch_definition_whole_dataframe("orders").get_batch({"dataframe": frame})
    specs = _suite().checks
    suite = ExpectationSuite(
        "orders", expectations=[configuration(spec, spec.kwargs).to_domain_obj() for spec in specs]
    )
    found = batch.validate(suite, result_format={"result_format": "SUMMARY", "partial_unexpected_count": 5})
    verdicts = {check_of(item): (bool(item.success), item.result.get("unexpected_count")) for item in found.results}
    return _side(before, read, [verdicts[spec.name] for spec in specs])


def _side(before: tuple[float, float], read: float, verdicts: list[tuple[bool, int | None]]) -> Side:
    now, cpu = time.perf_counter(), time.process_time()
    return Side(read - before[0], now - read, cpu - before[1], _peak_mb(), verdicts)


def _peak_mb() -> float:
    status = Path("/proc/self/status")
    if status.exists():  # Linux's other figures include the process that started this one
        [peak] = re.findall(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="utf-8"))
        return int(peak) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def _days() -> list[Day]:
    """Run the demo company's two months, and then their last day again, in a new data folder."""
    delivered, folder = BENCH / f"one-day-{SCALE:g}", BENCH / f"checks-{SCALE:g}"
    demo = [sys.executable, "-m", "demo_company", "--scale", f"{SCALE:g}", "--data-dir", str(delivered)]
    subprocess.run(demo, check=True, cwd=PROJECT_DIR)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "landing").symlink_to(delivered / "landing")
    settings = load_settings().model_copy(update={"data_dir": folder})
    first, last = str(settings.first_delivery), str(LAST_DAY)
    days = [_day(settings, f"{first} to {last}, first load", ["--from", first, "--to", last])]
    for delivery in settings.raw_dir.glob(f"*/*/delivered_on={last}"):
        shutil.rmtree(delivery)
    return [*days, _day(settings, f"{last}, one day", ["--date", last])]


def _day(settings: Settings, title: str, arguments: list[str]) -> Day:
    environment = {**os.environ, "DATA_DIR": str(settings.data_dir), "KPI_COMPANY_DIR": str(settings.data_dir / "none")}
    run = [sys.executable, "-m", "pipelines", "run", *arguments]
    finished = subprocess.run(run, cwd=PROJECT_DIR, env=environment, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        sys.exit(f"kpi run {' '.join(arguments)} failed:\n{finished.stdout}{finished.stderr}")
    os.environ["DAGSTER_HOME"] = str(settings.dagster_home)
    with dg.DagsterInstance.get() as instance:
        [record] = instance.get_run_records(limit=1)
        seconds: dict[str, float] = {"checks": 0.0, "others": 0.0}
        for step in instance.get_run_step_stats(record.dagster_run.run_id):
            kind = "checks" if step.step_key.startswith("check_") else "others"
            seconds[kind] += (step.end_time or 0) - (step.start_time or 0)
    return Day(title, seconds["checks"], seconds["others"])


def _print_engines(console: Console, rounds: list[tuple[Side, Side]]) -> None:
    table = Table(title=f"{len(_EXPECTATIONS)} expectations on {ROWS:,} rows, {ROUNDS} rounds", title_justify="left")
    for heading in ("", "GX on DuckDB", "GX on pandas", "ratio"):
        table.add_column(heading, justify="left" if not heading else "right")
    measures: dict[str, tuple[str, Callable[[Side], float]]] = {
        "checking": ("s", lambda side: side.checking),
        "reading and checking": ("s", lambda side: side.reading + side.checking),
        "processor time": ("s", lambda side: side.cpu_seconds),
        "most memory": ("MB", lambda side: side.peak_mb),
    }
    for label, (unit, value) in measures.items():
        on_duckdb, on_pandas = (statistics.median(value(turn[side]) for turn in rounds) for side in (0, 1))
        ratio = statistics.median(value(second) / value(first) for first, second in rounds)
        table.add_row(label, f"{on_duckdb:,.1f} {unit}", f"{on_pandas:,.1f} {unit}", f"{ratio:.1f}")
    console.print(table)


def _print_days(console: Console, days: list[Day]) -> None:
    table = Table(title=f"The checks' share of the daily job at scale {SCALE:g}", title_justify="left")
    for heading in ("", "checks", "other steps", "share"):
        table.add_column(heading, justify="left" if not heading else "right")
    for day in days:
        table.add_row(day.title, f"{day.checks:,.1f} s", f"{day.others:,.1f} s", f"{day.share:.0%}")
    console.print(table)


if __name__ == "__main__":
    if len(sys.argv) == 3:  # one side, in its own process
        on = {"duckdb": _on_duckdb, "pandas": _on_pandas}[sys.argv[1]]
        print(json.dumps(asdict(on(Path(sys.argv[2])))))
    else:
        main()
