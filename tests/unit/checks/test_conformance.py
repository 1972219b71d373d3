"""Every type of expectation, on data that passes and on data that fails, compared with Great Expectations on pandas.

All cases on one table form one suite, because expectations that share a scan must not affect each other either.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.checks.gx.expectation_types import ALLOWED, REFUSED
from pipelines.checks.gx.relations import DuckDBTable, opened
from pipelines.checks.results import CheckResult
from pipelines.checks.suites import Suite, load_suite
from pipelines.checks.validation import EXAMPLES, validate
from pipelines.config_files import ConfigError

TABLES = {
    # Ten orders, one of which has nothing but its number.
    "orders": """
        select * from (values
            (1, 'paid', 10.50, 1.5, 'AB-1', date '2025-01-01', date '2025-01-02', timestamp '2025-01-01 08:00', true),
            (2, 'paid', 20.00, 2.5, 'AB-2', date '2025-01-02', date '2025-01-02', timestamp '2025-01-01 09:00', true),
            (3, 'open', 30.00, 3.5, 'AB-3', date '2025-01-03', date '2025-01-05', timestamp '2025-01-01 09:00', true),
            (4, 'open', 40.00, 4.5, 'AB-4', date '2025-01-04', date '2025-01-03', timestamp '2025-01-01 10:00', false),
            (5, 'open', 50.00, 5.5, 'ab_5', date '2025-01-05', date '2025-01-05', timestamp '2025-01-01 07:00', false),
            (6, 'paid', 60.00, 6.5, 'AB-6', date '2025-01-06', date '2025-01-07', timestamp '2025-01-02 08:00', true),
            (7, 'void', 70.00, 7.5, 'AB-66', date '2025-01-07', date '2025-01-08', timestamp '2025-01-02 09:00', true),
            (7, 'void', 70.00, 7.5, '', date '2025-01-10', date '2025-01-11', timestamp '2025-01-02 10:00', true),
            (9, 'paid', -5.25, -0.5, 'AB-9', date '2025-01-11', date '2025-01-12', timestamp '2025-01-02 11:00', true),
            (10, null, null, null, null, null, null, null, null)
        ) as orders (id, status, amount, weight, code, ordered_on, paid_on, paid_at, is_new)
    """,
    "others": "select range as id from range(10)",
    "nothing": "select 1 as id where false",
    # Names that need quotes, and values that could end a string or a format.
    "oddities": '''
        select * from (values (1, 2, 'a''b', 1.0, 'x', 1), (2, 1, '{a}', 2.0, 'x', 1), (2, null, ':a', 3.0, '%', 1))
        as oddities ("order id", "say ""no""", "it's", "größe", "select", "a:b")
    ''',
    "text": """
        select * from (values
            ('2025-01-31', '{"a": 1}', '1'), ('2025-02-01', '[1, 2]', '2'), ('31.1.2025', '{a: 1}', 'x'),
            (null, null, null)
        ) as text (day, document, number)
    """,
    # Two sums are NaN and infinite, and one is missing.
    "ratios": """
        select * from (values (1, 0.5::double, 'a'), (2, 'nan', 'a'), (3, 'inf', 'b'), (4, '-inf', 'b'), (5, null, 'b'))
        as ratios (id, ratio, part)
    """,
    "days": """
        select * from (values
            ('a', date '2025-01-01', 1), ('a', date '2025-01-02', 2), ('a', date '2025-01-05', 3),
            ('b', date '2025-01-01', 5), ('b', date '2025-01-02', 4), ('b', date '2025-01-03', 4), ('b', null, null)
        ) as days (shop, day, total)
    """,
    # In February, the amounts of the regions are not the company's. Of March, there is nothing to compare them with.
    "cuts": """
        select * from (values
            (date '2025-01-01', 'company', 'all', 3, 30.0), (date '2025-01-01', 'region', 'a', 1, 10.0),
            (date '2025-01-01', 'region', 'b', 2, 20.0), (date '2025-02-01', 'company', 'all', 3, 30.0),
            (date '2025-02-01', 'region', 'a', 3, 29.0), (date '2025-03-01', 'region', 'a', 9, 9.0)
        ) as cuts (period_month, entity_type, entity_id, orders, amount)
    """,
    # One pair occurs twice, one half-missing pair occurs twice, and in two rows both values are missing.
    "pairs": """
        select * from (values
            ('a', 1), ('a', 1), ('b', null), ('b', null), (null, null), (null, null), ('c', 1), ('c', 2)
        ) as pairs (shop, number)
    """,
}


@dataclass(frozen=True)
class Case:
    """An expectation on a table: does it pass, and how many rows fail (None if no single row is at fault)?

    `alone` says why it is not compared with the pandas engine.
    """

    type: str
    kwargs: dict[str, Any]
    passes: bool
    failing: int | None = None
    table: str = "orders"
    alone: str = ""


def passing(type: str, kwargs: dict[str, Any], failing: int | None = None, **more: Any) -> Case:
    return Case(type, kwargs, True, failing, **more)


def failing(type: str, kwargs: dict[str, Any], failing: int | None = None, **more: Any) -> Case:
    return Case(type, kwargs, False, failing, **more)


NO_SQL = "there is no SQL in pandas"
OURS = "Great Expectations has no such type"
AS_FLOAT = "pandas keeps decimals, and whole numbers with gaps, as floats"
NAN = "to pandas NaN is a missing value"
NEAREST = "pandas takes the value nearest to a quantile, we interpolate; GX mixes up two on one column"
NOT_TEXT = "pandas does not take dates for their text"

COLUMNS = ["id", "status", "amount", "weight", "code", "ordered_on", "paid_on", "paid_at", "is_new"]

CASES = [
    passing("expect_table_row_count_to_be_between", {"min_value": 10, "max_value": 10}),
    passing("expect_table_row_count_to_be_between", {"min_value": 9, "strict_min": True}),
    failing("expect_table_row_count_to_be_between", {"min_value": 10, "strict_min": True}),
    failing("expect_table_row_count_to_be_between", {"max_value": 9}),
    passing("expect_table_row_count_to_equal", {"value": 10}),
    failing("expect_table_row_count_to_equal", {"value": 9}),
    passing("expect_table_row_count_to_equal_other_table", {"other_table_name": "others"}, alone=NO_SQL),
    failing("expect_table_row_count_to_equal_other_table", {"other_table_name": "nothing"}, alone=NO_SQL),
    passing("expect_table_column_count_to_be_between", {"min_value": 9, "max_value": 9}),
    failing("expect_table_column_count_to_be_between", {"min_value": 10}),
    passing("expect_table_column_count_to_equal", {"value": 9}),
    failing("expect_table_column_count_to_equal", {"value": 8}),
    passing("expect_table_columns_to_match_set", {"column_set": COLUMNS[::-1]}),
    passing("expect_table_columns_to_match_set", {"column_set": COLUMNS[1:], "exact_match": False}),
    failing("expect_table_columns_to_match_set", {"column_set": COLUMNS[1:]}),
    passing("expect_table_columns_to_be_known", {"column_set": [*COLUMNS, "another"]}, alone=OURS),
    passing(
        "expect_table_columns_to_be_known",
        {"column_set": COLUMNS[1:], "patterns": [f"{COLUMNS[0].upper()}*"]},
        alone=OURS,
    ),
    failing("expect_table_columns_to_be_known", {"column_set": COLUMNS[1:], "patterns": ["other*"]}, alone=OURS),
    passing("expect_table_columns_to_match_ordered_list", {"column_list": COLUMNS}),
    failing("expect_table_columns_to_match_ordered_list", {"column_list": COLUMNS[::-1]}),
    passing("expect_column_to_exist", {"column": "code"}),
    failing("expect_column_to_exist", {"column": "colour"}),
    failing("expect_column_to_exist", {"column": "code", "column_index": 1}),
    passing("expect_column_values_to_not_be_null", {"column": "id"}, 0),
    passing("expect_column_values_to_not_be_null", {"column": "code", "mostly": 0.9}, 1),
    failing("expect_column_values_to_not_be_null", {"column": "code", "mostly": 0.95}, 1),
    failing("expect_column_values_to_not_be_null", {"column": "is_new"}, 1),
    failing("expect_column_values_to_not_be_null", {"column": 'say "no"'}, 1, table="oddities"),
    passing("expect_column_values_to_not_be_null", {"column": "a:b"}, 0, table="oddities"),
    passing("expect_column_values_to_be_null", {"column": "status", "mostly": 0.1}, 9),
    failing("expect_column_values_to_be_null", {"column": "status"}, 9),
    passing("expect_column_values_to_be_unique", {"column": "code"}, 0),
    passing("expect_column_values_to_be_unique", {"column": "id", "mostly": 0.8}, 2),
    failing("expect_column_values_to_be_unique", {"column": "id"}, 2),
    failing("expect_column_values_to_be_unique", {"column": "amount"}, 2),
    failing("expect_column_values_to_be_unique", {"column": "status"}, 9),
    failing("expect_column_values_to_be_unique", {"column": "order id"}, 2, table="oddities"),
    failing("expect_column_values_to_be_unique", {"column": "select"}, 2, table="oddities"),
    failing("expect_column_values_to_be_unique", {"column": "a:b"}, 3, table="oddities"),
    passing("expect_compound_columns_to_be_unique", {"column_list": ["id", "code"]}, 0),
    failing("expect_compound_columns_to_be_unique", {"column_list": ["id", "status"]}, 2),
    failing("expect_compound_columns_to_be_unique", {"column_list": ["shop", "number"]}, 4, table="pairs"),
    failing("expect_compound_columns_to_be_unique", {"column_list": ["select", "a:b"]}, 2, table="oddities"),
    passing("expect_column_values_to_be_in_set", {"column": "status", "value_set": ["paid", "open", "void"]}, 0),
    passing("expect_column_values_to_be_in_set", {"column": "status", "value_set": ["paid", "open"], "mostly": 0.7}, 2),
    failing("expect_column_values_to_be_in_set", {"column": "status", "value_set": ["paid"]}, 5),
    failing("expect_column_values_to_be_in_set", {"column": "id", "value_set": [1, 2, 3, 4, 5, 6, 7]}, 2),
    passing("expect_column_values_to_be_in_set", {"column": "is_new", "value_set": [True, False]}, 0),
    failing("expect_column_values_to_be_in_set", {"column": "it's", "value_set": ["a'b", ":a"]}, 1, table="oddities"),
    passing("expect_column_values_to_not_be_in_set", {"column": "status", "value_set": ["lost"]}, 0),
    failing("expect_column_values_to_not_be_in_set", {"column": "status", "value_set": ["void"]}, 2),
    passing("expect_column_values_to_not_be_in_set", {"column": "status", "value_set": ["void"], "mostly": 0.7}, 2),
    failing("expect_column_values_to_not_be_in_set", {"column": "it's", "value_set": ["{a}"]}, 1, table="oddities"),
    passing("expect_column_values_to_be_between", {"column": "amount", "min_value": -5.25, "max_value": 70}, 0),
    failing("expect_column_values_to_be_between", {"column": "amount", "min_value": -5.25, "strict_min": True}, 1),
    failing("expect_column_values_to_be_between", {"column": "amount", "max_value": 70, "strict_max": True}, 2),
    failing("expect_column_values_to_be_between", {"column": "weight", "min_value": 0, "max_value": 7}, 3),
    passing("expect_column_values_to_be_between", {"column": "weight", "min_value": 0, "mostly": 0.8}, 1),
    failing("expect_column_values_to_be_between", {"column": "größe", "max_value": 1}, 2, table="oddities"),
    failing("expect_column_values_to_be_between", {"column": "order id", "max_value": 1}, 2, table="oddities"),
    passing("expect_column_value_lengths_to_be_between", {"column": "code", "min_value": 0, "max_value": 5}, 0),
    failing("expect_column_value_lengths_to_be_between", {"column": "code", "min_value": 4, "max_value": 4}, 2),
    failing("expect_column_value_lengths_to_be_between", {"column": "code", "min_value": 4, "strict_min": True}, 8),
    passing("expect_column_value_lengths_to_be_between", {"column": "code", "min_value": 1, "mostly": 0.8}, 1),
    passing("expect_column_value_lengths_to_equal", {"column": "status", "value": 4}, 0),
    failing("expect_column_value_lengths_to_equal", {"column": "code", "value": 4}, 2),
    failing("expect_column_value_lengths_to_equal", {"column": "select", "value": 2}, 3, table="oddities"),
    passing(
        "expect_column_pair_values_a_to_be_greater_than_b",
        {"column_A": "amount", "column_B": "weight", "mostly": 0.8},
        1,
    ),
    failing("expect_column_pair_values_a_to_be_greater_than_b", {"column_A": "paid_on", "column_B": "ordered_on"}, 3),
    failing(
        "expect_column_pair_values_a_to_be_greater_than_b",
        {"column_A": "paid_on", "column_B": "ordered_on", "or_equal": True},
        1,
    ),
    failing(
        "expect_column_pair_values_a_to_be_greater_than_b",
        {"column_A": 'say "no"', "column_B": "order id"},
        1,
        table="oddities",
        alone="pandas cannot compare its own missing whole numbers",
    ),
    passing("expect_column_pair_values_to_be_equal", {"column_A": "code", "column_B": "code"}, 0),
    failing("expect_column_pair_values_to_be_equal", {"column_A": "paid_on", "column_B": "ordered_on"}, 7),
    failing(
        "expect_column_pair_values_to_be_equal", {"column_A": "order id", "column_B": "größe"}, 1, table="oddities"
    ),
    passing(
        "unexpected_rows_expectation",
        {"unexpected_rows_query": "select * from {batch} where amount > 1000"},
        0,
        alone=NO_SQL,
    ),
    failing(
        "unexpected_rows_expectation",
        {"unexpected_rows_query": "select o.* from {batch} as o join main.others using (id) where o.id > 6"},
        3,
        alone=NO_SQL,
    ),
    passing("expect_column_values_to_match_regex", {"column": "code", "regex": "^(AB-\\d{1,2}|ab_5|)$"}, 0),
    failing("expect_column_values_to_match_regex", {"column": "code", "regex": "^AB-\\d$"}, 3),
    passing("expect_column_values_to_match_regex", {"column": "code", "regex": "^AB-\\d+$", "mostly": 0.7}, 2),
    failing("expect_column_values_to_match_regex", {"column": "code", "regex": "6"}, 7),
    failing("expect_column_values_to_match_regex", {"column": "it's", "regex": "^[a:]'?"}, 1, table="oddities"),
    failing("expect_column_values_to_match_regex", {"column": "id", "regex": "^\\d$"}, 1),
    passing("expect_column_values_to_not_match_regex", {"column": "code", "regex": "^CD"}, 0),
    failing("expect_column_values_to_not_match_regex", {"column": "code", "regex": "[a-z]"}, 1),
    passing(
        "expect_column_values_to_match_like_pattern",
        {"column": "status", "like_pattern": "%d%", "mostly": 0.6},
        3,
        alone=NO_SQL,
    ),
    failing("expect_column_values_to_match_like_pattern", {"column": "code", "like_pattern": "AB-_"}, 3, alone=NO_SQL),
    passing(
        "expect_column_values_to_not_match_like_pattern", {"column": "code", "like_pattern": "CD%"}, 0, alone=NO_SQL
    ),
    failing(
        "expect_column_values_to_not_match_like_pattern", {"column": "code", "like_pattern": "AB-__"}, 1, alone=NO_SQL
    ),
    passing(
        "expect_column_values_to_match_strftime_format",
        {"column": "day", "strftime_format": "%Y-%m-%d", "mostly": 0.6},
        1,
        table="text",
    ),
    failing(
        "expect_column_values_to_match_strftime_format",
        {"column": "day", "strftime_format": "%d.%m.%Y"},
        2,
        table="text",
    ),
    failing(
        "expect_column_values_to_match_strftime_format",
        {"column": "paid_on", "strftime_format": "%d.%m.%Y"},
        9,
        alone=NOT_TEXT,
    ),
    passing("expect_column_values_to_be_json_parseable", {"column": "number", "mostly": 0.6}, 1, table="text"),
    failing("expect_column_values_to_be_json_parseable", {"column": "document"}, 1, table="text"),
    passing("expect_column_values_to_be_finite", {"column": "weight"}, 0, alone=OURS),
    passing("expect_column_values_to_be_finite", {"column": "amount"}, 0, alone=OURS),
    passing("expect_column_values_to_be_finite", {"column": "id"}, 0, alone=OURS),
    passing("expect_column_values_to_be_finite", {"column": "ratio", "mostly": 0.2}, 3, table="ratios", alone=OURS),
    failing("expect_column_values_to_be_finite", {"column": "ratio"}, 3, table="ratios", alone=OURS),
    # What a missing value means to each expectation.
    failing("expect_column_values_to_not_be_null", {"column": "ratio"}, 1, table="ratios", alone=NAN),
    failing("expect_column_values_to_be_between", {"column": "ratio", "min_value": 0}, 1, table="ratios", alone=NAN),
    passing("expect_column_values_to_increase", {"column": "paid_at", "order_by": ["paid_at"]}, 0, alone=OURS),
    failing("expect_column_values_to_increase", {"column": "paid_at", "order_by": ["id"]}, 1, alone=OURS),
    failing(
        "expect_column_values_to_increase",
        {"column": "total", "order_by": ["day"], "group_by": ["shop"]},
        1,
        table="days",
        alone=OURS,
    ),
    failing(
        "expect_column_values_to_increase",
        {"column": "total", "order_by": ["day"], "group_by": ["shop"], "strictly": True},
        2,
        table="days",
        alone=OURS,
    ),
    failing(
        "expect_column_values_to_increase",
        {"column": 'say "no"', "order_by": ["größe"]},
        1,
        table="oddities",
        alone=OURS,
    ),
    passing("expect_column_dates_to_have_no_gaps", {"column": "ordered_on", "unit": "week"}, 0, alone=OURS),
    passing("expect_column_dates_to_have_no_gaps", {"column": "paid_at"}, 0, alone=OURS),
    failing("expect_column_dates_to_have_no_gaps", {"column": "ordered_on"}, 1, alone=OURS),
    failing(
        "expect_column_dates_to_have_no_gaps", {"column": "day", "group_by": ["shop"]}, 1, table="days", alone=OURS
    ),
    failing("expect_column_dates_to_have_no_gaps", {"column": "day"}, 1, table="days", alone=OURS),
    failing(
        "expect_column_dates_to_have_no_gaps", {"column": "day", "where": "shop = 'a'"}, 1, table="days", alone=OURS
    ),
    passing(
        "expect_column_dates_to_have_no_gaps", {"column": "day", "where": "shop = 'b'"}, 0, table="days", alone=OURS
    ),
    failing("expect_column_dates_to_have_no_gaps", {"column": "paid_on", "unit": "week", "exact": True}, 6, alone=OURS),
    # As in a SQL `check`, what is unknown breaks nothing.
    passing("expect_rows_to_satisfy", {"condition": "amount > -6 or status is null -- all"}, 0, alone=OURS),
    failing("expect_rows_to_satisfy", {"condition": "paid_on >= ordered_on"}, 1, alone=OURS),
    failing("expect_rows_to_satisfy", {"condition": "id in (select id from main.others)"}, 1, alone=OURS),
    failing("expect_rows_to_satisfy", {"condition": "\"it's\" <> ':a' and größe < 3"}, 1, table="oddities", alone=OURS),
    passing("expect_columns_to_be_finite", {"column_list": ["weight", "amount", "id"]}, 0, alone=OURS),
    failing("expect_columns_to_be_finite", {"column_list": ["id", "ratio"]}, 3, table="ratios", alone=OURS),
    passing(
        "expect_parts_to_add_up_to_company",
        {"period": ["period_month"], "column_list": ["orders"]},
        0,
        table="cuts",
        alone=OURS,
    ),
    failing(
        "expect_parts_to_add_up_to_company",
        {"period": ["period_month"], "column_list": ["amount"]},
        1,
        table="cuts",
        alone=OURS,
    ),
    failing(
        "expect_parts_to_add_up_to_company",
        {"period": ["period_month"], "column_list": ["orders", "amount"]},
        1,
        table="cuts",
        alone=OURS,
    ),
    passing(
        "expect_total_to_equal_query", {"total": "count(id)", "query": "select count(*) from main.others"}, alone=OURS
    ),
    passing(
        "expect_total_to_equal_query",
        {"total": "sum(amount)", "where": "status = 'lost'", "query": "select sum(id) from main.nothing"},
        alone=OURS,
    ),
    passing(
        "expect_total_to_equal_query",
        {"total": "count(*)", "where": "is_new", "query": "select 6", "or_more": True},
        alone=OURS,
    ),
    failing("expect_total_to_equal_query", {"total": "count(*)", "query": "select 9"}, alone=OURS),
    failing("expect_total_to_equal_query", {"total": "count(*)", "query": "select 11", "or_more": True}, alone=OURS),
    passing("expect_column_values_to_be_known", {"column": "id", "table": "main.others", "mostly": 0.9}, 1, alone=OURS),
    failing("expect_column_values_to_be_known", {"column": "id", "table": "main.others"}, 1, alone=OURS),
    passing(
        "expect_column_dates_not_to_lie_ahead", {"column": "paid_on", "than": "ordered_on", "days": 2}, 0, alone=OURS
    ),
    failing("expect_column_dates_not_to_lie_ahead", {"column": "paid_on", "than": "ordered_on"}, 1, alone=OURS),
    passing("expect_column_type_to_be", {"column": "amount", "type_": "decimal(4, 2)"}, alone=AS_FLOAT),
    passing("expect_column_type_to_be", {"column": "id", "type_": "int"}, alone=AS_FLOAT),
    failing("expect_column_type_to_be", {"column": "amount", "type_": "double"}, alone=AS_FLOAT),
    failing("expect_column_type_to_be", {"column": "it's", "type_": "date"}, table="oddities", alone=AS_FLOAT),
    passing(
        "expect_column_newest_value_to_be_recent",
        {"column": "paid_at", "relative_to": "ordered_on", "max_age_days": 9},
        alone=OURS,
    ),
    failing(
        "expect_column_newest_value_to_be_recent",
        {"column": "paid_at", "relative_to": "ordered_on", "max_age_days": 8},
        alone=OURS,
    ),
    passing(
        "expect_column_newest_value_to_be_recent",
        {"column": "paid_at", "relative_to": "main.days.day", "max_age_hours": 85},
        alone=OURS,
    ),
    failing(
        "expect_column_newest_value_to_be_recent",
        {"column": "paid_at", "relative_to": "main.days.day", "max_age_hours": 84.9},
        alone=OURS,
    ),
    failing(
        "expect_column_newest_value_to_be_recent",
        {"column": "paid_at", "relative_to": "main.nothing.id", "max_age_days": 1000},
        alone=OURS,
    ),
    passing(
        "expect_column_newest_value_to_be_recent",
        {"column": "day", "relative_to": "main.orders.paid_on", "max_age_days": 3},
        table="text",
        alone=OURS,
    ),
    passing("expect_column_min_to_be_between", {"column": "amount", "min_value": -5.25, "max_value": 0}),
    failing("expect_column_min_to_be_between", {"column": "amount", "min_value": -5.25, "strict_min": True}),
    passing("expect_column_max_to_be_between", {"column": "id", "max_value": 10}),
    failing("expect_column_max_to_be_between", {"column": "id", "max_value": 10, "strict_max": True}),
    passing("expect_column_mean_to_be_between", {"column": "amount", "min_value": 38.36, "max_value": 38.37}),
    failing("expect_column_mean_to_be_between", {"column": "weight", "min_value": 5}),
    passing("expect_column_median_to_be_between", {"column": "weight", "min_value": 4.5, "max_value": 4.5}),
    failing("expect_column_median_to_be_between", {"column": "weight", "max_value": 4.5, "strict_max": True}),
    passing("expect_column_median_to_be_between", {"column": "id", "min_value": 5.5, "max_value": 5.5}),
    passing("expect_column_sum_to_be_between", {"column": "amount", "min_value": 345.25, "max_value": 345.25}),
    failing("expect_column_sum_to_be_between", {"column": "amount", "min_value": 345.25, "strict_min": True}),
    passing("expect_column_stdev_to_be_between", {"column": "weight", "min_value": 2.7, "max_value": 2.8}),
    failing("expect_column_stdev_to_be_between", {"column": "weight", "max_value": 2.7}),
    passing(
        "expect_column_quantile_values_to_be_between",
        {
            "column": "id",
            "quantile_ranges": {
                "quantiles": [0, 0.5, 0.9, 1],
                "value_ranges": [[1, 1], [5, 6], [None, 9.5], [10, None]],
            },
        },
        alone=NEAREST,
    ),
    passing(
        "expect_column_quantile_values_to_be_between",
        {
            "column": "weight",
            "quantile_ranges": {"quantiles": [0.25, 0.33, 0.75], "value_ranges": [[2, 3], [2, 4], [6, 7]]},
        },
        alone=NEAREST,
    ),
    failing(
        "expect_column_quantile_values_to_be_between",
        {"column": "weight", "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[5, 6]]}},
        alone=NEAREST,
    ),
    failing(
        "expect_column_quantile_values_to_be_between",
        {"column": "amount", "quantile_ranges": {"quantiles": [0.1, 0.5], "value_ranges": [[0, 10], [0, 39]]}},
        alone=NEAREST,
    ),
    passing("expect_column_unique_value_count_to_be_between", {"column": "status", "min_value": 3, "max_value": 3}),
    failing("expect_column_unique_value_count_to_be_between", {"column": "status", "min_value": 4}),
    passing("expect_column_proportion_of_unique_values_to_be_between", {"column": "id", "max_value": 0.9}),
    failing("expect_column_proportion_of_unique_values_to_be_between", {"column": "status", "min_value": 0.34}),
    passing("expect_column_proportion_of_non_null_values_to_be_between", {"column": "code", "min_value": 0.9}),
    failing("expect_column_proportion_of_non_null_values_to_be_between", {"column": "code", "min_value": 0.91}),
    passing(
        "expect_column_distinct_values_to_be_in_set",
        {"column": "status", "value_set": ["paid", "open", "void", "lost"]},
    ),
    failing("expect_column_distinct_values_to_be_in_set", {"column": "status", "value_set": ["paid"]}),
    passing("expect_column_distinct_values_to_contain_set", {"column": "status", "value_set": ["paid"]}),
    failing("expect_column_distinct_values_to_contain_set", {"column": "status", "value_set": ["lost"]}),
    passing("expect_column_distinct_values_to_equal_set", {"column": "status", "value_set": ["paid", "open", "void"]}),
    failing(
        "expect_column_distinct_values_to_equal_set", {"column": "it's", "value_set": ["a'b", ":a"]}, table="oddities"
    ),
]

NAMES = [f"{number:03}_{ALLOWED[case.type].short}" for number, case in enumerate(CASES)]
BY_NAME = dict(zip(NAMES, CASES, strict=True))


def suite_of(table: str, cases: dict[str, Case], **settings: Any) -> Suite:
    expectations = [
        {"type": case.type, "name": name, "kwargs": case.kwargs, "why": "Because."} for name, case in cases.items()
    ]
    return Suite(
        stage="main", name=table, path=Path(f"main/{table}.yml"), owner="o", description="d", allow_empty=True,
        expectations=expectations, **settings,
    )  # fmt: skip


def suites() -> dict[str, Suite]:
    return {
        table: suite_of(table, {name: case for name, case in BY_NAME.items() if case.table == table})
        for table in TABLES
    }


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("conformance") / "tables.duckdb"
    with duckdb.connect(str(path)) as connection:
        for name, query in TABLES.items():
            connection.execute(f"create table {name} as {query}")
    return path


@pytest.fixture(scope="module")
def results(file) -> dict[str, CheckResult]:
    return {
        result.check: result
        for table, suite in suites().items()
        for result in validate(suite, DuckDBTable(file, "main", table))
    }


@pytest.fixture(scope="module")
def on_duckdb(file) -> dict[str, tuple[bool, dict[str, Any]]]:
    """Success and result, as Great Expectations returns them on DuckDB."""
    from pipelines.checks.gx.runner import run_expectations

    found = {}
    for table, suite in suites().items():
        with opened(DuckDBTable(file, "main", table)) as batch:
            outcomes = run_expectations(batch.engine, suite.checks)
        found |= {name: (outcome.passed, outcome.result) for name, outcome in outcomes.items()}
    return found


@pytest.fixture(scope="module")
def on_pandas(file) -> dict[str, tuple[bool, dict[str, Any]]]:
    """The same on pandas."""
    import great_expectations as gx
    from great_expectations.core import ExpectationSuite

    from pipelines.checks.gx import runner

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_pandas("pandas")
    found = {}
    with duckdb.connect(str(file), read_only=True) as connection:
        for table, suite in suites().items():
            specs = [spec for spec in suite.checks if not BY_NAME[spec.name].alone]
            batch = (
                source.add_dataframe_asset(table)
                .add_batch_definition_whole_dataframe(table)
                .get_batch({"dataframe": connection.table(table).df()})
            )
            expectations = [runner.configuration(spec, spec.kwargs).to_domain_obj() for spec in specs]
            validated = batch.validate(
                ExpectationSuite(name=table, expectations=expectations),
                result_format={"result_format": "SUMMARY", "partial_unexpected_count": 0},
            )
            for item in validated.results:
                assert runner._error(item.exception_info) is None, BY_NAME[item.expectation_config.meta["check"]]
                found[item.expectation_config.meta["check"]] = (item.success, item.result)
    return found


def test_every_type_has_a_passing_and_a_failing_case():
    """Expectations that judge figures need views next to the table: their cases are in test_usual.py."""
    of_one_table = {name for name, kind in ALLOWED.items() if kind.figures is None}
    for passes in (True, False):
        assert {case.type for case in CASES if case.passes is passes} == of_one_table


@pytest.mark.parametrize("name", NAMES)
def test_a_case_passes_or_fails_and_counts_its_rows(results, name):
    case, result = BY_NAME[name], results[name]
    assert result.error is None
    assert result.passed is case.passes
    assert result.unexpected_count == case.failing
    if not case.passes:  # our own condition finds the rows that Great Expectations has counted
        assert len(result.examples) == min(case.failing or 0, EXAMPLES)


@pytest.mark.parametrize("name", [name for name, case in BY_NAME.items() if not case.alone])
def test_a_case_is_the_same_on_pandas(on_duckdb, on_pandas, name):
    (passed, result), (passed_on_pandas, result_on_pandas) = on_duckdb[name], on_pandas[name]
    assert passed == passed_on_pandas
    assert result.get("unexpected_count") == result_on_pandas.get("unexpected_count")
    assert comparable(result.get("observed_value")) == comparable(result_on_pandas.get("observed_value"))


def comparable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: comparable(item) for key, item in value.items()}
    if isinstance(value, list | set):
        return sorted((comparable(item) for item in value), key=str)
    return round(float(value), 9) if isinstance(value, int | float) and not math.isnan(value) else value


def test_no_type_holds_of_a_table_without_rows(file):
    """Of an empty table, anything would be true, except for its number of rows and its columns."""
    first = {case.type: case for case in reversed(CASES)}
    judged = {name: case for name, case in first.items() if not ALLOWED[name].judges_shape}
    for type_, case in judged.items():
        with duckdb.connect(str(file)) as connection:
            connection.execute("create schema if not exists emptied")
            connection.execute(f"create or replace table emptied.{case.table} as from main.{case.table} limit 0")
        suite = suite_of(case.table, {"it": case}).model_copy(update={"allow_empty": False})
        result = validate(suite, DuckDBTable(file, "emptied", case.table))[-1]
        assert not result.passed, type_
        assert "no rows to check" in result.message


def test_a_missing_column_is_said_whatever_the_type(file):
    cases = {}
    for number, (type_, case) in enumerate({case.type: case for case in CASES}.items()):
        if "column" in case.kwargs and type_ != "expect_column_to_exist":
            cases[f"case_{number}"] = Case(type_, case.kwargs | {"column": "colour"}, False)
    found = validate(suite_of("orders", cases), DuckDBTable(file, "main", "orders"))
    assert len(found) > 20
    assert {result.message.partition(".")[0] for result in found} == {"colour: not checked, column colour is missing"}


# For each refused type, what its advice names: a type of ours, and kwargs with which it passes and fails.
REPLACEMENTS: dict[str, tuple[str, dict[str, Any], dict[str, Any], str]] = {
    "expect_column_values_to_match_regex_list": (
        "expect_column_values_to_match_regex", {"column": "status", "regex": "^(paid|open|void)$"},
        {"column": "status", "regex": "^(paid|open)$"}, "orders",
    ),
    "expect_column_values_to_not_match_regex_list": (
        "expect_column_values_to_not_match_regex", {"column": "status", "regex": "^(lost|gone)$"},
        {"column": "status", "regex": "^(void|gone)$"}, "orders",
    ),
    "expect_column_values_to_match_like_pattern_list": (
        "expect_column_values_to_match_regex", {"column": "status", "regex": "^(pa.*|op.*|vo.*)$"},
        {"column": "status", "regex": "^(pa.*|op.*)$"}, "orders",
    ),
    "expect_column_values_to_not_match_like_pattern_list": (
        "expect_column_values_to_not_match_regex", {"column": "status", "regex": "^(lo.*|go.*)$"},
        {"column": "status", "regex": "^(vo.*|go.*)$"}, "orders",
    ),
    "expect_column_values_to_be_of_type": (
        "expect_column_type_to_be", {"column": "ordered_on", "type_": "date"},
        {"column": "ordered_on", "type_": "decimal(18, 2)"}, "orders",
    ),
    "expect_column_values_to_be_in_type_list": (
        "expect_column_type_to_be", {"column": "status", "type_": "varchar"},
        {"column": "status", "type_": "int"}, "orders",
    ),
    "expect_column_values_to_be_increasing": (
        "expect_column_values_to_increase", {"column": "id", "order_by": ["id"]},
        {"column": "paid_at", "order_by": ["id"]}, "orders",
    ),
    "expect_column_values_to_be_decreasing": (
        "expect_column_values_to_increase", {"column": "total", "order_by": ["total"], "group_by": ["shop"]},
        {"column": "total", "order_by": ["day"], "group_by": ["shop"]}, "days",
    ),
    "expect_column_kl_divergence_to_be_less_than": (
        "expect_column_quantile_values_to_be_between",
        {"column": "id", "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[5, 6]]}},
        {"column": "id", "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[7, 8]]}}, "orders",
    ),
}  # fmt: skip

# For each refused type whose advice is a condition: tables and columns on which no row and one row meets it.
CONDITIONS = {
    "expect_column_value_z_scores_to_be_less_than": (("orders", "weight"), ("tail", "value")),
    "expect_column_values_to_not_be_outliers": (("orders", "weight"), ("tail", "value")),
    "expect_column_values_to_be_dateutil_parseable": (("orders", "paid_on"), ("text", "day")),
    "expect_column_values_to_match_json_schema": (("tail", "document"), ("text", "document")),
}


def test_every_refused_type_has_an_example_of_its_replacement():
    assert set(REPLACEMENTS) | set(CONDITIONS) == set(REFUSED)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_refused_type_names_what_to_use_instead(tmp_path, name):
    path = tmp_path / "raw" / "orders.yml"
    path.parent.mkdir()
    path.write_text(f"owner: o\ndescription: d\nexpectations:\n  - {{type: {name}, kwargs: {{column: a}}, why: w}}\n")
    with pytest.raises(ConfigError) as refusal:
        load_suite(path)
    replacement = REPLACEMENTS[name][0] if name in REPLACEMENTS else "unexpected_rows_expectation"
    assert f"{path}:4: expectations.0.type: {name} " in str(refusal.value)
    assert f"use {replacement} with" in str(refusal.value)


@pytest.mark.parametrize("name", sorted(REPLACEMENTS))
def test_the_replacement_holds_and_does_not_hold(file, name):
    type_, holds, breaks, table = REPLACEMENTS[name]
    cases = {"holds": passing(type_, holds, table=table), "breaks": failing(type_, breaks, table=table)}
    found = validate(suite_of(table, cases), DuckDBTable(file, "main", table))
    assert [result.passed for result in found] == [True, False]
    assert [result.error for result in found] == [None, None]


@pytest.mark.parametrize("name", sorted(CONDITIONS))
def test_the_advised_condition_holds_and_does_not_hold(file, name):
    with duckdb.connect(str(file)) as connection:
        connection.execute("""
            create or replace table tail as
            select range % 3 as value, '{"name": "x"}' as document from range(100)
            union all select 1000, '{"name": "y"}'
        """)
    [advice] = re.findall("`(select … from {batch} where .*)`", REFUSED[name])
    verdicts = []
    for table, column in CONDITIONS[name]:
        query = re.sub(r"\bcolumn\b", column, advice.replace("select …", "select *"))
        case = Case("unexpected_rows_expectation", {"unexpected_rows_query": query}, True, table=table)
        [result] = validate(suite_of(table, {"it": case}), DuckDBTable(file, "main", table))
        assert result.error is None
        verdicts.append(result.passed)
    assert verdicts == [True, False]
