"""If a rate is missing for a currency that somebody wrote in a staging model, it is reported with file and line."""

from pathlib import Path

from pipelines.checks.suites import load_suites
from pipelines.checks.written_currencies import naming_written_currencies, written_currencies
from pipelines.settings import Settings
from pipelines.sources import load_sources
from tests.conftest import PROJECT_DIR

SOURCE = """\
description: A shop.
connector: files
owner: team:commerce
sla: "06:00"
entities: [orders]
tables:
  orders: {description: Orders., path: "o_{delivered_on}.csv", format: csv, columns: [id], key: [id]}
"""
MODEL = """\
-- 'PLN' as currency_code
select
    upper(currency) as currency_code,
    upper('{{ var("reporting_currency") }}') as currency_code,
    coalesce(currency, 'EUR') as currency_code,  -- of the invoice
    'usd' as currency_code,
"""


def company(tmp_path: Path) -> tuple[Settings, Path]:
    """A company in US dollars with one source that has a staging model: its settings and the model."""
    model = tmp_path / "company" / "models" / "staging" / "webshop" / "stg_webshop__orders.sql"
    model.parent.mkdir(parents=True)
    model.write_text(MODEL)
    (tmp_path / "company" / "sources").mkdir()
    (tmp_path / "company" / "sources" / "webshop.yml").write_text(SOURCE)
    values = {"sources": ["webshop"], "company_dir": tmp_path / "company", "reporting_currency": "USD"}
    return Settings(first_delivery="2025-01-01", time_zone="UTC", **values), model  # type: ignore[arg-type]


def test_another_currency_than_the_reporting_one_is_found_with_file_and_line(tmp_path: Path) -> None:
    settings, model = company(tmp_path)
    assert written_currencies(settings, load_sources(["webshop"], settings.company_dir)) == [f"'EUR' in {model}:5"]


def test_checks_of_exchange_rates_name_it_and_no_others_do(tmp_path: Path) -> None:
    settings, model = company(tmp_path)
    suites = load_suites(PROJECT_DIR / "expectations")
    naming = naming_written_currencies(suites, settings, load_sources(["webshop"], settings.company_dir))
    words = f"reporting_currency is USD, but models contain 'EUR' in {model}:5."
    said = {
        (suite.name, spec.name) for suite in naming.values() for spec in suite.expectations if spec.why.endswith(words)
    }
    facts = ("fct_marketing_spend", "fct_opportunities", "fct_order_items", "fct_quota_daily", "fct_refunds")
    assert said == {(fact, "exchange_rate_exists") for fact in facts}


def test_a_company_that_writes_its_own_currency_is_told_nothing(tmp_path: Path) -> None:
    settings, model = company(tmp_path)
    model.write_text("select 'USD' as currency_code")
    suites = load_suites(PROJECT_DIR / "expectations")
    assert naming_written_currencies(suites, settings, load_sources(["webshop"], settings.company_dir)) is suites
