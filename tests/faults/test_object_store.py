"""Hosts that share an object store: what they copy, what stays, and what is said about mistakes.

`test_copies.py` has faults at each request.
"""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

import duckdb
import pytest
from pydantic import ValidationError

from pipelines import object_store
from pipelines.config_files import ConfigError
from pipelines.damage import DamagedError, ObjectStoreError
from pipelines.object_store import KEPT_FOR, ObjectStore
from pipelines.publish import copies
from pipelines.publish.copies import NAME, push
from pipelines.settings import PROJECT_DIR, Settings
from pipelines.warehouse import NotPublishedError
from tests.faults.hosts import FIRST, NEW, NEWER, OLD, SECOND, Host, raw_elsewhere, read_elsewhere, unnamed
from tests.faults.object_store import FOLDER, NetworkFault, Proxy, Store, client_of

MANIFEST = f"{FOLDER}/published.json"


@pytest.fixture
def store(servers: tuple[Store, Proxy]) -> Iterator[Store]:
    with client_of(servers[0].url):
        yield servers[0]


@pytest.fixture
def host(tmp_path: Path) -> Callable[[], Host]:
    """A new host."""

    def make() -> Host:
        folder = tmp_path / f"host{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        return Host(folder)

    return make


def test_the_query_for_analysts_finds_the_scorecard(store: Store, host: Callable[[], Host], tmp_path: Path) -> None:
    writer = host().publish(OLD)
    scorecard = writer.published / "parquet" / "kpi_scorecard" / "kpi_scorecard.parquet"
    scorecard.parent.mkdir()
    duckdb.sql("select 7 as value").write_parquet(str(scorecard))
    writer.push()
    for name, content in store.objects.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    page = (PROJECT_DIR / "docs" / "analysts.md").read_text(encoding="utf-8")
    [query] = re.findall(r"^```sql\n(set variable .*?)^```", page, re.DOTALL | re.MULTILINE)
    with duckdb.connect() as connection:
        found = connection.execute(query.replace("s3://company/kpis", str(tmp_path / FOLDER)))
        assert found.fetchall() == [(7,)]


def test_only_what_has_changed_is_copied(store: Store, host: Callable[[], Host]) -> None:
    writer, reader = host(), host()
    assert writer.publish(OLD).push().files == 4
    assert (reader.pull().files, reader.reads) == (4, OLD)
    assert writer.publish(NEW).push().files == 3
    assert (reader.pull().files, reader.reads) == (3, NEW)


def test_copying_again_is_nothing(store: Store, host: Callable[[], Host]) -> None:
    writer, reader = host(), host()
    writer.publish(OLD).push()
    reader.pull()
    before = store.objects
    assert (writer.push().outcome, store.objects) == ("unchanged", before)
    again = reader.pull()
    assert (again.files, again.is_new_here) == (0, False)


def test_who_has_a_file_open_keeps_it(store: Store, host: Callable[[], Host]) -> None:
    writer, reader = host(), host()
    writer.publish(OLD).push()
    reader.pull()
    with (reader.published / "kpi.duckdb").open() as opened:
        writer.publish(NEW).push()
        reader.pull()
        assert OLD in opened.read()
    assert reader.reads == NEW


def test_the_store_never_goes_back(store: Store, host: Callable[[], Host]) -> None:
    ahead, behind = host().publish(NEW), host().publish(OLD)
    ahead.push()
    pushed = behind.push()
    assert (pushed.outcome, pushed.publication_id, pushed.files) == ("newer there", NEW, 0)
    assert read_elsewhere(ahead) == NEW


def test_a_rollback_reaches_other_hosts_when_that_is_wanted(store: Store, host: Callable[[], Host]) -> None:
    writer, reader = host(), host()
    writer.publish(OLD).push()
    writer.publish(NEW).push()
    reader.pull()
    writer.publish(OLD)
    assert writer.push().outcome == "newer there"
    assert writer.push(force=True).outcome == "copied"
    reader.pull()
    assert reader.reads == OLD
    assert host().publish(NEW).push().outcome == "newer there"  # what was rolled back does not come back by itself
    assert writer.publish(NEWER).push().outcome == "copied"


def test_what_was_never_copied_is_not_replaced_by_something_older(store: Store, host: Callable[[], Host]) -> None:
    writer = host()
    writer.publish(OLD).push()
    writer.publish(NEW)
    with pytest.raises(ObjectStoreError, match=r"is newer than .*, and was never copied there. Copy it: kpi push"):
        writer.pull()
    assert writer.reads == NEW


def test_a_pull_that_waits_for_a_run_brings_what_the_run_has_copied(store: Store, host: Callable[[], Host]) -> None:
    writer = host()
    writer.publish(OLD).push()

    def wait(*_: object) -> None:
        writer.publish(NEW).push()

    with mock.patch.object(copies, "hold_writer_lock", wait):
        assert writer.pull().publication_id == NEW
    assert writer.reads == NEW


def test_a_publication_that_is_damaged_here_is_not_copied_again(store: Store, host: Callable[[], Host]) -> None:
    writer = host()
    writer.publish(OLD).push()
    (writer.published / "kpi.duckdb").write_text("kpi")
    with pytest.raises(DamagedError, match=r"kpi\.duckdb is not what it was when it was copied"):
        writer.push(force=True)
    assert read_elsewhere(writer) == OLD


def test_a_damaged_file_is_replaced_by_the_stores(store: Store, host: Callable[[], Host]) -> None:
    writer, reader = host(), host()
    writer.publish(OLD).push()
    reader.pull()
    (reader.published / "kpi.duckdb").write_text("kpi")
    (reader.published / "manifest.json").unlink()
    assert (reader.pull().files, reader.reads, reader.left) == (2, OLD, set())


def test_a_file_that_is_damaged_in_the_store_is_not_read_and_force_uploads_it_again(
    store: Store, host: Callable[[], Host]
) -> None:
    writer, reader = host(), host()
    writer.publish(OLD).push()
    [name] = [name for name in store.objects if name.endswith("kpi.duckdb")]
    store.objects = {**store.objects, name: store.objects[name].swapcase()}
    with pytest.raises(ObjectStoreError, match=r"kpi\.duckdb is not what published\.json says"):
        reader.pull()
    assert (reader.reads, reader.left) == (None, set())
    writer.push(force=True)
    reader.pull()
    assert reader.reads == OLD


def test_an_object_that_the_store_has_lost_is_uploaded_again(store: Store, host: Callable[[], Host]) -> None:
    writer, reader = host(), host()
    writer.publish(OLD).push()
    store.objects = {name: content for name, content in store.objects.items() if not name.endswith("same.parquet")}
    with pytest.raises(ObjectStoreError, match=r"published cannot be read: FileNotFoundError \(NoSuchKey\)"):
        reader.pull()
    assert (writer.push().outcome, writer.push().outcome) == ("copied", "unchanged")
    reader.pull()
    assert reader.reads == OLD


def test_publications_beyond_the_newest_five_are_deleted_a_day_later(store: Store, host: Callable[[], Host]) -> None:
    def kept() -> int:
        return sum(name.endswith("kpi.duckdb") for name in store.objects)

    writer, now = host(), datetime.now(UTC)
    for day in range(1, 7):
        push(writer.publish(f"2026010{day}T090000Z-aaaa").settings, now)
    assert kept() == 6  # a reader may just be copying the first
    push(writer.settings, now + KEPT_FOR / 2)
    assert kept() == 6
    push(writer.publish("20260107T090000Z-aaaa").settings, now + 2 * KEPT_FOR)
    assert kept() == 6  # the first is gone, and the second has just been dropped
    push(writer.publish("20260108T090000Z-aaaa").settings, now + 4 * KEPT_FOR)
    assert unnamed(store.objects) == set()
    assert kept() == 6
    assert read_elsewhere(writer) == "20260108T090000Z-aaaa"


def test_what_others_keep_in_the_folder_stays(store: Store, host: Callable[[], Host]) -> None:
    others = {f"{FOLDER}/published/notes.txt": b"mine", f"{FOLDER}/raw/shop/orders.csv": b"mine", "elsewhere": b"mine"}
    store.objects = others
    writer = host().publish(OLD).land({FIRST: "one"})
    for act in (writer.push_when_all_is_old, writer.push_raw_when_all_is_old) * 2:
        act()
    assert others.items() <= store.objects.items()


def test_a_file_that_is_no_manifest_is_not_replaced(store: Store, host: Callable[[], Host]) -> None:
    store.objects = {MANIFEST: b'{"numbers": [1]}'}
    for act in (host().publish(OLD).push, host().pull):
        with pytest.raises(ObjectStoreError, match=r"published\.json is no manifest of this version"):
            act()
    assert store.objects == {MANIFEST: b'{"numbers": [1]}'}


@pytest.mark.parametrize("path", ["../outside", "/etc/outside", "a/../../outside", "..\\outside"])
def test_a_manifest_whose_files_lead_out_of_their_folder_is_refused(
    path: str, store: Store, host: Callable[[], Host], tmp_path: Path
) -> None:
    host().publish(OLD).push()
    manifest = json.loads(store.objects[MANIFEST])
    files = manifest["sets"][0]["files"]
    files[path] = files.pop("kpi.duckdb")
    store.objects = {**store.objects, MANIFEST: json.dumps(manifest).encode()}
    with pytest.raises(ObjectStoreError, match=r"leads out of its folder"):
        host().pull()
    assert list(tmp_path.rglob("*outside")) == []


@pytest.mark.parametrize("name", ["../outside", ".hidden", "a/b", ""])
def test_a_publication_whose_name_is_no_folder_is_refused(name: str, store: Store, host: Callable[[], Host]) -> None:
    host().publish(OLD).push()
    manifest = json.loads(store.objects[MANIFEST])
    manifest["sets"][0]["id"] = name
    store.objects = {**store.objects, MANIFEST: json.dumps(manifest).encode()}
    with pytest.raises(ObjectStoreError, match=r"published\.json is no manifest"):
        host().pull()


def test_an_upload_that_takes_so_long_that_its_files_may_be_deleted_changes_nothing(
    store: Store, host: Callable[[], Host]
) -> None:
    writer = host()
    writer.publish(OLD).push()
    with (
        mock.patch.object(object_store, "KEPT_FOR", KEPT_FOR * 0),
        pytest.raises(ObjectStoreError, match="longer than half a day, so the store keeps what it had"),
    ):
        writer.publish(NEW).push()
    assert read_elsewhere(writer) == OLD


def test_a_file_that_changes_while_it_is_copied_changes_nothing(store: Store, host: Callable[[], Host]) -> None:
    writer = host()
    writer.publish(OLD).push()
    writer.publish(NEW)
    copying = ObjectStore._upload

    def change_first(*arguments: object) -> None:
        (writer.published / "kpi.duckdb").write_text("another")
        copying(*arguments)  # type: ignore[arg-type]

    with (
        mock.patch.object(ObjectStore, "_upload", change_first),
        pytest.raises(ObjectStoreError, match=r"kpi\.duckdb changed while it was copied. Copy again: kpi push"),
    ):
        writer.push()
    assert read_elsewhere(writer) == OLD


def test_a_store_that_ignores_conditions_is_refused(servers: tuple[Store, Proxy], host: Callable[[], Host]) -> None:
    store, proxy = servers
    proxy.arm(without_conditions=True)
    with (
        client_of(proxy.url),
        pytest.raises(ObjectStoreError, match=r"writes in spite of a condition \(mode\), so two hosts"),
    ):
        host().publish(OLD).push()
    assert MANIFEST not in store.objects


@pytest.mark.parametrize(
    "fault", [NetworkFault.BUSY, NetworkFault.ERROR, NetworkFault.CUT, NetworkFault.CUT_DONE, NetworkFault.ERROR_DONE]
)
def test_the_driver_repeats_what_fails_once_and_the_manifest_that_it_wrote_before_is_recognised(
    fault: NetworkFault, servers: tuple[Store, Proxy], host: Callable[[], Host]
) -> None:
    store, proxy = servers
    writer = host().publish(OLD)
    with client_of(store.url):
        writer.push()
    writer.publish(NEW)
    with client_of(proxy.url, retries=True):
        proxy.arm(fault, 7)
        assert writer.push().outcome == "copied"
    assert proxy.happened == f"PUT {MANIFEST}"
    with client_of(store.url):
        assert read_elsewhere(writer) == NEW


def test_nothing_in_the_store_is_said(store: Store, host: Callable[[], Host]) -> None:
    with pytest.raises(NotPublishedError, match=r"s3://company/kpis has no publication yet"):
        host().pull()
    with pytest.raises(NotPublishedError, match="Nothing has been published here yet"):
        host().push()
    assert host().pull_raw().in_all == 0


def test_a_bucket_that_does_not_exist_is_said(store: Store, tmp_path: Path) -> None:
    host = Host(tmp_path).publish(OLD)
    elsewhere = host.settings.model_copy(update={"object_store": "s3://nobodys/kpis"})
    with pytest.raises(ObjectStoreError, match=r"^s3://nobodys/kpis: published cannot be (read|written): FileNotFound"):
        push(elsewhere, datetime.now(UTC))


def test_no_store_and_no_driver_are_said(host: Callable[[], Host]) -> None:
    settings = host().settings
    with pytest.raises(ConfigError, match="The setting object_store is missing"):
        ObjectStore.of(settings.model_copy(update={"object_store": None}), NAME)
    with (
        mock.patch.object(object_store, "find_spec", return_value=None),
        pytest.raises(ConfigError, match=r"Install it: pip install '\.\[s3\]'"),
    ):
        ObjectStore.of(settings, NAME)


@pytest.mark.parametrize(
    "address", ["company/kpis", "https://company/kpis", "gs://company/kpis", "s3://key:secret@company/kpis", "s3://"]
)
def test_an_address_that_is_none_or_has_a_password_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(ValidationError, match=r"not an address like s3://bucket/folder") as caught:
        Settings(
            sources=["shop"], first_delivery=FIRST, time_zone="UTC", reporting_currency="EUR", object_store=address
        )
    assert "secret" not in caught.value.errors()[0]["msg"]  # all that `load_settings` repeats


def test_raw_is_collected_and_what_landed_later_counts(store: Store, host: Callable[[], Host]) -> None:
    one, two = host(), host()
    one.land({FIRST: "sent first"}, hour=9).push_raw()
    two.land({FIRST: "sent again", SECOND: "two"}, hour=10).push_raw()
    assert one.push_raw().files == 0  # what it has landed earlier
    assert raw_elsewhere(one) == {FIRST: "sent again", SECOND: "two"}
    assert (one.pull_raw().files, one.raw) == (2, {FIRST: "sent again", SECOND: "two"})
    assert (one.pull_raw().files, one.push_raw().files, two.push_raw().files) == (0, 0, 0)


def test_raw_that_landed_later_here_is_not_replaced_by_the_stores(store: Store, host: Callable[[], Host]) -> None:
    one, two = host(), host()
    one.land({FIRST: "sent first"}, hour=9).push_raw()
    two.land({FIRST: "sent again"}, hour=10)
    assert (two.pull_raw().files, two.raw) == (0, {FIRST: "sent again"})


def test_raw_of_another_host_stays_unless_it_is_to_be_forgotten(store: Store, host: Callable[[], Host]) -> None:
    one, two = host(), host()
    one.land({FIRST: "one", SECOND: "two"}).push_raw()
    two.land({FIRST: "one"}).push_raw()
    assert raw_elsewhere(one) == {FIRST: "one", SECOND: "two"}
    assert two.push_raw(forget=True).in_all == 1
    assert raw_elsewhere(one) == {FIRST: "one"}


def test_raw_whose_time_and_size_are_known_is_not_read_again(store: Store, host: Callable[[], Host]) -> None:
    one, two = host(), host()
    one.land({FIRST: "one"}).push_raw()
    two.pull_raw()
    with mock.patch.object(object_store, "sha256_of", side_effect=AssertionError("it was read")):
        assert [copied.files for copied in (one.push_raw(), two.push_raw(), two.pull_raw())] == [0, 0, 0]


def test_raw_that_the_store_has_lost_is_uploaded_again(store: Store, host: Callable[[], Host]) -> None:
    one = host()
    one.land({FIRST: "one", SECOND: "two"}).push_raw()
    store.objects = {f"{FOLDER}/raw.json": store.objects[f"{FOLDER}/raw.json"]}
    assert one.push_raw().files == 2
    assert raw_elsewhere(one) == {FIRST: "one", SECOND: "two"}
