"""Measures where the time of a run goes: what `kpi run --profile` prints and saves.

Belongs here: a clock that knows which stage of a run the process is in, and the report of its times.
Does not belong here: which parts of the pipeline are stages; they declare this with `measured` where they begin.

A run is one process. Each moment counts towards exactly one stage: time in a nested stage does not count towards the
outer stage. Processor time includes all threads, and programs that were started and have ended.
"""

import json
import logging
import os
import platform
import resource
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import dagster as dg

START_UP, DATA_DOCS, EVENTS, PARSING = "start-up and imports", "Data Docs", "Dagster's events", "dbt's parsing"
ALERTS, REST = "alerts and housekeeping", "Dagster between steps"
_STAGES = {
    "raw": "landing",
    "check": "checks",
    "transform_staging": "staging",
    "transform_marts": "marts",
    "published__reports": "reports",
}
_PACKAGES = ("dagster", "dbt-core", "dbt-duckdb", "duckdb", "great-expectations")


@dataclass
class Cost:
    """Seconds of processor and of wall time."""

    cpu: float = 0.0
    wall: float = 0.0


class Profile:
    """The costs of this process so far, by stage and by model."""

    def __init__(self) -> None:
        self.stages: dict[str, Cost] = {}
        self.models: dict[str, float] = {}  # seconds of wall time of the newest build, by name
        self._open = [START_UP]
        # Up to here, the process has loaded programs and settings, and has hardly waited.
        self._cpu, self._wall = 0.0, time.perf_counter() - time.process_time()

    def enter(self, stage: str) -> None:
        """Count time towards `stage` from now on."""
        self._count()
        self._open.append(stage)

    def leave(self) -> None:
        """Count time towards the enclosing stage again."""
        self._count()
        self._open.pop()

    def next(self, stage: str) -> None:
        """Count time towards `stage` instead of the current stage."""
        self.leave()
        self._open.append(stage)

    def built(self, results: Iterable[Mapping[str, Any]]) -> None:
        """Record how long models and tests took, from dbt's results."""
        self.models |= {result["unique_id"].split(".")[2]: result["seconds"] for result in results}

    def total(self) -> Cost:
        """The cost of the process so far."""
        self._count()
        return Cost(sum(cost.cpu for cost in self.stages.values()), sum(cost.wall for cost in self.stages.values()))

    def _count(self) -> None:
        cpu, wall = _cpu_seconds(), time.perf_counter()
        cost = self.stages.setdefault(self._open[-1], Cost())
        cost.cpu += cpu - self._cpu
        cost.wall += wall - self._wall
        self._cpu, self._wall = cpu, wall


class _StepHandler(logging.Handler):
    """Makes each step of a run one of its stages."""

    def __init__(self, profile: Profile) -> None:
        super().__init__()
        self._profile = profile

    def emit(self, record: logging.LogRecord) -> None:
        event: dg.DagsterEvent | None = getattr(record, "dagster_meta", {}).get("dagster_event")
        if event is None or event.step_key is None:
            return
        match event.event_type_value:
            case "STEP_START":
                self._profile.enter(_stage_of(event.step_key))
            case "STEP_SUCCESS" | "STEP_FAILURE":
                self._profile.leave()


_current: Profile | None = None


@contextmanager
def profiled() -> Iterator[Profile]:
    """Measure the process from its start to the end of the block."""
    from pipelines.runs.progress import STEP_LOGGER

    global _current
    profile = _current = Profile()
    handler = _StepHandler(profile)
    STEP_LOGGER.addHandler(handler)
    profile.next(REST)
    try:
        yield profile
    finally:
        STEP_LOGGER.removeHandler(handler)
        _current = None


@contextmanager
def measured(stage: str) -> Iterator[None]:
    """Count the block towards `stage`, if a profile is being measured."""
    profile = _current
    if profile is None:
        yield
        return
    profile.enter(stage)
    try:
        yield
    finally:
        profile.leave()


def note_models(results: Iterable[Mapping[str, Any]]) -> None:
    """Record in the profile, if there is one, how long models and tests took."""
    if _current is not None:
        _current.built(results)


def save_profile(profile: Profile, what: str, folder: Path) -> Path:
    """Save a profile of `what` as JSON, with a description of the machine; return the path of the file."""
    content = {
        "what": what,
        "total": asdict(profile.total()),
        "stages": {stage: asdict(cost) for stage, cost in profile.stages.items()},
        "models": profile.models,
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "processors": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
            "peak_memory_gb": round(_peak_memory_bytes() / 1e9, 2),
            "python": platform.python_version(),
            **{package: version(package) for package in _PACKAGES},
        },
    }
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}.json"
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return file


def _stage_of(step_key: str) -> str:
    return next((stage for prefix, stage in _STAGES.items() if step_key.startswith(prefix)), "publishing")


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _peak_memory_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else peak * 1024  # Linux counts in kilobytes
