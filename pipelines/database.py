"""The PostgreSQL database that several hosts share: connections, locks between hosts, and words for its errors.

Belongs here: what the setting `database_env` changes for every record and lock. psycopg is imported only when it is
used. Does not belong here: what is recorded (the stores), and Dagster's own tables in the same database.
"""

import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING, Any, Protocol

from pipelines.damage import StoreError, tables_of
from pipelines.sql import quote_name

if TYPE_CHECKING:
    import psycopg

_CONNECT_SECONDS = 10
# A host that vanishes without a word loses its connection, and with it its locks, after 50 seconds.
_KEEPALIVES: dict[str, Any] = {"keepalives_idle": 20, "keepalives_interval": 10, "keepalives_count": 3}
_UNANSWERED: dict[str, Any] = {"tcp_user_timeout": 50_000}  # milliseconds that what was sent may wait to be received
_TIMEOUTS = ("statement_timeout", "lock_timeout", "idle_session_timeout", "idle_in_transaction_session_timeout")
_OURS = int.from_bytes(b"kpi")  # the first half of the keys of our locks; Dagster's are elsewhere
_ORIGIN = "create table origin (path text, host text not null, at text not null)"
# Where in the database the records of each file of the data folder are.
SCHEMAS = {
    "kpi_deliveries": "deliveries.sqlite",
    "kpi_checks": "check_history.sqlite",
    "kpi_alerts": "alerts.sqlite",
    "kpi_quarantine": "quarantine/rows.sqlite",
}


class Cursor(Protocol):
    """What a statement returned."""

    @property
    def rowcount(self) -> int: ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """What stores use of a connection, to SQLite as to PostgreSQL. Values are `?` in the SQL."""

    def execute(self, sql: str, values: Sequence[Any] = ..., /) -> Cursor: ...

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> Cursor: ...


@dataclass(frozen=True)
class Records:
    """The records of one store in a database.

    Attributes:
        url: of the database; no message contains it.
        schema: where in the database its tables are.
        tables: the statements that create its tables in SQLite.
        wait_seconds: how long to wait for others.
        file: the SQLite file that has the records from before there was a database, if there can be one.
        opened: opens that file, brings it up to date, and closes it.
    """

    url: str = field(repr=False)
    schema: str
    tables: str
    wait_seconds: int = 30
    file: Path | None = None
    opened: Callable[[], AbstractContextManager[Connection]] | None = None

    @contextmanager
    def transaction(self, *, alone: bool) -> Iterator[Connection]:
        """Everything in the block takes effect, or nothing does. `alone` has others who are alone wait.

        The first transaction of all creates the tables and copies what the SQLite file contains.

        Raises:
            StoreError: the database cannot be used.
        """
        with errors_in_words(self.url), connected(self.url, self.schema) as connection, connection.transaction():
            if (self.url, self.schema) not in _created:
                self._create(connection)
            if alone:
                connection.execute("select set_config('lock_timeout', %s, true)", [f"{self.wait_seconds}s"])
                connection.execute("select pg_advisory_xact_lock(%s, %s)", _key(self.schema))
            yield _Adapter(connection)
        _created.add((self.url, self.schema))

    def _create(self, connection: "psycopg.Connection[Any]") -> None:
        """Create the tables with what the file contains, unless they exist; of several processes, only one does."""
        connection.execute("select pg_advisory_xact_lock(%s, %s)", _key("create"))
        if connection.execute("select to_regclass('origin')").fetchone() != (None,):
            return
        there = connection.execute("select 1 from pg_namespace where nspname = %s", [self.schema]).fetchone()
        if not there:  # somebody else may have created it for a user who must not
            connection.execute(f"create schema {quote_name(self.schema)}".encode())
        connection.execute(f"{in_postgresql(self.tables)}; {_ORIGIN}".encode())
        copied = None
        if self.file and self.opened and self.file.exists():
            with self.opened() as file:
                self._copy(file, connection)
            copied = str(self.file)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        connection.execute("insert into origin values (%s, %s, %s)", [copied, gethostname(), now])

    def _copy(self, file: Connection, connection: "psycopg.Connection[Any]") -> None:
        for table, columns in tables_of(self.tables).items():
            names = ", ".join(quote_name(column) for column in sorted(columns))
            into = f"copy {quote_name(table)} ({names}) from stdin".encode()
            with connection.cursor() as cursor, cursor.copy(into) as copy:
                for row in file.execute(f"select {names} from {quote_name(table)}"):
                    copy.write_row(_storable(row))
            for column in re.findall(
                rf"create table if not exists {table} \(\s*(\w+) integer primary key", self.tables
            ):
                connection.execute(
                    f"select setval(pg_get_serial_sequence(%s, %s), max({column})) from {table}".encode(),
                    [table, column],
                )


_created: set[tuple[str, str]] = set()  # what this process has found or created; nothing drops it while it runs


def in_postgresql(tables: str) -> str:
    """The statements that create tables in SQLite, for PostgreSQL: texts sort as in SQLite, and ids count on."""
    ids = re.sub(r"\binteger primary key\b", "bigint generated by default as identity primary key", tables)
    return re.sub(r"\btext\b", 'text collate "C"', re.sub(r"\binteger\b", "bigint", ids))


class _Adapter:
    """A connection to PostgreSQL that takes SQL as SQLite does."""

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self._connection = connection

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> Cursor:
        return self._connection.execute(_marked(sql), _storable(values))

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> Cursor:
        cursor = self._connection.cursor()
        cursor.executemany(_marked(sql), map(_storable, rows))
        return cursor


def _marked(sql: str) -> bytes:
    return sql.replace("%", "%%").replace("?", "%s").encode()


def _storable(values: Sequence[Any]) -> list[Any]:
    """PostgreSQL stores no NUL in texts; cells of deliveries may have one."""
    return [value.replace("\0", "\N{SYMBOL FOR NULL}") if isinstance(value, str) else value for value in values]


@contextmanager
def connected(url: str, schema: str = "public") -> Iterator["psycopg.Connection[Any]"]:
    """A connection whose names of tables are of `schema`. It commits each statement, unless a transaction is begun, and
    is closed after the block."""
    connection = connect(url, schema)
    try:
        yield connection
    finally:
        connection.close()


def connect(url: str, schema: str = "public") -> "psycopg.Connection[Any]":
    """A connection whose session, and with it its locks, ends with its process, host or server, and not before."""
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    settings = {"search_path": schema, **dict.fromkeys(_TIMEOUTS, 0)}
    settings |= {f"tcp_{name}": seconds for name, seconds in _KEEPALIVES.items()} | _UNANSWERED  # of the server's side
    options = [conninfo_to_dict(url).get("options", ""), *(f"-c {name}={value}" for name, value in settings.items())]
    return psycopg.connect(
        url,
        autocommit=True,
        prepare_threshold=None,
        connect_timeout=_CONNECT_SECONDS,
        application_name="kpi",
        options=" ".join(map(str, options)).strip(),
        **_KEEPALIVES,
        **_UNANSWERED,
    )


@contextmanager
def errors_in_words(url: str) -> Iterator[None]:
    """Say in a sentence why the database cannot be used, without its password.

    Raises:
        StoreError: it cannot be reached, refuses, or somebody else has held a lock for too long.
    """
    import psycopg

    try:
        yield
    except psycopg.errors.LockNotAvailable as error:
        raise StoreError(
            f"The records in {place_of(url)} are in use by another process: try again when that has finished."
        ) from error
    except psycopg.Error as error:
        state = error.sqlstate or ""
        # The text of a data exception contains the value, which may be personal; its name says enough.
        said = type(error).__name__ if state.startswith("22") else error.diag.message_primary or str(error)
        why = " ".join(said.splitlines()[:1]).rpartition(" failed: ")[2].rstrip(".")
        place = f"T{place_of(url)[1:]}"
        if isinstance(error, psycopg.OperationalError) and state[:2] in ("", "08", "57"):  # no connection; shut down
            raise StoreError(
                f"{place} cannot be reached: {why}. Check that it is running, and the URL in the variable that "
                "the setting database_env names; then type the command again."
            ) from error
        raise StoreError(
            f"{place} refused: {why}. Correct what it says, such as a permission of the user in the URL that "
            "the setting database_env names; then type the command again."
        ) from error


def place_of(url: str) -> str:
    """The database as people name it: without user and password."""
    from psycopg.conninfo import conninfo_to_dict

    parts = conninfo_to_dict(url)
    return f"the database {parts.get('dbname')} at {parts.get('host')}:{parts.get('port', 5432)}"


def _key(name: str) -> tuple[int, int]:
    """The key of the lock `name`, which is the database's: another database has other locks."""
    return _OURS, zlib.crc32(name.encode()) >> 1


@dataclass
class HostsLock:
    """A lock that at most one process of all hosts holds. It ends with its process, at the latest a minute after the
    host has vanished."""

    url: str = field(repr=False)
    name: str
    _session: "psycopg.Connection[Any] | None" = field(default=None, init=False, repr=False)

    @property
    def is_locked(self) -> bool:
        """Whether this process has acquired it; `still_held` says whether that is still so."""
        return self._session is not None

    @property
    def session(self) -> int | None:
        """The server's number of the session that holds it for this process."""
        return self._session.info.backend_pid if self._session else None

    def acquire(self, seconds: float | None = None) -> bool:
        """Acquire it, and wait for that at most this long; None waits for as long as another process holds it.

        Raises:
            StoreError: the database cannot be used.
        """
        import psycopg

        with errors_in_words(self.url):
            session = connect(self.url)
            acquired = False
            try:
                if seconds == 0:
                    found = session.execute("select pg_try_advisory_lock(%s, %s)", _key(self.name)).fetchone()
                    acquired = found == (True,)
                else:
                    session.execute("select set_config('lock_timeout', %s, false)", [str(round((seconds or 0) * 1000))])
                    session.execute("select pg_advisory_lock(%s, %s)", _key(self.name))
                    acquired = True
            except psycopg.errors.LockNotAvailable:
                acquired = False
            finally:
                if acquired:
                    self._session = session
                else:
                    session.close()
        return acquired

    def release(self) -> None:
        """Give it up, if this process holds it."""
        if self._session:
            self._session.close()
            self._session = None

    def still_held(self) -> bool:
        """Whether the session that acquired it still exists and has it."""
        import psycopg

        if self._session is None:
            return False
        try:
            return self._session.info.backend_pid in _sessions_with(self._session, self.name)
        except psycopg.Error:
            return False

    def holders(self) -> list[int]:
        """The server's number of the session that holds it, if one does.

        Raises:
            StoreError: the database cannot be used.
        """
        with errors_in_words(self.url), connected(self.url) as connection:
            return _sessions_with(connection, self.name)


@dataclass(frozen=True)
class Origin:
    """How the records of a schema began: on which host, when, and copied from which file, if any."""

    copied_from: str | None
    host: str
    at: str


@dataclass(frozen=True)
class State:
    """What `kpi doctor` wants to know of a database."""

    place: str
    version: str
    is_standby: bool
    origins: dict[str, Origin]


def state_of(url: str) -> State:
    """The state of the database; nothing is written.

    Raises:
        StoreError: the database cannot be used.
    """
    with errors_in_words(url), connected(url) as connection:
        found = connection.execute("select current_setting('server_version'), pg_is_in_recovery()").fetchone()
        version, is_standby = found or ("", False)
        origins: dict[str, Origin] = {}
        for schema in SCHEMAS:
            if connection.execute("select to_regclass(%s)", [f"{schema}.origin"]).fetchone() != (None,):
                row = connection.execute(f"select path, host, at from {schema}.origin".encode()).fetchone()
                origins |= {schema: Origin(*row)} if row else {}
    return State(place_of(url), version, is_standby, origins)


def _sessions_with(connection: "psycopg.Connection[Any]", name: str) -> list[int]:
    # Of two keys, PostgreSQL shows the second as objid; objsubid is 2 for such locks.
    held = connection.execute(
        "select pid from pg_locks where locktype = 'advisory' and granted and objsubid = 2 and classid::bigint = %s "
        "and objid::bigint = %s and database = (select oid from pg_database where datname = current_database())",
        _key(name),
    )
    return [pid for (pid,) in held]
