"""Which delivered column is which column of an entity, by names (`synonyms.yml`) and types.

Does not belong here: which entity a table is (`recognising.py`), and expressions and keys (`mapping.py`).
"""

import re
from collections.abc import Mapping, Sequence

from pipelines.onboarding.columns import Column
from pipelines.onboarding.currencies import currency_in_name
from pipelines.onboarding.entities import Columns, Synonyms, entity_columns, synonyms
from pipelines.onboarding.names import plain_letters, without_brackets, words_of

Assigned = dict[str, Column]  # entity column: delivered column


def assign(
    columns: Sequence[Column], meaning: Synonyms, known: Mapping[str, str] | None = None
) -> tuple[Assigned, dict[str, str]]:
    """The delivered column of each entity column; and hints why other columns were not used.

    The best matches are assigned first, and each delivered column is used only once. `known` holds what was found out
    otherwise, as {entity column: delivered column}.
    """
    named = {column.name: column for column in columns}
    assigned: Assigned = {target: named[name] for target, name in (known or {}).items() if target in meaning.columns}
    taken = {column.name for column in assigned.values()}
    candidates = []
    hints: dict[str, str] = {}
    for place, target in enumerate(meaning.columns):
        for column in columns:
            cost = cost_of(column, target, meaning)
            if cost is None:
                continue
            problem = _misfit(column, target, types_of(meaning)[target], meaning)
            if problem:
                hints.setdefault(target, problem)
            else:
                # Of an order's dates, the one that unpaid orders have, too.
                is_date = types_of(meaning)[target] == "timestamp" and target in meaning.required
                is_lacking = is_date and not column.is_complete
                candidates.append((is_lacking, cost, place, target, column))
    for *_, target, column in sorted(candidates, key=lambda candidate: candidate[:3]):
        if target not in assigned and column.name not in taken:
            assigned[target] = column
            taken.add(column.name)
    return assigned, hints


def types_of(meaning: Synonyms) -> Columns:
    """The SQL type of each column of an entity."""
    listed = entity_columns()
    types = {name: type_ for columns in listed.values() for name, type_ in columns.items()}
    return {**types, "total_amount": "decimal(18, 6)"}


def cost_of(column: Column, target: str, meaning: Synonyms) -> float | None:
    """How different the column's name is from the entity column's: 0 is the first synonym, None is no match."""
    known = meaning.columns[target]
    names = _names(column, meaning)
    for place, name in enumerate(names):
        if name in known:
            return known.index(name) + 0.5 * (place > 0)
    words = names[0]
    if _DATE_OF.search(words) and (turned := _DATE_OF.sub("", words) + "_date") in known:
        return len(known) + known.index(turned)
    for place, synonym in enumerate(known):  # such as amazon_order_id, but not shipping_price
        if synonym.count("_") == 1 and words.endswith(f"_{synonym}") and words.count("_") == 2:
            return len(known) + place
    if target == "score" and words.count("_") >= 3:  # a question of a survey
        for place, synonym in enumerate(known):
            if len(synonym) >= 9 and re.search(rf"(^|_){synonym}(_|$)", words):
                return place + 20
    return None


# What tools that copy tables put in front of every column.
_PREFIXES = re.compile(r"^(property|properties|hs|metrics|segments|attributes|fields|node)_")
_SMALL_WORDS = re.compile(r"_(de|del|della|di|da|do|la|le|du|des|d|of|the|van)(?=_)")  # fecha_de_cierre, bedrag_van
_MOMENT = re.compile(r"_(on|at|date|time|datetime|timestamp|day)$")  # Placed On is placed_at, Start time is start_date
_DATE_OF = re.compile(r"^date_(of_)?(?=\w)")  # Date Submitted is submitted_date
_NUMBER_OF = re.compile(
    r"^(id|n|no|nr|num|numero|numer|number|nummer)_(o_)?(?=\w+)"
)  # ID Ordine is ordine, N.º de venda venda
_GLUED = re.compile(r"(?<=[a-z])nr$")  # Belegnr. is beleg_nr
_UNITS = re.compile(r"_(in_)?(cents?|minor|micros|pence|grosze|centavos|centimes|percent|percentage|pct|prozent)$")


_EXPECTED = re.compile(
    r"(^|_)(expected|forecast|forecasted|planned|target|estimated|projected|voraussichtl|voraussichtliches|geplant"
    r"|planowan[ay]|przewidywan[ay]|prevista|prevue|previsto|verwachte|forvantat|tahmini)(_|$)"
)

# Total (excl. VAT), total_paid_tax_incl: which of them is meant is found out by their amounts.
_TAX_OF = re.compile(
    r"_((inc|incl|including|inkl|ex|exc|excl|excluding|exkl)_(tax|taxes|vat|gst|mwst|ust|tva|iva|btw|moms)"
    r"|(tax|vat|gst)_(incl|excl|included|excluded))$"
)

# Estado is a state of a country or of an order.
_STATUS = re.compile(r"\b(pagad|pendient|pendent|entreg|cancel|anulad|enviad|complet|devuelt|devolv|paid|open|shipped)")


def _names(column: Column, meaning: Synonyms) -> list[str]:
    """The name of the column as words, and then without what does not tell columns apart: what is in brackets, as in
    Clicks (all), a prefix of a tool, a currency at the end, and the word of the entity, as in order_status; and numbers
    as others say them: Belegnr. is beleg_nr, and ID Ordine is ordine."""
    words = words_of(column.name)
    bare = _PREFIXES.sub("", words)
    plain = _SMALL_WORDS.sub("", words)
    shorter = [words_of(without_brackets(column.name)), bare, _UNITS.sub("", bare), plain]
    shorter.append(_TAX_OF.sub("", words))
    shorter += [_GLUED.sub("_nr", words), _NUMBER_OF.sub("", plain)]
    if currency_in_name(column.name):
        shorter.append(words.rpartition("_")[0])
    if stem := _MOMENT.sub("", words) if _MOMENT.search(words) else "":
        shorter += [stem, *(f"{stem}_{ending}" for ending in ("at", "on", "date", "time"))]
    for own in meaning.files:  # such as order_status, Deal - Stage, review_score
        shorter.append(words.removeprefix(f"{own}_").removeprefix(f"{own}_"))
    return [words, *dict.fromkeys(name for name in shorter if name not in ("", words))]


def _misfit(column: Column, target: str, sql_type: str, meaning: Synonyms) -> str:
    """Why a column with a matching name cannot be used; empty if it can."""
    reads = {
        "timestamp": ("timestamp", "date"),
        "date": ("date", "timestamp"),
        "bigint": ("integer",),
        "boolean": ("boolean",),
    }.get(sql_type, ("decimal", "integer") if sql_type.startswith("decimal") else ())
    if column.ambiguous and reads:
        return left_open(column)
    if column.mixed and reads and column.reading(*reads) is None:
        ways = " and ".join(column.mixed)
        return (
            f"{column.name} holds dates written in several ways, {ways}, which cannot be told apart. Write all in one"
        )
    if reads and column.reading(*reads) is None:
        return f"{column.name} contains {column.type}, not {reads[0]}"
    if sql_type.startswith("decimal") and len(column.currencies) > 1:
        return f"{column.name} contains amounts in several currencies: {', '.join(sorted(column.currencies))}"
    if target in ("status", "region") and words_of(column.name) in ("state", "estado"):
        is_status = any(_STATUS.search(plain_letters(value)) for value in column.values)
        if is_status != (target == "status"):
            return f"{column.name} holds {'statuses' if is_status else 'no statuses'}"
    if target == "closed_at" and _EXPECTED.search(words_of(column.name)):
        return f"{column.name} is the date on which the deal is expected to close"
    if target == "ordered_at" and words_of(column.name).startswith("opened") and column.type == "date":
        return f"{column.name} holds days without a time, as of stores that were opened"
    if target == "response_id" and words_of(column.name) == "respondent_id" and not column.is_unique:
        return f"{column.name} repeats"
    is_a_name = "name" in _names(column, meaning) and words_of(column.name) not in {*meaning.columns[target]} - {"name"}
    if target == "customer_id" and is_a_name and not column.is_personal:  # such as Item Name
        return f"{column.name} holds no names of customers"
    if target == "score" and not column.values <= {*map(str, range(11))}:
        return f"{column.name} is not always 0 to 10"
    if target in ("currency_code", "from_currency", "to_currency") and column.type in ("decimal", "integer"):
        return f"{column.name} contains numbers, not currencies"
    if not reads and column.type in ("date", "timestamp") and column.name not in meaning.keys[0]:
        return f"{column.name} contains {column.type}s"
    if column.is_personal and [target] == meaning.keys[0] and target != "customer_id":
        return f"{column.name} looks personal, but a key should not be"
    return ""


def left_open(column: Column) -> str:
    """Why an ambiguous column is not used."""
    option = "--decimal" if "mark" in column.ambiguous[0] else "--dates"
    return f"{column.name} can be read as {' or '.join(column.ambiguous)}. Specify which with {option}"


def with_order_columns(entity: str, columns: Sequence[Column], delivered: Sequence[str]) -> Synonyms:
    """The synonyms of the entity's columns. If a source delivers order lines but no orders, the lines also carry the
    columns of their order."""
    lines, orders = synonyms()["order_items"], synonyms()["orders"]
    if entity != "order_items" or "orders" in delivered or "ordered_at" not in assign(columns, orders)[0]:
        return synonyms()[entity]
    added = {name: known for name, known in orders.columns.items() if name not in (*lines.columns, "total_amount")}
    return lines.model_copy(
        update={
            "columns": {**lines.columns, **added},
            "required": [*lines.required, *orders.required],
            "otherwise": {**lines.otherwise, **orders.otherwise},
        }
    )
