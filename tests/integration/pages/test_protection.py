"""Pages are inert whatever the data say, and closed to other sites."""

import shutil
import zipfile
from io import BytesIO
from zoneinfo import ZoneInfo

import duckdb
import openpyxl
import pytest
from starlette.testclient import TestClient

from pipelines.pages.app import PagesConfig, application
from pipelines.pages.roles import PAGES
from tests.conftest import Installation

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\N{RIGHT-TO-LEFT OVERRIDE}=cmd|' /C calc'!A0"


@pytest.fixture(scope="module")
def hostile(untouched_demo: Installation, tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    """The pages of a company whose team, channel and segment have hostile names."""
    folder = tmp_path_factory.mktemp("hostile")
    shutil.copy(untouched_demo.data_dir / "published" / "kpi.duckdb", folder / "kpi.duckdb")
    with duckdb.connect(str(folder / "kpi.duckdb")) as connection:
        for table, names in (
            ("kpi_scorecard", "entity_id = $name, entity_name = $name"),
            ("kpi_scorecard__to_date", "entity_id = $name"),
        ):
            connection.execute(
                f"update marts.{table} set {names} where (entity_type, entity_id) in "
                "(('team', 'atlas'), ('segment', 'smb'), ('channel', 'web'))",
                {"name": HOSTILE},
            )
    return TestClient(application(PagesConfig(folder, ZoneInfo("UTC"))), base_url="http://127.0.0.1")


@pytest.mark.parametrize("page", [*PAGES, "kpi?kpi=win_rate", "kpi?kpi=revenue", "why?kpi=revenue", "why?kpi=win_rate"])
def test_hostile_names_are_text(hostile: TestClient, page: str) -> None:
    html = hostile.get(f"/en/{page}").text
    assert "<script" not in html
    assert "<img" not in html
    assert "onerror=alert(2)>" not in html


def test_a_hostile_name_can_be_asked_for(hostile: TestClient) -> None:
    response = hostile.get("/en/leaders", params={"team": HOSTILE})
    assert response.status_code == 200
    assert "&lt;script&gt;" in response.text
    assert "<script" not in response.text


def test_hostile_names_are_no_formulas_in_files(hostile: TestClient) -> None:
    csv = hostile.get("/en/kpi.csv", params={"kpi": "revenue", "segment": HOSTILE})
    assert csv.headers["content-type"].startswith("text/csv")
    book = hostile.get("/en/kpi.xlsx", params={"kpi": "revenue", "segment": HOSTILE})
    sheet = openpyxl.load_workbook(BytesIO(book.content)).active
    assert sheet is not None
    cells = [cell for row in sheet.iter_rows() for cell in row]
    assert {cell.data_type for cell in cells} <= {"s", "n", "d", "b"}
    assert any(isinstance(cell.value, float) for cell in cells)
    assert zipfile.is_zipfile(BytesIO(book.content))


def test_every_response_forbids_scripts_and_frames(hostile: TestClient) -> None:
    for address in ("/en/leaders", "/en/nothing", "/static/style.css", "/", "/en/kpi?kpi=nothing"):
        headers = hostile.get(address, follow_redirects=False).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "127.0.0.1.evil.example"},
        {"host": "localhost.evil.example:3003"},
        {"origin": "http://evil.example"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"},
    ],
)
def test_other_sites_read_nothing(hostile: TestClient, headers: dict[str, str]) -> None:
    for address in ("/en/leaders", "/en/kpi.csv?kpi=revenue", "/static/style.css"):
        response = hostile.get(address, headers=headers)
        assert response.status_code == 403
        assert "revenue" not in response.text.lower()


def test_a_password_is_asked_for_if_there_is_one(untouched_demo: Installation) -> None:
    config = PagesConfig(untouched_demo.data_dir / "published", ZoneInfo("UTC"), password="s3cret")
    client = TestClient(application(config), base_url="http://127.0.0.1")
    assert client.get("/en/leaders").status_code == 401
    assert client.get("/en/leaders", auth=("anybody", "s3cret")).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_changed(hostile: TestClient, method: str) -> None:
    assert hostile.request(method, "/en/leaders").status_code == 405


@pytest.mark.parametrize(
    "address",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/en/%00",
        "/en/leaders/../../etc/passwd",
        "/%ff",
    ],
)
def test_odd_paths_are_not_found(hostile: TestClient, address: str) -> None:
    assert hostile.get(address).status_code == 404


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("grain=day", "grain 'day' is not published"),
        ("period=2031-01", "There is no month '2031-01'"),
        ("compare=never", "compare 'never' is not published"),
        ("team=nobody", "team 'nobody' is not published"),
        ("team=delta&channel=email", "two were chosen"),
        ("team=';drop table x;--", "is not published"),
    ],
)
def test_what_cannot_be_shown_is_said(hostile: TestClient, query: str, words: str) -> None:
    response = hostile.get(f"/en/leaders?{query}")
    assert response.status_code == 400
    assert words in response.text.replace("&#39;", "'")


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("grain=quarter&period=2025-11", "?grain=quarter&period=2025-Q4"),
        ("period=2025-Q3&team=delta", "?period=2025-09&team=delta"),
        ("grain=week&period=2025-11", "?grain=week&period=2025-W48"),
        ("grain=year&period=2025-W48", "?grain=year&period=2025"),
    ],
)
def test_who_changes_the_grain_stays_where_they_were(hostile: TestClient, query: str, shown: str) -> None:
    """The form sends the chosen period with the new grain: the last one that begins in it is shown, and named."""
    response = hostile.get(f"/en/leaders?{query}")
    assert response.status_code == 200
    assert str(response.url).endswith(f"/en/leaders{shown}")


def test_errors_are_in_the_language_of_the_page_or_say_that_they_are_not(hostile: TestClient) -> None:
    two = hostile.get("/pl/leaders?team=delta&channel=email").text
    assert '<p class="message">Wskaźniki są publikowane według jednego przekroju naraz' in two
    assert '<a href="/pl/leaders">Dyrektorzy sprzedaży, bez filtrów</a>' in two
    assert '<p class="message">Nie ma okresu' in hostile.get("/pl/leaders?period=2031-01").text
    assert '<p class="message" lang="en">' in hostile.get("/pl/leaders?team=nobody").text


@pytest.mark.parametrize("passed_on", ["/sales", ""], ids=["the proxy passes the path on", "it strips the path"])
def test_pages_under_a_path_of_a_proxy_link_to_that_path(untouched_demo: Installation, passed_on: str) -> None:
    config = PagesConfig(untouched_demo.data_dir / "published", ZoneInfo("UTC"), url="https://kpi.example.com/sales")
    client = TestClient(application(config), base_url="https://kpi.example.com")
    first = client.get(f"{passed_on}/", follow_redirects=False)
    assert first.headers["location"] == "/sales/en/leaders"
    html = client.get(f"{passed_on}/en/leaders").text
    links = [part.partition('"')[0] for part in html.split('href="')[1:]]
    assert [link for link in links if not link.startswith(("/sales/", "#"))] == []
    assert client.get(f"{passed_on}/static/style.css").status_code == 200
