"""Generated histories of a shop: its deliveries, the order in which they arrived, and the builds in between.

There are few keys, dates and labels, so that rows affect each other: they correct each other, arrive late, and refer to
rows that are deleted, not yet delivered, or unreadable. Every history begins with a day on which each table was
delivered empty.
"""

from dataclasses import dataclass
from datetime import date, timedelta

from hypothesis import strategies as st
from hypothesis.vendor.pretty import RepresentationPrinter

FIRST_DAY = date(2025, 3, 1)  # delivered empty before a history begins; a history may deliver it again
AS_OF_DATE = date(2025, 3, 31)

Row = tuple[str, ...]  # the cells of a table's columns, in the order of CELLS


@dataclass(frozen=True)
class Land:
    """One table's delivery of one day arrives. It replaces an earlier delivery of that day."""

    table: str
    day: date
    rows: tuple[Row, ...]

    def __repr__(self) -> str:
        return f"Land({self.table} of {self.day}: {[' | '.join(row) for row in self.rows]})"

    def _repr_pretty_(self, printer: RepresentationPrinter, cycle: bool) -> None:
        printer.text(repr(self))  # the output for Hypothesis: one line per delivery


@dataclass(frozen=True)
class Build:
    """The models are brought up to date. The build is killed after a percentage of its statements, or not at all."""

    killed_at_percent: int | None


History = list[Land | Build]


def _mostly(*usual: str, rarely: tuple[str, ...] = ()) -> st.SearchStrategy[str]:
    """One of `usual`, or in about one of 15 cases one of `rarely`."""
    return st.integers(0, 14).flatmap(lambda draw: st.sampled_from(rarely if rarely and draw == 14 else usual))


_MOMENTS = (  # late rows: most are from before the first delivery day; the last is after the as-of date
    "2025-02-28 23:30:00",  # already March in the time zone of the business
    "2024-12-05 09:00:00",
    "2025-01-15T12:00:00Z",
    "2025-03-02 10:00:00+02:00",
    "2025-03-20 08:00:00",
    "2025-04-02 08:00:00",
)
_VERSIONS = ("2025-03-01 10:00:00", "2025-03-02 10:00:00", "2025-03-03 10:00:00")
_UNREADABLE = ("yesterday", "")

_happened = _mostly(*_MOMENTS, rarely=_UNREADABLE)
_updated = _mostly(*_VERSIONS, rarely=_UNREADABLE)
_customer = _mostly("C1", "C2", "C3", rarely=("",))
_product = _mostly("P1", "P2", "P3")
_order = _mostly("O1", "O2", "O3", "O4", rarely=("O9", ""))
_item = _mostly("I1", "I2", "I3", "I4", "I5", rarely=("",))
_amount = _mostly("100,00", "19,99", "0,01", "0", "-5,50", rarely=("ten", "", "1.234,5"))
_region = _mostly("north", "south", "", rarely=("N/A",))
_currency = _mostly("EUR", "eur", "PLN")
_rep = _mostly("R1", "R2", rarely=("",))

CELLS: dict[str, dict[str, st.SearchStrategy[str]]] = {
    "customers": {
        "customer_id": _customer,
        "email": _mostly("ann@example.com", "Ann@example.com ", "bob@example.com", ""),
        "full_name": _mostly("Ann Lee", "Bob Ray"),
        "segment": _mostly("small", "large", "select"),
        "country": _mostly("PL", "DE"),
        "region": _region,
        "created_at": _happened,
        "updated_at": _updated,
    },
    "products": {
        "product_id": _product,
        "name": _mostly("Lamp", "Table"),
        "category": _mostly("light", "wood", ""),
        "unit_cost": _mostly("5.25", "", rarely=("five",)),
        "updated_at": _updated,
    },
    "orders": {
        "order_id": _order,
        "customer_id": _customer,
        "ordered_at": _happened,
        "status": _mostly("paid", "Cancelled", "placed", rarely=("",)),
        "currency": _currency,
        "channel": _mostly("web", "store", "(not set)"),
        "region": _region,
        "sales_rep_id": _mostly("", "R1", "R2"),
        "updated_at": _updated,
        "is_deleted": _mostly("false", "true", "", rarely=("maybe",)),
    },
    "order_items": {
        "order_item_id": _item,
        "order_id": _order,
        "product_id": _product,
        "quantity": _mostly("1", "3", "0", rarely=("two", "")),
        "unit_price": _amount,
        "discount_amount": _mostly("0", "", "5,00"),
        "tax_amount": _mostly("0", "1,23"),
        "unit_cost": _mostly("5,25", ""),
    },
    "refunds": {
        "refund_id": _mostly("R1", "R2", "R3"),
        "order_id": _order,
        "order_item_id": _mostly("", "I1", "I2", rarely=("I9",)),
        "refunded_at": _happened,
        "amount": _amount,
        "currency": _currency,
        "reason": _mostly("broken", ""),
    },
    # Apart from the shop: where its customers came from, exchange rates, and who was in which team.
    "touches": {
        "touch_id": _mostly("T1", "T2", "T3", "T4", rarely=("",)),
        "customer": _customer,
        "channel": _mostly("social", "email", ""),
        "touched_at": _happened,
    },
    "rates": {
        "day": _mostly("2024-12-01", "2025-01-15", "2025-03-01", "2025-03-20", rarely=("31 February", "")),
        "currency": _mostly("PLN"),
        "rate": _mostly("0.25", "0.24", rarely=("a quarter",)),
    },
    "reps": {"rep": _rep, "team": _mostly("north", "south", "")},
}


@st.composite
def _rows(draw: st.DrawFn, table: str) -> tuple[Row, ...]:
    """One or a few rows of a table, sometimes one of them twice, and rarely none."""
    fewest = 0 if draw(st.integers(0, 7)) == 7 else 1
    rows = draw(st.lists(st.tuples(*CELLS[table].values()), min_size=fewest, max_size=4))
    doubled = draw(st.lists(st.sampled_from(rows), max_size=1)) if rows else []
    return tuple(rows + doubled)


@st.composite
def deliveries(draw: st.DrawFn) -> list[Land]:
    """What arrives in a history, in the order of its days. Each table arrives at most once per day."""
    days = draw(st.integers(2, 6))
    which = st.lists(st.sampled_from(sorted(CELLS)), min_size=1, max_size=6, unique=True)
    return [
        Land(table, FIRST_DAY + timedelta(days=day), draw(_rows(table)))
        for day in range(days)
        for table in sorted(draw(which))
    ]


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Deliveries in any order, some of them sent again, with one or two builds in between."""
    first_sent = draw(deliveries())
    sent_again = [
        Land(land.table, land.day, draw(st.just(land.rows) | _rows(land.table)))
        for land in draw(st.lists(st.sampled_from(first_sent), max_size=3))
    ]
    steps: History = list(draw(st.permutations(first_sent + sent_again)))
    for place in sorted(draw(st.lists(st.integers(1, len(steps)), min_size=1, max_size=2)), reverse=True):
        steps.insert(place, Build(killed_at_percent=draw(st.integers(1, 99)) if draw(st.booleans()) else None))
    return steps
