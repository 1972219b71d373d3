"""What orders amount to, and who the customers are: the basis of revenue, growth, retention and value.

Belongs here: which orders count, what they and their refunds add to sales, and the customers' attributes.
Does not belong here: adding this up to a KPI.
"""

from __future__ import annotations

import pandas as pd

from demo_company.tables import Frames
from demo_company.truth.basics import COMPANY, STAFF_CUTS, UNASSIGNED, business_date, month_of, staff_on, to_eur

ORDER_CUTS = ("company", "channel", "rep", "region", "segment", *STAFF_CUTS)
SALES_CUTS = (*ORDER_CUTS, "category")
CUSTOMER_CUTS = ("company", "segment", "region", "channel")


def counting_orders(frames: Frames) -> pd.DataFrame:
    """Orders that count, neither cancelled nor deleted, with `day`, `rep`, `segment` and `is_first`."""
    orders = frames["shop.orders"]
    orders = orders[(orders["status"] != "cancelled") & ~orders["is_deleted"]].copy()
    orders["day"] = business_date(orders["ordered_at"])
    orders["rep"] = orders["sales_rep_id"]
    orders = orders.merge(frames["shop.customers"][["customer_id", "segment"]], on="customer_id", how="left")
    cuts = ["channel", "region", "rep", "segment"]
    orders[cuts] = orders[cuts].fillna(UNASSIGNED)
    first = orders.sort_values(["ordered_at", "order_id"]).drop_duplicates("customer_id")["order_id"]
    orders["is_first"] = orders["order_id"].isin(first)
    return orders


def sales_movements(frames: Frames) -> pd.DataFrame:
    """Everything that adds to or reduces sales, one row per order item, refund and order.

    Columns: day, month, order_id, customer_id, ordered_at, is_first, the cuts (company, channel, rep, region, segment,
    team, office), and in EUR cents gross, discounts, cost, refunds, net and margin (net - cost); orders is 1 on one row
    per order. The rows of an order and its items have the order's day, and a refund has its own day.

    Items (is_item) and refunds have a category, too; the row of an order has none. A refund has that of its item, else
    that of all items of its order, if they agree, else `unassigned`.
    """
    fx = frames["finance.fx_rates"]
    orders = counting_orders(frames)
    about = ["order_id", "customer_id", "ordered_at", "is_first", "channel", "rep", "region", "segment"]
    counted = orders[[*about, "day"]].assign(orders=1)

    items = frames["shop.order_items"].merge(orders[[*about, "day", "currency"]], on="order_id")
    items["gross"] = to_eur(items["quantity"] * items["unit_price"], items["currency"], items["day"], fx)
    items["discounts"] = to_eur(items["discount_amount"], items["currency"], items["day"], fx)
    items["cost"] = to_eur(items["quantity"] * items["unit_cost"], items["currency"], items["day"], fx)

    categories = frames["shop.products"][["product_id", "category"]]
    items = items.merge(categories, on="product_id", how="left").fillna({"category": UNASSIGNED})
    items["is_item"] = 1

    refunds = frames["shop.refunds"].merge(orders[about], on="order_id")
    of_item = items[["order_item_id", "category"]].rename(columns={"category": "of_item"})
    of_order = items.groupby("order_id")["category"].agg(["first", "nunique"]).query("nunique == 1")["first"]
    refunds = refunds.merge(of_item, on="order_item_id", how="left")
    refunds = refunds.merge(of_order.rename("of_order").reset_index(), on="order_id", how="left")
    refunds["category"] = refunds["of_item"].fillna(refunds["of_order"]).fillna(UNASSIGNED)
    refunds["day"] = business_date(refunds["refunded_at"])
    refunds["refunds"] = to_eur(refunds["amount"], refunds["currency"], refunds["day"], fx)

    amounts = ["gross", "discounts", "cost", "refunds", "orders", "is_item"]
    columns = [*about, "day", "category", *amounts]
    rows = pd.concat([part.reindex(columns=columns) for part in (counted, items, refunds)])
    rows = rows.reset_index(drop=True)
    rows[amounts] = rows[amounts].fillna(0).astype("int64")
    rows["month"] = month_of(rows["day"])
    rows["company"] = COMPANY.name
    rows[STAFF_CUTS] = staff_on(rows["rep"], rows["day"], frames["crm.rep_teams"])
    rows["net"] = rows["gross"] - rows["discounts"] - rows["refunds"]
    rows["margin"] = rows["net"] - rows["cost"]
    return rows


def first_orders(movements: pd.DataFrame) -> pd.DataFrame:
    """One row per customer: the first counting order."""
    return movements[movements["is_first"] & (movements["orders"] == 1)]


def customer_attributes(frames: Frames, movements: pd.DataFrame) -> pd.DataFrame:
    """The CUSTOMER_CUTS per customer_id. The channel of a customer is that of the first counting order."""
    customers = frames["shop.customers"].set_index("customer_id")[["segment", "region"]].assign(company=COMPANY.name)
    customers["channel"] = first_orders(movements).set_index("customer_id")["channel"]
    return customers.fillna(UNASSIGNED)
