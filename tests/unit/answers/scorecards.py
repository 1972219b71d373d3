"""Small files with a scorecard, as publications contain it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from pipelines.publish.basis import Basis, Delivered, record
from pipelines.publish.definitions import Definition, Model

JANUARY, FEBRUARY, MARCH = (date(2025, month, 1) for month in (1, 2, 3))
WEB = ("channel", "web")
COMPANY = ("company", "company")


@dataclass
class Scorecard:
    """A scorecard of months. Its measures: revenue (net, its default; orders), and nps (period), which never settles.

    Attributes:
        values: by month, KPI, variant, entity type and entity; `statuses` of the same cells, by default `ok`.
        restated, causes: the history of restatements; one row per value, and per cause.
        orders: the SQL of the model that revenue is made from; `excluded` is a setting in it.
        deliveries: the content of what shop.orders received, by day.
    """

    values: Mapping[tuple[date, str, str, str, str], float | None]
    statuses: Mapping[tuple[date, str, str, str, str], str] = field(default_factory=dict)
    as_of: date = date(2025, 3, 15)
    orders: str = "select 1"
    excluded: str = '["cancelled"]'
    deliveries: Mapping[date, str] = field(default_factory=lambda: {date(2025, 3, 15): "a"})
    left_out: Sequence[date] = ()
    is_recorded: bool = True
    publication: int = 1  # its number, and the day in March on which it was published
    restated: Sequence[tuple[Any, ...]] = ()  # publication, month, KPI, variant, entity, values before and after
    causes: Sequence[tuple[Any, ...]] = ()  # publication, month, KPI, variant, entity; then as `COLUMNS_OF_CAUSES`

    def write(self, file: Path) -> Path:
        """Write the file."""
        rows = [("month", *cell, value, self.statuses.get(cell, "ok")) for cell, value in self.values.items()]
        frame = pd.DataFrame(
            rows, columns=["grain", "period_start", "kpi_id", "variant", "entity_type", "entity_id", "value", "status"]
        )
        with duckdb.connect(str(file)) as connection:
            connection.execute("create schema marts; create schema meta")
            connection.execute(
                "create table marts.kpi_catalogue as "
                "from (values ('revenue', 'net'), ('nps', 'period')) as t(kpi_id, default_variant)"
            )
            connection.execute(
                "create table marts.kpi_variants as from (values ('revenue', 'net', 'money', true, 'All sales.'), "
                "('revenue', 'orders', 'count', true, 'Orders.'), ('nps', 'period', 'score', false, 'Answers.')) "
                "as t(kpi_id, variant, unit, settles, formula_en)"
            )
            connection.execute(
                f"""
                create table marts.dim_period as
                select
                    'month' as grain, cast(day as date) as period_start,
                    cast(day + interval 1 month as date) as period_end, strftime(day, '%Y-%m') as period_label,
                    day + interval 1 month <= date '{self.as_of}' + interval 1 day as is_complete
                from range(date '2024-10-01', date '2025-04-01', interval 1 month) as t(day)
                """
            )
            connection.register("rows", frame)
            connection.execute(
                f"""
                create table marts.kpi_scorecard as
                select
                    grain, cast(period_start as date) as period_start, kpi_id, variant, entity_type, entity_id,
                    upper(entity_id) as entity_name, cast(value as decimal(38, 12)) as value, status,
                    date '{self.as_of}' as as_of_date, true as is_mature
                from rows
                """
            )
            if self.is_recorded:
                record(connection, self._basis, file.stem)
                self._write_history(connection)
                in_question = ", ".join(f"('shop', 'orders', date '{day}', 'left_out')" for day in self.left_out)
                connection.execute(
                    "create table meta.deliveries_in_question "
                    "(source varchar, table_name varchar, delivered_on date, state varchar)"
                )
                if in_question:
                    connection.execute(f"insert into meta.deliveries_in_question values {in_question}")
        return file

    def _write_history(self, connection: duckdb.DuckDBPyConnection) -> None:
        cell = "publication_id integer, period_start date, kpi_id varchar, variant varchar, entity_type varchar, "
        cell += "entity_id varchar"
        connection.execute(
            f"""
            create table meta.publication as select timestamp '2025-03-{self.publication:02} 00:00:00' as published_at;
            create table meta.restatements ({cell}, value_before decimal(38, 12), value_after decimal(38, 12));
            create table meta.restatement_causes (
                {cell}, part varchar, cause varchar, source varchar, table_name varchar, delivered_on date,
                changed_rows bigint, amount decimal(38, 6)
            )
            """
        )
        for table, rows in (("restatements", self.restated), ("restatement_causes", self.causes)):
            for row in rows:
                connection.execute(f"insert into meta.{table} values ({', '.join('?' * len(row))})", row)
        connection.execute(
            """
            alter table meta.restatements add column grain varchar default 'month';
            alter table meta.restatement_causes add column grain varchar default 'month';
            create or replace table meta.restatements as
            select *, make_timestamp(2025, 3, publication_id, 0, 0, 0) as published_at from meta.restatements
            """
        )

    @property
    def _basis(self) -> Basis:
        of_orders = f"{self.orders} {self.excluded}"
        return Basis(
            [
                Definition("nps", "period", "n", "", ("answers",), (), ("survey.responses",)),
                Definition("revenue", "net", f"n {of_orders}", "", ("orders",), ("excluded",), ("shop.orders",)),
                Definition("revenue", "orders", f"o {of_orders}", "", ("orders",), ("excluded",), ("shop.orders",)),
            ],
            [Model("answers", "a", "", ()), Model("orders", of_orders, of_orders, ("excluded",))],
            {"excluded": self.excluded, "unused": self.excluded},
            [Delivered("shop", "orders", day, content) for day, content in self.deliveries.items()],
        )
