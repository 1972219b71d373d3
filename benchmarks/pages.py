"""How fast the pages are: from the command to the first page, each page when it was read before, memory and bytes.

Belongs here: the demo company, published once, a server started cold several times, and `kpi show` in the same rounds.
Does not belong here: any judgement. The target is stated in `docs/benchmarks.md`.

    SCALE=10 python -m benchmarks.pages
"""

import gzip
import json
import os
import re
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pipelines.settings import PROJECT_DIR

SCALE = float(os.environ.get("SCALE") or 1)
ROUNDS = int(os.environ.get("ROUNDS") or 5)
KPI = (sys.executable, "-m", "pipelines")
PAGES = (
    *("leaders", "managers", "marketing", "sdrs", "aes", "customer-success", "data"),
    *("kpi?kpi=win_rate", "explain?kpi=revenue", "why?kpi=revenue"),
)


def main() -> None:
    """Measure and print. The results are also written to `data/bench/pages.json`."""
    folder = PROJECT_DIR / "data" / "bench" / f"answers-{SCALE:g}"
    environment = {**os.environ, "DATA_DIR": str(folder)}
    if not (folder / "published").exists():
        deliver = [sys.executable, "-m", "demo_company", "--scale", f"{SCALE:g}", "--data-dir", str(folder)]
        subprocess.run(deliver, check=True, cwd=PROJECT_DIR)
        subprocess.run([*KPI, "run"], check=True, cwd=PROJECT_DIR, env=environment, stdout=subprocess.DEVNULL)
    seconds: dict[str, list[float]] = {}
    size: dict[str, int] = {}
    memory = 0
    for _ in range(ROUNDS):
        started = time.perf_counter()
        subprocess.run(
            [*KPI, "show", "revenue"], check=True, cwd=PROJECT_DIR, env=environment, stdout=subprocess.DEVNULL
        )
        seconds.setdefault("kpi show revenue", []).append(time.perf_counter() - started)
        started = time.perf_counter()
        with subprocess.Popen(
            [*KPI, "pages", "--port", "0"], cwd=PROJECT_DIR, env=environment, stdout=subprocess.PIPE, text=True
        ) as server:
            try:
                assert server.stdout
                said = re.search(r"http://127\.0\.0\.1:\d+", server.stdout.readline())
                assert said
                _bytes_of(f"{said[0]}/en/leaders")
                seconds.setdefault("from the command to the first page", []).append(time.perf_counter() - started)
                for page in PAGES:
                    address = f"{said[0]}/en/{page}"
                    _bytes_of(address)
                    started = time.perf_counter()
                    size[page] = _bytes_of(address)
                    seconds.setdefault(page, []).append(time.perf_counter() - started)
                memory = max(memory, _megabytes(server.pid))
            finally:
                server.terminate()
    table = Table(title=f"Medians of {ROUNDS}, at scale {SCALE:g}; the server took {memory} MB")
    for heading in ("", "seconds", "kB"):
        table.add_column(heading, justify="left" if not heading else "right")
    medians = {name: statistics.median(all_of_it) for name, all_of_it in seconds.items()}
    for name, median in medians.items():
        table.add_row(name, f"{median:.3f}", f"{size[name] / 1000:.0f}" if name in size else "")
    Console().print(table)
    found = {"seconds": medians, "bytes": size, "megabytes": memory}
    (folder.parent / "pages.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def _bytes_of(address: str) -> int:
    """Load a page as a browser does, and return what was transferred."""
    request = urllib.request.Request(address, headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(request, timeout=60) as response:
        content: bytes = response.read()
        assert b"</html>" in (
            gzip.decompress(content) if response.headers.get("Content-Encoding") == "gzip" else content
        )
        return len(content)


def _megabytes(process: int) -> int:
    """The most memory that a process has used."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    found = re.search(r"VmHWM:\s+(\d+)", status)
    return int(found[1]) // 1024 if found else 0


if __name__ == "__main__":
    main()
