"""A publication records its settings, without secrets, and which files its deliveries were."""

import json
from datetime import date
from pathlib import Path

import duckdb

from pipelines.publish.basis import delivered, settings_of_numbers
from pipelines.settings import Settings, Synced, load_settings
from pipelines.sources import Source, sources_named
from pipelines.sql import quote_path, quote_text
from pipelines.tables import raw_file

MONDAY, TUESDAY = date(2025, 3, 3), date(2025, 3, 4)


def shop(settings: Settings) -> list[Source]:
    return sources_named(["shop"], settings)


def land(settings: Settings, table: str, day: date, made_from: str) -> None:
    """A raw file, as landing a delivered file with this hash writes it."""
    file = raw_file(settings.raw_dir, "shop", table, day)
    file.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select now() as _loaded_at) to {quote_path(file)} "
            f"(format parquet, kv_metadata {{made_from: {quote_text(made_from)}}})"
        )


def test_a_delivery_is_known_by_what_was_delivered_and_not_by_when_it_landed(tmp_path: Path) -> None:
    settings = load_settings().with_data_dir(tmp_path / "it's [here]")
    land(settings, "orders", MONDAY, "a")
    land(settings, "orders", TUESDAY, "b")
    land(settings, "customers", MONDAY, "a")
    before = delivered(settings, shop(settings))
    assert [(one.source, one.table_name, one.delivered_on) for one in before] == [
        ("shop", "customers", MONDAY), ("shop", "orders", MONDAY), ("shop", "orders", TUESDAY)
    ]  # fmt: skip
    customers, monday, tuesday = (one.content for one in before)
    assert customers == monday != tuesday
    land(settings, "orders", MONDAY, "a")
    assert delivered(settings, shop(settings)) == before
    land(settings, "orders", MONDAY, "corrected")
    after = [one.content for one in delivered(settings, shop(settings))]
    assert [content == one.content for content, one in zip(after, before, strict=True)] == [True, False, True]


def test_settings_are_recorded_as_json_and_where_a_password_is_found_is_not(tmp_path: Path) -> None:
    settings = load_settings().model_copy(
        update={
            "holiday_country": "DE-BY",
            "synced": {"hubspot": Synced(by="dlt", connection_env="THE_SECRET")},
            "data_dir": tmp_path / "private",
        }
    )
    found = settings_of_numbers(settings, shop(load_settings()))
    assert json.loads(found["excluded_order_statuses"]) == ["cancelled", "canceled"]
    assert json.loads(found["holiday_country"]) == "DE-BY"
    assert json.loads(found["entities"])["orders"] == ["shop"]
    assert not [name for name, value in found.items() if "THE_SECRET" in value or "private" in value]
