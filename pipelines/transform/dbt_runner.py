"""Runs dbt within the current process, which saves the seconds that starting another process would take.

Belongs here: invoking dbt on parsed models, its results, and making it release the warehouse afterwards.
Does not belong here: the models and their variables (`project.py`), and Dagster (`assets.py`).

dbt is imported on its first invocation: `kpi status` and others read the settings of dbt's project but never run dbt.
"""

import gc
import os
import re
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipelines.runs.profiling import note_models
from pipelines.transform.engines import Engine, engine

_RESULTS = {"LogModelResult", "LogSeedResult", "LogTestResult"}
_SECONDS_BETWEEN_CANCELS = 0.1


@dataclass(frozen=True)
class Invocation:
    """The outcome of a dbt command."""

    succeeded: bool
    events: tuple[dict[str, Any], ...]  # one per model, seed and test that finished, as in dbt's JSON log
    results: tuple[dict[str, Any], ...]  # status, unique_id, message and seconds of each, including skipped ones
    error: str  # why there are no results, if there are none

    @property
    def succeeded_nodes(self) -> list[str]:
        """The unique ids of the models and seeds that were built, and of the tests that passed."""
        return [result["unique_id"] for result in self.results if result["status"] in ("success", "pass")]


def invoke(arguments: Sequence[str], environment: Mapping[str, str], parsed: Path | None = None) -> Invocation:
    """Run dbt with command-line arguments on models that it has `parsed` (its `partial_parse.msgpack`).

    Without `parsed`, dbt parses the project itself. `environment` is added to this process's environment while it runs.

    Raises:
        KeyboardInterrupt: somebody interrupted it. Its queries are canceled, and none of them continues.
    """
    from dbt.cli.main import dbtRunner
    from dbt_common.events.base_types import EventMsg
    from dbt_common.events.functions import msg_to_dict

    said: list[EventMsg] = []

    def listen(event: EventMsg) -> None:
        if event.info.name in _RESULTS:
            said.append(event)

    manifest = parsed_models(parsed) if parsed else None
    builder = engine(environment.get("KPI_ENGINE", "duckdb"))
    with builder.opened(arguments[0], environment) as environment:
        with _added_to_environment(environment), _interruptible(builder), _without_debug_events(arguments):
            ended = dbtRunner(manifest, callbacks=[listen]).invoke(list(arguments))
        is_interrupted = isinstance(ended.exception, KeyboardInterrupt)
        results = getattr(ended.result, "results", ())
        invocation = Invocation(
            succeeded=ended.success,
            events=tuple(msg_to_dict(event) for event in said),
            results=tuple(
                {
                    "status": str(one.status),
                    "unique_id": one.node.unique_id,
                    "message": _with_real_paths(one.message, arguments),
                    "seconds": one.execution_time,
                }
                for one in results
            ),
            error=_with_real_paths(str(ended.exception or ""), arguments) or "",
        )
        built = [f"{one.node.schema}.{one.node.name}" for one in results if one.status == "success"]
        if not ended.success:
            del ended, results
            gc.collect()  # the traceback of a failure keeps its connection alive
    builder.keep(built, environment)
    if arguments[0] == "build":
        note_models(invocation.results)
    if is_interrupted:
        raise KeyboardInterrupt
    return invocation


def _with_real_paths(message: str | None, arguments: Sequence[str]) -> str | None:
    """dbt's message, in which the paths of models are those of the files that the project's links lead to."""
    if not message or "--project-dir" not in arguments:
        return message
    project_dir = Path(arguments[arguments.index("--project-dir") + 1])

    def real(found: re.Match[str]) -> str:
        path = project_dir / found["path"]
        return f"({path.resolve()})" if path.exists() else found[0]

    return re.sub(r"\((?P<path>\w+/[^()\s]+)\)", real, message)


def parsed_models(file: Path) -> Any:
    """dbt's `Manifest`, read from its `partial_parse.msgpack`; the same object until the file changes."""
    return _read(file, file.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def _read(file: Path, _changed_at: int) -> Any:
    from dbt.contracts.graph.manifest import Manifest
    from dbt.parser.manifest import extended_mashumuro_decoder

    manifest = Manifest.from_msgpack(file.read_bytes(), decoder=extended_mashumuro_decoder)
    # dbt does this after parsing: it is the variable `graph`, which a company's own models may read.
    manifest.build_flat_graph()  # type: ignore[no-untyped-call]
    gc.freeze()  # a million long-lived objects that garbage collection need not examine
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
def _without_debug_events(arguments: Sequence[str]) -> Iterator[None]:
    """Let dbt drop what it would say at level `debug`, unless its log file has this level, as it has by default.

    These are most of its events: one for each step of each thread. It would compose every message before filtering it.
    """
    from dbt_common.events.base_types import BaseEvent, EventLevel
    from dbt_common.events.event_manager import EventManager
    from dbt_common.events.event_manager_client import ctx_set_event_manager, get_event_manager

    class WithoutDebugEvents(EventManager):
        def fire_event(self, e: BaseEvent, level: EventLevel | None = None, *others: Any, **more: Any) -> None:
            if (level or e.level_tag()) is not EventLevel.DEBUG:
                super().fire_event(e, level, *others, **more)

    if "--log-level-file" not in arguments:
        yield
        return
    before = get_event_manager()
    ctx_set_event_manager(WithoutDebugEvents())
    try:
        yield
    finally:
        ctx_set_event_manager(before)


@contextmanager
def _interruptible(builder: Engine) -> Iterator[None]:
    """Make dbt treat both signals as Ctrl-C, upon which it cancels its queries and waits for its threads.

    Dagster's handler raises an exception that dbt does not know, and dbt's threads would keep building after the run.
    """
    if threading.current_thread() is not threading.main_thread():  # only the main thread receives signals
        yield
        return
    has_ended = threading.Event()

    def interrupt(*_: object) -> None:
        threading.Thread(target=_cancel_queries, args=(builder, has_ended), daemon=True).start()
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


def _cancel_queries(builder: Engine, has_ended: threading.Event) -> None:
    """Cancel dbt's queries repeatedly. dbt cancels once, and a thread between two queries would start the next one."""
    while not has_ended.wait(_SECONDS_BETWEEN_CANCELS):
        builder.cancel()
