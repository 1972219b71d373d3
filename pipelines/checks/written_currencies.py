"""Finds currencies that are hard-coded in staging models, to name them if a currency has no exchange rate.

Belongs here: finding them, and adding them to the messages of the checks. Does not belong here: the checks
(`expectations/`), and converting (`dbt_project/`).
"""

import re
from collections.abc import Iterable

from pipelines.checks.suites import Suite
from pipelines.settings import PROJECT_DIR, Settings
from pipelines.sources import Source

EXCHANGE_RATE_CHECK = "exchange_rate_exists"
_WRITTEN = re.compile(r"'([A-Za-z]{3})'[^']*\bas\s+currency_code\b", re.IGNORECASE)


def naming_written_currencies(
    suites: dict[tuple[str, str], Suite], settings: Settings, sources: Iterable[Source]
) -> dict[tuple[str, str], Suite]:
    """The suites; checks of exchange rates say where models write another currency than the reporting one."""
    found = written_currencies(settings, sources)
    if not found:
        return suites
    words = f" reporting_currency is {settings.reporting_currency}, but models contain {'; '.join(found)}."
    return {key: _with_words(suite, words) for key, suite in suites.items()}


def written_currencies(settings: Settings, sources: Iterable[Source]) -> list[str]:
    """`'EUR' in <file>:<line>` of each currency other than the reporting one that a model of the sources writes."""
    folders = (settings.company_dir / "models" / "staging", PROJECT_DIR / "dbt_project" / "models" / "staging")
    paths = [path for source in sources for folder in folders for path in sorted((folder / source.name).rglob("*.sql"))]
    return [
        f"'{code}' in {path}:{number}"
        for path in paths
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        for code in _WRITTEN.findall(line.split("--")[0])
        if code.upper() != settings.reporting_currency
    ]


def _with_words(suite: Suite, words: str) -> Suite:
    if not any(spec.name == EXCHANGE_RATE_CHECK for spec in suite.expectations):
        return suite
    expectations = [
        spec.model_copy(update={"why": spec.why.strip() + words}) if spec.name == EXCHANGE_RATE_CHECK else spec
        for spec in suite.expectations
    ]
    return suite.model_copy(update={"expectations": expectations})
