"""Tables with one column per month, as plans and budgets have them: read as one row per month.

Belongs here: recognising the columns, and the table with a row per month. Does not belong here: the SQL that does the
same with what is delivered (`writing.py`).
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from pipelines.onboarding.cells import Reading
from pipelines.onboarding.columns import Column
from pipelines.onboarding.names import plain_letters
from pipelines.onboarding.recognising import ENOUGH, LITTLE, scores
from pipelines.onboarding.sniffing import Described

MONTH, VALUE = "month", "value"  # the columns of the table with a row per month
OF_MONTHS = ("quotas", "sales_marketing_costs")  # the entities that a row is about a month in
_FEWEST = 2  # columns of months

# How the names of months begin, without accents, in the languages of `synonyms.yml`.
_BEGINNINGS = [
    "jan|ene|gen|sty|oca", "feb|fev|lut|sub", "mar|maa|mrt|mae", "apr|avr|abr|kwi|nis", "may|mai|maj|mei|mag",
    "juin|jun|giu|cze|haz", "juil|jul|lug|lip|tem", "aug|aou|ago|sie|agu", "sep|set|wrz|eyl", "oct|okt|ott|out|paz|eki",
    "nov|lis|kas", "dec|dez|dic|dec|gru|ara",
]  # fmt: skip
_QUARTER = re.compile(r"(^|[^a-z])[qt][1-4]([^0-9]|$)")
_MONTHS = [(re.compile(f"({beginnings})[a-z]*"), number) for number, beginnings in enumerate(_BEGINNINGS, start=1)]


def month_called(name: str, year: int | None) -> date | None:
    """The first day of the month that a column is called by: Jan 2025, 2025-01, 01/2025, or Jan in a known year."""
    text = plain_letters(name).strip()
    if found := re.fullmatch(r"(20\d\d)[-/.](\d{1,2})([-/.]0?1( 00:00:00)?)?", text):
        return _first_of(int(found[1]), int(found[2]))
    if found := re.fullmatch(r"(\d{1,2})[-/.](20\d\d)", text):
        return _first_of(int(found[2]), int(found[1]))
    parts = re.fullmatch(r"([a-z]+)\.?(?:[ '\u2019/._-]*(20\d\d|\d\d))?", text)
    turned = re.fullmatch(r"(20\d\d)[ /._-]*([a-z]+)\.?", text)
    word, number = (parts[1], parts[2]) if parts else (turned[2], turned[1]) if turned else ("", None)
    month = next((month for pattern, month in _MONTHS if pattern.fullmatch(word)), None)
    if month is None or not (number or year):
        return None
    return _first_of(int(number) % 2000 + 2000 if number else int(year or 0), month)


def _first_of(year: int, month: int) -> date | None:
    return date(year, month, 1) if 1 <= month <= 12 else None


def with_row_per_month(described: Described, words: str, told: str | None) -> Described:
    """The table with one row per month, if it has a column per month and its rows then are quotas or costs.

    `words` are those of its name. `told` is what a person says that a row is.
    """
    year = re.search(r"(?<!\d)20\d\d(?!\d)", described.label)
    months = {
        column.name: month
        for column in described.columns
        if (month := month_called(column.name, int(year[0]) if year else None))
    }
    amounts = [column for column in described.columns if column.name in months]
    others = [column for column in described.columns if column.name not in months]
    are_amounts = all(column.reading("decimal", "integer") or not column.example for column in amounts)
    if len(months) < _FEWEST or len({*months.values()}) < len(months) or not others or not are_amounts:
        return described
    long = _long(described, months, others, amounts)
    if told:
        return long if told in OF_MONTHS else described
    best = scores(long, words)[0]
    is_better = best.points >= max(scores(described, words)[0].points + LITTLE, ENOUGH)
    return long if best.entity in OF_MONTHS and is_better else described


def about_quarters(described: Described) -> str:
    """Why columns called Q1 2025 and the like are no plan by month; empty if there are none."""
    names = [column.name for column in described.columns if _QUARTER.search(plain_letters(column.name))]
    if len(names) < _FEWEST:
        return ""
    return (
        f". {names[0]} to {names[-1]} are quarters, and quotas and costs are those of a month: have a column per month"
    )


def _long(
    described: Described, months: dict[str, date], others: Sequence[Column], amounts: Sequence[Column]
) -> Described:
    """One row per row and month with an amount, in the other columns, `month` and `value`."""
    names = [column.name for column in described.columns]
    kept = [names.index(column.name) for column in others]
    sample = [
        (*(row[place] for place in kept), months[column.name].isoformat(), row[names.index(column.name)])
        for row in described.sample
        for column in amounts
        if row[names.index(column.name)]
    ]
    readings = next((column.readings for column in amounts if column.readings), ())
    month = Column(MONTH, (Reading("date"),), is_unique=False, example=min(months.values()).isoformat())
    value = replace(amounts[0], name=VALUE, readings=readings, is_unique=False, is_complete=True, values=frozenset())
    note = (
        f"{amounts[0].name} to {amounts[-1].name} are columns of months: each of their cells is a row of its own. Add "
        "a month that the file does not have yet to both models and to the source's YAML."
    )
    return replace(
        described,
        columns=(*(replace(column, is_unique=False) for column in others), month, value),
        rows=len(sample),
        sample=tuple(sample),
        notes=(*described.notes, note),
        months=months,
        delivered=described.columns,
    )
