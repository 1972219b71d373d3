"""The keys and values that the models' YAML documents as data tests are those that the suites check."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from pipelines.checks.suites import Suite, load_suites
from pipelines.settings import PROJECT_DIR
from pipelines.transform.assets import Translator
from tests.unit.transform.test_models_in_dagster import manifest, model

PROJECT = PROJECT_DIR / "dbt_project"
YAML = [*sorted((PROJECT / "models" / "marts").rglob("*.yml")), *sorted((PROJECT / "seeds").glob("*.yml"))]
RULES = {  # the name of a rule in the suites, and in dbt
    "expect_column_values_to_be_unique": "unique",
    "expect_compound_columns_to_be_unique": "unique_together",
    "expect_column_values_to_not_be_null": "not_null",
    "expect_column_values_to_be_in_set": "accepted_values",
}

Rule = tuple[str, tuple[str, ...], tuple[str, ...]]  # its name in dbt, columns and values


def in_suite(suite: Suite) -> set[Rule]:
    """The rules of a suite that dbt knows, too."""
    return {
        (RULES[spec.type], spec.columns, tuple(spec.kwargs.get("value_set", ())))
        for spec in suite.expectations
        if spec.type in RULES
    }


def in_yaml(table: dict[str, Any]) -> Iterator[Rule]:
    """The rules that a model or seed documents, without references to other tables."""
    for part in (table, *table["columns"]):
        for test in part.get("data_tests", ()):
            [(name, said)] = test.items() if isinstance(test, dict) else [(test, {"arguments": {}})]
            columns = said["arguments"].get("columns") or [part["name"]]
            if name != "relationships":
                yield name, tuple(columns), tuple(said["arguments"].get("values", ()))


def test_data_tests_document_what_the_suites_check() -> None:
    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in YAML]
    tables = [table for file in files for table in (*file.get("models", ()), *file.get("seeds", ()))]
    documented = {table["name"]: set(in_yaml(table)) for table in tables}
    suites = load_suites(PROJECT_DIR / "expectations")
    assert documented == {name: in_suite(suite) for (stage, name), suite in suites.items() if stage == "marts"}


@pytest.mark.parametrize(
    ("path", "metadata", "is_check"),
    [
        ("models/marts/shared/dim_date.yml", {"test_metadata": {"name": "unique"}}, False),
        ("seeds/kpi_catalogue.yml", {"test_metadata": {"name": "unique"}}, False),
        ("company/marts/dim_date.yml", {"test_metadata": {"name": "unique"}}, True),
        ("tests/assert_a_team_is_the_sum_of_its_reps.sql", {}, True),
    ],
)
def test_a_days_run_leaves_out_the_tests_that_document_shipped_models(
    path: str, metadata: dict[str, Any], is_check: bool
) -> None:
    date = model("dim_date")
    test = model("test", "dim_date", resource_type="test", original_file_path=path, raw_code="select 1", **metadata)
    test |= {"unique_id": "test.kpi.test", "config": {"severity": "error"}, "attached_node": date["unique_id"]}
    models = {**manifest(date, test), "parent_map": {"test.kpi.test": [date["unique_id"]]}}
    translator = Translator()
    asset = translator.get_asset_spec(models, date["unique_id"], None)
    assert (translator.get_asset_check_spec(asset, models, "test.kpi.test", None) is not None) == is_check


def test_analysts_are_said_to_read_every_mart() -> None:
    exposures = yaml.safe_load((PROJECT / "models" / "exposures.yml").read_text(encoding="utf-8"))["exposures"]
    [analysts] = [exposure for exposure in exposures if exposure["name"] == "analysts"]
    tables = [path.stem for path in YAML]
    assert sorted(analysts["depends_on"]) == sorted(f"ref('{table}')" for table in tables)
