"""Two hosts that share an object store: one runs, the other reads, and takes over."""

import re
from pathlib import Path

import pytest

from tests.conftest import Installation
from tests.faults.object_store import STORE, Proxy, Store
from tests.integration.conftest import published_hashes
from tests.integration.postgres import Postgres


@pytest.fixture(scope="module")
def server(running_servers: tuple[Store, Proxy]) -> Store:
    store, _ = running_servers
    store.objects = {}
    return store


def with_store(data_dir: Path, server: Store) -> Installation:
    environment = {
        "KPI_OBJECT_STORE": STORE,
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    return Installation(data_dir, environment=environment)


@pytest.fixture(scope="module")
def writer(untouched_demo: Installation, server: Store) -> Installation:
    """The demo company's host, which has copied all that it has. Copying changes nothing on it."""
    installation = with_store(untouched_demo.data_dir, server)
    printed = installation.kpi("push").stdout
    assert "Other hosts get it by kpi pull." in printed
    return installation


def test_a_host_that_has_nothing_but_the_store_shows_the_same_numbers(
    writer: Installation, server: Store, tmp_path: Path
) -> None:
    reader = with_store(tmp_path, server)
    assert "Analysts now read" in reader.kpi("pull").stdout
    assert published_hashes(reader) == published_hashes(writer)
    for command in (("show", "revenue", "--by", "channel"), ("explain", "revenue", "--period", "2025-12")):
        assert reader.kpi(*command).stdout == writer.kpi(*command).stdout != ""
    page = tmp_path / "leaders.html"
    reader.kpi("report", "--role", "leaders", "--output", str(page))
    assert "<h1" in page.read_text(encoding="utf-8")
    assert "is here already." in reader.kpi("pull").stdout
    assert "the store has it already." in writer.kpi("push").stdout
    assert re.search(rf"object store: {STORE} has publication \w", reader.kpi("doctor", check=False).stdout)


def test_what_is_missing_is_said_with_its_exit_code(server: Store, tmp_path: Path) -> None:
    host = with_store(tmp_path, server)
    host.environment["KPI_OBJECT_STORE"] = "s3://company/elsewhere"
    for command, said in (("pull", "has no publication yet"), ("push", "Nothing has been published here yet")):
        finished = host.kpi(command, check=False)
        assert (finished.returncode, said in finished.stderr) == (1, True), finished.stderr
    del host.environment["KPI_OBJECT_STORE"]
    finished = host.kpi("pull", check=False)
    assert (finished.returncode, "The setting object_store is missing" in finished.stderr) == (2, True)


def test_hosts_that_share_a_database_pull_one_after_the_other(
    writer: Installation, server: Store, postgres: Postgres, tmp_path: Path
) -> None:
    """They have the lock of all hosts, which only those get that share the data folder."""
    postgres.execute("postgres", "create database pulling")
    shared = {"KPI_DATABASE_ENV": "KPI_DATABASE", "KPI_DATABASE": postgres.url("pulling")}
    one, other = with_store(tmp_path / "one", server), with_store(tmp_path / "other", server)
    for host in (one, other):
        host.environment.update(shared)
    assert "Analysts now read" in one.kpi("pull").stdout
    for arguments in (("pull",), ("pull", "--raw")):
        refused = other.kpi(*arguments, check=False)
        assert (refused.returncode, "is not the data folder whose records are in" in refused.stderr) == (1, True)
    assert not (other.data_dir / "published").exists()


@pytest.mark.nightly
def test_a_new_host_goes_on_with_the_same_numbers_and_copies_them(
    writer: Installation, server: Store, tmp_path: Path
) -> None:
    host = with_store(tmp_path, server)
    printed = host.kpi("pull", "--raw").stdout
    assert "Raw: " in printed
    raw = {
        file.relative_to(writer.data_dir): file.read_bytes() for file in writer.data_dir.glob("raw/*/*/*=*/*.parquet")
    }
    assert len(raw) > 100
    assert {name: (host.data_dir / name).read_bytes() for name in raw} == raw
    before = server.objects
    host.kpi("run")
    assert published_hashes(host) == published_hashes(writer)
    new = [name for name in server.objects if name not in before]
    assert sorted(name.rpartition("/")[2] for name in new) == ["kpi.duckdb", "manifest.json"]  # no Parquet copy is new
    assert {name: server.objects[name] for name in before if "/raw/" in name} == {
        name: content for name, content in before.items() if "/raw/" in name
    }
    reader = with_store(tmp_path / "reader", server)
    reader.kpi("pull")
    assert reader.kpi("versions").stdout.split()[0] == host.kpi("versions").stdout.split()[0]
