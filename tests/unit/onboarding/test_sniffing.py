"""How a file is described: its packing and format, and how each column is read."""

import gzip
import io
import json
import zipfile
from datetime import date
from pathlib import Path

import duckdb
import pytest
from openpyxl import Workbook

from pipelines.onboarding.cells import Reading, read_column, strptime_pattern
from pipelines.onboarding.columns import describe_columns, is_personal
from pipelines.onboarding.names import day_in_name, slug, words_of
from pipelines.onboarding.sniffing import Described, UnrecognisedError, describe_file

ORDERS = "order_id,placed,total\nA1,2025-01-31,10.50\nA2,2025-02-01,7.00\n"


def described(folder: Path, content: str | bytes, name: str = "orders.csv", **told: str) -> Described:
    """The description of a file with that content."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return describe_file(path, **told)


def types(found: Described) -> dict[str, str]:
    return {column.name: column.type for column in found.columns}


# --- The file ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters(tmp_path: Path, delimiter: str) -> None:
    found = described(tmp_path, ORDERS.replace(",", delimiter))
    assert (found.format, found.delimiter, found.rows) == ("csv", delimiter, 2)
    assert types(found) == {"order_id": "text", "placed": "date", "total": "decimal"}


def test_a_delimiter_in_quotes_or_in_numbers_divides_nothing(tmp_path: Path) -> None:
    found = described(tmp_path, 'id;name;total\n1;"Bolt; steel, 5 mm";1,50\n2;Nut, brass;2,75\n')
    assert [column.name for column in found.columns] == ["id", "name", "total"]
    assert found.column("total").readings == (Reading("decimal", decimal=","),)


@pytest.mark.parametrize(
    ("above", "skipped"),
    [
        ("Orders report\n", 1),
        ("Orders report\nJanuary 2025\n\n", 3),
        ('"Orders, all shops"\n"1 January, 2025"\n', 2),
        ("sep=,\n", 0),
        ("sep=,\nOrders report\n", 2),
    ],
)
def test_titles_above_the_header_are_skipped_and_named(tmp_path: Path, above: str, skipped: int) -> None:
    found = described(tmp_path, above + ORDERS)
    assert (found.skip_lines, found.rows) == (skipped, 2)
    assert types(found) == {"order_id": "text", "placed": "date", "total": "decimal"}
    said = [note for note in found.notes if note.startswith(f"The header is in line {skipped + 1}. ")]
    assert bool(said) == bool(skipped)
    assert all("'Orders report'" in note or "all shops" in note for note in said)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("order_id,placed\nA1,2025-01-31,10.50\nA2,2025-02-01,7.00\n", id="a header without its last name"),
        pytest.param("order_id,note\nA1,paid,late\nA2,open,early\nA3,new,late\n", id="and only texts below"),
        pytest.param("total\n10.50\n7.00\n", id="one column"),
        pytest.param("Orders\n2025-01-31,10.50\n2025-02-01,7.00\n", id="no header at all"),
    ],
)
def test_a_row_of_data_is_never_taken_for_a_header_below_titles(tmp_path: Path, content: str) -> None:
    with pytest.raises(UnrecognisedError):
        described(tmp_path, content)


@pytest.mark.parametrize(
    ("text", "encoding", "told"),
    [
        ("id;miasto\n1;Łódź\n2;Gdańsk\n", "utf-8", "utf-8"),
        ("id;miasto\n1;Łódź\n2;Gdańsk\n", "utf-8-sig", "utf-8"),
        ("id;miasto\n1;Łódź\n2;Gdańsk\n", "utf-16", "utf-16"),
        ("id;klient\n1;Łukasz Żak\n2;Święta\n", "cp1250", "cp1250"),
        ("id;tytuł\n1;książka\n", "cp1250", "cp1250"),
        ("id;mesto\n1;Třebíč\n2;Plzeň\n3;Žďár\n", "cp1250", "cp1250"),
        ("id;ort\n1;München\n2;Gießen\n", "cp1252", "cp1252"),
        ("id;cidade\n1;São João\n2;Conceição\n", "cp1252", "cp1252"),
        ("id;ville\n1;Besançon à côté\n", "latin-1", "cp1252"),
        ("id;price\n1;€ 5\n2;€ 6\n", "cp1252", "cp1252"),
    ],
)
def test_encodings(tmp_path: Path, text: str, encoding: str, told: str) -> None:
    found = described(tmp_path, text.encode(encoding))
    assert found.encoding == told
    assert {value for row in found.sample for value in row} == {
        cell for line in text.splitlines()[1:] for cell in line.split(";")
    }


def test_letters_that_fit_two_encodings_are_told_and_settled_by_the_option(tmp_path: Path) -> None:
    text = "id;name\n1;Jiøí\n".encode("cp1252")
    assert "--encoding cp1250" in described(tmp_path, text).notes[0]
    assert described(tmp_path, text, encoding="cp1250").column("name").example in ("Jiří", "***")
    with pytest.raises(UnrecognisedError, match="is not utf-8"):
        described(tmp_path, text, encoding="utf-8")


def test_gzip_and_zip_are_looked_into(tmp_path: Path) -> None:
    packed = described(tmp_path, gzip.compress(ORDERS.encode()), "orders.csv.gz")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr("orders.csv", ORDERS)
    zipped = described(tmp_path, archive.getvalue(), "orders.zip")
    assert (packed.packed, zipped.packed) == ("gzip", "zip")
    assert packed.columns == zipped.columns == described(tmp_path, ORDERS).columns


@pytest.mark.parametrize("as_lines", [True, False])
def test_json_lines_and_json_arrays(tmp_path: Path, as_lines: bool) -> None:
    records = [{"id": 1, "total": 12.30, "paid": True}, {"id": 2, "total": 5, "paid": False, "coupon": "X"}]
    text = "\n".join(map(json.dumps, records)) + "\n" if as_lines else json.dumps(records, indent=2)
    found = described(tmp_path, text, "orders.json")
    assert found.format == ("jsonl" if as_lines else "json")
    assert types(found) == {"id": "integer", "total": "decimal", "paid": "boolean", "coupon": "text"}
    assert found.optional_columns == ("coupon",)


def test_excel_and_parquet(tmp_path: Path) -> None:
    workbook = Workbook()
    assert workbook.active is not None
    for row in (["order_id", "placed", "total"], ["A1", date(2025, 1, 31), 10.5], ["A2", date(2025, 2, 1), 7.25]):
        workbook.active.append(row)
    workbook.save(tmp_path / "orders.xlsx")
    duckdb.sql("select 'A1' as order_id, date '2025-01-31' as placed, 10.50 as total").write_parquet(
        str(tmp_path / "orders.parquet")
    )
    for name, format_ in (("orders.xlsx", "excel"), ("orders.parquet", "parquet")):
        found = describe_file(tmp_path / name)
        assert found.format == format_
        assert types(found) == {"order_id": "text", "placed": "date", "total": "decimal"}


def test_columns_parted_by_blanks(tmp_path: Path) -> None:
    found = described(tmp_path, " customer_id  date value\n 00001 19970101   11.77\n 00002 19970112   12.00\n", "m.txt")
    assert found.format == "whitespace"
    assert types(found) == {"customer_id": "text", "date": "date", "value": "decimal"}


def test_a_last_line_without_an_end_is_told(tmp_path: Path) -> None:
    assert described(tmp_path, ORDERS).last_line_end == "required"
    assert described(tmp_path, ORDERS.rstrip("\n")).last_line_end == "optional"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("order_id,total\n", "no rows"),
        ("one\n1\n2\n", "its columns are unknown"),
        ("1,2025-01-31,10.50\n2,2025-02-01,7.00\n", "row 1 looks like values"),
        ("id,total,total\n1,2,3\n", "'total' occurs more than once"),
        ("id,Total,total\n1,2,3\n", "'total' occurs more than once"),
        ("id,total\n1,2\n3,4,5\n6,7\n8,9\n", "row 3"),
        ("<!doctype html><title>404</title>", "HTML"),
        ('{"id": 1}\n{"id": \n', "line 2: not valid JSON"),
        ("[1, 2]", "expected JSON objects"),
        (b"%PDF-1.7", "PDF"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "old Excel"),
        (b"id\x00,total\x00\n", "NUL"),
        (b"\x1f\x8b\x08\x00broken", "cannot be unpacked"),
        (b"PK\x03\x04broken", "cannot be unpacked"),
        (b"PAR1broken", "not a complete Parquet file"),
    ],
)
def test_what_is_no_table_is_refused_in_words_that_name_the_file(
    tmp_path: Path, content: str | bytes, problem: str
) -> None:
    with pytest.raises(UnrecognisedError, match=problem) as refused:
        described(tmp_path, content)
    assert "orders.csv" in str(refused.value)


def test_a_column_without_a_name_has_the_readers_and_broken_rows_are_told(tmp_path: Path) -> None:
    found = described(tmp_path, ",total\n" + "a,1\n" * 30 + "a,b,c\n")
    assert types(found) == {"column_1": "text", "total": "integer"}
    assert found.notes == (
        "Broken rows: 1; the first is row 32: 3 cells where the header has 2. They are quarantined.",
    )


def test_a_zip_of_several_files_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as writer:
        writer.writestr("orders.csv", ORDERS)
        writer.writestr("items.csv", ORDERS)
    with pytest.raises(UnrecognisedError, match="contains 2 files"):
        describe_file(tmp_path / "all.zip")
    with pytest.raises(UnrecognisedError, match="no such file"):
        describe_file(tmp_path / "none.csv")


# --- The name ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "pattern", "stem", "day"),
    [
        ("orders_2025-01-31.csv", "orders_{delivered_on}.csv", "orders", date(2025, 1, 31)),
        ("orders-20250131.csv.gz", "orders-{delivered_on:%Y%m%d}.csv.gz", "orders", date(2025, 1, 31)),
        ("20250131_orders.csv", "{delivered_on:%Y%m%d}_orders.csv", "orders", date(2025, 1, 31)),
        ("Orders 31.01.2025.csv", "Orders {delivered_on:%d.%m.%Y}.csv", "orders", date(2025, 1, 31)),
        ("orders_2025_01_31.jsonl", "orders_{delivered_on:%Y_%m_%d}.jsonl", "orders", date(2025, 1, 31)),
        ("orders_2025-01-31_093015.csv", "orders_{delivered_on}_*.csv", "orders", date(2025, 1, 31)),
        ("orders_2025-01-31_part2.csv", "orders_{delivered_on}_part*.csv", "orders_part", date(2025, 1, 31)),
        ("orders.csv", "orders_{delivered_on}.csv", "orders", None),
        ("orders_20259999.csv", "orders_20259999_{delivered_on}.csv", "orders", None),
        ("orders[1]{a}.csv", "orders[[]1]{{a}}_{delivered_on}.csv", "orders_1_a", None),
    ],
)
def test_the_delivery_day_in_a_name_becomes_the_pattern(name: str, pattern: str, stem: str, day: date | None) -> None:
    assert day_in_name(name) == (pattern, stem, day)


@pytest.mark.parametrize("name", ["orders_2025-01-31_7.csv", "a[b].2025-01-31.csv", "x 20250131{1}.csv.gz"])
def test_a_pattern_finds_the_file_it_was_made_from(tmp_path: Path, name: str) -> None:
    found = day_in_name(name)
    (tmp_path / name).touch()
    assert [path.name for path in tmp_path.glob(found.pattern.format(delivered_on=found.day))] == [name]


def test_names_of_sources_and_words_of_columns() -> None:
    assert slug("Zamówienia sklepu (2025)") == "zamowienia_sklepu"
    assert slug("2025") == ""
    assert [words_of(name) for name in ("CustomerID", "Deal - Stage", "Kwota netto", "orderId2", "Łódź")] == [
        "customer_id", "deal_stage", "kwota_netto", "order_id2", "lodz",
    ]  # fmt: skip


# --- The cells --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "type_"),
    [
        (["1", "2", "-30"], "integer"),
        (["1", "", "3"], "integer"),
        (["1.0", "2.0"], "decimal"),
        (["00017", "00018"], "text"),  # leading zeros are part of it
        (["01", "2"], "text"),
        (["123456789012345678", "1"], "text"),  # too long for a number
        (["A1", "A2"], "text"),
        (["", ""], "text"),
        (["true", "false"], "boolean"),
        (["Yes", "no"], "boolean"),
        (["0", "1"], "integer"),
        (["2025-01-31", "2025-02-01"], "date"),
        (["2025-01-31 10:00:00", "2025-02-01 11:00:00.123"], "timestamp"),
        (["2025-01-31T10:00:00Z", "2025-02-01T11:00:00+01:00"], "timestamp"),
        (["10.5", "n/a", *["1.25"] * 40], "decimal"),
        (["10.5", "n/a"], "text"),
        (["1.2.3", "4.5.6"], "text"),
        (["12:30", "13:45"], "text"),
        (["10.0.0.1", "10.0.0.2"], "text"),
        (["NaN", "1"], "text"),
        (["1e5", "2e5"], "text"),
    ],
)
def test_types(cells: list[str], type_: str) -> None:
    found = read_column(cells)
    assert (found.readings[0].type if found.readings else "text") == type_


@pytest.mark.parametrize(
    ("cells", "format_"),
    [
        (["2025-01-31"], None),
        (["31.01.2025", "01.02.2025"], "dd.mm.yyyy"),
        (["01.02.2025", "02.03.2025"], "dd.mm.yyyy"),  # nobody writes mm.dd.yyyy
        (["31/01/2025", "01/02/2025"], "dd/mm/yyyy"),
        (["01/31/2025", "02/01/2025"], "mm/dd/yyyy"),
        (["2/1/21", "2/28/21"], "mm/dd/yy"),
        (["31-01-2025"], "dd-mm-yyyy"),
        (["20250131", "20241231"], "yyyymmdd"),
        (["2025/01/31"], "yyyy/mm/dd"),
        (["31.01.2025 10:15", "01.02.2025 23:59"], "dd.mm.yyyy hh:mi"),
        (["31.01.2025 10:15:30"], "dd.mm.yyyy hh:mi:ss"),
        (["01/31/2025 10:15 PM", "01/02/2025 9:05 AM"], "mm/dd/yyyy hh:mi am"),
    ],
)
def test_date_formats_are_told_and_duckdb_reads_them(cells: list[str], format_: str | None) -> None:
    [reading] = [reading for reading in read_column(cells).readings if reading.type in ("date", "timestamp")]
    assert reading.format == format_
    pattern = strptime_pattern(format_ or "yyyy-mm-dd")
    for cell in cells:
        assert duckdb.execute("select try_strptime(?, ?)", [cell, pattern]).fetchone() != (None,)


def test_a_date_that_reads_two_ways_is_not_guessed() -> None:
    found = read_column(["01/02/2025", "03/04/2025"])
    assert (found.readings, found.ambiguous) == ((), ("dd/mm/yyyy", "mm/dd/yyyy"))
    for told in found.ambiguous:
        assert read_column(["01/02/2025", "03/04/2025"], dates=told).readings == (Reading("date", told),)


@pytest.mark.parametrize(
    ("cells", "reading"),
    [
        (["10.50", "7"], Reading("decimal", decimal=".")),
        (["10,50", "7"], Reading("decimal", decimal=",")),
        (["1,234.50", "7.00"], Reading("decimal", decimal=".", ignore=(",",))),
        (["1.234,50", "7,00"], Reading("decimal", decimal=",")),
        (["1 234,50", "7,00"], Reading("decimal", decimal=",", ignore=(" ",))),
        (["1\u00a0234,50", "7,00"], Reading("decimal", decimal=",", ignore=("\u00a0",))),
        (["1'234.50", "7.00"], Reading("decimal", decimal=".", ignore=("'",))),
        (["$1,234.50", "$7.00"], Reading("decimal", decimal=".", ignore=("$", ","))),
        (["7,00 zł", "8,50 zł"], Reading("decimal", decimal=",", ignore=(" ", "zł"))),
        (["€ 7.25", "€ 8.50"], Reading("decimal", decimal=".", ignore=(" ", "€"))),
        (["1,234,567", "12"], Reading("integer", ignore=(",",))),
        (["0,125", "0,250"], Reading("decimal", decimal=",")),
        (["-5.5", "+5.5"], Reading("decimal", decimal=".")),
    ],
)
def test_numbers_in_the_hand_they_are_written_in(cells: list[str], reading: Reading) -> None:
    assert read_column(cells).readings[0] == reading


@pytest.mark.parametrize("cells", [["1,5", "1.5"], ["1.234,5", "1,234.5"], ["1,23,4.5"], ["12 34", "5 6"]])
def test_numbers_in_two_hands_are_text(cells: list[str]) -> None:
    assert read_column(cells).readings == ()


def test_thousands_or_decimals_are_not_guessed() -> None:
    found = read_column(["1,234", "5,678"])
    assert (found.readings, found.ambiguous) == ((), ("decimal mark .", "decimal mark ,"))
    assert read_column(["1,234", "5,678"], decimal=",").readings == (Reading("decimal", decimal=","),)
    assert read_column(["1,234", "5,678"], decimal=".").readings[0] == Reading("integer", ignore=(",",))


def test_what_one_column_leaves_open_its_neighbours_settle() -> None:
    header = ["placed", "paid", "total", "fee"]
    rows = [["01/02/2025", "31/01/2025", "1.234", "0,50"], ["03/04/2025", "28/02/2025", "5.678", "1,75"]]
    placed, _, total, _ = describe_columns(header, rows)
    assert placed.readings == (Reading("date", "dd/mm/yyyy"),)
    assert total.readings[0] == Reading("integer", ignore=(".",))


# --- People -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("email", []),
        ("E-mail", []),
        ("customerEmail", []),
        ("who", ["a@b.example", "c@d.example", ""]),
        ("Phone Number", []),
        ("contact_at", ["+48 600 100 200", "+48 600 100 201"]),
        ("First Name", []),
        ("Nazwisko", []),
        ("Kundenname", []),
        ("Billing Street", []),
        ("Card Address Line1", []),
        ("DoB", []),
        ("name", ["Jan Kowalski", "Ana Souza"]),
        ("Klient", ["Jan Kowalski", "Żaneta Łąk"]),
    ],
)
def test_personal_columns(name: str, cells: list[str]) -> None:
    assert is_personal(name, cells)


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("order_id", ["A1"]),
        ("product_name", ["Chair"]),
        ("campaign_name", ["facebook_tier1"]),
        ("Name", ["#1001", "#1002"]),
        ("customer", ["A", "B"]),
        ("Email messages count", ["3"]),
        ("placed", ["2025-01-31", "2025-02-01"]),
        ("total", ["1 234,50", "12,00"]),
        ("customer_state", ["SP"]),
        ("channel", ["web", "store"]),
    ],
)
def test_other_columns_are_not_personal(name: str, cells: list[str]) -> None:
    assert not is_personal(name, cells, read_column(cells).readings)


def test_a_personal_example_is_masked_and_its_values_are_not_kept(tmp_path: Path) -> None:
    found = described(tmp_path, "id,email\n1,ana@example.com\n2,jan@example.com\n")
    assert (found.column("email").example, found.column("email").values) == ("***", frozenset())
    assert "example.com" not in repr(found)


# --- Real files -------------------------------------------------------------------------------------------------------


def test_the_real_report_of_campaigns_reads_the_same_in_both_hands(real_data_dir: Path) -> None:
    american = describe_file(real_data_dir / "ad_spend" / "Marketing_sinderpreet.csv")
    european = describe_file(real_data_dir / "ad_spend" / "Marketing_sinderpreet_eu_semicolon_variant.csv")
    assert [column.name for column in american.columns] == [column.name for column in european.columns]
    assert american.column("c_date").readings == (Reading("date", "mm/dd/yy"),)
    assert european.column("c_date").readings == (Reading("date"),)
    assert european.column("mark_spent").readings == (Reading("decimal", decimal=","),)
    assert (american.rows, american.last_line_end, european.delimiter) == (308, "optional", ";")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cdnow/CDNOW_master.txt", ["text", "date", "integer", "decimal"]),
        ("nps_airlines/input_01.csv", ["text", "text", "integer"]),
        ("olist_funnel/olist_marketing_qualified_leads_dataset.csv", ["text", "date", "text", "text"]),
        ("olist_orders/olist_orders_dataset.csv", ["text", "text", "text", *["timestamp"] * 5]),
        (
            "olist_orders/olist_order_items_dataset.csv",
            ["text", "integer", "text", "text", "timestamp", "decimal", "decimal"],
        ),
    ],
)
def test_types_of_real_files(real_data_dir: Path, name: str, expected: list[str]) -> None:
    found = describe_file(real_data_dir / name)
    assert list(types(found).values()) == expected
    assert not any(column.unreadable for column in found.columns)
