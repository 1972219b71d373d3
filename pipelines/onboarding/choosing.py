"""Which entities the tables are that are added together: each by its own score, and by the tables that refer to it.

Belongs here: comparing scores, and asking where they leave it open. Does not belong here: the score of one table
(`recognising.py`), and finding references (`references.py`).
"""

from collections.abc import Callable, Mapping, Sequence

from pipelines.onboarding.entities import NO_ENTITY, synonyms
from pipelines.onboarding.matching import assign
from pipelines.onboarding.months import about_quarters
from pipelines.onboarding.questions import Question, in_words
from pipelines.onboarding.recognising import ENOUGH, LITTLE, Score, is_no_entity, rivals, scores
from pipelines.onboarding.references import Reference
from pipelines.onboarding.sniffing import Described, UnrecognisedError

SKIP = "skip"  # the answer for a table that is not to be added
_POINTS_OF_A_REFERENCE = 6.0  # enough for a table whose own columns say nothing

# What the column of an entity that holds the key of another table says about that table.
_REFERS_TO = {
    "customer_id": "customers",
    "product_id": "products",
    "product": "products",
    "campaign_id": "campaigns",
    "owner_id": "sales_reps",
    "account_owner_id": "sales_reps",
    "sdr_id": "sales_reps",
    "rep_id": "sales_reps",
    "order_id": "orders",
    "lead_id": "leads",
    "opportunity_id": "opportunities",
    "invitation_id": "nps_invitations",
}


def choose_entities(
    tables: Mapping[str, Described],
    linked: Sequence[Reference],
    told: Mapping[str, str],
    ask: Callable[[Question], str] | None = None,
) -> dict[str, str]:
    """The entity of each table, or `skip`. `told` holds what a person has decided; `ask` answers what is left open.

    Raises:
        UnrecognisedError: something is left open and there is no `ask`. The message has every question.
    """
    ranked = _ranked(tables, linked)
    chosen = {table: told[table] for table in tables if table in told}
    questions = []
    for table in sorted(set(tables).difference(told), key=lambda name: -ranked[name][0].points):
        question = _question(tables[table], table, ranked[table], chosen)
        is_aside = bool(chosen) and ranked[table][0].points < LITTLE  # such as a description of the other tables
        if is_aside or is_no_entity(tables[table], ranked[table]):
            chosen[table] = NO_ENTITY
        elif question is None:
            chosen[table] = ranked[table][0].entity
        elif ask:
            chosen[table] = ask(question)
        else:
            questions.append(question)
    if questions:
        raise UnrecognisedError("\n".join(in_words(question, len(tables)) for question in questions))
    return chosen


def _ranked(tables: Mapping[str, Described], linked: Sequence[Reference]) -> dict[str, list[Score]]:
    """The scores of each table, the best first, with points for the tables that refer to it."""
    alone = {table: scores(described, table) for table, described in tables.items()}
    referred: dict[tuple[str, str], list[str]] = {}
    for reference in linked:
        best = alone[reference.table][0]
        columns, _ = assign(tables[reference.table].columns, synonyms()[best.entity])
        roles = [_REFERS_TO.get(name) for name, column in columns.items() if column.name == reference.column]
        if best.points >= ENOUGH and roles and roles[0]:
            referred.setdefault((reference.to_table, roles[0]), []).append(f"{reference.table}.{reference.column}")
    return {
        table: sorted(
            (
                Score(
                    score.entity,
                    score.points + _POINTS_OF_A_REFERENCE * bool(by := referred.get((table, score.entity), [])),
                    (*score.reasons, *(f"{column} refers to it" for column in by)),
                )
                for score in found
            ),
            key=lambda score: -score.points,
        )
        for table, found in alone.items()
    }


def _question(described: Described, table: str, ranked: Sequence[Score], chosen: Mapping[str, str]) -> Question | None:
    best = ranked[0]
    near = [score.entity for score in rivals(ranked)]
    others = tuple(entity for entity in sorted(synonyms()) if entity not in near)
    columns = ", ".join(column.name for column in described.columns[:20])
    if best.points < ENOUGH:
        return Question(
            table,
            f"the columns match none of this project's entities: {columns}{about_quarters(described)}",
            (*sorted(synonyms()), NO_ENTITY, SKIP),
        )
    if len(near) > 1:
        return Question(table, f"the columns could be {' or '.join(near)}: {columns}", (*near, *others, SKIP))
    same = [other for other, entity in chosen.items() if entity == best.entity]
    if same:
        text = f"looks like {best.entity}, as {same[0]} does, and a source has one table of each"
        return Question(table, text, (SKIP, *sorted(synonyms())))
    return None


def columns_by_reference(
    tables: Mapping[str, Described], linked: Sequence[Reference], chosen: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """For each table, the entity columns that references decide: `customer_id` of deals is the column whose values are
    the key of the table of customers, and `customer_id` of customers is that key."""
    known: dict[str, dict[str, str]] = {table: {} for table in tables}
    for reference in linked:
        entity, to_entity = chosen.get(reference.table), chosen.get(reference.to_table)
        if entity not in synonyms() or to_entity not in synonyms() or entity == to_entity:
            continue
        by_name, _ = assign(tables[reference.table].columns, synonyms()[entity])
        roles = [name for name in synonyms()[entity].columns if _REFERS_TO.get(name) == to_entity]
        fitting = [name for name in roles if name in by_name and by_name[name].name == reference.column] or [
            name for name in roles if name not in by_name and name not in known[reference.table]
        ]
        key = synonyms()[to_entity].keys[0]
        if (
            not fitting
            or len(key) != 1
            or known[reference.to_table].get(key[0], reference.to_column) != reference.to_column
        ):
            continue
        known[reference.table][fitting[0]] = reference.column
        known[reference.to_table][key[0]] = reference.to_column
    return known
