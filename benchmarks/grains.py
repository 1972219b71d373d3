"""What grains cost: all models behind staging with weeks, months, quarters and years, compared with months alone.

Belongs here: building these models twice in turn in DuckDB, from the same SQL and on the same staging tables.
Does not belong here: how they are compiled and what dbt adds to them (`dbt_overhead`, which calls this module).

The side with months alone runs the same SQL, but keeps only months of `int_periods`, from which every model takes its
periods. Seconds are processor time, which other work on the machine changes less than elapsed time.
"""

import shutil
import time
from multiprocessing import get_context
from pathlib import Path

import duckdb

from pipelines.sql import quote_path
from pipelines.transform.customer_value import predict

Statement = tuple[str, str, str, str | None]
"""Schema, name, materialization and SQL of a model, in the order of building; a Python model has no SQL."""

MONTHS = "delete from intermediate.int_periods where grain not in ('month', 'month_to_date')"


def cost_of_grains(warehouse: Path, models: list[Statement], rounds: int) -> list[tuple[float, float]]:
    """Processor seconds with all grains and with months alone, by round, on a copy of a built `warehouse`."""
    behind_staging = [model for model in models if model[0] != "staging"]
    with get_context("spawn").Pool(1) as pool:
        return [
            (
                pool.apply(_build, (warehouse, behind_staging, False)),
                pool.apply(_build, (warehouse, behind_staging, True)),
            )
            for _ in range(rounds)
        ]


def _build(warehouse: Path, models: list[Statement], only_months: bool) -> float:
    copy = warehouse.with_name("grains.duckdb")
    shutil.copyfile(warehouse, copy)
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("set enable_progress_bar = false")
        connection.execute(f"attach {quote_path(copy)} as {warehouse.stem}")
        connection.execute(f"use {warehouse.stem}")
        start = time.process_time()
        for schema, name, materialized, sql in models:
            kind = "view" if materialized == "view" else "table"
            if sql is None:
                # DuckDB finds the frame by its name.
                predictions = predict(connection.table(f"{schema}.int_customer_purchases").df())  # noqa: F841
                sql = "select * from predictions"
            connection.execute(f'create or replace {kind} {schema}."{name}" as {sql}')
            if name == "int_periods" and only_months:
                connection.execute(MONTHS)
        seconds = time.process_time() - start
    copy.unlink()
    return seconds
