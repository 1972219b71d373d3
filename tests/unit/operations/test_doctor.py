"""What `kpi doctor` finds in sound and in faulty installations."""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from filelock import FileLock

from pipelines.config_files import ConfigError
from pipelines.deliveries.store import DeliveryStore
from pipelines.leftovers import PLAN, temporary_file, temporary_folder
from pipelines.operations import doctor
from pipelines.operations.doctor import Diagnosis, Found, examine
from pipelines.runs.processes import Listener
from pipelines.settings import PROJECT_DIR, Settings, load_settings
from pipelines.warehouse import hold_writer_lock, release_writer_lock
from tests.conftest import Installation
from tests.unit.conftest import DATABASE_ENV

NOW = datetime(2026, 1, 9, 11, 0, tzinfo=UTC)
BUILT = Path("publications/20260109T104100Z-aaaa")


@pytest.fixture(autouse=True)
def _without_suites(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading all suites takes longer than everything else. The command reads them in a process of its own."""
    monkeypatch.setattr(doctor, "load_suites", lambda *_: {})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A new installation on ports that nobody listens on."""
    shipped = load_settings(PROJECT_DIR / "kpi.yml").with_data_dir(tmp_path / "data")
    return shipped.model_copy(
        update={"ui_url": "http://127.0.0.1:9", "data_docs_url": "http://127.0.0.1:9", "environment": "local"}
    )


@pytest.fixture
def used(settings: Settings) -> Settings:
    """An installation that has published."""
    folder = settings.data_dir / BUILT
    folder.mkdir(parents=True)
    with duckdb.connect(str(folder / "kpi.duckdb")) as connection:
        connection.execute("create schema marts; create table marts.dim_date (day date)")
    (folder / "manifest.json").write_text(
        f'{{"publication_id": "{folder.name}", "published_at": "2026-01-09 10:41:00", "as_of_date": "2026-01-08", '
        '"run_id": "aaaa"}'
    )
    settings.published_dir.symlink_to(BUILT)
    duckdb.connect(str(settings.warehouse_path)).close()
    return settings


def diagnosed(settings: Settings, now: datetime = NOW) -> Diagnosis:
    return examine(lambda: settings, now)


def wrong(settings: Settings, now: datetime = NOW) -> list[Found]:
    """Everything that is wrong."""
    return [found for found in diagnosed(settings, now).found if found.level != "ok"]


def the_only_wrong(settings: Settings, now: datetime = NOW) -> Found:
    [found] = wrong(settings, now)
    assert found.remedy
    return found


def test_nothing_is_wrong_with_a_new_installation_and_nothing_is_made(settings: Settings) -> None:
    assert wrong(settings) == []
    assert not settings.data_dir.exists()


def test_nothing_is_wrong_with_one_that_has_published(used: Settings) -> None:
    assert wrong(used) == []
    said = {found.topic: found.said for found in diagnosed(used).found}
    assert said["published"].endswith("published/kpi.duckdb can be read, as of 2026-01-08")
    assert said["clock"] == "it is 2026-01-09 12:00 CET in Europe/Warsaw, the business time zone"


def test_settings_that_do_not_load_are_a_failure_of_configuration() -> None:
    def load() -> Settings:
        raise ConfigError("kpi.yml:3: time_zone: no time zone is called 'Mars'.")

    diagnosis = examine(load, NOW)
    assert diagnosis.is_misconfigured
    assert diagnosis.found[-1].said == "kpi.yml:3: time_zone: no time zone is called 'Mars'."


@pytest.mark.parametrize(
    ("values", "topic"),
    [({"sources": ["shop", "shopp"]}, "sources"), ({"alerts": Path("/nowhere/alerts.yml")}, "alerts")],
    ids=["a source without a file", "alerts without a file"],
)
def test_what_the_settings_name_must_load(settings: Settings, values: dict[str, Any], topic: str) -> None:
    diagnosis = diagnosed(settings.model_copy(update=values))
    assert diagnosis.is_misconfigured
    assert [found.topic for found in diagnosis.found if found.level == "fail"] == [topic]


def test_events_must_be_valid(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "events.yml").write_text("events: [{date: 2025-11-28, text: Sale, kpis: [profit]}]", encoding="utf-8")
    diagnosis = diagnosed(settings.model_copy(update={"company_dir": tmp_path}))
    [wrong] = [found for found in diagnosis.found if found.level == "fail"]
    assert (diagnosis.is_misconfigured, wrong.topic) == (True, "events")
    assert f"{tmp_path / 'events.yml'}:1: events.0.kpis.0: 'profit' is not a KPI." in wrong.said


def test_a_channel_that_can_reach_nobody_is_named_by_its_variable(settings: Settings, tmp_path: Path) -> None:
    own = tmp_path / "alerts.yml"
    own.write_text(
        "channels: {slack: {kind: apprise, url_env: NEVER_SET_URL}}\nroutes: [{channels: [slack]}]\n", encoding="utf-8"
    )
    found = the_only_wrong(settings.model_copy(update={"alerts": own}))
    assert found.said == "channel slack cannot send from here: NEVER_SET_URL not set"


@pytest.mark.parametrize(("free", "level"), [(5_000_000_000, "ok"), (900_000_000, "warn"), (90_000_000, "fail")])
def test_a_disk_that_is_full_soon(settings: Settings, monkeypatch: pytest.MonkeyPatch, free: int, level: str) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: type(usage)(usage.total, usage.total - free, free))
    [disk] = [found for found in diagnosed(settings).found if found.topic == "disk"]
    assert disk.level == level


def test_a_file_where_a_folder_should_be(settings: Settings) -> None:
    settings.data_dir.mkdir()
    settings.raw_dir.write_text("")
    assert the_only_wrong(settings).said == f"{settings.raw_dir} is not a folder"


def test_a_folder_of_another_user(used: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    used.raw_dir.mkdir()
    theirs = {used.raw_dir, used.warehouse_path}
    monkeypatch.setattr(doctor.os, "access", lambda path, _: path not in theirs)
    assert the_only_wrong(used).said.splitlines() == [
        f"{used.raw_dir} is not writable",
        f"{used.warehouse_path} is not writable",
    ]


@contextmanager
def listening() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="only Linux says who listens")
def test_who_has_taken_a_port_is_named(settings: Settings) -> None:
    with listening() as port:
        found = the_only_wrong(settings.model_copy(update={"ui_url": f"http://127.0.0.1:{port}"}))
    assert found.said.startswith(f"port {port} is taken by process {os.getpid()} (")
    assert "kpi dev --port" in found.remedy


def test_a_port_that_our_own_pages_have_taken_is_well(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for command in (
        "python -m dagster_webserver -p 3000 ",
        "/opt/bin/dagster-webserver -p 3000 ",
        "python -m pipelines.x",
    ):
        monkeypatch.setattr(doctor, "listener", lambda _, command=command: Listener("process 1 (python)", command))
        assert wrong(settings) == []


def test_a_page_that_another_machine_serves_is_not_looked_for(settings: Settings) -> None:
    elsewhere = diagnosed(settings.model_copy(update={"ui_url": "https://dagster.example.org"}))
    assert "https://dagster.example.org is served by another machine" in [found.said for found in elsewhere.found]


def test_a_warehouse_that_is_being_written_is_well(used: Settings) -> None:
    used.warehouse_path.with_suffix(".writer").write_text(f"`kpi run`, process {os.getpid()}, since now")
    (used.data_dir / "publications" / ".candidate").mkdir()
    with FileLock(used.warehouse_path.with_suffix(".lock")):
        assert wrong(used) == []


def test_a_lock_that_outlived_its_process_is_named(used: Settings) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    used.warehouse_path.with_suffix(".writer").write_text(f"`kpi run`, process {gone.pid}, since 09:00 UTC")
    with FileLock(used.warehouse_path.with_suffix(".lock")):
        found = the_only_wrong(used)
    assert found.said.startswith(f"the warehouse is locked by `kpi run`, process {gone.pid}")


def with_database(settings: Settings) -> Settings:
    return settings.model_copy(update={"database_env": DATABASE_ENV})


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_database_and_who_writes_are_named(used: Settings, database: str) -> None:
    settings = with_database(used)
    said = {found.topic: found.said for found in diagnosed(settings).found}
    assert re.fullmatch(r"the database postgres at 127\.0\.0\.1:\d+, PostgreSQL \d+.*", said["database"])
    assert said["writer"] == "no process is writing the warehouse"
    hold_writer_lock(settings.warehouse_path, "`kpi run`", print, database)
    try:
        said = {found.topic: found.said for found in diagnosed(settings).found}
        assert wrong(settings) == []
    finally:
        release_writer_lock(settings.warehouse_path)
    who = f"the warehouse is being written by `kpi run`, process {os.getpid()} on {socket.gethostname()}, since "
    assert said["writer"].startswith(who)
    assert said["leftovers"] == "not checked while the warehouse is being written"


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_file_that_nobody_copied_into_the_database_is_named(used: Settings, database: str) -> None:
    settings = with_database(used)
    DeliveryStore(settings.data_dir / "elsewhere.sqlite", database).verdicts()
    assert wrong(settings) == []
    DeliveryStore(settings.deliveries_path).forget("shop", "orders", [], "raw")
    found = the_only_wrong(settings)
    assert (found.level, found.topic) == ("warn", "database")
    assert found.said.startswith(f"{settings.deliveries_path} is not used: kpi_deliveries in the database was empty")
    assert "drop schema kpi_deliveries cascade" in found.remedy


def test_a_database_that_cannot_be_reached_is_a_failure(used: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = with_database(used)
    monkeypatch.delenv(DATABASE_ENV, raising=False)
    found = {found.topic: found for found in wrong(settings)}
    assert found["database"].said.startswith(f"database_env: the environment variable {DATABASE_ENV} is not set")
    assert diagnosed(settings).is_misconfigured
    with listening() as port:
        pass
    monkeypatch.setenv(DATABASE_ENV, f"postgresql://kpi:secret@127.0.0.1:{port}/kpi")
    fresh = with_database(used)
    found = {found.topic: found for found in wrong(fresh)}
    assert found.keys() == {"database", "writer"}
    assert found["database"].level == "fail"
    assert found["database"].said.startswith(f"The database kpi at 127.0.0.1:{port} cannot be reached")
    assert "secret" not in str(found)


@pytest.mark.parametrize(
    ("left", "below"),
    [
        ("raw/shop/orders/.landing", "rows.parquet"),
        ("publications/.20260109T104100Z-bbbb", "kpi.duckdb"),
        ("publications/20260109T104100Z-cccc", ".candidate"),
        ("landing/erp/orders/.fetching-x", ""),
        (".dry-run-x", "raw"),
    ],
)
def test_what_a_killed_process_left_is_named(used: Settings, left: str, below: str) -> None:
    path = used.data_dir / left / below
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    found = the_only_wrong(used)
    assert (found.level, found.topic) == ("warn", "leftovers")
    assert str(used.data_dir / left) in found.said
    assert found.remedy.endswith("kpi doctor --repair")


def test_what_a_process_is_still_writing_is_no_leftover(used: Settings) -> None:
    scratch = used.raw_dir / "shop" / "orders" / ".landing"
    scratch.mkdir(parents=True, exist_ok=True)
    with (
        FileLock(scratch.with_name(".lock")),
        temporary_file(".fetching-", used.data_dir),
        temporary_folder(PLAN, used.data_dir),
    ):
        assert wrong(used) == []


def test_each_damaged_file_is_a_failure_with_the_command_that_repairs_it(used: Settings) -> None:
    (used.data_dir / BUILT / "kpi.duckdb").write_text("no database" * 999)
    used.alerts_path.write_text("no database, and longer than the header of one would have to be" * 9)
    found = {found.topic: found for found in wrong(used)}
    assert found.keys() == {"published", "records"}
    assert all(one.level == "fail" and "kpi doctor --repair" in one.remedy for one in found.values())
    assert found["records"].said.startswith(f"{used.alerts_path} cannot be read: file is not a database")


def test_a_clock_that_lies_before_what_was_published(used: Settings) -> None:
    assert the_only_wrong(used, NOW - timedelta(hours=3)).topic == "clock"


def test_a_package_that_was_never_meant(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "requires", lambda _: ["duckdb>=99", "nothing-like-it>=1; python_version < '3'"])
    found = the_only_wrong(settings)
    assert found.said.splitlines()[1] == f"duckdb>=99 is required, but {duckdb.__version__} is installed"


@pytest.mark.parametrize(
    ("kpi_yml", "code", "last_line"),
    [
        ("sources: [shop]\nfirst_delivery: 2026-01-01\ntime_zone: UTC\nreporting_currency: EUR\n", 0, "ok."),
        ("sources: []\n", 2, "1 failed"),
    ],
    ids=["sound", "misconfigured"],
)
def test_the_command_ends_with_what_it_found(tmp_path: Path, kpi_yml: str, code: int, last_line: str) -> None:
    (tmp_path / "kpi.yml").write_text(kpi_yml)
    finished = Installation(tmp_path / "data", tmp_path / "kpi.yml").kpi("doctor", check=False)
    assert finished.returncode == code
    assert last_line in finished.stdout.splitlines()[-1]
    assert finished.stderr == ""
