"""Warnings if a number means less than it seems to: when each appears, and what it says."""

from pathlib import Path

import duckdb
import pytest

from pipelines.checks.gx.relations import DuckDBTable
from pipelines.checks.results import CheckResult
from pipelines.checks.suites import load_suites
from pipelines.checks.validation import validate
from tests.conftest import PROJECT_DIR

SUITES = load_suites(PROJECT_DIR / "expectations")


def checked(tmp_path: Path, fact: str, check: str, *statements: str) -> CheckResult:
    """The result of one check of a fact, in a warehouse built by the statements."""
    warehouse = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(warehouse)) as connection:
        for statement in ("create schema marts", "create schema intermediate", *statements):
            connection.execute(statement)
    suite = SUITES["marts", fact]
    [spec] = [spec for spec in suite.expectations if spec.name == check]
    [result] = validate(suite.model_copy(update={"expectations": [spec]}), DuckDBTable(warehouse, "marts", fact))
    assert result.error is None, result.error
    return result


def refunds(orderless: int, known: int) -> list[str]:
    """These numbers of refunds of 10.00 in March, without and with a known order; and three without, a year before."""
    return [
        "create table intermediate.int_counted_orders as select 'A' as order_id",
        f"""
        create table marts.fct_refunds as
        select 'r.csv' as _source_file, range as _row_number, 'R' || range as refund_id, 10.00 as refund_amount,
            case when range >= {orderless} then 'A' end as order_id, cast(null as varchar) as customer_id,
            date '2025-03-31' as refunded_on
        from range({orderless + known})
        union all
        select 'r.csv', range, 'old' || range, 10.00, null, null, date '2024-03-31' from range(3)
        """,
    ]


@pytest.mark.parametrize(("orderless", "known", "passes"), [(3, 57, False), (3, 58, True), (2, 2, True), (0, 9, True)])
def test_a_share_of_refunds_that_belong_to_nobody(tmp_path: Path, orderless: int, known: int, passes: bool) -> None:
    result = checked(tmp_path, "fct_refunds", "refunds_belong_to_somebody", *refunds(orderless, known))
    assert result.passed is passes
    assert result.severity == "warning"
    if not passes:
        assert "3 of 63 rows break the rule (5 % of what was given back in the newest 90 days" in result.message
        assert "first: r.csv row 0 (refund_id R0, refund_amount 10.00)" in result.message


@pytest.mark.parametrize(("worthless", "orders", "passes"), [(3, 60, False), (3, 61, True), (2, 9, True)])
def test_a_share_of_orders_worth_nothing(tmp_path: Path, worthless: int, orders: int, passes: bool) -> None:
    lines = f"""
        create table marts.fct_order_items as
        select 'I' || range as order_item_id, 'O' || range as order_id, date '2025-03-31' as ordered_on,
            case when range < {worthless} then 0 else 5 end as gross_amount
        from range({orders})
        union all
        select 'second', 'O{orders - 1}', date '2025-03-31', 0  -- a free line of an order that is worth something
    """
    result = checked(tmp_path, "fct_order_items", "orders_are_worth_something", lines)
    assert result.passed is passes


@pytest.mark.parametrize(("unknown", "passes"), [(3, False), (2, True)])
def test_spend_of_campaigns_that_nobody_delivers(tmp_path: Path, unknown: int, passes: bool) -> None:
    spend = f"""
        create table marts.fct_marketing_spend as
        select 's.csv' as _source_file, range as _row_number, date '2025-03-01' + cast(range as integer) as spend_date,
            case when range < {unknown} then 'K9' else 'K1' end as campaign_id, 10.00 as spend_amount
        from range(20)
    """
    campaigns = "create table intermediate.int_campaigns as select 'K1' as campaign_id"
    assert checked(tmp_path, "fct_marketing_spend", "spend_has_a_campaign", spend, campaigns).passed is passes


@pytest.mark.parametrize(
    ("orders", "passes"),
    [
        (["('c1', 10)", "('c1', 10)", "('c2', 10)"], False),
        (["('c1', 10)", "('c1', 10)", *(f"('d{n}', 10)" for n in range(4))], False),  # a third
        (["('c1', 10)", "('c1', 10)", *(f"('d{n}', 10)" for n in range(5))], True),
        (["('c1', 10)", "('c1', 11)", "('c2', 10)"], True),  # an hour later
        (["(null, 10)", "(null, 10)"], True),  # of nobody known
    ],
    ids=["lines", "a third", "fewer", "at other times", "no customer"],
)
def test_orders_of_one_customer_at_the_same_time(tmp_path: Path, orders: list[str], passes: bool) -> None:
    counted = f"""
        create table intermediate.int_counted_orders as
        select 'O' || row_number() over () as order_id, customer_id, timestamp '2025-03-31' + to_hours(hour) as
            ordered_at, date '2025-03-31' as ordered_on, 'o.csv' as _source_file, row_number() over () as _row_number
        from (values {", ".join(orders)}) as orders (customer_id, hour)
    """
    lines = "create table marts.fct_order_items as from intermediate.int_counted_orders"
    result = checked(tmp_path, "fct_order_items", "orders_are_no_lines", counted, lines)
    assert result.passed is passes
    assert result.severity == "warning"
    assert passes or "first: o.csv row 1 (order_id O1, ordered_on 2025-03-31)" in result.message


@pytest.mark.parametrize(
    ("rate", "passes"),
    [
        ("'PLN', 'EUR', 4.00", False),
        ("'PLN', 'EUR', 0.25", True),
        ("'USD', 'JPY', 0.0067", False),
        ("'USD', 'JPY', 149.20", True),
        ("'USD', 'EUR', 1.05", True),  # either may be the dearer one
        ("'EUR', 'EUR', 1.00", True),
    ],
)
def test_exchange_rates_of_the_other_direction(tmp_path: Path, rate: str, passes: bool) -> None:
    rates = f"""
        create table intermediate.int_fx_rates as
        select *, date '2025-03-31' as rate_date, 'r.csv' as _source_file, 2 as _row_number
        from (values ({rate})) as rates (from_currency, to_currency, rate)
    """
    lines = """
        create table marts.fct_order_items as
        select from_currency as currency_code, _source_file, _row_number from intermediate.int_fx_rates
    """
    result = checked(tmp_path, "fct_order_items", "exchange_rates_are_not_turned_round", rates, lines)
    assert result.passed is passes
    assert passes or "first: r.csv row 2 (from_currency " in result.message


@pytest.mark.parametrize(
    ("rows", "passes"),
    [
        (["('a', 'K1', 10)", "('a', null, 10)"], False),
        (["('a', 'K1', 10)", "('b', null, 10)"], True),  # a source that knows no campaigns
        (["('a', 'K1', 10)", "('a', null, 0)"], True),
    ],
    ids=["total", "no campaigns", "no spend"],
)
def test_spend_without_a_campaign_beside_spend_with_one(tmp_path: Path, rows: list[str], passes: bool) -> None:
    delivered = f"""
        create table intermediate.int_ad_spend as
        select *, _source || '.csv' as _source_file, row_number() over () as _row_number,
            date '2025-03-31' as spend_date
        from (values {", ".join(rows)}) as rows (_source, campaign_id, spend_amount)
    """
    spend = "create table marts.fct_marketing_spend as select * exclude (_source) from intermediate.int_ad_spend"
    result = checked(tmp_path, "fct_marketing_spend", "no_row_is_a_total", delivered, spend)
    assert result.passed is passes
    assert passes or "first: a.csv row 2 (spend_date 2025-03-31, spend_amount 10)" in result.message


def deals(*rows: str) -> list[str]:
    """Deals of `opportunity_id, stage, is_closed, closed_on, expected_close_date, amount`, as of 1 April 2025."""
    return [
        "create table intermediate.int_run_parameters as select date '2025-04-01' as as_of_date",
        f"""
        create table marts.fct_opportunities as
        select *, 'd.csv' as _source_file, row_number() over () as _row_number
        from (values {", ".join(rows)}) as deals
            (opportunity_id, stage, is_closed, closed_on, expected_close_date, amount)
        """,
        "create table intermediate.int_opportunities as select opportunity_id, is_closed, cast(closed_on as timestamp) "
        "as closed_at from marts.fct_opportunities",
    ]


CLOSED = "('{}', 'Done', true, date '2025-03-10', date '2025-03-10', {})"
OPEN = "('{}', '{}', false, null, date '{}', 100)"


@pytest.mark.parametrize(("without", "passes"), [(3, False), (2, True)])
def test_closed_deals_without_an_amount(tmp_path: Path, without: int, passes: bool) -> None:
    rows = [CLOSED.format(f"D{n}", 0 if n < without else 100) for n in range(10)]
    assert checked(tmp_path, "fct_opportunities", "closed_deals_have_an_amount", *deals(*rows)).passed is passes


@pytest.mark.parametrize(
    ("rows", "passes"),
    [
        ([CLOSED.format("A", 1), OPEN.format("B", "Deal won", "2025-03-31")], False),
        ([CLOSED.format("A", 1), OPEN.format("B", "Deal won", "2025-04-01")], True),  # not over yet
        ([CLOSED.format("A", 1), OPEN.format("B", "Proposal", "2025-03-31")], True),  # somebody is late
        ([OPEN.format("B", "Proposal", "2025-03-31")], False),  # no deal at all is closed
        ([CLOSED.format("A", 1), *(OPEN.format(f"B{n}", "Signed", "2025-03-31") for n in range(10))], False),
        ([CLOSED.format("A", 1), *(OPEN.format(f"B{n}", "Signed", "2025-03-31") for n in range(9))], True),
    ],
    ids=["labelled", "due", "late", "none closed", "all late", "few"],
)
def test_stages_that_seem_to_end_a_deal_and_are_counted_as_open(tmp_path: Path, rows: list[str], passes: bool) -> None:
    result = checked(tmp_path, "fct_opportunities", "stages_that_end_a_deal_are_known", *deals(*rows))
    assert result.passed is passes
    assert passes or "with a past close date, and they are counted as open" in result.message


@pytest.mark.parametrize(("closed_at", "passes"), [("2025-03-31", False), ("2025-04-02", True)])
def test_an_open_deal_with_a_past_date_of_closing_and_no_expected_one(
    tmp_path: Path, closed_at: str, passes: bool
) -> None:
    rows = deals(CLOSED.format("A", 1), "('B', 'Won', false, null, null, 100)")
    rows.append(f"update intermediate.int_opportunities set closed_at = '{closed_at}' where opportunity_id = 'B'")
    assert checked(tmp_path, "fct_opportunities", "stages_that_end_a_deal_are_known", *rows).passed is passes


@pytest.mark.parametrize(
    ("leads", "deals_", "connected", "converted", "passes"),
    [(10, 10, 0, 0, False), (10, 10, 1, 0, True), (10, 10, 0, 1, True), (9, 10, 0, 0, True), (10, 9, 0, 0, True)],
)
def test_leads_and_deals_that_nothing_connects(
    tmp_path: Path, leads: int, deals_: int, connected: int, converted: int, passes: bool
) -> None:
    result = checked(
        tmp_path,
        "fct_leads",
        "deals_come_from_leads",
        f"create table marts.fct_opportunities as select range as opportunity_id from range({deals_})",
        f"""
        create table marts.fct_leads as
        select 'L' || range as lead_id, case when range < {connected} then 1 else 0 end as opportunities,
            case when range < {converted} then date '2025-03-10' end as converted_on
        from range({leads})
        """,
    )
    assert result.passed is passes
    if not passes:
        assert "leads 10, deals 10" in result.message


def test_every_stage_that_seems_to_end_a_deal_is_named(tmp_path: Path) -> None:
    rows = [OPEN.format(n, stage, "2025-03-31") for n, stage in enumerate(("Signed", "Lost it", "Signed", "Deal won"))]
    rows.append(OPEN.format("E", "Proposal", "2025-05-31"))
    result = checked(tmp_path, "fct_opportunities", "stages_that_end_a_deal_are_known", *deals(*rows))
    assert "all_such_stages Deal won, Lost it, Signed)" in result.message


def test_a_missing_exchange_rate_names_source_currency_and_model(tmp_path: Path) -> None:
    result = checked(
        tmp_path,
        "fct_order_items",
        "exchange_rate_exists",
        "create table intermediate.int_orders as select 'A' as order_id, 'webshop' as _source, 'EUR' as currency_code",
        "create table marts.fct_order_items as select 'A1' as order_item_id, 'A' as order_id, null as gross_amount, "
        "'o.csv' as _source_file, 7 as _row_number",
    )
    assert not result.passed
    assert "o.csv row 7 (source webshop, currency_code EUR, staging_model stg_webshop__orders)" in result.message
