"""Which days `kpi run` runs."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from pipelines.config_files import ConfigError
from pipelines.ingest.arrivals import newest_delivery
from pipelines.ingest.landing import raw_file
from pipelines.partitions import business_day, delivery_days
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


def test_after_the_last_delivery_a_day_is_run_only_if_it_was_delivered(
    settings: Settings, sources: list[Source]
) -> None:
    ended = settings.model_copy(update={"last_delivery": JANUARY[1]})
    deliver(ended, "orders", JANUARY[0], JANUARY[2])
    assert plan(ended, sources).days == JANUARY[:3]
    assert plan(ended, sources, JANUARY[2], JANUARY[2]).days == [JANUARY[2]]
    with pytest.raises(ConfigError, match="2025-01-04 lies after last_delivery, 2025-01-02"):
        plan(ended, sources, JANUARY[3], JANUARY[3])


def test_delivery_days_end_with_the_last_delivery_or_what_came_after_it(
    settings: Settings, sources: list[Source]
) -> None:
    ended = settings.model_copy(update={"last_delivery": JANUARY[1]})
    assert delivery_days(ended).get_last_partition_key() == "2025-01-02"
    deliver(ended, "orders", JANUARY[0])
    assert delivery_days(ended, newest_delivery(ended, sources)).get_last_partition_key() == "2025-01-02"
    deliver(ended, "orders", JANUARY[2])
    landed(ended, "refunds", JANUARY[3])
    assert delivery_days(ended, newest_delivery(ended, sources)).get_last_partition_key() == "2025-01-04"


def test_delivery_days_go_on_where_deliveries_do(settings: Settings) -> None:
    yesterday = business_day(settings) - timedelta(days=1)
    assert delivery_days(settings).get_last_partition_key() == str(yesterday)
    far = settings.model_copy(update={"last_delivery": yesterday + timedelta(days=900)})
    assert delivery_days(far).get_last_partition_key() == str(yesterday)
