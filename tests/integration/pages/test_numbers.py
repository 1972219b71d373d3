"""Every number of a page that names a cell of the scorecard is that cell, and a reader sees it rounded rightly."""

from collections.abc import Iterator
from decimal import Decimal
from urllib.parse import urlencode

import pytest
from starlette.testclient import TestClient

from pipelines.answers.periods import Grain
from pipelines.pages.roles import PAGES
from pipelines.pages.view import CUTS
from tests.conftest import Installation
from tests.integration.pages.reading import Number, number_in, read

COLUMNS = (
    *("value", "ci_low", "ci_high", "target", "attainment", "sample_size"),
    *("delta", "last_year_delta", "prior_value", "last_year_value"),
)

Cells = dict[str, dict[str, Decimal]]


@pytest.fixture(scope="module")
def cells(untouched_demo: Installation) -> Cells:
    """All cells of the scorecard by their name in the DOM."""
    with untouched_demo.published() as connection:
        rows = connection.execute(
            "select concat_ws(' ', kpi_id, variant, grain, period_start, entity_type, entity_id), unit, "
            f"{', '.join(COLUMNS)} from marts.kpi_scorecard inner join marts.kpi_variants using (kpi_id, variant)"
        ).fetchall()
    return {name: {"unit": unit, **dict(zip(COLUMNS, values, strict=True))} for name, unit, *values in rows}


def assert_shown(number: Number, cells: Cells, language: str) -> None:
    cell = cells[number.cell]
    expected, unit = cell[number.column], str(cell["unit"])
    assert Decimal(number.value) == expected, number
    is_share = number.column == "attainment" or unit == "rate"
    earlier = cell["prior_value" if number.column == "delta" else "last_year_value"]
    if number.column.endswith("delta") and unit in ("money", "count") and earlier and earlier > 0:
        expected, is_share = expected / earlier, True
    if number.column == "sample_size":
        is_share = False
    seen, decimals = number_in(number.text, language)
    assert abs(seen - expected * (100 if is_share else 1)) <= Decimal("0.5000001") * Decimal(10) ** -decimals, number
    assert (seen < 0) == (round(expected * (100 if is_share else 1), decimals) < 0), number


def addresses(connection_cuts: dict[str, str], measures: list[tuple[str, str]]) -> Iterator[str]:
    """All pages at all grains, by one entity of every cut, and all variants."""
    for page in PAGES:
        for grain in Grain:
            yield f"{page}?grain={grain}&compare={'prior' if grain is Grain.week else 'last-year'}"
        for cut, entity in connection_cuts.items():
            yield f"{page}?{urlencode({cut: entity})}"
    for kpi_id, variant in measures:
        yield f"kpi?kpi={kpi_id}&variant={variant}"
        yield f"kpi?kpi={kpi_id}&variant={variant}&grain=quarter"


@pytest.mark.parametrize(
    ("language", "every"), [("en", 3), ("pl", 7), pytest.param("en", 1, marks=pytest.mark.nightly)]
)
def test_every_number_is_that_of_its_cell(
    pages: TestClient, untouched_demo: Installation, cells: Cells, language: str, every: int
) -> None:
    with untouched_demo.published() as connection:
        cuts = dict(
            connection.execute(
                "select entity_type, min(entity_id) from marts.kpi_scorecard group by all order by 1"
            ).fetchall()
        )
        measures = connection.execute("select kpi_id, variant from marts.kpi_variants order by all").fetchall()
    asked = list(addresses({cut: cuts[cut] for cut in CUTS if cut in cuts}, measures))
    compared: dict[str, int] = {}
    for address in asked[::every]:
        response = pages.get(f"/{language}/{address}")
        assert response.status_code == 200, (address, response.text[-500:])
        for number in read(response.text).numbers:
            if number.column:
                assert_shown(number, cells, language)
                compared[number.column] = compared.get(number.column, 0) + 1
    assert set(compared) == {
        "value",
        "ci_low",
        "ci_high",
        "target",
        "attainment",
        "sample_size",
        "delta",
        "last_year_delta",
    }
    assert compared["value"] > 4_000 // every


def test_every_tile_of_a_page_is_in_the_scorecard(pages: TestClient, cells: Cells) -> None:
    """A page shows all its key figures, and each is the company's in the last complete month."""
    for page in PAGES.values():
        shown = {number.cell for number in read(pages.get(f"/en/{page.name}").text).numbers if number.column == "value"}
        month = "month 2025-12-01 company company"
        expected = {
            name
            for kpi_id, variant in page.measures
            if cells[name := f"{kpi_id} {variant} {month}"]["value"] is not None
        }
        assert expected <= shown, page.name
