"""The Great Expectations types a suite may use on DuckDB, one entry each.

Belongs here: what a type takes, how its result is told in words, and which rows break it.
Does not belong here: running expectations (gx_duckdb.py) or reading suites (suites.py). Great Expectations itself is
not imported: that costs seconds, and suites are read whenever definitions load. A test compares this table with the
classes of Great Expectations.

A type that is missing from `ALLOWED` either does not work on DuckDB (`REFUSED` says what to use instead) or has not
been needed; `unexpected_rows_expectation` can say anything SQL can.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.quality import usual

UNEXPECTED_ROWS = "unexpected_rows_expectation"
BATCH = "batch"  # what the table under test is called inside the database
BATCH_PLACEHOLDER = "{batch}"  # and inside a query of a suite

COLUMN_LIST = "column list"

Kwargs = Mapping[str, Any]


@dataclass(frozen=True)
class Condition:
    """A SQL condition that is true for rows that break an expectation; `values` fill its `?` in order."""

    sql: str
    values: tuple[Any, ...] = ()


@dataclass(frozen=True)
class ExpectationType:
    """One type of expectation.

    Attributes:
        short: ends the default check name, after the column: `order_id_not_null`.
        required, optional: the kwargs it takes.
        words: what is expected of every row ("not empty"), or of the measure ("at least 1").
        fault: what failing rows do, as said of several of them ("are empty"); None where no single row is at fault.
        failing_rows: the condition that is true for failing rows.
        measure: what a type without a fault looks at ("row count").
        judges_shape: the table's rows or columns are counted, no value is read: worth running on an empty table.
        shows_values: the observed value is, or may be, a value out of the column, to be hidden for a personal one.
        query: of a type of ours: what makes a query of the kwargs that returns the rows that break it. Great
            Expectations runs it as an `unexpected_rows_expectation`.
        figures: of a type of ours that judges figures made of many rows: what makes the query with one row per figure
            and the sentences that tell them (`usual.py`); `measure` is what there is one figure of.
        needs: the views that its query reads beside the table under test.
    """

    short: str
    required: tuple[str, ...]
    optional: tuple[str, ...]
    words: Callable[[Kwargs], str]
    fault: Callable[[Kwargs], str] | None = None
    failing_rows: Callable[[Kwargs], Condition] | None = None
    measure: str = ""
    judges_shape: bool = False
    shows_values: bool = False
    query: Callable[[Kwargs], str] | None = None
    figures: Callable[[Kwargs], str] | None = None
    needs: tuple[str, ...] = ()

    def columns(self, kwargs: Kwargs) -> tuple[str, ...]:
        """The columns an expectation with these kwargs is about; empty when it is about the whole table."""
        if "column_list" in self.required and not self.judges_shape:
            return tuple(kwargs["column_list"])
        return tuple(kwargs[key] for key in ("column", "column_A", "column_B") if key in self.required)


def rule_query(query: str) -> str:
    """The query for the rows that break a rule as one that can stand in another, whatever ends it."""
    stripped = query.rstrip("; \t\r\n")
    return f"select * from ({stripped}\n) as failing"  # the line break ends a comment


def quoted(name: str) -> str:
    """`name` as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def listed(values: Any, limit: int = 10, separator: str = ", ") -> str:
    """The first `limit` values for a message: `a, b, c and 4 more`."""
    items = [str(value) for value in values]
    shown = separator.join(items[:limit])
    return shown if len(items) <= limit else f"{shown} and {len(items) - limit} more"


def in_range(kwargs: Kwargs) -> str:
    """The range that min_value, max_value, strict_min and strict_max describe: `between 0 and 10`, `at least 1`."""
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    strict_low, strict_high = bool(kwargs.get("strict_min")), bool(kwargs.get("strict_max"))
    if low is not None and high is not None and not strict_low and not strict_high:
        return f"between {low} and {high}"
    parts = []
    if low is not None:
        parts.append(f"{'more than' if strict_low else 'at least'} {low}")
    if high is not None:
        parts.append(f"{'less than' if strict_high else 'at most'} {high}")
    return " and ".join(parts) or "any number"


def _out_of_range(expression: str, kwargs: Kwargs) -> Condition:
    sql, values = [], []
    if kwargs.get("min_value") is not None:
        sql.append(f"{expression} {'<=' if kwargs.get('strict_min') else '<'} ?")
        values.append(kwargs["min_value"])
    if kwargs.get("max_value") is not None:
        sql.append(f"{expression} {'>=' if kwargs.get('strict_max') else '>'} ?")
        values.append(kwargs["max_value"])
    return Condition(" or ".join(sql) or "false", tuple(values))


def _repeated(columns: tuple[str, ...]) -> Condition:
    names = ", ".join(quoted(column) for column in columns)
    return Condition(f"({names}) in (select {names} from {BATCH} group by {names} having count(*) > 1)")


def _in_list(column: str, operator: str, values: Any) -> Condition:
    marks = ", ".join("?" for _ in values)
    return Condition(f"{quoted(column)} {operator} ({marks})" if marks else "true", tuple(values))


def _pair_comparison(kwargs: Kwargs) -> str:
    return ">=" if kwargs.get("or_equal") else ">"


def _share(kwargs: Kwargs) -> str:
    return f"{float(kwargs['mostly']):.6g}" if "mostly" in kwargs else "1"


def _rows_unless_few(kwargs: Kwargs, failing: Condition) -> str:
    """The failing rows, if they are more than `mostly` allows, and at least `at_least` of them."""
    return f"""
        select * from {BATCH_PLACEHOLDER}
        where {failing.sql}
        qualify count(*) over () >= {int(kwargs.get("at_least", 1))}
            and count(*) over () > (1 - {_share(kwargs)}) * (
                select count({quoted(kwargs["column"])}) from {BATCH_PLACEHOLDER}
            )
    """


def _but_for_few(kwargs: Kwargs) -> str:
    return f" (fewer than {kwargs['at_least']} rows may not be)" if "at_least" in kwargs else ""


def _unknown(kwargs: Kwargs) -> Condition:
    column, other = quoted(kwargs["column"]), quoted(kwargs.get("other_column", kwargs["column"]))
    table = ".".join(quoted(part) for part in kwargs["table"].split("."))
    return Condition(
        f"{column} is not null and {column} not in (select {other} from {table} where {other} is not null)"
    )


def _ahead(kwargs: Kwargs) -> Condition:
    than = quoted(kwargs.get("than", "_delivered_on"))
    return Condition(f"cast({quoted(kwargs['column'])} as date) > {than} + {int(kwargs.get('days', 1))}")


_RANGE = ("min_value", "max_value", "strict_min", "strict_max")


def _statistic(short: str, measure: str, *, shows_values: bool = True) -> ExpectationType:
    return ExpectationType(short, ("column",), _RANGE, in_range, measure=measure, shows_values=shows_values)


ALLOWED: Mapping[str, ExpectationType] = {
    # the table
    "expect_table_row_count_to_be_between": ExpectationType(
        "row_count_between", (), _RANGE, in_range, measure="row count", judges_shape=True
    ),
    "expect_table_row_count_to_equal": ExpectationType(
        "row_count_equals", ("value",), (), lambda k: str(k["value"]), measure="row count", judges_shape=True
    ),
    "expect_table_row_count_to_equal_other_table": ExpectationType(
        "row_count_equals_other_table",
        ("other_table_name",),
        (),
        lambda k: f"the row count of {k['other_table_name']}",
        measure="row count",
        judges_shape=True,
    ),
    "expect_table_column_count_to_be_between": ExpectationType(
        "column_count_between", (), ("min_value", "max_value"), in_range, measure="column count", judges_shape=True
    ),
    "expect_table_column_count_to_equal": ExpectationType(
        "column_count_equals", ("value",), (), lambda k: str(k["value"]), measure="column count", judges_shape=True
    ),
    "expect_table_columns_to_match_set": ExpectationType(
        "columns_match_set",
        ("column_set",),
        ("exact_match",),
        lambda k: f"{'exactly' if k.get('exact_match', True) else 'among others'} {listed(k['column_set'], 50)}",
        measure=COLUMN_LIST,
        judges_shape=True,
    ),
    "expect_table_columns_to_match_ordered_list": ExpectationType(
        "columns_match_list",
        ("column_list",),
        (),
        lambda k: f"in this order {listed(k['column_list'], 50)}",
        measure=COLUMN_LIST,
        judges_shape=True,
    ),
    "expect_column_to_exist": ExpectationType(
        "exists",
        ("column",),
        ("column_index",),
        lambda k: f"with {k['column']}",
        measure=COLUMN_LIST,
        judges_shape=True,
    ),
    # every row
    "expect_column_values_to_not_be_null": ExpectationType(
        "not_null",
        ("column",),
        ("mostly",),
        lambda k: "not empty",
        fault=lambda k: "are empty",
        failing_rows=lambda k: Condition(f"{quoted(k['column'])} is null"),
    ),
    "expect_column_values_to_be_null": ExpectationType(
        "null",
        ("column",),
        ("mostly",),
        lambda k: "empty",
        fault=lambda k: "are not empty",
        failing_rows=lambda k: Condition(f"{quoted(k['column'])} is not null"),
    ),
    "expect_column_values_to_be_unique": ExpectationType(
        "unique",
        ("column",),
        ("mostly",),
        lambda k: "unique",
        fault=lambda k: "are duplicates",
        failing_rows=lambda k: _repeated((k["column"],)),
    ),
    "expect_compound_columns_to_be_unique": ExpectationType(
        "unique_together",
        ("column_list",),
        ("mostly",),
        lambda k: "unique",
        fault=lambda k: "are duplicates",
        failing_rows=lambda k: _repeated(tuple(k["column_list"])),
    ),
    "expect_column_values_to_be_in_set": ExpectationType(
        "in_set",
        ("column", "value_set"),
        ("mostly",),
        lambda k: f"one of {listed(k['value_set'])}",
        fault=lambda k: f"are not one of {listed(k['value_set'])}",
        failing_rows=lambda k: _in_list(k["column"], "not in", k["value_set"]),
    ),
    "expect_column_values_to_not_be_in_set": ExpectationType(
        "not_in_set",
        ("column", "value_set"),
        ("mostly",),
        lambda k: f"not one of {listed(k['value_set'])}",
        fault=lambda k: f"are one of {listed(k['value_set'])}",
        failing_rows=lambda k: _in_list(k["column"], "in", k["value_set"]),
    ),
    "expect_column_values_to_be_between": ExpectationType(
        "between",
        ("column",),
        ("mostly", *_RANGE),
        in_range,
        fault=lambda k: f"are not {in_range(k)}",
        failing_rows=lambda k: _out_of_range(quoted(k["column"]), k),
    ),
    "expect_column_value_lengths_to_be_between": ExpectationType(
        "length_between",
        ("column",),
        ("mostly", *_RANGE),
        lambda k: f"of a length {in_range(k)}",
        fault=lambda k: f"have a length that is not {in_range(k)}",
        failing_rows=lambda k: _out_of_range(f"length({quoted(k['column'])})", k),
    ),
    "expect_column_value_lengths_to_equal": ExpectationType(
        "length_equals",
        ("column", "value"),
        ("mostly",),
        lambda k: f"of length {k['value']}",
        fault=lambda k: f"have a length other than {k['value']}",
        failing_rows=lambda k: Condition(f"length({quoted(k['column'])}) <> ?", (k["value"],)),
    ),
    "expect_column_pair_values_a_to_be_greater_than_b": ExpectationType(
        "greater",
        ("column_A", "column_B"),
        ("mostly", "or_equal"),
        lambda k: f"{k['column_A']} {_pair_comparison(k)} {k['column_B']}",
        fault=lambda k: f"break {k['column_A']} {_pair_comparison(k)} {k['column_B']}",
        failing_rows=lambda k: Condition(
            f"not ({quoted(k['column_A'])} {_pair_comparison(k)} {quoted(k['column_B'])})"
        ),
    ),
    "expect_column_pair_values_to_be_equal": ExpectationType(
        "equal",
        ("column_A", "column_B"),
        ("mostly",),
        lambda k: f"{k['column_A']} = {k['column_B']}",
        fault=lambda k: f"break {k['column_A']} = {k['column_B']}",
        failing_rows=lambda k: Condition(f"{quoted(k['column_A'])} <> {quoted(k['column_B'])}"),
    ),
    # Its failing rows are what its own query returns.
    UNEXPECTED_ROWS: ExpectationType(
        "rule",
        ("unexpected_rows_query",),
        (),
        lambda k: "no row that breaks the rule",
        fault=lambda k: "break the rule",
    ),
    # every row, by queries of ours
    "expect_column_values_to_be_known": ExpectationType(
        "known",
        ("column", "table"),
        ("other_column", "mostly", "at_least"),
        lambda k: f"in {k['table']}{_but_for_few(k)}",
        fault=lambda k: f"are not in {k['table']}",
        failing_rows=_unknown,
        query=lambda k: _rows_unless_few(k, _unknown(k)),
    ),
    "expect_column_dates_not_to_lie_ahead": ExpectationType(
        "not_ahead",
        ("column",),
        ("days", "than", "mostly", "at_least"),
        lambda k: f"at most {k.get('days', 1)} days after {k.get('than', '_delivered_on')}{_but_for_few(k)}",
        fault=lambda k: f"are more than {k.get('days', 1)} days after {k.get('than', '_delivered_on')}",
        failing_rows=_ahead,
        query=lambda k: _rows_unless_few(k, _ahead(k)),
    ),
    # figures made of many rows
    "expect_row_counts_to_be_usual": ExpectationType(
        "row_counts_usual",
        (),
        ("deviations", "days_of_history", "since"),
        lambda k: "with as many rows as is usual",
        measure="delivery",
        figures=usual.row_counts_usual,
        needs=(usual.DELIVERIES, usual.DAYS_OFF),
        judges_shape=True,
    ),
    "expect_row_counts_to_be_plausible": ExpectationType(
        "row_counts_plausible",
        (),
        ("below", "above", "at_least", "days_of_history", "since", "date_column"),
        lambda k: f"with {k.get('below', 0.5):.0%} to {k.get('above', 3):.0%} of the rows that are usual",
        measure="delivery",
        figures=usual.row_counts_plausible,
        needs=(usual.DELIVERIES, usual.DAYS_OFF),
        judges_shape=True,
    ),
    "expect_daily_values_to_be_usual": ExpectationType(
        "usual",
        ("day", "value"),
        ("where", "calendar", "deviations", "change", "events", "days_late", "days_of_history"),
        lambda k: f"with a {k['value']} that is usual for its weekday",
        measure="day",
        figures=usual.daily_values_usual,
        needs=(usual.DAYS_OFF,),
    ),
    "expect_monthly_values_to_be_usual": ExpectationType(
        "usual",
        ("month", "value"),
        ("by", "where", "deviations", "change"),
        lambda k: f"with a {k['value']} that is usual",
        measure="month",
        figures=usual.monthly_values_usual,
    ),
    "expect_closed_months_to_stay": ExpectationType(
        "closed_months_stay",
        (),
        ("share", "days_before", "where"),
        lambda k: f"as published, or within {k.get('share', 0.02):.0%}, unless a delivery explains it",
        measure="closed month",
        figures=usual.closed_months_stay,
        needs=(usual.PUBLISHED_MONTHS, usual.DELIVERED_MONTHS),
    ),
    # the column as a whole
    "expect_column_min_to_be_between": _statistic("min_between", "minimum"),
    "expect_column_max_to_be_between": _statistic("max_between", "maximum"),
    "expect_column_mean_to_be_between": _statistic("mean_between", "mean"),
    "expect_column_median_to_be_between": _statistic("median_between", "median"),
    "expect_column_sum_to_be_between": _statistic("sum_between", "sum"),
    "expect_column_stdev_to_be_between": _statistic("stdev_between", "standard deviation"),
    "expect_column_unique_value_count_to_be_between": _statistic(
        "distinct_count_between", "number of distinct values", shows_values=False
    ),
    "expect_column_proportion_of_unique_values_to_be_between": _statistic(
        "distinct_share_between", "share of distinct values", shows_values=False
    ),
    "expect_column_proportion_of_non_null_values_to_be_between": _statistic(
        "filled_share_between", "share of filled values", shows_values=False
    ),
    "expect_column_distinct_values_to_be_in_set": ExpectationType(
        "values_in_set",
        ("column", "value_set"),
        (),
        lambda k: f"only {listed(k['value_set'])}",
        measure="list of values",
        shows_values=True,
    ),
    "expect_column_distinct_values_to_contain_set": ExpectationType(
        "values_contain_set",
        ("column", "value_set"),
        (),
        lambda k: f"at least {listed(k['value_set'])}",
        measure="list of values",
        shows_values=True,
    ),
    "expect_column_distinct_values_to_equal_set": ExpectationType(
        "values_equal_set",
        ("column", "value_set"),
        (),
        lambda k: f"exactly {listed(k['value_set'])}",
        measure="list of values",
        shows_values=True,
    ),
}


def _query(condition: str) -> str:
    return f"use {UNEXPECTED_ROWS} with `select … from {BATCH_PLACEHOLDER} where {condition}`"


_REGEX = _query("not regexp_matches(column, 'pattern')")
_NO_REGEX = _query("regexp_matches(column, 'pattern')")
_LIKE = _query("column not like 'pattern'")
_NO_LIKE = _query("column like 'pattern'")
_TYPES = "column types belong in the dbt model's contract; for raw text " + _query(
    "try_cast(column as decimal(18, 2)) is null and column is not null"
)
_STEADY = (
    f"use {UNEXPECTED_ROWS} with `select … from {BATCH_PLACEHOLDER} qualify column < lag(column) over (order by …)`"
)
_DISTRIBUTION = f"use {UNEXPECTED_ROWS} on quantile_cont(column, …), or test the statistic in a mart"
_JSON = _query("not json_valid(column)")

REFUSED: Mapping[str, str] = {
    "expect_column_values_to_match_regex": _REGEX,
    "expect_column_values_to_match_regex_list": _REGEX,
    "expect_column_values_to_not_match_regex": _NO_REGEX,
    "expect_column_values_to_not_match_regex_list": _NO_REGEX,
    "expect_column_values_to_match_like_pattern": _LIKE,
    "expect_column_values_to_match_like_pattern_list": _LIKE,
    "expect_column_values_to_not_match_like_pattern": _NO_LIKE,
    "expect_column_values_to_not_match_like_pattern_list": _NO_LIKE,
    "expect_column_values_to_be_of_type": _TYPES,
    "expect_column_values_to_be_in_type_list": _TYPES,
    "expect_column_type_to_be": _TYPES,
    "expect_column_values_to_be_increasing": _STEADY,
    "expect_column_values_to_be_decreasing": _STEADY,
    "expect_column_quantile_values_to_be_between": _DISTRIBUTION,
    "expect_column_value_z_scores_to_be_less_than": _DISTRIBUTION,
    "expect_column_values_to_not_be_outliers": _DISTRIBUTION,
    "expect_column_kl_divergence_to_be_less_than": _DISTRIBUTION,
    "expect_column_values_to_match_strftime_format": _query(
        "try_strptime(column, 'format') is null and column is not null"
    ),
    "expect_column_values_to_be_dateutil_parseable": _query(
        "try_cast(column as timestamp) is null and column is not null"
    ),
    "expect_column_values_to_be_json_parseable": _JSON,
    "expect_column_values_to_match_json_schema": _JSON,
}
