"""One table that delivers files every day, with the rules that apply to every table."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipelines.checks.assets import delivered_days
from pipelines.checks.results import CheckResult
from pipelines.checks.source_suites import suites_of
from pipelines.deliveries.judging import Judged, judge_landed
from pipelines.deliveries.standing import Standing
from pipelines.ingest.gate import DeliveryError
from pipelines.ingest.landing import land
from pipelines.quarantine.files import QuarantinedFiles
from pipelines.settings import Settings
from pipelines.sources import Source
from pipelines.warehouse import sandboxed

DAYS = [date(2025, 1, day) for day in range(1, 32)]


@dataclass
class Shop:
    """A source called shop with a table called orders, and the deliveries of its days."""

    settings: Settings
    source: Source
    refused: list[str] = field(default_factory=list)

    def deliver(self, day: date, text: str, part: str = "a") -> None:
        """Put a file of one day into the landing folder and land it."""
        file = self.settings.landing_dir / f"orders_{day}_{part}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        self.land(day)

    def land(self, day: date) -> None:
        """Land what is in the landing folder for one day."""
        settings = self.settings
        quarantine = QuarantinedFiles(settings.quarantine_dir / "files", settings.landing_dir)
        settings.landing_dir.mkdir(parents=True, exist_ok=True)
        with sandboxed(settings.landing_dir, settings.raw_dir) as database:
            try:
                table = self.source.tables["orders"]
                land("shop", "orders", table, day, settings.landing_dir, settings.raw_dir, database, quarantine)
            except DeliveryError as error:
                self.refused.append(str(error))

    def judge(self, *days: date) -> list[CheckResult]:
        """Judge the deliveries of a run of these days."""
        table = self.source.tables["orders"]
        suite, _ = suites_of(self.source, "orders", table)
        return judge_landed(
            Judged(self.standing, self.source, "orders", suite, "run"),
            days,
            lambda judged: delivered_days(self.settings, "shop", "orders", suite, judged),
        )

    @property
    def standing(self) -> Standing:
        return Standing(self.settings, [self.source])

    @property
    def states(self) -> dict[date, str]:
        """The state of each delivery, by day."""
        return {day: delivery.state for day, delivery in self.standing.of_table("shop", "orders").items()}


@pytest.fixture
def open_shop(tmp_path: Path, database: str | None) -> Callable[..., Shop]:
    """A shop. `table` and `source` are keys of its YAML."""

    def opened(table: dict[str, Any] | None = None, **source: Any) -> Shop:
        orders = {
            "description": "T",
            "path": "orders_{delivered_on}_*.csv",
            "format": "csv",
            "columns": ["id", "amount"],
            "key": ["id"],
            "volume": False,
            "same_file_again": "allowed",
        }
        settings = Settings(
            sources=["shop"],
            first_delivery=DAYS[0],
            time_zone="UTC",
            reporting_currency="EUR",
            data_dir=tmp_path,
            company_dir=tmp_path / "company",
            database_env="KPI_DATABASE" if database else None,
        )
        described = {
            "name": "shop",
            "description": "S",
            "connector": "files",
            "owner": "team:x",
            "sla": "06:00",
            "entities": ["orders"],
            "tables": {"orders": {**orders, **(table or {})}},
            **source,
        }
        return Shop(settings, Source.model_validate(described))

    return opened
