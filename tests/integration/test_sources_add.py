"""`kpi sources add` on a file as an accountant exports it, and what is built from the unedited draft."""

import re
import shutil
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from tests.conftest import Installation

SETTINGS = """\
sources: [webshop]
company_dir: company
first_delivery: 2025-02-28
time_zone: Europe/Warsaw
reporting_currency: PLN
"""
ORDERS = """\
Nr zamówienia;Klient;E-mail;Data zamówienia;Status;Kwota netto;Ostatnia zmiana
00017;Żaneta Łąk;zaneta@example.com;31.01.2025;opłacone;1.234,50 zł;02.02.2025 10:15
00018;Jan Kowalski;jan@example.com;01.02.2025;opłacone;10,00 zł;01.02.2025 08:00
00019;Jan Kowalski;jan@example.com;28.02.2025;cancelled;99,99 zł;28.02.2025 12:00
00020;Ewa Śliwa;ewa@example.com;28.02.2025;opłacone;0,55 zł;28.02.2025 23:30
"""


@pytest.fixture(scope="module")
def webshop(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The state after `kpi sources add`. Nothing is edited."""
    folder = tmp_path_factory.mktemp("webshop")
    (folder / "kpi.yml").write_text(SETTINGS, encoding="utf-8")
    file = folder / "orders_2025-02-28.csv"
    file.write_bytes(ORDERS.encode("cp1250"))
    installation = Installation(folder / "data", folder / "kpi.yml")
    printed = installation.kpi("sources", "add", str(file), "--name", "webshop").stdout
    place = folder / "data" / "landing" / "webshop" / "orders_2025-02-28.csv"
    assert "do not build" not in printed
    assert str(place) in printed
    assert place.read_bytes() == file.read_bytes()
    tried = installation.kpi("sources", "check", "webshop").stdout
    assert "lands    webshop.orders 2025-02-28: 4 rows from webshop/orders_2025-02-28.csv (landed)" in tried
    assert "4 good, 0 to quarantine, 0 superseded" in tried
    assert re.search(r"revenue \(net\) +│ 2025-01 +│ company +│ +- +│ 1,234\.50", tried), tried
    assert "Nothing is published yet: every value is new." in tried
    assert re.search(r"│ revenue +│ +\d+ │ net, 2025-Q1, company: - → 1,245\.05 │", tried), tried
    assert sorted(entry.name for entry in installation.data_dir.iterdir() if not entry.name.endswith(".lock")) == [
        "landing"
    ]
    installation.build()
    return installation


def test_the_draft_builds_as_it_stands_and_revenue_is_the_files(webshop: Installation) -> None:
    with webshop.warehouse() as connection:
        rows = connection.execute(
            "select period_start, net_amount, orders from marts.kpi_revenue "
            "where grain = 'month' and entity_type = 'company' and orders > 0 order by 1"
        ).fetchall()
    assert [(f"{month:%Y-%m}", amount, orders) for month, amount, orders in rows] == [
        ("2025-01", Decimal("1234.5"), 1),  # 31 January in Warsaw is 30 January, 23:00, in UTC
        ("2025-02", Decimal("10.55"), 2),  # the cancelled one does not count
    ]


def test_times_and_keys_are_read_as_they_are_written(webshop: Installation) -> None:
    with webshop.warehouse() as connection:
        [[order_id, updated_at, status, deleted]] = connection.execute(
            "select order_id, cast(updated_at as varchar), status, is_deleted from staging.stg_webshop__orders "
            "where order_id like '%17'"
        ).fetchall()
    assert (order_id, updated_at, status, deleted) == ("00017", "2025-02-02 09:15:00", "opłacone", False)


def test_no_name_or_address_of_a_person_gets_past_the_log_of_deliveries(webshop: Installation) -> None:
    with webshop.warehouse() as connection:
        tables = connection.execute(
            "select table_schema || '.' || table_name from information_schema.tables where table_name not like 'base_%'"
        ).fetchall()
        assert len(tables) > 30
        for (table,) in tables:
            cells = str(connection.execute(f"select * from {table}").fetchall())
            assert "Kowalski" not in cells, table
            assert "example.com" not in cells, table


def test_a_broken_file_is_tried_and_nothing_is_touched(webshop: Installation, tmp_path: Path) -> None:
    def content() -> list[Path]:
        return sorted(path for path in webshop.data_dir.rglob("*") if path.suffix not in (".lock", ".writer"))

    before = content()
    broken = tmp_path / "anything.csv"
    broken.write_bytes(ORDERS.replace("Klient", "Kunde").encode("cp1250"))
    tried = webshop.kpi("sources", "check", "webshop", "--file", str(broken), "--date", "2025-03-01", check=False)
    assert tried.returncode == 1
    assert tried.stdout.startswith("refused  webshop/orders_2025-03-01.csv: row 1 (header): column 'Klient' is missing")
    assert "This was a dry run: nothing was landed, moved or published." in tried.stdout
    assert content() == before
    assert broken.exists()
    nothing = webshop.kpi("sources", "check", "webshop", "--date", "2025-03-02", check=False)
    assert nothing.returncode == 2
    assert "contains no files of webshop for 2025-03-02. Files that have landed: 2025-02-28." in nothing.stderr
    assert "kpi sources check webshop --date 2025-02-28" in nothing.stderr


@pytest.mark.nightly
def test_a_dry_run_says_which_checks_would_keep_it_from_being_published(webshop: Installation, tmp_path: Path) -> None:
    header, first, *_ = ORDERS.splitlines(keepends=True)
    file = tmp_path / "orders.csv"
    file.write_bytes((header + first + 3 * first.replace("1.234,50 zł", "viel")).encode("cp1250"))
    tried = webshop.kpi("sources", "check", "webshop", "--file", str(file), "--date", "2025-03-01", check=False)
    assert tried.returncode == 1
    assert "blocks   staging.base_webshop__orders: most_rows_are_readable: 1 of" in tried.stdout
    assert "warns    staging.base_webshop__orders: rows_are_readable: 1 of" in tried.stdout
    assert "A real run would publish nothing until this is fixed" in tried.stdout


def test_a_staging_model_without_a_column_of_its_entity_is_named(webshop: Installation, tmp_path: Path) -> None:
    folder = tmp_path / "edited"
    shutil.copytree(webshop.config.parent, folder, ignore=shutil.ignore_patterns("dbt"))
    edited = Installation(folder / "data", folder / "kpi.yml")
    model = folder / "company" / "models" / "staging" / "webshop" / "stg_webshop__orders.sql"
    model.write_text(f"select * exclude (region) from (\n{model.read_text(encoding='utf-8')}\n)", encoding="utf-8")
    with pytest.raises(AssertionError, match=r"stg_webshop__orders lacks region\. A staging model of orders has every"):
        edited.build(models="+int_orders")


def test_a_draft_is_not_written_over(webshop: Installation) -> None:
    file = webshop.data_dir / "landing" / "webshop" / "orders_2025-02-28.csv"
    model = webshop.config.parent / "company" / "models" / "staging" / "webshop" / "stg_webshop__orders.sql"
    model.write_text("-- mine\n", encoding="utf-8")
    refused = webshop.kpi("sources", "add", str(file), check=False)
    assert refused.returncode == 2
    assert "--force" in refused.stderr
    assert model.read_text(encoding="utf-8") == "-- mine\n"


@pytest.mark.nightly
def test_a_draft_without_what_it_needs_does_not_build_and_says_what(webshop: Installation, tmp_path: Path) -> None:
    leads = tmp_path / "leads_2025-02-28.csv"
    leads.write_text("lead_id,created_at,lead_source\n1,01/02/2025,web\n2,03/04/2025,web\n", encoding="utf-8")
    assert (
        "The models do not build until these are mapped: created_at"
        in webshop.kpi("sources", "add", str(leads), "--name", "crm2").stdout
    )
    webshop.kpi(
        "dbt", "--", "ls", "--select", "stg_webshop__orders"
    )  # a draft that is not enabled does not affect anything else
    switched_on = replace(webshop, environment={"KPI_SOURCES": "webshop,crm2"})
    refused = switched_on.kpi("dbt", "--", "compile", "--select", "stg_crm2__leads", check=False)
    assert refused.returncode != 0
    assert "stg_crm2__leads: created_at is not mapped" in refused.stdout


def test_what_is_no_table_is_an_error_in_words(webshop: Installation, tmp_path: Path) -> None:
    page = tmp_path / "orders.csv"
    page.write_text("<!doctype html><title>404</title>", encoding="utf-8")
    refused = webshop.kpi("sources", "add", str(page), check=False)
    assert refused.returncode == 2
    assert "orders.csv: this is HTML" in refused.stderr
    assert "Traceback" not in refused.stderr
