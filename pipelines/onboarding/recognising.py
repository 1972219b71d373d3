"""Which entity of this project a delivered table is: a score with reasons for each entity.

Belongs here: what speaks for an entity and against it. Does not belong here: which column is which (`matching.py`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipelines.onboarding.cells import Reading
from pipelines.onboarding.columns import Column
from pipelines.onboarding.entities import NO_ENTITY, Synonyms, synonyms
from pipelines.onboarding.grain import has_only_prices, lines_of_orders, only_sales
from pipelines.onboarding.matching import Assigned, assign, cost_of
from pipelines.onboarding.names import words_of
from pipelines.onboarding.outcomes import has_stages, outcome_column
from pipelines.onboarding.sniffing import Described, UnrecognisedError

ENOUGH = 4.0  # points without which no entity is recognised
LITTLE = 3.0  # points below which a table may be none
CLOSE = 0.5  # points by which an entity must lead


@dataclass(frozen=True)
class Score:
    """How much speaks for `entity`, and why, as parts of a sentence: `Order Number reads as order_id`."""

    entity: str
    points: float
    reasons: tuple[str, ...]


def scores(described: Described, name: str) -> list[Score]:
    """The score of each entity, the best first. `name` consists of the names of the file and the table."""
    sales = only_sales(described)
    found = [_score(sales, name, entity) for entity in synonyms()]
    return sorted(found, key=lambda score: -score.points)


def is_no_entity(described: Described, ranked: Sequence[Score]) -> bool:
    """True for a reference table, such as one of countries: no entity fits, and one column names each row."""
    names = [column for column in described.columns if _REFERS.search(words_of(column.name))]
    return ranked[0].points < LITTLE and any(column.is_unique and column.is_complete for column in names)


def rivals(ranked: Sequence[Score]) -> list[Score]:
    """The scores that are close to the best; only the best one if nothing comes near it."""
    return [score for score in ranked if score.points > ranked[0].points - CLOSE]


def best_entity(described: Described, name: str) -> str:
    """The entity with the best score; `none` for a reference table.

    Raises:
        UnrecognisedError: no entity has enough points, or several have about as many. The message asks which it is.
    """
    ranked = scores(described, name)
    best, near = ranked[0], rivals(ranked)
    if best.points >= ENOUGH and len(near) == 1:
        return best.entity
    if is_no_entity(described, ranked):
        return NO_ENTITY
    names = ", ".join(column.name for column in described.columns[:20])
    if best.points < ENOUGH:
        raise UnrecognisedError(
            f"{described.label}: the columns match none of this project's entities: {names}. Specify what a row is "
            f"with --entity: {', '.join(sorted(synonyms()))}, or none to draft it as a table that no KPI counts."
        )
    reasons = "; ".join(f"for {score.entity}: {', '.join(score.reasons[:4])}" for score in near)
    raise UnrecognisedError(
        f"{described.label}: the columns could be {' or '.join(score.entity for score in near)}: {names} "
        f"({reasons}). Which is it? Specify it with --entity."
    )


_ANY = (Reading("date"), Reading("decimal"), Reading("integer"))
# Names that columns of any table may have, so that they say little about the entity.
_COMMON = {"id", "number", "no", "nummer", "name", "title", "type", "date", "data", "datum", "status", "code", "value"}
_REFERS = re.compile(r"(^|_)(id|code|key|name|sku|iso)(_|$)")


def _score(described: Described, name: str, entity: str) -> Score:
    """The points of `entity` and their reasons, from names and from content."""
    meaning = synonyms()[entity]
    # For this comparison, a column whose cells leave it open can have whichever type its name suggests.
    settled = [
        replace(column, ambiguous=(), mixed=(), readings=_ANY) if column.ambiguous or column.mixed else column
        for column in described.columns
    ]
    assigned, _ = assign(settled, meaning)
    evidence = [*_of_names(assigned, name, meaning), *_of_content(entity, assigned, described)]
    own_key = assigned.get(meaning.keys[0][0]) if len(meaning.keys[0]) == 1 else None
    if own_key and not own_key.is_unique and not newest_by(described):
        evidence.append((-4 if len(meaning.keys) == 1 and entity != "orders" else -1, f"{own_key.name} repeats"))
    return Score(entity, sum(points for points, _ in evidence), tuple(reason for _, reason in evidence))


def _of_names(assigned: Assigned, name: str, meaning: Synonyms) -> list[tuple[float, str]]:
    """Important columns count three times; a less exact match of names counts less, and so does a common name."""
    telling = {*meaning.required, *meaning.telling, *(column for key in meaning.keys for column in key)}
    evidence: list[tuple[float, str]] = []
    known = {word.removesuffix("s") for word in meaning.files}
    named = [word for word in words_of(name).split("_") if word.removesuffix("s") in known]
    for target, column in assigned.items():
        cost = cost_of(column, target, meaning) or 0
        is_common = words_of(column.name) in _COMMON and not named
        points = (3 if target in telling else 1) * (0.6 if 3 <= cost < 20 else 1) * (0.5 if is_common else 1)
        evidence.append((points, f"{column.name} reads as {target}"))
    evidence += [(-1.5, f"no column reads as {target}") for target in meaning.required if target not in assigned]
    lacking = set(meaning.required) - set(assigned) - {"is_won", "is_closed", meaning.keys[0][0]}
    if named:
        evidence.append((1 if lacking else 4, f"the name says {named[0]}"))
    return evidence


def _of_content(entity: str, assigned: Assigned, described: Described) -> list[tuple[float, str]]:
    """What the cells say: outcomes and stages of deals, one e-mail address per row, what repeats and what does not."""
    evidence: list[tuple[float, str]] = []
    has_mails = any(
        column.is_personal and "mail" in words_of(column.name) and column.is_unique for column in described.columns
    )
    if entity == "opportunities":
        if outcome := outcome_column(described.columns):
            evidence.append((6, f"{outcome.name} says which were won or lost"))
        if staged := next((column for column in described.columns if has_stages(column)), None):
            evidence.append((2, f"{staged.name} holds stages of deals"))
    if entity in ("customers", "leads") and has_mails:
        evidence.append((1, "each row has its own e-mail address"))
    if entity == "orders" and not {"total_amount", "customer_id"} & assigned.keys():
        evidence.append((-4, "no column reads as an amount or a customer"))
    names = {words_of(column.name) for column in described.columns}
    if entity == "opportunity_stage_history" and {"from_stage", "to_stage"} <= names:
        evidence.append((8, "each row goes from one stage to another"))
    if entity == "nps_responses" and any(_are_groups(column) for column in described.columns):
        evidence.append((6, "a column says who is a promoter"))
    of_orders = assign(described.columns, synonyms()["orders"])[0].keys() if entity == "leads" else ()
    if {"total_amount", "currency_code"} <= {*of_orders}:
        evidence.append((-4, "each row has an amount and a currency"))
    if entity in ("products", "campaigns", "ad_spend", "fx_rates", "sales_marketing_costs") and has_mails:
        evidence.append((-3, "each row has its own e-mail address"))
    if entity == "sales_reps" and _refers_to_its_own_rows(described, assigned):
        evidence.append((2, f"{assigned['manager_id'].name} names other rows"))
    once = {"opportunity_stage_history": "opportunity_id", "sales_rep_versions": "rep_id"}.get(entity)
    if once and once in assigned and assigned[once].is_unique:
        evidence.append((-4, f"{assigned[once].name} occurs once in each row, as in no history"))
    if entity in ("orders", "order_items") and (lines_of_orders(described) or has_only_prices(described)):
        evidence.append((-20, "its rows are lines of orders") if entity == "orders" else (12, "rows share an order"))
    return evidence


def _are_groups(column: Column) -> bool:
    """True if the column says of each answer whether it is a promoter's, a passive's or a detractor's."""
    groups = {value.lower().removesuffix("s") for value in column.values}
    return bool(groups) and groups <= {"promoter", "passive", "detractor"}


def _refers_to_its_own_rows(described: Described, assigned: Assigned) -> bool:
    """True if every manager is one of the table's own people."""
    if not {"rep_id", "manager_id"} <= set(assigned):
        return False
    managers = {cell for cell in described.cells(assigned["manager_id"].name) if cell}
    return bool(managers) and managers <= {*described.cells(assigned["rep_id"].name)}


def newest_by(described: Described) -> str | None:
    """The column that has the greater value in the newer version of a row, if there is one."""
    known = synonyms()["orders"].columns["updated_at"]
    ranked = sorted(
        (known.index(words_of(column.name)), column.name)
        for column in described.columns
        if words_of(column.name) in known and column.reading("timestamp", "date")
    )
    return ranked[0][1] if ranked else None
