"""The properties of each delivered column: its type, whether it is complete and unique, whether it is personal.

Belongs here: conclusions from a column's name and cells, and from those of other columns. Does not belong here: how
cells are written (`cells.py`), and where they come from (`sniffing.py`, `database.py`).
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pipelines.onboarding.cells import Reading, read_column
from pipelines.onboarding.currencies import currency_called, currency_in_name
from pipelines.onboarding.names import words_of


@dataclass(frozen=True)
class Column:
    """One delivered column.

    readings: the ways to read its cells other than as text, most specific first; empty for text.
    ambiguous: the possible meanings if the cells can be read in two ways that mean different things, else empty.
    values: its distinct values as delivered, if there are only a few.
    mixed: two dates of it that are written in different ways, if its dates cannot be read for that reason.
    """

    name: str
    readings: tuple[Reading, ...]
    ambiguous: tuple[str, ...] = ()
    unreadable: int = 0  # cells that are not of the type of all the others
    is_complete: bool = True
    is_unique: bool = True
    is_personal: bool = False
    example: str = ""  # the first cell that is not empty; `***` for a personal column
    values: frozenset[str] = frozenset()
    mixed: tuple[str, ...] = ()

    @property
    def type(self) -> str:
        """The type: text, integer, decimal, date, timestamp or boolean."""
        return self.readings[0].type if self.readings else "text"

    def reading(self, *types: str) -> Reading | None:
        """How to read its cells as the first of `types` that fits; None if none fits."""
        return next((reading for type_ in types for reading in self.readings if reading.type == type_), None)

    @property
    def currencies(self) -> set[str]:
        """The currencies that its cells name, as in 12.50 zł. `$` and `kr` could be several, and are left out."""
        return {code for reading in self.readings for sign in reading.ignore if (code := currency_called(sign))}

    @property
    def currency(self) -> str | None:
        """The currency that its name, or each cell with a currency, says; None if they say none or several."""
        in_cells = self.currencies
        return currency_in_name(self.name) or (in_cells.pop() if len(in_cells) == 1 else None)


def describe_columns(
    header: Sequence[str],
    rows: Sequence[Sequence[str | None]],
    dates: str | None = None,
    decimal: str | None = None,
    prefers_comma: bool = False,
) -> tuple[Column, ...]:
    """Describe each column of `rows`, which hold text cells. Where one column is ambiguous, the other columns decide if
    they can, since one system writes all values of a file in the same way."""
    cells = [[(row[place] or "").strip() for row in rows] for place in range(len(header))]
    found = [read_column(values, name) for name, values in zip(header, cells, strict=True)]
    dates = dates or _agreed({r.format for f in found if not f.ambiguous for r in f.readings[:1] if r.is_local_date})
    marks = {r.decimal for f in found if not f.ambiguous for r in f.readings[:1] if r.decimal}
    decimal = decimal or _agreed(marks) or ("," if prefers_comma and not marks else None)
    columns = []
    for name, values, first in zip(header, cells, found, strict=True):
        result = read_column(values, name, dates, decimal) if first.ambiguous else first
        filled = [value for value in values if value]
        personal = is_personal(name, filled, result.readings)
        distinct = set(filled)
        columns.append(
            Column(
                name=name,
                readings=result.readings,
                ambiguous=result.ambiguous,
                unreadable=result.unreadable,
                is_complete=len(filled) == len(values),
                is_unique=len(distinct) == len(filled) > 0,
                is_personal=personal,
                example="***" if personal and filled else (filled[0] if filled else ""),
                values=frozenset(distinct) if len(distinct) <= 30 and not personal else frozenset(),
                mixed=result.mixed,
            )
        )
    return tuple(columns)


def _agreed(answers: Collection[str | None]) -> str | None:
    told = {answer for answer in answers if answer}
    return told.pop() if len(told) == 1 else None


_PERSONAL_WORDS = re.compile(
    r"(^|_)(e?_?mail|email|phone|telephone|telefon|tel|telefone|mobile|mobil|handy|komorka|celular|fax"
    r"|(first|last|full|middle|sur|given|family|customer|client|contact|person|billing|shipping|card|recipient|consumer|buyer|payer|cardholder|guest|ship)_?names?"
    r"|(vor|nach)name|imie|nazwisko|imie_i_nazwisko|nome|sobrenome|kundenname"
    r"|address\d?|adres|adresse|anschrift|endereco|street|strasse|ulica|rua|line\d"
    r"|birth|birthday|dob|date_of_birth|geburtsdatum|data_urodzenia|pesel|ssn|iban|bank_account|account_holder|passport|cpf|nip"
    r"|zip|zip_code|postcode|postal_code|plz|kod_pocztowy|cep|ip|ip_address|last4|comment_message)(_|$)"
)
_NOT_PERSONAL_WORDS = re.compile(
    r"(^|_)(count|messages|activities|id|ids|accepts|status|verified|consent|type|domain)(_|$)"
)
_MAY_BE_PERSONS = {
    "name", "customer", "client", "contact", "buyer", "klient", "kunde", "cliente", "nabywca",
    "kupujacy", "kontrahent", "kaeufer", "kaufer", "debitor", "klant", "koper", "debiteur", "kund",
    "kopare", "acheteur", "comprador", "acquirente", "intestatario", "musteri", "alici",
}  # fmt: skip
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_PHONE = re.compile(r"(\+|00)\d[\d\s()./-]{6,}\d|\(?\d{2,4}\)?[\s-]\d{3}[\s-]\d{2,4}([\s-]\d{2,4})?")
_PERSON = re.compile(r"[^\W\d_][^\W\d_.'\u2019-]*\.?( [^\W\d_][^\W\d_.'\u2019-]*\.?){0,3}")


def is_personal(name: str, filled: Sequence[str], readings: Sequence[Reading] = ()) -> bool:
    """True if the column holds e-mail addresses, names of people, phone numbers or postal addresses. Its name or the
    form of most of its cells shows this. When in doubt, the column is personal: hiding too much costs little."""
    words = words_of(name)
    sample = filled[:1000]
    if sample and sum(bool(_EMAIL.fullmatch(value)) for value in sample) > len(sample) / 2:
        return True
    types = {reading.type for reading in readings}
    if sample and not types and sum(bool(_PHONE.fullmatch(value)) for value in sample) > len(sample) / 2:
        return True
    if words in _MAY_BE_PERSONS:
        persons = [value for value in sample if _PERSON.fullmatch(value) and (words == "name" or " " in value)]
        return len(persons) > len(sample) / 2
    named = _PERSONAL_WORDS.search(words) or _PERSONAL_WORDS.search(words.replace("_", ""))
    return bool(named) and not _NOT_PERSONAL_WORDS.search(words)
