"""The Great Expectations types that a suite may use on DuckDB, one entry each.

Belongs here: the kwargs of a type, the words for its result, and which rows break it.
Does not belong here: running expectations (runner.py) or reading suites (suites.py). This module does not import
Great Expectations: that takes seconds, and suites are read whenever definitions load. One test compares this table with
the classes of Great Expectations, and another runs every type on data that passes and on data that fails.

Three kinds of types are allowed: those that Great Expectations evaluates on DuckDB by itself; those that it evaluates
with the metrics of engine.py (patterns, formats, finite numbers); and those that this module turns into a query, two
of them under names of Great Expectations. `REFUSED` lists types that must be replaced by another type on DuckDB, and
names that type. `unexpected_rows_expectation` can express anything that SQL can.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from pipelines.checks import anomalies
from pipelines.sql import quote_name, quote_qualified_name, quote_text

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
        judges_absence: it may find something on a table that may be empty and is: it also reads other tables.
        runbook: the section of docs/operations.md on it, for suites that name none.
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
    judges_absence: bool = False
    runbook: str = ""

    def columns(self, kwargs: Kwargs) -> tuple[str, ...]:
        """The columns that an expectation with these kwargs is about; empty if it is about the whole table."""
        if "column_list" in self.required and not self.judges_shape:
            return tuple(kwargs["column_list"])
        return tuple(kwargs[key] for key in ("column", "column_A", "column_B") if key in self.required)


def rule_query(query: str) -> str:
    """The query for the rows that break a rule, in a form that can be nested in another query, however it ends."""
    stripped = query.rstrip("; \t\r\n")
    return f"select * from ({stripped}\n) as failing"  # the line break ends a trailing comment


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


def _out_of_range(of: str) -> Callable[[Kwargs], Condition]:
    def condition(kwargs: Kwargs) -> Condition:
        value = of.format(quote_name(kwargs["column"]))
        limits = {
            f"{value} {'<=' if kwargs.get('strict_min') else '<'} ?": kwargs.get("min_value"),
            f"{value} {'>=' if kwargs.get('strict_max') else '>'} ?": kwargs.get("max_value"),
        }
        given = {sql: limit for sql, limit in limits.items() if limit is not None}
        return Condition(" or ".join(given) or "false", tuple(given.values()))

    return condition


def repeated_keys(columns: Sequence[str]) -> str:
    """The table of values that occur twice in `columns`, created when they are counted, as a SQL identifier."""
    return quote_name(f"repeated {', '.join(columns)}")


def _repeated(kwargs: Kwargs) -> Condition:
    """Rows whose values occur twice. Missing values equal each other, but a row with only missing values is no
    duplicate."""
    columns = kwargs["column_list"] if "column_list" in kwargs else [kwargs["column"]]
    # Missing values are equal only inside a struct.
    fields = ", ".join(f"'{number}': {quote_name(column)}" for number, column in enumerate(columns))
    value = f"{{{fields}}}" if len(columns) > 1 else quote_name(columns[0])
    return Condition(f"{value} in (select {value} from {repeated_keys(columns)})")


def _in_list(operator: str) -> Callable[[Kwargs], Condition]:
    def condition(kwargs: Kwargs) -> Condition:
        marks = ", ".join("?" for _ in kwargs["value_set"])
        sql = f"{quote_name(kwargs['column'])} {operator} ({marks})" if marks else "true"
        return Condition(sql, tuple(kwargs["value_set"]))

    return condition


def _pair_comparison(kwargs: Kwargs) -> str:
    return ">=" if kwargs.get("or_equal") else ">"


def _read_by_duckdb(key: str, read: Callable[[Any], object], verdict: str = "cannot read") -> Callable[[Kwargs], None]:
    """A `refuse` for the kwarg `key`, which must be something that DuckDB can read."""

    def refuse(kwargs: Kwargs) -> None:
        try:
            read(kwargs[key])
        except duckdb.Error as error:
            reason = str(error).splitlines()[0].partition(": ")[2].rstrip(".")
            raise ValueError(f"{key}: DuckDB {verdict} {kwargs[key]!r}: {reason}.") from None

    return refuse


_refuse_regex = _read_by_duckdb("regex", lambda regex: duckdb.execute("select regexp_matches('', ?)", [regex]))
_refuse_format = _read_by_duckdb(
    "strftime_format", lambda format_: duckdb.execute("select try_strptime('', ?)", [format_])
)
_refuse_type = _read_by_duckdb(
    "type_", lambda type_: duckdb.execute(f"select typeof(cast(null as {type_}))"), verdict="has no type"
)
_refuse_condition, _refuse_query = (
    _read_by_duckdb(key, lambda sql: duckdb.extract_statements(f"select ({sql}\n)")) for key in ("condition", "query")
)


def _quantiles(kwargs: Kwargs) -> str:
    """The quantiles as a list, `found`, in a table with one row. Quantiles between two values are interpolated."""
    shares = ", ".join(str(float(quantile)) for quantile in kwargs["quantile_ranges"]["quantiles"])
    return f"select quantile_cont({quote_name(kwargs['column'])}, [{shares}]) as found from {BATCH_PLACEHOLDER}"


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
            "column_index: Great Expectations ignores position 0; use expect_table_columns_to_match_ordered_list."
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
                select count({quote_name(kwargs["column"])}) from {BATCH_PLACEHOLDER}
            )
    """


def _unknown(kwargs: Kwargs) -> Condition:
    column, other = quote_name(kwargs["column"]), quote_name(kwargs.get("other_column", kwargs["column"]))
    table = quote_qualified_name(kwargs["table"])
    return Condition(
        f"{column} is not null and {column} not in (select {other} from {table} where {other} is not null)"
    )


def _ahead(kwargs: Kwargs) -> Condition:
    than = quote_name(kwargs.get("than", "_delivered_on"))
    return Condition(f"cast({quote_name(kwargs['column'])} as date) > {than} + {int(kwargs.get('days', 1))}")


def _column_type(kwargs: Kwargs) -> str:
    """The column's type as a table with one row, together with DuckDB's own name of the expected type."""
    column = kwargs["column"].replace("'", "''")
    return f"""
        select column_type, typeof(cast(null as {kwargs["type_"]})) as expected_type
        from (describe {BATCH_PLACEHOLDER}) where column_name = '{column}'
    """


def _age(kwargs: Kwargs) -> str:
    """The newest value, what it is compared with, and the time between them, as a table with one row.

    `relative_to` is a column of the table, or `schema.table.column`. A date stands for its whole day: hours count from
    the end of the day, days from date to date.
    """
    *table, column = kwargs["relative_to"].rsplit(".", 2)
    source = ".".join(quote_name(part) for part in table) or BATCH_PLACEHOLDER
    return f"""
        select
            newest,
            reference,
            date_diff('day', cast(newest as date), cast(reference as date)) as days,
            date_diff('second', newest, reference + case when is_date then interval 1 day else interval 0 day end)
                / 3600 as hours
        from (select max(try_cast({quote_name(kwargs["column"])} as timestamp)) as newest from {BATCH_PLACEHOLDER})
        cross join (
            select
                try_cast(max({quote_name(column)}) as timestamp) as reference,
                typeof(max({quote_name(column)})) = 'DATE' as is_date
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
    return [quote_name(column) for column in kwargs.get("group_by", [])]


def _gaps(kwargs: Kwargs) -> str:
    """The last date before each gap, and the first date after it."""
    column, groups = quote_name(kwargs["column"]), _grouped(kwargs)
    unit = kwargs.get("unit", "day")
    date, follows = f"cast(date_trunc('{unit}', try_cast({column} as date)) as date)", ">"
    if kwargs.get("exact"):
        date, follows = f"try_cast({column} as date)", "<>"
    partition = f"partition by {', '.join(groups)}" if groups else ""
    selected = ", ".join([*groups, column])
    return f"""
        select {selected}, next_value from (
            select {selected}, cast(lead({column}) over ({partition} order by {column}) as date) as next_value
            from (
                select distinct {", ".join([*groups, ""])}{date} as {column}
                from {BATCH_PLACEHOLDER} where {column} is not null and ({kwargs.get("where", "true")})
            )
        ) where next_value {follows} {column} + interval 1 {unit}
    """


def _refuse_gaps(kwargs: Kwargs) -> None:
    if kwargs.get("unit", "day") not in _UNITS:
        raise ValueError(f"unit must be one of {', '.join(_UNITS)}.")
    _refuse_lists(kwargs, "group_by")


def _drops(kwargs: Kwargs) -> str:
    """Rows whose value is less than the preceding value, together with that value."""
    column, groups = quote_name(kwargs["column"]), _grouped(kwargs)
    order = [quote_name(name) for name in kwargs["order_by"]]
    partition = f"partition by {', '.join(groups)}" if groups else ""
    return f"""
        select {", ".join(dict.fromkeys([*groups, *order, column]))},
            lag({column}) over ({partition} order by {", ".join(order)}) as previous_value
        from {BATCH_PLACEHOLDER} where {column} is not null
        qualify {column} {"<=" if kwargs.get("strictly") else "<"} previous_value
    """


def _refuse_lists(kwargs: Kwargs, *keys: str) -> None:
    for key in keys:
        columns = kwargs.get(key, [""])
        if not isinstance(columns, list) or not columns or not all(isinstance(column, str) for column in columns):
            raise ValueError(f"{key} must be a list of columns.")


def _rows_breaking(condition: str) -> str:
    """The rows of which a condition is false. As in a SQL `check`, a condition that is unknown is not broken."""
    return f"select * from {BATCH_PLACEHOLDER} where not ({condition}\n)"


def _total(kwargs: Kwargs) -> str:
    """The total of the table and the value of the query, which it should equal, as a table with one row."""
    return f"""
        select
            (select coalesce({kwargs["total"]}, 0) from {BATCH_PLACEHOLDER} where {kwargs.get("where", "true")})
                as total,
            coalesce(({kwargs["query"]}
            ), 0) as expected
    """


def _parts(kwargs: Kwargs) -> str:
    """The parts of each period whose sum differs from the company's value."""
    columns = [quote_name(column) for column in kwargs["column_list"]]
    period = [quote_name(column) for column in kwargs.get("period", ["grain", "period_start"])]
    sums = ", ".join(f"sum(part.{column}) as {column}, any_value(whole.{column})" for column in columns)
    differ = " or ".join(f"sum(part.{column}) <> any_value(whole.{column})" for column in columns)
    return f"""
        select {", ".join(f"part.{column}" for column in period)}, part.entity_type, {sums}
        from {BATCH_PLACEHOLDER} as part
        inner join {BATCH_PLACEHOLDER} as whole
            on whole.entity_type = 'company' and {" and ".join(f"whole.{one} = part.{one}" for one in period)}
        group by {", ".join(str(position) for position in range(1, len(period) + 2))}
        having {differ}
    """


def _column_set(kwargs: Kwargs) -> str:
    return f"{'exactly' if kwargs.get('exact_match', True) else 'among others'} {listed(kwargs['column_set'], 5)}"


def _column_set_or_like(kwargs: Kwargs) -> str:
    like = f", or like {listed(kwargs['patterns'], 5)}" if kwargs.get("patterns") else ""
    return f"of {listed(kwargs['column_set'], 5)}{like}"


def _unknown_columns(kwargs: Kwargs) -> str:
    """Columns that are not in the set and match none of the patterns, in which * is any text; case does not matter."""
    known = ", ".join(quote_text(column) for column in kwargs["column_set"])
    like = " or ".join(f"lower(column_name) glob {quote_text(it.lower())}" for it in kwargs.get("patterns") or ())
    return f"""
        select column_name
        from (describe select * from {BATCH_PLACEHOLDER})
        where column_name not in ({known}) and not ({like or "false"})
    """


Words = str | Callable[[Kwargs], str]

_RANGE = ("min_value", "max_value", "strict_min", "strict_max")
_KEYS, _DATES, _JUMPS = "keys-and-duplicates", "dates", "numbers-jump"  # sections of docs/operations.md
_PAIR = ("column_A", "column_B")


def _worded(words: str) -> Callable[[Kwargs], str]:
    """What `words` says of an expectation: they may name its kwargs, and what is derived from them."""

    def say(kwargs: Kwargs) -> str:
        return words.format_map(
            {"days": 1, "than": "_delivered_on", "unit": "day", **kwargs}
            | {
                "range": in_range(kwargs),
                "values": listed(kwargs.get("value_set", ())),
                "comparison": _pair_comparison(kwargs),
                "of_each": f" of each {', '.join(kwargs['group_by'])}" if kwargs.get("group_by") else "",
                "rising": "rising" if kwargs.get("strictly") else "not falling",
                "not_more": "not more" if kwargs.get("strictly") else "less",
                "order": ", ".join(kwargs.get("order_by", ())),
                "or_few": f" (fewer than {kwargs['at_least']} rows may not be)" if "at_least" in kwargs else "",
            }
        )

    return say


def _rows(
    short: str,
    words: str,
    failing: str | Callable[[Kwargs], Condition] | None = None,
    *required: str,
    columns: tuple[str, ...] = ("column",),
    optional: tuple[str, ...] = ("mostly",),
    **more: Any,
) -> ExpectationType:
    """A type that judges every row. `words` says what is expected and, after a bar, what is wrong with failing rows.

    In `failing`, the condition of failing rows, `{column}` is the column, `{text}` its text, and `?` the kwarg
    `required`.
    """

    def condition(kwargs: Kwargs) -> Condition:
        assert isinstance(failing, str)
        names = {column: quote_name(kwargs[column]) for column in columns}
        text = f"cast({names.get('column')} as varchar)"
        sql = failing.format(**names, text=text, comparison=_pair_comparison(kwargs))
        return Condition(sql, tuple(kwargs[name] for name in required))

    expected, fault = map(_worded, words.split(" | "))
    failing_rows = condition if isinstance(failing, str) else failing
    return ExpectationType(
        short, (*columns, *required), optional, expected, fault=fault, failing_rows=failing_rows, **more
    )


def _whole(
    short: str, measure: str, words: Words, *required: str, optional: tuple[str, ...] = (), **more: Any
) -> ExpectationType:
    """A type that judges a column or the table as a whole, or figures that are made of many rows."""
    said = _worded(words) if isinstance(words, str) else words
    return ExpectationType(short, required, optional, said, measure=measure, **more)


def _shape(short: str, measure: str, words: Words, *required: str, **more: Any) -> ExpectationType:
    return _whole(short, measure, words, *required, judges_shape=True, **more)


def _statistic(short: str, measure: str, *, shows_values: bool = True) -> ExpectationType:
    return _whole(short, measure, "{range}", "column", optional=_RANGE, shows_values=shows_values)


def _value_list(short: str, words: str) -> ExpectationType:
    return _whole(short, "list of values", words, "column", "value_set", shows_values=True)


ALLOWED: Mapping[str, ExpectationType] = {
    # the table
    "expect_table_row_count_to_be_between": _shape("row_count_between", "row count", "{range}", optional=_RANGE),
    "expect_table_row_count_to_equal": _shape("row_count_equals", "row count", "{value}", "value"),
    "expect_table_row_count_to_equal_other_table": _shape(
        "row_count_equals_other_table", "row count", "the row count of {other_table_name}", "other_table_name"
    ),
    "expect_table_column_count_to_be_between": _shape(
        "column_count_between", "column count", "{range}", optional=("min_value", "max_value")
    ),
    "expect_table_column_count_to_equal": _shape("column_count_equals", "column count", "{value}", "value"),
    "expect_table_columns_to_match_set": _shape(
        "columns_match_set", COLUMN_LIST, _column_set, "column_set", optional=("exact_match",)
    ),
    "expect_table_columns_to_be_known": _shape(
        "columns_known", COLUMN_LIST, _column_set_or_like, "column_set", optional=("patterns",), query=_unknown_columns
    ),
    "expect_table_columns_to_match_ordered_list": _shape(
        "columns_match_list", COLUMN_LIST, lambda k: f"in this order {listed(k['column_list'], 5)}", "column_list"
    ),
    "expect_column_to_exist": _shape(
        "exists", COLUMN_LIST, "with {column}", "column", optional=("column_index",), refuse=_refuse_position
    ),
    # every row
    "expect_column_values_to_not_be_null": _rows("not_null", "not empty | are empty", "{column} is null"),
    "expect_column_values_to_be_null": _rows("null", "empty | are not empty", "{column} is not null"),
    "expect_column_values_to_be_unique": _rows("unique", "unique | are duplicates", _repeated, runbook=_KEYS),
    "expect_compound_columns_to_be_unique": _rows(
        "unique_together", "unique | are duplicates", _repeated, columns=("column_list",), runbook=_KEYS
    ),
    "expect_column_values_to_be_in_set": _rows(
        "in_set", "one of {values} | are not one of {values}", _in_list("not in"), "value_set"
    ),
    "expect_column_values_to_not_be_in_set": _rows(
        "not_in_set", "not one of {values} | are one of {values}", _in_list("in"), "value_set"
    ),
    "expect_column_values_to_be_between": _rows(
        "between", "{range} | are not {range}", _out_of_range("{}"), optional=("mostly", *_RANGE)
    ),
    "expect_column_value_lengths_to_be_between": _rows(
        "length_between", "of a length {range} | have a length that is not {range}", _out_of_range("length({})"),
        optional=("mostly", *_RANGE),
    ),
    "expect_column_value_lengths_to_equal": _rows(
        "length_equals", "of length {value} | have a length other than {value}", "length({column}) <> ?", "value"
    ),
    "expect_column_pair_values_a_to_be_greater_than_b": _rows(
        "greater", "{column_A} {comparison} {column_B} | break {column_A} {comparison} {column_B}",
        "not ({column_A} {comparison} {column_B})", columns=_PAIR, optional=("mostly", "or_equal"),
    ),
    "expect_column_pair_values_to_be_equal": _rows(
        "equal", "{column_A} = {column_B} | break {column_A} = {column_B}", "{column_A} <> {column_B}", columns=_PAIR
    ),
    # every row, with the metrics of engine.py
    "expect_column_values_to_match_regex": _rows(
        "match_regex", "matching {regex} | do not match {regex}", "not regexp_matches({text}, ?)", "regex",
        refuse=_refuse_regex,
    ),
    "expect_column_values_to_not_match_regex": _rows(
        "not_match_regex", "not matching {regex} | match {regex}", "regexp_matches({text}, ?)", "regex",
        refuse=_refuse_regex,
    ),
    "expect_column_values_to_match_like_pattern": _rows(
        "like", "like {like_pattern} | are not like {like_pattern}", "{text} not like ?", "like_pattern"
    ),
    "expect_column_values_to_not_match_like_pattern": _rows(
        "not_like", "not like {like_pattern} | are like {like_pattern}", "{text} like ?", "like_pattern"
    ),
    "expect_column_values_to_match_strftime_format": _rows(
        "match_format", "of the format {strftime_format} | are not of the format {strftime_format}",
        "{text} is not null and try_strptime({text}, ?) is null", "strftime_format", refuse=_refuse_format,
    ),
    "expect_column_values_to_be_json_parseable": _rows("json", "JSON | are not JSON", "not json_valid({text})"),
    FINITE: _rows("finite", "a finite number | are NaN or infinite", "not isfinite({column})"),
    # every row, by queries that return the failing rows
    UNEXPECTED_ROWS: _rows(
        "rule", "no row that breaks the rule | break the rule", None, "unexpected_rows_query", columns=(), optional=(),
        judges_absence=True,
    ),
    "expect_rows_to_satisfy": _rows(
        "rule", "{condition} | break the rule", None, "condition", columns=(), optional=(),
        query=lambda k: _rows_breaking(k["condition"]), refuse=_refuse_condition,
    ),
    "expect_columns_to_be_finite": _rows(
        "finite", "finite numbers | are NaN or infinite", columns=("column_list",), optional=(),
        query=lambda k: _rows_breaking(" and ".join(f"isfinite({quote_name(column)})" for column in k["column_list"])),
    ),
    "expect_parts_to_add_up_to_company": _rows(
        "add_up", "of each period and cut as much as of the company | do not add up to the company's",
        columns=("column_list",), optional=("period",), query=_parts, refuse=lambda k: _refuse_lists(k, "period"),
    ),
    "expect_column_values_to_increase": _rows(
        "increasing", "{rising} by {order}{of_each} | are {not_more} than the one before", None, "order_by",
        optional=("group_by", "strictly"), query=_drops,
        refuse=lambda k: _refuse_lists(k, "order_by", "group_by"),
    ),
    "expect_column_dates_to_have_no_gaps": _rows(
        "no_gaps", "every {unit} from the first to the last{of_each} | are followed by a gap",
        optional=("unit", "group_by", "where", "exact"), query=_gaps, refuse=_refuse_gaps, runbook=_DATES,
    ),
    # every row but for a few, by queries of ours
    "expect_column_values_to_be_known": _rows(
        "known", "in {table}{or_few} | are not in {table}", _unknown, "table",
        optional=("other_column", "mostly", "at_least"), query=lambda k: _rows_unless_few(k, _unknown(k)),
        runbook="unknown-references",
    ),
    "expect_column_dates_not_to_lie_ahead": _rows(
        "not_ahead", "at most {days} days after {than}{or_few} | are more than {days} days after {than}", _ahead,
        optional=("days", "than", "mostly", "at_least"), query=lambda k: _rows_unless_few(k, _ahead(k)), runbook=_DATES,
    ),
    # the table or a column as a whole, by queries of ours
    "expect_total_to_equal_query": _whole(
        "total_equals", "total", lambda k: f"{'at least ' if k.get('or_more') else ''}the result of {k['query']}",
        "total", "query", optional=("where", "or_more"),
        query=lambda k: f"select * from ({_total(k)}) where total {'<' if k.get('or_more') else '<>'} expected",
        observe=lambda k: f"select concat(total, ' against ', expected) as observed from ({_total(k)})",
        refuse=_refuse_query, shows_values=True, judges_absence=True,
    ),
    "expect_column_type_to_be": _shape(
        "type", "type", "{type_}", "column", "type_",
        query=lambda k: f"select * from ({_column_type(k)}) where column_type <> expected_type",
        observe=lambda k: f"select column_type as observed from ({_column_type(k)})", refuse=_refuse_type,
    ),
    "expect_column_quantile_values_to_be_between": _whole(
        "quantiles_between", "list of quantiles", _quantile_ranges, "column", "quantile_ranges", shows_values=True,
        query=_wrong_quantiles, observe=_observed_quantiles, refuse=_refuse_quantiles,
    ),
    "expect_column_newest_value_to_be_recent": _whole(
        "recent", "newest value", lambda k: "at most {1} {0} before {2}".format(*_oldest_age(k), k["relative_to"]),
        "column", "relative_to", optional=("max_age_days", "max_age_hours"), shows_values=True, query=_stale,
        observe=_observed_age, refuse=_refuse_age,
    ),
    # figures made of many rows
    "expect_deliveries_to_have_rows": _shape(
        "deliveries_have_rows", "delivery", "with at least one row", optional=("skipped",),
        figures=anomalies.row_counts_above_zero, needs=(anomalies.DELIVERIES,),
    ),
    "expect_row_counts_to_be_usual": _shape(
        "row_counts_usual", "delivery", "with as many rows as is usual",
        optional=("deviations", "days_of_history", "since"), figures=anomalies.row_counts_usual,
        needs=(anomalies.DELIVERIES, anomalies.DAYS_OFF),
    ),
    "expect_row_counts_to_be_plausible": _shape(
        "row_counts_plausible", "delivery",
        lambda k: f"with {k.get('below', 0.5):.0%} to {k.get('above', 3):.0%} of the rows that are usual",
        optional=("below", "above", "at_least", "days_of_history", "since", "date_column", "may_be_empty"),
        figures=anomalies.row_counts_plausible, needs=(anomalies.DELIVERIES, anomalies.DAYS_OFF),
    ),
    "expect_daily_values_to_be_usual": _whole(
        "usual", "day", "with a {value} that is usual for its weekday", "day", "value",
        optional=("where", "calendar", "deviations", "change", "events", "days_late", "days_of_history"),
        figures=anomalies.daily_values_usual, needs=(anomalies.DAYS_OFF,), runbook=_JUMPS,
    ),
    "expect_monthly_values_to_be_usual": _whole(
        "usual", "month", "with a {value} that is usual", "month", "value",
        optional=("by", "where", "deviations", "change"), figures=anomalies.monthly_values_usual, runbook=_JUMPS,
    ),
    "expect_closed_months_to_stay": _whole(
        "closed_months_stay", "closed month",
        lambda k: f"as published, or within {k.get('share', 0.02):.0%}, unless a delivery explains it",
        optional=("share", "days_before", "where"), figures=anomalies.closed_months_stay,
        needs=(anomalies.PUBLISHED_MONTHS, anomalies.DELIVERED_MONTHS), runbook="history-changed",
    ),
    # a column as a whole
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
    "expect_column_distinct_values_to_be_in_set": _value_list("values_in_set", "only {values}"),
    "expect_column_distinct_values_to_contain_set": _value_list("values_contain_set", "at least {values}"),
    "expect_column_distinct_values_to_equal_set": _value_list("values_equal_set", "exactly {values}"),
}  # fmt: skip


def _query(condition: str) -> str:
    return f"use {UNEXPECTED_ROWS} with `select … from {BATCH_PLACEHOLDER} where {condition}`"


def _instead(name: str, how: str) -> str:
    return f"use {name} with {how}"


_TYPES = _instead("expect_column_type_to_be", "DuckDB's name of the type, such as `decimal(18, 2)`")
_STEADY = "the rows of a table have no order: " + _instead(
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
