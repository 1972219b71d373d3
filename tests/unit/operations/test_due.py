"""What should have arrived by now, in the business time zone."""

from datetime import UTC, date, datetime

import pytest

from pipelines.operations.due import has_ended, is_awaited, newest_day, run_is_expected
from pipelines.settings import Settings

LATE_EVENING = datetime(2026, 1, 8, 22, 59, tzinfo=UTC)  # 23:59 in Warsaw
MIDNIGHT = datetime(2026, 1, 8, 23, 0, tzinfo=UTC)


def settings(**values: object) -> Settings:
    usual = {"sources": ["shop"], "first_delivery": date(2026, 1, 7), "time_zone": "Europe/Warsaw"}
    return Settings(**{**usual, "reporting_currency": "EUR", **values})  # type: ignore[arg-type]


def test_a_delivery_day_can_be_expected_once_it_has_ended_where_the_business_is() -> None:
    assert newest_day(settings(), LATE_EVENING) == date(2026, 1, 7)
    assert newest_day(settings(), MIDNIGHT) == date(2026, 1, 8)


def test_no_day_before_the_first_delivery_is_awaited() -> None:
    later = settings(first_delivery=date(2026, 1, 8))
    assert not is_awaited(later, LATE_EVENING)
    assert is_awaited(later, MIDNIGHT)


def test_the_last_delivery_is_awaited_and_no_day_after_it() -> None:
    ending = settings(last_delivery=date(2026, 1, 7))
    assert is_awaited(ending, LATE_EVENING)
    assert not has_ended(ending, LATE_EVENING)
    assert not is_awaited(ending, MIDNIGHT)
    assert has_ended(ending, MIDNIGHT)
    assert newest_day(ending, MIDNIGHT) == date(2026, 1, 7)


@pytest.mark.parametrize(
    ("schedule", "switch", "expected"),
    [
        ("daemon", None, True),
        ("daemon", False, False),
        ("none", None, False),
        ("none", True, True),
        ("cron", None, True),
        ("cron", False, True),
    ],
)
def test_a_daily_run_is_expected_by_setting_and_switch(schedule: str, switch: bool | None, expected: bool) -> None:
    assert run_is_expected(settings(schedule=schedule), switch) is expected
