"""`kpi init`: a new installation in a folder of its own; and its settings as sources are added.

Belongs here: the text of a new `kpi.yml`, and changing single settings in one that a person may have edited.
Does not belong here: what the settings mean (`settings.py`), and what a source is (`adding.py`).
"""

import os
import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pipelines.config_files import ConfigError, problem_in_words
from pipelines.holidays import public_holidays
from pipelines.partitions import business_day
from pipelines.settings import PROJECT_DIR, Settings, SettingsFile, load_settings, settings_file
from pipelines.sources import shipped_sources

_SETTINGS = """\
# Settings of this installation. An environment variable overrides the key of the same name: KPI_TIME_ZONE=…
# README.md and docs/ of the project explain each of them.

sources: [{sources}]
company_dir: company
first_delivery: {first_delivery}
time_zone: {time_zone}
reporting_currency: {currency}
{fiscal_year}
{country}
"""
_EVENTS = """\
# What happened, and when: `kpi show` marks the periods, and lists it below. docs/operations.md explains it.

events:
#  - date: 2025-11-28
#    text: Black Friday
#  - from: 2025-12-01
#    to: 2025-12-14
#    text: The shop was closed
#    kpis: [revenue, sales_growth]   # by default, all
#    entity: channel=web             # by default, all
"""
_OPTIONS = {
    "reporting_currency": "--currency",
    "time_zone": "--time-zone",
    "fiscal_year_start_month": "--fiscal-year-start-month",
}
_ANY_DAY = date(2000, 1, 1)  # the first delivery day follows from the time zone, once that is known to exist


def create_installation(
    folder: Path,
    currency: str,
    time_zone: str,
    country: str | None = None,
    sources: Sequence[str] = (),
    fiscal_year_start_month: int = 1,
) -> Settings:
    """Write `kpi.yml`, `company/events.yml` and `data/landing/` to `folder`, and return the settings.

    `country` is the one whose public holidays are observed. `sources` are shipped sources to start with. The first
    delivery day is yesterday, until an older file is added.

    Raises:
        ConfigError: the folder already has settings, or a value is not valid. Nothing is written then.
    """
    path = folder / "kpi.yml"
    if path.exists():
        raise ConfigError(f"{path}: already exists. Edit it, or make the new installation in another folder.")
    if unknown := [name for name in sources if name not in shipped_sources()]:
        raise ConfigError(
            f"--sources: {unknown[0]!r} is not a source that the project ships. These are: "
            f"{', '.join(shipped_sources())}. Add files of your own afterwards: kpi sources add FILE."
        )
    try:
        checked = SettingsFile(
            sources=list(sources),
            first_delivery=_ANY_DAY,
            time_zone=time_zone,
            reporting_currency=currency.upper(),
            fiscal_year_start_month=fiscal_year_start_month,
            holiday_country=country,
        )
    except ValidationError as error:
        problem = error.errors()[0]
        raise ConfigError(f"{_OPTIONS[str(problem['loc'][0])]}: {problem_in_words(problem)}") from None
    public_holidays(checked)
    content = _SETTINGS.format(
        sources=", ".join(sources),
        first_delivery=business_day(checked) - timedelta(days=1),
        time_zone=time_zone,
        currency=checked.reporting_currency,
        fiscal_year=f"{'# ' if fiscal_year_start_month == 1 else ''}fiscal_year_start_month: {fiscal_year_start_month}",
        country=f"holiday_country: {country}" if country else "# holiday_country: DE-BY",
    )
    for place in (folder / "company", *(folder / "data" / "landing" / name for name in sources or [""])):
        place.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    settings = load_settings(path)
    if not settings.events_file.exists():
        settings.events_file.write_text(_EVENTS, encoding="utf-8")
    return settings


def is_changeable() -> bool:
    """True unless the settings are the project's own, whose data are the demo company's, or come from a variable."""
    return settings_file() != PROJECT_DIR / "kpi.yml" and "KPI_SOURCES" not in os.environ


def change_settings(path: Path, changes: Mapping[str, Any]) -> None:
    """Change these keys in the settings file. Every other line stays as its author wrote it.

    Raises:
        ConfigError: a key is written in a way that cannot be changed line by line. The file is left as it was.
    """
    before = path.read_text(encoding="utf-8")
    lines = before.splitlines()
    for key, value in changes.items():
        line = f"{key}: {_in_yaml(value)}"
        places = [number for number, text in enumerate(lines) if re.match(rf"{key}:", text)]
        if places:
            comment = re.search(r"\s+#.*$", lines[places[0]])
            lines[places[0]] = line + (comment[0] if comment else "")
        else:
            beside = [number for number, text in enumerate(lines) if text.startswith("first_delivery:")]
            lines.insert(beside[0] + 1 if beside else len(lines), line)
    content = "\n".join([*lines, ""])
    try:
        is_changed = yaml.safe_load(content) == {**yaml.safe_load(before), **changes}
    except yaml.YAMLError:
        is_changed = False
    if not is_changed:
        wanted = "; ".join(f"{key}: {_in_yaml(value)}" for key, value in changes.items())
        raise ConfigError(f"{path}: cannot be changed automatically. Set: {wanted}")
    path.write_text(content, encoding="utf-8")


def _in_yaml(value: Any) -> str:
    return f"[{', '.join(value)}]" if isinstance(value, list) else str(value)
