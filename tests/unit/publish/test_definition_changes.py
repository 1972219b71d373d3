"""A publication that changes a definition says so, with both values of the months before."""

from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.publish.definition_changes import PLANNED, record_changes
from tests.unit.answers.scorecards import COMPANY, FEBRUARY, JANUARY, WEB, Scorecard

OCTOBER, NOVEMBER, DECEMBER = (date(2024, month, 1) for month in (10, 11, 12))
BEFORE = Scorecard(
    {
        **{(month, "revenue", "net", *COMPANY): 10 for month in (OCTOBER, NOVEMBER, DECEMBER, JANUARY, FEBRUARY)},
        (JANUARY, "revenue", "net", *WEB): 4,
        (JANUARY, "nps", "period", *COMPANY): 5,
    },
    as_of=date(2025, 2, 27),
    deliveries={date(2025, 2, 27): "a"},
)
AFTER = replace(
    BEFORE,
    values={
        **{(month, "revenue", "net", *COMPANY): 9 for month in (OCTOBER, NOVEMBER, DECEMBER, JANUARY, FEBRUARY)},
        (JANUARY, "revenue", "net", *WEB): 4,
        (JANUARY, "nps", "period", *COMPANY): 6,
    },
    excluded='["cancelled", "returned"]',
)


def changes(before: Scorecard | Path, after: Scorecard, folder: Path, name: str, planned: Path | None = None) -> Path:
    """The file of a publication called `name` that follows `before`."""
    previous = before if isinstance(before, Path) else before.write(folder / "first.duckdb")
    file = after.write(folder / f"{name}.duckdb")
    with duckdb.connect() as connection:
        connection.execute(f"attach '{file}' as candidate")
        record_changes(connection, name, datetime(2025, 3, 1), previous, planned)
    return file


def read(file: Path, query: str) -> list[Any]:
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute(query).fetchall()


VALUES = (
    "select publication_id, period_month, entity_id, cast(value_before as int), cast(value_after as int), cause "
    "from meta.definition_change_values order by all"
)


def test_both_values_are_recorded_of_the_three_months_before_a_change(tmp_path: Path) -> None:
    file = changes(BEFORE, AFTER, tmp_path, "second")
    assert read(file, VALUES) == [
        ("second", NOVEMBER, "company", 10, 9, "definition"),
        ("second", DECEMBER, "company", 10, 9, "definition"),
        ("second", JANUARY, "company", 10, 9, "definition"),
        ("second", JANUARY, "web", 4, 4, "definition"),
    ]
    [net, orders] = read(file, "from meta.definition_changes order by variant")
    assert net[2:4] == ("revenue", "net")
    assert orders[2:4] == ("revenue", "orders")
    settings = '{"excluded": {"before": ["cancelled"], "after": ["cancelled", "returned"]}}'
    assert net[6:] == (["orders"], settings, "definition")


@pytest.mark.parametrize(
    "other",
    [{"deliveries": {date(2025, 2, 27): "b"}}, {"as_of": date(2025, 2, 28)}],
    ids=["another delivery", "another as-of date"],
)
def test_values_from_other_data_say_so(tmp_path: Path, other: dict[str, Any]) -> None:
    file = changes(BEFORE, replace(AFTER, **other), tmp_path, "second")
    assert {row[-1] for row in read(file, VALUES)} == {"definition and data"}


def test_a_plan_of_the_same_change_gives_both_values_from_the_same_deliveries(tmp_path: Path) -> None:
    plan = changes(BEFORE, AFTER, tmp_path, PLANNED)
    corrected = replace(AFTER, values=dict.fromkeys(AFTER.values, 1), deliveries={date(2025, 2, 27): "b"})
    second = changes(tmp_path / "first.duckdb", corrected, tmp_path, "second", plan)
    assert read(second, VALUES) == [
        ("second", NOVEMBER, "company", 10, 9, "definition"),
        ("second", DECEMBER, "company", 10, 9, "definition"),
        ("second", JANUARY, "company", 10, 9, "definition"),
        ("second", JANUARY, "web", 4, 4, "definition"),
    ]
    assert read(second, "select distinct publication_id, cause from meta.definition_changes") == [
        ("second", "definition")
    ]


def test_a_plan_of_earlier_months_gives_nothing(tmp_path: Path) -> None:
    plan = changes(BEFORE, AFTER, tmp_path, PLANNED)
    (tmp_path / "first.duckdb").unlink()
    later = replace(BEFORE, as_of=date(2025, 3, 1))  # February is over
    corrected = replace(AFTER, as_of=date(2025, 3, 1), deliveries={date(2025, 2, 27): "b"})
    second = changes(later, corrected, tmp_path, "second", plan)
    assert {row[1] for row in read(second, VALUES)} == {DECEMBER, JANUARY, FEBRUARY}
    assert {row[-1] for row in read(second, VALUES)} == {"definition and data"}


def test_a_plan_of_another_change_gives_nothing(tmp_path: Path) -> None:
    plan = changes(BEFORE, replace(AFTER, excluded='["other"]'), tmp_path, PLANNED)
    corrected = replace(AFTER, deliveries={date(2025, 2, 27): "b"})
    second = changes(tmp_path / "first.duckdb", corrected, tmp_path, "second", plan)
    assert {row[-1] for row in read(second, VALUES)} == {"definition and data"}


def test_later_publications_keep_what_is_recorded_and_add_nothing_without_a_change(tmp_path: Path) -> None:
    second = changes(BEFORE, AFTER, tmp_path, "second")
    third = changes(second, AFTER, tmp_path, "third")
    assert read(third, VALUES) == read(second, VALUES) != []
    fourth = changes(third, replace(AFTER, orders="select 3"), tmp_path, "fourth")
    assert {row[0] for row in read(fourth, VALUES)} == {"second", "fourth"}


@pytest.mark.parametrize("is_recorded", [True, False], ids=["the same", "not recorded"])
def test_without_a_known_change_nothing_is_recorded(tmp_path: Path, is_recorded: bool) -> None:
    file = changes(replace(AFTER, is_recorded=is_recorded), AFTER, tmp_path, "second")
    assert read(file, "from meta.definition_changes") == read(file, VALUES) == []
