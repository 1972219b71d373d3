"""Readers see one whole publication at a time, and are told what is missing."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from zoneinfo import ZoneInfo

import duckdb
import pytest
from starlette.testclient import TestClient

from pipelines.blocked_runs import BlockedRun, note_blocked_run
from pipelines.pages import notices
from pipelines.pages.app import PagesConfig, application
from pipelines.pages.roles import PAGES
from tests.conftest import Installation
from tests.integration.pages.reading import read


def client_of(published: Path) -> TestClient:
    return TestClient(application(PagesConfig(published, ZoneInfo("UTC"))), base_url="http://127.0.0.1")


@pytest.fixture
def published(untouched_demo: Installation, tmp_path: Path) -> Path:
    """A published folder with two publications, of which the second multiplies all revenue by 1,000."""
    folder = tmp_path / "published"
    for number, factor in (("1", 1), ("2", 1000)):
        version = folder / "publications" / number
        version.mkdir(parents=True)
        shutil.copy(untouched_demo.data_dir / "published" / "kpi.duckdb", version / "kpi.duckdb")
        with duckdb.connect(str(version / "kpi.duckdb")) as connection:
            connection.execute(f"update meta.publication set publication_id = 'publication {number}'")
            connection.execute(
                f"update marts.kpi_scorecard set value = value * {factor} where kpi_id = 'revenue' and variant = 'net'"
            )
    switch(folder, "1")
    return folder


def switch(folder: Path, number: str) -> None:
    """Publish a version in one step, as the pipeline does."""
    new = folder / ".new"
    new.symlink_to(Path("publications") / number / "kpi.duckdb")
    new.replace(folder / "kpi.duckdb")


def revenue_and_publication(html: str) -> tuple[str, str]:
    value = next(
        one.value for one in read(html).numbers if one.cell.startswith("revenue net") and one.column == "value"
    )
    return value, html.partition("<code>publication ")[2][:1]


@pytest.mark.nightly
def test_readers_see_only_whole_publications_while_others_replace_them(published: Path) -> None:
    client = client_of(published)
    first = revenue_and_publication(client.get("/en/leaders").text)
    switch(published, "2")
    second = revenue_and_publication(client.get("/en/leaders").text)
    assert (first[1], second[1]) == ("1", "2")
    assert float(second[0]) == pytest.approx(1000 * float(first[0]))
    seen: list[tuple[str, str]] = []

    def read_again_and_again() -> None:
        for _ in range(15):
            response = client.get("/en/kpi?kpi=revenue")
            assert response.status_code == 200
            seen.append(revenue_and_publication(response.text))

    readers = [Thread(target=read_again_and_again) for _ in range(4)]
    for reader in readers:
        reader.start()
    for number in range(30):  # the last ones are a rollback
        switch(published, "12"[number % 2])
    for reader in readers:
        reader.join()
    assert len(seen) == 60
    assert set(seen) <= {first, second}


def test_before_the_first_publication_a_page_says_how_to_make_one(tmp_path: Path) -> None:
    client = client_of(tmp_path)
    for language, words in (("en", "There is no publication to show"), ("pl", "Nie ma publikacji do pokazania")):
        response = client.get(f"/{language}/leaders")
        assert response.status_code == 503
        assert words in response.text
        assert "<code>kpi run</code>" in response.text
        assert str(tmp_path) not in response.text


def test_a_publication_of_an_earlier_version_says_to_publish_again(
    changed: tuple[TestClient, duckdb.DuckDBPyConnection],
) -> None:
    client, connection = changed
    connection.execute("alter table marts.kpi_variants drop column good_direction")
    connection.close()
    response = client.get("/en/leaders")
    assert response.status_code == 503
    assert "made by an earlier version of the pipeline. Publish again: kpi run." in response.text


@pytest.fixture
def changed(untouched_demo: Installation, tmp_path: Path) -> Iterator[tuple[TestClient, duckdb.DuckDBPyConnection]]:
    """The pages of a publication that a test changes before the first page is read."""
    folder = tmp_path / "published"
    folder.mkdir()
    shutil.copy(untouched_demo.data_dir / "published" / "kpi.duckdb", folder / "kpi.duckdb")
    with duckdb.connect(str(folder / "kpi.duckdb")) as connection:
        yield client_of(folder), connection


def test_an_old_publication_says_so_on_every_page(
    changed: tuple[TestClient, duckdb.DuckDBPyConnection], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, connection = changed
    connection.execute("update meta.publication set published_at = published_at - interval 5 day")
    connection.close()
    for page in [*PAGES, "kpi?kpi=nps", "explain?kpi=nps", "why?kpi=nps"]:
        assert "These numbers are old." in client.get(f"/en/{page}").text, page
    monkeypatch.setattr(notices, "_STALE_AFTER", timedelta(days=datetime.now(UTC).toordinal()))
    assert "These numbers are old." not in client.get("/en/leaders").text


def test_missing_deliveries_and_failed_checks_stand_on_every_page(
    changed: tuple[TestClient, duckdb.DuckDBPyConnection],
) -> None:
    client, connection = changed
    connection.execute(
        "insert into meta.deliveries_in_question by name select 'shop' as source, 'orders' as table_name, "
        "date '2026-01-05' as delivered_on, 'left_out' as state"
    )
    connection.execute(
        "update meta.check_results set passed = false, severity = 'critical' where rowid = "
        "(select min(rowid) from meta.check_results where run_id = (select any_value(run_id) from meta.publication))"
    )
    connection.execute("update meta.publication set data_through = data_through - 2 where source = 'crm'")
    connection.close()
    for page in PAGES:
        html = client.get(f"/en/{page}").text
        assert "Deliveries are missing from these numbers." in html
        assert "shop.orders (5 Jan)" in html
        assert "1 critical check failed." in html
        assert "crm to 7 Jan" in html
    assert "crm behind" in client.get("/en/leaders").text


def test_a_company_with_one_source_is_told_what_else_is_needed(
    changed: tuple[TestClient, duckdb.DuckDBPyConnection],
) -> None:
    """Without a value, a tile names what no source delivers; no page fails."""
    client, connection = changed
    connection.execute(
        """
        update marts.kpi_scorecard
        set value = null, numerator = null, denominator = null, ci_low = null, ci_high = null, delta = null,
            last_year_delta = null, status = 'no_source', missing_entities = 'opportunities'
        where kpi_id in ('win_rate', 'nps', 'cac', 'lead_conversion')
        """
    )
    connection.execute(
        "delete from marts.kpi_scorecard where kpi_id in ('win_rate', 'nps') and entity_type <> 'company'"
    )
    connection.close()
    for page in [*PAGES, "kpi?kpi=win_rate", "explain?kpi=win_rate"]:
        assert client.get(f"/en/{page}").status_code == 200, page
    assert "Needs opportunities, which no source delivers." in client.get("/en/managers").text
    response = client.get("/en/why?kpi=win_rate")
    assert response.status_code == 400
    assert "has no value" in response.text


def test_a_blocked_run_shows_on_every_page_until_a_newer_publication(
    changed: tuple[TestClient, duckdb.DuckDBPyConnection], tmp_path: Path
) -> None:
    client, connection = changed
    connection.close()
    note_blocked_run(tmp_path / "published", BlockedRun(datetime.now(UTC) + timedelta(minutes=1), 2))
    for page in [*PAGES, "kpi?kpi=nps"]:
        assert "It had 2 problems and published nothing" in client.get(f"/en/{page}").text, page
    note_blocked_run(tmp_path / "published", BlockedRun(datetime(2020, 1, 1, tzinfo=UTC), 2))
    assert "was blocked." not in client.get("/en/leaders").text
