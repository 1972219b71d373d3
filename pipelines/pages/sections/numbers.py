"""Which rows of the published file a number of a section is.

Belongs here: how a section says that, once for all cells of its tables. Does not belong here: reading the rows
(`pages/behind.py`), and numbers of the scorecard, which `kpi_parts` describes for `explain`.

In the SQL, `$start` and `$until` stand for the first day of the chosen period and the day after its last one that
counts, `$as_of` for the newest day, and the name of a key for its value; `behind.py` has all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from pipelines.pages.view import View


@dataclass(frozen=True)
class Key:
    """What the rows or columns of a table are by: a stage, a band of ages, a rep."""

    title: str  # a message
    sql: str = ""  # of a row of the fact; empty: only the number's own SQL names it
    names: Callable[[View], Mapping[str, str]] = lambda view: {}  # what its values are called, if not by themselves
    is_required: bool = False
    is_message: bool = False  # its values are messages to translate


@dataclass(frozen=True)
class Fact:
    """Rows of the published file that numbers count."""

    row_is: str  # a message
    relation: str
    key: str
    day: str
    file: str = ""  # the table in `relation` whose rows name the delivered file and row; empty: they are no such rows
    where: str = "true"
    # By what a page may be filtered, and the column; None: the page's filter does not choose among the rows.
    cuts: Mapping[str, str] | None = field(default_factory=dict)


@dataclass(frozen=True)
class Number:
    """A number: the sum of what rows add, their median, or their share in what the rows of `whole` add.

    `divided_by` is what the sum is divided by where no rows make that, and what it is called, as a message.
    """

    title: str  # a message
    fact: Fact
    keys: Mapping[str, Key] = field(default_factory=dict)
    adds: str = "1"
    where: str = "true"
    is_median: bool = False
    whole: "Number | None" = None
    divided_by: tuple[str, Callable[[View], Decimal | None]] | None = None
    unit: str = "count"  # of what rows add

    @property
    def days(self) -> str:
        """Which days decide what counts: the chosen `period`, the `earlier` one, the newest day (`as_of`), or none."""
        sql = f"{self.fact.relation} {self.fact.where} {self.where} {self.adds}"
        signs = {"$earlier_": "earlier", "$start": "period", "$until": "period", "$as_of": "as_of"}
        return next((days for sign, days in signs.items() if sign in sql), "")
