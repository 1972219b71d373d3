"""Currencies as people write them, in headers and in cells."""

import re

BRACKETS = re.compile(r"[(\[]([^)\]]*)[)\]]")  # and what is in them
# The signs that belong to one currency only.
SIGNS = {
    "€": "EUR",
    "£": "GBP",
    "zł": "PLN",
    "R$": "BRL",
    "US$": "USD",
    "Kč": "CZK",
    "₹": "INR",
    "₺": "TRY",
    "₴": "UAH",
}
# ISO 4217 without funds and metals.
ISO_CURRENCIES = frozenset(
    re.findall(
        r"\w+",
        """
        AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD
        CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF
        GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK
        LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD
        OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN
        SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF
        YER ZAR ZMW ZWG
        """,
    )
)
_ALSO_WORDS = frozenset({"ALL", "TOP", "TRY", "PEN", "MOP", "GEL", "LAK", "SOS", "COP", "MAD", "CUP", "RON", "BAM"})


def currency_called(text: str) -> str | None:
    """The ISO code that `text` is, or that its sign stands for; None if it is no currency."""
    text = text.strip()
    if text in SIGNS:
        return SIGNS[text]
    is_word = text in ("ALL", "TOP") or (text.islower() and text.upper() in _ALSO_WORDS)
    is_code = text.upper() in ISO_CURRENCIES and (text.isupper() or text.islower())
    return text.upper() if is_code and not is_word else None


def currency_in_name(name: str) -> str | None:
    """The currency that a column's name ends with, as in Amount spent (USD), Total [£] or total_jpy; None if none."""
    in_brackets = [code for found in BRACKETS.finditer(name) if (code := currency_called(found[1]))]
    last = re.search(r"[\W_]([A-Za-z]{3})\W*$", name)
    return next(iter(in_brackets), None) or (currency_called(last[1]) if last else None)
