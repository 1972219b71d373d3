"""Which deals were won and which were lost, by the words that systems and salespeople use for it.

Does not belong here: flags that say so (`is_won`, `is_closed`), which are columns like any other (`matching.py`).
"""

import re
from collections.abc import Sequence

from pipelines.onboarding.columns import Column
from pipelines.onboarding.names import plain_letters, words_of
from pipelines.onboarding.proposals import quoted

# Parts of words, since a stage may be called Gewonnen or gewonnene Angebote. `won` and `lost` are whole words, or are
# written together with `closed`, as HubSpot does.
_WON = re.compile(
    r"(^|[^a-z])(closed)?won([^a-z]|$)|gewonnen|wygran|ganad[oa]|\bganh[oa]|\bgagne|\bvint[oaei]\b"
    r"|\bvendid[oa]|\bvunn[ei][nt]|\bvundet|kazanil|\bsigne\b|voitettu"
)
_LOST = re.compile(
    r"(^|[^a-z])(closed)?lost([^a-z]|$)|verloren|przegran|utracon|perdid[oa]|\bperdu|\bpers[oaei]\b|forlorad|\btabt|kaybedil|\bhavitty"
)
_NOT = re.compile(r"\b(not|nie|nicht|no|non)\b")
# Stages before the outcome, in the words of the systems that most deals come from.
_STAGE = re.compile(
    r"prospect|qualif|proposal|negotiat|discovery|engaging|contract ?sent|presentation|appointment|decision|offer|demo"
    r"|quote|angebot|verhandlung|oferta|negocja|propost|negociac"
)
# Columns that explain an outcome, or name a deal: "Lost to a competitor" is no outcome.
_EXPLAINS = re.compile(r"(^|_)(reason|reasons|grund|powod|motivo|cause|comment|note|notes|description|name|title)(_|$)")
_NAMES_AN_OUTCOME = re.compile(r"(^|_)(stage|dealstage|status|outcome|result|state|phase|etap|etapa)(_|$)")


def is_won(value: str) -> bool:
    """True if a stage of that name is one of won deals."""
    plain = plain_letters(value)
    return bool(_WON.search(plain)) and not _NOT.search(plain) and not _LOST.search(plain)


def is_lost(value: str) -> bool:
    """True if a stage of that name is one of lost deals."""
    plain = plain_letters(value)
    return bool(_LOST.search(plain)) and not is_won(value)


def has_stages(column: Column) -> bool:
    """True if at least half of the column's values are stages of deals."""
    known = [value for value in column.values if _STAGE.search(plain_letters(value)) or is_won(value) or is_lost(value)]
    return len(known) >= 2 and len(known) * 2 >= len(column.values)


def outcome_column(columns: Sequence[Column]) -> Column | None:
    """The column whose values say which deals were won or lost: a stage or a status before any other column."""
    telling = [
        column
        for column in columns
        if any(is_won(value) or is_lost(value) for value in column.values)
        and not _EXPLAINS.search(words_of(column.name))
    ]
    return min(telling, key=lambda column: not _NAMES_AN_OUTCOME.search(words_of(column.name)), default=None)


def dates_of_outcome(columns: Sequence[Column]) -> tuple[Column, ...]:
    """The column with the dates on which deals were won, and the one with those on which they were lost; empty if there
    is not one of each, since deals without a date may then be open, or lost or won."""
    dates = [column for column in columns if column.reading("date", "timestamp")]
    won = [column for column in dates if is_won(words_of(column.name))]
    lost = [column for column in dates if is_lost(words_of(column.name))]
    return (*won, *lost) if len(won) == len(lost) == 1 else ()


def closed_rows(outcome: Column, cells: Sequence[str | None]) -> list[bool]:
    """For each of the cells of `outcome`, a flag or a stage, whether the deal was won or lost."""
    if outcome.reading("date", "timestamp"):
        return [bool(cell) for cell in cells]
    if outcome.reading("boolean"):
        return [(cell or "").lower() in ("true", "t", "yes", "y", "1") for cell in cells]
    return [bool(cell) and (is_won(cell or "") or is_lost(cell or "")) for cell in cells]


def outcome_in_sql(column: Column, name: str) -> str:
    """`is_won` or `is_closed` of a deal as an expression of $column."""
    won = sorted(value for value in column.values if is_won(value))
    lost = sorted(value for value in column.values if is_lost(value))
    wanted = won if name == "is_won" else [*won, *lost]
    if not wanted:
        return "false"
    words = ["won"] if name == "is_won" else ["won", "lost"]
    by_word = {value for value in column.values if any(word in value.lower() for word in words)}
    if by_word == set(wanted):  # also for stages that this file does not hold
        parts = [f"lower($column) like '%{word}%'" for word in words]
        return parts[0] if len(parts) == 1 else f"({' or '.join(parts)})"
    listed = ", ".join(sorted("'" + value.lower().replace("'", "''") + "'" for value in set(wanted)))
    return f"coalesce(lower($column) in ({listed}), false)"


def outcome_to_write(stage: Column, name: str) -> str:
    """What a person writes in the model if no stage is called won or lost: the SQL with all stages to choose from."""
    listed = ", ".join(sorted("'" + value.lower().replace("'", "''") + "'" for value in stage.values))
    which = "won deals" if name == "is_won" else "won and lost deals"
    sql = f"lower({quoted(stage.name)}) in ({listed})"
    return f"no stage is called won or lost; write, with the stages of {which} only: {sql}"
