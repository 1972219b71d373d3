"""What sections that read facts share: the page's filter as a condition, days, bands of ages, and who the reps are.

Belongs here: that, for leads, deals and reps. Does not belong here: what any section shows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from pipelines.answers.periods import Period
from pipelines.pages.sections import Missing
from pipelines.pages.sections.limits import not_by
from pipelines.pages.sections.tiles import Change, changes_of
from pipelines.pages.view import COMPANY, Measure, Row, View
from pipelines.pages.words import EN_DASH

UNASSIGNED = "unassigned"
# By what facts can be filtered: cut → column.
LEADS = {"rep": "sdr_id", "team": "created_team", "office": "created_office", "channel": "source"}


@dataclass(frozen=True)
class Filter:
    """The page's filter as an SQL condition with its parameters."""

    condition: str
    parameters: Mapping[str, str]


def filter_of(view: View, columns: Mapping[str, str]) -> Filter | Missing:
    """The condition that rows belong to what the page is filtered by; `columns` says where each cut is."""
    cut = view.state.cut
    if cut == COMPANY:
        return Filter("true", {})
    if cut not in columns:
        return not_by(view, *columns)
    return Filter(f"coalesce({columns[cut]}, '{UNASSIGNED}') = $entity", {"entity": view.state.entity})


def last_day(view: View, period: Period) -> date:
    """The last day of a period that counts."""
    return min(period.end - timedelta(days=1), view.publication.as_of_date)


@dataclass(frozen=True)
class Bands:
    """Ages in days, from young to old; the last band has no end."""

    ends: tuple[int, ...]  # the last day of each band but the last

    def number_of(self, age: str) -> str:
        """SQL: the number of the band, from 0, in which the age `age` lies; null if that is unknown."""
        bands = " ".join(f"when {age} <= {end} then {number}" for number, end in enumerate(self.ends))
        return f"case {bands} when {age} is not null then {len(self.ends)} end"

    def by_number(self, view: View) -> Mapping[str, str]:
        """The names by number, and what an unknown age is called."""
        return {"": view.words.text("unknown"), **{str(at): name for at, name in enumerate(self.names(view))}}

    def names(self, view: View) -> list[str]:
        """The names of the bands: their days, and of the last one what it is over."""
        words, starts = view.words, [0, *(end + 1 for end in self.ends)]
        known = [
            words.text("%(days)s days", days=f"{start}{EN_DASH}{end}")
            for start, end in zip(starts, self.ends, strict=False)
        ]
        return [*known, words.text("over %(days)s days", days=self.ends[-1])]


@dataclass(frozen=True)
class Rep:
    """A rep as of a day."""

    name: str
    team: str
    office: str
    is_employed: bool  # on some day of the period


def reps_in(view: View, period: Period) -> dict[str, Rep]:
    """The reps by id, with the team and office that they had at the end of a period."""
    rows = view.execute(
        f"""
        select
            rep_id, coalesce(rep_name, rep_id), coalesce(team, '{UNASSIGNED}'), coalesce(office, '{UNASSIGNED}'),
            coalesce(hired_on <= $day, true) and coalesce(left_on >= $start, true)
        from marts.dim_sales_rep
        where valid_from <= $day and valid_until > $day
        """,
        {"day": last_day(view, period), "start": period.start},
    ).fetchall()
    return {rep_id: Rep(*rest) for rep_id, *rest in rows}


def name_of(view: View, entity_id: str, name: str) -> str:
    """The name of a rep or team as it is shown."""
    return view.words.text("Unassigned") if entity_id == UNASSIGNED else name


def by_name(entity_id: str, name: str) -> tuple[bool, str]:
    """The order of reps and teams: by name, never by result; what belongs to nobody comes last."""
    return entity_id == UNASSIGNED, name.casefold()


def change_of(view: View, row: Row, measure: Measure) -> Change | None:
    """The change of a value against what the page compares with, if both are known."""
    return next((one for one in changes_of(row, measure) if one.comparison is view.state.compare), None)


def may_see(view: View, cut: str, entity_id: str) -> bool:
    """Whether the numbers of an entity are for the reader; of cells of the scorecard, `view.rows` sees to that."""
    return not view.only or entity_id in view.only.get(cut, ())
