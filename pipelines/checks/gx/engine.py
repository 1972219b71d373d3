"""Great Expectations' (GX) SQL engine, adapted to DuckDB. Importing this module imports GX, which takes seconds.

Belongs here: how GX runs statements on DuckDB, and the metrics that GX lacks there, gets wrong, or computes in many
times the time that DuckDB needs.
Does not belong here: contexts, data sources and suites (gx/runner.py), and which expectations a suite may use
(expectation_types.py).

GX looks up a metric by the name of the engine's class, and then by the names of its base classes. A metric that is
declared for `DuckDBExecutionEngine` therefore replaces GX's own metric, but only on DuckDB.
"""

# ruff: noqa: N805  # GX passes a metric its class as `cls`
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import sqlalchemy as sa
from great_expectations.core.batch import BatchMarkers
from great_expectations.core.id_dict import BatchSpec
from great_expectations.execution_engine.sqlalchemy_batch_data import SqlAlchemyBatchData
from great_expectations.execution_engine.sqlalchemy_execution_engine import SqlAlchemyExecutionEngine
from great_expectations.expectations.expectation import ColumnMapExpectation
from great_expectations.expectations.metrics.map_metric_provider.column_condition_partial import (
    column_condition_partial,
)
from great_expectations.expectations.metrics.map_metric_provider.column_map_metric_provider import (
    ColumnMapMetricProvider,
)
from great_expectations.expectations.metrics.map_metric_provider.multicolumn_map_metric_provider import (
    MulticolumnMapMetricProvider,
)
from great_expectations.expectations.metrics.metric_provider import MetricProvider, metric_value
from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider
from great_expectations.validator.metric_configuration import MetricConfiguration

from pipelines.checks.gx.expectation_types import BATCH, repeated_keys
from pipelines.sql import quote_name

# What GX collects about failing rows to show them. They may be personal; we query them ourselves, and fewer of them.
_FAILING_VALUES = (".unexpected_values", ".unexpected_index_list", ".unexpected_index_query", "_rows_query.table")

Metrics = dict[Any, Any]


class DuckDBExecutionEngine(SqlAlchemyExecutionEngine):
    """GX's SQL engine with the batch as a plain table, on a connection that it must not close.

    It runs a statement once, whatever the outcome. GX tries a failing metric three times, and each time computes
    everything alongside it again.
    """

    def __init__(self, engine: sa.Engine) -> None:
        super().__init__(engine=engine, create_temp_table=False)
        self._answers: dict[tuple[str, str], sa.engine.FrozenResult[Any] | Exception] = {}

    def close(self) -> None:
        """Do nothing: GX closes the engine on garbage collection, at any time, when examples may still be needed."""

    def get_batch_data_and_markers(self, batch_spec: BatchSpec) -> tuple[SqlAlchemyBatchData, BatchMarkers]:
        _, markers = super().get_batch_data_and_markers(batch_spec)
        return SqlAlchemyBatchData(execution_engine=self, table_name=batch_spec["table_name"]), markers

    def resolve_metrics(
        self,
        metrics_to_resolve: Iterable[MetricConfiguration],
        metrics: Metrics | None = None,
        runtime_configuration: dict[str, Any] | None = None,
    ) -> Metrics:
        """The values of metrics by id; failing values are not collected."""
        wanted = {metric for metric in metrics_to_resolve if not metric.metric_name.endswith(_FAILING_VALUES)}
        left_out: Metrics = {metric.id: [] for metric in set(metrics_to_resolve) - wanted}
        if not wanted:
            return left_out
        return left_out | super().resolve_metrics(wanted, metrics, runtime_configuration)

    def execute_query(self, query: sa.Executable) -> Any:
        """The result of `query`, read before the connection is returned: DuckDB discards what is unread by then."""
        compiled = query.compile(self.engine)  # type: ignore[attr-defined]  # every statement of GX can be compiled
        statement = (str(compiled), repr(compiled.params))
        if statement not in self._answers:
            try:
                self._answers[statement] = super().execute_query(query).freeze()
            except Exception as error:
                self._answers[statement] = error
        answer = self._answers[statement]
        if isinstance(answer, Exception):
            raise answer
        return answer()


class _ColumnTypes(TableMetricProvider):
    """Names and types of the columns in DuckDB's terms. GX reflects the whole catalogue, which takes longer."""

    metric_name = "table.column_types"
    value_keys = ("include_nested",)
    default_kwarg_values = {"include_nested": True}  # noqa: RUF012  # as in GX

    @metric_value(engine=DuckDBExecutionEngine)
    def _described(cls, execution_engine: DuckDBExecutionEngine, **_: Any) -> list[dict[str, Any]]:
        columns = execution_engine.execute_query(sa.text(f"select column_name, column_type from (describe {BATCH})"))
        return [{"name": name, "type": kind} for name, kind in columns]


def _metric_of_values(name: str, condition: Callable[..., Any], *kwargs: str) -> None:
    """Define a metric that is true of the values that meet `condition`, a function of the column and the kwargs."""

    class _Metric(ColumnMapMetricProvider):
        condition_metric_name = f"column_values.{name}"
        condition_value_keys = kwargs

        @column_condition_partial(engine=DuckDBExecutionEngine)
        def _condition(cls, column: Any, **values: Any) -> Any:
            return condition(column, *(values.get(key) for key in kwargs))


def _matches(column: Any, regex: str) -> Any:
    return sa.func.regexp_matches(_text(column), regex)


def _like(column: Any, pattern: str, escape: str | None) -> Any:
    return _text(column).like(pattern, escape=escape)


def _text(column: Any) -> Any:
    return sa.cast(column, sa.String)


_metric_of_values("match_regex", _matches, "regex")
_metric_of_values("not_match_regex", lambda *values: sa.not_(_matches(*values)), "regex")
_metric_of_values("match_like_pattern", _like, "like_pattern", "escape")
_metric_of_values("not_match_like_pattern", lambda *values: sa.not_(_like(*values)), "like_pattern", "escape")
_metric_of_values(
    "match_strftime_format",
    lambda column, format_: sa.func.try_strptime(_text(column), format_).is_not(None),
    "strftime_format",
)
_metric_of_values("json_parseable", lambda column: sa.func.json_valid(_text(column), type_=sa.Boolean))
_metric_of_values("finite", lambda column: sa.func.isfinite(column, type_=sa.Boolean))


class ExpectColumnValuesToBeFinite(ColumnMapExpectation):
    """No value is NaN or infinite; such values pass every comparison with a minimum."""

    map_metric: ClassVar[str | None] = "column_values.finite"


class _RepeatedValues(MetricProvider):
    """How many rows share their value with another row. GX counts in a window, which keeps every row in memory."""

    metric_name = "column_values.unique.unexpected_count"
    domain_keys = ColumnMapMetricProvider.condition_domain_keys

    @metric_value(engine=DuckDBExecutionEngine)
    def _counted(cls, execution_engine: DuckDBExecutionEngine, metric_domain_kwargs: dict[str, Any], **_: Any) -> int:
        return _count_repeated(execution_engine, [metric_domain_kwargs["column"]])


class _RepeatedCombinations(MetricProvider):
    """The same for several columns. Missing values equal each other, as in pandas and unlike in GX's own SQL."""

    metric_name = "compound_columns.unique.unexpected_count"
    domain_keys = MulticolumnMapMetricProvider.condition_domain_keys

    @metric_value(engine=DuckDBExecutionEngine)
    def _counted(cls, execution_engine: DuckDBExecutionEngine, metric_domain_kwargs: dict[str, Any], **_: Any) -> int:
        return _count_repeated(execution_engine, metric_domain_kwargs["column_list"])


def _count_repeated(engine: DuckDBExecutionEngine, columns: list[str]) -> int:
    """The number of repeated rows, counted in a table of the values that the examples of failing rows also need."""
    names = ", ".join(quote_name(column) for column in columns)
    filled = " or ".join(f"{quote_name(column)} is not null" for column in columns)
    with engine.get_connection() as connection:
        connection.exec_driver_sql(f"""
            create or replace temp table {repeated_keys(columns)} as
            select {names}, count(*) as "rows of it" from {BATCH} where {filled} group by {names} having count(*) > 1
        """)
        total = connection.exec_driver_sql(f'select coalesce(sum("rows of it"), 0) from {repeated_keys(columns)}')
        return int(total.scalar_one())
