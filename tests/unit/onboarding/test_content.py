"""What the cells of a file say: outcomes, rows that are no records, currencies, cents, and the direction of rates."""

import re
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from pipelines.onboarding.adding import Options, add_sources
from pipelines.onboarding.cells import as_date, read_column
from pipelines.onboarding.columns import describe_columns
from pipelines.onboarding.currencies import currency_in_name
from pipelines.onboarding.mapping import propose
from pipelines.onboarding.names import words_of
from pipelines.onboarding.no_records import no_records
from pipelines.onboarding.outcomes import is_lost, is_won, outcome_column, outcome_in_sql
from pipelines.onboarding.sniffing import UnrecognisedError, describe_file
from pipelines.settings import load_settings
from tests.unit.onboarding.draft_rendering import build, render


@pytest.mark.parametrize(
    "value", ["Won", "closedwon", "Closed Won", "Gewonnen", "Wygrana", "Ganado", "Gagné", "8 - Won"]
)
def test_words_of_won_deals(value: str) -> None:
    assert is_won(value)
    assert not is_lost(value)


@pytest.mark.parametrize("value", ["Lost", "closedlost", "Verloren", "Przegrana", "Perdido", "Won back, then lost"])
def test_words_of_lost_deals(value: str) -> None:
    assert is_lost(value)
    assert not is_won(value)


@pytest.mark.parametrize("value", ["Wonder", "Almost", "Not won yet", "Offer", "Frost"])
def test_words_that_say_nothing(value: str) -> None:
    assert not is_won(value)
    assert not is_lost(value)


def test_a_stage_decides_before_a_column_of_another_name_and_a_reason_never() -> None:
    header = ["lost_reason", "comment_code", "stage"]
    columns = describe_columns(header, [("won by others", "lost 1", "Won"), ("price", "won 2", "Lost")])
    found = outcome_column(columns)
    assert found is not None
    assert found.name == "stage"
    assert outcome_in_sql(found, "is_won") == "lower($column) like '%won%'"


def test_words_that_hold_another_word_are_listed() -> None:
    [column] = describe_columns(["stage"], [("Won",), ("Not won yet",), ("Lost",)])
    assert outcome_in_sql(column, "is_won") == "coalesce(lower($column) in ('won'), false)"


_NO_B_AND_C = """coalesce(trim("b"), '') = '' and coalesce(trim("c"), '') = ''"""


@pytest.mark.parametrize(
    ("header", "rows", "condition"),
    [
        (
            ["day", "cost"],
            [("2025-01-01", "1"), ("2025-01-02", "2"), ("Total", "3")],
            "lower(trim(\"day\")) like 'total%'",
        ),
        (["id", "cost"], [("a", "1"), ("b", "2"), ("Total Fitness", "7")], None),  # a name, and nothing is missing
        (["name", "x", "y"], [("a", "1", "5"), ("b", "2", "6"), ("", "3", "11")], "coalesce(trim(\"name\"), '') = ''"),
        (["name", "x", "y"], [("a", "1", "5"), ("b", "2", "6"), ("", "3", "12")], None),  # no sum
        (["id", "x", "closed"], [("1", "1", "2025-01-01"), ("2", "2", "2025-01-02"), ("3", "3", "")], None),
        (["a", "b"], [("1", "2"), ("a", "b"), ("3", "4")], "\"a\" = 'a'"),
        # A row with fewer cells than the header has None for the others.
        (
            ["no", "day", "x"],
            [("1", "d", "5"), ("2", "d", "6"), ("Razem", "11", None)],
            "lower(trim(\"no\")) like 'razem%'",
        ),
        (
            ["a", "b", "c"],
            [("1", "x", "5"), ("2", "y", "6"), ("2 records", None, None), ("By me", None, None)],
            _NO_B_AND_C,
        ),
        (["a", "b", "c"], [("1", "x", "5"), ("2", "", "6"), ("3", "", "")], None),  # b is not always filled
        (["a", "b"], [("1", "x"), ("2", "y"), ("3", "")], None),  # one column says too little
        # A second header has words where all others have numbers or dates.
        (["id", "nps"], [("", "0 - 10"), ("1", "9"), ("2", "7")], "trim(\"nps\") = '0 - 10'"),
        (["id", "x", "y"], [("no", "EUR", "kg"), ("1", "9.5", "3"), ("2", "7.5", "4")], "trim(\"id\") = 'no'"),
        (["id", "x"], [("a", "n/a"), ("b", "9.5"), ("c", "7.5")], None),  # a record without an amount
        (["id", "x", "y"], [("1", "EUR", "kg"), ("2", "9.5", "3"), ("3", "7.5", "4")], None),  # a record with a number
    ],
)
def test_rows_that_are_no_records(header: list[str], rows: list[tuple[str | None, ...]], condition: str | None) -> None:
    found = no_records(header, rows)
    assert [one.condition for one in found] == ([condition] if condition else [])


@pytest.mark.parametrize(
    ("name", "currency", "words"),
    [
        ("Amount spent (USD)", "USD", "amount_spent"),
        ("Cost [JPY]", "JPY", "cost"),
        ("Total (zł)", "PLN", "total"),
        ("total_chf", "CHF", "total_chf"),
        ("Clicks (all)", None, "clicks_all"),
        ("order_try", None, "order_try"),
        ("Total ALL", None, "total_all"),
    ],
)
def test_currencies_in_names(name: str, currency: str | None, words: str) -> None:
    assert (currency_in_name(name), words_of(name)) == (currency, words)


@pytest.mark.parametrize(
    ("cells", "name", "type_"),
    [
        (["45658", "45688"], "Invoice Date", "date"),
        (["45658.5", "45688"], "ordered_at", "timestamp"),
        (["45658", "45688"], "customer", "integer"),
        (["45658", "12"], "date", "integer"),
    ],
)
def test_serial_dates_are_numbers_in_a_column_named_like_a_date(cells: list[str], name: str, type_: str) -> None:
    [reading, *_] = read_column(cells, name).readings
    assert reading.type == type_
    assert (reading.format == "excel") == (type_ != "integer")


def test_dates_are_read_as_the_column_is() -> None:
    assert str(as_date("45658.5", read_column(["45658.5"], "date").readings)) == "2025-01-01"
    assert str(as_date("31.01.2025", read_column(["31.01.2025"]).readings)) == "2025-01-31"
    assert as_date(None, ()) is None


@pytest.mark.parametrize(
    ("rows", "reporting", "direction"),
    [
        ("2025-01-31,PLN,0.237", "EUR", "direct"),
        ("2025-01-31,PLN,4.21", "EUR", "inverse"),
        ("2025-01-31,JPY,155.1", "USD", "inverse"),
        ("2025-01-31,USD,1.0", "EUR", None),  # either
        ("2025-01-31,XAF,0.0015", "EUR", None),  # not known here
    ],
)
def test_the_size_of_rates_tells_their_direction_or_it_is_asked(
    tmp_path: Path, rows: str, reporting: str, direction: str | None
) -> None:
    file = tmp_path / "fx_rates.csv"
    file.write_text(f"date,currency,rate\n{rows}\n", encoding="utf-8")
    described = describe_file(file)
    if direction is None:
        with pytest.raises(UnrecognisedError, match="--rates direct"):
            propose(described, "fx_rates", reporting)
        direction = "direct"
        proposal = propose(described, "fx_rates", reporting, rates="direct")
    else:
        proposal = propose(described, "fx_rates", reporting)
    [rate] = [mapped.sql or "" for mapped in proposal.columns if mapped.name == "rate"]
    assert rate.startswith("cast(1 /") == (direction == "inverse")
    assert any("costs" in note and "--rates" in note for note in proposal.notes)


def test_amounts_in_several_currencies_are_no_numbers_of_one(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text("order_id,order_date,total\n1,2025-01-01,9.50 EUR\n2,2025-01-02,9.50 USD\n", encoding="utf-8")
    proposal = propose(describe_file(file), "orders", "EUR")
    [total] = [mapped for mapped in proposal.columns if mapped.name == "total_amount"]
    assert total.column is None
    assert total.hint == "total contains amounts in several currencies: EUR, USD"


def test_open_deals_and_missing_dates_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "deals.csv"
    file.write_text(
        "deal_id,stage,amount,created_at,close_date\n"
        "1,Won,10,2025-01-01,2025-01-05\n2,Lost,5,,\n3,Offer,7,2025-01-02,\n4,Offer,7,,\n",
        encoding="utf-8",
    )
    notes = propose(describe_file(file), "deals", "EUR").notes
    assert {
        "Deals are won where stage is Won (1).",
        "Deals are lost where stage is Lost (1).",
        "2 deals are open.",
        "1 closed deal without a date of closing.",
        "2 deals without a date of creation.",
    } <= set(notes)


def test_stages_without_won_or_lost_come_with_the_sql_to_complete(tmp_path: Path) -> None:
    file = tmp_path / "deals.csv"
    rows = "1,Signed,10,2025-01-01\n2,Didn't buy,5,2025-01-02\n"
    file.write_text(f"deal_id,Deal Stage,amount,created_at\n{rows}", encoding="utf-8")
    is_won, is_closed = propose(describe_file(file), "deals", "EUR").missing
    stages = "lower(\"Deal Stage\") in ('didn''t buy', 'signed')"
    start = "no stage is called won or lost; write, with the stages of"
    assert is_won.hint == f"{start} won deals only: {stages}"
    assert is_closed.hint == f"{start} won and lost deals only: {stages}"


@pytest.mark.parametrize(
    ("name", "content", "notes"),
    [
        (
            "orders",
            "order_id,order_date,total,zapłacono,wysłano\n1,2025-01-13,9.50,8.50,2025-01-15\n2,2025-01-14,7.25,7.25,\n",
            [
                "No column was found for: customer, status.",
                "Amounts that are not used: zapłacono.",
                "Dates that are not used: wysłano.",
            ],
        ),
        (
            "deals",
            "deal_id,stage\n1,Won\n2,Lost\n",
            ["No column was found for: amount, date of creation, date of closing, owner, customer."],
        ),
        ("ad_spend", "date,campaign,cost\n2025-01-13,A,9.50\n", ["No column was found for: clicks, impressions."]),
        ("nps", "id,score\n1,9\n2,10\n", ["No column was found for: customer, date of the answer."]),
    ],
)
def test_what_a_draft_lacks_and_does_not_use_is_said(tmp_path: Path, name: str, content: str, notes: list[str]) -> None:
    (file := tmp_path / f"{name}.csv").write_text(content, encoding="utf-8")
    said = "\n".join(propose(describe_file(file), name, "EUR").notes)
    assert [note for note in notes if note not in said] == []


@pytest.mark.parametrize(
    ("header", "rows", "said"),
    [
        ("price,discount,to_pay", ["2,30.00,10,54.00", "3,10.00,0,30.00"], "discount is taken as a percentage"),
        ("price,discount,to_pay", ["2,50.00,10,80.00", "3,10.00,1,27.00"], "discount is taken as the discount of one"),
        ("price,discount,to_pay", ["2,50.00,10,90.00", "4,10.00,2,38.00"], ""),
        ("price,discount_percent,sku", ["2,50.00,10,A", "3,10.00,0,B"], "discount_percent is taken as a percentage"),
        ("price,discount,sku", ["2,50.00,0.1,A", "3,10.00,0,B"], "discount is taken as a share of the price"),
        ("price,discount,sku", ["2,100.00,0,A", "1,50.00,0,A", "3,30.00,0,B"], "price is the total of the line"),
        ("price,discount,sku", ["2,50.00,0,A", "1,50.00,0,A", "3,30.00,0,B"], ""),
    ],
)
def test_what_a_price_and_a_discount_are(tmp_path: Path, header: str, rows: list[str], said: str) -> None:
    numbered = [f"{number},{row}" for number, row in enumerate(rows, start=1)]
    (file := tmp_path / "lines.csv").write_text("\n".join([f"order_id,qty,{header}", *numbered, ""]))
    notes = "\n".join(propose(describe_file(file), "lines", "EUR", "order_items").notes)
    assert said in notes
    assert bool(said) == bool(re.search(r"is taken as|is the total", notes))


def test_the_total_of_a_line_is_kept_exactly_whatever_the_quantity(tmp_path: Path) -> None:
    (file := tmp_path / "lines.csv").write_text("order_id,sku,qty,amount\n1,A,3,200.00\n1,B,7,0.05\n2,A,7,460.00\n")
    given = Options(name="drafted", entities={"": "order_items"}, draft_only=True)
    settings = load_settings().model_copy(update={"company_dir": tmp_path / "company", "data_dir": tmp_path})
    draft = add_sources([str(file)], settings, given).tables[0].draft
    with build(draft, file, settings) as connection:
        paid = "select sum(round(quantity * unit_price, 2) - discount_amount) from stg_drafted__order_items"
        assert connection.execute(paid).fetchall() == [(Decimal("660.05"),)]


@pytest.mark.parametrize(
    ("header", "rows", "total"),
    [
        ("Total,IVA,Base", ["12.10,2.10,10.00", "24.20,4.20,20.00"], "Base"),
        ("Total,Tip,Tax,Food", ["13.10,1.00,2.10,10.00", "26.20,2.00,4.20,20.00"], "Food"),
        ("Total,Total netto", ["12.10,10.00", "24.20,20.00"], "Total netto"),
        ("Total,Net payout", ["12.10,5.00", "24.20,20.00"], "Total"),
        ("Total,Tax,Base", ["12.10,2.00,10.00", "24.20,4.00,20.00"], "Total"),
    ],
)
def test_an_order_counts_without_tax_where_the_file_tells(
    tmp_path: Path, header: str, rows: list[str], total: str
) -> None:
    numbered = [f"{number},2025-01-13,C{number},{row}" for number, row in enumerate(rows, start=1)]
    (file := tmp_path / "orders.csv").write_text("\n".join([f"Order No,Date,Customer No,{header}", *numbered, ""]))
    found = propose(describe_file(file), "orders", "EUR").source_of("total_amount")
    assert found is not None
    assert found.name == total


def test_a_flag_with_other_words_than_yes_and_no_is_named(tmp_path: Path) -> None:
    (file := tmp_path / "orders.csv").write_text(
        "order_no,date,net,Makulerad\n1,2025-01-13,9.50,Helt\n2,2025-01-14,7.25,Delvis\n"
    )
    notes = "\n".join(propose(describe_file(file), "orders", "SEK").notes)
    assert "Makulerad holds Delvis, Helt: if it marks rows that do not count" in notes


@pytest.mark.parametrize("value", ["Vunnen", "Kazan\u0131ld\u0131", "Vendida", "Vinta"])
def test_words_of_won_deals_in_more_languages(value: str) -> None:
    assert is_won(value)
    assert not is_lost(value)


def test_names_are_found_behind_a_first_word_and_without_small_words(tmp_path: Path) -> None:
    header = "amazon-order-id,fecha_de_factura,ship-price,total"
    (file := tmp_path / "orders.csv").write_text(f"{header}\nA1,2025-01-13,1.50,9.50\nA2,2025-01-14,2.50,7.25\n")
    proposal = propose(describe_file(file), "orders", "EUR")
    found = {mapped.name: mapped.column.name for mapped in proposal.columns if mapped.column}
    assert found == {"order_id": "amazon-order-id", "ordered_at": "fecha_de_factura", "total_amount": "total"}


def test_millionths_are_divided(tmp_path: Path) -> None:
    (file := tmp_path / "spend.csv").write_text(
        "segments.date,campaign.id,metrics.cost_micros\n2025-01-13,7,12500000\n2025-01-14,7,250000\n"
    )
    proposal = propose(describe_file(file), "spend", "EUR")
    [spend] = [mapped for mapped in proposal.columns if mapped.name == "spend"]
    assert spend.sql == "cast($column / 1000000 as decimal(18, 6))"


def test_a_column_of_amounts_is_no_currency(tmp_path: Path) -> None:
    (file := tmp_path / "spend.csv").write_text(
        "Date,Campaign,Spend in account currency,Currency\n2025-01-13,A,12.50,1\n2025-01-14,A,3.25,2\n"
    )
    proposal = propose(describe_file(file), "spend", "EUR", "ad_spend")
    found = {mapped.name: mapped.column.name for mapped in proposal.columns if mapped.column}
    assert found == {"spend_date": "Date", "campaign_id": "Campaign", "spend": "Spend in account currency"}


def test_orders_without_a_number_say_so(tmp_path: Path) -> None:
    (file := tmp_path / "orders.csv").write_text(
        "ticket,date,customer,total\n1,2025-01-13,A,9.50\n2,2025-01-14,B,7.25\n"
    )
    notes = "\n".join(propose(describe_file(file), "orders", "EUR", "orders").notes)
    assert "No column was found for: order number, status." in notes


@pytest.mark.parametrize(("values", "target"), [(("Pagado", "Pendiente"), "status"), (("SP", "RJ"), "region")])
def test_estado_is_a_status_or_a_state_as_its_cells_say(tmp_path: Path, values: tuple[str, str], target: str) -> None:
    rows = [f"{number},2025-01-1{number},C{number},9.50,{value}" for number, value in enumerate(values, start=1)]
    (file := tmp_path / "orders.csv").write_text("\n".join(["pedido,fecha,cliente,total,Estado", *rows, ""]))
    proposal = propose(describe_file(file), "orders", "EUR", "orders")
    found = {mapped.name: mapped.column.name for mapped in proposal.columns if mapped.column}
    assert {name for name in ("status", "region") if name in found} == {target}


def test_a_comma_may_stand_before_the_time() -> None:
    assert read_column(["13.01.2025, 10:22", "31.01.2025, 23:50"]).readings[0].format == "dd.mm.yyyy, hh:mi"


@pytest.mark.parametrize(
    ("cells", "type_", "format_"),
    [
        (["05-Jan-2025", "17-OCT-2025"], "date", "dd-mon-yyyy"),
        (["13-Jan-25", "14-Feb-25"], "date", "dd-mon-yy"),
        (["Jan 5, 2025", "May 13, 2025"], "date", "mon dd, yyyy"),
        (["5 May 2025", "6 January 2025"], "date", "dd month yyyy"),
        (["05-Oct-2025 10:22 PM", "06-Oct-2025 11:00 AM"], "timestamp", "dd-mon-yyyy hh:mi am"),
    ],
)
def test_a_month_may_be_a_word(cells: list[str], type_: str, format_: str) -> None:
    [reading] = read_column(cells).readings
    assert (reading.type, reading.format) == (type_, format_)
    macro = "try_date" if type_ == "date" else "try_local_timestamp"
    zone = "" if type_ == "date" else ", 'UTC'"
    selected = ", ".join(render(f"{{{{ {macro}(\"'{cell}'\", '{format_}'{zone}) }}}}", {}) for cell in cells)
    read = duckdb.sql(f"select {selected}").fetchone()
    assert read is not None
    assert [str(value)[:10] for value in read] == [str(as_date(cell, [reading])) for cell in cells]


@pytest.mark.parametrize(
    "cells", [["03-lut-2025", "10-lut-2025"], ["05-Jan", "06-Feb"], ["Sept 5, 2025", "Sept 6, 2025"]]
)
def test_a_month_that_the_warehouse_cannot_read_is_no_date(cells: list[str]) -> None:
    assert read_column(cells).readings == ()


@pytest.mark.parametrize(
    ("cells", "mixed"),
    [
        (["2025-01-13", "01/15/2025", "2025-01-16"], ("2025-01-13", "01/15/2025")),
        (["13/01/2025", "02/03/2025", "01/14/2025"], ("13/01/2025", "01/14/2025")),
        (["13-Jan-2025", "2025-01-13"], ("13-Jan-2025", "2025-01-13")),
        (["2024-04-02T08:20:00", "2024-04-03", "04.04.2024 12:00"], ("2024-04-02T08:20:00", "04.04.2024 12:00")),
    ],
)
def test_dates_written_in_several_ways_are_not_read(cells: list[str], mixed: tuple[str, ...]) -> None:
    found = read_column(cells)
    assert (found.readings, found.mixed) == ((), mixed)


def test_a_column_of_mixed_dates_says_why_it_is_not_used(tmp_path: Path) -> None:
    (file := tmp_path / "orders.csv").write_text(
        "Order No,Order Date,Customer,Total\n1,2025-01-13,a,9.50\n2,01/14/2025,b,7.25\n3,2025-01-15,a,1.25\n"
    )
    [missing] = propose(describe_file(file), "orders", "EUR").missing
    assert missing.name == "ordered_at"
    assert "Order Date holds dates written in several ways, 2025-01-13 and 01/14/2025" in missing.hint


def test_a_column_may_be_called_by_a_sign(tmp_path: Path) -> None:
    (file := tmp_path / "orders.csv").write_text("#,Order Date,%,Total\n1,2025-01-13,5,9.50\n2,2025-01-14,7,7.25\n")
    proposal = propose(describe_file(file), "orders", "EUR")
    assert {mapped.name: mapped.column.name for mapped in proposal.columns if mapped.column}["order_id"] == "#"


@pytest.mark.parametrize(
    ("name", "cells", "condition", "deleted"),
    [
        ("deleted_at", ("", "2025-01-16 09:00:00"), '"deleted_at" is not null', 1),
        ("deleted_at", ("", ""), '"deleted_at" is not null', 0),
        ("Makulerad", ("Nej", "Ja"), "lower(\"Makulerad\") in ('ja')", 1),
        ("Storniert", ("Nein", "Nein"), "lower(\"Storniert\") in ('ja')", 0),
        ("voided", ("false", "true"), '"voided"', 1),
        ("cancelled_at", ("", "2025-01-16"), '"cancelled_at" is not null', 1),
    ],
)
def test_how_a_row_says_that_it_was_deleted(
    tmp_path: Path, name: str, cells: tuple[str, str], condition: str, deleted: int
) -> None:
    rows = [f"{number},2025-01-1{number},C{number},9.50,{cell}" for number, cell in enumerate(cells, start=1)]
    (file := tmp_path / "orders.csv").write_text("\n".join([f"order_id,order_date,customer,total,{name}", *rows, ""]))
    proposal = propose(describe_file(file), "orders", "EUR", "orders")
    assert proposal.tombstone is not None
    assert proposal.tombstone.condition.replace("$column", f'"{name}"') == condition
    assert f"{name}: {deleted} row{'s are' if deleted != 1 else ' is'} deleted." in proposal.notes


@pytest.mark.parametrize(
    ("entity", "name", "cells"),
    [
        ("orders", "deleted_at", ("2025-01-15", "2025-01-16")),  # it would leave nothing
        ("orders", "deleted_at", ("", "no")),
        ("customers", "cancelled_at", ("", "2025-01-16")),  # of a subscription, perhaps
        ("orders", "voided", ("why", "because")),
    ],
)
def test_what_does_not_say_that_a_row_was_deleted(
    tmp_path: Path, entity: str, name: str, cells: tuple[str, str]
) -> None:
    rows = [f"{number},2025-01-1{number},9.50,{cell}" for number, cell in enumerate(cells, start=1)]
    (file := tmp_path / "orders.csv").write_text("\n".join([f"id,created_at,total,{name}", *rows, ""]))
    assert propose(describe_file(file), entity, "EUR", entity).tombstone is None


def test_a_date_among_timestamps_is_midnight() -> None:
    found = read_column(["2024-04-02T08:20:00", "2024-04-03", "2024-04-04T12:00:00"])
    assert [reading.type for reading in found.readings] == ["timestamp"]
    assert found.unreadable == 0
    assert read_column(["2024-04-03", "2024-04-04"]).readings[0].type == "date"
