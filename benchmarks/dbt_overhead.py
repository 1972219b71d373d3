"""What dbt costs: a full refresh of all models through dbt, compared with the same compiled SQL run directly in DuckDB.

Belongs here: creating the demo company at some size, landing it, running both sides in turn, and printing one table.
Does not belong here: any model, and any judgement. The target is stated in `docs/benchmarks.md`.

    SCALE=10 python -m benchmarks.dbt_overhead      # 10 is a million orders

Both sides run all models one after the other, in the same order, each side in its own process, on DuckDB with the same
settings. Both run the Python model. dbt's execution time is the elapsed time in its `run_results.json`, its parsing
time is what `dbt parse` writes to `perf_info.json`, and the rest of the process's time is starting. The first parsing
reads all files. Later ones read only what has changed, as in the pipeline. Both sides must have built the same number
of rows. At the end, `grains` measures what weeks, quarters and years add to months.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console
from rich.table import Table

from benchmarks.grains import Statement, cost_of_grains
from pipelines.ingest.landing import land
from pipelines.settings import PROJECT_DIR, Settings, load_settings
from pipelines.sources import Source, each_table, enabled_sources
from pipelines.sql import quote_path
from pipelines.transform.customer_value import predict
from pipelines.transform.project import assemble_project, dbt_command, dbt_environment, dbt_variables
from pipelines.warehouse import STORAGE_VERSION, attach_read_only, in_memory, sandboxed

SCALE = float(os.environ.get("SCALE") or 10)
ROUNDS = int(os.environ.get("ROUNDS") or 3)
CATALOG = "warehouse"  # dbt's name for the file, which compiled SQL uses
AS_OF = date(2026, 1, 9)

Node = dict[str, Any]


@dataclass(frozen=True)
class Round:
    """Seconds of one turn of both sides."""

    dbt_execution: float
    plain_sql: float
    dbt_start: float
    dbt_parsing: float

    @property
    def ratio(self) -> float:
        """How long dbt's execution takes for each second of plain SQL."""
        return self.dbt_execution / self.plain_sql


def main() -> None:
    """Measure and print. The results are also written to `data/bench/results.json`."""
    console = Console()
    folder = PROJECT_DIR / "data" / "bench" / f"scale-{SCALE:g}"
    settings = load_settings().model_copy(update={"data_dir": folder, "company_dir": folder / "none"})
    sources = enabled_sources(settings)
    _deliver(folder)
    rows = _land(settings, sources)
    (settings.dbt_target_dir / "target" / "partial_parse.msgpack").unlink(missing_ok=True)
    first_parsing = _parse(settings, sources)
    rounds = []
    for number in range(1, ROUNDS + 1):
        execution, start, parsing, order = _run_dbt(settings, sources)
        plain = _run_plain(settings, order)
        _require_same_rows(settings, order)
        rounds.append(Round(execution, plain, start, parsing))
        console.print(
            f"round {number} of {ROUNDS}: dbt {execution:.1f} s, SQL {plain:.1f} s, ratio {rounds[-1].ratio:.2f}"
        )
    _print(console, rounds, rows, len(order), first_parsing)
    grains = cost_of_grains(settings.warehouse_path, _statements(order), ROUNDS)
    ratio_of_grains = statistics.median(every / months for every, months in grains)
    console.print(f"All grains cost {ratio_of_grains:.2f} times what months alone cost, in all models behind staging.")
    results = {
        "scale": SCALE,
        "raw_rows": rows,
        "models": len(order),
        "ratio": statistics.median(each.ratio for each in rounds),
        "dbt_first_parsing": first_parsing,
        "rounds": [asdict(each) for each in rounds],
        "grains": {"ratio": ratio_of_grains, "rounds": grains},
    }
    (folder.parent / "results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def _deliver(folder: Path) -> None:
    command = [sys.executable, "-m", "demo_company", "--scale", f"{SCALE:g}", "--data-dir", str(folder)]
    subprocess.run(command, check=True, cwd=PROJECT_DIR)


def _land(settings: Settings, sources: list[Source]) -> int:
    """Bring all deliveries into raw, and return the number of rows."""
    rows = 0
    with sandboxed(settings.landing_dir, settings.raw_dir) as database:
        for source, name, table in each_table(sources):
            for day in (date.fromordinal(n) for n in range(settings.first_delivery.toordinal(), AS_OF.toordinal() + 1)):
                place = settings.landing_dir, settings.raw_dir
                rows += land(source.name, name, table, day, *place, database).rows
    return rows


def _parse(settings: Settings, sources: list[Source]) -> float:
    """Seconds of parsing: of all files the first time, and of changed files after that."""
    _dbt(["parse", "--quiet"], settings, sources)
    return float(_made_by_dbt(settings, "perf_info.json")["load_all_elapsed"])


def _run_dbt(settings: Settings, sources: list[Source]) -> tuple[float, float, float, list[Node]]:
    """Run all models again. Return seconds of execution, starting and parsing, and the models in the order they ran."""
    settings.warehouse_path.unlink(missing_ok=True)
    _dbt(["seed", "--quiet"], settings, sources)
    parsing = _parse(settings, sources)  # `dbt run` also parses, but does not say how long that takes
    wall = _dbt(["run", "--full-refresh", "--threads", "1", "--quiet"], settings, sources)
    ran = _made_by_dbt(settings, "run_results.json")
    nodes = _made_by_dbt(settings, "manifest.json")["nodes"]
    by_start = sorted(ran["results"], key=lambda result: result["timing"][-1]["started_at"])
    execution = float(ran["elapsed_time"])
    return execution, wall - execution - parsing, parsing, [nodes[result["unique_id"]] for result in by_start]


def _made_by_dbt(settings: Settings, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((settings.dbt_target_dir / "target" / name).read_text(encoding="utf-8"))
    return content


def _dbt(arguments: list[str], settings: Settings, sources: list[Source]) -> float:
    """Seconds of a whole dbt process."""
    command = dbt_command(arguments, assemble_project(settings), dbt_variables(settings, sources))
    environment = {**os.environ, **dbt_environment(settings, AS_OF)}
    start = time.perf_counter()
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if finished.returncode != 0:
        sys.exit(f"dbt {arguments[0]} failed:\n{finished.stdout}{finished.stderr}")
    return seconds


def _run_plain(settings: Settings, order: list[Node]) -> float:
    """Seconds of the same statements without dbt, in a new process and a new file."""
    with get_context("spawn").Pool(1) as pool:
        return float(pool.apply(_execute_plain, (settings.warehouse_path, _statements(order))))


def _statements(order: list[Node]) -> list[Statement]:
    return [(node["schema"], node["name"], node["config"]["materialized"], _sql(node)) for node in order]


def _sql(node: Node) -> str | None:
    """The compiled SQL of a model; None for the Python model."""
    return node["compiled_code"] if node["language"] == "sql" else None


def _execute_plain(warehouse: Path, statements: list[Statement]) -> float:
    file = warehouse.with_name("plain.duckdb")
    file.unlink(missing_ok=True)
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("set enable_progress_bar = false")
        connection.execute(f"attach {quote_path(file)} as {CATALOG} (storage_version '{STORAGE_VERSION}')")
        connection.execute(f"use {CATALOG}")
        for schema in {schema for schema, *_ in statements} | {"marts"}:
            connection.execute(f"create schema {schema}")
        attach_read_only(connection, warehouse, "seeded")
        for seed in ("kpi_catalogue", "kpi_variants"):
            connection.execute(f"create table marts.{seed} as from seeded.marts.{seed}")
        connection.execute("detach seeded")
        start = time.perf_counter()
        for schema, name, materialized, sql in statements:
            kind = "view" if materialized == "view" else "table"
            if sql is None:
                # DuckDB finds the frame by its name.
                predictions = predict(connection.table(f"{schema}.int_customer_purchases").df())  # noqa: F841
                sql = "select * from predictions"
            connection.execute(f'create {kind} {schema}."{name}" as {sql}')
        # Neither side's time includes closing the file, and the checkpoint that this causes.
        return time.perf_counter() - start


def _require_same_rows(settings: Settings, order: list[Node]) -> None:
    """Stop if a model has different numbers of rows on both sides, because then they did not do the same work."""
    with in_memory() as connection:
        attach_read_only(connection, settings.warehouse_path, "dbt")
        attach_read_only(connection, settings.warehouse_path.with_name("plain.duckdb"), "plain")
        for table in (node for node in order if node["config"]["materialized"] != "view"):
            name = f'{table["schema"]}."{table["name"]}"'
            counts = connection.execute(
                f"select (select count(*) from dbt.{name}), (select count(*) from plain.{name})"
            ).fetchone()
            assert counts is not None
            if counts[0] != counts[1]:
                sys.exit(f"{name}: {counts[0]:,} rows by dbt, {counts[1]:,} by plain SQL. They must be the same.")


def _print(console: Console, rounds: list[Round], rows: int, models: int, first_parsing: float) -> None:
    def middle(values: list[float]) -> float:
        return statistics.median(values)

    table = Table(title=f"Full refresh at scale {SCALE:g}: {rows:,} delivered rows, {models} models, {ROUNDS} rounds")
    for heading in ("dbt, execution", "plain SQL", "ratio", "dbt, start", "dbt, parsing", "first parsing"):
        table.add_column(heading, justify="right")
    table.add_row(
        f"{middle([each.dbt_execution for each in rounds]):.1f} s",
        f"{middle([each.plain_sql for each in rounds]):.1f} s",
        f"{middle([each.ratio for each in rounds]):.2f}",
        f"{middle([each.dbt_start for each in rounds]):.1f} s",
        f"{middle([each.dbt_parsing for each in rounds]):.1f} s",
        f"{first_parsing:.1f} s",
    )
    console.print(table)


if __name__ == "__main__":
    main()
