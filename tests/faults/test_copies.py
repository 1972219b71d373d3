"""Copying publications and raw to an object store and back with a fault at each request: readers find the old or the
new, whole.

Each trial asks a real S3 server behind a proxy (`object_store.py`). Then a reader on another host, whose connection is
good, copies what the store has; and the operation is repeated, as the next run or the next line of cron does, on a day
on which leftovers are old enough to be deleted.
"""

import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import pytest

from pipelines import object_store
from pipelines.damage import ObjectStoreError
from tests.faults import trials
from tests.faults.hosts import FIRST, NEW, NEWER, OLD, SECOND, THIRD, Host, raw_elsewhere, read_elsewhere, unnamed
from tests.faults.injection import Fault
from tests.faults.object_store import KILLS, OF_THE_SERVER, PATIENCE, SLOW, NetworkFault, Proxy, Store, client_of
from tests.faults.trials import Operation, Outcome, State, Trial
from tests.forked import PROCESSES

EVERY = 16  # of the requests, one has a fault, where not all are tried
FEWEST = 4  # requests of a copying
LANDED = {FIRST: "one"}
CORRECTED = {FIRST: "one, corrected", SECOND: "two"}


@dataclass(frozen=True)
class Copying:
    """Something that is copied to the store or from it.

    Attributes:
        prepare: what the store has before.
        host: what the host has on which it runs.
        look: what readers find, after a fault of the operation on a host.
        before, after: what they find before, and after it.
        again: what the next run or line of cron does.
    """

    name: str
    act: Callable[[Host], object]
    prepare: Callable[[Host], object]
    host: Callable[[Host], object]
    look: Callable[[Host], object]
    before: object
    after: object
    again: Callable[[Host], object]


def nothing(_: Host) -> None:
    """For a host or a store that has nothing."""


def old_publication(host: Host) -> None:
    host.publish(OLD)


def new_publication(host: Host) -> None:
    host.publish(NEW)


def old_is_pushed(host: Host) -> None:
    host.publish(OLD).push()


def new_is_pushed(host: Host) -> None:
    host.publish(NEW).push()


def one_day(host: Host) -> None:
    host.land(LANDED)


def two_days(host: Host) -> None:
    host.land(CORRECTED, hour=10)


def one_day_is_pushed(host: Host) -> None:
    host.land(LANDED).push_raw()


def two_days_are_pushed(host: Host) -> None:
    host.land(CORRECTED, hour=10).push_raw()


def read_here(host: Host) -> object:
    return host.reads


def raw_here(host: Host) -> object:
    return host.raw


PUSH, PULL, PUSH_RAW, PULL_RAW = Host.push, Host.pull, Host.push_raw, Host.pull_raw
LATER, RAW_LATER = Host.push_when_all_is_old, Host.push_raw_when_all_is_old
COPYINGS = [
    Copying("kpi push", PUSH, old_is_pushed, new_publication, read_elsewhere, OLD, NEW, LATER),
    Copying("kpi push, the first", PUSH, nothing, new_publication, read_elsewhere, None, NEW, LATER),
    Copying("kpi pull", PULL, new_is_pushed, old_publication, read_here, OLD, NEW, PULL),
    Copying("kpi pull, the first", PULL, new_is_pushed, nothing, read_here, None, NEW, PULL),
    Copying("raw to the store", PUSH_RAW, one_day_is_pushed, two_days, raw_elsewhere, LANDED, CORRECTED, RAW_LATER),
    Copying("raw from the store", PULL_RAW, two_days_are_pushed, nothing, raw_here, {}, CORRECTED, PULL_RAW),
]  # fmt: skip
COPYINGS_BY_NAME = pytest.mark.parametrize("copying", COPYINGS, ids=lambda copying: copying.name)


@pytest.fixture(autouse=True)
def one_at_a_time() -> Iterator[None]:
    """So that requests have an order."""
    with mock.patch.object(object_store, "_AT_ONCE", 1):
        yield


Survives = Callable[..., list[Trial]]


@pytest.fixture
def survives(servers: tuple[Store, Proxy], tmp_path: Path, tried: Callable[[list[Trial]], None]) -> Survives:
    """Assert that a copying survives a fault at each of its requests, or at one of `every` so many."""

    def survive(copying: Copying, fault: NetworkFault, first: int = 1, every: int = 1) -> list[Trial]:
        found = list(try_all(copying, fault, *servers, tmp_path, first, every))
        tried(found)
        return found

    return survive


# By day of the ways that a run and another host use every day.
@pytest.mark.parametrize(
    "copying",
    [pytest.param(one, marks=() if one in (COPYINGS[0], COPYINGS[2]) else pytest.mark.nightly) for one in COPYINGS],
    ids=lambda copying: copying.name,
)
def test_some_requests_fail(copying: Copying, survives: Survives) -> None:
    for place, fault in enumerate(OF_THE_SERVER):
        survives(copying, fault, 1 + place % FEWEST, EVERY)


@pytest.mark.nightly
@pytest.mark.parametrize("copying", [COPYINGS[0], COPYINGS[2]], ids=lambda copying: copying.name)
def test_killed_at_some_requests(copying: Copying, survives: Survives) -> None:
    for first, fault in enumerate(KILLS, start=3):
        survives(copying, fault, first, every=4)


@pytest.mark.nightly
@pytest.mark.parametrize("fault", [*OF_THE_SERVER, *KILLS])
@COPYINGS_BY_NAME
def test_any_request_fails(copying: Copying, fault: NetworkFault, survives: Survives) -> None:
    survives(copying, fault)


@pytest.mark.parametrize(("first", "second"), [(NEW, NEWER), pytest.param(NEWER, NEW, marks=pytest.mark.nightly)])
def test_of_two_hosts_that_publish_at_once_the_newer_publication_wins(
    first: str, second: str, servers: tuple[Store, Proxy], tmp_path: Path, tried: Callable[[list[Trial]], None]
) -> None:
    other = Host(tmp_path / "other")
    other.folder.mkdir()
    other.publish(second)

    def publish(host: Host) -> None:
        host.publish(first)

    copying = Copying(f"two hosts, first {first}", PUSH, old_is_pushed, publish, read_elsewhere, NEWER, NEWER, LATER)
    tried(list(try_all(copying, NetworkFault.ANOTHER_HOST, *servers, tmp_path, other=other.push)))


def test_of_two_hosts_that_land_at_once_the_store_collects_both(
    servers: tuple[Store, Proxy], tmp_path: Path, tried: Callable[[list[Trial]], None]
) -> None:
    other = Host(tmp_path / "other")
    other.folder.mkdir()
    other.land({THIRD: "three"})
    both = {**CORRECTED, THIRD: "three"}
    copying = Copying("two that land", PUSH_RAW, one_day_is_pushed, two_days, raw_elsewhere, both, both, RAW_LATER)
    tried(list(try_all(copying, NetworkFault.ANOTHER_HOST, *servers, tmp_path, other=other.push_raw)))


def pulled(url: str, folder: Path) -> None:
    _act_alone(Host.pull, Host(folder), url)


def published_before(folder: Path) -> None:
    Host(folder).publish(OLD)


def published_now(folder: Path) -> State:
    return {"publication": Host(folder).reads}


@pytest.fixture
def pulling(servers: tuple[Store, Proxy], tmp_path: Path) -> Operation:
    """`kpi pull` of NEW, as what it does to this host's disk."""
    store, _ = servers
    with client_of(store.url), TemporaryDirectory(dir=tmp_path) as folder:
        new_is_pushed(Host(Path(folder)))
    return Operation("kpi pull, on this disk", published_before, partial(pulled, store.url), published_now)


@pytest.mark.nightly
@pytest.mark.parametrize(("fault", "every"), [(Fault.KILLED, 6), (Fault.FULL, 8)])
def test_the_disk_fails_at_some_steps(
    fault: Fault, every: int, pulling: Operation, tmp_path: Path, tried: Callable[[list[Trial]], None]
) -> None:
    tried(trials.try_all(pulling, fault, tmp_path, every))


@pytest.mark.nightly
@pytest.mark.parametrize("fault", [Fault.KILLED, Fault.FULL, Fault.IO_ERROR, Fault.FORBIDDEN])
def test_the_disk_fails_at_any_step(
    fault: Fault, pulling: Operation, tmp_path: Path, tried: Callable[[list[Trial]], None]
) -> None:
    tried(trials.try_all(pulling, fault, tmp_path))


def try_all(
    copying: Copying,
    fault: NetworkFault,
    store: Store,
    proxy: Proxy,
    folder: Path,
    first: int = 1,
    every: int = 1,
    other: Callable[[], object] = lambda: None,
) -> Iterator[Trial]:
    """Try the fault at each request of the operation, or at one of `every` so many; `other` is of another host."""

    def act_of_another() -> None:
        with client_of(store.url):
            other()

    origin, begun, here = Host(folder / "origin"), Host(folder / "begun"), folder / "here"
    store.objects = {}
    for host, act in ((origin, copying.prepare), (begun, copying.host)):
        shutil.rmtree(host.folder, ignore_errors=True)
        host.folder.mkdir()
        with client_of(store.url):
            act(host)
    objects = store.objects
    for at in range(first, 1000, every):
        store.objects = objects
        host = begun.copy(here)
        said, wrong = _faulty(copying, fault, at, host, proxy, act_of_another)
        happened = proxy.happened
        proxy.arm()
        if happened:
            with client_of(store.url):
                yield _judged(copying, fault, f"{at}: {happened}", said, wrong, host, store)
        shutil.rmtree(here)
        if not happened:
            break


def _faulty(
    copying: Copying, fault: NetworkFault, at: int, host: Host, proxy: Proxy, other: Callable[[], None]
) -> tuple[str, list[str]]:
    """Perform the operation with a fault; return the sentence about it, and what is wrong."""
    if fault in KILLS:
        process = PROCESSES.Process(target=_act_alone, args=(copying.act, host, proxy.url))
        proxy.arm(fault, at, victim=lambda: process.pid or -1)
        process.start()
        process.join()
        expected = -signal.SIGKILL if proxy.happened else 0
        return "", [] if process.exitcode == expected else [f"exit code {process.exitcode}"]
    proxy.arm(fault, at, other=other)
    with client_of(proxy.url, patience=PATIENCE if fault in SLOW else 30):
        try:
            copying.act(host)
        except ObjectStoreError as error:
            return str(error), []
        except Exception as error:
            return "", [f"no sentence for: {error!r}"]
    return "", []


def _act_alone(act: Callable[[Host], object], host: Host, url: str) -> None:
    with client_of(url), mock.patch.object(object_store, "_AT_ONCE", 1):
        act(host)


def _judged(
    copying: Copying, fault: NetworkFault, at: str, said: str, wrong: list[str], host: Host, store: Store
) -> Trial:
    """What readers find after a fault, and after the operation was repeated."""
    found = copying.look(host)
    if found not in (copying.before, copying.after):
        wrong.append(f"readers found {found}")
    copying.again(host)
    if (then := copying.look(host)) != copying.after:
        wrong.append(f"after the next start, readers found {then}")
    if left := unnamed(store.objects) | host.left:
        wrong.append(f"left behind: {', '.join(sorted(left))}")
    outcome: Outcome = "all-new" if found == copying.after else "all-old" if found == copying.before else "damaged"
    return Trial(copying.name, fault, at, outcome, said, tuple(wrong))
