"""A service whose notices can be read, time that passes when a test says so, and a separate Dagster instance."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipelines.alerts.incidents import Incident
from pipelines.alerts.outbox import Flushed
from pipelines.alerts.reports import Finding, Report
from pipelines.alerts.routes import AlertsFile
from pipelines.alerts.service import AlertService, Ingested
from pipelines.alerts.store import Store
from pipelines.settings import PROJECT_DIR, Settings, load_settings

MONDAY = datetime(2026, 1, 12, 5, tzinfo=UTC)  # 06:00 in Warsaw

ONE_FILE = {"channels": {"people": {"kind": "file", "path": "people.jsonl"}}, "routes": [{"channels": ["people"]}]}


def finding(asset: str = "staging/orders", check: str = "order_id_unique", **values: Any) -> Finding:
    """A critical finding that failed, unless `values` override this."""
    usual = {"severity": "critical", "passed": False, "message": "3 of 100 rows are duplicates"}
    return Finding(asset, check, **{**usual, **values})


@cache
def settings_of(folder: Path, database_env: str | None) -> Settings:
    """The settings of a `World`. Reading all variables takes as long as taking in a report."""
    return Settings(
        sources=["shop"],
        first_delivery=date(2026, 1, 1),
        time_zone="Europe/Warsaw",
        reporting_currency="EUR",
        data_dir=folder,
        database_env=database_env,
    )


@dataclass
class World:
    """An installation in `folder` with the given `alerts.yml`, here a dictionary."""

    folder: Path
    said: dict[str, Any] = field(default_factory=lambda: ONE_FILE)
    now: datetime = MONDAY
    reports: int = 0
    database_env: str | None = None

    @property
    def settings(self) -> Settings:
        return settings_of(self.folder, self.database_env)

    @property
    def service(self) -> AlertService:
        store = Store(self.settings.alerts_path, self.settings.database_url)
        return AlertService(store, AlertsFile.model_validate(self.said), self.settings)

    def later(self, **duration: float) -> None:
        self.now += timedelta(**duration)

    def report(self, *findings: Finding, flush: bool = True, **values: Any) -> Ingested:
        """Process a report of the current time, and send the notices that are due."""
        self.reports += 1
        report = Report(**{"report_id": f"run {self.reports}", "at": self.now, "findings": findings, **values})
        taken = self.service.ingest(report, self.now)
        if flush:
            self.flush()
        return taken

    def fails(self, **values: Any) -> Ingested:
        return self.report(finding(**values))

    def passes(self, **values: Any) -> Ingested:
        return self.report(finding(passed=True, message="All rows differ.", **values))

    def flush(self) -> Flushed:
        return self.service.outbox.flush(self.now)

    def tick(self) -> None:
        self.service.tick(self.now)
        self.flush()

    def notices(self, channel: str = "people") -> list[dict[str, Any]]:
        """What was sent to a file channel."""
        path = self.folder / f"{channel}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def heard(self, channel: str = "people") -> list[str]:
        """A summary of what was sent: why each notice reports its first incident."""
        return [notice["incidents"][0]["because"] for notice in self.notices(channel)]

    def incidents(self) -> list[Incident]:
        """All incidents, oldest first."""
        with self.service.store.transaction() as transaction:
            return transaction.incidents(resolved=True)

    def incident(self) -> Incident:
        """The newest incident."""
        return self.incidents()[-1]

    def queued(self) -> int:
        with self.service.store.transaction() as transaction:
            return len(transaction.notices("queued"))


@pytest.fixture
def world(tmp_path: Path, database: str | None) -> World:
    """An installation with one channel, `people`, which receives all critical and warning incidents."""
    return World(tmp_path, database_env="KPI_DATABASE" if database else None)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The shipped settings, with an empty data folder."""
    return load_settings(PROJECT_DIR / "kpi.yml").with_data_dir(tmp_path)


@pytest.fixture
def instance(tmp_path: Path, new_dagster_home: Path) -> Iterator[dg.DagsterInstance]:
    """A Dagster instance without history."""
    home = shutil.copytree(new_dagster_home, tmp_path / "dagster")
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        yield instance
