"""The semantic layer on the demo company: MetricFlow gives the same answers as the marts."""

import csv
import json
from collections.abc import Collection
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Installation

ALL_KPIS = {"revenue", "sales_growth", "cac", "clv", "lead_conversion", "win_rate", "retention", "nps"}
NO_METRIC = {
    *(("win_rate", "pipeline_coverage"), ("win_rate", "pipeline_velocity")),  # snapshots: read them from the mart
    ("sales_growth", "wow"),  # of weeks alone, while metrics of growth are of months
}
FROM_DAYS = {"revenue", "lead_conversion", "win_rate"}  # their metrics are computed from days, leads and deals
FROM_MONTHS_THAT_ADD_UP = {"cac", "clv"}  # their customers and money are those of one month
NEVER_OVER_MORE_THAN_A_MONTH = {
    *(("retention", variant) for variant in ("logo", "nrr", "grr", "nrr_12m", "grr_12m", "repeat_purchase")),
    *(("nps", "period"), ("nps", "trailing_90d")),
}
YOUNG = {f"cohort_{days}d" for days in (30, 60, 90)}  # MetricFlow shows these before all leads have had the time

Metric = dict[str, Any]


@pytest.fixture(scope="module")
def metrics(demo: Installation) -> dict[str, Metric]:
    """Every metric, as dbt parsed it."""
    demo.dbt("parse")
    manifest = json.loads((demo.data_dir / "dbt" / "target" / "manifest.json").read_text(encoding="utf-8"))
    return {metric["name"]: metric for metric in manifest["metrics"].values()}


@pytest.fixture(scope="module")
def answers(
    demo: Installation, metrics: dict[str, Metric], tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], Decimal]:
    """The value of every metric by month."""
    return ask(demo, metrics, "month", tmp_path_factory.mktemp("metrics"))


def ask(demo: Installation, metrics: Collection[str], grain: str, folder: Path) -> dict[tuple[str, str], Decimal]:
    """The values of the metrics by period and metric, as returned by `mf query`."""
    file = folder / "answers.csv"
    demo.kpi(
        *("mf", "--", "query", "--metrics", ",".join(metrics), "--group-by", f"metric_time__{grain}"),
        *("--csv", str(file), "--decimals", "12"),
    )
    with file.open(encoding="utf-8") as lines:
        return {
            (row[f"metric_time__{grain}"][:10], metric): Decimal(value)
            for row in csv.DictReader(lines)
            for metric, value in row.items()
            if metric in metrics and value != ""
        }


def variants(metrics: dict[str, Metric]) -> dict[tuple[str, str], Metric]:
    """The metric of each variant of a KPI."""
    return {
        (metric["config"]["meta"]["kpi_id"], metric["config"]["meta"]["variant"]): metric
        for metric in metrics.values()
        if metric["config"]["meta"]
    }


def parts(metric: Metric) -> list[str]:
    """The metrics of which a ratio consists: numerator and denominator."""
    made_of = metric["type_params"]
    return [made_of[part]["name"] for part in ("numerator", "denominator") if made_of[part]]


def scorecard(demo: Installation) -> list[tuple[str, str, str, Decimal | None, Decimal | None, str]]:
    """Month, KPI, variant, value, denominator and status of the company."""
    with demo.published() as connection:
        return connection.execute(
            "select period_month::varchar, kpi_id, variant, value, denominator, status "
            "from marts.kpi_scorecard__monthly where entity_type = 'company'"
        ).fetchall()


def close(one: Decimal, other: Decimal) -> bool:
    """Equal except for the last digits of a double."""
    return abs(one - other) <= Decimal("1e-9") * max(1, abs(other))


def test_every_variant_has_a_metric_and_every_metric_is_one_or_part_of_one(
    demo: Installation, metrics: dict[str, Metric]
) -> None:
    with demo.published() as connection:
        published = set(connection.execute("select kpi_id, variant from marts.kpi_variants").fetchall())
    described = variants(metrics)
    assert set(described) == published - NO_METRIC
    assert {kpi for kpi, _ in described} == ALL_KPIS
    used = {name for metric in described.values() for name in [metric["name"], *parts(metric)]}
    assert used == set(metrics)


def test_every_metric_of_a_variant_equals_its_mart_column(
    demo: Installation, metrics: dict[str, Metric], answers: dict[tuple[str, str], Decimal]
) -> None:
    metric_of = variants(metrics)
    compared = 0
    wrong = []
    for month, kpi, variant, value, _, status in scorecard(demo):
        if (kpi, variant) in NO_METRIC or (variant in YOUNG and status == "immature"):
            continue
        answer = answers.get((month, metric_of[kpi, variant]["name"]), Decimal(0))
        compared += value is not None
        if not close(answer, value or Decimal(0)):  # no value is no row, or a sum of no rows
            wrong.append((month, kpi, variant, value, status, answer))
    assert wrong == []
    assert compared > 900


def test_every_part_of_a_ratio_equals_what_the_mart_makes_it_of(
    demo: Installation, metrics: dict[str, Metric], answers: dict[tuple[str, str], Decimal]
) -> None:
    metric_of = variants(metrics)
    compared = 0
    wrong = []
    for month, kpi, variant, value, denominator, _ in scorecard(demo):
        if (kpi, variant) in NO_METRIC or value is None or denominator is None:
            continue
        if len(names := parts(metric_of[kpi, variant])) < 2:
            continue  # a median has cases, but no numerator and denominator
        top, bottom = (answers.get((month, name), Decimal(0)) for name in names)
        compared += 1
        if not (close(bottom, denominator) and close(top, value * denominator)):
            wrong.append((month, kpi, variant, value, denominator, top, bottom))
    assert wrong == []
    assert compared > 600


@pytest.mark.nightly
@pytest.mark.parametrize("grain", ["week", "quarter", "year"])
def test_other_periods_equal_the_mart_where_the_handbook_allows_to_ask_for_them(
    demo: Installation, metrics: dict[str, Metric], grain: str, tmp_path: Path
) -> None:
    """Where it does not, an answer that equals the mart everywhere would be a reason to allow it."""
    name_of = {variant: metric["name"] for variant, metric in variants(metrics).items()}
    allowed = FROM_DAYS if grain == "week" else FROM_DAYS | FROM_MONTHS_THAT_ADD_UP
    compared = {variant for variant in name_of if variant[0] in allowed or variant in NEVER_OVER_MORE_THAN_A_MONTH}
    answers = ask(demo, {name_of[variant] for variant in compared}, grain, tmp_path)
    with demo.published() as connection:
        rows = connection.execute(
            "select period_start::varchar, kpi_id, variant, value, status from marts.kpi_scorecard "
            "where entity_type = 'company' and grain = ? order by all",
            [grain],
        ).fetchall()
    wrong = []
    equal = 0
    for start, kpi, variant, value, status in rows:
        if (kpi, variant) not in compared or status == "immature":
            continue
        answer = answers.get((start, name_of[kpi, variant]), Decimal(0))
        if not close(answer, value or Decimal(0)):
            wrong.append((start, kpi, variant, value, status, answer))
        elif value is not None:
            equal += 1
    assert [row for row in wrong if row[1:3] not in NEVER_OVER_MORE_THAN_A_MONTH] == []
    assert {row[1] for row in wrong} == {"retention", "nps"}
    assert equal > {"week": 2000, "quarter": 200, "year": 60}[grain]


@pytest.mark.nightly
def test_the_metrics_are_valid(demo: Installation) -> None:
    printed = demo.kpi("mf", "--", "validate-configs").stdout
    assert "Successfully validated metrics against data warehouse (ERRORS: 0" in printed


@pytest.mark.nightly  # one more start of MetricFlow; what a query answers by month is tested above
def test_a_metric_can_be_cut(demo: Installation) -> None:
    printed = demo.kpi(
        *(
            "mf",
            "--",
            "query",
            "--metrics",
            "revenue_net",
            "--group-by",
            "revenue_day__channel",
            "--order",
            "-revenue_net",
        )
    ).stdout
    assert "retail" in printed


def test_metrics_need_a_publication(tmp_path: Path) -> None:
    finished = Installation(tmp_path).kpi("mf", "--", "list", "metrics", check=False)
    assert finished.returncode == 1
    assert "nothing has been published yet. Run `kpi run` first." in finished.stderr
