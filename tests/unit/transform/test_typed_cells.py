"""How the macro `delivery_log` types delivered cells."""

from typing import Any

import duckdb
import pytest

from tests.unit.onboarding.draft_rendering import render


def typed(cell: str | None, type_: str, **options: Any) -> str | None:
    """The cell as that type, as text."""
    sql = render(f"{{{{ typed_cell({['cell', type_, options]!r}) }}}}", {})
    with duckdb.connect() as connection:
        [[value]] = connection.execute(f"select {sql} from (select $1::varchar as cell)", [cell]).fetchall()
    return None if value is None else str(value)


@pytest.mark.parametrize(
    ("cell", "options", "number"),
    [
        ("(10.50)", {}, "-10.500000"),
        ("($1,010.00)", {"ignore": ["$"], "thousands": ","}, "-1010.000000"),
        ("$ (10.00)", {"ignore": ["$"]}, "-10.000000"),
        ("1.250,00-", {"decimal": ","}, "-1250.000000"),
        ("-10.00", {}, "-10.000000"),
        ("-10.00-", {}, None),
        ("(-10.00)", {}, None),
        ("(10.00", {}, None),
        ("2024-01-02", {}, None),
    ],
)
def test_a_minus_may_be_in_brackets_or_at_the_end(cell: str, options: dict[str, Any], number: str | None) -> None:
    assert typed(cell, "decimal", **options) == number


def test_whole_numbers_know_the_same_minus() -> None:
    assert [typed(cell, "integer") for cell in ("(3)", "3-", "3")] == ["-3", "-3", "3"]


@pytest.mark.parametrize(
    ("cell", "zone", "moment"),
    [
        ("45384.34778935", "UTC", "2024-04-02 08:20:49"),
        ("45384.34778935", "Europe/Warsaw", "2024-04-02 06:20:49"),
        ("45385", "UTC", "2024-04-03 00:00:00"),
        ("2024-04-03", "UTC", None),
        ("", "UTC", None),
    ],
)
def test_dates_of_a_spreadsheet_are_days_since_1899(cell: str, zone: str, moment: str | None) -> None:
    assert typed(cell, "timestamp", format="excel", time_zone=zone) == moment


def test_a_date_of_a_spreadsheet_is_that_day_in_every_zone() -> None:
    assert [typed(cell, "date", format="excel") for cell in ("45658", "45688.0", "soon")] == [
        "2025-01-01",
        "2025-01-31",
        None,
    ]


def test_a_log_of_texts_only_can_be_built() -> None:
    """`concat_ws` of no reasons at all is no valid SQL."""
    sql = render("{{ delivery_log('source', 'table', [['a', 'text']]) }}", {"tables": {}})
    columns = "null::varchar as _problem, 'f' as _source_file, 1 as _row_number, current_date as _delivered_on"
    with duckdb.connect() as connection:
        connection.execute(f"create table \"raw_source_table\" as select 'x' as a, {columns}, now() as _loaded_at")
        assert connection.execute(f"select a, _reject_reason from ({sql})").fetchall() == [("x", None)]


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ("-1.200.50", " (negative)"),
        ("($1,0)", " (negative)"),
        ("12..5-", " (negative)"),
        ("1.200.50", " (thousands)"),
        ("1 200,5", " (thousands)"),
        ("12,50", ""),
        ("n-a", ""),
        ("free", ""),
    ],
)
def test_the_reason_says_what_kind_of_number_cannot_be_read(cell: str, kind: str) -> None:
    sql = render("{{ kind_of_unreadable(['cell', 'decimal', {}]) }}", {})
    with duckdb.connect() as connection:
        [[found]] = connection.execute(f"select {sql} from (select $1::varchar as cell)", [cell]).fetchall()
    assert found == kind
    assert typed(cell, "decimal") is None
