"""A million rows with one, 2 % and 10 % bad rows: these are quarantined, warn or block, and nothing else is lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.checks.assets import complete_suites
from pipelines.checks.gx.relations import DuckDBTable
from pipelines.checks.validation import validate
from pipelines.sources import load_sources
from tests.conftest import Installation

ROWS = 1_000_000
EVERY = {"one": ROWS, "2 %": 50, "10 %": 10}  # every nth row is bad
SOURCE = """
description: A large shop.
connector: files
owner: team:commerce
sla: "06:00"
entities: [orders]
tables:
  orders:
    description: One row per order.
    path: large/orders_{delivered_on}.csv
    format: csv
    columns: [id, customer, placed, total]
    key: [id]
"""
BASE = """
{{ delivery_log('large', 'orders', [
    ['id', 'text', {'required': true}],
    ['customer', 'text'],
    ['placed', 'date', {'required': true}],
    ['total', 'decimal', {'required': true}],
]) }}
"""
STAGING = """
select
    id as order_id, customer as customer_id, cast(placed as timestamp) as ordered_at, cast(null as string) as status,
    'EUR' as currency_code, cast(null as string) as channel, cast(null as string) as region,
    cast(null as string) as rep_id, cast(null as timestamp) as updated_at, false as is_deleted, total as total_amount,
    _source_file, _row_number, _delivered_on
from ({{ latest_rows('large', 'orders') }}) as latest
"""


def lines(every: int) -> Iterator[str]:
    """Half of the bad rows are torn, and the total of the other half is not a number."""
    yield "id,customer,placed,total\n"
    for number in range(1, ROWS + 1):
        if number % every:
            yield f"O{number},C{number % 9_999},2025-01-31,{number % 500}.25\n"
        else:
            yield f"O{number},C1\n" if number // every % 2 else f"O{number},C1,2025-01-31,unknown\n"


@pytest.mark.nightly
@pytest.mark.parametrize("share", EVERY)
def test_bad_rows_go_to_quarantine_and_no_other_is_lost(tmp_path: Path, share: str) -> None:
    models = tmp_path / "models" / "staging" / "large"
    landing = tmp_path / "data" / "landing" / "large"
    for folder in (models, landing, tmp_path / "sources"):
        folder.mkdir(parents=True)
    (tmp_path / "sources" / "large.yml").write_text(SOURCE)
    (models / "_large__sources.yml").write_text("sources:\n- name: large\n  tables:\n  - name: orders\n")
    (models / "base_large__orders.sql").write_text(BASE)
    (models / "stg_large__orders.sql").write_text(STAGING)
    (tmp_path / "kpi.yml").write_text(
        "sources: [large]\ncompany_dir: .\nfirst_delivery: 2025-02-01\ntime_zone: UTC\nreporting_currency: EUR\n"
    )
    with (landing / "orders_2025-02-01.csv").open("w") as file:
        file.writelines(lines(EVERY[share]))
    installation = Installation(tmp_path / "data", tmp_path / "kpi.yml")
    installation.build()
    bad = ROWS // EVERY[share]
    with installation.warehouse() as warehouse:
        counts = warehouse.execute(
            "select raw_rows, good_rows, quarantined_rows, superseded_rows from staging.delivered_row_counts"
        ).fetchall()
        rows = warehouse.execute("select row_number, reason from staging.quarantined_rows order by 1").fetchall()
        [(orders, total)] = warehouse.execute(
            "select count(*), sum(gross_amount) from marts.fct_order_items"
        ).fetchall()
    assert counts == [(ROWS, ROWS - bad, bad, 0)]
    assert [row for row, _ in rows] == [number + 1 for number in range(EVERY[share], ROWS + 1, EVERY[share])]
    assert {reason for _, reason in rows} <= {"2 cells where the header has 4", "total: cannot be read as decimal"}
    good = [number for number in range(1, ROWS + 1) if number % EVERY[share]]
    assert orders == len(good)
    assert total == sum(number % 500 for number in good) + len(good) // 4 + (len(good) % 4) * 0.25
    [source] = load_sources(["large"], tmp_path)
    table = DuckDBTable(tmp_path / "data" / "warehouse.duckdb", "staging", "base_large__orders")
    results = {
        result.check: result for result in validate(complete_suites({}, [source])[table.schema, table.table], table)
    }
    assert results["rows_are_readable"].passed == (share == "one")
    assert results["most_rows_are_readable"].passed == (share != "10 %")
