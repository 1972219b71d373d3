"""Normal ranges, as SQL: row counts of deliveries, daily and monthly values of a KPI, months that must not change.

Belongs here: the statistics, and the sentences that report them.
Does not belong here: where the figures come from (the views of `baselines.py`), and severities (suites).

Each function makes one query from the kwargs of an expectation type. The query returns one row per figure that was
judged: `position` (the day or month, for the order), `is_unexpected`, and `finding`, a sentence.

The statistics use median and median absolute deviation (MAD) instead of mean and standard deviation, because outliers
would distort the latter. 1.4826 MAD estimates a standard deviation. If more than half of the figures are equal, MAD is
zero, and the mean absolute deviation times 1.2533 is used (Iglewicz and Hoaglin, How to Detect and Handle Outliers,
1993).

A day is compared with similar days in the 8 weeks before it: days of the same weekday or, while fewer than four of
these are known, all working days or all days of the weekend. Days off, and a table's first delivery, which may contain
years of history, do not count towards the normal range.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

from pipelines.sql import quote_name, quote_qualified_name

Kwargs = Mapping[str, Any]

DELIVERIES, DAYS_OFF = "deliveries", "days_off"  # views next to the table under test
PUBLISHED_MONTHS, DELIVERED_MONTHS = "published_months", "delivered_months"

ALSO_UNUSUAL = "also_unusual"  # kwarg that no suite has: days to treat as unusual, to see what would follow

DAYS_OF_HISTORY = 14  # deliveries or days that must be known before one is judged
_ENOUGH_SIMILAR_DAYS = 4  # days of the same weekday; if fewer are known, more days count as similar
_FEWEST_SIMILAR_DAYS = 3
_WEEKS_COMPARED = 8
_MONTHS_COMPARED = 12
_FEWEST_MONTHS = 6
_SMALLEST_SPREAD = 0.05  # share of the median; the spread of counts is never assumed to be less
_HISTORY = "; history from the first load, which is not blocked"
_BULK_DAYS = 31  # rows dated more days than this before their delivery are history that was delivered again


def row_counts_above_zero(kwargs: Kwargs) -> str:
    """Deliveries without rows. Deliveries that are history are only reported.

    With `skipped`, only deliveries of which rows were skipped count.
    """
    return f"""
        select
            day as position, row_count = 0 and not is_history as is_unexpected,
            case row_count when 0 then 'no rows' when 1 then '1 row' else format('{{:,}} rows', row_count) end
                || case when skipped_rows > 0 then format(', {{:,}} skipped,', skipped_rows) else '' end
                || ' on ' || day || case when row_count = 0 and is_history then '{_HISTORY}' else '' end as finding
        from {DELIVERIES}
        where is_judged {"and skipped_rows > 0" if kwargs.get("skipped") else ""}
    """


def row_counts_usual(kwargs: Kwargs) -> str:
    """Deliveries whose row count is not within median ± `deviations` spreads of similar deliveries.

    The spread of counts is at least 5 % of their median and at least its square root, since that much is chance. Above
    the median, it is at least the root of twice the median, because small counts are skewed upwards.
    """
    return f"""
        {_deliveries_compared(kwargs)}
        select
            day as position,
            is_judgeable
                and (value > high or (value < low and day_off is null)) as is_unexpected,
            {_finding(_COUNT_OF_DAY)} as finding
        from described
    """


def row_counts_plausible(kwargs: Kwargs) -> str:
    """Deliveries with less than `below` or more than `above` times the median of similar deliveries.

    Excepted are: history; deliveries of fewer than `at_least` rows, if so few are normal; deliveries without rows, if
    the table may have such days (`may_be_empty`); low volume on a day off; deliveries of a table so erratic that a
    quarter of the similar deliveries also exceed the limit; and, for a table with a `date_column`, deliveries that are
    large only because of rows dated more than a month before their delivery: history that was delivered again.
    """
    below, above = float(kwargs.get("below", 0.5)), float(kwargs.get("above", 3))
    at_least = int(kwargs.get("at_least", 50))
    old_rows = "select cast(null as date) as day, 0 as old_rows where false"
    if column := kwargs.get("date_column"):
        old_rows = f"""
            select _delivered_on as day, count(*) as old_rows
            from {{batch}}
            where try_cast({quote_name(column)} as timestamp) < _delivered_on - interval {_BULK_DAYS} day
            group by 1
        """
    median = f"{_number('middle')} || ', the median for ' || kind_of_day || ' (of ' || days_alike || ')'"
    return f"""
        {_deliveries_compared(kwargs)},
        history_again as ({old_rows}),
        as_far_off as (
            select
                day,
                avg(case when earlier_value < {below} * middle then 1 else 0 end) as share_below,
                avg(case when earlier_value > {above} * middle then 1 else 0 end) as share_above
            from alike join middles using (series, day)
            group by 1
        ),
        beyond as (
            select
                *,
                {below} * middle as lowest, {above} * middle as highest,
                is_judgeable and value < {below} * middle as is_below,
                is_judgeable and value > {above} * middle as is_above
            from described
        ),
        excused as (
            select
                *,
                case
                    when not (is_below or is_above) then ''
                    when is_history then '{_HISTORY}'
                    when value = 0 and {bool(kwargs.get("may_be_empty"))} then '; this table may have days without rows'
                    when is_below and day_off is not null then '; ' || day_off
                    when greatest(value, middle) < {at_least} then '; of fewer than {at_least} rows none are judged'
                    when is_above and value - coalesce(old_rows, 0) <= {above} * middle
                        then format('; {{:,}} of them are dated more than a month before', old_rows)
                    when case when is_below then share_below else share_above end >= 0.25
                        then '; a quarter of the days like it are as far off'
                    else null
                end as excuse
            from beyond
            left join history_again using (day)
            left join as_far_off using (day)
        )
        select
            day as position,
            excuse is null as is_unexpected,
            {_COUNT_OF_DAY} || case
                when {_UNJUDGED} then {_why_unjudged()}
                when is_below
                    then ', fewer than ' || {_number("ceil(lowest)")} || ': {below:.0%} of ' || {median}
                when is_above
                    then ', more than ' || {_number("floor(highest)")} || ': {above:.0%} of ' || {median}
                else ', plausible for ' || kind_of_day || ' are ' || {_number("ceil(lowest)")} || ' to '
                    || {_number("floor(highest)")} || ' (median ' || {_number("middle")} || ' of ' || days_alike || ')'
            end || coalesce(excuse, '') as finding
        from excused
    """


def daily_values_usual(kwargs: Kwargs) -> str:
    """The newest day of a table, if its `value` is `deviations` spreads away from similar days.

    `value` is computed from the day's rows. A difference of less than `change` of the median is ignored, and so is
    chance in a value that sums up this many `events` a day: the spread is at least the median times the root of
    2 / events. A day without rows has the value 0; if that is normal, nothing is judged. `days_late` leaves out the
    newest days, whose rows are still arriving. With a `calendar`, a table that has a column date_day, the newest day is
    the newest day of the calendar.
    """
    day, calendar = quote_name(kwargs["day"]), kwargs.get("calendar")
    where = f"where {kwargs['where']}" if kwargs.get("where") else ""
    days = (
        f"select date_day as day from {quote_qualified_name(calendar)}"
        if calendar
        else f"select {day} as day from {{batch}}"
    )
    return f"""
        with
        totals as (
            select
                cast({day} as date) as day, cast({kwargs["value"]} as double) as value,
                cast({kwargs.get("events", "null")} as double) as events
            from {{batch}}
            {where}
            group by 1
        ),
        newest as (
            select cast(max(day) as date) - {int(kwargs.get("days_late", 0))} as day from ({days}) as days
        ),
        series as (
            select
                '' as series,
                cast(days.day as date) as day,
                coalesce(totals.value, 0) as value,
                totals.events,
                days.day = newest.day as is_judged,
                false as is_first,
                false as is_history,
                days_off.name as day_off,
                coalesce(days_off.is_unusual, false) as is_unusual
            from newest
            cross join generate_series(
                cast((select min(day) from totals) as timestamp), newest.day, interval 1 day
            ) as days (day)
            left join totals on totals.day = cast(days.day as date)
            left join {DAYS_OFF} as days_off on days_off.day = cast(days.day as date)
        ),
        {_compared_with_days_like_it(kwargs, default_deviations=5)},
        described as ({_described("greatest(spread, abs(middle) * sqrt(2 / events_alike))")})
        select
            day as position,
            is_judgeable
                and (value > high or (value < low and day_off is null))
                and abs(value - middle) > {float(kwargs.get("change", 0.25))} * abs(middle) as is_unexpected,
            {_finding(f"{_number('round(value, 2)')} || ' on ' || day")} as finding
        from described
    """


def monthly_values_usual(kwargs: Kwargs) -> str:
    """Values of the newest month that are `deviations` spreads away from those of the twelve months before it."""
    month, by = quote_name(kwargs["month"]), [quote_name(column) for column in kwargs.get("by", [])]
    series = f"concat_ws(' ', {', '.join(by)})" if by else "''"
    where = f"and ({kwargs['where']})" if kwargs.get("where") else ""
    deviations, change = float(kwargs.get("deviations", 5)), float(kwargs.get("change", 0.25))
    return f"""
        with
        series as (
            select {series} as series, cast({month} as date) as day, cast({kwargs["value"]} as double) as value
            from {{batch}}
            where {kwargs["value"]} is not null {where}
        ),
        alike as (
            select judged.series, judged.day, judged.value, earlier.value as earlier_value
            from (select *, max(day) over (partition by series) as newest from series) as judged
            inner join series as earlier on earlier.series = judged.series and earlier.day < judged.day
                and earlier.day >= judged.day - interval {_MONTHS_COMPARED} month
            where judged.day = judged.newest
        ),
        middles as (
            select series, day, any_value(value) as value, median(earlier_value) as middle, min(earlier_value) as least,
                count(*) as days_alike
            from alike
            group by 1, 2
        ),
        spreads as ({_SPREADS})
        select
            day as position,
            days_alike >= {_FEWEST_MONTHS}
                and abs(value - middle) > {deviations} * spread
                and abs(value - middle) > {change} * abs(middle) as is_unexpected,
            trim(series || ' ' || {_number("value")}) || ' in ' || strftime(day, '%Y-%m') || case
                when days_alike < {_FEWEST_MONTHS}
                    then ': only ' || days_alike || ' earlier months, judged from {_FEWEST_MONTHS} on'
                else ', usual are ' || {_number(_not_below_zero(f"middle - {deviations} * spread"))} || ' to '
                    || {_number(f"middle + {deviations} * spread")}
                    || ' (median ' || {_number("middle")} || ' of ' || days_alike || ' months)'
            end as finding
        from middles join spreads using (series, day)
    """


def closed_months_stay(kwargs: Kwargs) -> str:
    """Company-level values of months that were over, if they differ from the last published ones by more than `share`.

    Excepted are months for which a delivery has arrived since with rows dated in the month, or in the `days_before` it
    that its value also covers.
    """
    share, days_before = float(kwargs.get("share", 0.02)), int(kwargs.get("days_before", 0))
    where = f"and ({kwargs['where']})" if kwargs.get("where") else ""
    return f"""
        with
        published as (
            select * from {PUBLISHED_MONTHS}
            where entity_type = 'company' and value is not null and not is_partial_period and is_mature {where}
        ),
        compared as (
            select
                published.period_month, kpi_id, variant, published.value as before, batch.value as after,
                exists (
                    select 1 from {DELIVERED_MONTHS} as delivered
                    where delivered.month is null
                        or delivered.month between
                            date_trunc('month', published.period_month - {days_before}) and published.period_month
                ) as is_explained
            from published
            left join {{batch}} as batch using (period_month, kpi_id, variant, entity_type, entity_id)
        ),
        judged as (
            select *, coalesce(abs(after - before) > {share} * abs(before), true) as is_restated from compared
        )
        select
            period_month as position,
            is_restated and not is_explained as is_unexpected,
            kpi_id || ' ' || variant || ' of ' || strftime(period_month, '%Y-%m') || ' was '
                || {_number("before")} || ', is ' || coalesce({_number("after")}, 'gone')
                || case
                    when is_explained then ': rows of that time were delivered since'
                    else ', and no row of that time was delivered since'
                end as finding
        from judged
        where is_restated
    """


def _deliveries_compared(kwargs: Kwargs) -> str:
    since = f"where day >= date '{_date(kwargs['since'])}'" if kwargs.get("since") else ""
    days = ", ".join(f"date '{_date(day)}'" for day in kwargs.get(ALSO_UNUSUAL, ()))
    also_unusual = f"or deliveries.day in ({days})" if days else ""
    return f"""
        with
        series as (
            select
                '' as series, deliveries.day, cast(deliveries.row_count as double) as value, null::double as events,
                deliveries.is_judged, deliveries.is_first, deliveries.is_history, days_off.name as day_off,
                coalesce(days_off.is_unusual, false) {also_unusual} as is_unusual
            from (select * from {DELIVERIES} {since}) as deliveries
            left join {DAYS_OFF} as days_off using (day)
        ),
        {_compared_with_days_like_it(kwargs, default_deviations=4)},
        described as ({_described(_chance("middle"), _chance("2 * middle"), counts=True)})
    """


def _compared_with_days_like_it(kwargs: Kwargs, default_deviations: float) -> str:
    """CTEs that lead from `series` to `spreads`: the middle and the spread of the days similar to each judged day."""
    return f"""
        history as (
            select
                judged.series, judged.day, judged.value, earlier.value as earlier_value, earlier.events,
                earlier.day_off is null and not earlier.is_first and not earlier.is_unusual as is_a_measure,
                isodow(earlier.day) = isodow(judged.day) as is_same_weekday,
                (isodow(earlier.day) >= 6) = (isodow(judged.day) >= 6) as is_same_kind
            from series as judged
            inner join series as earlier on earlier.series = judged.series and earlier.day < judged.day
                and earlier.day >= judged.day - {7 * _WEEKS_COMPARED}
            where judged.is_judged
        ),
        counted as (
            select *,
                count(*) over (partition by series, day) as days_known,
                sum(case when is_same_weekday and is_a_measure then 1 else 0 end) over (partition by series, day)
                    >= {_ENOUGH_SIMILAR_DAYS} as is_by_weekday
            from history
        ),
        alike as (
            select * from counted
            where is_a_measure and case when is_by_weekday then is_same_weekday else is_same_kind end
        ),
        middles as (
            select
                series, day, any_value(value) as value, any_value(is_by_weekday) as is_by_weekday,
                median(earlier_value) as middle, min(earlier_value) as least, nullif(median(events), 0) as events_alike,
                count(*) as days_alike
            from alike
            group by 1, 2
        ),
        known as (select series, day, any_value(days_known) as days_known from counted group by 1, 2),
        spreads as ({_SPREADS}),
        settings as (
            select
                {float(kwargs.get("deviations", default_deviations))} as deviations,
                {int(kwargs.get("days_of_history", DAYS_OF_HISTORY))} as days_of_history
        )
    """


_SPREADS = """
    select
        series, day,
        coalesce(
            nullif(1.4826 * median(abs(earlier_value - middle)), 0), 1.2533 * avg(abs(earlier_value - middle))
        ) as spread
    from alike join middles using (series, day)
    group by 1, 2
"""


def _described(spread: str, spread_above: str = "", counts: bool = False) -> str:
    """Every judged day with its normal range, and what similar days are called."""
    low, high = _not_below_zero(f"middle - deviations * {spread}"), f"middle + deviations * {spread_above or spread}"
    if counts:
        low, high = f"ceil({low})", f"floor({high})"
    return f"""
        select
            series.day, series.value, series.day_off, series.is_unusual, series.is_history, middle,
            coalesce(days_alike, 0) as days_alike, coalesce(days_known, 0) as days_known, days_of_history,
            {low} as low, {high} as high,
            coalesce(
                not series.is_unusual and days_known >= days_of_history and days_alike >= {_FEWEST_SIMILAR_DAYS}
                    and middle > 0,
                false
            ) as is_judgeable,
            case
                when is_by_weekday then 'a ' || dayname(series.day)
                when isodow(series.day) >= 6 then 'a day of the weekend'
                else 'a working day'
            end as kind_of_day
        from series
        cross join settings
        left join known using (series, day)
        left join middles using (series, day)
        left join spreads using (series, day)
        where series.is_judged
    """


def _chance(variance: str) -> str:
    """The spread of counts that have at least this variance."""
    return f"greatest(spread, sqrt({variance}), {_SMALLEST_SPREAD} * middle)"


def _not_below_zero(low: str) -> str:
    """The lower end of the normal range, which is not below zero if no value has ever been negative."""
    return f"case when least >= 0 then greatest({low}, 0) else {low} end"


_UNJUDGED = f"(is_unusual or days_known < days_of_history or days_alike < {_FEWEST_SIMILAR_DAYS} or middle <= 0)"


def _why_unjudged() -> str:
    return f"""
        case
            when is_unusual then ': one of unusual_days, not judged'
            when days_known < days_of_history
                then ': ' || days_known || ' earlier days are known, judged from ' || days_of_history || ' days on'
            when days_alike < {_FEWEST_SIMILAR_DAYS} then ': too few days like it are known'
            else ': nothing is usual for ' || kind_of_day
        end
    """


def _finding(value: str) -> str:
    """The sentence about a judged day; `value` is SQL that describes its value."""
    return f"""
        {value} || case
            when {_UNJUDGED} then {_why_unjudged()}
            else ', normal for ' || kind_of_day || ': ' || {_number("low")} || ' to ' || {_number("high")}
                || ' (median ' || {_number("middle")} || ' of ' || days_alike || ')'
                || coalesce('; ' || day_off, '')
        end
    """


def _number(value: str) -> str:
    """A number in readable form: whole numbers have no decimals."""
    return (
        f"case when {value} = round({value}) then format('{{:,}}', cast({value} as bigint)) "
        f"when abs({value}) < 10 then format('{{:.3f}}', cast({value} as double)) "
        f"else format('{{:,.2f}}', cast({value} as double)) end"
    )


_COUNT_OF_DAY = f"{_number('value')} || case when value = 1 then ' row' else ' rows' end || ' on ' || day"


def _date(value: Any) -> date:
    return value if isinstance(value, date) else date.fromisoformat(str(value))
