"""Copying publications to and from an object store with a fault at each request: readers find the old or the new one,
whole.

Each trial copies over a real S3 server behind a proxy (`object_store.py`). Then a reader on another host, whose
connection is good, copies what the store has; and the operation is repeated, as the next run or the next line of cron
does, on a day on which leftovers are old enough to be deleted.
"""

import hashlib
import json
import logging
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import pytest

from pipelines import object_store
from pipelines.object_store import KEPT_FOR, Manifest, ObjectStoreError
from pipelines.publish.copies import pull, push
from pipelines.publish.versions import point_to
from pipelines.settings import Settings
from pipelines.warehouse import NotPublishedError
from tests.faults.object_store import (
    FOLDER,
    KILLS,
    OF_THE_SERVER,
    PATIENCE,
    SLOW,
    STORE,
    NetworkFault,
    Proxy,
    Store,
    client_of,
    serving,
)
from tests.faults.trials import Outcome, Trial
from tests.forked import PROCESSES

OLD, NEW, NEWER = "20260101T090000Z-aaaa", "20260102T090000Z-bbbb", "20260103T090000Z-cccc"
EVERY = 6  # of the requests, one has a fault, where not all are tried
FILES = ("kpi.duckdb", "parquet/numbers/numbers.parquet", "parquet/same/same.parquet", "manifest.json")


@dataclass(frozen=True)
class Host:
    """A host with a data folder."""

    folder: Path

    @property
    def settings(self) -> Settings:
        return Settings(
            sources=["shop"], first_delivery="2026-01-01", time_zone="UTC", reporting_currency="EUR",
            data_dir=self.folder, object_store=STORE,
        )  # fmt: skip

    def publish(self, name: str) -> None:
        """Publish something small: of each file, the bytes say which publication it belongs to."""
        folder = self.folder / "publications" / name
        for path in FILES:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            content = "the same" if "same" in path else f"{path} of {name}" * 9
            (folder / path).write_text(manifest_of(name) if path == "manifest.json" else content)
        point_to(folder, self.folder / "published")

    def push(self, now: datetime | None = None, force: bool = False) -> str:
        return push(self.settings, now or datetime.now(UTC), force=force).outcome

    def push_when_all_is_old(self) -> str:
        """Push on a day on which what earlier attempts have left may be deleted."""
        return self.push(datetime.now(UTC) + 2 * KEPT_FOR)

    def pull(self) -> int:
        return pull(self.settings, print).files

    @property
    def reads(self) -> str | None:
        """The publication that readers find here; all its files are whole."""
        link = self.folder / "published"
        if not link.exists():
            return None
        name = link.resolve().name
        assert files_in(link) == known_files(name), f"{name} is not whole"
        return name

    def copy(self, folder: Path) -> "Host":
        shutil.copytree(self.folder, folder, symlinks=True)
        return Host(folder)


def manifest_of(name: str) -> str:
    return json.dumps(
        {"publication_id": name, "published_at": "2026-01-01 09:00:00", "as_of_date": "2025-12-31", "run_id": "r"}
    )


def files_in(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder.resolve()).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.resolve().rglob("*"))
        if path.is_file()
    }


KNOWN: dict[str, dict[str, str]] = {}


def known_files(name: str) -> dict[str, str]:
    return KNOWN[name]


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Store, Proxy]]:
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    with serving() as found, mock.patch.object(object_store, "_AT_ONCE", 1):  # so that requests have an order
        yield found


@pytest.fixture
def store(servers: tuple[Store, Proxy]) -> Store:
    servers[0].objects = {}
    return servers[0]


@pytest.fixture
def proxy(servers: tuple[Store, Proxy]) -> Proxy:
    servers[1].arm()
    return servers[1]


@pytest.fixture
def hosts(tmp_path: Path) -> Callable[[str], Host]:
    """A host that has published a publication, or nothing if its name is empty."""

    def make(name: str) -> Host:
        number = len(list(tmp_path.glob("host*")))
        host = Host(tmp_path / f"host{number}")
        host.folder.mkdir()
        if name:
            host.publish(name)
            KNOWN[name] = files_in(host.folder / "published")
        return host

    return make


@dataclass(frozen=True)
class Copying:
    """Pushing or pulling NEW.

    Attributes:
        host: on which it runs; each trial gets a copy.
        objects: what the store has before.
        before: what readers find before.
        look: what they find, after a fault of the operation on a host.
        again: what the next run or line of cron does.
    """

    name: str
    act: Callable[[Host], object]
    host: Host
    objects: dict[str, bytes]
    before: str | None
    look: Callable[[Host], str | None]
    again: Callable[[Host], object]


def what_others_read(host: Host) -> str | None:
    """What a host without anything finds in the store."""
    with TemporaryDirectory(dir=host.folder.parent) as folder:
        reader = Host(Path(folder))
        with suppress(NotPublishedError):
            reader.pull()
        return reader.reads


def what_is_read_here(host: Host) -> str | None:
    return host.reads


def pushing(store: Store, hosts: Callable[[str], Host], before: str) -> Copying:
    if before:
        hosts(before).push()
    name = "kpi push" if before else "kpi push, the first"
    host = hosts(NEW)
    return Copying(name, Host.push, host, store.objects, before or None, what_others_read, Host.push_when_all_is_old)


def pulling(store: Store, hosts: Callable[[str], Host], before: str) -> Copying:
    hosts(NEW).push()
    name = "kpi pull" if before else "kpi pull, the first"
    return Copying(name, Host.pull, hosts(before), store.objects, before or None, what_is_read_here, Host.pull)


COPYINGS = [(pushing, OLD), (pushing, ""), (pulling, OLD), (pulling, "")]


def try_all(
    copying: Copying, fault: NetworkFault, store: Store, proxy: Proxy, folder: Path, first: int = 1, every: int = 1
) -> list[Trial]:
    """Try the fault at each request of the operation, or at one of `every` so many."""
    trials: list[Trial] = []
    for at in range(first, 1000, every):
        store.objects = copying.objects
        host = copying.host.copy(folder / "here")
        said, wrong = "", []
        if fault in KILLS:
            wrong += _killed(copying, host, fault, at, proxy)
        else:
            proxy.arm(fault, at)
            with client_of(proxy.url, patience=PATIENCE if fault in SLOW else 30):
                try:
                    copying.act(host)
                except ObjectStoreError as error:
                    said = str(error)
                except Exception as error:
                    wrong = [f"no sentence for: {error!r}"]
        happened = proxy.happened
        proxy.arm()
        if happened:
            with client_of(store.url):
                trials.append(_judged(copying, fault, f"{at}: {happened}", said, wrong, host, store))
        shutil.rmtree(host.folder)
        if not happened:
            break
    return trials


def _killed(copying: Copying, host: Host, fault: NetworkFault, at: int, proxy: Proxy) -> list[str]:
    """Have the operation killed at a request, in a process of its own."""
    process = PROCESSES.Process(target=_act_alone, args=(copying.act, host, proxy.url))

    def victim() -> int:
        assert process.pid
        return process.pid

    proxy.arm(fault, at, victim=victim)
    process.start()
    process.join()
    return [] if process.exitcode == (-signal.SIGKILL if proxy.happened else 0) else [f"exit code {process.exitcode}"]


def _act_alone(act: Callable[[Host], object], host: Host, url: str) -> None:
    with client_of(url), mock.patch.object(object_store, "_AT_ONCE", 1):
        act(host)


def _judged(
    copying: Copying, fault: NetworkFault, at: str, said: str, wrong: list[str], host: Host, store: Store
) -> Trial:
    """What readers find after a fault, and after the operation was repeated."""
    found = copying.look(host)
    if found not in (copying.before, NEW):
        wrong.append(f"readers found {found}")
    copying.again(host)
    if (then := copying.look(host)) != NEW:
        wrong.append(f"after the next start, readers found {then}")
    if left := [*left_in(store), *left_on(host)]:
        wrong.append(f"left behind: {', '.join(sorted(left))}")
    outcome: Outcome = "all-new" if found == NEW else "all-old" if found == copying.before else "damaged"
    return Trial(copying.name, fault, at, outcome, said, tuple(wrong))


def left_in(store: Store) -> set[str]:
    """The objects that no manifest names, where all that are old were deleted."""
    manifest = store.objects[f"{FOLDER}/published.json"]
    named = {f"{FOLDER}/{file.object}" for file in Manifest.model_validate_json(manifest).files}
    return store.objects.keys() - named - {f"{FOLDER}/published.json"}


def left_on(host: Host) -> set[str]:
    """What killed or failed processes have left."""
    return {path.name for path in host.folder.rglob(".*")}


@pytest.fixture
def survives(
    store: Store, proxy: Proxy, hosts: Callable[[str], Host], tmp_path: Path, tried: Callable[[list[Trial]], None]
) -> Callable[..., list[Trial]]:
    """Assert that a copying, by its number, survives a fault at each of its requests, or at one of `every` so many."""

    def survive(number: int, fault: NetworkFault, first: int = 1, every: int = 1) -> list[Trial]:
        prepare, before = COPYINGS[number]
        store.objects = {}
        with client_of(store.url):
            copying = prepare(store, hosts, before)
        trials = try_all(copying, fault, store, proxy, tmp_path, first, every)
        tried(trials)
        return trials

    return survive


@pytest.mark.parametrize("number", range(len(COPYINGS)))
def test_some_requests_fail(number: int, survives: Callable[..., list[Trial]]) -> None:
    for place, fault in enumerate(OF_THE_SERVER):
        survives(number, fault, first=1 + place % EVERY, every=EVERY)


@pytest.mark.nightly
@pytest.mark.parametrize("fault", [*OF_THE_SERVER, *KILLS])
@pytest.mark.parametrize("number", range(len(COPYINGS)))
def test_any_request_fails(number: int, fault: NetworkFault, survives: Callable[..., list[Trial]]) -> None:
    survives(number, fault)


@pytest.mark.parametrize("number", [0, 2])
def test_killed_at_some_requests(number: int, survives: Callable[..., list[Trial]]) -> None:
    for first, fault in enumerate(KILLS, start=2):
        survives(number, fault, first, every=4)
