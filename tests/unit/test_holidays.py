"""Public holidays, and how models learn of them."""

from datetime import date
from pathlib import Path

import duckdb
import pytest

from pipelines.config_files import ConfigError
from pipelines.deliveries.model_inputs import ensure_files
from pipelines.holidays import public_holidays
from pipelines.settings import Settings


def settings(folder: Path, country: str | None) -> Settings:
    return Settings.model_validate(
        {
            "sources": ["shop"],
            "first_delivery": "2025-03-03",
            "time_zone": "Europe/Warsaw",
            "reporting_currency": "EUR",
            "holiday_country": country,
            "data_dir": folder,
            "company_dir": folder,
        }
    )


def test_a_country_without_known_holidays_is_refused(tmp_path: Path) -> None:
    for country in ("XX", "DE-XX", "Poland"):
        with pytest.raises(ConfigError, match=f"setting holiday_country: no public holidays are known for '{country}'"):
            public_holidays(settings(tmp_path, country))
    assert public_holidays(settings(tmp_path, "DE-BY"))[date(2025, 1, 6)] == "Epiphany"


def test_models_read_the_holidays_of_the_setting(tmp_path: Path) -> None:
    """Also those of years before the first delivery, which may contain a history; without a country there are none."""
    file = tmp_path / "raw" / "pipeline" / "public_holidays" / "now" / "rows.parquet"

    def told(country: str | None) -> dict[date, str]:
        ensure_files(settings(tmp_path, country))
        return dict(duckdb.execute(f"select holiday_date, holiday_name from '{file}'").fetchall())

    polish = told("PL")
    assert polish[date(2025, 11, 11)] == "National Independence Day"
    assert date(2016, 5, 3) in polish
    assert date(2025, 10, 3) in told("DE")
    assert told(None) == {}


def test_the_file_of_holidays_is_replaced_only_if_they_differ(tmp_path: Path) -> None:
    """A new file would make dbt build again what reads it."""
    file = tmp_path / "raw" / "pipeline" / "public_holidays" / "now" / "rows.parquet"
    ensure_files(settings(tmp_path, "PL"))
    before = file.stat().st_ino
    ensure_files(settings(tmp_path, "PL"))
    assert file.stat().st_ino == before
    ensure_files(settings(tmp_path, "DE"))
    assert file.stat().st_ino != before
