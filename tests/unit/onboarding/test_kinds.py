"""What drafts took for something else in files of systems that they do not know: payouts for refunds, fees for tax."""

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest

from pipelines.onboarding.columns import describe_columns
from pipelines.onboarding.kinds import is_money_back, is_neither, is_sale, neither_in_sql, tells_kinds
from pipelines.onboarding.mapping import propose
from pipelines.onboarding.proposals import Proposal
from pipelines.onboarding.sniffing import describe_file
from pipelines.onboarding.statuses import NOTHING_SOLD, sells_nothing
from pipelines.settings import PROJECT_DIR
from tests.unit.onboarding.draft_rendering import render


@pytest.mark.parametrize("value", ["charge", "Express Checkout Payment", "Sale", "Verkauf", "Faktura", "Sprzedaż"])
def test_kinds_of_rows_that_are_sales(value: str) -> None:
    assert (is_sale(value), is_money_back(value), is_neither(value)) == (True, False, False)


@pytest.mark.parametrize(
    "value", ["refund", "Payment Refund", "Credit Note", "Gutschrift", "payment_reversal", "Zwrot"]
)
def test_kinds_of_rows_that_give_money_back(value: str) -> None:
    assert (is_sale(value), is_money_back(value), is_neither(value)) == (False, True, False)


@pytest.mark.parametrize(
    "value",
    ["payout", "stripe_fee", "General Withdrawal", "Opłata", "Wypłata", "General Currency Conversion", "Gebühr"],
)
def test_kinds_of_rows_that_are_neither_also_in_the_condition(value: str) -> None:
    assert (is_sale(value), is_money_back(value), is_neither(value)) == (False, False, True)
    rows = "(values (?), ('Sale'), ('Coffee order'), (null)) as row(\"Type\")"
    assert duckdb.execute(f'select "Type" from {rows} where {neither_in_sql("Type")}', [value]).fetchall() == [(value,)]


def test_a_way_to_pay_is_no_kind_of_row() -> None:
    assert tells_kinds("Transaction Type")
    assert tells_kinds("type")
    assert not any(map(tells_kinds, ("Payment Type", "Customer type", "Product Type", "payment_method_type")))


_STATUSES = {
    **dict.fromkeys(
        ["Cancelled", "canceled", "Storniert", "Annulée", "Anulowane", "Geannuleerd", "FAILED", "expired"], True
    ),
    **dict.fromkeys(["Payment declined", "Voided", "Draft", "Entwurf", "Abandoned", "İptal edildi", "Refusé"], True),
    **dict.fromkeys(
        ["paid", "Partially cancelled", "Teilweise storniert", "Abgeschlossen", "refunded", "pending"], False
    ),
    **dict.fromkeys(["Awaiting Payment", "Overdue", "on_hold", "Payée", "shipped"], False),
}


def test_statuses_of_orders_that_sell_nothing_are_the_same_in_the_model() -> None:
    macro = (PROJECT_DIR / "dbt_project" / "macros" / "staging.sql").read_text(encoding="utf-8")
    assert all(word in macro for word in NOTHING_SOLD.split("|"))
    assert {status: sells_nothing(status) for status in _STATUSES} == _STATUSES
    status = render("{{ order_status('status') }}", {})
    sql = f"select status, {status} from (select unnest(?) as status)"
    read = dict(duckdb.execute(sql, [[*_STATUSES]]).fetchall())
    assert {status: value == "cancelled" for status, value in read.items()} == _STATUSES
    assert read["paid"] == "paid"


def _proposed(tmp_path: Path, entity: str, *lines: str) -> Proposal:
    (file := tmp_path / f"{entity}.csv").write_text("\n".join([*lines, ""]), encoding="utf-8")
    return propose(describe_file(file), entity, "EUR", entity)


def _source(proposal: Proposal, name: str) -> str | None:
    """The name of the delivered column that the entity column is made from."""
    column = proposal.source_of(name)
    return column.name if column else None


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        ("Amount,Fee,Net", ("50.00,1.75,48.25", "30.00,1.17,28.83", "20.10,0.90,19.20")),
        ("Net,Fee,Amount", ("48.25,1.75,50.00", "28.83,1.17,30.00", "19.20,0.90,20.10")),
        ("Net,Commission,Amount", ("48.25,-1.75,50.00", "28.83,-1.17,30.00", "-19.40,0.60,-20.00")),
    ],
)
def test_a_fee_is_no_tax(tmp_path: Path, header: str, rows: Sequence[str]) -> None:
    lines = [f"{number},2025-01-1{number},{row}" for number, row in enumerate(rows, start=1)]
    proposal = _proposed(tmp_path, "orders", f"order_id,order_date,{header}", *lines)
    assert _source(proposal, "total_amount") == "Amount"


def test_an_amount_without_tax_is_preferred_under_any_name(tmp_path: Path) -> None:
    proposal = _proposed(
        tmp_path,
        "orders",
        "order_id,order_date,Order Total (inc tax),Order Total (ex tax)",
        "1,2025-01-14,120.00,100.00",
        "2,2025-01-15,60.50,50.00",
    )
    assert _source(proposal, "total_amount") == "Order Total (ex tax)"


def test_many_different_amounts_refunded_are_no_flag(tmp_path: Path) -> None:
    lines = [f"{number},2025-01-14,{number * 10}.50,{number}.25,2025-01-20" for number in range(1, 41)]
    proposal = _proposed(tmp_path, "orders", "order_id,order_date,total,amount_refunded,refunded_at", *lines)
    assert proposal.entities == ["orders", "refunds"]
    flags = [f"{number},2025-01-14,{number * 10}.50,{number % 2}" for number in range(1, 41)]
    assert _proposed(tmp_path, "orders", "order_id,order_date,total,refunded", *flags).entities == ["orders"]


def test_the_key_of_ad_rows_holds_nothing_that_a_correction_changes(tmp_path: Path) -> None:
    proposal = _proposed(
        tmp_path,
        "ad_spend",
        "date,campaign_id,campaign_name,adset_name,spend,ctr",
        "2025-01-13,77,Brand,A,10.00,1.00%",
        "2025-01-13,77,Brand,B,5.00,1.20%",
        "2025-01-14,77,Brand,A,9.00,0.90%",
    )
    assert proposal.key == ("date", "campaign_id", "adset_name")


def test_a_buyer_is_known_by_mail_rather_than_by_name_and_never_by_that_of_an_item(tmp_path: Path) -> None:
    orders = _proposed(
        tmp_path, "orders", "order_id,order_date,Name,Email,total", "1,2025-01-14,Ann Lee,a@example.com,9.50"
    )
    assert _source(orders, "customer_id") == "Email"
    lines = _proposed(
        tmp_path,
        "order_items",
        "Order Number,Order Date,Item Name,SKU,Quantity,Item Cost",
        "1,2025-01-14,Cup,S1,2,4.50",
        "1,2025-01-14,Pot,S2,1,9.50",
    )
    assert lines.source_of("customer_id") is None


def test_a_date_on_which_a_deal_should_close_is_not_one_on_which_it_closed(tmp_path: Path) -> None:
    proposal = _proposed(
        tmp_path,
        "opportunities",
        "deal_id,stage,amount,created_at,ForecastCloseDate",
        "1,Won,10.00,2025-01-02,2025-01-20",
        "2,Lost,10.00,2025-01-02,2025-01-20",
    )
    assert proposal.source_of("closed_at") is None
    assert _source(proposal, "expected_close_date") == "ForecastCloseDate"


def test_won_and_lost_deals_with_a_date_each(tmp_path: Path) -> None:
    proposal = _proposed(
        tmp_path,
        "opportunities",
        "deal_id,stage,amount,created_at,won_time,lost_time",
        "1,Won,10.00,2025-01-02 10:00:00,2025-01-20 10:00:00,",
        "2,Lost,10.00,2025-01-02 10:00:00,,2025-01-21 10:00:00",
        "3,Lost,10.00,2025-01-02 10:00:00,,",
    )
    assert "closed_at is won_time of won deals, and lost_time of lost ones." in proposal.notes
    assert "1 closed deal without a date of closing." in proposal.notes
    assert "lost_time" not in [column.name for column in proposal.unused]


@pytest.mark.parametrize(
    "name", ["Al\u0131c\u0131", "Comprador", "Nabywca", "Acheteur", "Ship Name", "Consumer bank account"]
)
def test_columns_that_hold_people_in_other_languages(name: str) -> None:
    [column] = describe_columns([name], [("Ann Lee",), ("Bob Ray",)])
    assert column.is_personal
    assert not column.values


def test_the_kinds_of_rows_that_count_are_said(tmp_path: Path) -> None:
    """A ledger may list invoices, and the payments for them, too: no word tells that from a list of both."""
    lines = (
        "1,2025-01-13,Invoice,50.00",
        "2,2025-01-14,Payment,30.00",
        "3,2025-01-15,Voucher,5.00",
        "4,2025-01-16,Refund,-5.00",
    )
    proposal = _proposed(tmp_path, "orders", "order_id,order_date,type,total", *lines)
    said = "Rows count as sales where type is Invoice (1), Payment (1), Voucher (1); leave some out with skip_rows"
    assert any(note.startswith(said) for note in proposal.notes)
