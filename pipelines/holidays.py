"""The public holidays that the company observes.

Belongs here: which days they are. Does not belong here: what follows from them, such as deliveries with few rows
(`checks/`) and how targets are spread over days (the models).
"""

import re
from datetime import date
from functools import cache

from pipelines.config_files import ConfigError
from pipelines.partitions import business_day
from pipelines.settings import SettingsFile


def public_holidays(settings: SettingsFile) -> dict[date, str]:
    """The public holidays of the setting holiday_country, from ten years before the first delivery to the next year.

    The first delivery may contain years of history.

    Raises:
        ConfigError: the public holidays of this country are not known.
    """
    if not settings.holiday_country:
        return {}
    return _holidays_of(settings.holiday_country, settings.first_delivery.year - 10, business_day(settings).year + 1)


@cache
def _holidays_of(place: str, first: int, last: int) -> dict[date, str]:
    import holidays  # takes a moment to import, and most commands judge nothing

    country, _, subdivision = place.partition("-")
    # The list of one country only; listing all countries takes a third of a second.
    known = getattr(holidays, country, None) if re.fullmatch("[A-Z]{2}", country) else None
    if known is None or (subdivision and subdivision not in known.subdivisions):
        raise ConfigError(
            f"setting holiday_country: no public holidays are known for {place!r}. Name a country like PL, or part "
            "of one like DE-BY; without one, list the days under unusual_days."
        )
    return dict(holidays.country_holidays(country, subdiv=subdivision or None, years=range(first, last + 1)))
