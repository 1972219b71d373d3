"""The tables that the demo company's systems deliver, with their columns, keys and file formats.

Belongs here: the shape of every table, and building a typed frame of it.
Does not belong here: contents (the business modules), faults (dirt) and bytes (deliveries).

The kinds of columns, and how the in-memory frames hold them:
  text    pandas str, missing = null
  moment  datetime64[s, UTC], missing = has not happened
  day     datetime64[s] at midnight, a plain date
  cents   int64, money in hundredths of its currency
  micros  int64, an exchange rate in millionths
  whole   int64
  flag    bool
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from demo_company.clock import NEVER, IntArray, delivery_day, local_day

Kind = Literal["text", "moment", "day", "cents", "micros", "whole", "flag"]
Frames = dict[str, pd.DataFrame]
Objects = npt.NDArray[np.object_]

HELPERS = ["happened_on", "delivered_on"]
"""Day numbers every version of a row carries besides its own columns; they never reach a file."""

_IDS_OF_A_PART = 500_000  # A part of scale 1 has 240,000 order lines, and fewer rows of every other table.


@dataclass(frozen=True)
class Table:
    """One delivered table: its source, the format of its files, and what identifies a row."""

    source: str
    name: str
    extension: str
    key: tuple[str, ...]
    columns: Mapping[str, Kind]

    @property
    def full_name(self) -> str:
        """Source and name, such as `shop.orders`."""
        return f"{self.source}.{self.name}"

    @property
    def has_updated_at(self) -> bool:
        """Whether a column says which version of a row is newer."""
        return "updated_at" in self.columns


def _columns(listed: str) -> dict[str, Kind]:
    """Read `a b:kind c` into {"a": "text", "b": kind, "c": "text"}."""
    pairs = (entry.partition(":") for entry in listed.split())
    return {name: kind or "text" for name, _, kind in pairs}  # type: ignore[misc]


def _table(full_name: str, extension: str, key: str, listed: str) -> Table:
    source, name = full_name.split(".")
    return Table(source, name, extension, tuple(key.split()), _columns(listed))


TABLES: dict[str, Table] = {
    table.full_name: table
    for table in (
        _table(
            "shop.customers",
            "csv",
            "customer_id",
            "customer_id email full_name segment country region created_at:moment updated_at:moment",
        ),
        _table("shop.products", "csv", "product_id", "product_id name category unit_cost:cents updated_at:moment"),
        _table(
            "shop.orders",
            "csv.gz",
            "order_id",
            "order_id customer_id ordered_at:moment status currency channel region sales_rep_id"
            " updated_at:moment is_deleted:flag",
        ),
        _table(
            "shop.order_items",
            "csv.gz",
            "order_item_id",
            "order_item_id order_id product_id quantity:whole unit_price:cents discount_amount:cents"
            " tax_amount:cents unit_cost:cents",
        ),
        _table(
            "shop.refunds",
            "csv.gz",
            "refund_id",
            "refund_id order_id order_item_id refunded_at:moment amount:cents currency reason",
        ),
        _table(
            "crm.leads",
            "jsonl",
            "id",
            "id email created_at:moment source campaign_id sdr_id mql_at:moment sql_at:moment converted_at:moment"
            " opportunity_id is_deleted:flag updated_at:moment",
        ),
        _table(
            "crm.opportunities",
            "jsonl",
            "id",
            "id customer_id lead_id owner_id sdr_id type stage amount:cents currency created_at:moment"
            " expected_close_date:day closed_at:moment is_won:flag is_closed:flag loss_reason updated_at:moment"
            " product",
        ),
        _table(
            "crm.stage_history",
            "jsonl",
            "opportunity_id stage changed_at",
            "opportunity_id stage changed_at:moment changed_by owner_id",
        ),
        _table(
            "crm.sales_reps",
            "xlsx",
            "rep_id",
            "rep_id name role team region manager_id hired_on:day left_on:day office",
        ),
        _table(
            "crm.quotas",
            "xlsx",
            "rep_id period_month kpi_id",
            "rep_id period_month:day kpi_id target_value:cents currency",
        ),
        _table("ads.campaigns", "parquet", "campaign_id", "campaign_id channel platform name is_paid:flag"),
        _table(
            "ads.spend",
            "parquet",
            "spend_date campaign_id",
            "spend_date:day campaign_id impressions:whole clicks:whole spend:cents currency",
        ),
        _table(
            "ads.touchpoints",
            "parquet",
            "touchpoint_id",
            "touchpoint_id lead_id customer_id campaign_id channel touched_at:moment",
        ),
        _table("survey.invitations", "tsv", "invitation_id", "invitation_id customer_id sent_at:moment channel"),
        _table(
            "survey.responses",
            "tsv",
            "response_id",
            "response_id invitation_id customer_id score:whole responded_at:moment",
        ),
        _table(
            "finance.fx_rates",
            "csv",
            "rate_date from_currency to_currency",
            "rate_date:day from_currency to_currency rate:micros",
        ),
        _table("finance.costs", "xlsx", "cost_month cost_type", "cost_month:day cost_type amount:cents currency"),
    )
}

EVERY_DAY = ("shop.customers", "shop.orders", "shop.order_items", "crm.leads", "ads.spend")
"""Tables whose systems have something to deliver on every single day."""


def typed(kind: Kind, values: Any) -> pd.Series[Any]:
    """One column from raw values. Moments and days are given as whole numbers, and NEVER becomes null."""
    if kind in ("moment", "day"):
        numbers = np.asarray(values, dtype=np.int64)
        stamps = numbers.astype("datetime64[s]" if kind == "moment" else "datetime64[D]").astype("datetime64[s]")
        stamps[numbers == NEVER] = np.datetime64("NaT")
        column = pd.Series(stamps)
        return column.dt.tz_localize("UTC") if kind == "moment" else column
    if kind == "text":
        return pd.Series(np.asarray(values, dtype=object), dtype="str")
    return pd.Series(np.asarray(values, dtype=bool if kind == "flag" else np.int64))


def versions_frame(full_name: str, raw: Mapping[str, Any], happened_on: IntArray) -> pd.DataFrame:
    """All delivered versions of a table's rows, in the order in which they arose.

    raw: one array per column, all of equal length; happened_on: the local day number of each version. The result has
    the table's columns and the HELPERS.
    """
    table = TABLES[full_name]
    frame = pd.DataFrame({name: typed(kind, raw[name]) for name, kind in table.columns.items()})
    frame["happened_on"] = happened_on
    frame["delivered_on"] = delivery_day(happened_on)
    return frame


def newest_versions(table: Table, versions: pd.DataFrame) -> pd.DataFrame:
    """The clean frame: the last version of every row, sorted by key, with only the table's columns."""
    by = ["updated_at", "delivered_on"] if table.has_updated_at else ["delivered_on"]
    newest = versions.sort_values(by, kind="stable").drop_duplicates(list(table.key), keep="last")
    return newest[list(table.columns)].sort_values(list(table.key)).reset_index(drop=True)


def last_per_delivery(rows: IntArray, moments: IntArray) -> IntArray:
    """The versions that a daily extract shows: for each row, the last version in each delivery.

    rows: the row that each version belongs to; moments: when the version arose. Returns positions, in order of moment.
    """
    order = np.lexsort((moments, rows))
    row, delivered = rows[order], delivery_day_of(moments[order])
    last = np.ones(len(order), dtype=bool)
    last[:-1] = (row[1:] != row[:-1]) | (delivered[1:] != delivered[:-1])
    kept = order[last]
    return kept[np.lexsort((rows[kept], moments[kept]))]


def delivery_day_of(moments: IntArray) -> IntArray:
    """The delivery that contains what happened at a moment."""
    return delivery_day(local_day(moments))


def labels(prefix: str, numbers: Any, width: int) -> Objects:
    """Ids such as `R07` for whole numbers; null for a negative number."""
    return np.array([f"{prefix}{n:0{width}d}" if n >= 0 else None for n in numbers.tolist()], dtype=object)


@dataclass(frozen=True)
class Ids:
    """Ids of the rows of one of the `of` parts of the company (see company.Part), each with its own range of numbers.

    Every method takes positions within the part, from 0, and returns null for a negative one. All ids of a kind are
    equally long, so text order is the order of parts and positions.
    """

    part: int
    of: int

    def customers(self, positions: IntArray) -> Objects:
        """`C000001` for position 0 of the first part."""
        return self._labels("C", positions, 6)

    def leads(self, positions: IntArray) -> Objects:
        """`L000001`."""
        return self._labels("L", positions, 6)

    def deals(self, positions: IntArray) -> Objects:
        """`D000001`."""
        return self._labels("D", positions, 6)

    def orders(self, positions: IntArray) -> Objects:
        """`O00000001`."""
        return self._labels("O", positions, 8)

    def items(self, positions: IntArray) -> Objects:
        """`I00000001`."""
        return self._labels("I", positions, 8)

    def refunds(self, positions: IntArray) -> Objects:
        """`F0000001`."""
        return self._labels("F", positions, 7)

    def touchpoints(self, positions: IntArray) -> Objects:
        """`T00000001`."""
        return self._labels("T", positions, 8)

    def invitations(self, positions: IntArray) -> Objects:
        """`V0000001`."""
        return self._labels("V", positions, 7)

    def responses(self, positions: IntArray) -> Objects:
        """`S0000001`."""
        return self._labels("S", positions, 7)

    def emails(self, letter: str, positions: IntArray) -> Objects:
        """`c000001@example.com`."""
        names = self._labels(letter, positions, 6)
        return np.array([name and f"{name}@example.com" for name in names], dtype=object)

    def _labels(self, prefix: str, positions: IntArray, width: int) -> Objects:
        assert self.of == 1 or positions.max(initial=-1) < _IDS_OF_A_PART, "a part is too large for its range"
        numbers = np.where(positions < 0, -1, positions + 1 + self.part * _IDS_OF_A_PART)
        return labels(prefix, numbers, width if self.of == 1 else max(width, len(str(self.of * _IDS_OF_A_PART))))
