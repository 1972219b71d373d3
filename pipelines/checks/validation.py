"""Validates one table against its suite, and puts the findings into words.

Belongs here: the rule that nothing unknown passes, the examples of failing rows, the sentences that people read.
Does not belong here: Dagster, and where results are stored.

Fail closed: a table that cannot be opened, a missing column, an engine error and a missing result are failed checks,
and their messages say so. On an empty table, most expectations would pass without examining anything, so they count as
passed only if the suite allows the table to be empty.

Personal columns: no value of such a column gets into a result. Examples show `***`. Statistics that are themselves
values are hidden, and so are error texts that can quote a value.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import date
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from pipelines.checks.anomalies import ALSO_UNUSUAL, DAYS_OFF, DELIVERIES
from pipelines.checks.gx.expectation_types import BATCH, BATCH_PLACEHOLDER, COLUMN_LIST, Condition, listed, rule_query
from pipelines.checks.gx.relations import CHECK_TIMEOUT_SECONDS, NoFilesError, OpenBatch, Relation, opened
from pipelines.checks.gx.timeout import StatementTimeoutError
from pipelines.checks.results import CheckResult
from pipelines.checks.suites import ExpectationSpec, Suite
from pipelines.partitions import days_in_words
from pipelines.runs.profiling import START_UP, measured
from pipelines.sql import quote_name

if TYPE_CHECKING:
    from pipelines.checks.gx.runner import Outcome

HIDDEN = "***"
EXAMPLES = 5
FIGURES_QUOTED = 3
_MOST_COLUMNS = 8
_FEW_DAYS = 7  # more days than this are no longer an exception
_SOURCE_FILE, _ROW_NUMBER, _DELIVERED_ON = "_source_file", "_row_number", "_delivered_on"
_LONGEST_VALUE = 100
_SINGULAR = {"are": "is", "have": "has", "break": "breaks", "do": "does", "match": "matches"}
# Errors about names, syntax, files and the suite; all others (conversion, range, …) may quote a value of the table.
_ERRORS_WITHOUT_VALUES = (
    "Binder Error",
    "Catalog Error",
    "Parser Error",
    "IO Error",
    "Connection Error",
    "stopped because it took longer than",
    "Great Expectations refuses the kwargs",
    "Great Expectations returned no result",
)


def validate(suite: Suite, relation: Relation, timeout_seconds: float = CHECK_TIMEOUT_SECONDS) -> list[CheckResult]:
    """Check the table `relation` against `suite`; a statement that takes longer than `timeout_seconds` is stopped.

    Returns one result per check of the suite, in the suite's order. Does not raise: the results contain any errors.
    No lock on a DuckDB file outlives the call.
    """
    try:
        with opened(relation, timeout_seconds) as batch:
            return _validate_open(suite, batch)
    except NoFilesError:
        return [_nothing_to_check(suite, spec, "no files") for spec in suite.checks]
    except Exception as error:  # any error: no check has been executed
        reason = _readable(suite, str(error))
        return [failed_with_error(suite, spec, reason) for spec in suite.checks]


def failed_with_error(suite: Suite, spec: ExpectationSpec, error: str) -> CheckResult:
    """The result of a check that could not be executed."""
    return _result(suite, spec, passed=False, observed="not checked", found=f"not checked, {error}", error=error)


def _validate_open(suite: Suite, batch: OpenBatch) -> list[CheckResult]:
    with measured(START_UP):
        from pipelines.checks.gx.runner import run_expectations  # importing Great Expectations takes seconds

    results: dict[str, CheckResult] = {}
    for spec in suite.checks:
        missing = [column for column in spec.columns if column not in batch.columns]
        if missing and spec.kind.measure != COLUMN_LIST:
            error = f"column {listed(missing)} is missing. The table has {listed(batch.columns, 50)}"
            results[spec.name] = failed_with_error(suite, spec, error)
        elif batch.row_count == 0 and not _says_something_of_no_rows(suite, spec):
            results[spec.name] = _nothing_to_check(suite, spec, "no rows")
        elif spec.kind.figures is not None and (problem := _make_figures(suite, spec, batch)):
            results[spec.name] = failed_with_error(suite, spec, problem)
    rest = [spec for spec in suite.checks if spec.name not in results]
    outcomes = run_expectations(batch.engine, rest)
    for spec in rest:
        try:
            results[spec.name] = _outcome_result(suite, spec, batch, outcomes[spec.name])
        except Exception as error:  # without its message, a result cannot be trusted; the others can
            results[spec.name] = failed_with_error(suite, spec, _readable(suite, str(error)))
    return [results[spec.name] for spec in suite.checks]


def _outcome_result(suite: Suite, spec: ExpectationSpec, batch: OpenBatch, outcome: "Outcome") -> CheckResult:
    if outcome.error is not None:
        return failed_with_error(suite, spec, _readable(suite, outcome.error))
    if spec.kind.figures is not None:
        return _judged_figures(suite, spec, batch, outcome.passed)
    if spec.kind.fault is not None:
        return _judged_rows(suite, spec, batch, outcome.passed, outcome.result)
    return _measured(suite, spec, batch, outcome.passed, outcome.result)


def _says_something_of_no_rows(suite: Suite, spec: ExpectationSpec) -> bool:
    """Whether the check is meaningful on an empty table: a query may find missing rows, or read other tables, too."""
    return spec.kind.judges_shape or (spec.kind.judges_absence and suite.allow_empty)


def _result(
    suite: Suite,
    spec: ExpectationSpec,
    *,
    passed: bool,
    observed: str,
    found: str,
    failing: int | None = None,
    total: int | None = None,
    examples: Sequence[dict[str, Any]] = (),
    error: str | None = None,
    failing_days: Sequence[str] = (),
) -> CheckResult:
    """A result whose message says what the check is about, followed by what was `found`."""
    subject = ", ".join(spec.columns) or (spec.name if spec.rule else "table")
    return CheckResult(
        stage=suite.stage,
        table=suite.name,
        check=spec.name,
        severity=spec.severity,
        passed=passed,
        expectation_type=spec.type,
        column=", ".join(spec.columns) or None,
        observed=observed,
        expected=spec.expected,
        unexpected_count=failing,
        element_count=total,
        message=f"{subject}: {found}",
        examples=list(examples),
        error=error,
        failing_days=tuple(failing_days),
    )


def _nothing_to_check(suite: Suite, spec: ExpectationSpec, observed: str) -> CheckResult:
    if suite.allow_empty:
        found = f"{observed} to check"
    else:
        found = f"{observed} to check, and {suite.path.name} does not say allow_empty: true"
    return _result(suite, spec, passed=suite.allow_empty, observed=observed, found=found)


def _judged_rows(
    suite: Suite, spec: ExpectationSpec, batch: OpenBatch, passed: bool, result: dict[str, Any]
) -> CheckResult:
    failing = result.get("unexpected_count", result.get("observed_value"))
    total: int | None = batch.row_count
    if not isinstance(failing, int):
        return failed_with_error(suite, spec, "Great Expectations did not count the failing rows")
    assert spec.kind.fault is not None
    allows_few = "mostly" in spec.kwargs or "at_least" in spec.kwargs
    if passed and allows_few and spec.kind.query and spec.kind.failing_rows:  # the query returns no rows if few fail
        failing = _count_failing_rows(spec.kind.failing_rows(spec.kwargs), batch)
    deliveries = _failing_deliveries(spec, batch) if failing else None
    count, of_all, things = (*deliveries, "deliveries") if deliveries else (failing, total, "rows")
    observed = f"{count} of {of_all} {things} {_agreeing(spec.kind.fault(spec.kwargs), count)}"
    found = observed
    if failing and not spec.columns:  # what a rule is about
        found += f" ({spec.why.strip().rstrip('.')})"
    if passed and failing:
        found += f", expected {spec.expected}"
    if deliveries:
        failing = total = None
    examples: list[dict[str, Any]] = []
    failing_days: list[str] = []
    if not passed:
        examples, first = _examples(suite, spec, batch)
        failing_days = _failing_days(spec, batch)
        found += f", first: {first}" if first else ""
        found += f"; delivered on {_in_words(failing_days)}" if len(failing_days) > 1 else ""
    return _result(
        suite,
        spec,
        passed=passed,
        observed=observed,
        found=found,
        failing=failing,
        total=total,
        examples=examples,
        failing_days=failing_days,
    )


def _failing_deliveries(spec: ExpectationSpec, batch: OpenBatch) -> tuple[int, int] | None:
    """For a rule whose query returns deliveries instead of rows: how many it found, and how many there are."""
    from sqlalchemy.exc import SQLAlchemyError  # not needed to load definitions

    if spec.rule is None or not {_DELIVERED_ON, _ROW_NUMBER} <= set(batch.columns):
        return None
    query = rule_query(spec.rule).replace(BATCH_PLACEHOLDER, BATCH)
    try:
        columns = {row["column_name"] for row in batch.rows(f"select column_name from (describe {query})")}
        if _DELIVERED_ON not in columns or _ROW_NUMBER in columns:
            return None
        [row] = batch.rows(
            f"select (select count(distinct {_DELIVERED_ON}) from ({query}) as found) as failing, "
            f"(select count(distinct {_DELIVERED_ON}) from {BATCH}) as deliveries"
        )
    except (SQLAlchemyError, StatementTimeoutError):  # the verdict stands
        return None
    return int(row["failing"]), int(row["deliveries"])


def _count_failing_rows(condition: Condition, batch: OpenBatch) -> int:
    [row] = batch.rows(f"select count(*) as failing from {BATCH} where {condition.sql}", condition.values)
    return int(row["failing"])


def _make_figures(suite: Suite, spec: ExpectationSpec, batch: OpenBatch) -> str | None:
    """Compute the figures that `spec` judges, once for all readers; return what went wrong, if anything did."""
    from sqlalchemy.exc import SQLAlchemyError  # not needed to load definitions

    try:
        batch.execute(f"create temp table {quote_name(spec.figures_table)} as {_figures_query(spec)}")
    except (SQLAlchemyError, StatementTimeoutError) as error:
        return _readable(suite, str(error))
    return None


def _figures_query(spec: ExpectationSpec, **more: Any) -> str:
    assert spec.kind.figures is not None
    return spec.kind.figures({**spec.kwargs, **more}).replace(BATCH_PLACEHOLDER, BATCH)


def _judged_figures(suite: Suite, spec: ExpectationSpec, batch: OpenBatch, passed: bool) -> CheckResult:
    """The result of a check that judges figures. It quotes their sentences: unexpected figures, or else the newest."""
    figures = batch.rows(
        f"select is_unexpected, finding, position from {quote_name(spec.figures_table)} "
        "order by is_unexpected desc, position desc, finding"
    )
    unexpected = [figure for figure in figures if figure["is_unexpected"]]
    sentences = [str(figure["finding"]) for figure in (unexpected or figures[:1])]
    observed = listed(sentences, FIGURES_QUOTED, separator="; ") or f"no {spec.kind.measure} to judge"
    failing_days: list[str] = []
    found = observed
    if DELIVERIES in spec.kind.needs:  # one figure per delivery, whose day is `position`
        failing_days = sorted({str(figure["position"]) for figure in unexpected})
        if len(failing_days) > FIGURES_QUOTED:
            first = listed(sentences[:FIGURES_QUOTED], separator="; ")
            observed = f"{first}; in all {len(sentences)}: {_in_words(failing_days)}"
        found = observed + _answer(spec, batch, failing_days)
    examples = [{"finding": _example_value(suite, "finding", text)} for text in sentences[:EXAMPLES]]
    return _result(
        suite,
        spec,
        passed=passed,
        observed=observed,
        found=found,
        failing=len(unexpected),
        total=len(figures),
        examples=[] if passed else examples,
        failing_days=failing_days,
    )


def _answer(spec: ExpectationSpec, batch: OpenBatch, failing_days: list[str]) -> str:
    """How to confirm blocked days, including the days that would be blocked next because these are excused.

    Unusual days do not count towards the normal range, so every confirmed day shifts the range.
    """
    if not failing_days or spec.severity != "critical" or DAYS_OFF not in spec.kind.needs:
        return ""
    right = set(failing_days)
    while True:
        query = _figures_query(spec, **{ALSO_UNUSUAL: sorted(right)})
        rows = batch.rows(f"select distinct position from ({query}) as figures where is_unexpected")
        following = {str(row["position"]) for row in rows} - right
        if not following:
            break
        right |= following
    more = _in_words(right - set(failing_days))
    answer = f". If it is right, add to unusual_days in kpi.yml: {', '.join(sorted(right))}"
    if more:
        answer += f" (once these are added, {more} would be blocked)"
    if len(right) > _FEW_DAYS:
        answer += f". If volumes stay like this, write `volume: {{since: {min(right)}}}` in the source's YAML instead"
    return answer


def _agreeing(fault: str, count: int) -> str:
    """`fault`, which is worded for several rows, adapted to `count` rows."""
    verb, _, rest = fault.partition(" ")
    return f"{_SINGULAR[verb] if count == 1 else verb} {rest}"


def _examples(suite: Suite, spec: ExpectationSpec, batch: OpenBatch) -> tuple[list[dict[str, Any]], str]:
    """Up to five failing rows, and the position of the first one in words."""
    from sqlalchemy.exc import SQLAlchemyError  # not needed to load definitions

    try:
        rows = _failing_rows(spec, batch)
    except (SQLAlchemyError, StatementTimeoutError) as error:  # the verdict stands, only its rows cannot be shown
        return [], f"unknown, {_readable(suite, str(error))}"
    place = [column for column in (_SOURCE_FILE, _ROW_NUMBER) if column in batch.columns] or list(suite.key_columns)
    # An alias in a query could hide that a value is personal. Names of columns that the pipeline itself adds to a row
    # begin with an underscore; these columns are never personal.
    named = list(rows[0]) if rows and spec.kind.failing_rows is None else []
    if spec.kind.query and named == list(batch.columns):  # whole rows, of which few columns matter
        read = set(re.findall(r"\w+", spec.kwargs.get("condition", "")))
        named = [column for column in named if column in read or column in suite.key_columns]
    free = [column for column in named if column.startswith("_") or not suite.personal_columns]
    shown = dict.fromkeys([*place, *spec.columns, *free[:_MOST_COLUMNS]])
    examples = [
        {column: _example_value(suite, column, row[column]) for column in shown if column in row} for row in rows
    ]
    return examples, _first(spec, examples[0], place) if examples else ""


def _failing_rows(spec: ExpectationSpec, batch: OpenBatch) -> list[dict[str, Any]]:
    if spec.kind.failing_rows is None:
        return batch.rows(f"{_rule_rows(spec)} limit {EXAMPLES}")
    condition = spec.kind.failing_rows(spec.kwargs)
    order = [quote_name(column) for column in (_SOURCE_FILE, _ROW_NUMBER) if column in batch.columns]
    order_by = f"order by {', '.join(order)}" if order else ""
    return batch.rows(f"select * from {BATCH} where {condition.sql} {order_by} limit {EXAMPLES}", condition.values)


def _failing_days(spec: ExpectationSpec, batch: OpenBatch) -> list[str]:
    """The delivery days of all failing rows; none if the rows do not name their days or cannot be queried."""
    from sqlalchemy.exc import SQLAlchemyError  # not needed to load definitions

    condition = spec.kind.failing_rows(spec.kwargs) if spec.kind.failing_rows else Condition("true")
    rows = f"(select * from {BATCH} where {condition.sql})" if spec.kind.failing_rows else f"({_rule_rows(spec)})"
    try:
        columns = batch.rows(f"select column_name from (describe {rows})", condition.values)
        if _DELIVERED_ON not in {column["column_name"] for column in columns}:
            return []
        found = batch.rows(
            f"select distinct try_cast({_DELIVERED_ON} as date) as day from {rows} order by day", condition.values
        )
    except (SQLAlchemyError, StatementTimeoutError):  # the verdict stands
        return []
    return [str(row["day"]) for row in found if row["day"] is not None]


def _in_words(days: Iterable[str]) -> str:
    return days_in_words(date.fromisoformat(day) for day in days)


def _rule_rows(spec: ExpectationSpec) -> str:
    assert spec.rule is not None
    return rule_query(spec.rule).replace(BATCH_PLACEHOLDER, BATCH)


def _first(spec: ExpectationSpec, example: dict[str, Any], place: Sequence[str]) -> str:
    """The position of a failing row and, for a row of a query, its other values."""
    said = [f"{column} {value}" for column, value in example.items() if column not in place and value is not None]
    where = _place(example, place)
    if spec.rule is None or not said:
        return where
    return f"{where} ({', '.join(said)})" if where else ", ".join(said)


def _place(example: dict[str, Any], place: Sequence[str]) -> str:
    if _SOURCE_FILE in example:
        row = f" row {example[_ROW_NUMBER]}" if _ROW_NUMBER in example else ""
        return f"{example[_SOURCE_FILE]}{row}"
    return ", ".join(f"{column} {example[column]}" for column in place if column in example)


def _example_value(suite: Suite, column: str, value: Any) -> Any:
    """`value` in a form that JSON can represent."""
    if column in suite.personal_columns:
        return HIDDEN
    if value is None or isinstance(value, bool | int):
        return value
    text = str(value)
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "…"


def _measured(
    suite: Suite, spec: ExpectationSpec, batch: OpenBatch, passed: bool, result: dict[str, Any]
) -> CheckResult:
    if spec.kind.measure == COLUMN_LIST:  # the differences are enough: tables have many columns
        observed = "as expected" if passed else _column_differences(spec, batch.columns)
        return _result(suite, spec, passed=passed, observed=observed, found=observed)
    read = {*spec.columns, spec.kwargs.get("relative_to")} if spec.columns else suite.personal_columns
    if spec.kind.shows_values and {*read} & {*suite.personal_columns}:
        observed = HIDDEN
    elif spec.kind.observe is not None:
        [row] = batch.rows(spec.kind.observe(spec.kwargs).replace(BATCH_PLACEHOLDER, BATCH))
        observed = str(row["observed"])
    else:
        observed = _number(result.get("observed_value"))
    found = f"{spec.kind.measure} is {observed}"
    if not passed:
        found += f", expected {spec.kind.words(spec.kwargs)}"
    return _result(suite, spec, passed=passed, observed=observed, found=found)


def _column_differences(spec: ExpectationSpec, columns: Sequence[str]) -> str:
    wanted = spec.kwargs.get("column_set") or spec.kwargs.get("column_list") or [spec.kwargs["column"]]
    differences = []
    if lacking := [column for column in wanted if column not in columns]:
        differences.append(
            f"column {lacking[0]} is missing" if len(lacking) == 1 else f"columns {listed(lacking, 50)} are missing"
        )
    patterns = [pattern.lower() for pattern in spec.kwargs.get("patterns", ())]
    unlike = [column for column in columns if not any(fnmatchcase(column.lower(), pattern) for pattern in patterns)]
    if added := [column for column in unlike if column not in wanted]:
        differences.append(f"column {added[0]} is new" if len(added) == 1 else f"columns {listed(added, 50)} are new")
    return ", ".join(differences) or f"columns in a different order: {listed(columns, 50)}"


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, list | set | tuple):
        return listed(sorted(value, key=str))
    if isinstance(value, dict):  # the row counts of two tables
        return listed(value.values())
    return "unknown" if value is None else str(value)


def _readable(suite: Suite, error: str) -> str:
    """The relevant sentence of an error, or only its kind if the sentence may quote a personal value."""
    text = re.sub(r"^\(_duckdb\.\w+\) ", "", error)
    text = re.split(r"\[SQL:|LINE \d+:|Candidate functions:", text)[0]
    text = " ".join(text.split())
    if not suite.personal_columns or text.startswith(_ERRORS_WITHOUT_VALUES):
        return text
    kind = re.match(r"[A-Z]\w*( \w+)? Error", text)
    return f"{kind[0] if kind else 'an error'} (its text is left out because it may contain a personal value)"
