"""A missing day is one notice, however many tables it affects."""

from datetime import date
from pathlib import Path

import dagster as dg

from pipelines.alerts.run_report import report_of_run
from pipelines.ingest.assets import raw_assets
from pipelines.settings import Settings
from pipelines.sources import load_sources

DAY = date(2026, 1, 9)


def blocked_by(settings: Settings, instance: dg.DagsterInstance, *tables: str) -> list[str]:
    """What a run reports that lands these tables of the shop for a day on which nothing arrived."""
    days = dg.DailyPartitionsDefinition(start_date="2026-01-01")
    assets = [
        asset for asset in raw_assets(settings, load_sources(["shop"], Path()), days) if asset.key.path[-1] in tables
    ]
    result = dg.materialize(assets, instance=instance, partition_key=str(DAY), raise_on_error=False)
    return report_of_run(instance, result.run_id, {}, settings).blocked_by


def test_a_day_that_several_tables_miss_is_one_line(settings: Settings, instance: dg.DagsterInstance) -> None:
    broken = settings.landing_dir / "shop" / "products" / f"products_{DAY}.csv"
    broken.parent.mkdir(parents=True)
    broken.write_text("not packed")
    together, of_a_file = blocked_by(settings, instance, "orders", "customers", "products", "order_items")
    assert together == (
        f"Nothing was delivered for {DAY} of 3 tables: shop.customers, shop.order_items, shop.orders. Put the files "
        f"into {settings.landing_dir} and run the day again, or write `empty_day: allowed` for those tables whose days "
        "without a delivery are normal."
    )
    assert of_a_file.startswith(f"shop/products/{broken.name}: ")


def test_a_day_that_one_table_misses_is_told_as_landing_tells_it(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    [line] = blocked_by(settings, instance, "orders")
    assert line == (
        f"shop/orders/orders_{DAY}.csv.gz: nothing was delivered for {DAY}. Put the file into {settings.landing_dir} "
        "and run the day again, or write `empty_day: allowed` for shop.orders if days without a delivery are normal."
    )
