"""Every model has a suite that says who owns it, what to do if it fails, and which of its columns are personal."""

import re
from pathlib import Path

import pytest

from pipelines.checks.source_suites import suites_of
from pipelines.checks.suites import Suite, load_suites
from pipelines.sources import SHIPPED_DIR, each_table, load_sources
from tests.conftest import PROJECT_DIR

EXPECTATIONS = PROJECT_DIR / "expectations"
MODELS = PROJECT_DIR / "dbt_project" / "models"
RUNBOOKS = {
    f"docs/operations.md#{anchor}"
    for anchor in (
        "delivery-missing-or-small", "unreadable-rows", "columns-changed", "keys-and-duplicates", "unknown-references",
        "numbers-jump", "less-than-it-seems", "history-changed", "reconciliation", "dates",
    )
}  # fmt: skip


@pytest.fixture(scope="module")
def shipped() -> dict[tuple[str, str], Suite]:
    return load_suites(EXPECTATIONS)


@pytest.fixture(scope="module")
def of_sources() -> list[Suite]:
    sources = load_sources((path.stem for path in sorted(SHIPPED_DIR.glob("*.yml"))), PROJECT_DIR / "company")
    return [suite for source, name, table in each_table(sources) for suite in suites_of(source, name, table)]


def test_every_staging_model_and_every_mart_has_a_suite_and_every_suite_a_model(
    shipped: dict[tuple[str, str], Suite], of_sources: list[Suite]
) -> None:
    models = {
        (layer, path.stem) for layer in ("staging", "marts") for path in (MODELS / layer).rglob("*.sql")
    } | {("marts", path.stem) for path in (PROJECT_DIR / "dbt_project" / "seeds").glob("*.csv")}  # fmt: skip
    suites = shipped.keys() | {(suite.stage, suite.name) for suite in of_sources if suite.stage == "staging"}
    assert models - suites == set()
    assert suites - models == set()


def test_every_suite_says_owner_runbook_and_checks(shipped: dict[tuple[str, str], Suite]) -> None:
    lacking = [
        (suite.stage, suite.name, key)
        for suite in shipped.values()
        for key in ("owner", "description", "runbook", "expectations")
        if not getattr(suite, key)
    ]
    assert lacking == []


def test_every_check_names_a_page_that_says_what_to_do(
    shipped: dict[tuple[str, str], Suite], of_sources: list[Suite]
) -> None:
    suites = [*shipped.values(), *of_sources]
    runbooks = {spec.runbook or suite.runbook for suite in suites for spec in suite.checks}
    assert runbooks - RUNBOOKS == set()
    operations = PROJECT_DIR / "docs" / "operations.md"
    if operations.exists():
        headings = re.findall(r"^#+ (.+)$", operations.read_text(), re.MULTILINE)
        anchors = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert {runbook.partition("#")[2] for runbook in RUNBOOKS} - anchors == set()


def test_every_suite_has_a_key_or_a_reason_not_to(shipped: dict[tuple[str, str], Suite]) -> None:
    assert [suite.name for suite in shipped.values() if not suite.key_columns] == []


def test_names_of_people_are_personal_in_every_suite(
    shipped: dict[tuple[str, str], Suite], of_sources: list[Suite]
) -> None:
    """The sources say which delivered columns are personal. Staging and marts use these names for them."""
    for suite in shipped.values():
        model = next(MODELS.rglob(f"{suite.name}.yml"), None)
        columns = set() if model is None else set(re.findall(r"- {?name: (\w+)", model.read_text()))
        expected = columns & {"email", "full_name", "rep_name"}
        if "sales_rep" in suite.name:
            expected |= columns & {"name"}
        assert set(suite.personal_columns) == expected, suite.path
    leads = {suite.stage: suite.personal_columns for suite in of_sources if suite.name.endswith("crm__leads")}
    assert leads == {"raw": ["email"], "staging": ["email"]}


def test_business_dates_and_currencies_are_checked_in_every_staging_suite(
    shipped: dict[tuple[str, str], Suite],
) -> None:
    wanted = {
        "currency_code", "cost_month", "ordered_at", "refunded_at", "responded_at", "sent_at", "spend_date",
        "touched_at",
    }  # fmt: skip
    lacking = []
    for suite in (suite for suite in shipped.values() if suite.stage == "staging"):
        columns = set(re.findall(r"- {?name: (\w+)", next(MODELS.rglob(f"{suite.name}.yml")).read_text()))
        checked = {column for spec in suite.expectations for column in spec.columns}
        queries = " ".join(spec.rule or "" for spec in suite.expectations)
        lacking += [(suite.name, column) for column in columns & (wanted - checked) if column not in queries]
    assert lacking == []


def test_usual_values_and_closed_months_are_watched(shipped: dict[tuple[str, str], Suite]) -> None:
    watched = {
        (suite.name, spec.name)
        for suite in shipped.values()
        for spec in suite.expectations
        if spec.kind.figures is not None and spec.severity == "warning"
    }
    assert {name for name, _ in watched} == {
        "kpi_revenue__daily", "fct_leads", "fct_marketing_spend", "fct_opportunities", "kpi_scorecard__monthly",
    }  # fmt: skip
    assert ("kpi_scorecard__monthly", "closed_months_of_sales_stay") in watched


def test_suites_lie_where_they_are_read() -> None:
    assert {path.parent.name for path in EXPECTATIONS.rglob("*.yml")} == {"staging", "marts"}
    assert [path for path in Path(EXPECTATIONS).rglob("*") if path.is_file() and path.suffix != ".yml"] == []


def test_what_is_made_of_tables_that_may_be_empty_may_be_empty(
    shipped: dict[tuple[str, str], Suite], of_sources: list[Suite]
) -> None:
    """A suite requires rows only of tables that need a file every day."""
    may_be_empty = {suite.name: suite.allow_empty for suite in [*shipped.values(), *of_sources]}
    sql = {path.stem: path.read_text(encoding="utf-8") for path in (MODELS / "staging").rglob("*.sql")}
    models = [model for model in sql if model.startswith("stg_")]
    blocking = {
        model for model in models if not may_be_empty[model] and all(may_be_empty[log] for log in _logs(sql, model))
    }
    assert blocking == set()
    assert not may_be_empty["stg_shop__orders"]
    assert not may_be_empty["base_shop__orders"]


def _logs(sql: dict[str, str], model: str) -> set[str]:
    """The delivery logs on which a staging model depends, directly or indirectly."""
    named = {f"base_{source}__{table}" for source, table in re.findall(r"\w+\('(\w+)', '(\w+)'\)", sql[model])}
    found = named & sql.keys()
    for other in re.findall(r"ref\('(\w+)'\)", sql[model]):
        found |= {other} if other.startswith("base_") else _logs(sql, other)
    assert found, model
    return found
