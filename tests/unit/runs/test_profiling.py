"""Every moment of a run counts for one stage, and the stages add up to the whole run."""

import json
from contextlib import suppress
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest
from rich.console import Console

from pipelines.cli.printing.profile import print_profile
from pipelines.runs import profiling
from pipelines.runs.profiling import (
    EVENTS,
    REST,
    START_UP,
    Cost,
    Profile,
    measured,
    note_models,
    profiled,
    save_profile,
)
from pipelines.runs.progress import step_logger


class Clock:
    """A clock that advances when a test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cpu, self.wall = 3.0, 100.0
        monkeypatch.setattr(profiling, "_cpu_seconds", lambda: self.cpu)
        times = SimpleNamespace(perf_counter=lambda: self.wall, process_time=lambda: self.cpu)
        monkeypatch.setattr(profiling, "time", times)

    def passes(self, cpu: float, wall: float) -> None:
        self.cpu += cpu
        self.wall += wall


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_a_stage_within_another_is_not_counted_for_the_outer(clock: Clock) -> None:
    with profiled() as profile:
        clock.passes(1, 2)
        with measured("checks"):
            clock.passes(4, 5)
            with measured(EVENTS):
                clock.passes(0.5, 0.75)
            clock.passes(2, 2)
        clock.passes(1, 1)
        total = profile.total()
    assert profile.stages == {START_UP: Cost(3, 3), REST: Cost(2, 3), "checks": Cost(6, 7), EVENTS: Cost(0.5, 0.75)}
    assert total == Cost(11.5, 13.75)


def test_a_stage_ends_with_the_error_that_ends_it(clock: Clock) -> None:
    with profiled() as profile:
        with suppress(OSError), measured("checks"):
            clock.passes(1, 1)
            raise OSError
        clock.passes(1, 1)
        profile.total()
    assert (profile.stages["checks"], profile.stages[REST]) == (Cost(1, 1), Cost(1, 1))


def test_nobody_measures_unless_asked() -> None:
    with measured("checks"):
        note_models([{"unique_id": "model.kpi.fct_orders", "seconds": 1.0}])
    assert profiling._current is None


def test_each_step_of_dagster_is_a_stage(clock: Clock) -> None:
    @dg.op
    def raw__shop__orders() -> None:
        clock.passes(1, 1)

    @dg.op(ins={"after": dg.In(dg.Nothing)})
    def check_raw__shop__orders() -> None:
        clock.passes(2, 2)
        raise OSError

    @dg.job(logger_defs={"steps": step_logger})
    def daily() -> None:
        check_raw__shop__orders(raw__shop__orders())

    with profiled() as profile:
        daily.execute_in_process(run_config={"loggers": {"steps": {}}}, raise_on_error=False)
        clock.passes(4, 4)
        profile.total()
    found = {stage: cost.cpu for stage, cost in profile.stages.items()}
    assert found == {START_UP: 3, REST: 4, "landing": 1, "checks": 2}


def test_what_is_printed_and_kept(tmp_path: Path) -> None:
    with profiled() as profile:
        note_models([{"unique_id": "model.kpi.fct_orders", "seconds": 1.25}])
        screen = StringIO()
        print_profile(profile, Console(file=screen, width=100))
        kept = json.loads(save_profile(profile, "kpi run, delivery day 2026-01-09", tmp_path / "profiles").read_text())
    assert "fct_orders" in screen.getvalue()
    assert "whole command" in screen.getvalue()
    assert kept["what"] == "kpi run, delivery day 2026-01-09"
    assert kept["models"] == {"fct_orders": 1.25}
    assert kept["total"]["cpu"] == pytest.approx(sum(cost["cpu"] for cost in kept["stages"].values()))
    assert kept["machine"]["processors"] >= 1


def test_a_profile_begins_with_the_process(clock: Clock) -> None:
    assert Profile().total() == Cost(3, 3)
