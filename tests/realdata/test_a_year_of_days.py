"""A year of a real shop's daily files, closed on Sundays and holidays: how its row counts are judged."""

from datetime import date, timedelta
from functools import partial
from pathlib import Path

import holidays
import pandas as pd
import pytest

from pipelines.checks.assets import delivered_days
from pipelines.checks.results import CheckResult
from pipelines.checks.source_suites import suites_of
from pipelines.checks.validation import validate
from pipelines.ingest.landing import first_live_day, land
from pipelines.settings import Settings
from pipelines.sources import Source
from pipelines.warehouse import sandboxed

SOURCE = Source.model_validate(
    {
        "name": "cdnow",
        "description": "A shop for music.",
        "connector": "files",
        "owner": "team:commerce",
        "sla": "06:00",
        "entities": ["orders"],
        "tables": {
            "purchases": {
                "description": "What was sold on the day.",
                "path": "purchases_{delivered_on}.csv",
                "format": "csv",
                "columns": ["customer_id", "date", "number_of_cds", "dollar_value"],
                "key": ["customer_id"],
                "date_column": "date",
                "empty_day": "allowed",
            }
        },
    }
)
FIRST, NEW_YEAR = date(1997, 1, 1), date(1998, 1, 1)
# From 26 March 1997 on, the data cover only earlier customers: for weeks, a third of the rows of a day.
FEWER_CUSTOMERS = date(1997, 3, 26)


class Shop:
    """Lands the shop's days as `kpi run` does, and judges them as its checks do."""

    def __init__(self, folder: Path, purchases: pd.DataFrame) -> None:
        self.settings = Settings.model_validate(
            {
                "sources": ["cdnow"],
                "first_delivery": FIRST,
                "time_zone": "America/New_York",
                "reporting_currency": "USD",
                "data_dir": folder,
                "company_dir": folder,
            }
        )
        self.settings.landing_dir.mkdir()
        is_closed = purchases["date"].map(partial(_is_closed, holidays.country_holidays("US")))
        for day, rows in purchases[~is_closed].groupby("date"):
            rows.to_csv(self.settings.landing_dir / f"purchases_{day}.csv", index=False)

    def run(self, first: date, last: date) -> dict[str, CheckResult]:
        """The results of the raw checks for these days, in one run."""
        raw_dir, table = self.settings.raw_dir, SOURCE.tables["purchases"]
        days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
        with sandboxed(self.settings.landing_dir, raw_dir) as database:
            live_from = first_live_day(database, raw_dir, "cdnow", "purchases", days)
            for day in days:
                arguments = "cdnow", "purchases", table, day, self.settings.landing_dir, raw_dir, database
                land(*arguments, is_history=day < live_from)
        return self.judged(days)

    def judged(self, days: list[date]) -> dict[str, CheckResult]:
        suite, _ = suites_of(SOURCE, "purchases", SOURCE.tables["purchases"])
        found = validate(suite, delivered_days(self.settings, "cdnow", "purchases", suite, days))
        assert [result.check for result in found if result.error] == []
        return {result.check: result for result in found}


def _is_closed(days_off: holidays.HolidayBase, day: date) -> bool:
    return day.isoweekday() == 7 or day in days_off


def _blocked(found: dict[str, CheckResult]) -> dict[str, tuple[str, ...]]:
    return {
        check: result.failing_days
        for check, result in found.items()
        if not result.passed and result.severity == "critical"
    }


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, real_data_dir: Path) -> Shop:
    purchases = pd.read_csv(real_data_dir / "cdnow" / "CDNOW_master.txt", sep=r"\s+", dtype=str)
    purchases["date"] = pd.to_datetime(purchases["date"], format="%Y%m%d").dt.date
    return Shop(tmp_path_factory.mktemp("cdnow"), purchases)


@pytest.mark.nightly
def test_a_year_of_days_at_first_and_then_day_by_day_is_never_blocked(shop: Shop) -> None:
    first_load = shop.run(FIRST, NEW_YEAR - timedelta(days=1))
    assert _blocked(first_load) == {}
    unusual = first_load["row_count_is_usual"].failing_days
    assert str(FEWER_CUSTOMERS) in unusual  # history warns
    assert str(FEWER_CUSTOMERS) in first_load["row_count_is_usual"].message
    for day in (NEW_YEAR + timedelta(days=number) for number in range(6)):  # including a holiday and a Sunday
        assert _blocked(shop.run(day, day)) == {}, day


@pytest.mark.nightly
def test_a_day_with_few_of_its_rows_is_blocked_alone_and_among_others(shop: Shop) -> None:
    broken, following = NEW_YEAR + timedelta(days=6), NEW_YEAR + timedelta(days=7)
    file = shop.settings.landing_dir / f"purchases_{broken}.csv"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:5]))
    expected = {"row_count_is_plausible": ("1998-01-07",)}
    assert _blocked(shop.run(broken, broken)) == expected
    assert _blocked(shop.run(broken, following)) == expected
    assert _blocked(shop.run(following, following)) == {}
