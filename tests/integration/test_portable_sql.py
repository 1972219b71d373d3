"""The models also run on Spark: each compiles for both engines, and syntax that only one of them reads stays in macros.

This can be tested without dbt-spark. dbt looks for a dispatched macro as `duckdb__x`, then as `default__x`. The project
compiled for Spark has a `duckdb__x` that calls `spark__x` for every macro that differs in Spark. It quotes names as in
Spark, and has raw tables instead of raw files. Everything else is dbt's own compiler.

sqlglot reads leniently: it accepts syntax of other engines as Spark's. This is why there are lists here of what Spark
has and lacks.
"""

import json
import os
import re
import shutil
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot
import yaml
from sqlglot import TokenType, exp

from pipelines.settings import Settings, load_settings
from pipelines.sources import SHIPPED_DIR, enabled_sources
from pipelines.transform.project import SHIPPED_PROJECT_DIR, dbt_command, dbt_environment, dbt_variables
from tests import forked

ENGINES = ("duckdb", "spark")

# Spark 3.5 has each of these under this name. Add what a model needs if Spark has it. Dispatch the others, and those
# that mean something else in DuckDB (`log`, `dayofweek`, `regexp_replace`).
SPARK_FUNCTIONS = """
    abs any_value avg bool_and bool_or cast ceil chr coalesce concat concat_ws count cume_dist current_timezone
    date_add date_trunc datediff dayofyear dense_rank exp explode first_value floor from_utc_timestamp greatest
    grouping lag last_value lead least left length ln lower lpad ltrim max max_by md5 median min min_by mod month
    ntile nullif percent_rank percentile power quarter rank replace right round row_number rpad rtrim sequence sign
    split_part sqrt stddev_pop stddev_samp struct substring sum to_utc_timestamp translate trim try_cast
    try_to_timestamp unix_timestamp upper var_pop var_samp xxhash64 year
"""
SYNTAX_BEFORE_A_BRACKET = """
    all and any as bigint by case decimal distinct else except exists from having in intersect join not on or over
    select then union using values when where
"""
SPARK_LACKS: dict[str, tuple[type[exp.Expression], str | None]] = {
    "qualify": (exp.Qualify, None),
    "filter (where …)": (exp.Filter, None),  # Spark has it, but other engines that the models may move to do not
    "a list": (exp.Array, None),
    "an element of a list": (exp.Bracket, None),
    "^, a power in DuckDB and xor in Spark": (exp.BitwiseXor, None),
    "using sample": (exp.TableSample, None),
    "group by all": (exp.Group, "all"),
    "distinct on": (exp.Distinct, "on"),
    "* exclude": (exp.Star, "except_"),
    "* replace": (exp.Star, "replace"),
    "union by name": (exp.SetOperation, "by_name"),
    "asof join": (exp.Join, "method"),
    "with recursive": (exp.With, "recursive"),
}
SPARK_MISREADS = {
    "a cast with ::": r"::\s*[a-z]",
    "order by all": r"\border by all\b",
    'a name in "quotes", a text in Spark': r'"\w+"',
    "varchar without a length, write string": r"\bas varchar\s*\)",
    "a type of DuckDB": r"\bas (text|u?hugeint|u(tiny|small|big)int|uinteger|timestamptz|time|uuid|json|blob)\s*\)",
    "timestamp with time zone": r"\bas timestamp with time zone\s*\)",
}
# Also occurs in branches that this compilation does not take.
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
    """The compiled SQL of every SQL model by engine. A Python model runs wherever dbt runs Python, and has no SQL."""
    return {engine: compile_project(tmp_path_factory.mktemp(engine), engine) for engine in ENGINES}


def compile_project(folder: Path, engine: str) -> dict[str, str]:
    """Compile all shipped models with every shipped source, as on any day but the first: the delivery logs exist."""
    shipped = sorted(file.stem for file in SHIPPED_DIR.glob("*.yml"))
    settings = load_settings().model_copy(
        update={"sources": shipped, "data_dir": folder, "company_dir": folder / "none"}
    )
    sources = enabled_sources(settings)
    project = folder / "project"
    shutil.copytree(SHIPPED_PROJECT_DIR, project, ignore=shutil.ignore_patterns("target", "logs"))
    if engine == "spark":
        speak_spark(project)
    create_increments(settings, project)
    command = ["compile", "--exclude", "test_type:unit", "--quiet", "--log-level-file", "none"]
    _, *arguments = dbt_command(command, project, dbt_variables(settings, sources))
    finished = forked.dbt({**os.environ, **dbt_environment(settings, settings.first_delivery)}, arguments)
    assert finished.returncode == 0, finished.stdout
    manifest = json.loads((settings.dbt_target_dir / "target" / "manifest.json").read_text(encoding="utf-8"))
    return {
        node["name"]: node["compiled_code"]
        for node in manifest["nodes"].values()
        if node["resource_type"] in ("model", "test") and node["language"] == "sql"
    }


def speak_spark(project: Path) -> None:
    """Make dbt-duckdb produce what dbt-spark would: dispatched macros, quotes, and names of tables."""
    macros = {file: file.read_text(encoding="utf-8") for file in (project / "macros").glob("*.sql")}
    signatures = re.findall(r"{% macro spark__(\w+)\(([^)]*)\)", "\n".join(macros.values()))
    assert len(signatures) > 5
    for file, text in macros.items():
        file.write_text(text.replace("adapter.quote(", "quoted_by_spark("), encoding="utf-8")
    as_spark = ["{% macro quoted_by_spark(name) -%}`{{ name }}`{%- endmacro %}"] + [
        f"{{% macro duckdb__{name}({arguments}) -%}}{{{{ return(spark__{name}({arguments})) }}}}{{%- endmacro %}}"
        for name, arguments in signatures
    ]
    (project / "macros" / "as_spark.sql").write_text("\n".join(as_spark), encoding="utf-8")
    file = project / "dbt_project.yml"
    settings: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    settings["quoting"] = dict.fromkeys(("database", "schema", "identifier"), False)
    # In brackets, because dbt-duckdb takes any other text for the path of a file.
    settings["sources"]["kpi"]["+meta"]["external_location"] = "({schema}.{name})"
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")


def create_increments(settings: Settings, project: Path) -> None:
    """Create empty tables in place of the incremental models, so that these compile as increments."""
    with duckdb.connect(str(settings.warehouse_path)) as warehouse:
        warehouse.execute("create schema staging")
        warehouse.execute("create schema intermediate")
        warehouse.execute("create schema marts")
        for model in (project / "models").rglob("*.sql"):
            schema = model.relative_to(project / "models").parts[0]
            if re.search(r"\b(delivery_log|incremental_by_fingerprint)\(", model.read_text(encoding="utf-8")):
                warehouse.execute(f"create table {schema}.{model.stem} (day date)")


@cache
def parsed(sql: str, engine: str) -> exp.Expression:
    """A query as sqlglot reads it. Several tests look at the same queries."""
    return sqlglot.parse_one(sql, dialect=engine)


def unknown_to_spark(sql: str) -> set[str]:
    """Functions that Spark does not have, or that have another meaning in Spark."""
    tokens = sqlglot.tokenize(sql, dialect="spark")
    called = {
        name.text.lower()
        for name, bracket in pairwise(tokens)
        if bracket.token_type == TokenType.L_PAREN and name.text.isidentifier() and name.token_type != TokenType.STRING
    }
    misread = {what for what, pattern in SPARK_MISREADS.items() if re.search(pattern, sql, re.IGNORECASE)}
    lacking = {
        what
        for node in parsed(sql, "spark").walk()
        for what, (construct, option) in SPARK_LACKS.items()
        if isinstance(node, construct) and (option is None or node.args.get(option))
    }
    by_position = {
        "* in a select that is grouped by position"
        for select in parsed(sql, "spark").find_all(exp.Select)
        if any(column.find(exp.Star) and not column.find(exp.Count, exp.Select) for column in select.expressions)
        if (group := select.args.get("group")) and group.find(exp.Literal)
    }
    functions = called.difference(SPARK_FUNCTIONS.split(), SYNTAX_BEFORE_A_BRACKET.split())
    return {f"{name}()" for name in functions} | misread | lacking | by_position


@pytest.mark.nightly
def test_every_model_is_read_by_both_engines(compiled: dict[str, dict[str, str]]) -> None:
    assert compiled["duckdb"].keys() == compiled["spark"].keys()
    assert len(compiled["spark"]) > 90
    for engine, models in compiled.items():
        for name, sql in models.items():
            try:
                assert isinstance(parsed(sql, engine), exp.Query), f"{name} is no query of {engine}"
            except sqlglot.errors.ParseError as error:
                pytest.fail(f"{name} is not read by {engine}: {error}")


@pytest.mark.nightly
def test_spark_has_every_function_type_and_clause_the_models_use(compiled: dict[str, dict[str, str]]) -> None:
    unknown = {name: found for name, sql in compiled["spark"].items() if (found := unknown_to_spark(sql))}
    assert unknown == {}


@pytest.mark.nightly
def test_the_engines_differ_where_a_macro_says_so(compiled: dict[str, dict[str, str]]) -> None:
    assert "date_diff('day'" in compiled["duckdb"]["fct_leads"]
    assert "datediff(" in compiled["spark"]["fct_leads"]
    assert "date_diff('day'" not in compiled["spark"]["fct_leads"]


@pytest.mark.nightly
def test_logs_and_facts_are_increments_on_duckdb_and_whole_on_spark(compiled: dict[str, dict[str, str]]) -> None:
    for model, increment in (("base_shop__orders", "__deliveries"), ("fct_order_items", "__unchanged")):
        assert f"{model}{increment}" in compiled["duckdb"][model]
        assert f"{model}{increment}" not in compiled["spark"][model]


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
        "select date_diff('day', a, b) from t",
        "select arg_max(a, b) from t",
        "select string_agg(a, ',') from t",
        "select list_sort(a) from t",
        "select unnest(a) from t",
        "select unnest(generate_series(a, b)) from t",
        "select cast(a as varchar) from t",
        "select cast(a as hugeint) from t",
        "select a::int from t",
        "select [a, b] from t",
        "select a[1] from t",
        "select a ^ 2 from t",
        'select "a" from t',
        "select * exclude (a) from t",
        "select * replace (a + 1 as a) from t",
        "select distinct on (a) a from t",
        "select a, count(*) from t group by all",
        "select a from t order by all",
        "select a from t qualify row_number() over (order by a) = 1",
        "select count(*) filter (where a > 1) from t",
        "select a from t union all by name select a from u",
        "select t.a from t asof join u on t.a >= u.a",
        "with recursive t as (select 1 as a) select a from t",
        "select a from t using sample 10%",
    ],
)
def test_a_model_for_duckdb_alone_would_be_found(sql: str) -> None:
    assert unknown_to_spark(sql) != set()


def test_a_model_for_both_is_not() -> None:
    assert unknown_to_spark("with t as (select cast(a as decimal(18, 2)) as b from s) select max(b) from t") == set()
