"""Which entity of this project a delivered table is: a score with reasons for each entity.

Belongs here: what speaks for an entity and against it. Does not belong here: which column is which (`matching.py`).
"""

from dataclasses import dataclass, replace

from pipelines.onboarding.cells import Reading
from pipelines.onboarding.entities import synonyms
from pipelines.onboarding.matching import assign, cost_of
from pipelines.onboarding.names import words_of
from pipelines.onboarding.sniffing import Described, UnrecognisedError

ENOUGH = 4.0  # points without which no entity is recognised


@dataclass(frozen=True)
class Score:
    """How much speaks for `entity`, and why, as parts of a sentence: `order_id is Order Number`."""

    entity: str
    points: float
    reasons: tuple[str, ...]


def scores(described: Described, name: str) -> list[Score]:
    """The score of each entity, the best first. `name` consists of the names of the file and the table."""
    found = [_score(described, name, entity) for entity in synonyms()]
    return sorted(found, key=lambda score: -score.points)


def best_entity(described: Described, name: str) -> str:
    """The entity with the best score.

    Raises:
        UnrecognisedError: no entity has enough points, or several have the most.
    """
    best, *others = scores(described, name)
    rivals = [best, *(score for score in others if score.points == best.points)]
    if best.points >= ENOUGH and len(rivals) == 1:
        return best.entity
    named = " or ".join(score.entity for score in rivals)
    what = f"could be {named}" if best.points >= ENOUGH else "match none of this project's entities"
    raise UnrecognisedError(
        f"{described.label}: the columns {what}: {', '.join(column.name for column in described.columns[:20])}. "
        f"Specify what a row is with --entity: {', '.join(sorted(synonyms()))}."
    )


_ANY = (Reading("date"), Reading("decimal"), Reading("integer"))


def _score(described: Described, name: str, entity: str) -> Score:
    """Important columns count three times; a less exact match of names counts less."""
    meaning = synonyms()[entity]
    # For this comparison, an ambiguous column can have whichever type its name suggests.
    settled = [
        replace(column, ambiguous=(), readings=_ANY) if column.ambiguous else column for column in described.columns
    ]
    assigned, _ = assign(settled, meaning)
    telling = {*meaning.required, *meaning.telling, *(column for key in meaning.keys for column in key)}
    evidence: list[tuple[float, str]] = []
    for target, column in assigned.items():
        cost = cost_of(column, target, meaning) or 0
        points = (3 if target in telling else 1) * (0.6 if 3 <= cost < 20 else 1)
        evidence.append((points, f"{column.name} reads as {target}"))
    evidence += [(-1.5, f"no column reads as {target}") for target in meaning.required if target not in assigned]
    if named := set(words_of(name).split("_")) & set(meaning.files):
        evidence.append((4, f"the name says {min(named)}"))
    own_key = assigned.get(meaning.keys[0][0]) if len(meaning.keys[0]) == 1 else None
    if own_key and not own_key.is_unique and not newest_by(described):
        evidence.append((-4 if len(meaning.keys) == 1 else -1, f"{own_key.name} repeats"))
    return Score(entity, sum(points for points, _ in evidence), tuple(reason for _, reason in evidence))


def newest_by(described: Described) -> str | None:
    """The column that has the greater value in the newer version of a row, if there is one."""
    known = synonyms()["orders"].columns["updated_at"]
    ranked = sorted(
        (known.index(words_of(column.name)), column.name)
        for column in described.columns
        if words_of(column.name) in known and column.reading("timestamp", "date")
    )
    return ranked[0][1] if ranked else None
