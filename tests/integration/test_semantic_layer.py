"""The semantic layer on the demo company: what MetricFlow answers is what the marts say."""

import csv
import json
from decimal import Decimal
from pathlib import Path

import pytest

from tests.conftest import Installation

ALL_KPIS = {"revenue", "sales_growth", "cac", "clv", "lead_conversion", "win_rate", "retention", "nps"}
NO_METRIC = {("win_rate", "pipeline_coverage"), ("win_rate", "pipeline_velocity")}  # snapshots: read them from the mart
YOUNG = {f"cohort_{days}d" for days in (30, 60, 90)}  # MetricFlow shows these before every lead had its days

Key = tuple[str, str, str]  # month, KPI, variant


@pytest.fixture(scope="module")
def answers(demo: Installation, tmp_path_factory: pytest.TempPathFactory) -> dict[Key, Decimal]:
    """The value of every metric that stands for a variant of a KPI, by month, as `mf query` gives it."""
    variants = metrics_of_variants(demo)
    file = tmp_path_factory.mktemp("metrics") / "answers.csv"
    demo.kpi(
        *("mf", "--", "query", "--metrics", ",".join(variants), "--group-by", "metric_time__month"),
        *("--csv", str(file), "--decimals", "12"),
    )
    with file.open(encoding="utf-8") as lines:
        return {
            (row["metric_time__month"][:10], *variants[metric]): Decimal(value)
            for row in csv.DictReader(lines)
            for metric, value in row.items()
            if metric in variants and value != ""
        }


def metrics_of_variants(demo: Installation) -> dict[str, tuple[str, str]]:
    """The KPI and variant each metric stands for; metrics that are only parts of others stand for none."""
    demo.kpi("dbt", "--", "parse")
    manifest: Path = demo.data_dir / "dbt" / "target" / "manifest.json"
    metrics = json.loads(manifest.read_text(encoding="utf-8"))["metrics"].values()
    return {
        metric["name"]: (metric["config"]["meta"]["kpi_id"], metric["config"]["meta"]["variant"])
        for metric in metrics
        if metric["config"]["meta"]
    }


def test_every_variant_has_a_metric(demo: Installation) -> None:
    with demo.published() as connection:
        variants = set(connection.execute("select kpi_id, variant from marts.kpi_variants").fetchall())
    described = list(metrics_of_variants(demo).values())
    assert len(described) == len(set(described))
    assert set(described) == variants - NO_METRIC
    assert {kpi for kpi, _ in described} == ALL_KPIS


def test_every_metric_equals_its_mart_column(demo: Installation, answers: dict[Key, Decimal]) -> None:
    with demo.published() as connection:
        rows = connection.execute(
            "select period_month::varchar, kpi_id, variant, value, status from marts.kpi_scorecard__monthly "
            "where entity_type = 'company'"
        ).fetchall()
    compared = 0
    wrong = []
    for month, kpi, variant, value, status in rows:
        if (kpi, variant) in NO_METRIC or (variant in YOUNG and status == "immature"):
            continue
        answer = answers.get((month, kpi, variant))
        if value is None:
            # Nothing to say is no row or, of a sum over no rows, nothing.
            if answer not in (None, Decimal(0)):
                wrong.append((month, kpi, variant, value, status, answer))
            continue
        compared += 1
        if (answer or Decimal(0)) != value and abs((answer or Decimal(0)) - value) > Decimal("1e-9") * max(
            1, abs(value)
        ):
            wrong.append((month, kpi, variant, value, status, answer))
    assert wrong == []
    assert compared > 900


def test_the_metrics_are_valid(demo: Installation) -> None:
    printed = demo.kpi("mf", "--", "validate-configs").stdout
    assert "Successfully validated metrics against data warehouse (ERRORS: 0" in printed


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
    assert finished.returncode == 2
    assert "nothing was published yet. Run `kpi run` first." in finished.stderr
