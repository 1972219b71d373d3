"""The Great Expectations types that a suite may use on DuckDB, one entry each.

Belongs here: the kwargs of a type, the words for its result, and which rows break it.
Does not belong here: running expectations (gx/runner.py) or reading suites (suites.py). This module does not import
Great Expectations: that takes seconds, and suites are read whenever definitions load. One test compares this table with
the classes of Great Expectations, and another runs every type on data that passes and on data that fails.

Three kinds of types are allowed: those that Great Expectations evaluates on DuckDB by itself; those that it evaluates
with the metrics of gx/engine.py (patterns, formats, finite numbers); and those that this module turns into a query, two
of them under names of Great Expectations. `REFUSED` lists types that must be replaced by another type on DuckDB, and
names that type. `unexpected_rows_expectation` can express anything that SQL can.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from pipelines.checks import anomalies

UNEXPECTED_ROWS = "unexpected_rows_expectation"
FINITE = "expect_column_values_to_be_finite"  # our own type that Great Expectations counts like its own types
BATCH = "batch"  # name of the table under test inside the database
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
        short: the end of the default check name, after the column: `order_id_not_null`.
        required, optional: the kwargs that it takes.
        words: what is expected of every row ("not empty"), or of the measure ("at least 1").
        fault: what is wrong with failing rows, worded for several ("are empty"); None if no single row is at fault.
        failing_rows: the condition that is true for failing rows.
        measure: what a type without a fault examines ("row count").
        judges_shape: it counts the table's rows or columns and reads no value, so it makes sense on an empty table.
        shows_values: the observed value is, or may be, a value of the column, and is hidden for a personal column.
        query: for our own types: makes a query from the kwargs that returns the rows that break the expectation. Great
            Expectations runs it as an `unexpected_rows_expectation`.
        observe: for our own types with a `query` and a measure: makes the query for the observed value, as one text.
        refuse: raises a ValueError that says what is wrong with kwargs whose names are right.
        figures: for our own types that judge figures made from many rows: makes the query with one row per figure and
            the sentences about them (`anomalies.py`); `measure` names what each figure stands for.
        needs: the views that its query reads in addition to the table under test.
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
    observe: Callable[[Kwargs], str] | None = None
    refuse: Callable[[Kwargs], None] | None = None
    figures: Callable[[Kwargs], str] | None = None
    needs: tuple[str, ...] = ()

    def columns(self, kwargs: Kwargs) -> tuple[str, ...]:
        """The columns that an expectation with these kwargs is about; empty if it is about the whole table."""
        if "column_list" in self.required and not self.judges_shape:
            return tuple(kwargs["column_list"])
        return tuple(kwargs[key] for key in ("column", "column_A", "column_B") if key in self.required)


def rule_query(query: str) -> str:
    """The query for the rows that break a rule, in a form that can be nested in another query, however it ends."""
    stripped = query.rstrip("; \t\r\n")
    return f"select * from ({stripped}\n) as failing"  # the line break ends a trailing comment


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


def repeated_keys(columns: Sequence[str]) -> str:
    """The table of values that occur twice in `columns`, created when they are counted, as a SQL identifier."""
    return quoted(f"repeated {', '.join(columns)}")


def _repeated(columns: tuple[str, ...]) -> Condition:
    """Rows whose values occur twice. Missing values equal each other, but a row with only missing values is no
    duplicate."""
    # Missing values are equal only inside a struct.
    fields = ", ".join(f"'{number}': {quoted(column)}" for number, column in enumerate(columns))
    value = f"{{{fields}}}" if len(columns) > 1 else quoted(columns[0])
    return Condition(f"{value} in (select {value} from {repeated_keys(columns)})")


def _in_list(column: str, operator: str, values: Any) -> Condition:
    marks = ", ".join("?" for _ in values)
    return Condition(f"{quoted(column)} {operator} ({marks})" if marks else "true", tuple(values))


def _pair_comparison(kwargs: Kwargs) -> str:
    return ">=" if kwargs.get("or_equal") else ">"


def _as_text(kwargs: Kwargs) -> str:
    return f"cast({quoted(kwargs['column'])} as varchar)"


def _refuse_regex(kwargs: Kwargs) -> None:
    try:
        duckdb.execute("select regexp_matches('', ?)", [kwargs["regex"]])
    except duckdb.Error as error:
        raise ValueError(f"regex: DuckDB cannot read {kwargs['regex']!r}: {_sentence(error)}.") from None


def _refuse_format(kwargs: Kwargs) -> None:
    try:
        duckdb.execute("select try_strptime('', ?)", [kwargs["strftime_format"]])
    except duckdb.Error as error:
        raise ValueError(
            f"strftime_format: DuckDB cannot read {kwargs['strftime_format']!r}: {_sentence(error)}."
        ) from None


def _sentence(error: duckdb.Error) -> str:
    return str(error).splitlines()[0].partition(": ")[2].rstrip(".")


def _quantiles(kwargs: Kwargs) -> str:
    """The quantiles as a list, `found`, in a table with one row. Quantiles between two values are interpolated."""
    shares = ", ".join(str(float(quantile)) for quantile in kwargs["quantile_ranges"]["quantiles"])
    return f"select quantile_cont({quoted(kwargs['column'])}, [{shares}]) as found from {BATCH_PLACEHOLDER}"


def _wrong_quantiles(kwargs: Kwargs) -> str:
    limits = []
    for position, (low, high) in enumerate(kwargs["quantile_ranges"]["value_ranges"], start=1):
        limits += [f"found[{position}] >= {low}"] if low is not None else []
        limits += [f"found[{position}] <= {high}"] if high is not None else []
    return f"select * from ({_quantiles(kwargs)}) where not coalesce({' and '.join(limits)}, false)"


def _observed_quantiles(kwargs: Kwargs) -> str:
    found = ", ".join(
        f"concat('{quantile:g}: ', coalesce(cast(found[{position}] as varchar), 'unknown'))"
        for position, quantile in enumerate(kwargs["quantile_ranges"]["quantiles"], start=1)
    )
    return f"select concat_ws(', ', {found}) as observed from ({_quantiles(kwargs)})"


def _refuse_quantiles(kwargs: Kwargs) -> None:
    wanted = kwargs["quantile_ranges"]
    try:
        pairs = list(zip(wanted["quantiles"], wanted["value_ranges"], strict=True))
        fits = len(pairs) > 0 and all(_is_limited_quantile(*pair) for pair in pairs)
    except (KeyError, TypeError, ValueError):
        fits = False
    if not fits:
        raise ValueError(
            "quantile_ranges must be like {quantiles: [0.5, 0.9], value_ranges: [[1, 10], [null, 100]]}: for each "
            "quantile, from 0 to 1, a minimum and a maximum, one of which may be null."
        )


def _is_limited_quantile(quantile: float, limits: list[float | None]) -> bool:
    low, high = limits
    numbers = [number for number in (quantile, low, high) if number is not None]
    return 0 <= quantile <= 1 and len(numbers) > 1 and all(isinstance(number, int | float) for number in numbers)


def _quantile_ranges(kwargs: Kwargs) -> str:
    ranges = kwargs["quantile_ranges"]
    return ", ".join(
        f"{quantile:g}: {in_range({'min_value': low, 'max_value': high})}"
        for quantile, (low, high) in zip(ranges["quantiles"], ranges["value_ranges"], strict=True)
    )


def _refuse_position(kwargs: Kwargs) -> None:
    if kwargs.get("column_index") == 0:
        raise ValueError(
            "column_index: Great Expectations does not look at position 0; "
            "use expect_table_columns_to_match_ordered_list."
        )


def _share(kwargs: Kwargs) -> str:
    return f"{float(kwargs['mostly']):.6g}" if "mostly" in kwargs else "1"


def _rows_unless_few(kwargs: Kwargs, failing: Condition) -> str:
    """The failing rows, if there are more than `mostly` allows and at least `at_least` of them."""
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


def _pattern(short: str, key: str, words: str, fault: str, condition: str) -> ExpectationType:
    """A type that compares a column's text with a pattern, the kwarg `key`; {text} in `condition` is the text."""
    return ExpectationType(
        short,
        ("column", key),
        ("mostly",),
        lambda k: f"{words} {k[key]}",
        fault=lambda k: f"{fault} {k[key]}",
        failing_rows=lambda k: Condition(condition.format(text=_as_text(k)), (k[key],)),
        refuse={"regex": _refuse_regex, "strftime_format": _refuse_format}.get(key),
    )


def _column_type(kwargs: Kwargs) -> str:
    """The column's type as a table with one row, together with DuckDB's own name of the expected type."""
    column = kwargs["column"].replace("'", "''")
    return f"""
        select column_type, typeof(cast(null as {kwargs["type_"]})) as expected_type
        from (describe {BATCH_PLACEHOLDER}) where column_name = '{column}'
    """


def _refuse_type(kwargs: Kwargs) -> None:
    try:
        duckdb.execute(f"select typeof(cast(null as {kwargs['type_']}))")
    except duckdb.Error as error:
        raise ValueError(f"type_: DuckDB has no type {kwargs['type_']!r}: {_sentence(error)}.") from None


def _age(kwargs: Kwargs) -> str:
    """The newest value, what it is compared with, and the time between them, as a table with one row.

    `relative_to` is a column of the table, or `schema.table.column`. A date stands for its whole day: hours count from
    the end of the day, days from date to date.
    """
    *table, column = kwargs["relative_to"].rsplit(".", 2)
    source = ".".join(quoted(part) for part in table) or BATCH_PLACEHOLDER
    return f"""
        select
            newest,
            reference,
            date_diff('day', cast(newest as date), cast(reference as date)) as days,
            date_diff('second', newest, reference + case when is_date then interval 1 day else interval 0 day end)
                / 3600 as hours
        from (select max(try_cast({quoted(kwargs["column"])} as timestamp)) as newest from {BATCH_PLACEHOLDER})
        cross join (
            select
                try_cast(max({quoted(column)}) as timestamp) as reference,
                typeof(max({quoted(column)})) = 'DATE' as is_date
            from {source}
        )
    """


def _oldest_age(kwargs: Kwargs) -> tuple[str, float]:
    """The unit of the age limit, and the limit."""
    return next((unit, kwargs[f"max_age_{unit}"]) for unit in ("days", "hours") if f"max_age_{unit}" in kwargs)


def _refuse_age(kwargs: Kwargs) -> None:
    limits = [kwargs[key] for key in ("max_age_days", "max_age_hours") if key in kwargs]
    if len(limits) != 1 or not isinstance(limits[0], int | float) or limits[0] < 0:
        raise ValueError("give either max_age_days or max_age_hours, a number from 0.")
    if not isinstance(kwargs["relative_to"], str) or kwargs["relative_to"].count(".") == 1:
        raise ValueError("relative_to must be a column of the table, such as _delivered_on, or schema.table.column.")


def _stale(kwargs: Kwargs) -> str:
    unit, limit = _oldest_age(kwargs)
    return f"select * from ({_age(kwargs)}) where coalesce({unit} > {limit}, true)"


def _observed_age(kwargs: Kwargs) -> str:
    unit, _ = _oldest_age(kwargs)
    reference = kwargs["relative_to"].replace("'", "''")
    return f"""
        select
            case
                when newest is null then 'unknown, there is no value'
                when reference is null then concat(newest, ', but {reference} has no value')
                else concat(
                    newest, ', ', round(abs({unit}), 1), if(abs({unit}) = 1, ' {unit[:-1]} ', ' {unit} '),
                    if({unit} < 0, 'after', 'before'), ' {reference} ', reference
                )
            end as observed
        from (select * replace (
            regexp_replace(cast(newest as varchar), ' 00:00:00$', '') as newest,
            regexp_replace(cast(reference as varchar), ' 00:00:00$', '') as reference
        ) from ({_age(kwargs)}))
    """


_UNITS = ("day", "week", "month")


def _grouped(kwargs: Kwargs) -> list[str]:
    return [quoted(column) for column in kwargs.get("group_by", [])]


def _gaps(kwargs: Kwargs) -> str:
    """The last date before each gap, and the first date after it."""
    column, groups = quoted(kwargs["column"]), _grouped(kwargs)
    unit = kwargs.get("unit", "day")
    partition = f"partition by {', '.join(groups)}" if groups else ""
    selected = ", ".join([*groups, column])
    return f"""
        select {selected}, next_value from (
            select {selected}, cast(lead({column}) over ({partition} order by {column}) as date) as next_value
            from (
                select distinct {", ".join([*groups, ""])}
                    cast(date_trunc('{unit}', try_cast({column} as date)) as date) as {column}
                from {BATCH_PLACEHOLDER} where {column} is not null
            )
        ) where next_value > {column} + interval 1 {unit}
    """


def _refuse_gaps(kwargs: Kwargs) -> None:
    if kwargs.get("unit", "day") not in _UNITS:
        raise ValueError(f"unit must be one of {', '.join(_UNITS)}.")
    _refuse_lists(kwargs, "group_by")


def _drops(kwargs: Kwargs) -> str:
    """Rows whose value is less than the preceding value, together with that value."""
    column, groups = quoted(kwargs["column"]), _grouped(kwargs)
    order = [quoted(name) for name in kwargs["order_by"]]
    partition = f"partition by {', '.join(groups)}" if groups else ""
    return f"""
        select {", ".join(dict.fromkeys([*groups, *order, column]))},
            lag({column}) over ({partition} order by {", ".join(order)}) as previous_value
        from {BATCH_PLACEHOLDER} where {column} is not null
        qualify {column} {"<=" if kwargs.get("strictly") else "<"} previous_value
    """


def _refuse_drops(kwargs: Kwargs) -> None:
    _refuse_lists(kwargs, "order_by", "group_by")


def _refuse_lists(kwargs: Kwargs, *keys: str) -> None:
    for key in keys:
        columns = kwargs.get(key, [""])
        if not isinstance(columns, list) or not columns or not all(isinstance(column, str) for column in columns):
            raise ValueError(f"{key} must be a list of columns.")


def _of_each(kwargs: Kwargs) -> str:
    return f" of each {', '.join(kwargs['group_by'])}" if kwargs.get("group_by") else ""


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
        lambda k: f"{'exactly' if k.get('exact_match', True) else 'among others'} {listed(k['column_set'], 5)}",
        measure=COLUMN_LIST,
        judges_shape=True,
    ),
    "expect_table_columns_to_match_ordered_list": ExpectationType(
        "columns_match_list",
        ("column_list",),
        (),
        lambda k: f"in this order {listed(k['column_list'], 5)}",
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
        refuse=_refuse_position,
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
    # Its failing rows are the rows that its own query returns.
    UNEXPECTED_ROWS: ExpectationType(
        "rule",
        ("unexpected_rows_query",),
        (),
        lambda k: "no row that breaks the rule",
        fault=lambda k: "break the rule",
    ),
    # every row, with the metrics of gx/engine.py
    "expect_column_values_to_match_regex": _pattern(
        "match_regex", "regex", "matching", "do not match", "not regexp_matches({text}, ?)"
    ),
    "expect_column_values_to_not_match_regex": _pattern(
        "not_match_regex", "regex", "not matching", "match", "regexp_matches({text}, ?)"
    ),
    "expect_column_values_to_match_like_pattern": _pattern(
        "like", "like_pattern", "like", "are not like", "{text} not like ?"
    ),
    "expect_column_values_to_not_match_like_pattern": _pattern(
        "not_like", "like_pattern", "not like", "are like", "{text} like ?"
    ),
    "expect_column_values_to_match_strftime_format": _pattern(
        "match_format",
        "strftime_format",
        "of the format",
        "are not of the format",
        "{text} is not null and try_strptime({text}, ?) is null",
    ),
    "expect_column_values_to_be_json_parseable": ExpectationType(
        "json",
        ("column",),
        ("mostly",),
        lambda k: "JSON",
        fault=lambda k: "are not JSON",
        failing_rows=lambda k: Condition(f"not json_valid({_as_text(k)})"),
    ),
    FINITE: ExpectationType(
        "finite",
        ("column",),
        ("mostly",),
        lambda k: "a finite number",
        fault=lambda k: "are NaN or infinite",
        failing_rows=lambda k: Condition(f"not isfinite({quoted(k['column'])})"),
    ),
    # every row, by queries of ours
    "expect_column_values_to_increase": ExpectationType(
        "increasing",
        ("column", "order_by"),
        ("group_by", "strictly"),
        lambda k: f"{'rising' if k.get('strictly') else 'not falling'} by {', '.join(k['order_by'])}{_of_each(k)}",
        fault=lambda k: f"are {'not more' if k.get('strictly') else 'less'} than the one before",
        query=_drops,
        refuse=_refuse_drops,
    ),
    "expect_column_dates_to_have_no_gaps": ExpectationType(
        "no_gaps",
        ("column",),
        ("unit", "group_by"),
        lambda k: f"every {k.get('unit', 'day')} from the first to the last{_of_each(k)}",
        fault=lambda k: "are followed by a gap",
        query=_gaps,
        refuse=_refuse_gaps,
    ),
    # the column as a whole, by queries of ours
    "expect_column_type_to_be": ExpectationType(
        "type",
        ("column", "type_"),
        (),
        lambda k: str(k["type_"]),
        measure="type",
        judges_shape=True,
        query=lambda k: f"select * from ({_column_type(k)}) where column_type <> expected_type",
        observe=lambda k: f"select column_type as observed from ({_column_type(k)})",
        refuse=_refuse_type,
    ),
    "expect_column_quantile_values_to_be_between": ExpectationType(
        "quantiles_between",
        ("column", "quantile_ranges"),
        (),
        _quantile_ranges,
        measure="list of quantiles",
        shows_values=True,
        query=_wrong_quantiles,
        observe=_observed_quantiles,
        refuse=_refuse_quantiles,
    ),
    "expect_column_newest_value_to_be_recent": ExpectationType(
        "recent",
        ("column", "relative_to"),
        ("max_age_days", "max_age_hours"),
        lambda k: "at most {1} {0} before {2}".format(*_oldest_age(k), k["relative_to"]),
        measure="newest value",
        shows_values=True,
        query=_stale,
        observe=_observed_age,
        refuse=_refuse_age,
    ),
    # rows, but for a few, by queries of ours
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
    "expect_deliveries_to_have_rows": ExpectationType(
        "deliveries_have_rows",
        (),
        (),
        lambda k: "with at least one row",
        measure="delivery",
        figures=anomalies.row_counts_above_zero,
        needs=(anomalies.DELIVERIES,),
        judges_shape=True,
    ),
    "expect_row_counts_to_be_usual": ExpectationType(
        "row_counts_usual",
        (),
        ("deviations", "days_of_history", "since"),
        lambda k: "with as many rows as is usual",
        measure="delivery",
        figures=anomalies.row_counts_usual,
        needs=(anomalies.DELIVERIES, anomalies.DAYS_OFF),
        judges_shape=True,
    ),
    "expect_row_counts_to_be_plausible": ExpectationType(
        "row_counts_plausible",
        (),
        ("below", "above", "at_least", "days_of_history", "since", "date_column", "may_be_empty"),
        lambda k: f"with {k.get('below', 0.5):.0%} to {k.get('above', 3):.0%} of the rows that are usual",
        measure="delivery",
        figures=anomalies.row_counts_plausible,
        needs=(anomalies.DELIVERIES, anomalies.DAYS_OFF),
        judges_shape=True,
    ),
    "expect_daily_values_to_be_usual": ExpectationType(
        "usual",
        ("day", "value"),
        ("where", "calendar", "deviations", "change", "events", "days_late", "days_of_history"),
        lambda k: f"with a {k['value']} that is usual for its weekday",
        measure="day",
        figures=anomalies.daily_values_usual,
        needs=(anomalies.DAYS_OFF,),
    ),
    "expect_monthly_values_to_be_usual": ExpectationType(
        "usual",
        ("month", "value"),
        ("by", "where", "deviations", "change"),
        lambda k: f"with a {k['value']} that is usual",
        measure="month",
        figures=anomalies.monthly_values_usual,
    ),
    "expect_closed_months_to_stay": ExpectationType(
        "closed_months_stay",
        (),
        ("share", "days_before", "where"),
        lambda k: f"as published, or within {k.get('share', 0.02):.0%}, unless a delivery explains it",
        measure="closed month",
        figures=anomalies.closed_months_stay,
        needs=(anomalies.PUBLISHED_MONTHS, anomalies.DELIVERED_MONTHS),
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


def _instead(name: str, how: str) -> str:
    return f"use {name} with {how}"


_TYPES = _instead("expect_column_type_to_be", "DuckDB's name of the type, such as `decimal(18, 2)`")
_STEADY = "rows of a table have no order: " + _instead(
    "expect_column_values_to_increase", "`order_by: [column, …]`, and `group_by` where each group has its own order"
)
_ANY_REGEX = _instead("expect_column_values_to_match_regex", "the alternatives in one: `^(one|other)$`")
_NO_REGEX = _instead("expect_column_values_to_not_match_regex", "the alternatives in one: `^(one|other)$`")
_QUANTILES = _instead(
    "expect_column_quantile_values_to_be_between", "the limits that the tails of the distribution must keep"
)

REFUSED: Mapping[str, str] = {
    "expect_column_values_to_match_regex_list": _ANY_REGEX,
    "expect_column_values_to_not_match_regex_list": _NO_REGEX,
    "expect_column_values_to_match_like_pattern_list": _ANY_REGEX,
    "expect_column_values_to_not_match_like_pattern_list": _NO_REGEX,
    "expect_column_values_to_be_of_type": _TYPES,
    "expect_column_values_to_be_in_type_list": _TYPES,
    "expect_column_values_to_be_increasing": _STEADY,
    "expect_column_values_to_be_decreasing": _STEADY,
    "expect_column_value_z_scores_to_be_less_than": _query(
        "abs(column - (select avg(column) from {batch})) > 3 * (select stddev_samp(column) from {batch})"
    ),
    "expect_column_values_to_not_be_outliers": _query(
        "abs(column - (select median(column) from {batch})) > 5 * (select mad(column) from {batch})"
    ),
    "expect_column_kl_divergence_to_be_less_than": _QUANTILES,
    "expect_column_values_to_be_dateutil_parseable": _query(
        "try_cast(column as timestamp) is null and column is not null"
    ),
    "expect_column_values_to_match_json_schema": _query(
        "json_type(try_cast(column as json), '$.name') is distinct from 'VARCHAR'"
    ),
}
