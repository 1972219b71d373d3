"""The demo company: the same files every time, faults that can be undone, and a truth that adds up."""

import csv
import gzip
import hashlib
import json
import math
import re
import shutil
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from demo_company import SOURCES, truth
from demo_company.__main__ import main
from demo_company.build import Made, Next, build, build_next, clean_after, together
from demo_company.company import Company, Part, build_company, parts_of
from demo_company.next_days import next_days
from demo_company.replay import differences, replay
from demo_company.tables import EVERY_DAY, TABLES, newest_versions
from demo_company.truth.acquisition import against_value
from demo_company.truth.basics import Number, Period, business_date, to_eur
from demo_company.truth.customers import Prediction, predictions
from demo_company.truth.targets import daily_revenue_targets

SCALE, SEED = 0.01, 20240101
BULK, LAST = date(2025, 11, 10), date(2026, 1, 9)
KINDS = {
    "exact_duplicate", "repeated_across_days", "late_row", "correction", "unparsable_cell", "placeholder_text",
    "deleted", "cancelled_later", "refund_in_later_month", "negative_cycle_time",
}  # fmt: skip


def generate(data_dir: Path, *arguments: str, seed: int = SEED) -> int:
    return main(["--scale", str(SCALE), "--seed", str(seed), "--data-dir", str(data_dir), *arguments])


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
    [whole] = parts_of(SCALE, SEED)
    return build_company(whole)


@pytest.fixture(scope="module")
def rows(company: Company) -> list[truth.TruthRow]:
    return truth.all_kpis(company.clean)


def planted(data_dir: Path) -> list[dict[str, str]]:
    with (data_dir / "demo_truth" / "planted.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# ------------------------------------------------------------------------------------------------------------ files


def test_what_is_there_already_is_not_made_again(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(data_dir, tmp_path, dirs_exist_ok=True)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    capsys.readouterr()
    assert generate(tmp_path) == 0
    assert "already exists" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_another_seed_replaces_its_own_sources_and_nothing_else(data_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(data_dir, tmp_path, dirs_exist_ok=True)
    before = fingerprints(tmp_path)
    foreign = tmp_path / "landing" / "webshop2" / "orders" / "orders_2025-12-01.csv"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("kept", encoding="utf-8")
    assert generate(tmp_path, "--no-truth", seed=7) == 0
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


def test_an_interrupted_swap_is_made_again(data_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(data_dir, tmp_path, dirs_exist_ok=True)
    marker = tmp_path / "demo_truth" / "demo.json"
    marker.write_text(json.dumps({**json.loads(marker.read_text(encoding="utf-8")), "complete": False}))
    before = fingerprints(tmp_path)
    assert generate(tmp_path, "--no-truth") == 0
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
        new_on = set(business_date(company.clean[name][moment]).dt.date)
        assert all(BULK + timedelta(days=n) in new_on for n in range(1, (LAST - BULK).days + 1)), name


# ---------------------------------------------------------------------------------------------------- many parts

THREE = {"scale": 0.03, "seed": SEED, "largest": 0.01}
SHARED = {
    "shop.products", "crm.sales_reps", "crm.quotas", "ads.campaigns", "ads.spend", "finance.fx_rates", "finance.costs",
}  # fmt: skip


@pytest.fixture(scope="module")
def parts() -> list[Part]:
    return parts_of(**THREE)


@pytest.fixture(scope="module")
def companies(parts: list[Part]) -> list[Company]:
    return [build_company(part) for part in parts]


@pytest.fixture(scope="module")
def in_parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Made]:
    folder = tmp_path_factory.mktemp("parts")
    return folder, build(folder, **THREE)


def test_parts_have_the_size_of_the_whole(parts: list[Part]) -> None:
    assert [part.ppm for part in parts] == [10_000, 10_000, 10_000]
    assert [part.ppm for part in parts_of(2.5, SEED)] == [833_333, 833_333, 833_334]
    assert len({part.seed for part in parts}) == 3


def test_a_company_of_one_part_is_drawn_from_its_own_seed() -> None:
    assert parts_of(1, SEED) == [Part(0, 1, SEED, 1_000_000, SEED, 1_000_000)]


def test_parts_have_no_row_in_common_but_share_the_lists(companies: list[Company]) -> None:
    for name, table in TABLES.items():
        first, second, third = (company.versions[name] for company in companies)
        if name in SHARED:
            pd.testing.assert_frame_equal(first, second)
            pd.testing.assert_frame_equal(first, third)
        else:
            keys = [set(frame[list(table.key)].itertuples(index=False)) for frame in (first, second, third)]
            assert all(keys)
            assert len(set.union(*keys)) == sum(map(len, keys)), name


@pytest.mark.nightly
def test_the_same_seed_gives_the_same_files_in_parts(in_parts: tuple[Path, Made], tmp_path: Path) -> None:
    folder, made = in_parts
    assert build(tmp_path, **THREE, truth=False) == replace(made, truth_rows=0)
    assert fingerprints(tmp_path / "landing") == fingerprints(folder / "landing")


@pytest.mark.nightly
def test_files_in_parts_lead_back_to_all_parts(
    in_parts: tuple[Path, Made], parts: list[Part], companies: list[Company]
) -> None:
    folder, made = in_parts
    clean = together([part.own(company.clean) for part, company in zip(parts, companies, strict=True)])
    assert differences(replay(folder / "landing"), clean) == []
    assert made.orders == len(clean["shop.orders"]) == sum(len(company.clean["shop.orders"]) for company in companies)


@pytest.mark.nightly
def test_what_is_counted_was_written_in_parts(in_parts: tuple[Path, Made]) -> None:
    folder, made = in_parts
    faults = Counter(entry["kind"] for entry in planted(folder))
    assert made.planted == dict(faults)
    assert made.files == len([path for path in (folder / "landing").rglob("*") if path.is_file()])
    with (folder / "demo_truth" / "truth.csv").open(encoding="utf-8", newline="") as file:
        assert made.truth_rows == len(list(csv.DictReader(file)))


@pytest.mark.nightly
def test_the_truth_of_the_whole_is_the_sum_of_its_parts(in_parts: tuple[Path, Made], companies: list[Company]) -> None:
    """Sums of money by month, as the parts have no customer in common."""

    def net(rows: list[truth.TruthRow]) -> dict[str, Decimal]:
        chosen = [row for row in rows if (row.kpi_id, row.variant, row.entity_type) == ("revenue", "net", "company")]
        return {row.period_start: Decimal(str(row.numerator)) for row in chosen if row.grain == "month"}

    each = [net(truth.revenue(truth.sales_movements(company.clean))) for company in companies]
    with (in_parts[0] / "demo_truth" / "truth.csv").open(encoding="utf-8", newline="") as file:
        whole = net([truth.TruthRow(**row) for row in csv.DictReader(file)])
    assert len(whole) == 25
    assert whole == {month: sum((part.get(month, Decimal(0)) for part in each), Decimal(0)) for month in whole}


@pytest.mark.nightly
def test_a_file_has_the_months_of_all_parts_in_order(in_parts: tuple[Path, Made]) -> None:
    [bulk] = (in_parts[0] / "landing" / "shop" / "order_items").glob(f"*_{BULK}.csv.gz")
    with gzip.open(bulk, "rt", encoding="utf-8", newline="") as file:
        lines = [row["order_id"] for row in csv.DictReader(file, delimiter=";")]
    parts_in_turn = [line[:4] for line in lines]
    turns = [part for part, before in zip(parts_in_turn, ["", *parts_in_turn], strict=False) if part != before]
    assert len(set(turns)) == 3
    assert len(turns) == 3 * 23  # once a month


@pytest.mark.nightly
def test_days_that_follow_go_on_in_every_part(
    in_parts: tuple[Path, Made], parts: list[Part], companies: list[Company], tmp_path: Path
) -> None:
    folder, made = in_parts
    shutil.copytree(folder / "landing", tmp_path / "all" / "landing")
    rows = build_next(tmp_path, asked=Next(0, 3), truth=False, **THREE)
    shutil.copytree(tmp_path / "landing", tmp_path / "all" / "landing", dirs_exist_ok=True)
    more = [next_days(company, 3) for company in companies]
    clean = together(
        [part.own(clean_after(company, days)) for part, company, days in zip(parts, companies, more, strict=True)]
    )
    assert differences(replay(tmp_path / "all" / "landing"), clean) == []
    assert rows == sum(len(frame) for part, days in zip(parts, more, strict=True) for frame in part.own(days).values())
    assert made.orders < len(clean["shop.orders"])


@pytest.mark.nightly
def test_the_same_seed_gives_the_same_files_with_truth_or_without(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--scale", str(SCALE), "--data-dir", str(tmp_path)]
    assert main([*place, "--no-truth"]) == 0
    assert "--truth" in capsys.readouterr().out
    notes = tmp_path / "demo_truth"
    assert {path.name for path in notes.iterdir()} == {"planted.csv", "demo.json"}
    assert go_on(tmp_path, "--days", "1") == 0
    assert not (notes / "truth.csv").exists()
    assert main([*place, "--truth"]) == 0
    assert fingerprints(tmp_path) == fingerprints(data_dir)
    assert go_on(tmp_path, "--days", "1", "--no-truth") == 0
    assert not (notes / "truth.csv").exists()


# ------------------------------------------------------------------------------------------------- the days after


def go_on(data_dir: Path, *arguments: str) -> int:
    return main(["--data-dir", str(data_dir), *arguments])


@pytest.fixture(scope="module")
def week_later(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The company a week later, with the days delivered in one call."""
    folder = tmp_path_factory.mktemp("later") / "data"
    shutil.copytree(data_dir, folder)
    assert go_on(folder, "--days", "7") == 0
    return folder


@pytest.mark.nightly
def test_further_days_leave_every_delivery_before_them_as_it_was(data_dir: Path, week_later: Path) -> None:
    before, after = fingerprints(data_dir / "landing"), fingerprints(week_later / "landing")
    assert before.items() < after.items()
    new_days = {re.findall(r"\d{4}-\d\d-\d\d", name)[0] for name in after.keys() - before.keys()}
    assert new_days == {str(LAST + timedelta(days=n)) for n in range(1, 8)}
    for name in EVERY_DAY:
        assert len([path for path in after if path.startswith(name.replace(".", "/") + "/")]) == 61 + 7, name


@pytest.mark.nightly
def test_the_truth_goes_on_with_the_days(week_later: Path, company: Company) -> None:
    """What was delivered leads back to the business from which the truth was computed, as of the last day."""
    more = next_days(company, 7)
    clean = {
        name: newest_versions(table, pd.concat([company.versions[name], more[name]])) for name, table in TABLES.items()
    }
    assert differences(replay(week_later / "landing"), clean) == []
    clean["crm.rep_teams"] = company.clean["crm.rep_teams"]
    with (week_later / "demo_truth" / "truth.csv").open(encoding="utf-8", newline="") as file:
        written = {tuple(row.values())[:6]: row["value"] for row in csv.DictReader(file)}
    rows = truth.all_kpis(clean, pd.Timestamp("2026-01-16"))
    for row in rows:
        assert written[row[:6]] == ("" if row.value is None else str(row.value))
    assert len(written) == len(rows)
    assert "as of 2026-01-16" in (week_later / "demo_truth" / "README.txt").read_text()


def test_the_company_is_as_busy_as_before_and_what_was_open_goes_on(company: Company) -> None:
    more = next_days(company, 7)
    for name in ("shop.orders", "crm.leads", "crm.opportunities", "ads.touchpoints"):
        happened = company.versions[name]["happened_on"]
        usual = ((happened > happened.max() - 28) & (happened <= happened.max() - 21)).sum()
        assert 0.5 * usual <= len(more[name]) <= 1.5 * usual, name
    for name, key in (("shop.orders", "order_id"), ("crm.opportunities", "id")):
        assert more[name][key].isin(company.clean[name][key]).any(), name
    won = more["crm.opportunities"][more["crm.opportunities"]["is_won"]]
    assert won["customer_id"].notna().all()


@pytest.mark.nightly
def test_days_that_come_one_by_one_with_late_and_broken_files_are_the_same_in_the_end(
    data_dir: Path, week_later: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data"
    shutil.copytree(data_dir, folder)
    orders, spend = (
        f"landing/{name}_2026-01-13.{kind}"
        for name, kind in (("shop/orders/orders", "csv.gz"), ("ads/spend/spend", "parquet"))
    )
    assert go_on(folder, "--days", "4", "--late", "shop.orders", "--broken", "ads.spend") == 0
    assert not (folder / orders).exists()
    counted = "select count(*), count(campaign_id), count(spend) from read_parquet(?)"
    [sound] = duckdb.execute(counted, [str(week_later / spend)]).fetchall()
    assert duckdb.execute(counted, [str(folder / spend)]).fetchall() == [(sound[0], 0, sound[2])]
    capsys.readouterr()
    assert go_on(folder, "--days", "0") == 0
    assert "ads.spend of 2026-01-13 has arrived in its correct form" in capsys.readouterr().out
    assert go_on(folder, "--days", "3") == 0
    assert fingerprints(folder) == fingerprints(week_later)


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--days", "15"], "has 21 more days in all; 7 of them have been delivered"),
        (["--days", "1", "--late", "shop.order"], "shop.order: not a table. The tables are shop.customers,"),
        (["--days", "1", "--late", "crm.quotas"], "crm.quotas has 0 rows on 2026-01-17, too few to be late."),
    ],
)
def test_what_cannot_be_delivered_is_refused_and_changes_nothing(
    week_later: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    before = fingerprints(week_later)
    assert go_on(week_later, *arguments) == 1
    assert message in capsys.readouterr().err
    assert fingerprints(week_later) == before


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
    assert (business_date(ordered) != ordered.dt.tz_localize(None).dt.normalize()).sum() > 5


# ------------------------------------------------------------------------------------------------------------ truth


def test_truth_file_holds_the_truth_as_text(data_dir: Path, rows: list[truth.TruthRow]) -> None:
    with (data_dir / "demo_truth" / "truth.csv").open(encoding="utf-8", newline="") as file:
        written = list(csv.DictReader(file))
    assert len(written) == len(rows)
    keys = {tuple(row.values())[:6] for row in written}
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


ORDER_CUTS = {"company", "channel", "rep", "region", "segment", "team", "office"}
SALES_CUTS = ORDER_CUTS | {"category"}
LEAD_CUTS = {"company", "channel", "rep", "team", "office"}
DEAL_CUTS = {"company", "rep", "team", "office", "segment", "region", "category"}
OWNER_CUTS = {"company", "rep", "team", "office"}
CAMPAIGN_CUTS, COMPANY_ALONE = {"company", "channel", "platform"}, {"company"}
CUSTOMER_CUTS = {"company", "segment", "region", "channel"}
EXPOSURES = (30, 90, 180, 365)
VARIANTS = {
    "revenue": {
        **dict.fromkeys(("net", "gross", "discounts", "refunds", "margin", "orders"), SALES_CUTS),
        **dict.fromkeys(("customers", "orders_per_customer", "new_customer_net", "repeat_net"), SALES_CUTS),
        "aov": ORDER_CUTS,
        "bookings": DEAL_CUTS,
    },
    "sales_growth": dict.fromkeys(("wow", "mom", "qoq", "yoy", "rolling_3", "trailing_12"), SALES_CUTS),
    "lead_conversion": {
        **dict.fromkeys(("cohort_30d", "cohort_60d", "cohort_90d", "cohort_ever", "activity"), LEAD_CUTS),
        **dict.fromkeys(("days_to_convert_median", "hours_to_first_touch_median"), LEAD_CUTS),
    },
    "win_rate": {
        **dict.fromkeys(("closed_count", "closed_value", "created_count", "created_value"), DEAL_CUTS),
        **dict.fromkeys(("average_deal", "cycle_days_median", "cycle_days_p90"), DEAL_CUTS),
        **dict.fromkeys(("pipeline_coverage", "pipeline_velocity"), OWNER_CUTS),
    },
    "cac": {
        **dict.fromkeys(("paid", "roas", "romi", "spend", "impressions", "clicks"), CAMPAIGN_CUTS),
        **dict.fromkeys(("blended", "fully_loaded", "cpl", "cost_per_sql", "payback_months", "ltv_cac"), COMPANY_ALONE),
    },
    "clv": {
        **{f"{name}_{days}d": CUSTOMER_CUTS for name in ("historic", "margin") for days in EXPOSURES},
        **dict.fromkeys(("lifetime", "predictive_simple"), CUSTOMER_CUTS),
    },
    "retention": dict.fromkeys(("logo", "repeat_purchase", "nrr", "grr", "nrr_12m", "grr_12m"), CUSTOMER_CUTS),
    "nps": dict.fromkeys(("period", "trailing_90d", "response_rate"), CUSTOMER_CUTS),
}


def test_every_kpi_has_its_variants_by_their_cuts(rows: list[truth.TruthRow]) -> None:
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in rows:
        found[row.kpi_id][row.variant].add(row.entity_type)
    assert found == VARIANTS


def adds_up(row: truth.TruthRow) -> bool:
    """Whether numerator and denominator of the cuts add up to those of the company. Ratios of ratios do not.

    Growth starts for each entity with its first sales, only paid campaigns have a channel and platform, a customer may
    order in several channels, and an order may have items of several categories.
    """
    if (row.variant, row.entity_type) == ("orders", "category"):
        return False
    buyers = ("customers", "orders_per_customer")
    velocity = ("pipeline_velocity", "predictive_simple")
    return row.kpi_id not in ("sales_growth", "cac") and row.variant not in (*buyers, *velocity)


def test_cuts_add_up_to_the_company(rows: list[truth.TruthRow]) -> None:
    sums: dict[tuple[str, ...], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for row in filter(adds_up, rows):
        of_cut = sums[row.kpi_id, row.variant, row.grain, row.period_start, row.entity_type]
        of_cut[0] += Decimal(row.numerator or 0)
        of_cut[1] += Decimal(row.denominator or 0)
    for (kpi, variant, grain, start, cut), both in sums.items():
        assert both == sums[kpi, variant, grain, start, "company"], (kpi, variant, grain, start, cut)


def test_revenue_of_weeks_months_quarters_and_years_adds_up_alike(rows: list[truth.TruthRow]) -> None:
    sums: dict[tuple[str, ...], dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for row in rows:
        adds_up_over_days = row.variant not in ("aov", "customers", "orders_per_customer")
        if row.kpi_id == "revenue" and adds_up_over_days and not row.grain.endswith("_to_date"):
            sums[row.variant, row.entity_type, row.entity_id][row.grain] += Decimal(row.value or 0)
    for cell, of in sums.items():
        assert set(of) == {"week", "month", "quarter", "year"}, cell
        assert len(set(of.values())) == 1, cell


def test_channels_and_platforms_of_paid_campaigns_add_up_to_the_company(rows: list[truth.TruthRow]) -> None:
    sums: dict[tuple[str, ...], Decimal] = defaultdict(Decimal)
    for row in rows:
        if row.kpi_id == "cac" and row.variant in ("paid", "roas", "romi"):
            sums[row.variant, row.grain, row.period_start, row.entity_type] += Decimal(row.numerator or 0)
    for (variant, grain, start, _), total in sums.items():
        assert total == sums[variant, grain, start, "company"], (variant, grain, start)


def test_parts_of_revenue_add_up(rows: list[truth.TruthRow]) -> None:
    values: dict[tuple[str, ...], dict[str, Decimal]] = defaultdict(dict)
    for row in rows:
        if row.kpi_id == "revenue" and row.variant not in ("aov", "bookings"):
            values[row.grain, row.period_start, row.entity_type, row.entity_id][row.variant] = Decimal(row.value or 0)
    for of in values.values():
        assert of["net"] == of["gross"] - of["discounts"] - of["refunds"]
        assert of["net"] == of["new_customer_net"] + of["repeat_net"]


@pytest.fixture(scope="module")
def revenue_targets(company: Company) -> list[truth.TargetRow]:
    rows = truth.targets(company.clean, movements=truth.sales_movements(company.clean))
    return [row for row in rows if row.kpi_id == "revenue"]


def test_revenue_targets_of_reps_add_up_to_those_of_teams(revenue_targets: list[truth.TargetRow]) -> None:
    """A rep who came or left within a quarter has no target of the quarter, but counts towards the team's."""
    sums: dict[tuple[str, str], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for row in revenue_targets:
        if row.grain == "month":
            sums[row.period_start, row.entity_type][0] += row.target
            sums[row.period_start, row.entity_type][1] += row.target_to_date
    months = {month for month, _ in sums}
    assert len(months) == 25
    for month in months:
        assert sums[month, "rep"] == sums[month, "team"], month


def test_targets_of_months_add_up_to_those_of_quarters_and_years(revenue_targets: list[truth.TargetRow]) -> None:
    of = {(row.grain, row.period_start): row.target for row in revenue_targets if row.entity_type == "company"}
    months = {start: target for (grain, start), target in of.items() if grain == "month"}
    for grain, frequency, expected in (("quarter", "Q", 8), ("year", "Y", 2)):
        longer = {start: target for (of_grain, start), target in of.items() if of_grain == grain}
        assert len(longer) == expected  # of those in progress, the targets of later months are not known
        for start, target in longer.items():
            within = pd.Period(start, freq=frequency).asfreq("M", "start")
            size = {"quarter": 3, "year": 12}[grain]
            assert target == sum(months[str((within + number).start_time.date())] for number in range(size)), start


def test_the_days_of_a_month_add_up_to_its_target(company: Company) -> None:
    movements = truth.sales_movements(company.clean)
    for of_reps in (True, False):
        daily = daily_revenue_targets(company.clean, of_reps, movements=movements)
        months = daily.groupby(["rep", "month"])
        assert (months["eur"].sum() == months["target"].first()).all()
        assert (daily["eur"] >= 0).all()
        assert len(months) >= 25


def test_attainment_by_hand() -> None:
    """Revenue is compared with what was due so far; a cost reaches its target from above; few cases have none."""
    quotas = [
        ("company", "2026-01-01", "revenue", 31_000, "EUR"),
        ("company", "2026-01-01", "cac", 4_000, "EUR"),
        ("R01", "2026-01-01", "win_rate", 50, None),
        ("R02", "2026-01-01", "win_rate", 50, None),
    ]
    frames = {**tiny_deals(), "crm.quotas": tiny_quotas(quotas)}
    reached = [
        truth.TruthRow("month", "2026-01-01", "revenue", "net", "company", "company", None, None, Decimal("45.00")),
        truth.TruthRow("month", "2026-01-01", "revenue", "gross", "company", "company", None, None, Decimal("90.00")),
        truth.TruthRow("week", "2026-01-05", "revenue", "net", "company", "company", None, None, Decimal("40.00")),
        truth.TruthRow("month", "2026-01-01", "cac", "blended", "company", "company", Decimal("1000.00"), 20, 50.0),
        truth.TruthRow("month", "2026-01-01", "win_rate", "closed_count", "rep", "R01", 12, 20, 0.6),
        truth.TruthRow("month", "2026-01-01", "win_rate", "closed_count", "rep", "R02", 19, 19, 1.0),
    ]
    found = {
        (row.grain, row.kpi_id, row.entity_id): row.attainment
        for row in truth.targets(frames, reached)
        if row.entity_type != "team"
    }
    assert found == {
        ("month", "revenue", "company"): 0.5,  # 45.00 of the 90.00 that were due after 9 of 31 days
        ("week", "revenue", "company"): 0.8,  # 40.00 of the 50.00 that were due after 5 of 7 days
        ("month", "cac", "company"): 0.8,  # 40.00 / 50.00
        ("month", "win_rate", "R01"): pytest.approx(1.2, rel=1e-12),
        ("month", "win_rate", "R02"): None,
    }


def test_there_is_no_win_rate_by_value_where_lost_deals_carry_no_amount() -> None:
    frames = tiny_deals()
    frames["crm.opportunities"]["amount"] = [10_000, 30_000, 0, 20_000, 100_000]
    found = by_key(truth.win_rate(frames))
    assert found["2024-02", "closed_count", "company", "company"] == (3, 4, 0.75)
    assert found["2024-02", "closed_value", "company", "company"] == (Decimal("600.00"), Decimal("600.00"), None)


def test_ratios_stay_within_their_bounds(rows: list[truth.TruthRow]) -> None:
    for row in rows:
        assert row.value is None or math.isfinite(row.value), row
        if row.kpi_id != "sales_growth" and row.variant != "payback_months":
            assert row.denominator is None or row.denominator >= 0, row
        if isinstance(row.value, float) and isinstance(row.numerator, int) and isinstance(row.denominator, int):
            part_of_the_whole = row.variant not in ("activity", "orders_per_customer")
            assert abs(row.numerator) <= row.denominator or not part_of_the_whole, row
            assert row.numerator >= row.denominator or row.variant != "orders_per_customer", row


# -------------------------------------------------------------------------------------- small cases worked by hand


def utc(*texts: str | None) -> "pd.Series[pd.Timestamp]":
    return pd.to_datetime(pd.Series(texts, dtype=object), utc=True)


def by_key(rows: list[truth.TruthRow]) -> dict[tuple[str, str, str, str], tuple[Number, Number, Number]]:
    """(month, variant, entity_type, entity_id) to (numerator, denominator, value), of months."""
    return {
        (row.period_start[:7], row.variant, row.entity_type, row.entity_id): (row.numerator, row.denominator, row.value)
        for row in rows
        if row.grain == "month"
    }


def of_company(rows: list[truth.TruthRow], grain: str) -> dict[tuple[str, str], tuple[Number, Number, Number]]:
    """(first day, variant) to (numerator, denominator, value), of the company."""
    return {
        (row.period_start, row.variant): (row.numerator, row.denominator, row.value)
        for row in rows
        if row.grain == grain and row.entity_type == "company"
    }


def tiny_shop() -> dict[str, pd.DataFrame]:
    """One customer, two counting orders (one at 23:30 UTC on 31 January), a cancelled order, and two refunds."""
    return {
        "shop.customers": pd.DataFrame({"customer_id": ["C1"], "segment": ["smb"], "region": ["west"]}),
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
        "shop.products": pd.DataFrame({"product_id": ["P1", "P2"], "category": ["tea", "cups"]}),
        "shop.order_items": pd.DataFrame(
            {
                "order_item_id": ["I1", "I2", "I3"],
                "order_id": ["O1", "O2", "O3"],
                "product_id": ["P1", "P2", "P2"],
                "quantity": [3, 2, 1],
                "unit_price": [1_000, 9_999, 50_000],
                "discount_amount": [100, 0, 0],
                "unit_cost": [600, 5_000, 10],
            }
        ),
        "shop.refunds": pd.DataFrame(
            {
                "order_id": ["O1", "O3"],
                "order_item_id": [None, "I3"],
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
                "office": ["warsaw", None],
            }
        ),
    }


def test_revenue_by_hand() -> None:
    found = by_key(truth.revenue(truth.sales_movements(tiny_shop())))
    value = {key: numbers[2] for key, numbers in found.items()}

    def company(month: str, variant: str) -> Number:
        return value[month, variant, "company", "company"]

    # January: 3 x 10.00 - 1.00, cost 18.00; the cancelled order and its refund count nowhere.
    assert company("2024-01", "gross") == Decimal("30.00")
    assert company("2024-01", "net") == Decimal("29.00")
    assert company("2024-01", "margin") == Decimal("11.00")
    assert company("2024-01", "orders") == 1
    assert company("2024-01", "aov") == 29.0
    assert company("2024-01", "customers") == 1
    # February, in Warsaw: 2 x 99.99 PLN at 0.250025 = 49.9999995 -> 50.00, and 5.00 refunded for January's order.
    assert company("2024-02", "gross") == Decimal("50.00")
    assert company("2024-02", "refunds") == Decimal("5.00")
    assert company("2024-02", "net") == Decimal("45.00")
    # 2 x 50.00 PLN at 0.250025 = 25.0025 -> 25.00.
    assert company("2024-02", "margin") == Decimal("20.00")
    assert company("2024-02", "new_customer_net") == Decimal("-5.00")
    assert company("2024-02", "repeat_net") == Decimal("50.00")
    assert value["2024-02", "net", "team", "boreal"] == Decimal("50.00")
    assert value["2024-02", "net", "office", "unassigned"] == Decimal("45.00")  # from February on, R01 works from home
    assert value["2024-02", "net", "team", "unassigned"] == Decimal("-5.00")
    assert value["2024-02", "aov", "channel", "web"] is None
    assert found["2024-02", "orders_per_customer", "channel", "partner"] == (1, 1, 1.0)
    assert found["2024-02", "customers", "channel", "web"] == (0, None, 0)
    assert found["2024-02", "orders_per_customer", "channel", "web"] == (0, 0, None)
    assert ("2024-01", "net", "channel", "partner") not in value


def test_revenue_by_category_by_hand() -> None:
    """O1 also has cups for 4.00, so its first refund, which names no item, is of neither; a second is of the cups."""
    frames = tiny_shop()
    cups = {"order_item_id": ["I4"], "order_id": ["O1"], "product_id": ["P2"], "quantity": [1], "unit_price": [400]}
    cups |= {"discount_amount": [0], "unit_cost": [100]}
    frames["shop.order_items"] = pd.concat([frames["shop.order_items"], pd.DataFrame(cups)])
    of_cups = {"order_id": ["O1"], "order_item_id": ["I4"], "amount": [150], "currency": ["EUR"]}
    refund = pd.DataFrame({**of_cups, "refunded_at": utc("2024-02-06T12:00:00Z")})
    frames["shop.refunds"] = pd.concat([frames["shop.refunds"], refund])
    found = by_key(truth.revenue(truth.sales_movements(frames)))
    value = {(month, variant, name): of[2] for (month, variant, cut, name), of in found.items() if cut == "category"}
    assert value["2024-01", "net", "tea"] == Decimal("29.00")
    assert value["2024-01", "net", "cups"] == Decimal("4.00")
    assert value["2024-01", "margin", "cups"] == Decimal("3.00")
    assert [value["2024-01", "orders", name] for name in ("tea", "cups")] == [1, 1]  # of one order
    assert value["2024-02", "net", "cups"] == Decimal("48.50")  # O2's 50.00 less the refund of 1.50
    assert value["2024-02", "refunds", "unassigned"] == Decimal("5.00")
    assert value["2024-02", "orders", "unassigned"] == 0
    assert value["2024-02", "customers", "cups"] == 1
    assert ("2024-02", "net", "tea") not in value
    assert ("2024-01", "aov", "tea") not in value


def test_half_a_cent_is_rounded_away_from_zero() -> None:
    fx = tiny_shop()["finance.fx_rates"].assign(rate=[500_000, 500_000])
    days = pd.Series(pd.to_datetime(["2024-02-03"] * 3))
    assert to_eur(pd.Series([1, 3, -1]), pd.Series(["PLN"] * 3), days, fx).tolist() == [1, 2, -1]


def tiny_leads() -> dict[str, pd.DataFrame]:
    """Two leads created on 1 January who converted, one created on 1 February, in Warsaw, and a deleted one."""
    return {
        "crm.leads": pd.DataFrame(
            {
                "created_at": utc(
                    "2024-01-01T10:00:00Z", "2024-01-01T10:00:00Z", "2024-01-31T23:30:00Z", "2024-01-05T08:00:00Z"
                ),
                # For the second, sales was faster than marketing. Marketing qualified the first before it was created.
                "mql_at": utc("2024-01-01T09:00:00Z", "2024-01-01T13:00:00Z", None, "2024-01-05T09:00:00Z"),
                "sql_at": utc("2024-01-01T14:00:00Z", "2024-01-01T11:00:00Z", None, "2024-01-05T09:00:00Z"),
                # Day 29 counts within 30 days, day 30 does not.
                "converted_at": utc("2024-01-30T10:00:00Z", "2024-01-31T10:00:00Z", None, "2024-01-06T08:00:00Z"),
                "source": pd.Series(["email", "Select", None, "email"], dtype="str"),
                "sdr_id": pd.Series(["R01", "R01", None, "R01"], dtype="str"),
                "is_deleted": [False, False, False, True],
            }
        ),
        "crm.rep_teams": tiny_shop()["crm.rep_teams"],
    }


def test_lead_conversion_by_hand() -> None:
    found = by_key(truth.lead_conversion(tiny_leads()))
    assert found["2024-01", "cohort_30d", "company", "company"] == (1, 2, 0.5)
    assert found["2024-01", "cohort_60d", "company", "company"] == (2, 2, 1.0)
    assert found["2024-01", "activity", "company", "company"] == (2, 2, 1.0)
    assert found["2024-01", "cohort_30d", "channel", "unassigned"] == (0, 1, 0.0)
    assert found["2024-02", "cohort_ever", "rep", "unassigned"] == (0, 1, 0.0)
    assert found["2024-01", "cohort_ever", "team", "atlas"] == (2, 2, 1.0)


def test_speed_of_leads_by_hand() -> None:
    found = by_key(truth.lead_conversion(tiny_leads()))
    # 29 and 30 days; 4 hours (the earlier touch precedes the lead) and 1 hour.
    assert found["2024-01", "days_to_convert_median", "company", "company"] == (None, 2, 29.5)
    assert found["2024-01", "days_to_convert_median", "channel", "email"] == (None, 1, 29.0)
    assert found["2024-01", "hours_to_first_touch_median", "team", "atlas"] == (None, 2, 2.5)
    assert found["2024-02", "hours_to_first_touch_median", "rep", "unassigned"] == (None, 0, None)


def test_leads_of_weeks_and_quarters_by_hand() -> None:
    rows = truth.lead_conversion(tiny_leads())
    weeks, quarters = of_company(rows, "week"), of_company(rows, "quarter")
    assert weeks["2024-01-01", "cohort_30d"] == (1, 2, 0.5)
    # Both of the first week's leads convert in the one from 29 January, in which the third lead comes in.
    assert weeks["2024-01-29", "activity"] == (2, 1, 2.0)
    assert weeks["2024-01-29", "cohort_ever"] == (0, 1, 0.0)
    assert quarters["2024-01-01", "cohort_ever"] == (2, 3, 2 / 3)
    assert quarters["2024-01-01", "days_to_convert_median"] == (None, 2, 29.5)


def test_sales_growth_of_a_cut_by_hand() -> None:
    """North sells 100.00 in February and 150.00 in April; south 200.00 in January and something this month."""
    movements = pd.DataFrame(
        {
            "day": pd.to_datetime(["2024-02-01", "2024-04-01", "2024-01-01", "2026-01-01"]),
            "net": [10_000, 15_000, 20_000, 1],
            "region": ["north", "north", "south", "south"],
            **dict.fromkeys(SALES_CUTS - {"region"}, "all"),
        }
    )
    found = by_key(truth.sales_growth(movements))
    hundred, none = Decimal("100.00"), Decimal("0.00")
    assert ("2024-01", "mom", "region", "north") not in found
    assert found["2024-02", "mom", "region", "north"] == (hundred, None, None)
    assert found["2024-03", "mom", "region", "north"] == (none, hundred, -1.0)
    assert found["2024-04", "mom", "region", "north"] == (Decimal("150.00"), none, None)
    # February to April is the first complete span of three months, and May to July has no sales.
    assert found["2024-03", "rolling_3", "region", "north"] == (None, None, None)
    assert found["2024-07", "rolling_3", "region", "north"] == (none, Decimal("250.00"), -1.0)
    assert found["2025-02", "yoy", "region", "north"] == (none, hundred, -1.0)
    assert ("2024-02", "qoq", "region", "north") not in found
    assert ("2026-01", "mom", "region", "south") not in found


# ------------------------------------------------------------------------------------------------ deals and targets


def tiny_deals() -> dict[str, pd.DataFrame]:
    """Four deals closed in February 2024, one lost and one entered after it was won, and one open since that month."""
    return {
        "crm.opportunities": pd.DataFrame(
            {
                "id": ["D1", "D2", "D3", "D4", "D5"],
                "customer_id": pd.Series(["C1", "C1", None, "C1", None], dtype="str"),
                "owner_id": ["R01", "R02", "R02", "R02", "R02"],
                "amount": [10_000, 30_000, 5_000, 20_000, 100_000],
                "currency": ["EUR", "EUR", "EUR", "EUR", "PLN"],
                "created_at": utc(
                    "2024-01-10T09:00:00Z", "2024-02-01T09:00:00Z", "2024-01-20T09:00:00Z", "2024-02-10T12:00:00Z",
                    "2024-01-31T23:30:00Z",
                ),
                "closed_at": utc(
                    "2024-02-05T09:00:00Z", "2024-02-11T09:00:00Z", "2024-02-20T09:00:00Z", "2024-02-10T09:00:00Z", None
                ),
                "is_won": [True, True, False, True, False],
                "product": ["Desk", None, "Desk", "Advice", None],
            }
        ),
        "shop.products": pd.DataFrame({"name": ["Desk"], "category": ["furniture"]}),
        # R01 takes over D1 half an hour after February has begun in Warsaw.
        "crm.stage_history": pd.DataFrame(
            {
                "opportunity_id": ["D1", "D1", "D3", "D5"],
                "changed_at": utc(
                    "2024-01-31T23:30:00Z", "2024-01-10T09:00:00Z", "2024-01-20T09:00:00Z", "2024-01-31T23:30:00Z"
                ),
                "owner_id": ["R01", "R02", "R02", "R02"],
            }
        ),
        "crm.rep_teams": pd.DataFrame(
            {
                "rep_id": ["R01", "R02", "R02"],
                "valid_from": pd.to_datetime(["2024-01-01", "2024-01-01", "2024-02-01"]),
                "team": ["atlas", "boreal", "cobalt"],
                "office": ["warsaw", "berlin", "warsaw"],
            }
        ),
        "crm.quotas": tiny_quotas([("R01", "2024-02-01", "revenue", 20_000, "EUR")]),
        "finance.fx_rates": tiny_shop()["finance.fx_rates"],
        "shop.customers": tiny_shop()["shop.customers"],
    }  # fmt: skip


def tiny_quotas(quotas: list[tuple[str, str, str, int, str | None]]) -> pd.DataFrame:
    frame = pd.DataFrame(quotas, columns=["rep_id", "period_month", "kpi_id", "target_value", "currency"])
    return frame.assign(period_month=pd.to_datetime(frame["period_month"]))


def test_bookings_by_hand() -> None:
    value = {key: numbers[2] for key, numbers in by_key(truth.bookings(tiny_deals())).items()}
    assert value["2024-02", "bookings", "company", "company"] == Decimal("600.00")
    assert value["2024-02", "bookings", "rep", "R01"] == Decimal("100.00")
    assert value["2024-02", "bookings", "team", "cobalt"] == Decimal("500.00")
    assert value["2024-02", "bookings", "office", "warsaw"] == Decimal("600.00")  # R02 moved there on 1 February
    assert value["2024-02", "bookings", "segment", "smb"] == Decimal("600.00")
    assert value["2024-02", "bookings", "category", "furniture"] == Decimal("100.00")
    assert value["2024-02", "bookings", "category", "unassigned"] == Decimal("500.00")
    assert ("2024-02", "bookings", "region", "unassigned") not in value


def test_won_deals_by_hand() -> None:
    found = by_key(truth.win_rate(tiny_deals()))
    assert found["2024-02", "closed_count", "segment", "unassigned"] == (0, 1, 0.0)
    assert found["2024-02", "closed_count", "category", "furniture"] == (1, 2, 0.5)
    assert found["2024-02", "closed_value", "region", "west"] == (Decimal("600.00"), Decimal("600.00"), 1.0)
    assert found["2024-02", "average_deal", "company", "company"] == (Decimal("600.00"), 3, 200.0)
    assert found["2024-02", "average_deal", "segment", "unassigned"] == (Decimal("0.00"), 0, None)
    # 26 days and 10 days; the deal that was entered after it had closed has no cycle. 10 + 0.9 x 16 = 24.4.
    assert found["2024-02", "cycle_days_median", "company", "company"] == (None, 2, 18.0)
    assert found["2024-02", "cycle_days_p90", "company", "company"] == (None, 2, pytest.approx(24.4, rel=1e-12))
    assert found["2024-02", "cycle_days_median", "rep", "R02"] == (None, 1, 10.0)


def test_deals_of_weeks_and_quarters_by_hand() -> None:
    rows = truth.win_rate(tiny_deals(), pd.Timestamp("2024-02-20"))
    weeks, quarters, first_days = (of_company(rows, grain) for grain in ("week", "quarter", "week_to_date"))
    assert weeks["2024-02-05", "closed_count"] == (3, 3, 1.0)
    assert weeks["2024-02-05", "cycle_days_median"] == (None, 2, 18.0)
    assert weeks["2024-02-19", "closed_count"] == (0, 1, 0.0)
    assert quarters["2024-01-01", "closed_count"] == (3, 4, 0.75)
    assert quarters["2024-01-01", "average_deal"] == (Decimal("600.00"), 3, 200.0)
    # The week in progress has had Monday and Tuesday. In the week before, nothing closed.
    assert ("2024-02-12", "closed_count") not in first_days


def test_a_pipeline_covers_whole_periods_by_hand() -> None:
    rows = truth.win_rate(tiny_deals(), pd.Timestamp("2024-02-20"))
    weeks, quarters, first_days = (of_company(rows, grain) for grain in ("week", "quarter", "week_to_date"))
    # D1, D2, D3 and D5 are open on 5 February; of the month's 200.00, 75.86 are due on the 11th and 27.59 on the 4th.
    open_eur = Decimal("700.03")
    assert weeks["2024-02-05", "pipeline_coverage"] == (open_eur, Decimal("48.27"), 70_003 / 4_827)
    # January has no target, and the quarter no whole one.
    assert weeks["2024-01-29", "pipeline_coverage"] == (Decimal("150.00"), None, None)
    assert ("2024-01-01", "pipeline_coverage") not in quarters
    # D3 and D5 had all of the week from 12 February to close, although only its first two days are compared.
    expected = (Decimal("300.03"), Decimal("48.28"), 30_003 / 4_828)
    assert first_days["2024-02-12", "pipeline_coverage"] == expected == weeks["2024-02-12", "pipeline_coverage"]


def test_pipeline_coverage_by_hand() -> None:
    found = by_key(truth.win_rate(tiny_deals()))
    # D1 and D3 are open when February starts, both R02's, who is in boreal on the day before. D5 is of February.
    open_eur, target = Decimal("150.00"), Decimal("200.00")
    assert found["2024-02", "pipeline_coverage", "company", "company"] == (open_eur, target, 0.75)
    assert found["2024-02", "pipeline_coverage", "rep", "R02"] == (open_eur, None, None)
    assert found["2024-02", "pipeline_coverage", "rep", "R01"] == (Decimal("0.00"), target, 0.0)
    assert found["2024-02", "pipeline_coverage", "team", "boreal"] == (open_eur, None, None)
    # 1,000.00 PLN at the rate of the as-of date: 250.025 -> 250.03.
    assert found["2024-03", "pipeline_coverage", "rep", "R02"] == (Decimal("250.03"), None, None)


def test_pipeline_velocity_by_hand() -> None:
    found = by_key(truth.win_rate(tiny_deals()))
    # 2 open x 600.00 / 4 closed = 300.00 in a mean of 18 days; R02: 2 x 500.00 / 3 in 10 days.
    assert found["2024-02", "pipeline_velocity", "company", "company"] == (300.0, 18.0, 300 / 18)
    assert found["2024-02", "pipeline_velocity", "rep", "R02"] == (1000 / 3, 10.0, 1000 / 3 / 10)
    assert found["2024-03", "pipeline_velocity", "company", "company"] == (None, None, None)


def test_targets_by_hand() -> None:
    """R01 changes team on 11 February. R02 has a target for the current month and one for a future month."""
    frames = {
        "crm.quotas": tiny_quotas(
            [
                ("R01", "2024-02-01", "revenue", 40_001, "PLN"),
                ("R02", "2026-01-01", "revenue", 31_000, "EUR"),
                ("R02", "2026-01-01", "win_rate", 28, None),
                ("R02", "2026-02-01", "revenue", 31_000, "EUR"),
                ("company", "2026-01-01", "revenue", 62_000, "EUR"),
                ("company", "2026-01-01", "cac", 4_000, "EUR"),
            ]
        ),
        "crm.rep_teams": pd.DataFrame(
            {
                "rep_id": ["R01", "R01", "R02"],
                "valid_from": pd.to_datetime(["2024-01-01", "2024-02-11", "2024-01-01"]),
                "team": ["atlas", "boreal", "cobalt"],
                "office": ["warsaw", "berlin", "warsaw"],
            }
        ),
        "finance.fx_rates": tiny_shop()["finance.fx_rates"],
    }
    found: dict[str, dict[tuple[str, ...], tuple[str, str]]] = defaultdict(dict)
    for row in truth.targets(frames):
        key = (row.period_start, row.kpi_id, row.entity_type, row.entity_id)
        found[row.grain][key] = (str(row.target), str(row.target_to_date))
    assert found["month"] == {
        # 400.01 PLN at 0.250025 = 100.0125 -> 100.01; the first 10 of 29 days: 34.4862 -> 34.49.
        ("2024-02-01", "revenue", "rep", "R01"): ("100.01", "100.01"),
        ("2024-02-01", "revenue", "team", "atlas"): ("34.49", "34.49"),
        ("2024-02-01", "revenue", "team", "boreal"): ("65.52", "65.52"),
        # 9 of 31 days are over.
        ("2026-01-01", "revenue", "rep", "R02"): ("310.00", "90.00"),
        ("2026-01-01", "revenue", "team", "cobalt"): ("310.00", "90.00"),
        # The company's own target, not the sum of its reps'. A cost per customer is not spread.
        ("2026-01-01", "revenue", "company", "company"): ("620.00", "180.00"),
        ("2026-01-01", "cac", "company", "company"): ("40.00", "40.00"),
        ("2026-01-01", "win_rate", "rep", "R02"): ("0.28", "0.28"),
    }
    # The weeks at both ends of February have days of months without a target.
    assert {start for start, *_ in found["week"]} == {"2024-02-05", "2024-02-12", "2024-02-19", "2026-01-05"}
    # The first 4, 10 and 11 days of February have 13.79, 34.49 and 37.93.
    assert found["week"]["2024-02-05", "revenue", "rep", "R01"] == ("24.14", "24.14")
    assert found["week"]["2024-02-05", "revenue", "team", "atlas"] == ("20.70", "20.70")
    assert found["week"]["2024-02-05", "revenue", "team", "boreal"] == ("3.44", "3.44")
    # 5 of 7 days are over.
    assert found["week"]["2026-01-05", "revenue", "company", "company"] == ("140.00", "100.00")
    # No quarter and no year has the targets of all its months.
    assert set(found) == {"month", "week"}


def test_revenue_targets_follow_the_weekdays_and_holidays_of_the_year_before_by_hand() -> None:
    """Poland had 13 holidays from May 2024 to April 2025: 3 each on Mondays, Wednesdays and Thursdays, 2 on Fridays
    and 2 on Sundays.

    So there were 49 Mondays, 52 Tuesdays, 50 Wednesdays (of 53), 49 Thursdays, 50 Fridays, 52 Saturdays and 50 Sundays.
    """
    sold = {
        "2024-05-06": 4_900, "2024-05-07": 5_200, "2024-05-08": 5_000, "2024-05-09": 4_900,  # 100 on average
        "2024-05-10": 10_000, "2024-05-11": 2_600, "2024-11-11": 390,  # 200, 50, and 30 on a holiday
        "2024-05-12": -1,  # a refund, but no target is negative
        "2024-04-30": 99_999, "2025-05-05": 99_999,  # before the year and after it
    }  # fmt: skip
    movements = pd.DataFrame({"day": pd.to_datetime(list(sold)), "net": list(sold.values())})
    quotas = [("company", "2024-12-01", "revenue", 3_100, "EUR"), ("company", "2025-05-01", "revenue", 143_000, "EUR")]
    frames = {**tiny_deals(), "crm.quotas": tiny_quotas(quotas)}
    daily = daily_revenue_targets(frames, of_reps=False, movements=movements).set_index("day")["eur"]
    assert set(daily["2024-12"]) == {100}  # its year would begin before the history does
    # In hundredths of the target: 3 and 1 May are holidays.
    assert daily["2025-05-01":"2025-05-12"].tolist() == [
        1_500, 10_000, 1_500, 0, 5_000, 5_000, 5_000, 5_000, 10_000, 2_500, 0, 5_000,
    ]  # fmt: skip
    assert daily["2025-05"].sum() == 143_000


def test_the_target_of_a_month_to_come_is_spread_like_that_of_the_month_in_progress() -> None:
    movements = pd.DataFrame({"day": pd.to_datetime(["2025-03-03", "2026-01-05"]), "net": [100, 99_999]})
    quotas = [("company", month, "revenue", 40_000, "EUR") for month in ("2026-01-01", "2026-02-01")]
    frames = {**tiny_deals(), "crm.quotas": tiny_quotas(quotas)}
    daily = daily_revenue_targets(frames, of_reps=False, movements=movements).set_index("day")["eur"]
    # Only Mondays of 2025 brought something. January has four of them, and February, too.
    assert daily[daily > 0].to_dict() == {pd.Timestamp(2026, 1, day): 10_000 for day in (5, 12, 19, 26)} | {
        pd.Timestamp(2026, 2, day): 10_000 for day in (2, 9, 16, 23)
    }


# --------------------------------------------------------------------------------------------- customers and survey


def tiny_marketing() -> dict[str, pd.DataFrame]:
    """The tiny shop. A paid social touch precedes the first order, and a paid search touch and a letter the second."""
    leads = tiny_leads()["crm.leads"]
    return {
        **tiny_shop(),
        "crm.leads": leads.assign(sql_at=utc("2024-01-31T23:30:00Z", "2024-02-03T09:00:00Z", None, None)),
        "ads.campaigns": pd.DataFrame(
            {
                "campaign_id": ["K1", "K2", "K3"],
                "channel": ["social", "paid_search", "email"],
                "platform": ["meta", "google", "newsletter"],
                "is_paid": [True, True, False],
            }
        ),
        "ads.spend": pd.DataFrame(
            {
                "campaign_id": ["K1", "K2", "K3"],
                "spend_date": pd.to_datetime(["2024-01-05", "2024-02-05", "2024-01-05"]),
                "impressions": [4_000, 9_000, 100],
                "clicks": [80, 200, 7],
                "spend": [1_000, 2_500, 500],
                "currency": ["EUR", "EUR", "EUR"],
            }
        ),
        # Of two touches at the same moment, T3 is the last by its id.
        "ads.touchpoints": pd.DataFrame(
            {
                "touchpoint_id": ["T1", "T3", "T2", "T4"],
                "customer_id": ["C1", "C1", "C1", "C1"],
                "campaign_id": ["K1", "K2", "K3", "K3"],
                "touched_at": utc(
                    "2024-01-10T09:00:00Z", "2024-01-20T10:00:00Z", "2024-01-20T10:00:00Z", "2024-02-02T10:00:00Z"
                ),
            }
        ),
        "finance.costs": pd.DataFrame(
            {
                "cost_month": pd.to_datetime(["2024-01-01", "2024-01-01"]),
                "cost_type": ["agency", "tools"],
                "amount": [500, 700],
                "currency": ["EUR", "EUR"],
            }
        ),
    }


def customer_month(month: str, margin: int, *, was_active: bool, is_active: bool) -> dict[str, object]:
    flags = {"was_active": was_active, "is_active": is_active}
    return {"month": pd.Timestamp(month), "company": "company", "margin": margin, **flags}


def test_value_of_a_customer_against_the_cost_by_hand() -> None:
    # 11.00 per month, and nobody leaves: 60 months, 660.00.
    may, june = pd.Timestamp("2024-05-01"), pd.Timestamp("2024-06-01")
    rows = against_value(Period("month", may, june, june), 20.0, Prediction(11.0, 0.0, 660.0))
    assert [row[-3:] for row in rows] == [(20.0, 11.0, 20 / 11), (660.0, 20.0, 33.0)]


def test_cost_of_customers_and_leads_by_hand() -> None:
    frames = tiny_marketing()
    movements = truth.sales_movements(frames)
    stays = pd.DataFrame([customer_month("2024-01-01", 1_100, was_active=True, is_active=True)])
    found = {
        key[:2]: numbers for key, numbers in by_key(truth.cac(frames, movements, stays)).items() if "company" in key
    }
    spent = Decimal("20.00")  # 10.00 + 5.00 for campaigns and 5.00 for the agency
    assert found["2024-01", "paid"] == (Decimal("10.00"), 1, 10.0)
    assert found["2024-01", "blended"] == (spent, 1, 20.0)
    assert found["2024-01", "fully_loaded"] == (Decimal("27.00"), 1, 27.0)
    assert found["2024-01", "cpl"] == (spent, 2, 10.0)
    assert found["2024-01", "cost_per_sql"] == (spent, 0, None)
    # The agency's costs of February have not been delivered.
    assert found["2024-02", "cost_per_sql"] == (Decimal("25.00"), 2, None)
    assert found["2024-02", "fully_loaded"] == (Decimal("25.00"), 0, None)
    assert found["2024-02", "paid"] == (Decimal("25.00"), 0, None)
    # 11.00 per month. In the first month of the history, nobody can have left, and how long they stay is not known.
    assert found["2024-01", "payback_months"] == (20.0, 11.0, 20 / 11)
    assert found["2024-01", "ltv_cac"] == (None, 20.0, None)
    # No customer is won in February.
    assert found["2024-02", "payback_months"] == (None, None, None)


def test_return_on_ad_spend_by_hand() -> None:
    frames = tiny_marketing()
    movements = truth.sales_movements(frames)
    customer_months = truth.months_of_customers(movements, truth.customer_attributes(frames, movements))
    found = by_key(truth.cac(frames, movements, customer_months))
    # January: 30.00 - 1.00 after a social touch that cost 10.00. February: 50.00 after a search touch, for 25.00.
    assert found["2024-01", "roas", "company", "company"] == (Decimal("29.00"), Decimal("10.00"), 2.9)
    assert found["2024-01", "romi", "channel", "social"] == (Decimal("19.00"), Decimal("10.00"), 1.9)
    assert found["2024-02", "roas", "channel", "paid_search"] == (Decimal("50.00"), Decimal("25.00"), 2.0)
    assert found["2024-02", "paid", "channel", "paid_search"] == (Decimal("25.00"), 0, None)
    assert found["2024-02", "roas", "platform", "google"] == (Decimal("50.00"), Decimal("25.00"), 2.0)
    assert {key[3] for key in found if key[1] == "paid" and key[2] == "channel"} == {"social", "paid_search"}
    assert {key[3] for key in found if key[1] == "paid" and key[2] == "platform"} == {"meta", "google"}


def test_ads_by_hand() -> None:
    frames = tiny_marketing()
    rows = truth.cac(
        frames,
        truth.sales_movements(frames),
        pd.DataFrame([customer_month("2024-01-01", 1, was_active=True, is_active=True)]),
    )
    found = {row[:2] + row[3:6]: row.value for row in rows if row.variant in ("spend", "impressions", "clicks")}
    # Friday, 5 January, and Monday, 5 February.
    assert found["week", "2024-01-01", "spend", "company", "company"] == Decimal("15.00")
    assert found["week", "2024-01-01", "spend", "channel", "email"] == Decimal("5.00")
    assert found["week", "2024-02-05", "clicks", "channel", "paid_search"] == 200
    assert found["week", "2024-02-12", "spend", "company", "company"] == Decimal("0.00")
    assert ("week", "2024-02-12", "spend", "channel", "paid_search") not in found
    assert found["quarter", "2024-01-01", "impressions", "company", "company"] == 13_100


def test_costs_of_whole_months_by_hand() -> None:
    frames = tiny_marketing()
    frames["finance.costs"] = pd.DataFrame(
        {
            "cost_month": pd.to_datetime(["2024-01-01", "2024-02-01", "2024-03-01"]),
            "cost_type": ["agency", "tools", "agency"],
            "amount": [500, 700, 300],
            "currency": ["EUR", "EUR", "EUR"],
        }
    )
    stays = pd.DataFrame([customer_month("2024-01-01", 1_100, was_active=True, is_active=True)])
    rows = truth.cac(frames, truth.sales_movements(frames), stays)
    found = {(row.grain, row.period_start, row.variant): row[-3:] for row in rows if row.entity_type == "company"}
    # 10.00 + 25.00 + 5.00 for campaigns, 8.00 for the agency and 7.00 for tools: for one customer and two leads.
    assert found["quarter", "2024-01-01", "blended"] == (Decimal("48.00"), 1, 48.0)
    assert found["quarter", "2024-01-01", "fully_loaded"] == (Decimal("55.00"), 1, 55.0)
    assert found["quarter", "2024-01-01", "cost_per_sql"] == (Decimal("48.00"), 2, 24.0)
    # The costs of April have not been delivered.
    assert found["year", "2024-01-01", "blended"] == (Decimal("48.00"), 1, None)
    assert {grain for grain, _, variant in found if variant == "blended"} == {"month", "quarter", "year"}
    assert {grain for grain, _, variant in found if variant == "ltv_cac"} == {"month"}
    assert found["week", "2024-01-01", "paid"] == (Decimal("10.00"), 0, None)


@pytest.mark.parametrize(
    ("month", "margin"), [("2026-01-01", 1_100), ("2024-01-01", 0), ("2024-01-01", -1)], ids=["now", "zero", "loss"]
)
def test_cost_is_not_set_against_a_month_in_progress_or_without_margin(month: str, margin: int) -> None:
    frames = tiny_marketing()
    movements = truth.sales_movements(frames)
    stays = pd.DataFrame([customer_month(month, margin, was_active=True, is_active=True)])
    found = by_key(truth.cac(frames, movements, stays))
    for variant in ("payback_months", "ltv_cac"):
        assert found[month[:7], variant, "company", "company"][2] is None


def test_predictive_value_by_hand() -> None:
    customer_months = pd.DataFrame(
        [
            # One of four leaves, and a new customer arrives: (40 + 20 - 5 + 5) / 4 = 15.00 per month for four months.
            customer_month("2024-05-01", 4_000, was_active=True, is_active=True),
            customer_month("2024-05-01", 2_000, was_active=True, is_active=True),
            customer_month("2024-05-01", -500, was_active=True, is_active=True),
            customer_month("2024-05-01", 9_999, was_active=True, is_active=False),
            customer_month("2024-05-01", 500, was_active=False, is_active=True),
            customer_month("2024-06-01", 100, was_active=True, is_active=True),
            customer_month("2024-07-01", 100, was_active=False, is_active=True),
            customer_month("2024-08-01", 100, was_active=True, is_active=False),
            customer_month("2026-01-01", 100, was_active=True, is_active=True),
        ]
    )
    found = {f"{month:%Y-%m}": prediction for (month, _), prediction in predictions(customer_months, "company").items()}
    assert found == {
        "2024-05": Prediction(margin=15.0, churn=0.25, value=60.0),
        "2024-06": Prediction(margin=1.0, churn=0.0, value=60.0),
        "2024-07": Prediction(margin=1.0, churn=None, value=None),
        "2024-08": Prediction(margin=None, churn=1.0, value=None),
        "2026-01": Prediction(margin=1.0, churn=0.0, value=None),
    }


def test_customer_value_by_hand() -> None:
    movements = truth.sales_movements(tiny_shop())
    customers = truth.customer_attributes(tiny_shop(), movements)
    found = by_key(truth.clv(movements, customers, truth.months_of_customers(movements, customers)))
    # 29.00 and, 22 and 26 days later, 50.00 and -5.00; that cost 18.00 and 25.00.
    assert found["2024-01", "historic_30d", "segment", "smb"] == (Decimal("74.00"), 1, 74.0)
    assert found["2024-01", "margin_30d", "region", "west"] == (Decimal("31.00"), 1, 31.0)
    assert found["2024-01", "lifetime", "channel", "web"] == (Decimal("74.00"), 1, 74.0)
    # On 1 February, the 90 days before are not known yet. On 1 April, they are, and the one customer is still there.
    assert found["2024-02", "predictive_simple", "channel", "web"] == (20.0, None, None)
    assert found["2024-04", "predictive_simple", "channel", "web"] == (0.0, 1 / 60, 0.0)
    assert found["2026-01", "margin_30d", "company", "company"] == (Decimal("0.00"), 0, None)
    assert ("2024-02", "lifetime", "segment", "smb") not in found


def test_retention_of_a_cut_by_hand() -> None:
    movements = truth.sales_movements(tiny_shop())
    customers = truth.customer_attributes(tiny_shop(), movements)
    found = by_key(truth.retention(truth.periods_of_customers(movements, customers)))
    assert found["2024-01", "logo", "segment", "smb"] == (0, 0, None)
    assert found["2024-01", "repeat_purchase", "channel", "web"] == (0, 1, 0.0)
    assert found["2024-02", "repeat_purchase", "channel", "web"] == (1, 1, 1.0)
    assert found["2024-02", "logo", "region", "west"] == (1, 1, None)  # nobody can have left yet
    assert found["2024-04", "logo", "region", "west"] == (1, 1, 1.0)
    assert found["2024-02", "nrr", "region", "west"] == (Decimal("45.00"), Decimal("29.00"), 45 / 29)
    assert found["2024-02", "grr", "region", "west"] == (Decimal("29.00"), Decimal("29.00"), 1.0)
    # The order of 1 February is within the 90 days before 1 May, but not before June.
    assert found["2024-05", "logo", "region", "west"] == (0, 1, 0.0)


def test_retention_of_a_period_in_progress_by_hand() -> None:
    """29.00 come on 10 January and 50.00 on 1 February; 5.00 are refunded on Monday, 5 February."""
    movements = truth.sales_movements(tiny_shop())
    customers = truth.customer_attributes(tiny_shop(), movements)

    def on(day: str) -> dict[tuple[str, ...], tuple[Number, Number, Number]]:
        as_of = pd.Timestamp(day)
        rows = truth.retention(truth.periods_of_customers(movements, customers, as_of), as_of)
        return {
            (row.grain, row.period_start, row.variant): (row.numerator, row.denominator, row.value)
            for row in rows
            if row.entity_type == "company"
        }

    # Ten days of January hold the 29.00, nine do not. Six days of the week before hold the 50.00.
    assert on("2024-02-10")["month", "2024-02-01", "nrr"] == (Decimal("45.00"), Decimal("29.00"), 45 / 29)
    assert on("2024-02-09")["month", "2024-02-01", "nrr"] == (Decimal("0.00"), Decimal("0.00"), None)
    assert on("2024-02-10")["week", "2024-02-05", "nrr"] == (Decimal("-5.00"), Decimal("50.00"), -0.1)
    assert on("2024-02-10")["month_to_date", "2024-01-01", "repeat_purchase"] == (0, 1, 0.0)
    assert ("week", "2024-02-05", "nrr_12m") not in on("2024-02-10")
    # Ten days of 2025 without an order are compared with ten days of 2024, and nine with nine.
    assert on("2025-01-10")["year", "2025-01-01", "nrr_12m"] == (Decimal("0.00"), Decimal("29.00"), 0.0)
    assert on("2025-01-09")["year", "2025-01-01", "nrr_12m"] == (Decimal("0.00"), Decimal("0.00"), None)
    # The order of 1 February keeps the customer for 90 days: on 1 May, as April ends, but not on 2 May.
    assert on("2024-04-30")["month", "2024-04-01", "logo"] == (1, 1, 1.0)
    assert on("2024-05-01")["month", "2024-05-01", "logo"] == (0, 1, 0.0)


def test_net_promoter_score_of_a_cut_by_hand() -> None:
    """C1 answers 10 by email and later, without being asked, 3. C2, unknown to the shop, answers 9 by text message."""
    frames = {
        "survey.invitations": pd.DataFrame(
            {
                "invitation_id": ["V1", "V2"],
                "customer_id": ["C1", "C2"],
                "sent_at": utc("2024-01-05T09:00:00Z", "2024-01-31T23:30:00Z"),
                "channel": ["email", "sms"],
            }
        ),
        "survey.responses": pd.DataFrame(
            {
                "response_id": ["S1", "S2", "S3"],
                "invitation_id": pd.Series(["V1", "V2", None], dtype="str"),
                "customer_id": ["C1", "C2", "C1"],
                "score": [10, 9, 3],
                "responded_at": utc("2024-01-06T09:00:00Z", "2024-02-02T09:00:00Z", "2024-02-03T09:00:00Z"),
            }
        ),
    }
    customers = pd.DataFrame({"segment": ["smb"], "region": ["west"]}, index=["C1"])
    rows = truth.nps(frames, customers)
    found = by_key(rows)
    assert found["2024-01", "period", "channel", "email"] == (1, 1, 100.0)
    assert found["2024-02", "period", "company", "company"] == (0, 2, 0.0)
    assert found["2024-02", "period", "segment", "smb"] == (-1, 1, -100.0)
    assert found["2024-02", "trailing_90d", "channel", "unassigned"] == (-1, 1, -100.0)
    assert ("2024-02", "trailing_90d", "channel", "email") not in found
    assert found["2024-02", "response_rate", "channel", "sms"] == (1, 1, 1.0)
    assert found["2024-02", "response_rate", "region", "unassigned"] == (1, 1, 1.0)
    company = {(row.grain, row.period_start, row.variant): row[-3:] for row in rows if row.entity_type == "company"}
    assert company["week", "2024-01-01", "period"] == (1, 1, 100.0)
    assert company["week", "2024-01-08", "period"] == (0, 0, None)
    assert company["week", "2024-01-29", "period"] == (0, 2, 0.0)
    # C1's 3 has taken the place of the 10, and the 90 days before 6 May begin on 6 February.
    assert company["quarter", "2024-01-01", "period"] == (0, 2, 0.0)
    assert company["week", "2024-04-22", "trailing_90d"] == (0, 2, 0.0)
    assert company["week", "2024-04-29", "trailing_90d"] == (0, 0, None)
    assert ("week_to_date", "2025-12-29", "period") in company
    assert ("week_to_date", "2025-12-29", "response_rate") not in company
