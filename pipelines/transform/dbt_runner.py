"""dbt in the process that is already there: a build costs its models, not the seconds in which another one gets ready.

Belongs here: invoking dbt on parsed models, what it says of them, and that it lets go of the warehouse afterwards.
Does not belong here: which models there are and what they are told (`project.py`), and Dagster (`assets.py`).

dbt is imported when it is first invoked: `kpi status` and others read the settings of dbt's project, but never run it.
"""

import gc
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipelines.profiling import note_models
from pipelines.warehouse import let_go

_RESULTS = {"LogModelResult", "LogSeedResult", "LogTestResult"}
_SECONDS_BETWEEN_CANCELS = 0.1


@dataclass(frozen=True)
class Invocation:
    """What became of a dbt command."""

    succeeded: bool
    events: tuple[dict[str, Any], ...]  # one per model, seed and test that ended, as in dbt's log in JSON
    results: tuple[dict[str, Any], ...]  # status, unique_id, message and seconds of each, also of what was skipped
    error: str  # why it came to no results, if it did

    @property
    def succeeded_nodes(self) -> list[str]:
        """The unique ids of the models and seeds that were built, and of the tests that passed."""
        return [result["unique_id"] for result in self.results if result["status"] in ("success", "pass")]


def invoke(arguments: Sequence[str], environment: Mapping[str, str], parsed: Path | None = None) -> Invocation:
    """Run dbt with the arguments of its command line, on models that it has `parsed` (its `partial_parse.msgpack`).

    Without those it parses the project itself. `environment` is added to this process's own for as long as it runs.

    Raises:
        KeyboardInterrupt: somebody interrupted it. Its queries are canceled, and nothing of them runs on.
    """
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner
    from dbt_common.events.base_types import EventMsg
    from dbt_common.events.functions import msg_to_dict

    said: list[EventMsg] = []

    def listen(event: EventMsg) -> None:
        if event.info.name in _RESULTS:
            said.append(event)

    manifest = parsed_models(parsed) if parsed else None
    let_go()
    with _added_to_environment(environment), _interruptible():
        ended = dbtRunner(manifest, callbacks=[listen]).invoke(list(arguments))
    is_interrupted = isinstance(ended.exception, KeyboardInterrupt)
    invocation = Invocation(
        succeeded=ended.success,
        events=tuple(msg_to_dict(event) for event in said),
        results=tuple(
            {
                "status": str(one.status),
                "unique_id": one.node.unique_id,
                "message": one.message,
                "seconds": one.execution_time,
            }
            for one in getattr(ended.result, "results", ())
        ),
        error=str(ended.exception or ""),
    )
    if not ended.success:
        del ended
        gc.collect()  # the traceback of what failed holds on to its connection
    # dbt would keep the file for its next invocation, and nobody else could open it.
    DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
    note_models(invocation.results)
    if is_interrupted:
        raise KeyboardInterrupt
    return invocation


def parsed_models(file: Path) -> Any:
    """dbt's `Manifest` as it stands in its `partial_parse.msgpack`; the same object until the file is another."""
    return _read(file, file.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def _read(file: Path, _changed_at: int) -> Any:
    from dbt.contracts.graph.manifest import Manifest
    from dbt.parser.manifest import extended_mashumuro_decoder

    manifest = Manifest.from_msgpack(file.read_bytes(), decoder=extended_mashumuro_decoder)
    # As dbt does when it has parsed: it is the variable `graph` of models, which people's own may read.
    manifest.build_flat_graph()  # type: ignore[no-untyped-call]
    gc.freeze()  # a million objects that live on, so that no collection need look at them
    return manifest


@contextmanager
def _added_to_environment(environment: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _interruptible() -> Iterator[None]:
    """Have dbt see both signals as Ctrl-C, upon which it cancels its queries and waits for its threads.

    Dagster's own handler raises what dbt does not know, and its threads would build on in a run that is over.
    """
    if threading.current_thread() is not threading.main_thread():  # signals go to the main thread alone
        yield
        return
    has_ended = threading.Event()

    def interrupt(*_: object) -> None:
        threading.Thread(target=_cancel_queries, args=(has_ended,), daemon=True).start()
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for number in before:
            signal.signal(number, interrupt)
        yield
    finally:
        has_ended.set()
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)  # none: not set from Python


def _cancel_queries(has_ended: threading.Event) -> None:
    """Cancel dbt's queries again and again. It does so once, and a thread between two of them would begin the next."""
    from dbt.adapters.factory import FACTORY

    while not has_ended.wait(_SECONDS_BETWEEN_CANCELS):
        for adapter in list(FACTORY.adapters.values()):
            adapter.connections.cancel_open()
