"""Stores incidents, their history and the outbox in one place, so that incidents and notifications always agree.

Belongs here: the tables, and reading and writing them within one transaction.
Does not belong here: how an incident changes (`incidents.py`), and sending (`outbox.py`).
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout
from pydantic import TypeAdapter

from pipelines.alerts.incidents import Incident
from pipelines.damage import store_errors
from pipelines.database import Connection, HostsLock, Records

NoticeState = Literal["queued", "sent", "dead", "withdrawn"]

_BUSY_SECONDS = 5  # a sensor that waits longer would delay other sensors
SCHEMA = """
create table if not exists incidents (
    id text primary key,
    asset text not null,
    "check" text not null,
    state text not null,
    opened_at text not null,
    resolved_at text,
    body text not null
);
create unique index if not exists one_open_incident on incidents (asset, "check") where state <> 'resolved';
create index if not exists incidents_of_a_check on incidents (asset, "check", opened_at);
create table if not exists events (
    event_id integer primary key,
    incident_id text not null,
    at text not null,
    what text not null,
    who text not null,
    detail text not null
);
create index if not exists events_of_an_incident on events (incident_id);
create table if not exists reports (report_id text primary key, taken_at text not null);
create table if not exists notices (
    notice_id integer primary key,
    key text not null unique,
    channel text not null,
    threads text not null,
    content text not null,
    state text not null,
    attempts integer not null,
    queued_at text not null,
    next_try_at text not null,
    sent_at text,
    last_error text not null,
    delivered text not null
);
create index if not exists notices_by_state on notices (state, next_try_at);
"""
_RENAMED = {  # keys of an incident in files of version 1
    "told": "notified",
    "worst_told": "worst_notified",
    "first_told_at": "first_notified_at",
    "last_told_at": "last_notified_at",
}
# A second process that found version 1, too, changes nothing more.
_NAMES_OF_VERSION_2 = " ".join(
    "update incidents set body = json_remove("
    f"json_set(body, '$.{new}', json_quote(json_extract(body, '$.{old}'))), '$.{old}') "
    f"where json_type(body, '$.{old}') is not null;"
    for old, new in _RENAMED.items()
)
_PUT = """
insert into incidents values (?, ?, ?, ?, ?, ?, ?)
on conflict (id) do update set
    asset = excluded.asset,
    "check" = excluded."check",
    state = excluded.state,
    opened_at = excluded.opened_at,
    resolved_at = excluded.resolved_at,
    body = excluded.body
"""
# Longer than sensors look back for runs to report; a watch makes thousands of reports a day.
REPORTS_KEPT = timedelta(days=7)
_OPEN = "state <> 'resolved'"
_NOTICE = (
    "notice_id, key, channel, threads, content, state, attempts, queued_at, next_try_at, sent_at, last_error, delivered"
)
_incident: TypeAdapter[Incident] = TypeAdapter(Incident)


@dataclass(frozen=True)
class Notice:
    """One message for one channel, in the outbox.

    Attributes:
        key: the same for every attempt, so that receivers can recognize a repetition.
        threads: the incidents that it is about, see `Incident.thread`.
        content: see `messages.py`.
        attempts: how often sending was started.
        delivered: for a channel with several receivers, those that have received it, as hashes.
    """

    notice_id: int
    key: str
    channel: str
    threads: tuple[str, ...]
    content: dict[str, Any]
    state: NoticeState
    attempts: int
    queued_at: datetime
    next_try_at: datetime
    sent_at: datetime | None
    last_error: str
    delivered: tuple[str, ...]


@dataclass(frozen=True)
class Event:
    """An entry in an incident's history."""

    at: datetime
    what: str
    who: str
    detail: str


@dataclass(frozen=True)
class Store:
    """The SQLite file `path`, which is created on first use, or the database with this URL."""

    path: Path
    database: str | None = field(default=None, repr=False)

    @contextmanager
    def transaction(self) -> Iterator["Transaction"]:
        """Everything in the block takes effect, or nothing does; other writers wait.

        Raises:
            StoreError: the file or the database cannot be used.
        """
        opened = self._records.transaction(alone=True) if self._records else self._file()
        with opened as connection:
            yield Transaction(connection)

    @contextmanager
    def reading(self) -> Iterator["Transaction"]:
        """The same for those who only read: they disturb no writer, and create no file.

        Raises:
            StoreError: the file or the database cannot be used, or does not exist.
        """
        if self._records:
            with self._records.transaction(alone=False) as connection:
                yield Transaction(connection)
        else:
            read_only = f"{self.path.as_uri()}?mode=ro"
            with store_errors(self.path), closing(sqlite3.connect(read_only, uri=True)) as connection:
                yield Transaction(connection)

    @property
    def exists(self) -> bool:
        return self.database is not None or self.path.exists()

    @contextmanager
    def only_sender(self, wait_seconds: float) -> Iterator[bool]:
        """Whether this process is the only one that sends, for the block; it waits for others at most this long.

        Raises:
            StoreError, OSError: the lock cannot be used.
        """
        if self.database:
            lock = HostsLock(self.database, "outbox")
            try:
                yield lock.acquire(wait_seconds)
            finally:
                lock.release()
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file_lock = FileLock(f"{self.path}.lock")
        try:
            file_lock.acquire(timeout=wait_seconds)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            file_lock.release()

    @property
    def _records(self) -> Records | None:
        if self.database is None:
            return None
        return Records(self.database, "kpi_alerts", SCHEMA, _BUSY_SECONDS, self.path, self._file)

    @contextmanager
    def _file(self) -> Iterator[Connection]:
        """A transaction in the file, which waits for all others."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with store_errors(self.path), closing(self._open()) as connection:
            connection.execute("pragma journal_mode = wal")
            connection.execute("pragma secure_delete = on")
            [(version,)] = connection.execute("pragma user_version").fetchall()
            if version == 0:
                connection.executescript(f"begin immediate; {SCHEMA} pragma user_version = 2; commit;")
            elif version == 1:
                connection.executescript(f"begin immediate; {_NAMES_OF_VERSION_2} pragma user_version = 2; commit;")
            connection.execute("begin immediate")
            try:
                yield connection
                connection.execute("commit")
            except BaseException:
                connection.execute("rollback")
                raise

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=_BUSY_SECONDS, isolation_level=None)


@dataclass
class Transaction:
    """The tables, within one transaction.

    Attributes:
        changed: whether an incident or its history was written or deleted.
    """

    connection: Connection
    changed: bool = False

    def is_new(self, report_id: str, now: datetime) -> bool:
        """Whether this report is new. From now on, it counts as taken."""
        added = self.connection.execute(
            "insert into reports values (?, ?) on conflict (report_id) do nothing", (report_id, _text(now))
        )
        return added.rowcount == 1

    def knows(self, report_id: str) -> bool:
        """Whether this report was taken before."""
        return bool(self.connection.execute("select 1 from reports where report_id = ?", (report_id,)).fetchone())

    def incident(self, asset: str, check: str) -> Incident | None:
        """The open incident of a check."""
        found = self._incidents(f'where asset = ? and "check" = ? and {_OPEN}', (asset, check))
        return found[0] if found else None

    def last_resolved(self, asset: str, check: str) -> Incident | None:
        """The latest incident of a check that has ended."""
        found = self._incidents(
            "where asset = ? and \"check\" = ? and state = 'resolved' order by resolved_at desc limit 1", (asset, check)
        )
        return found[0] if found else None

    def openings(self, asset: str, check: str, since: datetime) -> int:
        """How many incidents of a check were opened since then."""
        query = 'select count(*) from incidents where asset = ? and "check" = ? and opened_at >= ?'
        return int(self.connection.execute(query, (asset, check, _text(since))).fetchone()[0])

    def incidents(self, resolved: bool = False) -> list[Incident]:
        """The open incidents, and with `resolved` those that have ended; the oldest first."""
        return self._incidents(f"where {'true' if resolved else _OPEN} order by opened_at, id")

    def unannounced_ends(self) -> list[Incident]:
        """Resolved incidents for whose end a notification is still to be sent."""
        resolved = self._incidents("where state = 'resolved' order by opened_at, id")
        return [incident for incident in resolved if not incident.ended]

    def put(self, incident: Incident) -> None:
        """Write an incident, replacing its earlier version."""
        self.changed = True
        self.connection.execute(
            _PUT,
            (
                incident.id,
                incident.asset,
                incident.check,
                incident.state,
                _text(incident.opened_at),
                _text(incident.resolved_at) if incident.resolved_at else None,
                _incident.dump_json(incident).decode(),
            ),
        )

    def log(self, incident: Incident, at: datetime, what: str, who: str = "", detail: str = "") -> None:
        """Add to an incident's history."""
        self.changed = True
        self.connection.execute(
            "insert into events (incident_id, at, what, who, detail) values (?, ?, ?, ?, ?)",
            (incident.id, _text(at), what, who, detail),
        )

    def history(self, incident: Incident) -> list[Event]:
        """What happened to an incident, in chronological order."""
        rows = self.connection.execute(
            "select at, what, who, detail from events where incident_id = ? order by event_id", (incident.id,)
        )
        return [Event(datetime.fromisoformat(at), *rest) for at, *rest in rows]

    def queue(
        self, key: str, channel: str, threads: Iterable[str], content: dict[str, Any], now: datetime, due: datetime
    ) -> bool:
        """Put a notification into the outbox, if its key is not there already: then it is the same notification.

        Returns:
            Whether it is new.
        """
        added = self.connection.execute(
            "insert into notices "
            "(key, channel, threads, content, state, attempts, queued_at, next_try_at, last_error, delivered) "
            "values (?, ?, ?, ?, 'queued', 0, ?, ?, '', '[]') on conflict (key) do nothing",
            (key, channel, json.dumps(list(threads)), json.dumps(content), _text(now), _text(due)),
        )
        return added.rowcount == 1

    def notices(self, *states: NoticeState) -> list[Notice]:
        """The notifications in any of `states`, in the order in which they were queued."""
        marks = ", ".join("?" for _ in states)
        rows = self.connection.execute(
            f"select {_NOTICE} from notices where state in ({marks}) order by notice_id", states
        )
        return [_notice(row) for row in rows]

    def notice(self, notice_id: int) -> Notice | None:
        """The current version of a notification."""
        rows = self.connection.execute(f"select {_NOTICE} from notices where notice_id = ?", (notice_id,))
        return next(map(_notice, rows), None)

    def update(self, notice: Notice) -> None:
        """Write the fields of a notification that can change."""
        self.connection.execute(
            "update notices set threads = ?, content = ?, state = ?, attempts = ?, next_try_at = ?, sent_at = ?, "
            "last_error = ?, delivered = ? where notice_id = ?",
            (
                json.dumps(notice.threads),
                json.dumps(notice.content),
                notice.state,
                notice.attempts,
                _text(notice.next_try_at),
                _text(notice.sent_at) if notice.sent_at else None,
                notice.last_error,
                json.dumps(notice.delivered),
                notice.notice_id,
            ),
        )

    def postpone(self, channel: str, until: datetime) -> None:
        """Try none of a channel's notifications before this time."""
        self.connection.execute(
            "update notices set next_try_at = ? where channel = ? and state = 'queued' and next_try_at < ?",
            (_text(until), channel, _text(until)),
        )

    def notices_about(self, thread: str) -> list[Notice]:
        """The notifications of one thread, including withdrawn ones."""
        rows = self.connection.execute(
            f"select {_NOTICE} from notices where replace(threads, ?, '') <> threads order by notice_id",
            (json.dumps(thread),),
        )
        return [notice for notice in map(_notice, rows) if thread in notice.threads]

    def prune(self, now: datetime, days: int) -> None:
        """Delete what ended, was sent or was taken this long ago. Dead letters stay until somebody handles them."""
        before = _text(now - timedelta(days=days))
        old = "(select id from incidents where state = 'resolved' and resolved_at < ?)"
        self.connection.execute(f"delete from events where incident_id in {old}", (before,))
        forgotten = self.connection.execute(
            "delete from incidents where state = 'resolved' and resolved_at < ?", (before,)
        )
        self.changed = self.changed or forgotten.rowcount > 0
        self.connection.execute("delete from notices where state in ('sent', 'withdrawn') and queued_at < ?", (before,))
        lately = _text(now - REPORTS_KEPT)
        self.connection.execute("delete from reports where taken_at < ?", (lately,))

    def _incidents(self, rest: str, values: tuple[str, ...] = ()) -> list[Incident]:
        rows = self.connection.execute(f"select body from incidents {rest}", values)
        return [_incident.validate_json(body) for (body,) in rows]


def _notice(row: tuple[Any, ...]) -> Notice:
    (notice_id, key, channel, threads, content, state, attempts, queued_at, next_try_at, sent_at, error, delivered) = (
        row
    )
    return Notice(
        notice_id,
        key,
        channel,
        tuple(json.loads(threads)),
        json.loads(content),
        state,
        attempts,
        datetime.fromisoformat(queued_at),
        datetime.fromisoformat(next_try_at),
        datetime.fromisoformat(sent_at) if sent_at else None,
        error,
        tuple(json.loads(delivered)),
    )


def _text(moment: datetime) -> str:
    """A time as text that sorts as time does.

    Raises:
        ValueError: the time has no time zone, so it is ambiguous.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone. Pass datetime.now(UTC).")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
