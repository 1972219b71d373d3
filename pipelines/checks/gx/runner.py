"""Runs expectations with Great Expectations (GX) on DuckDB. Importing this module imports GX, which takes seconds.

Belongs here: the data source that GX lacks, and turning what GX returns into unambiguous outcomes.
Does not belong here: the underlying engine and its metrics (gx/engine.py), opening the table (relations.py), messages
and examples for people (validation.py).

GX has no DuckDB data source, and its generic data source opens its own connections. Ours uses the one connection that
relations.py opened. It is set up so that GX can read a result after returning the connection, as GX does. Our data
source also presents the view `batch` to GX as a table, not as a subquery, so that `{batch}` can be aliased and joined.

A limitation of GX: NaN passes not_null and any minimum. Use `expect_column_values_to_be_finite` to detect it.
"""

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import great_expectations as gx
import sqlalchemy as sa
from great_expectations.compatibility.pydantic import ValidationError
from great_expectations.core import ExpectationSuite
from great_expectations.core.expectation_validation_result import ExpectationValidationResult
from great_expectations.data_context.types.base import DataContextConfig, InMemoryStoreBackendDefaults
from great_expectations.datasource.fluent.sql_datasource import SQLDatasource
from great_expectations.execution_engine.sqlalchemy_execution_engine import SqlAlchemyExecutionEngine
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from great_expectations.expectations.metadata_types import FailureSeverity

from pipelines.checks.gx.engine import DuckDBExecutionEngine
from pipelines.checks.gx.expectation_types import BATCH, BATCH_PLACEHOLDER, FINITE, UNEXPECTED_ROWS, rule_query
from pipelines.checks.suites import ExpectationSpec

# GX keeps the current context in a global variable of the process.
_GX_IS_NOT_THREAD_SAFE = threading.Lock()

_CHECK = "check"

# Defined here because `type` is a field inside the data source.
_EngineType = type[SqlAlchemyExecutionEngine]


@dataclass(frozen=True)
class Outcome:
    """What GX found for one check: `result` is GX's own dictionary, `error` why it could not evaluate the check."""

    passed: bool
    result: dict[str, Any]
    error: str | None = None


class DuckDBDatasource(SQLDatasource):
    """A GX data source for an engine that is already open; `use` passes the engine before any query."""

    type: Literal["open_duckdb"] = "open_duckdb"  # type: ignore[assignment]  # GX distinguishes data sources by it
    connection_string: str = "duckdb:///:memory:"  # GX requires one, but uses the engine below

    def use(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._execution_engine = DuckDBExecutionEngine(engine)

    def let_go(self) -> None:
        """Release the engine, so that no object of GX references it when it is closed."""
        self._engine = self._execution_engine = None

    @property
    def execution_engine_type(self) -> _EngineType:
        return DuckDBExecutionEngine

    def get_engine(self) -> sa.Engine:
        engine: sa.Engine | None = self._engine
        assert engine is not None, "call use(engine) first"
        return engine

    def get_execution_engine(self) -> SqlAlchemyExecutionEngine:
        engine: SqlAlchemyExecutionEngine | None = self._execution_engine
        assert engine is not None, "call use(engine) first"
        return engine

    def test_connection(self, test_assets: bool = True) -> None:
        """Test nothing: the engine has just opened the table."""


def configuration(spec: ExpectationSpec, kwargs: Mapping[str, Any]) -> ExpectationConfiguration:
    """`spec` with these kwargs as GX's configuration. `meta` holds the check name: GX does not keep the order."""
    is_ours = spec.rule is not None and spec.type != UNEXPECTED_ROWS
    return ExpectationConfiguration(
        type=spec.type if spec.rule is None else UNEXPECTED_ROWS,
        kwargs=dict(kwargs),
        meta={_CHECK: spec.name},
        # GX has its own text for the types that it knows; for other types, Data Docs show this description.
        description=f"{', '.join(spec.columns) or spec.name}: {spec.expected}"
        if is_ours or spec.type == FINITE
        else None,
        severity=FailureSeverity(spec.severity),
    )


def _runnable_kwargs(spec: ExpectationSpec) -> Mapping[str, Any]:
    """The kwargs, escaped: GX passes a query through str.format and then through SQLAlchemy's text().

    The braces of a regular expression must survive str.format. A colon before a word must survive text(), which would
    take it for a parameter.
    """
    if spec.rule is None:
        return spec.kwargs
    query = rule_query(spec.rule).replace("{", "{{").replace("}", "}}").replace("{{batch}}", BATCH_PLACEHOLDER)
    return {"unexpected_rows_query": re.sub(r"(?<![:\w\\]):(?=\w)", r"\:", query)}


def run_expectations(engine: sa.Engine, specs: Sequence[ExpectationSpec]) -> dict[str, Outcome]:
    """Evaluate `specs` on the view `batch` of `engine`; return GX's findings by check name.

    A check that GX refused, raised an error for, or returned nothing for is included as failed, with an error.
    """
    outcomes: dict[str, Outcome] = {}
    expectations: list[Expectation] = []
    for spec in specs:
        try:
            expectations.append(configuration(spec, _runnable_kwargs(spec)).to_domain_obj())
        except ValidationError as error:  # a kwarg has the wrong type; the other specs can still be evaluated
            problems = {f"{problem['loc'][0]}: {problem['msg']}" for problem in error.errors()}
            outcomes[spec.name] = Outcome(
                False, {}, f"Great Expectations refuses the kwargs: {', '.join(sorted(problems))}"
            )
    if expectations:
        outcomes |= _run(engine, expectations)
    missing = Outcome(passed=False, result={}, error="Great Expectations returned no result")
    return {spec.name: outcomes.get(spec.name, missing) for spec in specs}


def _run(engine: sa.Engine, expectations: list[Expectation]) -> dict[str, Outcome]:
    with _GX_IS_NOT_THREAD_SAFE:
        datasource = _datasource()
        datasource.use(engine)
        try:
            # The asset can be added only once GX has an engine to test it on.
            asset = datasource.assets[0] if datasource.assets else datasource.add_table_asset(name=BATCH)
            batch = asset.get_batch(asset.build_batch_request())
            suite = ExpectationSuite(name=BATCH, expectations=expectations)
            # Collect no failing values: they may be personal, and there may be millions of them.
            found = batch.validate(suite, result_format={"result_format": "SUMMARY", "partial_unexpected_count": 0})
        finally:
            datasource.let_go()
    return {check_of(item): _outcome(item) for item in found.results}


def check_of(item: ExpectationValidationResult) -> str:
    """The name of the check that a result belongs to."""
    assert item.expectation_config is not None
    name: str = item.expectation_config.meta[_CHECK]
    return name


@cache
def _datasource() -> DuckDBDatasource:
    """One data source for the process: creating its context takes longer than most suites."""
    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(),
        analytics_enabled=False,
        progress_bars={"globally": False},  # type: ignore[arg-type]  # GX reads it as a dictionary
    )
    context = gx.get_context(mode="ephemeral", project_config=config)
    datasource: DuckDBDatasource = context.data_sources.add_open_duckdb(name="duckdb")
    return datasource


def _outcome(item: ExpectationValidationResult) -> Outcome:
    error = _error(item.exception_info or {})
    return Outcome(passed=item.success is True and error is None, result=dict(item.result or {}), error=error)


def _error(info: dict[Any, Any]) -> str | None:
    """The message of an exception; GX returns one dictionary, or one per metric."""
    if "raised_exception" in info:
        return str(info.get("exception_message")) if info["raised_exception"] else None
    return next((str(item["exception_message"]) for item in info.values()), None)
