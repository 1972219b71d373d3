"""The days that `kpi run` runs."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.config_files import ConfigError
from pipelines.ingest.landing import land
from pipelines.ingest.late_files import newest_delivery
from pipelines.partitions import business_day, delivery_days
from pipelines.runs.history import DagsterHistory, Run
from pipelines.runs.job import NothingDeliveredError, Plan, delivered_again, newest_day, plan
from pipelines.settings import Settings
from pipelines.sources import Source
from pipelines.tables import raw_file
from pipelines.warehouse import sandboxed

JANUARY = [date(2025, 1, day) for day in range(1, 32)]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        sources=["shop"], first_delivery=JANUARY[0], time_zone="UTC", reporting_currency="EUR", data_dir=tmp_path
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


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have Dagster remember runs, each by status and days, newest first."""

    def remember(*runs: tuple[str, list[date]]) -> None:
        remembered = [Run("id", status, tuple(days), datetime(2025, 2, 1), None) for status, days in runs]
        monkeypatch.setattr(DagsterHistory, "runs", lambda history: remembered)

    return remember


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
    assert plan(settings, sources) == Plan([JANUARY[0:3]], is_first_load=True)


def test_new_days_after_a_first_load_go_in_one_run_too(settings: Settings, sources: list[Source]) -> None:
    deliver(settings, "orders", *JANUARY[0:4])
    landed(settings, "orders", *JANUARY[0:2])
    assert plan(settings, sources) == Plan([JANUARY[2:4]])


@pytest.mark.parametrize("status", ["CANCELED", "FAILURE", "STARTED"])
def test_what_an_interrupted_run_left_goes_in_one_run_with_what_is_new(
    settings: Settings, sources: list[Source], ran: Callable[..., None], status: str
) -> None:
    deliver(settings, "orders", *JANUARY[0:6])
    landed(settings, "orders", *JANUARY[0:3])
    ran((status, JANUARY[0:5]))
    going_on = plan(settings, sources)
    assert going_on == Plan([JANUARY[3:6]], goes_on=True)
    assert str(going_on) == "3 delivery days, 2025-01-04 to 2025-01-06 (the rest of an interrupted run, one run)"


def test_after_a_success_an_earlier_interruption_does_not_count(
    settings: Settings, sources: list[Source], ran: Callable[..., None]
) -> None:
    deliver(settings, "orders", *JANUARY[0:5])
    landed(settings, "orders", JANUARY[0], JANUARY[2], JANUARY[3])
    ran(("SUCCESS", JANUARY[3:4]), ("CANCELED", JANUARY[0:5]))
    assert plan(settings, sources) == Plan([[JANUARY[1]], [JANUARY[4]]])


def test_a_table_delivered_late_makes_its_day_run_again(settings: Settings, sources: list[Source]) -> None:
    for table in ("orders", "refunds"):
        deliver(settings, table, *JANUARY[0:3])
    landed(settings, "orders", *JANUARY[0:3])
    landed(settings, "refunds", JANUARY[0], JANUARY[2])
    assert plan(settings, sources) == Plan([[JANUARY[1]]])


def test_when_nothing_is_new_the_newest_day_runs_again(settings: Settings, sources: list[Source]) -> None:
    deliver(settings, "orders", *JANUARY[0:2])
    landed(settings, "orders", *JANUARY[0:2])
    assert plan(settings, sources) == Plan([[JANUARY[1]]])


def test_a_range_that_is_asked_for_is_one_run_also_when_it_has_landed(
    settings: Settings, sources: list[Source]
) -> None:
    landed(settings, "orders", *JANUARY)
    asked = plan(settings, sources, JANUARY[0], JANUARY[30])
    assert asked == Plan([JANUARY])
    assert str(asked) == "31 delivery days, 2025-01-01 to 2025-01-31 (one run)"


def test_the_newest_day_is_over_and_was_delivered(settings: Settings, sources: list[Source]) -> None:
    assert newest_day(settings, sources) is None
    deliver(settings, "orders", JANUARY[0], JANUARY[2])
    assert newest_day(settings, sources) == JANUARY[2]
    deliver(settings, "refunds", business_day(settings))
    yesterday = business_day(settings) - timedelta(days=1)
    assert newest_day(settings, sources) == yesterday


def test_each_day_of_a_source_that_is_fetched_can_run(settings: Settings, sources: list[Source]) -> None:
    fetched = [source.model_copy(update={"connector": "sql"}) for source in sources]
    assert newest_day(settings, fetched) == business_day(settings) - timedelta(days=1)
    ended = settings.model_copy(update={"last_delivery": JANUARY[4]})
    assert newest_day(ended, fetched) == JANUARY[4]


def test_many_late_days_in_a_row_are_one_run_and_a_few_run_one_by_one(
    settings: Settings, sources: list[Source]
) -> None:
    deliver(settings, "orders", *JANUARY[0:20], *JANUARY[25:27])
    landed(settings, "orders", *JANUARY[10:12], JANUARY[28])
    assert plan(settings, sources).runs == [JANUARY[0:10], JANUARY[12:20], [JANUARY[25]], [JANUARY[26]]]


def test_a_corrected_file_of_a_landed_day_is_seen_and_one_that_was_only_touched_is_not(
    settings: Settings, sources: list[Source]
) -> None:
    days = [business_day(settings) - timedelta(days=back) for back in (4, 3, 2)]
    deliver(settings, "orders", *days)
    with sandboxed(settings.landing_dir, settings.raw_dir) as database:
        for day in days:
            table = sources[0].tables["orders"]
            land("shop", "orders", table, day, settings.landing_dir, settings.raw_dir, database)
    assert delivered_again(settings, sources) == []
    (settings.landing_dir / f"orders_{days[0]}.csv").touch()
    (settings.landing_dir / f"orders_{days[1]}.csv").write_text("id\n1\n2\n")
    assert delivered_again(settings, sources) == [days[1]]


def test_no_delivery_at_all_says_where_to_put_one(settings: Settings, sources: list[Source]) -> None:
    with pytest.raises(NothingDeliveredError, match="contains no delivery since 2025-01-01"):
        plan(settings, sources)


def test_after_the_last_delivery_a_day_is_run_only_if_it_was_delivered(
    settings: Settings, sources: list[Source]
) -> None:
    ended = settings.model_copy(update={"last_delivery": JANUARY[1]})
    deliver(ended, "orders", JANUARY[0], JANUARY[2])
    assert plan(ended, sources).days == JANUARY[:3]
    assert plan(ended, sources, JANUARY[2], JANUARY[2]).days == [JANUARY[2]]
    with pytest.raises(ConfigError, match=r"2025-01-04 is after the setting last_delivery \(2025-01-02\)"):
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
