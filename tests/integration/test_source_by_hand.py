"""The example of docs/connect/by_hand.md, run exactly as written there."""

import re
import textwrap
from pathlib import Path

import pytest

from tests.conftest import PROJECT_DIR, Installation

SETTINGS = """\
sources: [webshop]
company_dir: company
first_delivery: 2025-01-31
time_zone: Europe/Warsaw
reporting_currency: EUR
"""


@pytest.fixture(scope="module")
def webshop(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """What a reader has after the five steps: its files, and a delivery of two orders."""
    folder = tmp_path_factory.mktemp("web shop")
    models = folder / "company" / "models" / "staging" / "webshop"
    models.mkdir(parents=True)
    page = (PROJECT_DIR / "docs" / "connect" / "by_hand.md").read_text(encoding="utf-8")
    source, dbt_sources, base, orders = (
        textwrap.dedent(block)
        for block in re.findall(r"^ +```(?:yaml|sql)\n(.*?)^ +```", page, re.DOTALL | re.MULTILINE)
    )
    write(folder / "kpi.yml", SETTINGS)
    write(folder / "company" / "sources" / "webshop.yml", source)
    write(models / "_webshop__sources.yml", dbt_sources)
    write(models / "base_webshop__orders.sql", base)
    write(models / "stg_webshop__orders.sql", orders)
    write(
        folder / "data" / "landing" / "webshop" / "orders_2025-01-31.csv",
        'number,customer,placed,total\n1,A,31.01.2025,"1.234,50"\n2,B,30.01.2025,"10,00"\n',
    )
    return Installation(folder / "data", folder / "kpi.yml")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.mark.nightly
def test_the_example_publishes_its_revenue_and_says_no_source_for_leads(webshop: Installation) -> None:
    webshop.python("-m", "pipelines", "run")
    with webshop.published() as connection:
        rows = connection.execute(
            "select kpi_id, value, status from marts.kpi_scorecard__monthly "
            "where entity_type = 'company' and variant in ('net', 'activity') order by 1"
        ).fetchall()
    assert [(kpi, str(value and value.normalize()), status) for kpi, value, status in rows] == [
        ("lead_conversion", "None", "no_source"),
        ("revenue", "1244.5", "ok"),
    ]
