"""Two publications differ in these cells, by so much, and because of this."""

import csv
import io
import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from rich.console import Console

from pipelines.answers.differences import DefinitionChange, Differences, Totals, differences, has_scorecard, totals
from pipelines.answers.questions import QuestionError
from pipelines.cli.printing.differences import (
    cells_target,
    definitions_in_words,
    largest,
    markdown,
    print_differences,
    write_cells,
)
from tests.unit.answers.scorecards import COMPANY, FEBRUARY, JANUARY, MARCH, WEB, Scorecard

BEFORE = Scorecard(
    {
        (JANUARY, "revenue", "net", *COMPANY): 100,
        (JANUARY, "revenue", "net", *WEB): 40,
        (JANUARY, "revenue", "orders", *COMPANY): 7,
        (FEBRUARY, "revenue", "net", *COMPANY): 200,
        (MARCH, "revenue", "net", *COMPANY): 50,
        (JANUARY, "nps", "period", *COMPANY): 12,
        (FEBRUARY, "nps", "period", *COMPANY): None,
    }
)


@pytest.fixture
def compare(tmp_path: Path) -> Any:
    numbers = iter(range(100))

    def compared(before: Scorecard | None, after: Scorecard, kpi_id: str | None = None) -> Differences:
        number = next(numbers)
        old = before.write(tmp_path / f"old{number}.duckdb") if before else None
        return differences(old, after.write(tmp_path / f"new{number}.duckdb"), kpi_id)

    return compared


def with_values(scorecard: Scorecard, **others: Any) -> Scorecard:
    """The scorecard with other values of the company's net revenue in some months, by name of the month."""
    months = {"january": JANUARY, "february": FEBRUARY, "march": MARCH}
    changed = {(months[name], "revenue", "net", *COMPANY): value for name, value in others.items()}
    return replace(scorecard, values={**scorecard.values, **changed})


def causes(found: Differences) -> dict[str, str]:
    return {cell.period: cell.cause for cell in found.cells}


def test_equal_scorecards_do_not_differ(compare: Any) -> None:
    found = compare(BEFORE, BEFORE)
    assert not found
    assert (found.cells, found.definitions, found.new_tables, found.by_kpi) == ([], [], [], [])


def test_cells_change_come_and_go(compare: Any) -> None:
    after = dict(BEFORE.values)
    after[JANUARY, "revenue", "net", *WEB] = 30
    after[FEBRUARY, "nps", "period", *COMPANY] = 5
    after[FEBRUARY, "revenue", "net", *WEB] = 3
    del after[JANUARY, "revenue", "orders", *COMPANY]
    found = compare(BEFORE, replace(BEFORE, values=after))
    assert [
        (cell.kpi_id, cell.variant, cell.period, cell.entity_name, cell.change, cell.value_before, cell.value_after)
        for cell in found.cells
    ] == [
        ("nps", "period", "2025-02", "COMPANY", "changed", None, Decimal(5)),
        ("revenue", "net", "2025-01", "WEB", "changed", Decimal(40), Decimal(30)),
        ("revenue", "net", "2025-02", "WEB", "created", None, Decimal(3)),
        ("revenue", "orders", "2025-01", "COMPANY", "gone", Decimal(7), None),
    ]
    assert [(cell.difference, cell.relative) for cell in found.cells] == [
        (None, None), (Decimal(-10), -0.25), (None, None), (None, None)
    ]  # fmt: skip
    revenue, nps = found.by_kpi
    assert [revenue.count(change) for change in ("changed", "created", "gone", "same value")] == [1, 1, 1, 0]
    assert (revenue.kpi_id, revenue.largest.entity_id, nps.kpi_id) == ("revenue", "web", "nps")


def test_a_change_of_the_companys_default_variant_is_the_largest(compare: Any) -> None:
    after = {**BEFORE.values, (JANUARY, "revenue", "orders", *COMPANY): 70, (JANUARY, "revenue", "net", *WEB): 10}
    found = compare(BEFORE, with_values(replace(BEFORE, values=after), january=101, february=198))
    [revenue] = found.by_kpi
    assert [(cell.variant, cell.period, cell.entity_type) for cell in revenue.cells] == [
        ("net", "2025-02", "company"),
        ("net", "2025-01", "company"),
        ("net", "2025-01", "channel"),
        ("orders", "2025-01", "company"),
    ]
    assert [cell.is_headline for cell in revenue.cells] == [True, True, False, False]


def test_another_status_of_the_same_value_is_a_difference_too(compare: Any) -> None:
    found = compare(BEFORE, replace(BEFORE, statuses={(JANUARY, "revenue", "net", *WEB): "small_sample"}))
    [cell] = found.cells
    assert (cell.change, cell.differs_in) == ("same value", ("status",))
    assert (cell.status_before, cell.status_after) == ("ok", "small_sample")
    assert (found.count("changed"), found.count("same value")) == (0, 1)


def test_a_period_that_is_called_otherwise_is_still_one_cell(tmp_path: Path) -> None:
    old, new = BEFORE.write(tmp_path / "a.duckdb"), with_values(BEFORE, january=90).write(tmp_path / "b.duckdb")
    with duckdb.connect(str(new)) as connection:
        connection.execute("update marts.dim_period set period_label = 'FY' || period_label")
    [cell] = differences(old, new).cells
    assert cell.period == "FY2025-01"


def test_only_one_kpi(compare: Any) -> None:
    values = {**BEFORE.values, (JANUARY, "nps", "period", *COMPANY): 13}
    after = with_values(replace(BEFORE, values=values, orders="select 2"), january=99)
    assert {cell.kpi_id for cell in compare(BEFORE, after).cells} == {"nps", "revenue"}
    only = compare(BEFORE, after, "nps")
    assert {cell.kpi_id for cell in only.cells} == {"nps"}
    assert only.definitions == []
    with pytest.raises(QuestionError, match=r"--kpi 'revenu' is not published\. Did you mean revenue\?"):
        compare(BEFORE, after, "revenu")


def test_before_the_first_publication_every_cell_is_new(compare: Any) -> None:
    found = compare(None, BEFORE)
    assert [cell.change for cell in found.cells] == ["created"] * len(BEFORE.values)
    assert found.as_of_before is None


def test_a_setting_is_the_cause_where_the_data_are_the_same(compare: Any) -> None:
    after = replace(BEFORE, excluded='["cancelled", "returned"]')
    found = compare(BEFORE, with_values(after, january=90))
    assert causes(found) == {"2025-01": "definition"}
    assert [(one.kpi_id, one.variant) for one in found.definitions] == [("revenue", "net"), ("revenue", "orders")]
    assert {one.models for one in found.definitions} == {("orders",)}
    assert found.definitions[0].settings == {"excluded": ('["cancelled"]', '["cancelled", "returned"]')}
    assert found.new_tables == []


def test_a_setting_that_no_changed_model_contains_is_not_named(compare: Any) -> None:
    found = compare(BEFORE, with_values(replace(BEFORE, orders="select 2"), january=90))
    assert {tuple(one.settings) for one in found.definitions} == {()}
    assert causes(found) == {"2025-01": "definition"}


@pytest.mark.parametrize(
    "other",
    [
        {"deliveries": {date(2025, 3, 15): "b"}},
        {"deliveries": {date(2025, 3, 15): "a", date(2025, 3, 14): "late"}},
        {"deliveries": {}},
        {"left_out": [date(2025, 3, 15)]},
    ],
    ids=["replaced", "late", "gone", "left out"],
)
def test_data_are_the_cause_where_the_definition_is_the_same(compare: Any, other: dict[str, Any]) -> None:
    found = compare(BEFORE, with_values(replace(BEFORE, **other), january=90))
    assert causes(found) == {"2025-01": "data"}
    assert (found.definitions, found.new_tables) == ([], ["shop.orders"])


def test_data_of_other_tables_are_no_cause(compare: Any) -> None:
    after = replace(BEFORE, deliveries={date(2025, 3, 15): "b"}, values={**BEFORE.values})
    after.values[JANUARY, "nps", "period", *COMPANY] = 13  # type: ignore[index]
    [cell] = compare(BEFORE, after).cells
    assert (cell.kpi_id, cell.cause) == ("nps", "unknown")


def test_both_can_be_the_cause(compare: Any) -> None:
    after = replace(BEFORE, orders="select 2", deliveries={date(2025, 3, 15): "b"})
    assert causes(compare(BEFORE, with_values(after, january=90))) == {"2025-01": "definition and data"}


def test_a_month_in_progress_changes_with_the_as_of_date(compare: Any) -> None:
    after = replace(BEFORE, as_of=date(2025, 3, 16), deliveries={date(2025, 3, 15): "a", date(2025, 3, 16): "a"})
    found = compare(BEFORE, with_values(after, february=201, march=55))
    assert causes(found) == {"2025-02": "data", "2025-03": "as-of date"}
    assert (found.as_of_before, found.as_of_after) == (date(2025, 3, 15), date(2025, 3, 16))


@pytest.mark.parametrize(("as_of", "cause"), [(date(2025, 2, 27), "as-of date"), (date(2025, 2, 28), "data")])
def test_a_month_is_over_with_its_last_day(compare: Any, as_of: date, cause: str) -> None:
    before, deliveries = replace(BEFORE, as_of=as_of), {date(2025, 3, 15): "b"}
    after = with_values(replace(BEFORE, deliveries=deliveries), february=201)
    assert causes(compare(before, after)) == {"2025-02": cause}


def test_what_never_settles_changes_with_the_as_of_date_even_long_after(compare: Any) -> None:
    after = replace(BEFORE, as_of=date(2025, 3, 16), values={**BEFORE.values})
    after.values[JANUARY, "nps", "period", *COMPANY] = 13  # type: ignore[index]
    assert causes(compare(BEFORE, after)) == {"2025-01": "as-of date"}


def test_without_a_record_the_cause_is_not_known(compare: Any) -> None:
    found = compare(replace(BEFORE, is_recorded=False), with_values(BEFORE, january=90))
    assert causes(found) == {"2025-01": "not recorded"}
    assert not found.is_recorded


def test_a_file_of_an_earlier_version_is_refused_in_words(tmp_path: Path) -> None:
    old, new = tmp_path / "old.duckdb", BEFORE.write(tmp_path / "new.duckdb")
    with duckdb.connect(str(old)) as connection:
        connection.execute("create schema marts; create table marts.kpi_scorecard__monthly as select 1 as value")
    assert (has_scorecard(old), has_scorecard(new)) == (False, True)
    for files in ((old, new), (new, old)):
        with pytest.raises(QuestionError, match=r"An earlier version made .*old\.duckdb, .* kpi versions"):
            differences(*files)


def test_totals_count_the_same(compare: Any, tmp_path: Path) -> None:
    after = with_values(replace(BEFORE, orders="select 2"), january=90, march=None)
    after = replace(after, values={**after.values, (FEBRUARY, "revenue", "net", *WEB): 3})
    old, new = BEFORE.write(tmp_path / "a.duckdb"), after.write(tmp_path / "b.duckdb")
    found = compare(BEFORE, after)
    assert totals(old, new) == Totals(changed=2, created=1, gone=0, definitions=2)
    assert (found.count("changed"), found.count("created"), len(found.definitions)) == (2, 1, 2)
    assert totals(new, old) == Totals(changed=2, created=0, gone=1, definitions=2)


def test_what_differs_is_printed_by_kpi_and_by_cell(compare: Any, capsys: pytest.CaptureFixture[str]) -> None:
    after = replace(BEFORE, excluded='["cancelled", "returned"]')
    found = compare(BEFORE, with_values(after, january=90, february=199))
    print_differences(found, Console(width=80))
    printed = capsys.readouterr().out
    assert "Defined differently: revenue (net, orders)." in printed
    assert 'Setting excluded: ["cancelled"] before, ["cancelled", "returned"] now.' in printed
    assert "2 cells changed, 0 created, 0 gone " in printed
    assert "│ revenue │       2 │ net, 2025-01, company: 100.00 → 90.00 │ definition │" in printed  # nothing is new
    assert "│ revenue (net) │ 2025-02 │ company │ 200.00 │ 199.00 │  -0.5% │ definition │" in printed


def test_of_a_setting_with_many_parts_those_that_differ_are_named() -> None:
    settings: dict[str, tuple[str | None, str | None]] = {
        "new": (None, "1"),
        "tables": ('{"crm.deals": {"key": ["id"]}, "shop.orders": 1}', '{"crm.deals": {"key": ["no"]}, "web.x": 1}'),
    }
    [_, *lines] = definitions_in_words([DefinitionChange("revenue", "net", "a", "b", (), settings)])
    assert lines == ["Setting new: none before, 1 now.", "Setting tables differs in crm.deals, shop.orders, web.x."]


def test_of_many_cells_the_largest_are_shown_and_none_without_a_value(
    compare: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    reps = {(JANUARY, "nps", "period", "rep", f"R-{number:02d}"): None for number in range(30)}
    channels = {(JANUARY, "revenue", "net", "channel", f"C-{number:02d}"): 100 + number for number in range(30)}
    found = compare(BEFORE, replace(BEFORE, values={**BEFORE.values, **reps, **channels}))
    assert (found.count("created"), [of_kpi.kpi_id for of_kpi in found.by_kpi]) == (60, ["revenue", "nps"])
    shown = largest(found)
    assert [cell.entity_id for cell in shown] == [f"C-{number:02d}" for number in range(29, 9, -1)]
    print_differences(found, Console(width=80))
    printed = capsys.readouterr().out
    assert re.search(r"│ nps +│ +30 │ +│ unknown │", printed), printed
    assert "The largest 20" in printed
    assert "All 60 cells: --output FILE.csv, .json or .xlsx." in printed


def test_what_differs_as_markdown(compare: Any) -> None:
    text = markdown(compare(BEFORE, with_values(BEFORE, january=90)), "What changes", ["A note."], "Nothing.")
    assert text.startswith("### What changes\n\nA note.\n\n1 cell changed, 0 created, 0 gone\n\n| KPI | changed |")
    assert "| revenue | 1 |  |  |  | net, 2025-01, company: 100.00 → 90.00 | unknown |" in text
    assert "| revenue (net) | 2025-01 | company | 100.00 | 90.00 | -10.0% | unknown |" in text
    assert markdown(compare(BEFORE, BEFORE), "What changes", [], "Nothing.") == "### What changes\n\nNothing.\n"


NET = ("revenue", "net", *COMPANY)
ORDERS_OF_MARCH = ("shop", "orders", date(2025, 3, 1))
LATE = ("net_amount", "late", *ORDERS_OF_MARCH, 2, 30)
DELETED = ("net_amount", "deleted", *ORDERS_OF_MARCH, 1, -70)


def restated_twice(**others: Any) -> Scorecard:
    """The third publication; the second and it have restated January."""
    history: dict[str, Any] = {
        "restated": [(2, JANUARY, *NET, 100, 130), (3, JANUARY, *NET, 130, 60)],
        "causes": [(2, JANUARY, *NET, *LATE), (3, JANUARY, *NET, *DELETED)],
    }
    return replace(with_values(BEFORE, january=60), publication=3, **{**history, **others})


def test_a_restated_value_has_the_causes_of_all_publications_in_between(compare: Any) -> None:
    [cell] = compare(BEFORE, restated_twice()).cells
    assert [(cause.cause, cause.amount) for cause in cell.causes] == [("deleted", -70), ("late", 30)]
    assert (cell.kinds, cell.cause_in_words) == (("deleted", "late"), "deleted rows of shop.orders and 1 more cause")


def test_causes_from_before_the_earlier_publication_do_not_count(compare: Any) -> None:
    second = replace(with_values(BEFORE, january=130), publication=2)
    [cell] = compare(second, restated_twice()).cells
    assert [cause.cause for cause in cell.causes] == ["deleted"]


def test_a_value_that_was_not_restated_has_only_the_cause_of_its_measure(compare: Any) -> None:
    after = with_values(restated_twice(), february=210)
    by_period = {cell.period: cell.kinds for cell in compare(BEFORE, replace(after, deliveries={JANUARY: "b"})).cells}
    assert by_period == {"2025-01": ("deleted", "late"), "2025-02": ("data",)}


def test_restatements_on_another_branch_are_no_cause(compare: Any) -> None:
    """After a rollback: what was published before was not followed by what was restated."""
    [cell] = compare(with_values(BEFORE, january=99), restated_twice()).cells
    assert cell.causes == ()


def test_backwards_there_are_no_causes(compare: Any) -> None:
    [cell] = compare(restated_twice(), BEFORE).cells
    assert cell.causes == ()


def test_causes_are_printed_and_written(compare: Any, tmp_path: Path) -> None:
    found = compare(BEFORE, restated_twice())
    printed = io.StringIO()
    print_differences(found, Console(file=printed))
    assert "deleted rows of shop.orders and 1 more cause" in printed.getvalue()
    assert found.by_kpi[0].causes == ["deleted", "late"]
    write_cells(found, cells_target(None, tmp_path / "cells.csv"))
    [row] = csv.DictReader((tmp_path / "cells.csv").open(encoding="utf-8"))
    assert row["causes"] == (
        "deleted: 1 row of shop.orders, delivered on 2025-03-01, net_amount -70; "
        "late: 2 rows of shop.orders, delivered on 2025-03-01, net_amount +30"
    )
