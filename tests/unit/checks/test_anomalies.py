"""What counts as anomalies, computed by hand: weekdays, first days, holidays, bulk loads, KPI jumps, restatements."""

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from typing import Any

import duckdb
import pytest

from pipelines.checks import anomalies

MONDAY = date(2025, 3, 3)
Query = Callable[..., str]


def days(first: date, counts: Iterable[int]) -> dict[date, int]:
    return {first + timedelta(days=offset): count for offset, count in enumerate(counts)}


def judged(
    query: Query,
    delivered: dict[date, int],
    last: int = 1,
    days_off: Iterable[tuple[date, str, bool]] = (),
    rows: str = "select date '2025-01-01' as _delivered_on, '2025-01-01' as placed where false",
    history: Iterable[date] = (),
    skipped_rows: int = 0,
    **kwargs: Any,
) -> dict[date, tuple[bool, str]]:
    """Whether the newest `last` deliveries are unexpected, and the message. `rows` are their row counts."""
    newest = sorted(delivered)[-last:]
    with duckdb.connect() as connection:
        connection.execute(
            "create table deliveries "
            "(day date, row_count bigint, skipped_rows bigint, is_judged boolean, is_first boolean, is_history boolean)"
        )
        connection.executemany(
            "insert into deliveries values (?, ?, ?, ?, ?, ?)",
            [
                (day, count, skipped_rows, day in newest, day == min(delivered), day in set(history))
                for day, count in delivered.items()
            ],
        )
        connection.execute("create table days_off (day date, name varchar, is_unusual boolean)")
        for row in days_off:
            connection.execute("insert into days_off values (?, ?, ?)", list(row))
        connection.execute(f"create table batch as {rows}")
        found = connection.execute(query(kwargs).replace("{batch}", "batch")).fetchall()
    return {day: (is_unexpected, finding) for day, is_unexpected, finding in found}


# Eight weeks with these Tuesdays and nothing remarkable on other days, followed by the Tuesday that is judged.
TUESDAYS = [100, 104, 108, 109, 111, 112, 116, 120]


def tuesday(count: int, tuesdays: Iterable[int] = TUESDAYS, other_days: int = 300) -> dict[date, int]:
    delivered = days(MONDAY - timedelta(days=7), [9999] + [other_days] * 64)  # the first one is a bulk load
    first = MONDAY + timedelta(days=1)
    delivered |= {first + timedelta(weeks=week): value for week, value in enumerate(tuesdays)}
    newest = first + timedelta(weeks=8)
    return {day: value for day, value in delivered.items() if day < newest} | {newest: count}


def test_a_tuesday_is_compared_with_tuesdays_by_median_and_deviation() -> None:
    """Median 110; deviations 10 6 2 1 1 2 6 10, with the median 4: a spread of 5.93. But chance alone causes 10.49
    (√110) downwards and 14.83 (√220) upwards. Four of them: 68.05 to 169.33."""
    day = MONDAY + timedelta(days=57)
    told = ", normal for a Tuesday: 69 to 169 (median 110 of 8)"
    assert judged(anomalies.row_counts_usual, tuesday(69)) == {day: (False, f"69 rows on {day}{told}")}
    assert judged(anomalies.row_counts_usual, tuesday(68)) == {day: (True, f"68 rows on {day}{told}")}
    assert not judged(anomalies.row_counts_usual, tuesday(169))[day][0]
    assert judged(anomalies.row_counts_usual, tuesday(170))[day][0]


def test_a_spread_that_is_larger_than_chance_counts() -> None:
    """Deviations from 10,000: 2000 1500 1000 500 500 1000 1500 2000, with the median 1250: the spread is 1853.25."""
    tuesdays = [8000, 8500, 9000, 9500, 10500, 11000, 11500, 12000]
    [(is_unexpected, finding)] = judged(anomalies.row_counts_usual, tuesday(2586, tuesdays), deviations=4).values()
    assert is_unexpected
    assert "normal for a Tuesday: 2,587 to 17,413 (median 10,000 of 8)" in finding


def test_equal_counts_leave_room_for_chance_and_five_percent() -> None:
    """All are 10,000, so there is no deviation at all. √10,000 is 100, and 5 % is 500: four of them are 2,000."""
    assert not judged(anomalies.row_counts_usual, tuesday(8000, [10000] * 8)).popitem()[1][0]
    assert judged(anomalies.row_counts_usual, tuesday(7999, [10000] * 8)).popitem()[1][0]


@pytest.mark.parametrize(("count", "is_implausible"), [(54, True), (55, False), (330, False), (331, True)])
def test_less_than_half_or_more_than_three_times_the_median_is_implausible(count: int, is_implausible: bool) -> None:
    [(is_unexpected, finding)] = judged(anomalies.row_counts_plausible, tuesday(count)).values()
    assert is_unexpected == is_implausible
    limit = {
        54: "fewer than 55: 50% of 110, the median for a Tuesday (of 8)",
        331: "more than 330: 300% of 110, the median for a Tuesday (of 8)",
    }
    assert finding == f"{count} rows on 2025-04-29, " + limit.get(
        count, "plausible for a Tuesday are 55 to 330 (median 110 of 8)"
    )


def test_the_thresholds_can_be_set() -> None:
    assert not judged(anomalies.row_counts_plausible, tuesday(54), below=0.4).popitem()[1][0]
    assert judged(anomalies.row_counts_plausible, tuesday(232), above=2.1).popitem()[1][0]
    assert not judged(anomalies.row_counts_plausible, tuesday(331), at_least=400).popitem()[1][0]
    assert judged(anomalies.row_counts_usual, tuesday(80), deviations=2).popitem()[1][0]


@pytest.mark.parametrize(("known", "is_judged"), [(13, False), (14, True)])
def test_nothing_is_judged_before_a_fortnight_is_known(known: int, is_judged: bool) -> None:
    delivered = days(MONDAY, [100] * known + [1])
    [(is_unexpected, finding)] = judged(anomalies.row_counts_plausible, delivered).values()
    assert is_unexpected == is_judged
    if not is_judged:
        assert finding.endswith(": 13 earlier days are known, judged from 14 days on")


def test_a_bulk_load_at_the_start_is_no_measure_for_the_same_weekday() -> None:
    """After two weeks, a Monday has two earlier Mondays, one with the bulk: it is compared with all working days."""
    delivered = days(MONDAY, [50000, 100, 100, 100, 100, 20, 20] * 1 + [100, 100, 100, 100, 100, 20, 20] + [90])
    [(is_unexpected, finding)] = judged(anomalies.row_counts_plausible, delivered).values()
    assert not is_unexpected
    assert finding.endswith("plausible for a working day are 50 to 300 (median 100 of 9)")


def test_the_first_weekends_are_compared_with_weekends() -> None:
    delivered = days(MONDAY, [100] * 5 + [60, 60] + [100] * 5 + [60, 60] + [100] * 5 + [58])
    assert judged(anomalies.row_counts_usual, delivered) == {
        MONDAY + timedelta(days=19): (
            False,
            f"58 rows on {MONDAY + timedelta(days=19)}, normal for a day of the weekend: 30 to 103 (median 60 of 4)",
        )
    }


def test_in_a_first_load_each_day_is_judged_by_the_days_before_it() -> None:
    delivered = days(MONDAY, [70000] + [100] * 20 + [10] + [100] * 10 + [5000])
    found = judged(anomalies.row_counts_plausible, delivered, last=len(delivered))
    assert len(found) == 33
    assert [day for day, (is_unexpected, _) in found.items() if is_unexpected] == [
        MONDAY + timedelta(days=21), MONDAY + timedelta(days=32),
    ]  # fmt: skip


def test_history_is_told_to_be_implausible_and_is_a_measure_but_does_not_fail() -> None:
    delivered = days(MONDAY, [70000] + [100] * 20 + [10] + [100] * 10 + [5000, 10])
    found = judged(anomalies.row_counts_plausible, delivered, last=13, history=sorted(delivered)[:-1])
    assert [day for day, (is_unexpected, _) in found.items() if is_unexpected] == [MONDAY + timedelta(days=33)]
    assert found[MONDAY + timedelta(days=21)][1].endswith("; history from the first load, which is not blocked")
    usual_ones = judged(anomalies.row_counts_usual, delivered, last=13, history=sorted(delivered)[:-1])
    assert usual_ones[MONDAY + timedelta(days=21)][0]  # and warns


def test_days_without_rows_do_not_fail_where_they_may_be() -> None:
    [(is_unexpected, finding)] = judged(anomalies.row_counts_plausible, tuesday(0), may_be_empty=True).values()
    assert not is_unexpected
    assert finding.endswith("; this table may have days without rows")
    assert judged(anomalies.row_counts_plausible, tuesday(0)).popitem()[1][0]
    assert judged(anomalies.row_counts_plausible, tuesday(1), may_be_empty=True).popitem()[1][0]


def test_a_delivery_without_rows_fails_unless_it_is_history() -> None:
    delivered = days(MONDAY, [5, 0, 1, 0])
    assert judged(anomalies.row_counts_above_zero, delivered, last=3, history=sorted(delivered)[:3]) == {
        MONDAY + timedelta(days=1): (False, "no rows on 2025-03-04; history from the first load, which is not blocked"),
        MONDAY + timedelta(days=2): (False, "1 row on 2025-03-05"),
        MONDAY + timedelta(days=3): (True, "no rows on 2025-03-06"),
    }


def test_a_delivery_of_which_every_row_was_skipped_is_told() -> None:
    delivered = days(MONDAY, [5, 1, 0])
    assert judged(anomalies.row_counts_above_zero, delivered, last=2, skipped_rows=4, skipped=True) == {
        MONDAY + timedelta(days=1): (False, "1 row, 4 skipped, on 2025-03-04"),
        MONDAY + timedelta(days=2): (True, "no rows, 4 skipped, on 2025-03-05"),
    }
    assert judged(anomalies.row_counts_above_zero, delivered, last=2, skipped=True) == {}


def test_history_that_is_delivered_again_is_large_and_plausible_where_its_dates_are_known() -> None:
    delivered = tuesday(5000)
    newest = max(delivered)
    rows = f"""
        select date '{newest}' as _delivered_on, '2024-05-01 10:00' as placed from range(4900)
        union all select date '{newest}', '{newest}' from range(100)
    """
    [(is_unexpected, finding)] = judged(
        anomalies.row_counts_plausible, delivered, rows=rows, date_column="placed"
    ).values()
    assert not is_unexpected
    assert finding.endswith("; 4,900 of them are dated more than a month before")
    doubled = rows.replace("2024-05-01 10:00", str(newest))
    assert judged(anomalies.row_counts_plausible, delivered, rows=doubled, date_column="placed").popitem()[1][0]
    assert judged(anomalies.row_counts_plausible, delivered).popitem()[1][0]


def test_few_rows_on_a_holiday_are_no_surprise_but_many_are() -> None:
    newest = max(tuesday(1))
    holiday = [(newest, "Epiphany", False)]
    for query in (anomalies.row_counts_usual, anomalies.row_counts_plausible):
        [(is_unexpected, finding)] = judged(query, tuesday(1), days_off=holiday).values()
        assert not is_unexpected
        assert finding.endswith("; Epiphany")
        assert judged(query, tuesday(1000), days_off=holiday).popitem()[1][0]


def test_unusual_days_and_holidays_are_no_measure_for_others() -> None:
    first = MONDAY + timedelta(days=1)
    off = [(first + timedelta(weeks=week), "unusual day", week % 2 == 0) for week in range(4)]
    [(_, finding)] = judged(
        anomalies.row_counts_usual, tuesday(114, [0, 0, 0, 0, 111, 112, 116, 120]), days_off=off
    ).values()
    assert "(median 114 of 4)" in finding


def test_an_unusual_day_is_not_judged() -> None:
    newest = max(tuesday(1))
    for count in (2, 100_000):
        found = judged(anomalies.row_counts_plausible, tuesday(count), days_off=[(newest, "unusual day", True)])
        assert found == {newest: (False, f"{count:,} rows on {newest}: one of unusual_days, not judged")}


def test_a_table_that_rarely_delivers_is_not_judged() -> None:
    delivered = days(MONDAY, ([7] + [0] * 29) * 2 + [900])
    [(is_unexpected, finding)] = judged(anomalies.row_counts_plausible, delivered).values()
    assert not is_unexpected
    assert finding.endswith("nothing is usual for a Friday")


def test_a_weekly_delivery_is_judged_by_its_weekday() -> None:
    delivered = days(MONDAY, ([400] + [0] * 6) * 6 + [100])
    [(is_unexpected, finding)] = judged(anomalies.row_counts_plausible, delivered).values()
    assert is_unexpected
    assert "the median for a Monday" in finding


def test_a_small_table_is_never_blocked() -> None:
    delivered = days(MONDAY, [2, 1, 3, 2, 4, 1, 0] * 5 + [12])
    assert not judged(anomalies.row_counts_plausible, delivered).popitem()[1][0]


def test_an_erratic_table_is_not_blocked_for_being_so() -> None:
    """Two of the eight Tuesdays also had less than half of the median."""
    [(is_unexpected, finding)] = judged(
        anomalies.row_counts_plausible, tuesday(40, [40, 45, 109, 110, 110, 111, 112, 120])
    ).values()
    assert not is_unexpected
    assert finding.endswith("; a quarter of the days like it are as far off")
    assert judged(anomalies.row_counts_plausible, tuesday(40, [45, 108, 109, 110, 110, 111, 112, 120])).popitem()[1][0]


def test_what_was_before_since_is_no_measure() -> None:
    delivered = days(MONDAY, [1000] * 30 + [100] * 15)
    assert "50% of 1,000, the median" in judged(anomalies.row_counts_plausible, delivered).popitem()[1][1]
    [(is_unexpected, finding)] = judged(
        anomalies.row_counts_plausible, delivered, since=str(MONDAY + timedelta(days=30))
    ).values()
    assert not is_unexpected
    assert "(median 100 of 10)" in finding


# KPI values


def valued(values: dict[date, float], days_off: str = "", **kwargs: Any) -> tuple[bool, str]:
    """The result for the newest day. `values` are revenue, with one order per 10 of it."""
    with duckdb.connect() as connection:
        connection.execute("create table batch (day date, amount double, orders double)")
        connection.executemany(
            "insert into batch values (?, ?, ?)", [(day, value, value / 10) for day, value in values.items() if value]
        )
        connection.execute("create table days_off (day date, name varchar, is_unusual boolean)")
        if days_off:
            connection.execute(f"insert into days_off values {days_off}")
        connection.execute("create table calendar as select unnest(?::date[]) as date_day", [sorted(values)])
        query = anomalies.daily_values_usual({"day": "day", "value": "sum(amount)", "calendar": "calendar", **kwargs})
        [(day, is_unexpected, finding)] = connection.execute(query.replace("{batch}", "batch")).fetchall()
    assert day == max(values)
    return is_unexpected, finding


def test_a_day_far_from_its_weekday_is_a_jump() -> None:
    """Median 110, spread 5.93: five of them give 80.35 to 139.65. But a change of less than a quarter, 82.5 to 137.5,
    is not a jump."""
    assert valued(dict(tuesday(138))) == (False, "138 on 2025-04-29, normal for a Tuesday: 80.35 to 139.65 (median 110 of 8)")  # fmt: skip # noqa: E501
    assert valued(dict(tuesday(140)))[0]
    assert not valued(dict(tuesday(81)))[0]
    assert valued(dict(tuesday(80)))[0]
    assert not valued(dict(tuesday(140)), change=0.3)[0]
    assert not valued(dict(tuesday(140)), deviations=6)[0]


def test_what_chance_makes_of_few_events_is_no_jump() -> None:
    """With 11 orders a day, the spread is at least 110 √(2/11) = 46.9, and five of them are 234.5."""
    assert not valued(dict(tuesday(340)), events="sum(orders)")[0]
    assert valued(dict(tuesday(345)), events="sum(orders)")[0]


def test_a_day_without_rows_is_worth_nothing_and_is_a_jump_where_something_is_usual() -> None:
    is_unexpected, finding = valued(dict(tuesday(0)))
    assert is_unexpected
    assert finding.startswith("0 on 2025-04-29, normal for a Tuesday: ")


def test_sparse_days_are_not_judged() -> None:
    is_unexpected, finding = valued(dict(tuesday(500, [0, 0, 0, 90, 0, 0, 100, 0])))
    assert not is_unexpected
    assert finding.endswith("nothing is usual for a Tuesday")


def test_days_whose_rows_are_still_coming_can_be_left_out() -> None:
    values: dict[date, float] = dict(tuesday(110)) | {max(tuesday(1)) + timedelta(days=1): 0.0}
    with pytest.raises(AssertionError):
        valued(values, days_late=1)  # the day before the newest is judged


def test_equal_days_are_compared_by_mean_deviation_and_at_last_by_change() -> None:
    """Seven of eight are equal: MAD 0, mean deviation 10 / 8, times 1.2533: 1.57. All equal: a quarter is a jump."""
    assert ": 92.17 to 107.83" in valued(dict(tuesday(100, [100] * 7 + [110])))[1]
    assert not valued(dict(tuesday(125, [100] * 8)))[0]
    assert valued(dict(tuesday(126, [100] * 8)))[0]


def test_a_low_day_off_is_no_jump() -> None:
    assert not valued(dict(tuesday(0)), days_off=f"(date '{max(tuesday(1))}', 'Epiphany', false)")[0]


def test_a_month_far_from_the_twelve_before_is_a_jump_once_six_are_known() -> None:
    def newest(rates: list[float]) -> tuple[bool, str]:
        with duckdb.connect() as connection:
            connection.execute("create table batch (month date, kpi varchar, rate double)")
            for offset, rate in enumerate(rates):
                connection.execute(
                    "insert into batch values (date '2024-01-01' + to_months(?), 'win_rate', ?)", [offset, rate]
                )
            query = anomalies.monthly_values_usual({"month": "month", "value": "rate", "by": ["kpi"]})
            [(_, is_unexpected, finding)] = connection.execute(query.replace("{batch}", "batch")).fetchall()
        return is_unexpected, finding

    assert newest([0.9, 0.2, 0.3, 0.4, 0.5, 0.1]) == (
        False,
        "win_rate 0.100 in 2024-06: only 5 earlier months, judged from 6 on",
    )
    # Median 0.35; deviations .15 .05 .05 .05 .05 .15, with the median 0.05: the spread is 0.07413, five of them 0.37.
    is_unexpected, finding = newest([0.2, 0.3, 0.3, 0.4, 0.4, 0.5, 0.73])
    assert is_unexpected
    assert finding == "win_rate 0.730 in 2024-07, usual are 0 to 0.721 (median 0.350 of 6 months)"
    assert not newest([0.2, 0.3, 0.3, 0.4, 0.4, 0.5, 0.72])[0]


# restated history


def restated(before: float, after: float | None, delivered: list[str | None], **kwargs: Any) -> list[tuple[bool, str]]:
    """The result for June's revenue, published as `before`. `delivered` are the months of later rows."""
    columns = "period_month date, kpi_id varchar, variant varchar, entity_type varchar, entity_id varchar, value double"
    with duckdb.connect() as connection:
        connection.execute(f"create table published_months ({columns}, is_partial_period boolean, is_mature boolean)")
        connection.execute(f"create table batch ({columns})")
        row = "date '2025-06-01', 'revenue', 'net', 'company', 'company'"
        connection.execute(f"insert into published_months values ({row}, ?, false, true)", [before])
        if after is not None:
            connection.execute(f"insert into batch values ({row}, ?)", [after])
        connection.execute("create table delivered_months (month date)")
        for month in delivered:
            connection.execute("insert into delivered_months values (?)", [month])
        query = anomalies.closed_months_stay(kwargs)
        found = connection.execute(query.replace("{batch}", "batch")).fetchall()
    return [(is_unexpected, finding) for _, is_unexpected, finding in found]


def test_a_closed_month_that_moved_without_a_delivery_of_its_time_is_told() -> None:
    assert restated(100, 102, []) == []
    assert restated(100, 97, ["2025-07-01"]) == [
        (True, "revenue net of 2025-06 was 100, is 97, and no row of that time was delivered since")
    ]
    assert restated(100, None, []) == [
        (True, "revenue net of 2025-06 was 100, is gone, and no row of that time was delivered since")
    ]
    assert restated(100, 97, [], share=0.04) == []


def test_rows_of_the_month_explain_it_and_so_do_rows_that_it_looks_back_on() -> None:
    [(is_unexpected, finding)] = restated(100, 90, ["2025-06-01"])
    assert not is_unexpected
    assert finding.endswith(": rows of that time were delivered since")
    assert restated(100, 90, ["2025-05-01"])[0][0]
    assert not restated(100, 90, ["2025-03-01"], days_before=92)[0][0]
    assert restated(100, 90, ["2025-02-01"], days_before=92)[0][0]


def test_a_row_without_any_date_may_explain_every_month() -> None:
    assert not restated(100, 90, [None])[0][0]
