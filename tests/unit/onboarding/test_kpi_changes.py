"""A dry run names every value of every KPI, variant and cut that would change."""

import csv
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from rich.console import Console

from pipelines.cli.printing.dry_run import print_dry_run, write_changes
from pipelines.cli.printing.output import UsageError
from pipelines.onboarding.dry_run import DryRun
from pipelines.onboarding.kpi_changes import Change, Extent, Place, extents, kpi_changes

JANUARY, FEBRUARY = date(2025, 1, 1), date(2025, 2, 1)


def scorecard(file: Path, values: str) -> Path:
    """A file with a scorecard: month, KPI, variant, entity type, entity and value."""
    with duckdb.connect(str(file)) as connection:
        connection.execute("create schema marts")
        connection.execute("create table marts.kpi_catalogue as select 'revenue' as kpi_id, 'net' as default_variant")
        connection.execute(
            "create table marts.kpi_variants as from (values "
            "('revenue', 'net', 'money'), ('revenue', 'orders', 'count')) as t(kpi_id, variant, unit)"
        )
        connection.execute(
            "create table marts.kpi_scorecard__monthly as select period_month, 'revenue' as kpi_id, variant, "
            f"entity_type, entity_id, cast(value as decimal(38, 12)) as value from (values {values}) "
            "as t(period_month, variant, entity_type, entity_id, value)"
        )
    return file


@pytest.fixture
def changes(tmp_path: Path) -> list[Change]:
    before = scorecard(
        tmp_path / "published.duckdb",
        """
        (date '2025-01-01', 'net', 'company', 'company', 10), (date '2025-01-01', 'net', 'channel', 'web', 10),
        (date '2025-01-01', 'net', 'region', 'east', 10), (date '2025-01-01', 'orders', 'company', 'company', 3)
        """,
    )
    after = scorecard(
        tmp_path / "warehouse.duckdb",
        """
        (date '2025-01-01', 'net', 'company', 'company', 10), (date '2025-01-01', 'net', 'channel', 'web', 8),
        (date '2025-01-01', 'net', 'channel', 'shop', 2), (date '2025-01-01', 'net', 'channel', 'phone', 0),
        (date '2025-01-01', 'orders', 'company', 'company', null), (date '2025-02-01', 'net', 'company', 'company', 7)
        """,
    )
    return kpi_changes(before, after)


def test_values_of_any_variant_and_cut_that_change_come_or_go_are_found(changes: list[Change]) -> None:
    def of(month: date, variant: str, entity_type: str, entity: str) -> Place:
        return Place(month, "revenue", variant, entity_type, entity)

    assert changes == [
        Change(of(JANUARY, "net", "channel", "shop"), "money", False, None, Decimal(2)),
        Change(of(JANUARY, "net", "channel", "web"), "money", False, Decimal(10), Decimal(8)),
        Change(of(JANUARY, "net", "region", "east"), "money", False, Decimal(10), None),
        Change(of(JANUARY, "orders", "company", "company"), "count", False, Decimal(3), None),
        Change(of(FEBRUARY, "net", "company", "company"), "money", True, None, Decimal(7)),
    ]


def test_the_extent_counts_values_by_cut_the_company_first(changes: list[Change]) -> None:
    assert extents(changes) == [
        Extent("revenue", ["net", "orders"], {"company": 2, "channel": 2, "region": 1}, JANUARY, FEBRUARY)
    ]


def test_before_the_first_publication_every_value_is_new(tmp_path: Path) -> None:
    after = scorecard(tmp_path / "warehouse.duckdb", "(date '2025-01-01', 'net', 'company', 'company', 10)")
    [change] = kpi_changes(tmp_path / "nothing.duckdb", after)
    assert (change.before, change.after) == (None, Decimal(10))


def test_a_change_of_a_cut_alone_is_told(changes: list[Change], capsys: pytest.CaptureFixture[str]) -> None:
    of_channels = [change for change in changes if change.place.entity_type == "channel"]
    print_dry_run(DryRun(changes=of_channels, published_as_of=JANUARY), "shop", Console(width=120))
    printed = capsys.readouterr().out
    assert "Compared with the publication as of 2025-01-01:" in printed
    assert "│ revenue │ net      │ channel 2 │ 2025-01 │" in printed
    assert "How the company's KPIs would change" not in printed


def test_all_changes_can_be_written_to_a_file(changes: list[Change], tmp_path: Path) -> None:
    file = tmp_path / "changes.csv"
    write_changes(changes, file)
    with file.open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == len(changes)
    assert (rows[1]["entity_id"], float(rows[1]["published"]), float(rows[1]["then"])) == ("web", 10, 8)
    with pytest.raises(UsageError, match=r"must end with \.csv, \.json or \.xlsx"):
        write_changes(changes, tmp_path / "changes.parquet")
