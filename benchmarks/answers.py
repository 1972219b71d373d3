"""How long `kpi explain`, `why` and `tree` take, from the command to the last line, beside a Python that only starts.

Belongs here: the demo company at a scale, published once, and the best of five runs of each command, in wall and
processor time. Does not belong here: any judgement. The targets are stated in `docs/benchmarks.md`.

    SCALE=10 python -m benchmarks.answers
"""

import json
import os
import resource
import subprocess
import sys
import time

from rich.console import Console
from rich.table import Table

from pipelines.settings import PROJECT_DIR

SCALE = float(os.environ.get("SCALE") or 1)
ROUNDS = int(os.environ.get("ROUNDS") or 5)
KPI = (sys.executable, "-m", "pipelines")
COMMANDS = (
    ("show", "revenue"),
    ("explain", "revenue"),
    ("explain", "win_rate", "--by", "rep=R17", "--period", "2025-Q3"),
    ("explain", "revenue", "--period", "2025"),
    ("explain", "retention", "--variant", "grr"),
    ("why", "revenue"),
    ("why", "revenue", "--period", "2025-Q3", "--against", "last-year"),
    ("why", "win_rate"),
    ("why", "cac", "--variant", "paid"),
    ("why", "revenue", "--grain", "week"),
    ("tree",),
)


def main() -> None:
    """Measure and print. The results are also written to `data/bench/answers-<scale>.json`."""
    folder = PROJECT_DIR / "data" / "bench" / f"answers-{SCALE:g}"
    environment = {**os.environ, "DATA_DIR": str(folder)}
    if not (folder / "published").exists():
        deliver = [
            sys.executable,
            "-m",
            "demo_company",
            "--scale",
            f"{SCALE:g}",
            "--no-truth",
            "--data-dir",
            str(folder),
        ]
        subprocess.run(deliver, check=True, cwd=PROJECT_DIR)
        subprocess.run([*KPI, "run"], check=True, cwd=PROJECT_DIR, env=environment, stdout=subprocess.DEVNULL)
    table = Table(title=f"Best of {ROUNDS}, at scale {SCALE:g}")
    for heading in ("command", "wall s", "CPU s"):
        table.add_column(heading, justify="left" if heading == "command" else "right")
    best = {"python -c pass": _best([sys.executable, "-c", "pass"], environment)}
    for command in COMMANDS:
        best[" ".join(("kpi", *command))] = _best([*KPI, *command], environment)
    for name, (wall, cpu) in best.items():
        table.add_row(name, f"{wall:.2f}", f"{cpu:.2f}")
    Console().print(table)
    (folder.parent / f"{folder.name}.json").write_text(json.dumps(best, indent=2) + "\n", encoding="utf-8")


def _best(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """The shortest wall time and the least processor time of several runs, in seconds."""
    runs = [_seconds(command, environment) for _ in range(ROUNDS)]
    return min(wall for wall, _ in runs), min(cpu for _, cpu in runs)


def _seconds(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, cwd=PROJECT_DIR, env=environment, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
