"""The demo company: same files every time, dirt that can be undone, and a truth that adds up."""

import csv
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from demo_company import SOURCES, truth
from demo_company.__main__ import main
from demo_company.company import Company, build_company
from demo_company.replay import differences, replay
from demo_company.tables import EVERY_DAY, TABLES

SCALE, SEED = 0.01, 20240101
BULK, LAST = date(2025, 11, 10), date(2026, 1, 9)
KINDS = {
    "exact_duplicate", "repeated_across_days", "late_row", "correction", "unparsable_cell", "placeholder_text",
    "deleted", "cancelled_later", "refund_in_later_month", "negative_cycle_time",
}  # fmt: skip


def generate(data_dir: Path, *, seed: int = SEED) -> int:
    return main(["--scale", str(SCALE), "--seed", str(seed), "--data-dir", str(data_dir)])


def fingerprints(data_dir: Path) -> dict[str, str]:
    files = (path for path in data_dir.rglob("*") if path.is_file())
    return {str(path.relative_to(data_dir)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    assert generate(folder) == 0
    return folder


@pytest.fixture(scope="module")
def company() -> Company:
    return build_company(SCALE, SEED)


@pytest.fixture(scope="module")
def rows(company: Company) -> list[truth.TruthRow]:
    return truth.all_kpis(company.clean)


def planted(data_dir: Path) -> list[dict[str, str]]:
    with (data_dir / "demo_truth" / "planted.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# ------------------------------------------------------------------------------------------------------------ files


def test_two_generations_are_byte_identical(data_dir: Path, tmp_path: Path) -> None:
    assert generate(tmp_path) == 0
    assert fingerprints(tmp_path) == fingerprints(data_dir)


def test_what_is_there_already_is_not_made_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generate(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    capsys.readouterr()
    assert generate(tmp_path) == 0
    assert "already there" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_another_seed_replaces_its_own_sources_and_nothing_else(tmp_path: Path) -> None:
    generate(tmp_path)
    before = fingerprints(tmp_path)
    foreign = tmp_path / "landing" / "webshop2" / "orders" / "orders_2025-12-01.csv"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("kept", encoding="utf-8")
    assert generate(tmp_path, seed=7) == 0
    after = fingerprints(tmp_path)
    assert foreign.read_text(encoding="utf-8") == "kept"
    name = "landing/shop/orders/orders_2025-11-10.csv.gz"
    assert before[name] != after[name]
    assert json.loads((tmp_path / "demo_truth" / "demo.json").read_text(encoding="utf-8"))["seed"] == 7
    assert not list(tmp_path.glob(".demo_company_*"))


def test_files_of_somebody_else_are_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / "landing" / "shop" / "orders" / "orders.csv"
    own.parent.mkdir(parents=True)
    own.write_text("mine", encoding="utf-8")
    assert generate(tmp_path) == 1
    assert "--data-dir" in capsys.readouterr().err
    assert own.read_text(encoding="utf-8") == "mine"


def test_an_interrupted_swap_is_made_again(tmp_path: Path) -> None:
    generate(tmp_path)
    marker = tmp_path / "demo_truth" / "demo.json"
    marker.write_text(json.dumps({**json.loads(marker.read_text(encoding="utf-8")), "complete": False}))
    before = fingerprints(tmp_path)
    assert generate(tmp_path) == 0
    assert fingerprints(tmp_path)["demo_truth/demo.json"] != before["demo_truth/demo.json"]


def test_file_names_and_required_files(data_dir: Path) -> None:
    days = {(BULK + timedelta(days=n)).isoformat() for n in range((LAST - BULK).days + 1)}
    assert {path.name for path in (data_dir / "landing").iterdir()} == set(SOURCES)
    for name, table in TABLES.items():
        files = list((data_dir / "landing" / table.source / table.name).iterdir())
        delivered = {path.name.removeprefix(f"{table.name}_").removesuffix(f".{table.extension}") for path in files}
        assert delivered <= days, name
        assert BULK.isoformat() in delivered, name
        if name in EVERY_DAY:
            assert delivered == days, name


def test_required_tables_bring_something_new_every_day(company: Company) -> None:
    for name, moment in (("shop.customers", "created_at"), ("shop.orders", "ordered_at"), ("crm.leads", "created_at")):
        new_on = set(truth.business_date(company.clean[name][moment]).dt.date)
        assert all(BULK + timedelta(days=n) in new_on for n in range(1, (LAST - BULK).days + 1)), name


# ------------------------------------------------------------------------------------------------------------- dirt


def test_three_rules_lead_back_to_the_clean_business(data_dir: Path, company: Company) -> None:
    assert differences(replay(data_dir / "landing"), company.clean) == []


def test_every_kind_of_dirt_is_planted_and_no_other(data_dir: Path) -> None:
    assert {entry["kind"] for entry in planted(data_dir)} == KINDS


def test_planted_rows_are_in_the_delivery_they_are_noted_for(data_dir: Path) -> None:
    for entry in planted(data_dir):
        table = TABLES[f"{entry['source']}.{entry['table']}"]
        name = f"{table.name}_{entry['delivered_on']}.{table.extension}"
        assert (data_dir / "landing" / table.source / table.name / name).is_file(), entry


# ------------------------------------------------------------------------------------------------- the business


def test_the_business_is_consistent(company: Company) -> None:
    clean = company.clean
    orders, customers = clean["shop.orders"], clean["shop.customers"]
    both = orders.merge(customers[["customer_id", "created_at"]], on="customer_id", how="left")
    assert (both["ordered_at"] >= both["created_at"]).all()
    assert clean["shop.order_items"]["order_id"].isin(orders["order_id"]).all()
    assert set(orders["order_id"]) == set(clean["shop.order_items"]["order_id"])
    sold_by_rep = orders["channel"].isin(["inside_sales", "partner"])
    assert (orders["sales_rep_id"].notna() == sold_by_rep).all()
    items = clean["shop.order_items"].set_index("order_item_id")
    net = items["quantity"] * items["unit_price"] - items["discount_amount"]
    refunds = clean["shop.refunds"].dropna(subset="order_item_id")
    refunds = refunds.merge(orders[["order_id", "currency"]], on="order_id", suffixes=("", "_of_order"))
    refunds = refunds[refunds["currency"] == refunds["currency_of_order"]]
    assert (refunds["amount"].to_numpy() <= net[refunds["order_item_id"]].to_numpy()).all()


def test_converted_leads_are_won_deals(company: Company) -> None:
    leads = company.clean["crm.leads"].dropna(subset="converted_at")
    deals = company.clean["crm.opportunities"].set_index("id").loc[leads["opportunity_id"]]
    assert len(leads) > 0
    assert deals["is_won"].all()
    assert (deals["closed_at"].to_numpy() == leads["converted_at"].to_numpy()).all()
    assert (deals["closed_at"] >= deals["created_at"]).all()


def test_some_orders_lie_on_another_date_in_utc(company: Company) -> None:
    ordered = company.clean["shop.orders"]["ordered_at"]
    assert (truth.business_date(ordered) != ordered.dt.tz_localize(None).dt.normalize()).sum() > 5


# ------------------------------------------------------------------------------------------------------------ truth


def test_truth_file_holds_the_truth_as_text(data_dir: Path, rows: list[truth.TruthRow]) -> None:
    with (data_dir / "demo_truth" / "truth.csv").open(encoding="utf-8", newline="") as file:
        written = list(csv.DictReader(file))
    assert len(written) == len(rows)
    keys = {tuple(row.values())[:5] for row in written}
    assert len(keys) == len(written)
    for text, row in zip(written, rows, strict=True):
        for column in ("numerator", "denominator", "value"):
            number = getattr(row, column)
            assert (text[column] == "") == (number is None)
            if isinstance(number, float):
                assert float(text[column]) == number
            elif isinstance(number, Decimal):
                assert Decimal(text[column]) == number
                assert len(text[column].partition(".")[2]) == 2


def additive(rows: list[truth.TruthRow]) -> Iterator[truth.TruthRow]:
    return (row for row in rows if row.kpi_id == "revenue" and row.variant != "aov")


def test_cuts_of_revenue_add_up_to_the_company(rows: list[truth.TruthRow]) -> None:
    sums: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    for row in additive(rows):
        sums[row.period_month, row.variant, row.entity_type] += Decimal(row.value or 0)
    for (month, variant, cut), total in sums.items():
        assert total == sums[month, variant, "company"], (month, variant, cut)


def test_parts_of_revenue_add_up(rows: list[truth.TruthRow]) -> None:
    values: dict[tuple[str, ...], dict[str, Decimal]] = defaultdict(dict)
    for row in additive(rows):
        values[row.period_month, row.entity_type, row.entity_id][row.variant] = Decimal(row.value or 0)
    for of in values.values():
        assert of["net"] == of["gross"] - of["discounts"] - of["refunds"]
        assert of["net"] == of["new_customer_net"] + of["repeat_net"]


def test_cuts_of_conversion_and_win_rate_add_up(rows: list[truth.TruthRow]) -> None:
    parts: dict[tuple[str, ...], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for row in rows:
        if row.kpi_id in ("lead_conversion", "win_rate"):
            both = parts[row.kpi_id, row.variant, row.period_month, row.entity_type]
            both[0] += Decimal(row.numerator or 0)
            both[1] += Decimal(row.denominator or 0)
    for (kpi, variant, month, _), both in parts.items():
        assert both == parts[kpi, variant, month, "company"]


def test_ratios_stay_within_their_bounds(rows: list[truth.TruthRow]) -> None:
    for row in rows:
        assert row.denominator is None or row.denominator >= 0
        if isinstance(row.value, float) and isinstance(row.numerator, int) and isinstance(row.denominator, int):
            assert abs(row.numerator) <= row.denominator or row.variant == "activity", row
    shares = {row.variant: row for row in rows if row.kpi_id == "retention"}
    assert set(shares) == {"logo", "repeat_purchase", "nrr", "grr"}


def test_every_kpi_has_its_variants(rows: list[truth.TruthRow]) -> None:
    variants = defaultdict(set)
    for row in rows:
        variants[row.kpi_id].add(row.variant)
    assert {kpi: len(names) for kpi, names in variants.items()} == {
        "revenue": 9, "lead_conversion": 5, "win_rate": 4, "cac": 3, "clv": 4, "sales_growth": 5, "retention": 4,
        "nps": 3,
    }  # fmt: skip


# -------------------------------------------------------------------------------------- small cases worked by hand


def utc(*texts: str | None) -> "pd.Series[pd.Timestamp]":
    return pd.to_datetime(pd.Series(texts, dtype=object), utc=True)


def tiny_shop() -> dict[str, pd.DataFrame]:
    """One customer, two counting orders (one at 23:30 UTC on the last of January), a cancelled one, two refunds."""
    return {
        "shop.customers": pd.DataFrame({"customer_id": ["C1"], "segment": ["smb"]}),
        "shop.orders": pd.DataFrame(
            {
                "order_id": ["O1", "O2", "O3"],
                "customer_id": ["C1", "C1", "C1"],
                "ordered_at": utc("2024-01-10T09:00:00Z", "2024-01-31T23:30:00Z", "2024-01-02T09:00:00Z"),
                "status": ["fulfilled", "paid", "cancelled"],
                "currency": ["EUR", "PLN", "EUR"],
                "channel": ["web", "partner", "web"],
                "region": ["north", "south", "north"],
                "sales_rep_id": pd.Series([None, "R01", None], dtype="str"),
                "is_deleted": [False, False, False],
            }
        ),
        "shop.order_items": pd.DataFrame(
            {
                "order_id": ["O1", "O2", "O3"],
                "quantity": [3, 2, 1],
                "unit_price": [1_000, 9_999, 50_000],
                "discount_amount": [100, 0, 0],
                "unit_cost": [600, 5_000, 10],
            }
        ),
        "shop.refunds": pd.DataFrame(
            {
                "order_id": ["O1", "O3"],
                "refunded_at": utc("2024-02-05T12:00:00Z", "2024-01-05T12:00:00Z"),
                "amount": [500, 50_000],
                "currency": ["EUR", "EUR"],
            }
        ),
        "finance.fx_rates": pd.DataFrame(
            {
                "rate_date": pd.to_datetime(["2024-01-31", "2024-02-01"]),
                "from_currency": ["PLN", "PLN"],
                "to_currency": ["EUR", "EUR"],
                "rate": [900_000, 250_025],
            }
        ),
        "crm.rep_teams": pd.DataFrame(
            {
                "rep_id": ["R01", "R01"],
                "valid_from": pd.to_datetime(["2024-01-01", "2024-02-01"]),
                "team": ["atlas", "boreal"],
            }
        ),
    }


def test_revenue_by_hand() -> None:
    rows = truth.revenue(truth.sales_movements(tiny_shop()))
    value = {(row.period_month[:7], row.variant, row.entity_type, row.entity_id): row.value for row in rows}

    def company(month: str, variant: str) -> truth.Number:
        return value[month, variant, "company", "company"]

    # January: 3 x 10.00 - 1.00, cost 18.00; the cancelled order and its refund count nowhere.
    assert company("2024-01", "gross") == Decimal("30.00")
    assert company("2024-01", "net") == Decimal("29.00")
    assert company("2024-01", "margin") == Decimal("11.00")
    assert company("2024-01", "orders") == 1
    assert company("2024-01", "aov") == 29.0
    # February, in Warsaw: 2 x 99.99 PLN at 0.250025 = 49.9999995 -> 50.00, and 5.00 paid back for January's order.
    assert company("2024-02", "gross") == Decimal("50.00")
    assert company("2024-02", "refunds") == Decimal("5.00")
    assert company("2024-02", "net") == Decimal("45.00")
    # 2 x 50.00 PLN at 0.250025 = 25.0025 -> 25.00.
    assert company("2024-02", "margin") == Decimal("20.00")
    assert company("2024-02", "new_customer_net") == Decimal("-5.00")
    assert company("2024-02", "repeat_net") == Decimal("50.00")
    assert value["2024-02", "net", "team", "boreal"] == Decimal("50.00")
    assert value["2024-02", "net", "team", "unassigned"] == Decimal("-5.00")
    assert value["2024-02", "aov", "channel", "web"] is None
    assert ("2024-01", "net", "channel", "partner") not in value


def test_half_a_cent_is_rounded_away_from_zero() -> None:
    fx = tiny_shop()["finance.fx_rates"].assign(rate=[500_000, 500_000])
    days = pd.Series(pd.to_datetime(["2024-02-03"] * 3))
    assert truth.to_eur(pd.Series([1, 3, -1]), pd.Series(["PLN"] * 3), days, fx).tolist() == [1, 2, -1]


def test_lead_conversion_by_hand() -> None:
    frames = {
        "crm.leads": pd.DataFrame(
            {
                "created_at": utc(
                    "2024-01-01T10:00:00Z", "2024-01-01T10:00:00Z", "2024-01-31T23:30:00Z", "2024-01-05T08:00:00Z"
                ),
                # Day 29 counts within 30 days, day 30 does not.
                "converted_at": utc("2024-01-30T10:00:00Z", "2024-01-31T10:00:00Z", None, "2024-01-06T08:00:00Z"),
                "source": pd.Series(["email", "Select", None, "email"], dtype="str"),
                "sdr_id": pd.Series(["R01", "R01", None, "R01"], dtype="str"),
                "is_deleted": [False, False, False, True],
            }
        ),
        "crm.rep_teams": tiny_shop()["crm.rep_teams"],
    }
    rows = truth.lead_conversion(frames)
    found = {
        (row.period_month[:7], row.variant, row.entity_type, row.entity_id): (row.numerator, row.denominator, row.value)
        for row in rows
    }
    assert found["2024-01", "cohort_30d", "company", "company"] == (1, 2, 0.5)
    assert found["2024-01", "cohort_60d", "company", "company"] == (2, 2, 1.0)
    assert found["2024-01", "activity", "company", "company"] == (2, 2, 1.0)
    assert found["2024-01", "cohort_30d", "channel", "unassigned"] == (0, 1, 0.0)
    assert found["2024-02", "cohort_ever", "rep", "unassigned"] == (0, 1, 0.0)
    assert found["2024-01", "cohort_ever", "team", "atlas"] == (2, 2, 1.0)
