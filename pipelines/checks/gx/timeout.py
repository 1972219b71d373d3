"""Stops statements that run too long, so that one bad query cannot block a run forever.

Belongs here: watching the statements of one DuckDB connection.
Does not belong here: the statements themselves.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    import sqlalchemy as sa

_PAUSE_SECONDS = 0.05  # between interruptions, because a statement may start just after one


class StatementTimeoutError(Exception):
    """A statement took too long and was stopped."""


@contextmanager
def stopping_statements(engine: "sa.Engine", seconds: float) -> Iterator[None]:
    """Inside the block, stop each statement of `engine` that has not ended `seconds` after it began.

    `engine` has one connection. The stopped statement raises a `StatementTimeoutError`; later statements run as usual.
    """
    import sqlalchemy as sa  # not needed to load definitions

    watch = _Watch(seconds)

    def begun(connection: sa.Connection, *_: Any) -> None:
        watch.begun(connection.connection.driver_connection)

    def failed(context: sa.engine.ExceptionContext) -> None:
        if isinstance(context.original_exception, duckdb.InterruptException):
            raise StatementTimeoutError(f"stopped because it took longer than {seconds:g} seconds")

    sa.event.listen(engine, "before_cursor_execute", begun)
    sa.event.listen(engine, "handle_error", failed)
    watch.start()
    try:
        yield
    finally:
        watch.end()


class _Watch(threading.Thread):
    """Interrupts a statement that began too long ago. Interrupting an idle connection has no effect."""

    def __init__(self, seconds: float) -> None:
        super().__init__(name="statement timeout", daemon=True)
        self._seconds = seconds
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._connection: Any = None
        self._deadline = 0.0

    def begun(self, connection: Any) -> None:
        with self._lock:
            self._connection, self._deadline = connection, time.monotonic() + self._seconds

    def end(self) -> None:
        self._ended.set()
        self.join()
        self._connection = None  # so that closing the connection releases its file

    def run(self) -> None:
        wait = self._seconds
        while not self._ended.wait(wait):
            with self._lock:  # no statement can begin between reading the clock and the interruption
                wait = self._deadline - time.monotonic()
                if wait <= 0 and self._connection is not None:
                    self._connection.interrupt()
            wait = max(wait, _PAUSE_SECONDS)
