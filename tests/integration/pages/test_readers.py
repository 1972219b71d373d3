"""With readers.yml, a reader sees the pages and entities that are theirs, and nothing else."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from starlette.testclient import TestClient

from pipelines.config_files import ConfigError
from pipelines.pages.app import PagesConfig, application
from pipelines.pages.readers import load_readers
from pipelines.pages.roles import PAGES
from tests.conftest import Installation
from tests.integration.pages.reading import read

FILE = """
identity_header: X-Forwarded-User
readers:
  anna@example.com: {}
  bo@example.com:
    pages: [managers, aes]
    only: {team: [delta]}
"""


@pytest.fixture
def client(untouched_demo: Installation, tmp_path: Path) -> TestClient:
    (tmp_path / "readers.yml").write_text(FILE)
    readers = load_readers(tmp_path / "readers.yml")
    config = PagesConfig(untouched_demo.data_dir / "published", ZoneInfo("UTC"), readers=readers)
    return TestClient(application(config), base_url="http://127.0.0.1")


def as_reader(name: str) -> dict[str, str]:
    return {"X-Forwarded-User": name}


def test_without_the_file_everybody_sees_all(tmp_path: Path) -> None:
    assert load_readers(tmp_path / "readers.yml") is None


@pytest.mark.parametrize("headers", [{}, as_reader("nobody@example.com"), {"X-User": "anna@example.com"}])
def test_others_see_nothing(client: TestClient, headers: dict[str, str]) -> None:
    for address in (*PAGES, "kpi?kpi=nps", "explain?kpi=nps", "why?kpi=nps", "kpi.csv?kpi=nps", "rows.csv?kpi=nps"):
        response = client.get(f"/en/{address}", headers=headers)
        assert response.status_code == 403
        assert read(response.text).numbers == []


def test_a_reader_without_limits_sees_all(client: TestClient) -> None:
    for page in PAGES:
        assert client.get(f"/en/{page}", headers=as_reader("anna@example.com")).status_code == 200


def test_a_reader_of_one_team_sees_only_its_numbers(client: TestClient) -> None:
    bo = as_reader("bo@example.com")
    for page in PAGES:
        response = client.get(f"/en/{page}", headers=bo)
        assert response.status_code == (200 if page in ("managers", "aes") else 403), page
        if response.status_code == 200:
            assert str(response.url).endswith(f"/en/{page}?team=delta")
            numbers = [number for number in read(response.text).numbers if number.cell]
            assert {number.cell.rpartition("month ")[2].split(" ", 1)[1] for number in numbers} == {"team delta"}
    kpi = client.get("/en/kpi?kpi=win_rate", headers=bo)
    assert {number.cell.split(" ", 4)[4] for number in read(kpi.text).numbers} == {"team delta"}
    assert client.get("/en/explain?kpi=win_rate&team=delta", headers=bo).status_code == 200
    assert client.get("/en/rows.csv?kpi=win_rate&team=delta", headers=bo).status_code == 200
    assert client.get("/en/target.csv?kpi=revenue&team=delta", headers=bo).status_code == 200
    rows = client.get("/en/managers/pipeline/rows?number=deals", headers=bo)
    assert str(rows.url).endswith("rows?number=deals&team=delta")
    assert client.get("/en/managers/pipeline/rows.csv?number=deals", headers=bo).text.count("open deal,") == int(
        read(rows.text).numbers[0].value
    )
    people = client.get("/en/managers/people.csv", headers=bo)
    assert str(people.url).endswith("/en/managers/people.csv?team=delta")
    assert [line.partition(",")[0] for line in people.text.splitlines()[1:]] == ["delta"]


@pytest.mark.parametrize(
    "address",
    [
        *(
            "managers?team=atlas",
            "managers?rep=R01",
            "explain?kpi=win_rate&team=atlas",
            "rows.csv?kpi=win_rate&team=atlas",
            "target.csv?kpi=revenue&team=atlas",
            "managers/targets/rows?number=coverage&team=atlas",
            "managers/people.csv?team=atlas",
            "managers/pipeline/rows?number=deals&team=atlas",
            "managers/activity/rows?number=leads/rep=R11&team=delta",
            "sdrs/first-touch/rows.csv?number=leads&team=delta",
            "customer-success/nps.csv?team=delta",
            "data/checks.xlsx",
        ),
        *(
            "why?kpi=win_rate&team=delta",
            "why.csv?kpi=win_rate&team=delta",
            "kpi.csv?kpi=win_rate&team=delta",
            "kpi.xlsx?kpi=win_rate&team=delta",
        ),
    ],
)
def test_what_is_not_theirs_is_refused(client: TestClient, address: str) -> None:
    assert client.get(f"/en/{address}", headers=as_reader("bo@example.com")).status_code == 403


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("readers: {}", "identity_header: missing"),
        ("identity_header: X-User\nreaders: {a: {only: {town: [x]}}}", "readers.yml:2: readers.a.only.town"),
        ("identity_header: X-User\nreaders: {a: {only: {team: []}}}", "readers.a.only.team"),
        ("identity_header: X-User\nreaders: {a: {page: [leaders]}}", "unknown key"),
    ],
)
def test_a_file_that_is_not_clear_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "readers.yml").write_text(text)
    with pytest.raises(ConfigError) as refused:
        load_readers(tmp_path / "readers.yml")
    assert problem in str(refused.value)
