"""A missing day is one notice, however many tables it affects."""

from datetime import date
from pathlib import Path

import pytest

from pipelines.alerts.reports import STEP_FAILED, Report, condensed
from pipelines.ingest.gate import DeliveryError
from pipelines.ingest.landing import land
from pipelines.quarantine.files import QuarantinedFiles
from pipelines.sources import each_table, load_sources
from pipelines.warehouse import sandboxed
from tests.unit.alerts.conftest import MONDAY, finding

DAY = date(2026, 1, 9)


def not_delivered(tmp_path: Path, *tables: str) -> list[str]:
    """What landing reports for the shop's tables if nothing arrived."""
    landing, raw = tmp_path / "landing", tmp_path / "raw"
    landing.mkdir()
    said = []
    with sandboxed(landing, raw) as database:
        for source, name, table in each_table(load_sources(["shop"], tmp_path)):
            if name in tables:
                quarantine = QuarantinedFiles(tmp_path / "quarantine", landing)
                with pytest.raises(DeliveryError) as missing:
                    land(source.name, name, table, DAY, landing, raw, database, quarantine)
                said.append(str(missing.value))
    return said


def test_a_day_that_several_tables_miss_is_one_line(tmp_path: Path) -> None:
    lines = not_delivered(tmp_path, "orders", "customers")
    assert condensed(["something else", *lines, "the end"]) == [
        "something else",
        f"Nothing was delivered for {DAY} of 2 tables: shop.customers, shop.orders. Put the files into "
        f"{tmp_path / 'landing'} and run the day again, or write `empty_day: allowed` for those tables whose days "
        "without a delivery are normal.",
        "the end",
    ]


def test_a_day_that_one_table_misses_is_told_as_landing_tells_it(tmp_path: Path) -> None:
    lines = not_delivered(tmp_path, "orders")
    assert condensed(lines) == lines


def test_what_blocked_a_run_is_condensed(tmp_path: Path) -> None:
    findings = [
        finding(asset=f"raw/shop/{number}", check=STEP_FAILED, message=line, blocking=True)
        for number, line in enumerate(not_delivered(tmp_path, "orders", "customers", "order_items"))
    ]
    [line] = Report("run", MONDAY, tuple(findings)).blocked_by
    assert line.startswith(f"Nothing was delivered for {DAY} of 3 tables: ")
