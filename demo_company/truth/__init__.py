"""The true KPIs of the demo company, computed from its clean frames in plain pandas.

Belongs here: the definitions of the eight KPIs, one readable function each, and their targets.
Does not belong here: files, faults and any part of the pipeline. This is the second opinion that the pipeline's numbers
are compared with.

Frames are the clean frames (money in integer cents of the row's currency, moments in UTC) plus `crm.rep_teams`.
Windows are half-open, `[start, end)`, in business dates: the Warsaw date of a moment. Every amount is converted to EUR
and rounded half away from zero to whole cents, per row and component, before anything is added up.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import pandas as pd

from demo_company.tables import Frames
from demo_company.truth.acquisition import cac
from demo_company.truth.basics import AS_OF, Number, TruthRow
from demo_company.truth.customers import clv, months_of_customers, periods_of_customers, retention
from demo_company.truth.deals import bookings, win_rate
from demo_company.truth.leads import lead_conversion
from demo_company.truth.movements import customer_attributes, sales_movements
from demo_company.truth.revenue import revenue, sales_growth
from demo_company.truth.survey import nps
from demo_company.truth.targets import TargetRow, targets

__all__ = [
    "TargetRow",
    "TruthRow",
    "all_kpis",
    "bookings",
    "cac",
    "clv",
    "customer_attributes",
    "lead_conversion",
    "months_of_customers",
    "nps",
    "periods_of_customers",
    "retention",
    "revenue",
    "sales_growth",
    "sales_movements",
    "targets",
    "win_rate",
    "write_targets",
    "write_truth",
]


def all_kpis(frames: Frames, as_of: pd.Timestamp = AS_OF) -> list[TruthRow]:
    """All rows of truth.csv."""
    movements = sales_movements(frames)
    customers = customer_attributes(frames, movements)
    customer_months = months_of_customers(movements, customers, as_of)
    return [
        *revenue(movements, as_of),
        *bookings(frames, as_of),
        *lead_conversion(frames, as_of),
        *win_rate(frames, as_of, movements),
        *cac(frames, movements, customer_months, as_of),
        *clv(movements, customers, customer_months, as_of),
        *sales_growth(movements, as_of),
        *retention(periods_of_customers(movements, customers, as_of), as_of),
        *nps(frames, customers, as_of),
    ]


def write_truth(path: Path, rows: Iterable[TruthRow]) -> int:
    """Write truth.csv. Return its number of rows."""
    return _write(path, TruthRow._fields, rows)


def write_targets(path: Path, rows: Iterable[TargetRow]) -> int:
    """Write targets.csv. Return its number of rows."""
    return _write(path, TargetRow._fields, rows)


def _write(path: Path, header: tuple[str, ...], rows: Iterable[tuple[str | Number, ...]]) -> int:
    written = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for row in rows:
            writer.writerow([_as_text(cell) for cell in row])
            written += 1
    return written


def _as_text(cell: str | Number) -> str:
    """Decimals with all their places, floats with as many as distinguish them, None as an empty text."""
    if cell is None:
        return ""
    if isinstance(cell, float):
        return repr(cell)
    return format(cell, "f") if isinstance(cell, Decimal) else str(cell)
