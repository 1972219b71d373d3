"""Makes everything the demo company writes, in one folder: landing files, truth, list of what was planted.

What belongs here: calling company, dirt, deliveries and truth in turn, and the texts that go beside the truth. What
does not: where the folder ends up and whether anything has to be made at all (the command line in __main__).
"""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from demo_company.company import build_company
from demo_company.deliveries import write_table
from demo_company.dirt import Planted, business_oddities, spoil
from demo_company.truth import all_kpis, write_truth

_README = """\
The truth about the demo company
================================

The demo company is made up. The files under landing/ are what its systems deliver, with the mistakes real systems
make. Nothing that reads those files should read this folder: it is here to check the results.

truth.csv    every KPI as it really is, worked out from the clean business by code of its own (demo_company/truth.py)
planted.csv  every oddity in the deliveries: which row of which table, in which delivery, and what is odd about it
demo.json    scale, seed and generator version these files were made with

How to read truth.csv
  period_month  first day of the month; the last one, 2026-01, is in progress (as of 2026-01-09)
  variant       which flavour of the KPI, for example net or gross revenue
  entity_type   company, or the cut: channel, rep, region, segment, team; entity_id says which one
  numerator, denominator, value
                money in EUR with two decimals, counts as whole numbers, ratios in full precision; blank means NULL

Definitions that hold throughout
  - A day is a day in Warsaw. Windows include their first day and exclude their last.
  - Amounts become EUR at the latest rate on or before their day, rounded to the cent per row before adding up.
    Orders use the day they were placed, refunds the day they were paid, deals the day they closed.
  - Cancelled and deleted orders count nowhere, and neither do refunds of them. Deleted leads count nowhere.
  - Leads without a source, or with Select, unknown or an empty text, belong to the channel `unassigned`.
  - A rep belongs to the team of the newest row delivered on or before the day in question (before the first delivery:
    to the team of that delivery). Without a rep the team is `unassigned`, too.
  - The touches of a customer are the rows of ads.touchpoints with that customer_id.

How to get from the deliveries to the clean business
  1. Put aside every row with a cell that cannot be read.
  2. Per key keep the newest row, by updated_at where the table has it, then delivery day, then place in the file.
"""


@dataclass(frozen=True)
class Made:
    """What was written: number of files, of data rows in them, of orders, of truth rows, and planted by kind."""

    files: int
    rows: int
    orders: int
    truth_rows: int
    planted: dict[str, int]


def build(folder: Path, scale: float, seed: int) -> Made:
    """Write `landing/` and `demo_truth/` (without its marker) below `folder`."""
    company = build_company(scale, seed)
    deliveries, planted = spoil(company.versions, seed)
    planted += business_oddities(company.versions, company.clean)
    files = sum(write_table(folder / "landing", delivered) for delivered in deliveries.values())
    truth_folder = folder / "demo_truth"
    truth_folder.mkdir()
    truth_rows = write_truth(truth_folder / "truth.csv", all_kpis(company.clean))
    _write_planted(truth_folder / "planted.csv", planted)
    (truth_folder / "README.txt").write_bytes(_README.encode())
    return Made(
        files=files,
        rows=sum(len(delivered.rows) for delivered in deliveries.values()),
        orders=len(company.clean["shop.orders"]),
        truth_rows=truth_rows,
        planted=dict(sorted(Counter(entry.kind for entry in planted).items())),
    )


def _write_planted(path: Path, planted: list[Planted]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Planted._fields)
        writer.writerows(planted)
