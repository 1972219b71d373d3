"""The faults of real deliveries: duplicates, late rows, corrections, broken cells. Each fault is recorded.

Belongs here: turning the flawless versions of a table into the rows that its system actually delivers, and the list of
all planted faults.
Does not belong here: the clean business, which is never changed here, and file formats (deliveries).

Three rules lead from the files back to exactly the clean frames: set aside rows with a cell that cannot be read; take
the newest row of each key, by (updated_at if the table has it, delivery day, place in file), which also removes
duplicates; change nothing else. To keep this true, at most one fault affects any key of a table, and a wrong value is
always followed by the right one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from demo_company.clock import BULK_DAY, LAST_DAY, IntArray, date_of
from demo_company.dice import Dice
from demo_company.tables import EVERY_DAY, TABLES, Frames, Table

Flags = np.ndarray[Any, np.dtype[np.bool_]]


class Planted(NamedTuple):
    """One fault: the row and table, the delivery in which it appears, and what is wrong."""

    source: str
    table: str
    kind: str
    delivered_on: str
    key: str
    note: str


@dataclass
class Delivered:
    """What a system delivers of one table.

    rows: table columns, `delivered_on` (day number) and `happened_on`, sorted by delivery and place in the file;
    broken: (position in rows, column) -> the text delivered instead of that cell's value.
    """

    table: Table
    rows: pd.DataFrame
    broken: Mapping[tuple[int, str], str]


@dataclass(frozen=True)
class Plan:
    """The possible faults of a table: the column that is delivered wrong at first, and cells that may be unreadable."""

    wrong_column: str = ""
    broken_cells: Sequence[tuple[str, str]] = ()
    days_may_slip: bool = True


_NO_SUCH_DAY = "2025-02-31T10:00:00Z"
_LETTER_O = "12,5O"
_PLANS: dict[str, Plan] = {
    "shop.customers": Plan("segment", [("created_at", _NO_SUCH_DAY)]),
    "shop.products": Plan("unit_cost", [("unit_cost", "12.5O")], days_may_slip=False),
    "shop.orders": Plan("region", [("ordered_at", _NO_SUCH_DAY), ("updated_at", "yesterday")]),
    "shop.order_items": Plan("unit_price", [("unit_price", _LETTER_O), ("quantity", "two")]),
    "shop.refunds": Plan("amount", [("amount", _LETTER_O), ("refunded_at", _NO_SUCH_DAY)]),
    "crm.leads": Plan("source", [("created_at", "2025-02-31T10:00:00+01:00")]),
    "crm.opportunities": Plan("amount", [("amount", _LETTER_O), ("expected_close_date", "end of quarter")]),
    "crm.stage_history": Plan("changed_by"),
    "crm.sales_reps": Plan(days_may_slip=False),
    "crm.quotas": Plan("target_value", days_may_slip=False),
    "ads.campaigns": Plan(days_may_slip=False),
    "ads.spend": Plan("spend"),
    "ads.touchpoints": Plan("channel"),
    "survey.invitations": Plan("channel", [("sent_at", _NO_SUCH_DAY)]),
    "survey.responses": Plan("score", [("score", "ten"), ("responded_at", _NO_SUCH_DAY)]),
    # A late or wrong rate would change every amount of its day, so finance makes sure that this does not happen.
    "finance.fx_rates": Plan(days_may_slip=False),
    "finance.costs": Plan("amount", days_may_slip=False),
}

_PER_MILLE_DAILY = {
    "exact_duplicate": 4, "repeated_across_days": 4, "late_row": 8, "correction": 4, "unparsable_cell": 3,
}  # fmt: skip
_PER_MILLE_BULK = {"exact_duplicate": 2, "repeated_across_days": 1, "correction": 1, "unparsable_cell": 1}
# Only the last days of the bulk delivery can slip into the deliveries after it.
_LONGEST_SLIP = 5


@dataclass
class _Spoiler:
    """Processes one table: picks unused keys, and collects extra rows, moved rows and broken cells."""

    table: Table
    versions: pd.DataFrame
    dice: Dice
    plan: Plan
    log: list[Planted] = field(default_factory=list)

    def __post_init__(self) -> None:
        size = len(self.versions)
        self.happened = self.versions["happened_on"].to_numpy(dtype=np.int64)
        self.delivered = self.versions["delivered_on"].to_numpy(dtype=np.int64).copy()
        # Leave room between rows for copies next to them. Late rows go to the end of their file.
        self.place = np.arange(size, dtype=np.int64) * 4
        self.end = size * 4
        keys = [self.versions[column] for column in self.table.key]
        self.row_key = pd.factorize(keys[0] if len(keys) == 1 else pd.MultiIndex.from_arrays(keys))[0]
        self.touched = np.zeros(int(self.row_key.max()) + 1, dtype=bool)
        self.next_delivery = self._next_delivery()
        self.anchored = self._anchored()
        self.wrong_rows: list[int] = []
        self.broken_rows: dict[int, tuple[str, str]] = {}
        self.copies: list[tuple[int, int, int, bool]] = []  # (row, delivered_on, place, whether it is the broken one)

    def _next_delivery(self) -> IntArray:
        """The delivery day of the next version of the same row, 0 for the last version."""
        following = np.zeros(len(self.delivered), dtype=np.int64)
        order = np.lexsort((np.arange(len(self.row_key)), self.row_key))
        same = self.row_key[order][1:] == self.row_key[order][:-1]
        following[order[:-1][same]] = self.delivered[order[1:]][same]
        return following

    def _anchored(self) -> Flags:
        """The first row of every file, for a table that must deliver something every day. This row stays unchanged."""
        anchored = np.zeros(len(self.delivered), dtype=bool)
        if self.table.full_name in EVERY_DAY:
            anchored[np.unique(self.delivered, return_index=True)[1]] = True
        return anchored

    @property
    def is_last(self) -> Flags:
        answer: Flags = self.next_delivery == 0
        return answer

    def pick(self, allowed: Flags, per_mille: int) -> list[int]:
        """The rows for one kind of fault: `per_mille` of the allowed rows, and at least one if there are any."""
        allowed = allowed & ~self.anchored & ~self.touched[self.row_key]
        count = max(1, int(allowed.sum()) * per_mille // 1_000)
        candidates = np.flatnonzero(allowed)
        candidates = candidates[self.dice.order(len(candidates))][: 4 * count]
        _, first = np.unique(self.row_key[candidates], return_index=True)
        rows = candidates[np.sort(first)[:count]]
        self.touched[self.row_key[rows]] = True
        return [int(row) for row in rows]

    def slip(self, longest: int = 3) -> int:
        """The number of days by which something is late."""
        return int(self.dice.between(1, longest, 1)[0])

    def write_down(self, kind: str, row: int, delivered_on: int, note: str) -> None:
        self.log.append(Planted(self.table.source, self.table.name, kind, _iso(delivered_on), self.key_text(row), note))

    def key_text(self, row: int) -> str:
        """The key as people write it, with `|` between its parts."""
        values = (self.versions.at[row, column] for column in self.table.key)
        return "|".join(_key_part(value) for value in values)

    def exact_duplicates(self, era: Flags, per_mille: int) -> None:
        for row in self.pick(era, per_mille):
            self.copies.append((row, int(self.delivered[row]), int(self.place[row]) + 1, False))
            self.write_down("exact_duplicate", row, int(self.delivered[row]), "the same row twice in one file")

    def repeated_across_days(self, era: Flags, per_mille: int) -> None:
        # Without updated_at, an old version that arrives again would replace a newer one.
        safe = np.ones(len(era), dtype=bool) if self.table.has_updated_at else self.is_last
        for row in self.pick(era & safe & (self.delivered < LAST_DAY), per_mille):
            day = int(self.delivered[row]) + 1
            self.copies.append((row, day, self.end + int(self.place[row]), False))
            self.write_down("repeated_across_days", row, day, f"already delivered on {date_of(day - 1)}")

    def late_rows(self, per_mille: int) -> None:
        can_slip = (self.happened > BULK_DAY - _LONGEST_SLIP) & (self.happened < LAST_DAY) & self.is_last
        for row in self.pick(can_slip, per_mille):
            happened = int(self.happened[row])
            earliest = max(1, BULK_DAY + 1 - happened)
            latest = min(_LONGEST_SLIP, LAST_DAY - happened)
            day = happened + earliest + int(self.dice.below(latest - earliest + 1, 1)[0])
            self.delivered[row] = day
            self.place[row] += self.end
            self.write_down("late_row", row, day, f"belongs to {date_of(happened)}")

    def corrections(self, era: Flags, per_mille: int) -> None:
        """First a wrong value; then the right value with the next version, or in a new row if rows have no versions."""
        column = self.plan.wrong_column
        if not column:
            return
        has_value = self.versions[column].notna().to_numpy()
        if self.table.has_updated_at:
            for row in self.pick(era & ~self.is_last & has_value, per_mille * 4):
                day = int(self.next_delivery[row])
                self.wrong_rows.append(row)
                self.write_down("correction", row, int(self.delivered[row]), self._correction_note(day))
            return
        for row in self.pick(era & self.is_last & has_value & (self.delivered < LAST_DAY), per_mille):
            day = min(int(self.delivered[row]) + self.slip(), LAST_DAY)
            self.copies.append((row, day, self.end + int(self.place[row]), False))
            self.wrong_rows.append(row)
            self.write_down("correction", row, int(self.delivered[row]), self._correction_note(day))

    def _correction_note(self, day: int) -> str:
        return f"{self.plan.wrong_column} is wrong here and right on {date_of(day)}"

    def unparsable_cells(self, era: Flags, per_mille: int) -> None:
        """A cell that cannot be read. The readable row follows at once in the bulk delivery, otherwise days later."""
        if not self.plan.broken_cells:
            return
        for row in self.pick(era & (self.delivered < LAST_DAY), per_mille):
            column, text = self.plan.broken_cells[len(self.broken_rows) % len(self.plan.broken_cells)]
            day = int(self.delivered[row])
            self.broken_rows[row] = (column, text)
            if day == BULK_DAY:
                self.copies.append((row, day, int(self.place[row]) - 1, True))
                then = "the readable row follows in the same file"
            else:
                readable = min(day + self.slip(), LAST_DAY)
                self.copies.append((row, day, int(self.place[row]), True))
                self.delivered[row] = readable
                self.place[row] += self.end
                then = f"the readable row comes on {date_of(readable)}"
            self.write_down("unparsable_cell", row, day, f"{column} is '{text}'; {then}")

    def result(self) -> Delivered:
        """The versions with all faults applied, as rows in the order of the files."""
        source_row = np.array([copy[0] for copy in self.copies], dtype=np.int64)
        size = len(self.versions)
        own = self.versions[list(self.table.columns)]
        spoiled = own.copy()
        if self.wrong_rows:
            column = self.plan.wrong_column
            spoiled.loc[self.wrong_rows, column] = _wrong(own[column], self.wrong_rows).to_numpy()
        rows = pd.concat([spoiled, own.iloc[source_row]], ignore_index=True)
        rows["happened_on"] = np.concatenate([self.happened, self.happened[source_row]])
        rows["delivered_on"] = np.concatenate([self.delivered, [copy[1] for copy in self.copies]]).astype(np.int64)
        place = np.concatenate([self.place, [copy[2] for copy in self.copies]]).astype(np.int64)
        order = np.lexsort((place, rows["delivered_on"]))
        position = np.empty(len(order), dtype=np.int64)
        position[order] = np.arange(len(order))
        broken = {
            (int(position[size + number]), self.broken_rows[copy[0]][0]): self.broken_rows[copy[0]][1]
            for number, copy in enumerate(self.copies)
            if copy[3]
        }
        return Delivered(self.table, rows.iloc[order].reset_index(drop=True), broken)


def _iso(day: int) -> str:
    return date_of(day).isoformat()


def _key_part(value: Any) -> str:
    if not isinstance(value, pd.Timestamp):
        return str(value)
    return value.strftime("%Y-%m-%dT%H:%M:%SZ") if value.tzinfo else value.strftime("%Y-%m-%d")


def _wrong(column: pd.Series[Any], rows: list[int]) -> pd.Series[Any]:
    """For each row, a value that looks plausible but is certainly wrong: ten times the money (or one unit more if it is
    zero), another score, or another text that occurs in the column."""
    values = column.iloc[rows]
    if column.name == "score":
        return (values + 5) % 11
    if pd.api.types.is_integer_dtype(column.dtype):
        return values * 10 + (values == 0)
    known = sorted(column.dropna().unique())
    other = {text: known[(place + 1) % len(known)] for place, text in enumerate(known)}
    return values.map(other)


def spoil(versions: Frames, seed: int) -> tuple[dict[str, Delivered], list[Planted]]:
    """What every system delivers of these versions, and all faults planted in it."""
    deliveries, log = {}, []
    for name, rows in versions.items():
        spoiler = _Spoiler(TABLES[name], rows, Dice(seed, f"dirt {name}"), _PLANS[name])
        _spoil_table(spoiler)
        deliveries[name] = spoiler.result()
        log += spoiler.log
    return deliveries, log


def _spoil_table(spoiler: _Spoiler) -> None:
    delivered = spoiler.delivered.copy()
    if spoiler.plan.days_may_slip:
        spoiler.late_rows(_PER_MILLE_DAILY["late_row"])
    for era, per_mille in ((delivered > BULK_DAY, _PER_MILLE_DAILY), (delivered == BULK_DAY, _PER_MILLE_BULK)):
        spoiler.corrections(era, per_mille["correction"])
        spoiler.unparsable_cells(era, per_mille["unparsable_cell"])
        if spoiler.plan.days_may_slip:
            spoiler.repeated_across_days(era, per_mille["repeated_across_days"])
        spoiler.exact_duplicates(era, per_mille["exact_duplicate"])


# ---------------------------------------------------------------------------------- oddities of the business itself

PLACEHOLDER_SOURCES = ("Select", "unknown", "")


def business_oddities(versions: Frames) -> list[Planted]:
    """Oddities of the business itself: placeholders, deletions, cancellations, late refunds, impossible deals."""
    return [
        *_placeholders(versions["crm.leads"]),
        *_deletions("shop", "orders", "order_id", versions["shop.orders"]),
        *_deletions("crm", "leads", "id", versions["crm.leads"]),
        *_cancelled_later(versions["shop.orders"]),
        *_refunds_in_later_months(versions["shop.refunds"], versions["shop.orders"]),
        *_negative_cycle_times(versions["crm.opportunities"]),
    ]


def _noted(source: str, table: str, kind: str, rows: pd.DataFrame, key: str, note: Any) -> list[Planted]:
    """One entry per row. `note` is one text for all rows, or one per row."""
    notes = [note] * len(rows) if isinstance(note, str) else list(note)
    days, keys = rows["delivered_on"].tolist(), rows[key].tolist()
    return [Planted(source, table, kind, _iso(day), k, n) for day, k, n in zip(days, keys, notes, strict=True)]


def _placeholders(leads: pd.DataFrame) -> list[Planted]:
    odd = leads[leads["source"].isin(PLACEHOLDER_SOURCES)].drop_duplicates("id")
    return _noted("crm", "leads", "placeholder_text", odd, "id", [f"source is '{text}'" for text in odd["source"]])


def _deletions(source: str, table: str, key: str, versions: pd.DataFrame) -> list[Planted]:
    gone = versions[versions["is_deleted"]].drop_duplicates(key)
    return _noted(source, table, "deleted", gone, key, "is_deleted is true: counts nowhere")


def _cancelled_later(orders: pd.DataFrame) -> list[Planted]:
    first_day = orders.groupby("order_id")["delivered_on"].transform("min")
    later = orders[(orders["status"] == "cancelled") & (orders["delivered_on"] > first_day)]
    later = later.drop_duplicates("order_id")
    return _noted("shop", "orders", "cancelled_later", later, "order_id", "was delivered before as placed or paid")


def _refunds_in_later_months(refunds: pd.DataFrame, orders: pd.DataFrame) -> list[Planted]:
    placed = orders.drop_duplicates("order_id")[["order_id", "ordered_at"]]
    both = refunds.merge(placed, on="order_id")
    months = [
        both[column].dt.tz_convert("Europe/Warsaw").dt.strftime("%Y-%m") for column in ("ordered_at", "refunded_at")
    ]
    later = both[months[0] != months[1]]
    refunded = zip(later["order_id"], months[0][later.index], strict=True)
    notes = [f"refunds order {order} of {month}" for order, month in refunded]
    return _noted("shop", "refunds", "refund_in_later_month", later, "refund_id", notes)


def _negative_cycle_times(deals: pd.DataFrame) -> list[Planted]:
    odd = deals[deals["closed_at"] < deals["created_at"]].drop_duplicates("id")
    return _noted("crm", "opportunities", "negative_cycle_time", odd, "id", "closed_at is before created_at")
