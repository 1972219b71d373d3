"""The models run on Spark, too: each compiles for both engines, and what only one of them reads stays in macros.

dbt-spark is not needed to see that. dbt looks for a dispatched macro as `duckdb__x`, then as `default__x`; the project
compiled here has a `duckdb__x` that calls `spark__x` for every macro that Spark says differently.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from pipelines.settings import load_settings
from pipelines.sources import load_sources
from pipelines.transform.project import SHIPPED_PROJECT_DIR, dbt_command, dbt_environment, dbt_variables

ENGINES = ("duckdb", "spark")
SPARK_HAS = {
    "READ_PARQUET",  # how dbt-duckdb names a raw table; with dbt-spark a source is a table
    "TRY_TO_TIMESTAMP",  # Spark 3.5
}
ONLY_DUCKDB_READS = {
    "qualify": r"\bqualify\b",
    "a cast with ::": r"::[a-z]",
    "group by all": r"\bgroup by all\b",
    "filter (where …)": r"\bfilter\s*\(\s*where\b",
    "list functions": r"\b(list|list_\w+|unnest|generate_series|struct_pack|arg_max|arg_min)\s*\(",
    "varchar without a length": r"\bas varchar\)",
}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """Per engine the compiled SQL of every SQL model. A Python model runs wherever dbt runs Python, and has none."""
    return {engine: compile_project(tmp_path_factory.mktemp(engine), engine) for engine in ENGINES}


def compile_project(folder: Path, engine: str) -> dict[str, str]:
    """Compile all shipped models with every shipped source, on an empty warehouse."""
    settings = load_settings().model_copy(update={"data_dir": folder, "company_dir": folder / "none"})
    sources = load_sources(settings.sources, settings.company_dir)
    project = folder / "project"
    shutil.copytree(SHIPPED_PROJECT_DIR, project, ignore=shutil.ignore_patterns("target", "logs"))
    if engine == "spark":
        (project / "macros" / "as_spark.sql").write_text(as_spark(project / "macros"), encoding="utf-8")
    finished = subprocess.run(
        dbt_command(["compile", "--quiet"], project, dbt_variables(settings, sources)),
        env={**os.environ, **dbt_environment(settings, settings.first_delivery)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout
    manifest = json.loads((settings.dbt_target_dir / "target" / "manifest.json").read_text(encoding="utf-8"))
    return {
        node["name"]: node["compiled_code"]
        for node in manifest["nodes"].values()
        if node["resource_type"] in ("model", "test") and node["language"] == "sql"
    }


def as_spark(macros: Path) -> str:
    """A macro `duckdb__x` for each `spark__x`, which dbt then finds first."""
    signatures = re.findall(
        r"{% macro spark__(\w+)\(([^)]*)\)",
        "\n".join(file.read_text(encoding="utf-8") for file in macros.glob("*.sql")),
    )
    assert len(signatures) > 5
    return "\n".join(
        f"{{% macro duckdb__{name}({arguments}) -%}}{{{{ return(spark__{name}({arguments})) }}}}{{%- endmacro %}}"
        for name, arguments in signatures
    )


def unknown_to_spark(sql: str) -> set[str]:
    """What Spark's grammar has no name for, or no meaning."""
    tree = sqlglot.parse_one(sql, dialect="spark")
    functions = {node.name.upper() for node in tree.find_all(exp.Anonymous)} - SPARK_HAS
    types = {"VARCHAR without a length"} if re.search(r"\bvarchar\b(?!\s*\()", sql, re.IGNORECASE) else set()
    clauses = {"QUALIFY" for _ in tree.find_all(exp.Qualify)} | {"FILTER" for _ in tree.find_all(exp.Filter)}
    return functions | types | clauses


def test_every_model_is_read_by_both_engines(compiled: dict[str, dict[str, str]]) -> None:
    assert compiled["duckdb"].keys() == compiled["spark"].keys()
    assert len(compiled["spark"]) > 90
    for engine, models in compiled.items():
        for name, sql in models.items():
            try:
                sqlglot.parse_one(sql, dialect=engine)
            except sqlglot.errors.ParseError as error:
                pytest.fail(f"{name} is not read by {engine}: {error}")


def test_spark_has_every_function_and_type_the_models_use(compiled: dict[str, dict[str, str]]) -> None:
    unknown = {name: found for name, sql in compiled["spark"].items() if (found := unknown_to_spark(sql))}
    assert unknown == {}


def test_the_engines_differ_where_a_macro_says_so(compiled: dict[str, dict[str, str]]) -> None:
    assert "date_diff('day'" in compiled["duckdb"]["fct_leads"]
    assert "datediff(" in compiled["spark"]["fct_leads"]
    assert "date_diff('day'" not in compiled["spark"]["fct_leads"]


def test_nothing_that_only_duckdb_reads_stands_in_a_model() -> None:
    found = [
        f"{file.relative_to(SHIPPED_PROJECT_DIR)}: {what}"
        for folder in ("models", "tests")
        for file in sorted((SHIPPED_PROJECT_DIR / folder).rglob("*.sql"))
        for what, pattern in ONLY_DUCKDB_READS.items()
        if re.search(pattern, re.sub(r"--.*", "", file.read_text(encoding="utf-8")), re.IGNORECASE)
    ]
    assert found == []


@pytest.mark.parametrize(
    "sql",
    [
        "select quantile_cont(a, 0.5) from t",
        "select try_strptime(a, '%Y') from t",
        "select cast(a as varchar) from t",
        "select a from t qualify row_number() over (order by a) = 1",
        "select count(*) filter (where a > 1) from t",
    ],
)
def test_a_model_for_duckdb_alone_would_be_found(sql: str) -> None:
    assert unknown_to_spark(sql) != set()
