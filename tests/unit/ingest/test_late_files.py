"""Late files: the days that they affect, and the runs that the sensor requests."""

import json
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from pipelines.ingest.landing import land
from pipelines.ingest.late_files import late_files_sensor, listings, newest_delivery
from pipelines.partitions import business_day
from pipelines.settings import Settings
from pipelines.sources import SHIPPED_DIR, Source, load_sources
from pipelines.warehouse import sandboxed


class House:
    """An installation with one table, whose sensor is evaluated again and again."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(
            sources=["shop"],
            first_delivery=date(2025, 1, 1),
            time_zone="UTC",
            reporting_currency="EUR",
            data_dir=folder,
        )
        table = {"description": "T", "format": "csv", "columns": ["id"], "key": ["id"], "path": "o_{delivered_on}*.csv"}
        source = Source.model_validate(
            {
                "name": "shop", "description": "S", "connector": "files", "owner": "team:x", "sla": "06:00",
                "entities": ["orders"], "tables": {"orders": table},
            }
        )  # fmt: skip
        self.source = source
        self.table = source.tables["orders"]
        self.sensor = late_files_sensor(self.settings, [source], "daily", running=False)
        self.settings.landing_dir.mkdir(parents=True)
        self.cursor: str | None = None

    def deliver(self, day: date, content: str, part: str = "") -> None:
        (self.settings.landing_dir / f"o_{day}{part}.csv").write_text(content)

    def has_run(self, day: date) -> None:
        """Land the day's files."""
        folders = (self.settings.landing_dir, self.settings.raw_dir)
        with sandboxed(*folders) as database:
            land("shop", "orders", self.table, day, *folders, database)

    def look(self) -> list[str]:
        """The days that the sensor wants to run now."""
        context = dg.build_sensor_context(cursor=self.cursor)
        result = self.sensor(context)
        self.cursor = context.cursor
        requests = result.run_requests if isinstance(result, dg.SensorResult) else []
        return [str(request.partition_key) for request in requests or []]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_only_the_day_of_a_late_file_runs_again_and_only_once_it_is_whole(house: House) -> None:
    yesterday = business_day(house.settings) - timedelta(days=1)
    days = [yesterday - timedelta(days=back) for back in (3, 2, 1)]
    for day in days:
        house.deliver(day, "id\n1\n")
        house.has_run(day)
    assert house.look() == []
    house.deliver(days[1], "id\n1", "_late")
    assert house.look() == []  # it may still be arriving
    house.deliver(days[1], "id\n1\n2\n", "_late")
    assert house.look() == []  # and it was indeed still arriving
    assert house.look() == [str(days[1])]
    assert house.look() == []


def test_a_late_file_that_somebody_has_run_by_hand_is_left_alone(house: House) -> None:
    day = business_day(house.settings) - timedelta(days=1)
    house.deliver(day, "id\n1\n")
    house.has_run(day)
    house.look()
    house.deliver(day, "id\n1\n2\n")
    house.look()
    house.has_run(day)
    assert [house.look(), house.look()] == [[], []]
    house.deliver(day, "id\n1\n2\n3\n")
    assert [house.look(), house.look()] == [[], [str(day)]]


def test_a_file_that_comes_again_and_one_that_goes(house: House) -> None:
    day = business_day(house.settings) - timedelta(days=5)
    house.deliver(day, "id\n1\n", "_a")
    house.deliver(day, "id\n2\n", "_b")
    house.has_run(day)
    house.look()
    (house.settings.landing_dir / f"o_{day}_b.csv").unlink()  # as when it goes to quarantine
    assert [house.look(), house.look()] == [[], []]
    house.deliver(day, "id\n1\n3\n", "_a")
    assert [house.look(), house.look(), house.look()] == [[], [str(day)], []]


def test_days_that_never_ran_are_left_to_the_schedule_and_old_ones_alone(house: House) -> None:
    never_run = business_day(house.settings) - timedelta(days=1)
    long_ago = business_day(house.settings) - timedelta(days=house.settings.late_file_days + 1)
    house.look()
    house.deliver(never_run, "id\n1\n")
    house.deliver(long_ago, "id\n1\n")
    house.has_run(long_ago)
    assert [house.look(), house.look(), house.look()] == [[], [], []]
    house.has_run(never_run)
    assert [house.look(), house.look()] == [[], []]
    assert list(json.loads(house.cursor or "")["seen"]) == [str(never_run)]


def test_the_newest_delivery_is_found_whatever_stands_beside_the_day_in_its_name(house: House) -> None:
    assert newest_delivery(house.settings, [house.source]) is None
    house.deliver(date(2025, 1, 3), "id\n1\n")
    house.deliver(date(2025, 1, 4), "id\n2\n", part="_north")
    assert newest_delivery(house.settings, [house.source]) == date(2025, 1, 4)


def test_the_newest_delivery_is_found_by_the_path_of_every_shipped_table(house: House) -> None:
    for source in load_sources(sorted(file.stem for file in SHIPPED_DIR.glob("*.yml")), house.settings.company_dir):
        for table in source.tables.values():
            day = business_day(house.settings)
            path = table.path.format(delivered_on=day).replace("*", "x")
            file = house.settings.landing_dir / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
            assert newest_delivery(house.settings, [source]) == day, table.path
            file.unlink()


def test_what_the_pipeline_fetches_itself_is_no_arrival(tmp_path: Path) -> None:
    day = business_day(House(tmp_path / "files").settings) - timedelta(days=1)
    asked = Source.model_validate(
        {
            "name": "erp", "description": "E", "connector": "sql", "connection_env": "ERP", "owner": "team:x",
            "sla": "06:00", "entities": ["orders"],
            "tables": {"orders": {"description": "T", "columns": ["id"], "key": ["id"], "fetch": {"table": "orders"}}},
        }
    )  # fmt: skip
    settings = House(tmp_path / "erp").settings
    fetched = settings.landing_dir / asked.tables["orders"].path.format(delivered_on=day)
    fetched.parent.mkdir(parents=True)
    fetched.touch()
    assert listings(settings, [asked], day, day + timedelta(days=1)) == {}
