"""`kpi init`, and the settings that change as sources are added."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from pipelines.config_files import ConfigError
from pipelines.onboarding.installation import change_settings, create_installation
from pipelines.partitions import business_day
from pipelines.publish.events import load_events
from pipelines.settings import load_settings, settings_file


def test_a_new_installation_has_settings_that_load_and_folders(tmp_path: Path) -> None:
    settings = create_installation(tmp_path / "new", "pln", "Europe/Warsaw", "PL", ["shopify", "hubspot"])
    assert settings == load_settings(tmp_path / "new" / "kpi.yml")
    assert (settings.reporting_currency, settings.time_zone, settings.holiday_country) == ("PLN", "Europe/Warsaw", "PL")
    assert settings.sources == ["shopify", "hubspot"]
    assert settings.first_delivery == business_day(settings) - timedelta(days=1)
    assert settings.company_dir == tmp_path / "new" / "company"
    assert (settings.landing_dir / "shopify").is_dir()


def test_the_events_file_of_a_new_installation_shows_how_and_one_that_is_there_stays(tmp_path: Path) -> None:
    file = create_installation(tmp_path / "new", "EUR", "UTC").events_file
    assert load_events(file) == []
    file.write_text(file.read_text(encoding="utf-8").replace("\n#  ", "\n  "), encoding="utf-8")
    assert [event.text for event in load_events(file)] == ["Black Friday", "The shop was closed"]
    (tmp_path / "new" / "kpi.yml").unlink()
    create_installation(tmp_path / "new", "EUR", "UTC")
    assert len(load_events(file)) == 2


def test_a_fiscal_year_begins_in_the_month_that_is_given(tmp_path: Path) -> None:
    assert create_installation(tmp_path / "april", "EUR", "UTC", fiscal_year_start_month=4).fiscal_year_start_month == 4
    assert create_installation(tmp_path / "january", "EUR", "UTC").fiscal_year_start_month == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"currency": "euro"}, "--currency: 'EURO' is not a currency code of three capital letters"),
        ({"time_zone": "Mars/One"}, "--time-zone: no time zone is called 'Mars/One'"),
        ({"fiscal_year_start_month": 13}, "--fiscal-year-start-month: .*12"),
        ({"country": "XX"}, "holiday_country: no public holidays are known for 'XX'"),
        ({"sources": ["sap"]}, "--sources: 'sap' is not a source that the project ships. These are: .*shopify"),
    ],
)
def test_a_value_that_is_not_valid_is_named_and_nothing_is_written(
    tmp_path: Path, options: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        create_installation(tmp_path / "new", **{"currency": "EUR", "time_zone": "UTC", **options})  # type: ignore[arg-type]
    assert not (tmp_path / "new").exists()


def test_a_variable_does_not_stand_in_for_what_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KPI_REPORTING_CURRENCY", "USD")
    with pytest.raises(ConfigError, match="--currency: 'EURO'"):
        create_installation(tmp_path / "new", "euro", "UTC")
    assert not (tmp_path / "new").exists()


def test_an_installation_is_not_written_over(tmp_path: Path) -> None:
    create_installation(tmp_path, "EUR", "UTC")
    before = (tmp_path / "kpi.yml").read_text(encoding="utf-8")
    with pytest.raises(ConfigError, match="already exists"):
        create_installation(tmp_path, "USD", "UTC")
    assert (tmp_path / "kpi.yml").read_text(encoding="utf-8") == before


def test_settings_in_the_current_folder_come_before_the_projects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KPI_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    assert settings_file() != tmp_path / "kpi.yml"
    create_installation(tmp_path, "USD", "UTC")
    assert settings_file() == tmp_path / "kpi.yml"
    monkeypatch.setenv("KPI_CONFIG", "other.yml")
    assert settings_file() == tmp_path / "other.yml"


def test_settings_change_line_by_line_and_comments_stay(tmp_path: Path) -> None:
    path = tmp_path / "kpi.yml"
    path.write_text("# ours\nsources: [a]   # the shop\nfirst_delivery: 2025-01-01\n\nkpis:\n  active_days: 30\n")
    change_settings(path, {"sources": ["a", "b"], "last_delivery": date(2025, 2, 1)})
    assert path.read_text() == (
        "# ours\nsources: [a, b]   # the shop\nfirst_delivery: 2025-01-01\nlast_delivery: 2025-02-01\n\n"
        "kpis:\n  active_days: 30\n"
    )


def test_settings_that_cannot_be_changed_line_by_line_are_left_and_the_change_is_named(tmp_path: Path) -> None:
    path = tmp_path / "kpi.yml"
    written = "first_delivery: 2025-01-01\nsources:\n  - a\n"
    path.write_text(written)
    with pytest.raises(ConfigError, match=r"kpi.yml: cannot be changed automatically. Set: sources: \[a, b\]"):
        change_settings(path, {"sources": ["a", "b"]})
    assert path.read_text() == written
