"""What `kpi quarantine list` prints."""

import io
import json
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from pipelines.cli.printing.quarantine import print_json, print_list
from pipelines.config_files import ConfigError
from pipelines.quarantine.decisions import Quarantine, Selection, check_selection
from pipelines.quarantine.files import QuarantinedFile
from pipelines.quarantine.rows import QuarantinedRow
from pipelines.settings import Settings
from pipelines.sources import load_sources

WARSAW = ZoneInfo("Europe/Warsaw")


def row(day: str, number: int = 2, reason: str = "amount: cannot be read as decimal") -> QuarantinedRow:
    seen = "2026-01-10T05:00:00+00:00"
    place = f"{day}{number}".replace("-", "").zfill(32)
    return QuarantinedRow(
        place, "shop", "orders", day, f"shop/orders_{day}.csv", number, "h", "v", reason, {"amount": "x"}, seen
    )


def file(day: str) -> QuarantinedFile:
    path = f"shop/orders_{day}.csv"
    reason = f"{path}: is empty. Have it delivered again."
    return QuarantinedFile(f"{day}".replace("-", "") + "ff", "shop", "orders", day, path, reason, "2026-01-10", "open")


def printed(rows: list[QuarantinedRow], files: list[QuarantinedFile] | None = None, each: bool = False) -> list[str]:
    out = io.StringIO()
    print_list(files or [], rows, each, WARSAW, Console(file=out, soft_wrap=True))
    return out.getvalue().splitlines()


def test_rows_of_one_reason_are_one_entry_with_their_days_as_ranges() -> None:
    days = [f"2026-01-{day:02}" for day in (1, 2, 3, 4, 8)]
    entry, place, *_ = printed([row(day) for day in days])
    assert entry[12:] == "5 rows  shop.orders  2026-01-01 to 2026-01-04, 2026-01-08  open since 2026-01-10 06:00 CET"
    assert place == "    shop/orders_2026-01-01.csv: row 2, and more: amount: cannot be read as decimal"


def test_rows_of_another_reason_are_an_entry_of_their_own() -> None:
    lines = printed([row("2026-01-01"), row("2026-01-01", 3, "placed: cannot be read as date")])
    assert sum("  row  shop.orders  " in line for line in lines) == 2


def test_files_of_one_reason_are_one_entry() -> None:
    entry, place, *_ = printed([], [file("2026-01-01"), file("2026-01-02")])
    assert "2 files  shop.orders  2026-01-01, 2026-01-02" in entry
    assert place == "    shop/orders_2026-01-01.csv, and more: is empty. Have it delivered again."


def test_each_is_listed_if_asked_for() -> None:
    lines = printed([row("2026-01-01"), row("2026-01-02")], each=True)
    assert sum("  row  shop.orders  " in line for line in lines) == 2


def test_json_lists_each_without_what_was_delivered() -> None:
    out = io.StringIO()
    print_json([file("2026-01-01")], [row("2026-01-02", 7)], Console(file=out))
    first, second = json.loads(out.getvalue())
    assert (first["kind"], first["reason"]) == (
        "file",
        "shop/orders_2026-01-01.csv: is empty. Have it delivered again.",
    )
    assert (second["kind"], second["delivered_on"], second["row_number"]) == ("row", "2026-01-02", 7)
    assert "cells" not in second


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (Selection(source="shp"), r"--source shp: not found\. Did you mean shop\? Available: shop\."),
        (Selection(table="order"), r"--table order: not found\. Did you mean orders\?"),
        (Selection(source="shop", table="leads"), r"--table leads: not found in shop\. Available: "),
    ],
)
def test_a_source_or_table_that_does_not_exist_is_told(tmp_path: Path, selection: Selection, message: str) -> None:
    settings = Settings(
        sources=["shop"], first_delivery=date(2026, 1, 1), time_zone="UTC", reporting_currency="EUR", data_dir=tmp_path
    )
    with pytest.raises(ConfigError, match=message):
        check_selection(Quarantine.of(settings), selection, load_sources(["shop"], tmp_path))
