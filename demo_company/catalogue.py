"""The basics of the business: staff, products, campaigns, exchange rates, targets and costs.

Belongs here: the short fixed lists, and everything that depends only on them and the calendar.
Does not belong here: customers, leads and what they do (funnel, sales, marketing).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from demo_company.clock import BULK_DAY, FIRST_DAY, HOUR, LAST_DAY, NEVER, IntArray, day_number, moment_of
from demo_company.dice import Dice
from demo_company.tables import Frames, Objects, labels, versions_frame

COUNTRIES = ("PL", "DE", "FR", "GB", "US")
COUNTRY_WEIGHTS = (44, 24, 10, 12, 10)
CURRENCIES = ("EUR", "PLN", "USD", "GBP")
CURRENCY_OF_COUNTRY = np.array([1, 0, 0, 3, 2])
VAT_PERCENT_OF_COUNTRY = np.array([23, 19, 20, 20, 0])
REGIONS = ("north", "south", "east", "west")
SEGMENTS = ("smb", "mid_market", "enterprise")
FIRST_NAMES = (
    "Ada", "Bruno", "Celia", "Daan", "Elif", "Femi", "Greta", "Hugo", "Inês", "Jonas", "Kasia", "Łukasz",
    "Mina", "Nils", "Olga", "Pavel", "Quinn", "Rosa", "Sven", "Tara", "Uma", "Viktor", "Wanda", "Zoë",
)  # fmt: skip
INITIALS = "ABCDEFGHJKLMNPRSTUWZ"
TEAMS = ("atlas", "boreal", "cobalt", "delta")
OFFICES = ("warsaw", "berlin", "london", None)  # None: works from home

_LEFT_BEFORE_BULK, _LEFT_DURING_DAILIES = day_number(date(2024, 9, 30)), day_number(date(2025, 12, 31))
_HIRED_BEFORE_BULK, _HIRED_DURING_DAILIES = day_number(date(2024, 10, 1)), day_number(date(2025, 12, 1))
_TEAM_CHANGE = day_number(date(2025, 12, 15))
_MANAGERS, _SDRS, _AES = range(1, 5), range(5, 15), range(15, 29)
_TEAM_MOVER, _TEAM_MOVED_TO = 18, 0
_OFFICE_CHANGE = day_number(date(2025, 12, 3))
_OFFICE_MOVER, _OFFICE_MOVED_TO = 22, 0
_LEAVERS = {20: _LEFT_BEFORE_BULK, 9: _LEFT_DURING_DAILIES}
_LATE_HIRES = {27: _HIRED_BEFORE_BULK, 14: _HIRED_BEFORE_BULK, 28: _HIRED_DURING_DAILIES}


@dataclass(frozen=True)
class Staff:
    """The sales staff: rep numbers (7 is `R07`), and the first and last day of each rep, as day numbers."""

    hired_on: dict[int, int]
    left_on: dict[int, int]

    def on_duty(self, numbers: Sequence[int], dice: Dice, days: IntArray) -> IntArray:
        """For each day, one of the reps `numbers` who works here on that day."""
        reps = np.array(numbers)
        hired = np.array([self.hired_on[n] for n in numbers])
        left = np.array([self.left_on.get(n, NEVER) for n in numbers])
        chosen = dice.below(len(reps), len(days))
        for _ in range(len(reps)):
            absent = (days < hired[chosen]) | (days > left[chosen])
            chosen = np.where(absent, (chosen + 1) % len(reps), chosen)
        return reps[chosen]

    def sdrs(self, dice: Dice, days: IntArray) -> IntArray:
        """For each day, an SDR on duty."""
        return self.on_duty(_SDRS, dice, days)

    def account_executives(self, dice: Dice, days: IntArray) -> IntArray:
        """For each day, an AE on duty."""
        return self.on_duty(_AES, dice, days)

    def still_here(self, numbers: IntArray, days: IntArray) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Whether each rep still works here on the day at the same position."""
        left = np.full(max(_AES) + 1, NEVER)
        for number, day in self.left_on.items():
            left[number] = day
        answer: np.ndarray[tuple[int], np.dtype[np.bool_]] = days <= left[numbers]
        return answer


def hire_staff() -> Staff:
    """Everybody works here from the start, except for late hires, and until the end, except for leavers."""
    long_ago = day_number(date(2021, 3, 1))
    hired = {n: _LATE_HIRES.get(n, long_ago + 31 * n) for n in (*_MANAGERS, *_SDRS, *_AES)}
    return Staff(hired, dict(_LEAVERS))


def rep_ids(numbers: IntArray) -> Objects:
    """`R07` for 7, null for a negative number."""
    return labels("R", numbers, 2)


def _home_team(number: int) -> int:
    return number % len(TEAMS)


def _office(number: int, day: int) -> str | None:
    """Every team has people in every office."""
    if number == _OFFICE_MOVER and day >= _OFFICE_CHANGE:
        return OFFICES[_OFFICE_MOVED_TO]
    return OFFICES[number // len(TEAMS) % len(OFFICES)]


def sales_reps(staff: Staff) -> pd.DataFrame:
    """Versions of the staff list: everybody in the bulk delivery, then one row per hire, change and departure."""
    rows = []
    for number, hired in staff.hired_on.items():
        left = staff.left_on.get(number, NEVER)
        team = _home_team(number)
        rows.append((number, team, hired, left if left <= BULK_DAY else NEVER, max(hired, FIRST_DAY)))
        if number == _TEAM_MOVER:
            rows.append((number, _TEAM_MOVED_TO, hired, left, _TEAM_CHANGE))
        if number == _OFFICE_MOVER:
            rows.append((number, team, hired, left, _OFFICE_CHANGE))
        if BULK_DAY < left < NEVER:
            rows.append((number, team, hired, left, left))
    rows.sort(key=lambda row: (row[4], row[0]))
    number, team, hired, left, day = np.array(rows).T
    role = np.where(number < min(_SDRS), "manager", np.where(number < min(_AES), "SDR", "AE"))
    manager_of_team = np.array([next(m for m in _MANAGERS if _home_team(m) == t) for t in range(len(TEAMS))])
    raw = {
        "rep_id": rep_ids(number),
        "name": [f"{FIRST_NAMES[n % len(FIRST_NAMES)]} {INITIALS[n % len(INITIALS)]}." for n in number.tolist()],
        "role": role,
        "team": np.array(TEAMS, dtype=object)[team],
        "region": np.array(REGIONS, dtype=object)[team],
        "manager_id": rep_ids(np.where(role == "manager", -1, manager_of_team[team])),
        "hired_on": hired,
        "left_on": left,
        "office": np.array([_office(*one) for one in zip(number.tolist(), day.tolist(), strict=True)], dtype=object),
    }
    return versions_frame("crm.sales_reps", raw, day)


def rep_teams(sales_rep_versions: pd.DataFrame) -> pd.DataFrame:
    """History for the truth: rep_id, valid_from (day), team, office. The first row also applies to all earlier days."""
    history = sales_rep_versions[["rep_id", "team", "office"]].copy()
    history.insert(1, "valid_from", sales_rep_versions["delivered_on"].to_numpy().astype("datetime64[D]"))
    history["valid_from"] = history["valid_from"].astype("datetime64[s]")
    return history.sort_values(["rep_id", "valid_from"]).reset_index(drop=True)


# ---------------------------------------------------------------------------------------------------- products

_CATEGORIES = {
    "furniture": ("Desk", "Chair", "Shelf", "Cabinet", "Lamp"),
    "electronics": ("Monitor", "Headset", "Keyboard", "Dock", "Webcam"),
    "supplies": ("Paper", "Toner", "Notebook", "Marker set", "Binder"),
}
_FINISHES = ("basic", "plus", "pro", "oak, large")
_PRODUCTS = [
    (f"{thing} {finish}", category)
    for category, things in _CATEGORIES.items()
    for thing in things
    for finish in _FINISHES
]
_LIST_PRICE_CENTS = {"furniture": 16_900, "electronics": 8_900, "supplies": 1_490}
_LATE_PRODUCTS, _PRODUCT_LAUNCH = 2, day_number(date(2025, 11, 24))
_COST_CHANGES = {3: day_number(date(2025, 11, 20)), 17: day_number(date(2025, 12, 9)), 41: LAST_DAY - 3}


@dataclass(frozen=True)
class Products:
    """The products, with prices in EUR cents. The last `_LATE_PRODUCTS` are sold only from the launch day on."""

    list_price: IntArray
    unit_cost: IntArray
    versions: pd.DataFrame

    def choose(self, dice: Dice, days: IntArray) -> IntArray:
        """A product number for each day."""
        count = len(self.list_price)
        chosen = dice.below(count, len(days))
        too_early = (chosen >= count - _LATE_PRODUCTS) & (days < _PRODUCT_LAUNCH)
        return np.where(too_early, chosen - _LATE_PRODUCTS, chosen)


def design_products(dice: Dice) -> Products:
    """The 60 products, with the cost changes that are part of the daily deliveries."""
    base = np.array([_LIST_PRICE_CENTS[category] for _, category in _PRODUCTS])
    list_price = base * dice.between(40, 220, len(_PRODUCTS)) // 100
    unit_cost = list_price * dice.between(45, 70, len(_PRODUCTS)) // 100
    day = np.full(len(_PRODUCTS), FIRST_DAY)
    day[-_LATE_PRODUCTS:] = _PRODUCT_LAUNCH
    number = np.concatenate([np.arange(len(_PRODUCTS)), np.array(list(_COST_CHANGES))])
    day = np.concatenate([day, np.array(list(_COST_CHANGES.values()))])
    cost = unit_cost[number]
    cost[len(_PRODUCTS) :] += cost[len(_PRODUCTS) :] // 20
    raw = {
        "product_id": product_ids(number),
        "name": [_PRODUCTS[n][0] for n in number],
        "category": [_PRODUCTS[n][1] for n in number],
        "unit_cost": cost,
        "updated_at": moment_of(day, np.full(len(day), 7 * HOUR)),
    }
    return Products(list_price, unit_cost, versions_frame("shop.products", raw, day))


def products_of_deals(deals: IntArray) -> Objects:
    """What each deal is about: a product, a service that is in no price list, or nothing that the CRM knows of."""
    subjects = np.array([*(name for name, _ in _PRODUCTS), "Installation", None], dtype=object)
    chosen: Objects = subjects[deals % len(subjects)]
    return chosen


def product_ids(numbers: IntArray) -> Objects:
    """`P01` for product number 0."""
    return labels("P", numbers + 1, 2)


# --------------------------------------------------------------------------------------------------- campaigns


@dataclass(frozen=True)
class Campaign:
    """One campaign. `daily_cents` is its budget on an ordinary day in its own currency, at scale 1."""

    channel: str
    platform: str
    name: str
    is_paid: bool
    currency: str
    daily_cents: int
    first_day: int = FIRST_DAY
    last_day: int = LAST_DAY


def _campaign(listed: str, first: str = "2024-01-01", last: str = "2026-01-09") -> Campaign:
    channel, platform, name, paid, currency, cents = listed.split("|")
    start, end = (day_number(date.fromisoformat(text)) for text in (first, last))
    return Campaign(channel, platform, name, paid == "paid", currency, int(cents), start, end)


CAMPAIGNS: tuple[Campaign, ...] = (
    _campaign("paid_search|google|Brand|paid|EUR|9000"),
    _campaign("paid_search|google|Generic terms|paid|PLN|52000"),
    _campaign("paid_search|google|Competitors|paid|GBP|6000", "2024-03-04"),
    _campaign("paid_search|bing|Generic terms|paid|USD|7000"),
    _campaign("paid_search|google|Shopping|paid|EUR|12000", "2024-06-03"),
    _campaign("social|meta|Prospecting|paid|EUR|11000"),
    _campaign("social|meta|Retargeting|paid|PLN|30000"),
    _campaign("social|linkedin|Decision makers|paid|EUR|14000", "2024-02-05"),
    _campaign("social|linkedin|Lead forms|paid|USD|9000", "2024-09-02"),
    _campaign("social|tiktok|Short clips|paid|GBP|5000", "2025-02-03"),
    _campaign("social|meta|Own posts|own|EUR|0"),
    _campaign("email|newsletter|Monthly letter|own|EUR|1200"),
    _campaign("email|newsletter|Win-back|own|EUR|600", "2024-05-06"),
    _campaign("email|sponsored|Guest letters|paid|EUR|4000", "2024-04-01"),
    _campaign("event|fair|Spring fair|paid|EUR|45000", "2025-03-03", "2025-04-30"),
    _campaign("event|fair|Autumn fair|paid|EUR|60000", "2025-09-15", "2025-10-31"),
    _campaign("event|meetup|Breakfast talks|own|PLN|8000"),
    _campaign("display|programmatic|Banners|paid|EUR|7000", "2024-01-15"),
    _campaign("referral|partners|Refer a friend|own|EUR|0"),
    _campaign("paid_search|google|Winter sale|paid|EUR|15000", "2025-12-08"),
)
_FALLBACK = {"paid_search": 0, "social": 5, "email": 11, "event": 16, "display": 0, "referral": 18}


def campaign_ids(numbers: IntArray) -> Objects:
    """`K01` for campaign number 0, null for a negative number."""
    return labels("K", np.where(numbers < 0, -1, numbers + 1), 2)


def running_campaign(numbers: IntArray, days: IntArray) -> IntArray:
    """The campaign itself if it runs on that day, otherwise a campaign of the same channel that always runs."""
    first = np.array([c.first_day for c in CAMPAIGNS])
    last = np.array([c.last_day for c in CAMPAIGNS])
    fallback = np.array([_FALLBACK[c.channel] for c in CAMPAIGNS])
    idle = (days < first[numbers]) | (days > last[numbers])
    return np.where(idle, fallback[numbers], numbers)


def campaigns() -> pd.DataFrame:
    """Versions of the campaign list: all in the bulk delivery, but the winter sale when it starts."""
    raw = {
        "campaign_id": campaign_ids(np.arange(len(CAMPAIGNS))),
        "channel": [c.channel for c in CAMPAIGNS],
        "platform": [c.platform for c in CAMPAIGNS],
        "name": [c.name for c in CAMPAIGNS],
        "is_paid": [c.is_paid for c in CAMPAIGNS],
    }
    return versions_frame("ads.campaigns", raw, np.array([c.first_day for c in CAMPAIGNS]))


# ----------------------------------------------------------------------------------------------------- finance

MICROS = 1_000_000
_FIRST_RATE_DAY = day_number(date(2023, 12, 29))
_FIRST_RATES = {"PLN": 230_400, "USD": 905_000, "GBP": 1_152_000}


@dataclass(frozen=True)
class Rates:
    """EUR per unit of each currency (order of CURRENCIES) and local day, in millionths. Weekends keep Friday's rate."""

    by_day: IntArray
    versions: pd.DataFrame

    def on(self, currencies: IntArray, days: IntArray) -> IntArray:
        """The rate of each currency number on each day."""
        return self.by_day[currencies, days - _FIRST_RATE_DAY]

    def from_euro(self, euro_cents: IntArray, currencies: IntArray, days: IntArray) -> IntArray:
        """EUR cents as cents of another currency, rounded down, which is how the shop sets its foreign prices."""
        return euro_cents * MICROS // self.on(currencies, days)


def quote_rates(dice: Dice) -> Rates:
    """A slow random walk per currency, with quotes on weekdays."""
    days = np.arange(_FIRST_RATE_DAY, LAST_DAY + 1)
    weekday = (days + 3) % 7 < 5
    by_day = np.full((len(CURRENCIES), len(days)), MICROS)
    for row, currency in enumerate(CURRENCIES):
        if currency != "EUR":
            start = _FIRST_RATES[currency]
            steps = np.where(weekday, dice.between(-300, 300, len(days)) * start // 100_000, 0)
            steps[0] = 0
            by_day[row] = start + np.cumsum(steps)
    quoted = [(d, c) for d in range(len(days)) if weekday[d] for c in range(1, len(CURRENCIES))]
    day, currency_number = (np.array(column) for column in zip(*quoted, strict=True))
    raw = {
        "rate_date": days[day],
        "from_currency": np.array(CURRENCIES, dtype=object)[currency_number],
        "to_currency": ["EUR"] * len(day),
        "rate": by_day[currency_number, day],
    }
    return Rates(by_day, versions_frame("finance.fx_rates", raw, days[day]))


def _months(first: date, last: date) -> list[date]:
    count = (last.year - first.year) * 12 + last.month - first.month + 1
    return [date(first.year + (first.month - 1 + i) // 12, (first.month - 1 + i) % 12 + 1, 1) for i in range(count)]


_COSTS_AT_SCALE_ONE = {  # EUR cents per month in 2024-01
    "agency": 400_000,
    "marketing_people": 1_900_000,
    "sales_people": 7_200_000,
    "tools": 650_000,
}


def costs(dice: Dice, scale_ppm: int) -> pd.DataFrame:
    """Monthly costs in EUR, each known on the third day of the following month."""
    rows = []
    for month, following in zip(
        _months(date(2024, 1, 1), date(2025, 12, 1)), _months(date(2024, 2, 1), date(2026, 1, 1)), strict=True
    ):
        growth = 100 + 2 * ((month.year - 2024) * 12 + month.month - 1)
        for cost_type, cents in _COSTS_AT_SCALE_ONE.items():
            amount = cents * growth // 100 * int(dice.between(94, 106, 1)[0]) // 100 * scale_ppm // MICROS
            rows.append((day_number(month), cost_type, amount, day_number(following) + 2))
    month_day, cost_type_, amount_, day = zip(*rows, strict=True)
    raw = {"cost_month": month_day, "cost_type": cost_type_, "amount": amount_, "currency": ["EUR"] * len(rows)}
    return versions_frame("finance.costs", raw, np.array(day))


_COMPANY = 0
_COMPANY_TARGETS = (  # in hundredths
    ("cac", 4_000, "EUR"),
    ("lead_conversion", 6, ""),
    ("nps", 2_000, ""),
    ("retention", 80, ""),
    ("win_rate", 35, ""),
)


def quotas(staff: Staff, scale_ppm: int) -> pd.DataFrame:
    """Monthly targets of reps and of the company, known on the first day of the month. Rates are shares (0.30).

    AEs have revenue and win_rate targets, and SDRs have lead_conversion targets. The company has targets for six KPIs.
    """
    rows = []
    for month in _months(date(2024, 1, 1), date(2026, 1, 1)):
        first = day_number(month)
        step = (month.year - 2024) * 12 + month.month - 1
        rows.append((_COMPANY, first, "revenue", (40_000_000 + 16_000_000 * step) * scale_ppm // MICROS, "EUR"))
        rows += [(_COMPANY, first, kpi, target, currency) for kpi, target, currency in _COMPANY_TARGETS]
        for number in (*_SDRS, *_AES):
            if not staff.hired_on[number] <= first <= staff.left_on.get(number, NEVER):
                continue
            if number in _SDRS:
                rows.append((number, first, "lead_conversion", 5 + number % 3, ""))
            else:
                revenue = (2_000_000 + 150_000 * step) * scale_ppm // MICROS // 100 * 100
                rows.append((number, first, "revenue", revenue, "EUR"))
                rows.append((number, first, "win_rate", 28 + number % 8, ""))
    rows.sort(key=lambda row: (row[1], row[0], row[2]))
    number_, first_, kpi, target, currency = zip(*rows, strict=True)
    raw = {
        "rep_id": np.where(np.array(number_) == _COMPANY, "company", rep_ids(np.array(number_))),
        "period_month": first_,
        "kpi_id": kpi,
        "target_value": target,
        "currency": [code or None for code in currency],
    }
    return versions_frame("crm.quotas", raw, np.array(first_))


def finance_and_staff_frames(staff: Staff, rates: Rates, products: Products, seed: int, scale_ppm: int) -> Frames:
    """The versions of all tables that depend only on the calendar and this module."""
    return {
        "shop.products": products.versions,
        "crm.sales_reps": sales_reps(staff),
        "crm.quotas": quotas(staff, scale_ppm),
        "ads.campaigns": campaigns(),
        "finance.fx_rates": rates.versions,
        "finance.costs": costs(Dice(seed, "costs"), scale_ppm),
    }
