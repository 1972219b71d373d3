"""Which days `kpi run` runs."""

from datetime import date
from pathlib import Path

import pytest

from pipelines.ingest.landing import raw_file
from pipelines.run import NothingDeliveredError, Plan, plan
from pipelines.settings import Settings
from pipelines.sources import Source

JANUARY = [date(2025, 1, day) for day in range(1, 32)]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        sources=["shop"],
        first_delivery=JANUARY[0],
        time_zone="UTC",
        reporting_currency="EUR",
        data_dir=tmp_path,
    )


@pytest.fixture
def sources() -> list[Source]:
    table = {"description": "T", "format": "csv", "columns": ["id"], "key": ["id"]}
    tables = {name: {**table, "path": f"{name}_{{delivered_on}}.csv"} for name in ("orders", "refunds")}
    return [
        Source.model_validate(
            {
                "name": "shop",
                "description": "S",
                "connector": "files",
                "owner": "team:x",
                "sla": "06:00",
                "entities": ["orders"],
                "tables": tables,
            }
        )
    ]


def deliver(settings: Settings, table: str, *days: date) -> None:
    settings.landing_dir.mkdir(exist_ok=True)
    for day in days:
        (settings.landing_dir / f"{table}_{day}.csv").write_text("id\n1\n")


def landed(settings: Settings, table: str, *days: date) -> None:
    for day in days:
        file = raw_file(settings.raw_dir, "shop", table, day)
        file.parent.mkdir(parents=True)
        file.touch()


def test_a_first_load_goes_in_one_run_gaps_included(settings: Settings, sources: list[Source]) -> None:
    deliver(settings, "orders", JANUARY[0], JANUARY[2])
    assert plan(settings, sources) == Plan(JANUARY[0:3], in_one_run=True)


def test_new_days_after_a_first_load_go_in_one_run_too(settings: Settings, sources: list[Source]) -> None:
    deliver(settings, "orders", *JANUARY[0:4])
    landed(settings, "orders", *JANUARY[0:2])
    assert plan(settings, sources) == Plan(JANUARY[2:4], in_one_run=True)


def test_a_table_delivered_late_makes_its_day_run_again(settings: Settings, sources: list[Source]) -> None:
    for table in ("orders", "refunds"):
        deliver(settings, table, *JANUARY[0:3])
    landed(settings, "orders", *JANUARY[0:3])
    landed(settings, "refunds", JANUARY[0], JANUARY[2])
    assert plan(settings, sources) == Plan([JANUARY[1]], in_one_run=False)


def test_when_nothing_is_new_the_newest_day_runs_again(settings: Settings, sources: list[Source]) -> None:
    deliver(settings, "orders", *JANUARY[0:2])
    landed(settings, "orders", *JANUARY[0:2])
    assert plan(settings, sources) == Plan([JANUARY[1]], in_one_run=False)


def test_a_repair_of_several_days_is_a_run_per_day(settings: Settings, sources: list[Source]) -> None:
    landed(settings, "orders", JANUARY[1])
    assert plan(settings, sources, JANUARY[0], JANUARY[2]) == Plan(JANUARY[0:3], in_one_run=False)


def test_no_delivery_at_all_says_where_to_put_one(settings: Settings, sources: list[Source]) -> None:
    with pytest.raises(NothingDeliveredError, match="holds no delivery since 2025-01-01"):
        plan(settings, sources)
