"""On which day of the business a moment is, and whether it is later than a day."""

import duckdb
import pytest

from tests.unit.onboarding.draft_rendering import render

# In Beirut and Havana, clocks change at midnight: an hour of the day before comes twice, or the first of a day never.
ZONES = ["UTC", "Europe/Warsaw", "America/New_York", "Asia/Beirut", "America/Havana", "Asia/Kathmandu"]


@pytest.mark.parametrize("zone", ZONES)
def test_a_moment_is_after_a_day_if_its_own_day_is_later(zone: str) -> None:
    date, is_after = (
        render(f"{{{{ {macro} }}}}", {"time_zone": zone})
        for macro in ("business_date('moment')", "is_after_day('moment', 'day')")
    )
    moments = "range(timestamp '2024-01-01', timestamp '2025-01-01', interval '15 minutes') as moments (moment)"
    days = "unnest([date '2024-01-01', '2024-03-09', '2024-03-30', '2024-10-26', '2024-11-02']) as days (day)"
    counts = f"count(*), count(*) filter ({is_after}), count(*) filter (({date} > day) <> ({is_after}))"
    with duckdb.connect() as connection:
        [[compared, after, different]] = connection.execute(
            f"select {counts} from {moments} cross join {days}"
        ).fetchall()
    assert 0 < after < compared
    assert different == 0
