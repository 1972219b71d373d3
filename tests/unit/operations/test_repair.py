"""Each damaged state of an installation: what commands say, what `kpi doctor` names, and what its repair leaves."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
import typer
from filelock import FileLock
from rich.console import Console

from pipelines.alerts.store import Store
from pipelines.checks.history import CheckHistory
from pipelines.cli.common import FAILED, errors_in_words
from pipelines.cli.printing.versions import print_versions
from pipelines.damage import DamagedError, StoreError
from pipelines.deliveries.store import DeliveryStore, Verdict
from pipelines.leftovers import temporary_file
from pipelines.operations.repair import CannotRepairError, check_records, damages, ready_for_a_run, repair
from pipelines.publish.publication import Publication, publish
from pipelines.publish.versions import NoSuchVersionError, roll_back, unreadable_versions, versions
from pipelines.quarantine.rows import QuarantinedRows
from pipelines.settings import PROJECT_DIR, Settings, load_settings
from pipelines.sources import Source, load_sources
from pipelines.tables import raw_file
from pipelines.warehouse import published

TODAY, DAY = date(2026, 1, 9), date(2026, 1, 8)
OLD, NEW = "20260108T104100Z-aaaa", "20260109T104100Z-bbbb"
DELIVERED = "shop/orders/orders_2026-01-08.csv"
GARBAGE = b"no file of any kind that the pipeline reads, and longer than any header would be" * 99


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """An installation with every kind of file, which has published twice. Nobody changes it."""
    settings = load_settings(PROJECT_DIR / "kpi.yml").with_data_dir(tmp_path_factory.mktemp("intact") / "data")
    settings.data_dir.mkdir()
    with duckdb.connect(str(settings.warehouse_path)) as warehouse:
        warehouse.execute(
            f"""
            create schema marts; create schema staging; create schema intermediate;
            create table marts.numbers as select i as n, repeat('many letters ', 9) as text from range(9000) as r(i);
            create table staging.delivered_files as select
                'shop' as source, 'orders' as table_name, date '{DAY}' as delivered_on, '{DELIVERED}' as source_file;
            create table staging.delivered_row_counts as select 1 as raw_rows;
            create table staging.quarantined_rows as select 'x' as reason;
            create table intermediate.int_left_out_rows as select 'x' as reason;
            create table intermediate.int_left_out_days as select 'x' as reason
            """
        )
    publish_as(settings, OLD)
    publish_as(settings, NEW)
    raw = raw_file(settings.raw_dir, "shop", "orders", DAY)
    raw.parent.mkdir(parents=True)
    duckdb.execute(f"copy (select 1 as n) to '{raw}' (format parquet, kv_metadata {{made_from: '{{}}'}})")
    delivered = settings.landing_dir / DELIVERED
    delivered.parent.mkdir(parents=True)
    delivered.write_text("n\n1\n")
    CheckHistory(settings.check_history_path).results("run")
    DeliveryStore(settings.deliveries_path).record(
        [Verdict("shop", "orders", DAY, "raw", "landing", None, {}, "run", "2026-01-09")]
    )
    QuarantinedRows(settings.quarantine_dir / "rows.sqlite").rows()
    with Store(settings.alerts_path).transaction():
        pass
    for name, tables in {
        "history/runs.db": ("runs", "run_tags", "daemon_heartbeats"),
        "history/runs/index.db": ("event_logs",),
        "history/runs/aaaa.db": ("event_logs",),
        "schedules/schedules.db": ("instigators", "job_ticks"),
    }.items():
        path = settings.dagster_home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with sqlite3.connect(path) as connection:
            connection.executescript("".join(f"create table {table} (id integer);" for table in tables))
    assert list(damages(settings, sources())) == []
    return settings


@pytest.fixture
def settings(intact: Settings, tmp_path: Path) -> Settings:
    """A copy of it, to be damaged."""
    copied = intact.with_data_dir(tmp_path / "data")
    shutil.copytree(intact.data_dir, copied.data_dir, symlinks=True)
    return copied


def publish_as(settings: Settings, name: str) -> None:
    through = {"shop": DAY}
    publication = Publication(name, "run", datetime(2026, 1, 9, 10, 41), DAY, through, "1", "EUR")
    checks = pd.DataFrame({"run_id": ["r"], "passed": [True]})
    publish(publication, ["numbers"], checks, settings.warehouse_path, settings.published_dir)


def sources() -> list[Source]:
    return load_sources(["shop"], PROJECT_DIR / "company")


def found(settings: Settings) -> list[str]:
    return [damage.said for damage in damages(settings, sources())]


def repaired(settings: Settings) -> list[str]:
    said: list[str] = []
    repair(settings, sources(), TODAY, said.append)
    return said


def numbers(settings: Settings) -> Any:
    with published(settings.published_dir) as connection:
        return connection.execute("select count(*), sum(n) from marts.numbers").fetchall()


def publication(settings: Settings, name: str = NEW) -> Path:
    return settings.data_dir / "publications" / name


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def overwrite_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(bytes(4096))


def spoil_inside(path: Path) -> None:
    """Change a cell, which only reading finds."""
    content = path.read_bytes()
    assert b"many letters" in content
    path.write_bytes(content.replace(b"many letters", b"MANY letters"))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def garble(path: Path) -> None:
    path.write_bytes(GARBAGE)


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@dataclass(frozen=True)
class State:
    """How an installation is damaged, what is said about it, and what the repair says."""

    name: str
    damage: Callable[[Settings], Any]
    said: str
    done: str
    reads: str = NEW  # the publication that analysts read after the repair


def of_file(name: str, damage: Callable[[Path], Any], file: str, done: str, reads: str = NEW) -> State:
    return State(
        f"{file} {name}", lambda settings: damage(settings.data_dir / file), f"{file} cannot be read", done, reads
    )


def unlink(settings: Settings) -> None:
    settings.published_dir.unlink()


def lead_nowhere(settings: Settings) -> None:
    unlink(settings)
    settings.published_dir.symlink_to("publications/gone")


def copy_instead_of_link(settings: Settings) -> None:
    unlink(settings)
    shutil.copytree(publication(settings, OLD), settings.published_dir)


def leave_a_broken_journal(settings: Settings) -> None:
    with duckdb.connect(str(settings.warehouse_path)) as connection:
        connection.execute("pragma disable_checkpoint_on_shutdown; create table marts.more as select 1 as n")
    journal = settings.data_dir / "warehouse.duckdb.wal"
    content = journal.read_bytes()
    journal.write_bytes(content[:60] + b"nonsense" + content[68:])


def lose_column(settings: Settings) -> None:
    with sqlite3.connect(settings.deliveries_path) as connection:
        connection.execute("alter table verdicts drop column problems")


CURRENT, BEFORE = f"publications/{NEW}", f"publications/{OLD}"
RECORDS = {
    "check_history.sqlite": "checks everything again",
    "deliveries.sqlite": "accept again what it names: kpi accept",
    "alerts.sqlite": "opens an incident for each check that still fails",
    "quarantine/rows.sqlite": "finds the rows again",
    "dagster/history/runs.db": "restart them",
    "dagster/history/runs/index.db": "restart them",
    "dagster/history/runs/aaaa.db": "restart them",
    "dagster/schedules/schedules.db": "look at the switches",
}
STATES = [
    *(
        State(
            f"the published file {damage.__name__}",
            lambda settings, damage=damage: damage(publication(settings) / "kpi.duckdb"),
            "published/kpi.duckdb cannot be read",
            f"Analysts now read {OLD}",
            OLD,
        )
        for damage in (cut, overwrite_header, spoil_inside, empty, Path.unlink, make_folder)
    ),
    State(
        "a journal beside the published file",
        lambda settings: empty(publication(settings) / "kpi.duckdb.wal"),
        "kpi.duckdb.wal beside it prevents readers from opening it",
        f"Analysts now read {OLD}",
        OLD,
    ),
    of_file("cut", cut, f"{BEFORE}/kpi.duckdb", "The other publications stay"),
    *(
        of_file(damage.__name__, damage, f"{folder}/manifest.json", "again from what kpi.duckdb says")
        for folder in (CURRENT, BEFORE)
        for damage in (cut, empty, Path.unlink, make_folder)
    ),
    State("no link", unlink, "The link", f"Analysts now read {NEW}"),
    State("a link to nothing", lead_nowhere, "which does not exist", f"Analysts now read {NEW}"),
    State("a folder, no link", copy_instead_of_link, "is a folder, but should be a link", f"now read {OLD}", OLD),
    *(
        of_file(damage.__name__, damage, "warehouse.duckdb", "rebuilds it from raw: kpi run")
        for damage in (cut, overwrite_header, spoil_inside, garble, empty, make_folder)
    ),
    State(
        "a journal that cannot be replayed",
        leave_a_broken_journal,
        "warehouse.duckdb cannot be read",
        "rebuilds it from raw: kpi run",
    ),
    *(
        of_file(damage.__name__, damage, f"raw/shop/orders/delivered_on={DAY}/rows.parquet", f"kpi run --date {DAY}")
        for damage in (cut, empty, garble)
    ),
    *(
        of_file(damage.__name__, damage, file, done)
        for file, done in RECORDS.items()
        for damage in (cut, garble, make_folder)
    ),
    State("a record of another version", lose_column, "its table verdicts has no column problems", "kpi accept"),
]


def cases() -> list[Any]:
    """One state of each kind every day, and the other ways in which the same file can be damaged at night."""
    at_night = (" empty", " unlink", " make_folder", " overwrite_header", " garble")
    return [
        pytest.param(state, id=state.name, marks=[pytest.mark.nightly] if state.name.endswith(at_night) else [])
        for state in STATES
    ]


@pytest.mark.parametrize("state", cases())
def test_each_damage_is_named_once_and_repaired_without_deleting_anything(settings: Settings, state: State) -> None:
    before = numbers(settings)
    state.damage(settings)
    damaged = bytes_below(settings.data_dir)
    [said] = found(settings)
    assert state.said in said
    [done] = repaired(settings)
    assert state.done in done
    assert found(settings) == []
    assert repaired(settings) == []
    assert numbers(settings) == before
    assert settings.published_dir.resolve().name == state.reads
    assert damaged <= bytes_below(settings.data_dir)


def bytes_below(folder: Path) -> set[bytes]:
    """The contents of all files, wherever they are. SQLite's index of its log is made anew at each opening."""
    return {file.read_bytes() for file in folder.rglob("*") if file.is_file() and not file.name.endswith("-shm")}


def test_without_another_publication_analysts_wait_for_the_next_run(settings: Settings) -> None:
    shutil.rmtree(publication(settings, OLD))
    cut(publication(settings) / "kpi.duckdb")
    [said] = found(settings)
    assert "compares with nothing, so that what it restates cannot be determined" in said
    [done] = repaired(settings)
    assert "No other publication can be read, so analysts wait for the next run: kpi run." in done
    assert not settings.published_dir.is_symlink()
    publish_as(settings, "20260110T104100Z-cccc")
    assert numbers(settings) == [(9000, 40495500)]


def test_a_run_sets_a_damaged_publication_aside_by_itself_and_says_so(settings: Settings) -> None:
    before = numbers(settings)
    cut(publication(settings) / "kpi.duckdb")
    said: list[str] = []
    ready_for_a_run(settings, said.append)
    [line] = said
    assert f"The next run compares with {OLD}. Moved" in line
    publish_as(settings, "20260110T104100Z-cccc")
    assert numbers(settings) == before
    assert [version.publication_id[-4:] for version in versions(settings.published_dir)] == ["cccc", "aaaa"]


@pytest.mark.parametrize(
    "file", ["warehouse.duckdb", *list(RECORDS)[:6], f"raw/shop/orders/delivered_on={DAY}/rows.parquet"]
)
def test_a_run_does_not_begin_on_what_it_cannot_make_up_for(settings: Settings, file: str) -> None:
    cut(settings.data_dir / file)
    with pytest.raises(DamagedError) as refused:
        check_records(settings)
    assert str(settings.data_dir / file) in str(refused.value)
    assert "kpi doctor --repair" in str(refused.value)


def test_a_raw_file_whose_delivery_is_gone_is_left_where_it_is_and_the_file_needed_is_named(settings: Settings) -> None:
    raw = raw_file(settings.raw_dir, "shop", "orders", DAY)
    cut(raw)
    (settings.landing_dir / DELIVERED).unlink()
    assert repaired(settings) == []
    [damage] = damages(settings, sources())
    assert f"{DELIVERED}, of which it was made, is not in landing" in damage.said
    assert damage.remedy.startswith(f"Put {DELIVERED} there")
    assert raw.exists()


def test_copies_that_are_not_as_they_were_written_are_written_by_the_next_run(settings: Settings) -> None:
    cut(publication(settings) / "parquet" / "numbers" / "numbers.parquet")
    [said] = found(settings)
    assert "numbers.parquet is missing or not as it was written" in said
    assert repaired(settings) == []
    publish_as(settings, "20260110T104100Z-cccc")
    assert found(settings) == []


def test_nothing_is_repaired_while_a_run_writes(settings: Settings) -> None:
    cut(settings.deliveries_path)
    with FileLock(settings.warehouse_path.with_suffix(".lock")), pytest.raises(CannotRepairError, match="has finished"):
        repaired(settings)
    assert settings.deliveries_path.exists()


def test_a_manifest_written_again_says_what_it_said(settings: Settings) -> None:
    manifest = publication(settings) / "manifest.json"
    before = json.loads(manifest.read_text())
    cut(manifest)
    repaired(settings)
    after = json.loads(manifest.read_text())
    assert after["tables"] == before["tables"]
    assert {key: after[key] for key in after if key != "published_at"} == {
        key: before[key] for key in before if key not in ("published_at", "deliveries_in_question")
    }


def test_a_publication_whose_manifest_is_cut_can_be_listed_and_gone_back_to(settings: Settings) -> None:
    cut(publication(settings, OLD) / "manifest.json")
    assert [version.publication_id for version in versions(settings.published_dir)] == [NEW, OLD]
    assert roll_back(settings.published_dir).publication_id == OLD


def test_a_publication_that_cannot_be_read_at_all_is_left_out(settings: Settings) -> None:
    cut(publication(settings, OLD) / "manifest.json")
    cut(publication(settings, OLD) / "kpi.duckdb")
    assert [version.publication_id for version in versions(settings.published_dir)] == [NEW]
    assert [folder.name for folder in unreadable_versions(settings.published_dir)] == [OLD]
    with pytest.raises(NoSuchVersionError):
        roll_back(settings.published_dir)


def test_nobody_goes_back_to_a_damaged_file(settings: Settings) -> None:
    cut(publication(settings, OLD) / "kpi.duckdb")
    with pytest.raises(DamagedError, match=r"kpi\.duckdb cannot be read: .* choose another publication: kpi versions"):
        roll_back(settings.published_dir)
    assert settings.published_dir.resolve().name == NEW


def test_the_list_of_publications_names_what_cannot_be_read(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    cut(publication(settings, OLD) / "kpi.duckdb")
    print_versions(settings.published_dir, settings.zone, False, Console(soft_wrap=True))
    [new, old] = capsys.readouterr().out.splitlines()
    assert new.endswith("<- analysts read this one")
    assert old.startswith(OLD)
    assert old.endswith("its file cannot be read: kpi doctor --repair")
    overwrite_header(publication(settings, OLD) / "kpi.duckdb")
    cut(publication(settings, OLD) / "manifest.json")
    print_versions(settings.published_dir, settings.zone, False, Console(soft_wrap=True))
    assert f"{OLD}  cannot be read: kpi doctor --repair" in capsys.readouterr().out


def read_everything(settings: Settings) -> None:
    numbers(settings)
    DeliveryStore(settings.deliveries_path).verdicts()
    QuarantinedRows(settings.quarantine_dir / "rows.sqlite").rows()


@pytest.mark.parametrize("file", [f"publications/{NEW}/kpi.duckdb", "deliveries.sqlite", "quarantine/rows.sqlite"])
def test_a_command_that_needs_a_damaged_file_says_so_in_a_sentence(
    settings: Settings, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    garble(settings.data_dir / file)
    with pytest.raises(typer.Exit) as ended, errors_in_words():
        read_everything(settings)
    assert ended.value.exit_code == FAILED
    [line] = capsys.readouterr().err.splitlines()
    assert file in line
    assert line.endswith("kpi doctor --repair.")


def test_a_store_that_is_in_use_is_not_taken_for_damaged(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.damage._BUSY_SECONDS", 0)
    monkeypatch.setattr("pipelines.deliveries.store._BUSY_SECONDS", 0)
    with sqlite3.connect(settings.deliveries_path, isolation_level=None) as other:
        other.execute("pragma locking_mode = exclusive; ")
        other.execute("begin exclusive")
        with pytest.raises(StoreError, match=r"deliveries\.sqlite is in use by another process: try again when"):
            DeliveryStore(settings.deliveries_path).verdicts()
        assert repaired(settings) == []


def test_a_hot_journal_is_no_damage(settings: Settings) -> None:
    """A process that is killed leaves a log, which the next one that opens the file applies."""
    with sqlite3.connect(settings.deliveries_path, isolation_level=None) as writer:
        writer.execute("begin immediate")
        writer.execute("delete from verdicts")
        copied = settings.data_dir.with_name("killed")
        shutil.copytree(settings.data_dir, copied, symlinks=True)
        writer.execute("rollback")
    killed = settings.with_data_dir(copied)
    assert found(killed) == []
    assert len(DeliveryStore(killed.deliveries_path).verdicts()) == 1


def test_what_is_set_aside_twice_on_a_day_is_kept_twice(settings: Settings) -> None:
    for content in (b"first" * 999, b"second" * 999):
        settings.alerts_path.write_bytes(content)
        repaired(settings)
    aside = settings.data_dir / "damaged" / str(TODAY)
    assert {"alerts.sqlite", "alerts.sqlite-2"} <= {path.name for path in aside.iterdir()}


def test_what_killed_processes_left_is_deleted_and_what_others_write_stays(settings: Settings) -> None:
    candidate = publication(settings, "20260109T114100Z-cccc")
    shutil.copytree(publication(settings), candidate)
    (candidate / ".candidate").touch()
    left = [
        candidate,
        publication(settings, ".20260109T124100Z-dddd"),
        settings.raw_dir / "shop" / "orders" / ".landing",
        settings.data_dir / ".plan-x",
        settings.landing_dir / "shop" / ".fetching-x",
    ]
    for path in left[1:]:
        path.mkdir()
    assert found(settings) == []  # nothing of it is damaged
    with temporary_file(".fetching-", settings.landing_dir) as fetched:
        said = repaired(settings)
        assert fetched.exists()
    assert [path for path in left if path.exists()] == []
    assert sorted(said) == sorted(f"Deleted {path}, which a killed process had left." for path in left)
    assert [version.publication_id for version in versions(settings.published_dir)] == [NEW, OLD]


def test_a_candidate_is_no_publication_even_if_the_link_is_missing(settings: Settings) -> None:
    candidate = publication(settings, "20260109T114100Z-cccc")
    shutil.copytree(publication(settings), candidate)
    (candidate / ".candidate").touch()
    settings.published_dir.unlink()
    assert repaired(settings)[0] == (f"Analysts now read {NEW}. If it is not the one they should read: kpi rollback.")
    assert settings.published_dir.resolve() == publication(settings)
    with pytest.raises(NoSuchVersionError):
        roll_back(settings.published_dir, "20260109T114100Z")
