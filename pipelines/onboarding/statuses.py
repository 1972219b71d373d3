"""Which statuses of orders say that nothing was sold: the order was cancelled, is a draft, or was never paid.

Does not belong here: what does not count beyond that, which is in `kpi.yml` (`kpis.excluded_order_statuses`).
"""

import re

# As in the macro order_status, with which a draft reads the status. Parts of words: annul is in geannuleerd, and ptal
# in the Turkish iptal with a capital, which is a letter of its own.
NOTHING_SOLD = (
    "cancel|annul|anul|storn|iptal|ptal ed|avbrut|makulerad|abgebrochen|abgelehnt|fehlgeschlagen|odrzucon|nieudan|wygas"
    "|mislukt|verlopen|rechazad|recusad|rifiutat|misslyckad|fail|expired|declin|denied|reject|refus|abandon|void|draft"
    "|entwurf|brouillon|szkic|bozza|borrador|rascunho|utkast|taslak|incomplete|quotation|devis"
)


def sells_nothing(status: str) -> bool:
    """True for a status such as Storniert, expired or Draft; false for one of orders that were cancelled in part."""
    return bool(re.search(NOTHING_SOLD, status.lower())) and not re.search("part|teil|czesc|częś", status.lower())
