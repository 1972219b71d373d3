"""The days after the last day: the demo company goes on as it did four weeks before.

Belongs here: the row versions that further days bring, made from those of 28 days earlier.
Does not belong here: the files of those days and their faults (build), and the history up to LAST_DAY, which stays as
it is.

Whatever was new on those earlier days (customers, orders, leads, deals, touches, answers) is new again, with new ids.
Whatever changed then, such as an order that was paid or a deal that was won, now changes another row in the same state.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from demo_company.clock import LAST_DAY
from demo_company.company import Company
from demo_company.tables import TABLES, Frames, newest_versions

MOST_DAYS = 21
"""So that they end within the month: of the next one there are neither targets nor costs."""

_BACK = 28
_MODEL = LAST_DAY - _BACK  # the day before the first day that is repeated
_LATER = pd.Timedelta(days=_BACK)

_IDS = {
    "shop.customers": "customer_id", "shop.orders": "order_id", "shop.order_items": "order_item_id",
    "shop.refunds": "refund_id", "crm.leads": "id", "crm.opportunities": "id", "ads.touchpoints": "touchpoint_id",
    "survey.invitations": "invitation_id", "survey.responses": "response_id",
}  # fmt: skip
_NAMES = {
    "customer_id": "shop.customers", "order_id": "shop.orders", "order_item_id": "shop.order_items",
    "lead_id": "crm.leads", "opportunity_id": "crm.opportunities", "invitation_id": "survey.invitations",
}  # fmt: skip
"""Columns that name a row of another table."""

_ORDER_CHANGES = ["status", "is_deleted", "updated_at"]
_LEAD_CHANGES = ["mql_at", "sql_at", "opportunity_id", "converted_at", "is_deleted", "updated_at"]
_DEAL_CHANGES = ["stage", "is_won", "is_closed", "closed_at", "loss_reason", "updated_at"]


def next_days(company: Company, days: int) -> Frames:
    """The versions of all tables that the first `days` days after LAST_DAY bring, in the order in which they arise.

    The versions of a day do not depend on how many days follow it.
    """
    assert 0 <= days <= MOST_DAYS
    found = _Again(company).frames()
    return {name: found[name][found[name]["happened_on"] <= LAST_DAY + days].reset_index(drop=True) for name in TABLES}


class _Again:
    """Repeats the days after _MODEL. `ids` holds the new ids by table and old id, and `twins` the stand-ins."""

    def __init__(self, company: Company) -> None:
        self.versions, self.clean = company.versions, company.clean
        self.then = {name: frame[_is_model(frame["happened_on"])] for name, frame in self.versions.items()}
        self.ids = {name: self._new_ids(name) for name in _IDS}
        self.twins: dict[str, dict[str, str]] = {
            "shop.orders": self._twins("shop.orders", ["status", "is_deleted"]),
            "crm.opportunities": self._twins("crm.opportunities", ["type", "stage"]),
            # What happens to a lead with a deal follows from what happens to the deal.
            "crm.leads": self._twins("crm.leads", ["mql_at", "sql_at", "is_deleted"], without="opportunity_id"),
        }

    def frames(self) -> Frames:
        """The versions of all tables, for the greatest possible number of days."""
        deals = self._changed_deals()
        found: dict[str, list[pd.DataFrame]] = {
            "shop.customers": [self._new("shop.customers"), self._renamed_customers()],
            "shop.orders": [self._new("shop.orders"), self._changed("shop.orders", _ORDER_CHANGES)],
            "shop.order_items": [self._new("shop.order_items")],
            "shop.refunds": [self._refunds()],
            "crm.leads": [
                self._new("crm.leads"),
                self._changed("crm.leads", _LEAD_CHANGES),
                self._converted_leads(deals),
            ],
            "crm.opportunities": [self._new("crm.opportunities"), deals],
            "crm.stage_history": [self._stage_history()],
            "ads.spend": [_later(self.then["ads.spend"])],
            "ads.touchpoints": [self._new("ads.touchpoints")],
            "survey.invitations": [self._new("survey.invitations")],
            "survey.responses": [self._responses()],
            "finance.fx_rates": [self._rates()],
        }
        return {name: _in_order(found.get(name, [frame.head(0)]), frame) for name, frame in self.versions.items()}

    def _new_ids(self, name: str) -> dict[str, str]:
        """The old id of each row that was new on those days, and its new id. The numbering continues where it ended."""
        column = _IDS[name]
        frame = self.versions[name]
        first_seen = frame.groupby(column)["happened_on"].min()
        new = sorted(first_seen[_is_model(first_seen)].items(), key=lambda item: (item[1], item[0]))
        last = max(frame[column])
        digits = len(last) - 1
        return {str(old): f"{last[0]}{int(last[1:]) + 1 + n:0{digits}d}" for n, (old, _) in enumerate(new)}

    def _twins(self, name: str, state: list[str], without: str | None = None) -> dict[str, str]:
        """For each older row that changed on those days: a row that is now in the state in which that row was then.

        Rows that have a value in the column `without` are ignored on both sides.
        """
        column = _IDS[name]
        changed = set(self.then[name][column]) - self.ids[name].keys()
        earlier = self.versions[name][self.versions[name]["happened_on"] <= _MODEL]
        before = newest_versions(TABLES[name], earlier[earlier[column].isin(changed)])
        now = self.clean[name]
        if without:
            before, now = before[before[without].isna()], now[now[without].isna()]
        waiting: dict[tuple[Any, ...], list[str]] = {}
        for row_id, row_state in zip(now[column], _states(now, state), strict=True):
            waiting.setdefault(row_state, []).append(row_id)  # in order of id, so that the newest is last
        twins = {}
        for row_id, row_state in zip(before[column], _states(before, state), strict=True):
            if waiting.get(row_state):
                twins[row_id] = waiting[row_state].pop()
        return twins

    def _named(self, name: str, ids: pd.Series[Any]) -> pd.Series[Any]:
        """The current ids: new ids for new rows, those of stand-ins, otherwise unchanged ids."""
        known = {**self.twins.get(name, {}), **self.ids[name]}
        return ids.map(lambda row_id: known.get(row_id, row_id), na_action="ignore").astype("str")

    def _new(self, name: str) -> pd.DataFrame:
        """All versions of the new rows."""
        column = _IDS[name]
        rows = _later(self.then[name][self.then[name][column].isin(self.ids[name])])
        for other in _NAMES.keys() & set(rows.columns) - {column}:
            rows[other] = self._named(_NAMES[other], rows[other])
        rows[column] = rows[column].map(self.ids[name])
        if "email" in rows:
            rows["email"] = rows[column].str.lower() + "@example.com"
        return rows

    def _changed(self, name: str, columns: list[str]) -> pd.DataFrame:
        """Versions of stand-ins: their own values, except for the earlier changes in `columns`.

        The column `model` names the row that changed then.
        """
        key = _IDS[name]
        then = _later(self.then[name][self.then[name][key].isin(self.twins[name])])
        rows = self._as_they_are(name, then[key].map(self.twins[name]))
        for column in [*columns, "happened_on", "delivered_on"]:
            rows[column] = self._named(_NAMES[column], then[column]) if column in _NAMES else then[column]
        return rows.assign(model=then[key])

    def _as_they_are(self, name: str, ids: Iterable[Any]) -> pd.DataFrame:
        """The newest version of each of these rows."""
        key = _IDS[name]
        return self.clean[name].set_index(key, drop=False).loc[list(ids)].reset_index(drop=True)

    def _renamed_customers(self) -> pd.DataFrame:
        then = self.then["shop.customers"]
        then = _later(then[~then["customer_id"].isin(self.ids["shop.customers"])])
        changes = then[["updated_at", "happened_on", "delivered_on"]]
        return self._as_they_are("shop.customers", then["customer_id"]).assign(**changes)

    def _changed_deals(self) -> pd.DataFrame:
        """If a lead's deal is won, it belongs to a new customer, because it belonged to a new customer then."""
        rows = self._changed("crm.opportunities", _DEAL_CHANGES)
        models = self._as_they_are("crm.opportunities", rows["model"])
        customers = self._named("shop.customers", models["customer_id"])
        rows["customer_id"] = rows["customer_id"].where(~(rows["is_won"] & rows["customer_id"].isna()), customers)
        return rows

    def _converted_leads(self, deals: pd.DataFrame) -> pd.DataFrame:
        """The leads of deals that are won now."""
        won = deals[deals["is_won"] & deals["lead_id"].notna()].reset_index(drop=True)
        changes = won[["updated_at", "happened_on", "delivered_on"]].assign(converted_at=won["closed_at"])
        return self._as_they_are("crm.leads", won["lead_id"]).assign(**changes)

    def _stage_history(self) -> pd.DataFrame:
        """Stages of new deals as they were then, and stages of stand-ins with the stand-ins' own owners."""
        then = self.then["crm.stage_history"]
        new = then["opportunity_id"].isin(self.ids["crm.opportunities"])
        rows = _later(then[new | then["opportunity_id"].isin(self.twins["crm.opportunities"])])
        is_new = rows["opportunity_id"].isin(self.ids["crm.opportunities"])
        rows["opportunity_id"] = self._named("crm.opportunities", rows["opportunity_id"])
        owners = rows["opportunity_id"].map(self.clean["crm.opportunities"].set_index("id")["owner_id"])
        for column in ("changed_by", "owner_id"):
            rows[column] = rows[column].where(is_new, owners).astype("str")
        return rows

    def _refunds(self) -> pd.DataFrame:
        """Refunds of new orders. For each refund of an older order, a line of another order of that age is refunded."""
        rows = self._new("shop.refunds")
        named = _later(self.then["shop.refunds"])
        old = named[~named["order_id"].isin(self.ids["shop.orders"])].index
        orders = self.clean["shop.orders"]
        refunded = set(self.clean["shop.refunds"]["order_id"])
        kept = ~orders["is_deleted"] & (orders["status"] != "cancelled") & ~orders["order_id"].isin(refunded)
        orders = orders[kept].sort_values(["ordered_at", "order_id"], ignore_index=True)
        items = self.clean["shop.order_items"].drop_duplicates("order_id").set_index("order_id")
        placed = self.clean["shop.orders"].set_index("order_id")["ordered_at"]
        taken: set[int] = set()
        for row in old:
            place = int(orders["ordered_at"].searchsorted(placed[named["order_id"][row]] + _LATER, side="right")) - 1
            while place in taken:
                place -= 1
            taken.add(place)
            order = orders.iloc[place]
            item = items.loc[order["order_id"]]
            amount = item["quantity"] * item["unit_price"] - item["discount_amount"]
            columns = ["order_id", "order_item_id", "amount", "currency"]
            rows.loc[row, columns] = [order["order_id"], item["order_item_id"], amount, order["currency"]]
        return rows

    def _responses(self) -> pd.DataFrame:
        """Answers to new invitations only, because older invitations have been answered already."""
        rows = self._new("survey.responses")
        return rows[rows["invitation_id"].isin(self.ids["survey.invitations"].values())]

    def _rates(self) -> pd.DataFrame:
        """Rates change as they did then, starting from their current values."""
        rows = _later(self.then["finance.fx_rates"])
        before = self.versions["finance.fx_rates"]
        start = _newest_rates(before[before["happened_on"] <= _MODEL])
        end = _newest_rates(before)
        rows["rate"] += rows["from_currency"].map(end - start)
        return rows


def _newest_rates(rates: pd.DataFrame) -> pd.Series[Any]:
    """The newest rate of each currency."""
    return rates.sort_values("rate_date").groupby("from_currency")["rate"].last()


def _is_model(days: pd.Series[Any]) -> pd.Series[Any]:
    return (days > _MODEL) & (days <= _MODEL + MOST_DAYS)


def _states(rows: pd.DataFrame, columns: list[str]) -> list[tuple[Any, ...]]:
    """The values of these columns for each row; for a moment, only whether it has come."""
    parts = [rows[name].notna() if name.endswith("_at") else rows[name] for name in columns]
    return list(zip(*(part.tolist() for part in parts), strict=True))


def _later(rows: pd.DataFrame) -> pd.DataFrame:
    """The same rows, moved to later days."""
    rows = rows.reset_index(drop=True)
    for name in rows.columns:
        if pd.api.types.is_datetime64_any_dtype(rows[name].dtype):
            rows[name] += _LATER
    return rows.assign(happened_on=rows["happened_on"] + _BACK, delivered_on=rows["happened_on"] + _BACK)


def _in_order(parts: list[pd.DataFrame], like: pd.DataFrame) -> pd.DataFrame:
    """One frame with the columns and types of `like`."""
    rows = pd.concat(parts, ignore_index=True)[list(like.columns)].astype(like.dtypes.to_dict())
    return rows.sort_values("happened_on", kind="stable").reset_index(drop=True)
