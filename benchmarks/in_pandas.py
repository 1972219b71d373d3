"""The KPIs in pandas, as the demo company computes its own truth: a peer that `peers.py` measures.

Belongs here: storing the clean frames that the truth is computed from, and computing it from them again.
Does not belong here: any KPI (`demo_company/truth/`), and what it costs (`peers.py`).

    python -m benchmarks.in_pandas --keep frames.pickle data 2026-01-10     # of the company delivered into data/
    python -m benchmarks.in_pandas frames.pickle data 2026-01-10

It computes all KPIs by all cuts, and the targets, again for the whole history, and compares the result with what the
company wrote. Its input is typed and clean, with one row per key: it lands, judges, corrects, checks and publishes
nothing, and does not say where any number came from.
"""

import filecmp
import json
import pickle
import sys
import tempfile
from datetime import date
from pathlib import Path

import pandas as pd

from demo_company.clock import LAST_DAY, day_number
from demo_company.tables import Frames
from demo_company.truth import all_kpis, sales_movements, targets, write_targets, write_truth


def keep(file: Path, delivered: Path, day: date) -> None:
    """Create the company in `delivered` again, up to `day`, and store its clean frames."""
    from demo_company.build import clean_after, together
    from demo_company.company import build_company, parts_of
    from demo_company.next_days import next_days

    made_with = json.loads((delivered / "demo_truth" / "demo.json").read_text(encoding="utf-8"))
    clean = []
    for part in parts_of(made_with["scale"], made_with["seed"]):
        company = build_company(part)
        clean.append(part.own(clean_after(company, next_days(company, day_number(day) - LAST_DAY))))
    file.write_bytes(pickle.dumps(together(clean)))


def work_out(file: Path, delivered: Path, day: date) -> None:
    """Compute everything as of `day`, and stop if the result differs from what the company wrote."""
    frames: Frames = pickle.loads(file.read_bytes())
    as_of = pd.Timestamp(day)
    kpis = all_kpis(frames, as_of)
    with tempfile.TemporaryDirectory() as folder:
        write_truth(Path(folder) / "truth.csv", kpis)
        write_targets(Path(folder) / "targets.csv", targets(frames, kpis, as_of, sales_movements(frames)))
        _, different, missing = filecmp.cmpfiles(
            folder, delivered / "demo_truth", ["truth.csv", "targets.csv"], shallow=False
        )
    if different or missing:
        sys.exit(f"Not what the demo company wrote: {different or missing}")


def main() -> None:
    """Run the command that the module describes."""
    *flag, file, delivered, day = sys.argv[1:]
    (keep if flag == ["--keep"] else work_out)(Path(file), Path(delivered), date.fromisoformat(day))


if __name__ == "__main__":
    main()
