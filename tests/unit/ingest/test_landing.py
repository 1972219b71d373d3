"""From delivery to raw: every format lands as text with provenance, completely or not at all."""

import gzip
import json
import threading
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from openpyxl import Workbook

from pipelines.config_files import ConfigError
from pipelines.ingest import readers
from pipelines.ingest.gate import DeliveryError
from pipelines.ingest.landing import Landed, first_live_day, history_days, land, skipped_lines, stamp_again
from pipelines.quarantine.files import QuarantinedFiles
from pipelines.sources import Source, Table
from pipelines.tables import raw_days, raw_file
from pipelines.warehouse import sandboxed

DAY = date(2025, 1, 31)


class Shop:
    """A landing folder and a raw folder with one table."""

    def __init__(self, folder: Path, **table: Any) -> None:
        self.landing, self.raw = folder / "landing", folder / "raw"
        self.table = Table.model_validate(
            {
                "description": "Orders.",
                "path": "orders_{delivered_on}.csv",
                "format": "csv",
                "columns": ["id", "amount"],
                "key": ["id"],
                **table,
            }
        )
        self.landing.mkdir(parents=True)

    def deliver(self, content: str | bytes, name: str = f"orders_{DAY}.csv") -> Path:
        path = self.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def land(self, day: date = DAY) -> Landed:
        with sandboxed(self.landing, self.raw) as database:
            return land("shop", "orders", self.table, day, self.landing, self.raw, database)

    def land_all(self, *days: int) -> list[int]:
        """Land these days of January in one run, each file with a unique row. Return the days that are history."""
        run = [DAY.replace(day=day) for day in days]
        with sandboxed(self.landing, self.raw) as database:
            live_from = first_live_day(database, self.raw, "shop", "orders", run)
            for day in run:
                self.deliver(f"id,amount\n{day},{len(list(self.raw.rglob('*')))}\n", f"orders_{day}.csv")
                arguments = "shop", "orders", self.table, day, self.landing, self.raw, database
                land(*arguments, is_history=day < live_from)
            landed = raw_days(self.raw, "shop", "orders")
            return sorted(day.day for day in history_days(database, map(self.file, landed)))

    def file(self, day: date = DAY) -> Path:
        return raw_file(self.raw, "shop", "orders", day)

    def rows(self, columns: str = "id, amount, _row_number") -> list[tuple[Any, ...]]:
        return duckdb.sql(f"select {columns} from read_parquet('{self.file()}') order by _row_number").fetchall()


@pytest.mark.parametrize(
    ("above", "delimiter"),
    [
        pytest.param("Orders\nJanuary 2025\n", ",", id="read by DuckDB"),
        pytest.param('"Orders, ""net"""\nJanuary, a line with "\n', ",", id="quotes above"),
        pytest.param("Orders\n\n", ",", id="blank line above"),
        pytest.param("sep=;\nOrders\n", ";", id="excel and a title"),
    ],
)
def test_lines_above_the_header_are_skipped_and_rows_keep_their_numbers(
    tmp_path: Path, above: str, delimiter: str
) -> None:
    shop = Shop(tmp_path, skip_lines=2, delimiter=delimiter)
    shop.deliver(above + "id,amount\n007,1.50\n008,2\n9,1,1\n".replace(",", delimiter))
    assert shop.land().unreadable_rows == 1
    assert shop.rows() == [("007", "1.50", 4), ("008", "2", 5), (None, None, 6)]
    assert shop.land().outcome == "unchanged"


def test_the_line_of_excel_that_names_the_delimiter_is_no_header(tmp_path: Path) -> None:
    shop = Shop(tmp_path, delimiter=";")
    shop.deliver("sep=;\r\nid;amount\r\n007;1,50\r\n")
    assert shop.land().rows == 1
    assert shop.rows() == [("007", "1,50", 3)]


def test_a_delimiter_other_than_the_sources_is_named(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.deliver("sep=;\nid;amount\n007;1,50\n")
    with pytest.raises(DeliveryError, match=r"row 1 says that ';' separates the columns, but .* source is ','\."):
        shop.land()


def test_a_wrong_number_of_lines_to_skip_is_seen_in_the_header(tmp_path: Path) -> None:
    shop = Shop(tmp_path, skip_lines=1)
    shop.deliver("Orders\nJanuary\nid,amount\n007,1.50\n")
    with pytest.raises(
        DeliveryError, match=r"orders_2025-01-31\.csv: row 2 \(header\): column 'id', 'amount' is missing"
    ):
        shop.land()


def test_rows_that_are_no_records_are_skipped_and_the_others_keep_their_numbers(tmp_path: Path) -> None:
    """A second header, totals with the right number of cells, too few and too many, and a row that is only broken."""
    shop = Shop(tmp_path, skip_rows="id = 'id' or id like 'Total%'", row_count_suffix=".count")
    shop.deliver("id,amount\n7,1.50\nid,amount\n8,2\nTotal,3.50\nTotal: all\nTotal: all,3,50\n9,1,1\n")
    shop.deliver("7", f"orders_{DAY}.csv.count")  # the file's own rows
    landed = shop.land()
    assert (landed.rows, landed.unreadable_rows, landed.skipped_rows) == (3, 1, 4)
    assert shop.rows() == [("7", "1.50", 2), ("8", "2", 4), (None, None, 8)]
    assert shop.rows("_unreadable_row, _problem")[-1] == ("9,1,1\n", "3 cells where the header has 2")
    again = shop.land()
    assert (again.outcome, again.skipped_rows) == ("unchanged", 4)


def test_skipped_rows_are_counted_by_file_and_stay_counted_when_a_file_is_cleared_away(tmp_path: Path) -> None:
    shop = Shop(tmp_path, path="orders_{delivered_on}*.csv", skip_rows="amount is null")
    first = shop.deliver("id,amount\n1,\n2,5\n", f"orders_{DAY}_a.csv")
    shop.deliver("id,amount\n3,\n", f"orders_{DAY}_b.csv")
    assert (shop.land().skipped_rows, shop.land().rows) == (2, 1)
    first.unlink()
    shop.deliver("id,amount\n3,7\n", f"orders_{DAY}_b.csv")
    assert (shop.land().skipped_rows, shop.land().rows) == (1, 2)


@pytest.mark.parametrize(
    ("format_", "content"),
    [("csv", 'id,amount\n1,5\n2,"5\nTotal\n'), ("jsonl", '{"id": "1", "amount": 5}\n{"id": 2,\n{"id": "Total"}\n')],
)
def test_a_row_of_which_no_cell_is_known_is_broken_and_not_skipped(tmp_path: Path, format_: str, content: str) -> None:
    shop = Shop(tmp_path, format=format_, skip_rows="amount is null")
    shop.deliver(content)
    landed = shop.land()
    assert (landed.rows, landed.unreadable_rows, landed.skipped_rows) == (2, 1, 1)
    assert shop.rows("id, _row_number") == [("1", 2 if format_ == "csv" else 1), (None, 3 if format_ == "csv" else 2)]


def test_another_condition_reads_the_file_anew(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.deliver("id,amount\n1,5\nTotal,5\n")
    assert shop.land().rows == 2
    shop.table = Table.model_validate({**shop.table.model_dump(), "skip_rows": "id = 'Total' -- the sum"})
    assert (shop.land().outcome, shop.rows()) == ("restated", [("1", "5", 2)])


@pytest.mark.parametrize(
    ("format_", "name", "content"),
    [
        (
            "jsonl",
            "orders_{delivered_on}.jsonl",
            '{"id": "1", "amount": 5}\n{"id": "Total", "amount": 5}\n{"id": "Total"}\n',
        ),
        ("whitespace", "orders_{delivered_on}.txt", "id amount\n1 5\nTotal 5\nTotal\n"),
    ],
)
def test_rows_of_every_format_are_skipped(tmp_path: Path, format_: str, name: str, content: str) -> None:
    shop = Shop(tmp_path, path=name, format=format_, skip_rows="id = 'Total'")
    shop.deliver(content, name.format(delivered_on=DAY))
    assert shop.land().unreadable_rows == 0
    assert [row[:2] for row in shop.rows()] == [("1", "5")]


def test_a_total_below_a_sheet_is_skipped_even_if_it_is_wider(tmp_path: Path) -> None:
    shop = Shop(tmp_path, path="orders_{delivered_on}.xlsx", format="excel", skip_rows="id = 'Total'")
    workbook = Workbook()
    for row in [("id", "amount"), (7, 1.5), ("Total", 1.5, "net")]:
        workbook.active.append(row)
    workbook.save(shop.landing / f"orders_{DAY}.xlsx")
    assert (shop.land().skipped_rows, shop.rows()) == (1, [("7", "1.5", 2)])


def test_a_column_that_a_file_lacks_is_empty_in_the_condition(tmp_path: Path) -> None:
    shop = Shop(tmp_path, optional_columns=["Kind"], skip_rows="\"Kind\" = 'total' or amount is null")
    shop.deliver("id,amount\n1,5\n2,\n")
    assert (shop.land().skipped_rows, shop.rows('id, "Kind"')) == (1, [("1", None)])


@pytest.mark.parametrize("condition", ["Idd = '1'", "id = ", "_row_number > 3", "count(*) > 1"])
def test_a_condition_that_cannot_hold_is_refused_where_it_is_written(tmp_path: Path, condition: str) -> None:
    with pytest.raises(ValueError, match="skip_rows\n  Value error, not a condition on the table's columns: "):
        Shop(tmp_path, skip_rows=condition)


def test_a_condition_that_fails_on_a_text_names_file_and_setting_but_not_the_text(tmp_path: Path) -> None:
    shop = Shop(tmp_path, skip_rows="cast(amount as integer) = 0")
    shop.deliver("id,amount\n1,Jane Doe\n")
    with pytest.raises(ConfigError) as raised:
        shop.land()
    assert str(raised.value) == (
        "shop.yml: tables.orders.skip_rows: the condition fails on a row of orders_2025-01-31.csv. Let it convert "
        "texts with try_cast, which gives NULL for a text of another kind."
    )
    assert not shop.file().exists()


def test_how_many_rows_were_skipped_is_told_by_table(tmp_path: Path) -> None:
    shop = Shop(tmp_path, skip_rows="id = 'Total'")
    source = Source.model_validate(
        {
            "name": "shop",
            "description": "A shop.",
            "connector": "files",
            "owner": "team:commerce",
            "sla": "06:00",
            "entities": ["orders"],
            "tables": {"orders": shop.table},
        }
    )
    shop.deliver("id,amount\n1,5\nTotal,5\n")
    shop.land()
    days = [DAY, DAY.replace(day=1)]  # nothing has landed on the first of the month
    assert skipped_lines(shop.raw, [source], days) == ["shop.orders: 1 row is no record and was skipped (skip_rows)."]


def test_further_columns_land_and_are_not_told(tmp_path: Path) -> None:
    shop = Shop(tmp_path, further_columns=["* (metadata)"])
    shop.deliver("id,amount,plan (Metadata),colour\n1,5,basic,red\n")
    assert shop.land().undeclared_columns == ["colour"]
    assert shop.rows('"plan (Metadata)"') == [("basic",)]


def test_only_a_csv_file_or_a_sheet_has_lines_to_skip(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`skip_lines` is for CSV files and Excel sheets, and `format` is jsonl"):
        Shop(tmp_path, skip_lines=1, format="jsonl")


def test_csv_lands_as_text_with_provenance(tmp_path: Path) -> None:
    shop = Shop(tmp_path, date_column="id")
    shop.deliver("id,amount\n007,1.50\n008,\n")
    landed = shop.land()
    assert (landed.outcome, landed.rows, landed.files) == ("landed", 2, ["orders_2025-01-31.csv"])
    assert shop.rows() == [("007", "1.50", 2), ("008", None, 3)]
    [(file, delivered_on, sha)] = set(shop.rows("_source_file, _delivered_on, _file_sha256"))
    assert (file, delivered_on, len(sha)) == ("orders_2025-01-31.csv", DAY, 64)
    types = {row[1] for row in duckdb.sql(f"describe select id, amount from read_parquet('{shop.file()}')").fetchall()}
    assert types == {"VARCHAR"}


def test_gzipped_csv_with_semicolons_and_quoted_line_breaks(tmp_path: Path) -> None:
    shop = Shop(tmp_path, path="orders_{delivered_on:%Y%m%d}.csv.gz", delimiter=";")
    shop.deliver(gzip.compress(b'id;amount\n1;"1,50"\n2;"a\nb"\n3;x\n'), "orders_20250131.csv.gz")
    shop.land()
    assert shop.rows() == [("1", "1,50", 2), ("2", "a\nb", 3), ("3", "x", 4)]


def test_nothing_is_remembered_of_a_file_that_may_be_replaced(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.deliver("id,amount\n1,1.50\n")
    with sandboxed(shop.landing, shop.raw) as database:
        assert land("shop", "orders", shop.table, DAY, shop.landing, shop.raw, database).rows == 1
        assert database.execute("select * from duckdb_external_file_cache()").fetchall() == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1250", "latin-1"])
def test_declared_encodings_are_read(tmp_path: Path, encoding: Any) -> None:
    shop = Shop(tmp_path, encoding=encoding)
    shop.deliver("id,amount\né,1\n".encode(encoding))
    shop.land()
    assert shop.rows() == [("é", "1", 2)]


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.deliver(b"\xef\xbb\xbfid,amount\n1,2\n")
    shop.land()
    assert shop.rows() == [("1", "2", 2)]


def test_json_lines_keep_numbers_digit_by_digit(tmp_path: Path) -> None:
    shop = Shop(tmp_path, path="orders_{delivered_on}.jsonl", format="jsonl")
    shop.deliver(
        '{"id": 12345678901234567890, "amount": 12.30}\n{"id": "x", "amount": null}\n', "orders_2025-01-31.jsonl"
    )
    shop.land()
    assert shop.rows() == [("12345678901234567890", "12.30", 1), ("x", None, 2)]


def test_parquet_keeps_decimals_and_dates(tmp_path: Path) -> None:
    shop = Shop(tmp_path, path="orders_{delivered_on}.parquet", format="parquet")
    path = shop.landing / "orders_2025-01-31.parquet"
    duckdb.sql(f"copy (select date '2025-01-31' as id, cast(1.50 as decimal(9, 2)) as amount) to '{path}'")
    shop.land()
    assert shop.rows() == [("2025-01-31", "1.50", 1)]


def test_excel_dates_are_iso_dates(tmp_path: Path) -> None:
    shop = Shop(tmp_path, path="orders_{delivered_on}.xlsx", format="excel")
    workbook = Workbook()
    sheet: Any = workbook.active
    for row in (["id", "amount"], [date(2025, 1, 31), 1.5], [None, None], ["R1", 2.0]):
        sheet.append(row)
    workbook.save(shop.landing / "orders_2025-01-31.xlsx")
    shop.land()
    assert [row[:2] for row in shop.rows()] == [("2025-01-31", "1.5"), ("R1", "2")]


def test_lines_above_the_header_of_a_sheet_are_skipped_and_rows_keep_their_numbers(tmp_path: Path) -> None:
    shop = Shop(tmp_path, path="orders_{delivered_on}.xlsx", format="excel", skip_lines=2)
    workbook = Workbook()
    for row in [("Orders of January",), (), ("id", "amount"), (7, 1.5), (None, None), (8, 2)]:
        workbook.active.append(row)
    workbook.save(shop.landing / f"orders_{DAY}.xlsx")
    shop.land()
    assert shop.rows() == [("7", "1.5", 4), ("8", "2", 6)]


@pytest.mark.parametrize("above", ["", "Orders\n", 'Orders\n\n"January, 2025"\n', "sep=,\nOrders\n"])
def test_a_header_is_found_below_any_number_of_titles(tmp_path: Path, above: str) -> None:
    shop = Shop(tmp_path, skip_lines="auto", also={"amount": ["Betrag"]})
    shop.deliver(above + "Nr,ID ,Betrag\n1,007,1.50\n")
    shop.land()
    assert shop.rows() == [("007", "1.50", above.count("\n") + 2)]


def test_a_header_is_found_below_the_titles_of_a_sheet(tmp_path: Path) -> None:
    shop = Shop(tmp_path, path="orders_{delivered_on}.xlsx", format="excel", skip_lines="auto")
    workbook = Workbook()
    for row in [("Orders",), (), ("id", "amount"), (7, 1.5)]:
        workbook.active.append(row)
    workbook.save(shop.landing / f"orders_{DAY}.xlsx")
    shop.land()
    assert shop.rows() == [("7", "1.5", 4)]


def test_without_a_header_the_first_line_is_told(tmp_path: Path) -> None:
    shop = Shop(tmp_path, skip_lines="auto")
    shop.deliver("Orders\nid,total\n1,2\n")
    with pytest.raises(DeliveryError, match=r"row 1 \(header\): column 'id', 'amount' is missing"):
        shop.land()


def test_a_wrong_number_of_lines_to_skip_in_a_sheet_is_seen_in_the_header(tmp_path: Path) -> None:
    shop = Shop(tmp_path, path="orders_{delivered_on}.xlsx", format="excel", skip_lines=1)
    workbook = Workbook()
    for row in [("Orders",), ("January", "net"), ("id", "amount"), (7, 1.5)]:
        workbook.active.append(row)
    workbook.save(shop.landing / f"orders_{DAY}.xlsx")
    with pytest.raises(DeliveryError, match=r"row 2 \(header\): column 'id', 'amount' is missing"):
        shop.land()


def test_whitespace_text(tmp_path: Path) -> None:
    shop = Shop(tmp_path, path="orders_{delivered_on}.txt", format="whitespace")
    shop.deliver(" id  amount\n 1   11.77\n", "orders_2025-01-31.txt")
    shop.land()
    assert shop.rows() == [("1", "11.77", 2)]


def test_the_same_bytes_again_change_nothing_and_other_bytes_restate(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.deliver("id,amount\n1,2\n")
    shop.land()
    before = shop.file().read_bytes()
    assert shop.land().outcome == "unchanged"
    assert shop.file().read_bytes() == before
    shop.deliver("id,amount\n1,3\n")
    assert shop.land().outcome == "restated"
    assert shop.rows("amount") == [("3",)]


def test_all_days_of_a_first_load_but_the_newest_are_history_and_what_comes_after_is_not(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "o'shop [1]")
    assert shop.land_all(3, 4, 5, 6) == [3, 4, 5]
    assert shop.land_all(7) == [3, 4, 5]
    assert shop.land_all(8, 9) == [3, 4, 5]


def test_a_first_load_that_was_interrupted_goes_on_as_one(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.land_all(3, 4, 5, 6)
    shop.file(DAY.replace(day=5)).unlink()
    shop.file(DAY.replace(day=6)).unlink()
    assert shop.land_all(3, 4, 5, 6) == [3, 4, 5]


def test_days_before_the_first_live_one_are_history_whenever_they_land(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    assert shop.land_all(10) == []
    assert shop.land_all(8, 9) == [8, 9]


def test_a_day_that_is_landed_anew_stays_history_or_live(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.land_all(3, 4, 5)
    assert shop.land_all(4, 5) == [3, 4]
    with sandboxed(shop.landing, shop.raw) as database:
        for day in (4, 5):
            stamp_again(database, shop.file(DAY.replace(day=day)))
    assert shop.land_all(6) == [3, 4]


def test_what_landed_before_history_was_written_down_is_live(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.deliver("id,amount\n1,2\n")
    shop.land()
    with sandboxed(shop.landing, shop.raw) as database:
        assert first_live_day(database, shop.raw, "shop", "orders", [DAY.replace(day=30)]) == DAY


def test_a_missing_delivery_fails_unless_empty_days_are_allowed(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    with pytest.raises(DeliveryError, match=r"orders_2025-01-31\.csv: nothing was delivered for 2025-01-31"):
        shop.land()
    assert not shop.file().exists()
    shop.table = shop.table.model_copy(update={"empty_day": "allowed"})
    assert (shop.land().outcome, shop.rows()) == ("empty day", [])
    assert raw_days(shop.raw, "shop", "orders") == {DAY}


def test_several_files_of_a_day_land_together(tmp_path: Path) -> None:
    shop = Shop(tmp_path, path="orders_{delivered_on}_*.csv")
    shop.deliver("id,amount\n1,2\n", "orders_2025-01-31_a.csv")
    shop.deliver("amount,note,id\n4,new,3\n", "orders_2025-01-31_b.csv")
    landed = shop.land()
    assert (landed.rows, landed.undeclared_columns) == (2, ["note"])
    assert sorted(shop.rows("id, amount, note")) == [("1", "2", None), ("3", "4", "new")]


def test_a_column_is_known_by_its_name_in_any_case_and_by_its_other_names(tmp_path: Path) -> None:
    shop = Shop(tmp_path, optional_columns=["Note"], also={"amount": ["Value", "Amount (EUR)"], "Note": ["remark"]})
    shop.deliver("ID , value,REMARK,extra\n007,1.50,late,x\n")
    assert shop.land().undeclared_columns == ["extra"]
    assert shop.rows("id, amount, Note, extra") == [("007", "1.50", "late", "x")]
    assert {"id", "amount", "Note", "extra"} < set(duckdb.sql(f"from read_parquet('{shop.file()}')").columns)
    shop.deliver('id,AMOUNT\n007,"1.50"\n008,2,3\n')  # a broken row: the careful reader
    shop.land()
    assert shop.rows() == [("007", "1.50", 2), (None, None, 3)]


def _workbook(path: Path, header: list[str], row: list[str]) -> None:
    book = Workbook()
    for cells in (header, row):
        book.worksheets[0].append(cells)
    book.save(path)


@pytest.mark.parametrize(
    ("format_", "deliver"),
    [
        ("jsonl", lambda path: path.write_text('{"ID": "007", "Value ": 1.50}\n')),
        ("json", lambda path: path.write_text('[{"ID": "007", "Value ": 1.50}]')),
        ("whitespace", lambda path: path.write_text("ID VALUE\n007 1.50\n")),
        ("excel", lambda path: _workbook(path, ["ID ", "value"], ["007", "1.50"])),
        ("parquet", lambda path: duckdb.sql("select '007' as \"ID\", '1.50' as \"Value \"").write_parquet(str(path))),
    ],
)
def test_every_format_knows_a_column_by_its_other_names(tmp_path: Path, format_: str, deliver: Any) -> None:
    suffix = {"excel": "xlsx", "whitespace": "txt"}.get(format_, format_)
    shop = Shop(tmp_path, format=format_, path=f"orders_{{delivered_on}}.{suffix}", also={"amount": ["Value"]})
    deliver(shop.landing / f"orders_{DAY}.{suffix}")
    landed = shop.land()
    assert (landed.unreadable_rows, landed.undeclared_columns) == (0, [])
    assert shop.rows("id, amount") == [("007", "1.50")]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("id,amount,Value", r"columns 'amount' and 'Value' are the same column\. Have"),
        ("id,Value,net", r"columns 'Value' and 'net' are the same column\. Have"),
        ("id,amount,Amount ", r"column 'amount', 'Amount ' occurs more than once\. Have"),
        ("id,total", r"column 'amount' \(or 'Value', 'net'\) is missing; not declared: 'total'\. Have"),
    ],
)
def test_a_header_that_names_a_column_twice_or_not_at_all_is_refused(tmp_path: Path, header: str, message: str) -> None:
    shop = Shop(tmp_path, also={"amount": ["Value", "net"]})
    shop.deliver(header + "\n" + "1" + ",1" * header.count(",") + "\n")
    with pytest.raises(DeliveryError, match=rf"row 1 \(header\): {message}"):
        shop.land()


def test_a_file_is_read_again_under_a_new_name_of_its_column(tmp_path: Path) -> None:
    shop = Shop(tmp_path, optional_columns=["note"])
    shop.deliver("id,amount,remark\n1,2,late\n")
    assert shop.land().undeclared_columns == ["remark"]
    shop.table = shop.table.model_copy(update={"also": {"note": ["Remark"]}})
    landed = shop.land()
    assert (landed.outcome, landed.undeclared_columns, shop.rows("note")) == ("restated", [], [("late",)])


WITH_CURRENCY: dict[str, Any] = {
    "optional_columns": ["currency", "note"],
    "also": {"amount": ["Spent (*)", "Betrag (*)", "Betrag"]},
    "from_header": {"currency": "amount"},
}


@pytest.mark.parametrize(
    ("header", "currency"),
    [
        ("id,Spent (USD)", "USD"),
        ("id, SPENT (pln) ", "pln"),
        ("id,Betrag ( JPY )", "JPY"),
        ("id,Betrag", None),
        ("id,Spent ()", None),
        ("id,amount", None),
    ],
)
def test_a_header_holds_the_text_of_another_column(tmp_path: Path, header: str, currency: str | None) -> None:
    shop = Shop(tmp_path, **WITH_CURRENCY)
    shop.deliver(header + '\n007,1.50\n008,"2"\n')
    assert shop.land().undeclared_columns == []
    assert shop.rows("id, amount, currency") == [("007", "1.50", currency), ("008", "2", currency)]
    shop.deliver(header + '\n007,1.50\n008,2,3\n"009\n')  # broken rows: the careful reader
    shop.land()
    assert shop.rows("id, amount, currency")[:2] == [("007", "1.50", currency), (None, None, None)]


def test_the_text_of_a_header_is_no_cell_of_a_broken_row(tmp_path: Path) -> None:
    shop = Shop(tmp_path, **WITH_CURRENCY, skip_rows="id is null")
    shop.deliver('id,Spent (USD)\n,3.50\n007,1.50\n"008,2\n')
    landed = shop.land()
    assert (landed.rows, landed.skipped_rows, landed.unreadable_rows) == (2, 1, 1)


def test_a_sheets_header_holds_the_text_of_another_column(tmp_path: Path) -> None:
    shop = Shop(tmp_path, format="excel", path="orders_{delivered_on}.xlsx", **WITH_CURRENCY)
    _workbook(shop.landing / f"orders_{DAY}.xlsx", ["ID", "Spent (USD)"], ["007", "1.50"])
    shop.land()
    assert shop.rows("id, amount, currency") == [("007", "1.50", "USD")]


WITHOUT_ID: dict[str, Any] = {
    "columns": ["amount"],
    "optional_columns": ["id", "name", "note"],
    "if_missing": {"id": "lower(name) || '/' || amount"},
}


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("amount,name\n5,Ann\n6,\n7,Bob,x\n", [("ann/5",), (None,), (None,)]),  # the last row is broken
        ("amount,name,ID\n5,Ann,1\n6,,2\n", [("1",), ("2",)]),
        ("amount\n5\n6\n", [(None,), (None,)]),
    ],
)
def test_a_column_that_a_file_lacks_is_filled_from_others(tmp_path: Path, content: str, rows: list[tuple[Any]]) -> None:
    shop = Shop(tmp_path, **WITHOUT_ID)
    shop.deliver(content)
    assert shop.land().undeclared_columns == []
    assert shop.rows("id") == rows


def test_a_file_is_read_again_for_another_expression(tmp_path: Path) -> None:
    shop = Shop(tmp_path, **WITHOUT_ID)
    shop.deliver("amount,name\n5,Ann\n")
    shop.land()
    shop.table = Table.model_validate(shop.table.model_dump() | {"if_missing": {"id": "name"}})
    assert (shop.land().outcome, shop.rows("id")) == ("restated", [("Ann",)])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({**WITHOUT_ID, "if_missing": {"amount": "'1'"}}, "fills 'amount', which is not one of `optional_columns`"),
        ({**WITHOUT_ID, "if_missing": {"id": "total"}}, "id: not an expression of the table's columns: Binder Error"),
        ({**WITHOUT_ID, "needs": {"id": ["total"]}}, "`needs` names 'total', which is not one of the columns"),
    ],
)
def test_what_fills_a_column_is_checked(tmp_path: Path, table: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Shop(tmp_path, **table)


def test_a_column_may_need_others(tmp_path: Path) -> None:
    shop = Shop(tmp_path, **WITHOUT_ID, needs={"id": ["note"]})
    shop.deliver("amount,id\n5,1\n")
    with pytest.raises(DeliveryError, match="column 'note' is missing"):
        shop.land()


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("id,Spent (USD),Spent (EUR)", r"columns 'Spent \(USD\)' and 'Spent \(EUR\)' are the same column\. Have"),
        ("id,Spent (USD),amount", r"columns 'Spent \(USD\)' and 'amount' are the same column\. Have"),
        ("id,Spent (USD),Currency", r"column 'currency' has a name that `from_header` uses\. Have"),
        ("id,Spent", r"column 'amount' \(or 'Spent \(\*\)', .*\) is missing; not declared: 'Spent'\. Have"),
    ],
)
def test_a_file_with_two_currencies_in_its_headers_is_refused(tmp_path: Path, header: str, message: str) -> None:
    shop = Shop(tmp_path, **WITH_CURRENCY)
    shop.deliver(header + "\n1" + ",1" * header.count(",") + "\n")
    with pytest.raises(DeliveryError, match=rf"row 1 \(header\): {message}"):
        shop.land()


def test_a_file_is_read_again_for_the_text_in_its_header(tmp_path: Path) -> None:
    shop = Shop(tmp_path, **{**WITH_CURRENCY, "from_header": {}})
    shop.deliver("id,Spent (USD)\n1,2\n")
    shop.land()
    shop.table = Table.model_validate(shop.table.model_dump() | {"from_header": {"currency": "amount"}})
    assert (shop.land().outcome, shop.rows("currency")) == ("restated", [("USD",)])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"also": {"total": ["Value"]}}, "`also` names 'total', which is not one of the columns"),
        ({"also": {"amount": ["ID"]}}, "the header 'ID' is listed for 'id' and again for 'amount'"),
        ({"also": {"amount": ["Amount "]}}, "the header 'Amount ' is listed for 'amount' and again for 'amount'"),
        ({"also": {"amount": ["no"], "id": ["No"]}}, "the header 'No' is listed for 'amount' and again for 'id'"),
        ({"optional_columns": ["Amount"]}, "the header 'Amount' is listed for 'amount' and again for 'Amount'"),
        ({**WITH_CURRENCY, "optional_columns": []}, "'currency', which is not one of `optional_columns`. Add it"),
        ({**WITH_CURRENCY, "also": {"amount": ["Spent"]}}, r"gives that column no name with \*. Write there"),
        (
            {**WITH_CURRENCY, "format": "jsonl"},
            "`from_header` is for CSV files and Excel sheets, and `format` is jsonl",
        ),
    ],
)
def test_a_header_stands_for_one_column(tmp_path: Path, table: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Shop(tmp_path, **table)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,amnt\n1,2\n", r"row 1 \(header\): column 'amount' is missing; not declared: 'amnt'"),
        ("id,id,amount\n1,1,2\n", r"row 1 \(header\): column 'id' occurs more than once"),
        ("<!DOCTYPE html>\n<html></html>\n", r"the file is a web page or XML"),
        ("", r"the file is empty"),
        ("id,amount\n1,2", r"row 2: the last row has no line ending"),
    ],
)
def test_a_broken_file_is_named_with_row_and_column_and_leaves_raw_as_it_was(
    tmp_path: Path, content: str, message: str
) -> None:
    shop = Shop(tmp_path)
    shop.deliver("id,amount\n1,2\n")
    shop.land()
    shop.deliver(content)
    with pytest.raises(DeliveryError, match=rf"orders_2025-01-31\.csv: {message}"):
        shop.land()
    assert shop.rows("amount") == [("2",)]
    assert [path.name for path in shop.file().parent.iterdir()] == ["rows.parquet"]


def test_what_has_landed_stays_when_the_landing_folder_is_cleared(tmp_path: Path) -> None:
    shop = Shop(tmp_path, path="orders_{delivered_on}_*.csv", empty_day="allowed")
    first = shop.deliver("id,amount\n1,2\n", f"orders_{DAY}_a.csv")
    second = shop.deliver("id,amount\n3,4\n", f"orders_{DAY}_b.csv")
    shop.land()
    before = shop.file().read_bytes()
    first.unlink()
    second.unlink()
    assert shop.land().outcome == "unchanged"
    assert shop.file().read_bytes() == before
    shop.deliver("id,amount\n5,6\n", f"orders_{DAY}_b.csv")
    assert shop.land().outcome == "restated"
    assert sorted(shop.rows("id, amount")) == [("1", "2"), ("5", "6")]


@pytest.mark.parametrize(
    ("content", "unreadable", "good"),
    [
        ("id,amount\n1,2\n1,2,3\n4,5\n", (3, "1,2,3\n", "3 cells where the header has 2"), ["1", "4"]),
        ("id,amount\n1,2\n4\n5,6\n", (3, "4\n", "1 cells where the header has 2"), ["1", "5"]),
        ('id,amount\n1,"2\n3,4\n5,"6"\n', (2, '1,"2\n', "a quote is not closed"), ["3", "5"]),
        ("id,amount\n\n1,2\n3,x\0y\n", (4, "3,x\0y\n", "contains a NUL byte"), ["1"]),
        ("id,amount\n1," + "x" * 2_000_001 + "\n3,4\n", (2, None, "a cell has more than 2,000,000"), ["3"]),
    ],
    ids=["too many cells", "too few cells", "quote", "NUL after a blank line", "cell too large"],
)
def test_a_broken_row_is_kept_as_text_and_takes_no_other_along(
    tmp_path: Path, content: str, unreadable: tuple[int, str | None, str], good: list[str]
) -> None:
    shop = Shop(tmp_path)
    shop.deliver(content)
    landed = shop.land()
    assert (landed.rows, landed.unreadable_rows) == (len(good) + 1, 1)
    assert [row[0] for row in shop.rows() if row[0] is not None] == good
    [(number, text, problem)] = [row for row in shop.rows("_row_number, _unreadable_row, _problem") if row[2]]
    assert number == unreadable[0]
    assert text == unreadable[1] or unreadable[1] is None
    assert problem.startswith(unreadable[2])


def test_the_careful_reader_reads_good_rows_as_the_fast_one_does(tmp_path: Path) -> None:
    rows = ["1,2", '"a ""b""",c', 'x"y,z', '"line\nbreak",", ,"', ",", '"",é', " s , t "]
    shop = Shop(tmp_path)
    shop.deliver("id,amount\n" + "\n".join(rows) + "\n")
    shop.land()
    fast = shop.rows()
    shop.deliver("id,amount\n" + "\n".join(rows) + "\ntoo,many,cells\n")
    assert shop.land().unreadable_rows == 1
    assert [row for row in shop.rows() if row[2] < 9] == fast
    assert len(fast) == 7


def test_a_csv_file_under_an_excel_name_is_named_with_the_next_step(tmp_path: Path) -> None:
    shop = Shop(tmp_path, path="orders_{delivered_on}.xlsx", format="excel")
    shop.deliver("id,amount\n1,2\n", "orders_2025-01-31.xlsx")
    with pytest.raises(DeliveryError, match=r"orders_2025-01-31\.xlsx: cannot be read as excel: .*`format`"):
        shop.land()


def test_an_empty_excel_sheet_lacks_its_columns(tmp_path: Path) -> None:
    shop = Shop(tmp_path, path="orders_{delivered_on}.xlsx", format="excel")
    shop.landing.mkdir(exist_ok=True)
    Workbook().save(shop.landing / "orders_2025-01-31.xlsx")
    with pytest.raises(DeliveryError, match=r"row 1 \(header\): column 'id', 'amount' is missing"):
        shop.land()


def test_a_broken_json_line_is_kept_as_text(tmp_path: Path) -> None:
    shop = Shop(tmp_path, path="orders_{delivered_on}.jsonl", format="jsonl")
    shop.deliver(
        json.dumps({"id": 1, "amount": 2}) + '\n{"id": "secret@example.com", "amount": \n{"id": 3}\n[4]\n',
        "orders_2025-01-31.jsonl",
    )
    assert (shop.land().rows, shop.land().unreadable_rows) == (4, 3)
    assert shop.rows("_row_number, _problem")[1:] == [
        (2, "not valid JSON: Expecting value"),
        (3, "'amount' is missing"),
        (4, "a JSON array where an object is expected"),
    ]


def test_a_json_array_keeps_numbers_digit_by_digit(tmp_path: Path) -> None:
    shop = Shop(tmp_path, path="orders_{delivered_on}.json", format="json")
    shop.deliver(
        '[{"id": 12345678901234567890, "amount": 12.30}, {"amount": {"a": 1}, "id": ""}]', f"orders_{DAY}.json"
    )
    shop.land()
    assert shop.rows() == [("12345678901234567890", "12.30", 1), (None, '{"a": "1"}', 2)]


def test_a_zip_archive_of_one_file(tmp_path: Path) -> None:
    shop = Shop(tmp_path, path="orders_{delivered_on}.zip", encoding="cp1250")
    with zipfile.ZipFile(shop.landing / f"orders_{DAY}.zip", "w") as archive:
        archive.writestr("../../evil.csv", "id,amount\nżółw,1\n".encode("cp1250"))
    shop.land()
    assert shop.rows() == [("żółw", "1", 2)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["landing", "raw"]


def test_a_workbook_whose_stated_range_is_too_small_keeps_its_rows(tmp_path: Path) -> None:
    shop = Shop(tmp_path, path="orders_{delivered_on}.xlsx", format="excel")
    workbook = Workbook()
    sheet: Any = workbook.active
    for row in (["id", "amount"], ["A", 1], ["B", 2]):
        sheet.append(row)
    whole = tmp_path / "whole.xlsx"
    workbook.save(whole)
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(shop.landing / f"orders_{DAY}.xlsx", "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b'<dimension ref="A1:B3"', b'<dimension ref="A1:B1"'))
    assert shop.land().rows == 2
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(shop.landing / f"orders_{DAY}.xlsx", "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name)[:-40] if "sheet1" in name else old.read(name))
    with pytest.raises(DeliveryError, match=r"orders_2025-01-31\.xlsx: "):
        shop.land()


def test_a_damaged_file_takes_no_other_along(tmp_path: Path) -> None:
    shop = Shop(tmp_path, path="orders_{delivered_on}_*.parquet", format="parquet")
    for part in "ab":
        path = shop.landing / f"orders_{DAY}_{part}.parquet"
        duckdb.sql(f"copy (select range as id, repeat('x', 99) as amount from range(9999)) to '{path}'")
    damaged = bytearray(path.read_bytes())
    damaged[200:4000] = b"\x07" * 3800
    path.write_bytes(damaged)
    landed = shop.land()
    assert (landed.rows, landed.files) == (9999, [f"orders_{DAY}_a.parquet"])
    assert [reason.partition(":")[0] for reason in landed.refused] == [path.name]


def test_a_broken_new_version_keeps_the_old_and_lets_others_in(tmp_path: Path) -> None:
    shop = Shop(tmp_path, path="orders_{delivered_on}_*.csv")
    quarantine = QuarantinedFiles(tmp_path / "quarantine", shop.landing)

    def land_day() -> Landed:
        with sandboxed(shop.landing, shop.raw) as database:
            return land("shop", "orders", shop.table, DAY, shop.landing, shop.raw, database, quarantine)

    shop.deliver("id,amount\n1,2\n", f"orders_{DAY}_a.csv")
    land_day()
    shop.deliver("id,total\n1,3\n", f"orders_{DAY}_a.csv")
    shop.deliver("id,amount\n5,6\n", f"orders_{DAY}_b.csv")
    for _ in range(3):  # the refused one stays open until it is replaced or dismissed
        landed = land_day()
        assert len(landed.refused) == 1
        assert sorted(shop.rows("id, amount")) == [("1", "2"), ("5", "6")]
    shop.deliver("id,amount\n1,3\n", f"orders_{DAY}_a.csv")
    assert land_day().refused == []
    assert sorted(shop.rows("id, amount")) == [("1", "3"), ("5", "6")]
    assert [(file.state, file.note) for file in quarantine.all()] == [("dismissed", "replaced by a later delivery")]


def test_a_snapshot_lands_whole_or_not_at_all(tmp_path: Path) -> None:
    shop = Shop(tmp_path, path="orders_{delivered_on}_*.csv", deliveries="snapshot")
    shop.deliver("id,amount\n1,2\n", f"orders_{DAY}_eu.csv")
    shop.deliver("id,amount\n5,6", f"orders_{DAY}_us.csv")
    with pytest.raises(DeliveryError, match=r"_us\.csv: row 2: the last row has no line ending"):
        shop.land()
    assert not shop.file().exists()


def test_the_same_bytes_twice_on_one_day_count_once(tmp_path: Path) -> None:
    shop = Shop(tmp_path, path="orders_{delivered_on}*.csv", key=["_source_file", "_row_number"])
    content = "id,amount\n" + "".join(f"{number},1\n" for number in range(20))
    shop.deliver(content)
    shop.deliver(content, f"orders_{DAY} (1).csv")
    landed = shop.land()
    assert landed.rows == 20
    assert len(landed.refused) == 1
    assert "the same bytes as" in landed.refused[0]


def test_a_folder_called_like_a_column_is_no_column(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "id=99", path="amount=5/orders_{delivered_on}.csv")
    shop.deliver("id,amount\n1,7\n", f"amount=5/orders_{DAY}.csv")
    shop.land()
    assert duckdb.sql(
        f"select id, amount from read_parquet('{shop.file()}', hive_partitioning = false)"
    ).fetchall() == [("1", "7")]


def test_names_with_wildcards_quotes_and_spaces_are_just_names(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "it's [a] folder*", path="o'rders [x] {delivered_on}.csv")
    shop.table = shop.table.model_copy(update={"path": "*{delivered_on}.csv"})
    shop.deliver("id,amount\n1,2\n", f"o'rders [x] {DAY}.csv")
    assert shop.land().rows == 1


def test_landing_a_day_from_many_threads_leaves_one_whole_file(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.deliver("id,amount\n" + "".join(f"{number},1\n" for number in range(1000)))
    threads = [threading.Thread(target=shop.land) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(shop.rows()) == 1000
    assert [path.name for path in shop.file().parent.iterdir()] == ["rows.parquet"]


@pytest.mark.parametrize(
    "statement",
    [
        "select * from read_csv('{outside}/secret.csv')",
        "select * from read_text('{outside}/secret.csv')",
        "select * from glob('{outside}/*')",
        "copy (select 1) to '{outside}/new.csv'",
        "attach '{outside}/new.duckdb' as other",
        "install httpfs",
        "load httpfs",
        "select * from read_csv('https://example.com/orders.csv')",
        "set enable_external_access = true",
        "set allowed_directories = ['{outside}/']",
        "set memory_limit = '1TB'",
    ],
)
def test_what_reads_foreign_files_sees_nothing_else_and_cannot_be_told_to(tmp_path: Path, statement: str) -> None:
    outside, landing = tmp_path / "outside", tmp_path / "landing"
    outside.mkdir()
    landing.mkdir()
    (outside / "secret.csv").write_text("id\n1\n")
    (landing / "orders.csv").write_text("id\n1\n")
    with sandboxed(landing) as database:
        assert database.execute(f"select * from read_csv('{landing}/orders.csv')").fetchall() == [(1,)]
        with pytest.raises(duckdb.Error):
            database.execute(statement.format(outside=outside)).fetchall()
    assert [path.name for path in outside.iterdir()] == ["secret.csv"]


def test_what_reads_foreign_files_spills_to_a_folder_that_goes_away(tmp_path: Path) -> None:
    with sandboxed(tmp_path, memory=60_000_000) as database:
        [[spill]] = database.execute("select current_setting('temp_directory')").fetchall()
        database.execute("create temp table large as select range::varchar as id from range(5_000_000)")
        assert list(Path(spill).iterdir())
        assert database.execute("select count(*), max(length(id)) from large").fetchall() == [(5_000_000, 7)]
    assert not Path(spill).exists()


@pytest.mark.parametrize("rows_at_once", [1, 2, 100])
def test_json_lines_land_the_same_in_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_at_once: int
) -> None:
    monkeypatch.setattr(readers, "_ROWS_AT_ONCE", rows_at_once)
    shop = Shop(tmp_path, path="orders_{delivered_on}.jsonl", format="jsonl")
    shop.deliver(
        '{"id": "a", "amount": 1.50}\n\n{"id": "b",\n{"id": "c"}\n{"note": "new", "amount": 2, "id": "d"}\n',
        "orders_2025-01-31.jsonl",
    )
    assert shop.land().rows == 4
    assert shop.rows("id, amount, note, _row_number") == [
        ("a", "1.50", None, 1), (None, None, None, 3), (None, None, None, 4), ("d", "2", "new", 5)
    ]  # fmt: skip


def test_json_lines_without_a_row_land_as_an_empty_day(tmp_path: Path) -> None:
    shop = Shop(tmp_path, path="orders_{delivered_on}.jsonl", format="jsonl")
    shop.deliver("\n", "orders_2025-01-31.jsonl")
    assert shop.land().rows == 0
    assert shop.rows() == []
