"""Examines the installation itself: programs, settings, disk, permissions, ports, leftovers, damaged files, clock.

Belongs here: the examination, and the remedy for each problem. This module repairs nothing and writes nothing.
Does not belong here: which files are damaged, and repairing them (`repair.py`); the state of the data and the daily run
(`status.py`); whether Dagster can load every definition (`kpi validate`, which takes longer).
"""

import getpass
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from packaging.requirements import Requirement

from pipelines.alerts.routes import load_alerts
from pipelines.checks.suites import load_suites
from pipelines.config_files import ConfigError
from pipelines.damage import REPAIR, ObjectStoreError, StoreError
from pipelines.database import SCHEMAS, state_of
from pipelines.formatting import counted
from pipelines.holidays import public_holidays
from pipelines.object_store import ObjectStore
from pipelines.operations.repair import Topic, damages, leftovers
from pipelines.publish.copies import NAME as COPIED
from pipelines.publish.events import load_events
from pipelines.publish.versions import versions
from pipelines.runs.processes import is_alive, listener
from pipelines.settings import PROJECT_DIR, Settings
from pipelines.sources import Source, enabled_sources
from pipelines.transform.engines import engine
from pipelines.transform.project import DBT
from pipelines.writer_lock import writer_of

Level = Literal["ok", "warn", "fail"]

PACKAGE = "sales-kpi-pipeline"
_PACKAGES_SHOWN = (
    "dagster",
    "dbt-core",
    "dbt-duckdb",
    "duckdb",
    "great-expectations",
)  # the rest is named only if something is wrong
_GIGABYTE = 1_000_000_000
_WANTED_COPIES, _NEEDED_COPIES = 3, 1  # of the warehouse: a run writes a candidate and its Parquet copy beside it
_CLOCK_ALLOWANCE = timedelta(minutes=5)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_OURS = re.compile(r"-m (dagster|pipelines)|/dagster(-webserver)? ")  # the command line of what `kpi dev` starts


@dataclass(frozen=True)
class Found:
    """What was examined, its state, and the remedy if something is wrong."""

    level: Level
    topic: str
    said: str
    remedy: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """Everything that was found, and whether settings, sources, suites or alerts could not be loaded."""

    found: tuple[Found, ...]
    is_misconfigured: bool

    @property
    def failed(self) -> bool:
        return any(found.level == "fail" for found in self.found)


def examine(load: Callable[[], Settings], now: datetime) -> Diagnosis:
    """Examine everything at `now` (UTC). `load` loads the settings, without which little else can be examined."""
    found = [*_programs()]
    try:
        settings = load()
    except ConfigError as error:
        remedy = "Correct it: every setting is explained in kpi.yml and docs/"
        return Diagnosis((*found, Found("fail", "settings", str(error), remedy)), is_misconfigured=True)
    configured = [*_configuration(settings)]
    found += configured
    for look in (_disk, _permissions, _ports, _database, _store, _lock, _leftovers, _damaged):
        found += look(settings)
    found += _clock(settings, now)
    return Diagnosis(tuple(found), is_misconfigured=any(item.level == "fail" for item in configured))


def _programs() -> Iterator[Found]:
    yield Found("ok", "python", f"{platform.python_version()} at {sys.executable}")
    again = "Install the pinned requirements again: make -B setup"
    try:
        own, required = version(PACKAGE), [Requirement(line) for line in requires(PACKAGE) or []]
    except PackageNotFoundError:
        yield Found("fail", "packages", f"{PACKAGE} is not installed in this environment", again)
        return
    installed = {name: _installed(name) for name in {*_PACKAGES_SHOWN, *(need.name for need in required)}}
    wrong = [
        f"{need} is required, but {installed[need.name] or 'nothing'} is installed"
        for need in required
        if (need.marker is None or need.marker.evaluate())
        and not need.specifier.contains(installed[need.name] or "0", prereleases=True)
    ]
    named = ", ".join(f"{name} {installed[name] or 'missing'}" for name in _PACKAGES_SHOWN)
    yield Found(
        "fail" if wrong else "ok", "packages", "\n".join([f"{PACKAGE} {own}, {named}", *wrong]), again * bool(wrong)
    )
    if not DBT.exists():
        yield Found("fail", "dbt", f"the command {DBT} is missing", again)


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _configuration(settings: Settings) -> Iterator[Found]:
    yield Found(
        "ok",
        "settings",
        f"environment {settings.environment}, daily run started {_starter(settings)}, data in {settings.data_dir}",
    )
    yield _loaded("sources", lambda: ", ".join(source.name for source in enabled_sources(settings)))
    yield _loaded(
        "suites",
        lambda: f"{len(load_suites(PROJECT_DIR / 'expectations', settings.company_dir / 'expectations'))} files",
    )
    if settings.holiday_country:
        yield _loaded("holidays", lambda: f"{len(public_holidays(settings))} days of {settings.holiday_country}")
    yield _loaded("engine", lambda: engine(settings.engine).described(settings))
    try:
        _ = settings.database_url
    except ConfigError as error:
        yield Found("fail", "database", str(error), "Correct what the message names")
    yield _loaded("events", lambda: counted(len(load_events(settings.events_file)), "event"))
    yield _loaded("alerts", lambda: f"channels {', '.join(load_alerts(settings.alerts_file).channels)}")
    try:
        channels = load_alerts(settings.alerts_file).channels
    except ConfigError:
        return
    for name, channel in channels.items():
        unset = [variable for variable in channel.variables if not os.environ.get(variable)]
        if unset:
            yield Found(
                "warn",
                "alerts",
                f"channel {name} cannot send from here: {', '.join(unset)} not set",
                "Set it where the daemon, cron and commands run, then test it: kpi alerts test",
            )


def _starter(settings: Settings) -> str:
    return "manually" if settings.started_by == "none" else f"by {settings.started_by}"


def _loaded(topic: str, load: Callable[[], str]) -> Found:
    try:
        return Found("ok", topic, load())
    except ConfigError as error:
        return Found("fail", topic, str(error), "Correct what the message names")


def _disk(settings: Settings) -> Iterator[Found]:
    there = next(folder for folder in (settings.data_dir, *settings.data_dir.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    size = settings.warehouse_path.stat().st_size if settings.warehouse_path.exists() else 0
    wanted, needed = max(_GIGABYTE, _WANTED_COPIES * size), max(_GIGABYTE // 10, _NEEDED_COPIES * size)
    level: Level = "fail" if free < needed else "warn" if free < wanted else "ok"
    said = f"{_size(free)} free for {settings.data_dir}, whose warehouse takes {_size(size)}"
    remedy = f"Free up space, at least {_size(wanted)}: a run writes a new publication beside the current one"
    yield Found(level, "disk", said, remedy if level != "ok" else "")


def _permissions(settings: Settings) -> Iterator[Found]:
    if not settings.data_dir.exists():
        yield Found("ok", "data folder", f"{settings.data_dir} does not exist yet; the first run creates it")
        return
    folders = [
        settings.data_dir,
        settings.landing_dir,
        settings.raw_dir,
        settings.quarantine_dir,
        settings.published_dir.with_name("publications"),
        settings.dagster_home,
        settings.dbt_target_dir,
        settings.data_docs_dir,
    ]
    wrong = [
        f"{folder} is not a folder" if not folder.is_dir() else f"{folder} is not writable"
        for folder in folders
        if folder.exists() and not (folder.is_dir() and os.access(folder, os.R_OK | os.W_OK | os.X_OK))
    ]
    files = [*settings.data_dir.glob("*.duckdb"), *settings.data_dir.glob("*.sqlite")]
    wrong += [f"{file} is not writable" for file in sorted(files) if not os.access(file, os.R_OK | os.W_OK)]
    if wrong:
        yield Found(
            "fail",
            "permissions",
            "\n".join(wrong),
            f"Run everything as one user, or make this user the owner: chown -R {_user()} {settings.data_dir}",
        )
    else:
        yield Found("ok", "permissions", f"{_user()} can write everything in {settings.data_dir}")


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return f"user {os.getuid()}" if os.name == "posix" else "this user"


def _ports(settings: Settings) -> Iterator[Found]:
    for topic, url, elsewhere in (
        ("UI", settings.ui_url, "Stop it, or serve the UI on another port: kpi dev --port 3100"),
        ("Data Docs", settings.data_docs_url, "Stop it, or serve Data Docs on another port: kpi dev --docs-port 3101"),
        ("Pages", settings.pages_url, "Stop it, or serve the pages on another port: kpi dev --pages-port 3103"),
    ):
        place = urlsplit(url)
        if place.hostname not in _LOOPBACK:
            yield Found("ok", topic, f"{url} is served by another machine")
            continue
        port = place.port or (443 if place.scheme == "https" else 80)
        holder = listener(port)
        if holder is None:
            yield Found("ok", topic, f"port {port} is free")
        elif _OURS.search(holder.command):
            yield Found("ok", topic, f"port {port} is served by {holder.name}")
        else:
            yield Found("warn", topic, f"port {port} is taken by {holder.name}", elsewhere)


def _database(settings: Settings) -> Iterator[Found]:
    """Whether the database can be used that several hosts share, and what is not in it."""
    try:
        url = settings.database_url
        state = state_of(url) if url else None
    except ConfigError:  # `_configuration` reports this
        return
    except StoreError as error:
        yield Found("fail", "database", str(error), "Correct what the message names, then examine again: kpi doctor")
        return
    if state is None:
        return
    if state.is_standby:
        remedy = "Name the primary in the URL, which can be written"
        yield Found("fail", "database", f"{state.place} is a standby, which cannot be written", remedy)
        return
    yield Found("ok", "database", f"{state.place}, PostgreSQL {state.version}")
    for schema, file in SCHEMAS.items():
        origin = state.origins.get(schema)
        if origin and origin.copied_from is None and (settings.data_dir / file).exists():
            yield Found(
                "warn",
                "database",
                f"{settings.data_dir / file} is not used: {schema} in the database was empty when {origin.host} began "
                f"it at {origin.at}",
                "Move the file away. If its records must not be lost, stop everything, have the schema dropped (drop "
                f"schema {schema} cascade), and type any command here: it copies the file",
            )


def _store(settings: Settings) -> Iterator[Found]:
    """Whether the object store can be reached from which other hosts get publications, and what they get."""
    if settings.object_store is None:
        return
    try:
        current = ObjectStore.of(settings, COPIED).read().current
    except (ConfigError, ObjectStoreError) as error:
        yield Found("fail", "object store", str(error), "Correct what the message names, then: kpi push")
        return
    has = f"has publication {current.id}" if current else "has no publication yet"
    yield Found("ok", "object store", f"{settings.object_store} {has}")


def _lock(settings: Settings) -> Iterator[Found]:
    lock = settings.warehouse_path.with_suffix(".lock")
    try:
        writer = writer_of(settings.warehouse_path, settings.database_url)
    except (ConfigError, StoreError):  # `_configuration` or `_database` reports this
        yield Found("warn", "writer", "whether a process is writing the warehouse is unknown", "Repair the database")
        return
    if writer is None:
        yield Found("ok", "writer", "no process is writing the warehouse")
        return
    named = next((part for part in writer.split(", ") if part.startswith("process ")), "")
    process = int(named.removeprefix("process ")) if named.removeprefix("process ").isdigit() else None
    if process is not None and not is_alive(process):
        yield Found(
            "fail",
            "writer",
            f"the warehouse is locked by {writer}, but that process no longer exists",
            f"A process that it started still holds {lock}: find it (fuser {lock}) and end it",
        )
    else:
        yield Found("ok", "writer", f"the warehouse is being written by {writer}")


def _leftovers(settings: Settings) -> Iterator[Found]:
    """Leftovers of killed processes. What a process is still writing is no leftover."""
    try:
        is_written = writer_of(settings.warehouse_path, settings.database_url) is not None
    except (ConfigError, StoreError):
        is_written = True  # as far as we know
    if is_written:
        yield Found("ok", "leftovers", "not checked while the warehouse is being written")
        return
    if left := leftovers(settings):
        yield Found(
            "warn",
            "leftovers",
            "\n".join([f"{len(left)} left behind by killed processes", *(str(path) for path in sorted(left)[:5])]),
            f"Nothing reads them, and the next run deletes what is in its way. Delete all of them: {REPAIR}",
        )
    else:
        yield Found("ok", "leftovers", "killed processes have left nothing behind")


def _damaged(settings: Settings) -> Iterator[Found]:
    """What of the files in the data folder cannot be read, and for each kind of file, that all can."""
    damaged = list(damages(settings, _sources(settings)))
    for topic, well in _WELL.items():
        yield from (Found("fail", topic, damage.said, damage.remedy) for damage in damaged if damage.topic == topic)
        if not any(damage.topic == topic for damage in damaged):
            yield Found("ok", topic, well(settings))


def _sources(settings: Settings) -> list[Source]:
    try:
        return enabled_sources(settings)
    except ConfigError:  # `_configuration` reports this
        return []


def _published_said(settings: Settings) -> str:
    current = next((kept for kept in versions(settings.published_dir) if kept.is_current), None)
    if current is None:
        return "nothing is published yet"
    return f"{settings.published_dir / 'kpi.duckdb'} can be read, as of {current.as_of_date}"


def _warehouse_said(settings: Settings) -> str:
    if not settings.warehouse_path.exists():
        return "nothing has been built yet"
    if settings.warehouse_path.with_name(f"{settings.warehouse_path.name}.wal").exists():
        return f"{settings.warehouse_path} is being written, or the next run recovers what a killed one wrote"
    return f"{settings.warehouse_path} can be read"


def _set_aside_said(settings: Settings) -> str:
    """Of the damaged files that were moved aside, that a person may delete them."""
    folder = settings.data_dir / "damaged"
    return f"; delete {folder} when you no longer need it" if folder.exists() else ""


def _records_in_files(settings: Settings) -> str:
    return "Dagster's" if settings.database_env else "alerts, checks, deliveries and Dagster's"


_WELL: dict[Topic, Callable[[Settings], str]] = {
    "published": _published_said,
    "warehouse": _warehouse_said,
    "records": lambda settings: f"{_records_in_files(settings)} can be read{_set_aside_said(settings)}",
    "raw": lambda _: "every raw file can be read",
}


def _clock(settings: Settings, now: datetime) -> Iterator[Found]:
    here = now.astimezone(ZoneInfo(settings.time_zone))
    newest = max((kept.published_at.replace(tzinfo=UTC) for kept in versions(settings.published_dir)), default=None)
    if newest and newest - now > _CLOCK_ALLOWANCE:
        yield Found(
            "fail",
            "clock",
            f"it says {now:%Y-%m-%d %H:%M} UTC, but the newest publication is from {newest:%Y-%m-%d %H:%M} UTC",
            "Set this machine's clock, and synchronise it with a time server",
        )
    else:
        yield Found("ok", "clock", f"it is {here:%Y-%m-%d %H:%M %Z} in {settings.time_zone}, the business time zone")


def _size(size: float) -> str:
    return f"{size / _GIGABYTE:,.1f} GB" if size >= _GIGABYTE else f"{size / 1_000_000:,.0f} MB"
