"""Which kinds of rows a table mixes, by the words of payment providers, tills and accounting: sales, money given back,
and rows that are neither, such as payouts.

Does not belong here: what a draft makes of them (`no_records.py`, `mapping.py`).
"""

import re
from collections.abc import Iterable

from pipelines.onboarding.names import plain_letters, words_of
from pipelines.sql import quote_name, quote_text

_COLUMN = re.compile(
    r"((transaction|event|line|row|record|entry|operation|activity|document|doc|txn)_)?(type|kind)"
    r"|transaction|event|operation|reporting_category|art|typ|soort|tipo"
    r"|(beleg|buchungs|vorgangs|dokument|transaktions)art|transaktionstyp|transactietype"
    r"|(typ|rodzaj)_(transakcji|operacji|dokumentu)|type_(de|d)_(transaction|operation)"
    r"|tipo_(de_)?(transaccion|documento|operacion|transacao|movimento|transazione)|islem_tipi"
)
_SALE = (
    "charges?|sales?|payments?|orders?|purchases?|captures?|invoices?|checkout|verkauf|zahlung|rechnung|sprzedaz"
    "|platnosc|faktura|ventas?|ventes?|vendita|verkoop|paiement|pago|cobro|vendas?|pedido|commande|satis"
)
_BACK = (
    "refunds?|refunded|returns?|chargebacks?|credit ?(notes?|memos?)|reversals?|reversed|gutschrift|storno"
    "|erstattung|ruckzahlung|zwrot|korekta|rimborso|reembolso|devolucion|devolucao|remboursement|avoir|terugbetaling|iade"
)
_NEITHER = (
    "pay ?outs?|withdrawals?|transfers?|fees?|deposits?|reserves?|holds?|adjustments?|conversion|top ?ups?|balance"
    "|auszahlung|gebuhr(en)?|wyplata|oplata|prowizja|versement|frais|retrait|saque|taxa|tarifa|uitbetaling|kosten"
    "|commissione|bonifico|utbetalning|avgift"
)
_DETAIL = "lines?|items?|position(s|en)?|details?|payments?|tenders?"


def tells_kinds(name: str) -> bool:
    """True if a column of that name says of which kind a row is: Type, but not Payment Type."""
    return bool(_COLUMN.fullmatch(words_of(name)))


def is_sale(value: str) -> bool:
    """True for a kind of rows that are sales: `charge`, `Express Checkout Payment`."""
    return _has(_SALE, value) and not is_money_back(value) and not is_neither(value)


def is_money_back(value: str) -> bool:
    """True for a kind of rows that give money back: `refund`, `Credit Note`."""
    return _has(_BACK, value) and not is_neither(value)


def is_neither(value: str) -> bool:
    """True for a kind of rows that neither sell nor give back: `payout`, `stripe_fee`, `General Withdrawal`."""
    return _has(_NEITHER, value)


def is_detail(value: str) -> bool:
    """True for a kind of rows that belong to others: `Sale Line`, or `Payment` beside `Sale`."""
    return _has(_DETAIL, value)


def neither_in_sql(name: str) -> str:
    """The condition on delivered texts for rows that neither sell nor give back, also of kinds not seen yet."""
    return f"regexp_matches({_plain(name)}, {quote_text(_pattern(_NEITHER))})"


def money_back_in_sql(column: str, values: Iterable[str]) -> str:
    """The condition for rows of `column`, quoted as SQL wants it, that give money back."""
    listed = ", ".join(sorted(quote_text(value.lower()) for value in values if is_money_back(value)))
    return f"lower({column}) in ({listed})"


def details_in_sql(name: str) -> str:
    """The condition on delivered texts for rows that belong to others."""
    return f"regexp_matches({_plain(name)}, {quote_text(_pattern(_DETAIL))})"


def _plain(name: str) -> str:
    return f"replace(strip_accents(lower({quote_name(name)})), 'ł', 'l')"


def _pattern(words: str) -> str:
    return f"(^|[^a-z])({words})([^a-z]|$)"


def _has(words: str, value: str) -> bool:
    return bool(re.search(_pattern(words), plain_letters(value)))
