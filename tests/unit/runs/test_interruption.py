"""Ctrl-C, SIGTERM and a reader that stops reading: what happens to a Dagster run, with real signals and a real pipe."""

import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from pipelines import __main__ as entry
from tests.conftest import PROJECT_DIR

RUNS = """
import json, logging, os, signal, sys, uuid
import dagster as dg
from pipelines.cli.common import console
from pipelines.runs.interruption import can_be_interrupted
from pipelines.runs.progress import STEP_LOGGER, shown, step_logger

began = []

@dg.op(retry_policy=dg.RetryPolicy(max_retries=2, delay=600))
def interrupted_inside(context):
    began.append(context.op.name)
    os.kill(os.getpid(), signal.SIGINT)

@dg.op
def asked_to_end(context):
    began.append(context.op.name)
    os.kill(os.getpid(), signal.SIGTERM)

@dg.op(out=dg.Out(dg.Nothing))
def interrupted_at_rest(context):
    began.append(context.op.name)
    yield dg.AssetObservation("what")  # Dagster tells of it while this generator is at rest
    began.append("what comes then")

@dg.op
def quick(context):
    began.append(context.op.name)

@dg.op(ins={"before": dg.In(dg.Nothing)})
def later(context):
    began.append(context.op.name)

@dg.op
def interrupted_when_over(context):
    began.append(context.op.name)

class InterruptsBetweenSteps(logging.Handler):
    def emit(self, record):
        event = getattr(record, "dagster_meta", {}).get("dagster_event")
        if not event:
            return
        is_over = event.event_type is dg.DagsterEventType.RUN_SUCCESS and "when_over" in event.job_name
        if is_over or event.event_type is dg.DagsterEventType.ASSET_OBSERVATION:
            os.kill(os.getpid(), signal.SIGINT)

def outcome(first, instance):
    began.clear()

    @dg.job(name=f"job_{first.name}", logger_defs={"steps": step_logger})
    def job():
        later(before=first())

    run_id, is_interrupted, interruption = str(uuid.uuid4()), False, None
    try:
        with shown(console, first.name, steps=2), can_be_interrupted(instance, run_id) as interruption:
            job.execute_in_process(
                run_id=run_id, instance=instance, run_config={"loggers": {"steps": {}}}, raise_on_error=False
            )
    except KeyboardInterrupt:
        is_interrupted = True
    return {
        "status": instance.get_run_by_id(run_id).status.value,
        "began": list(began),
        "is_interrupted": is_interrupted,
        "came_too_late": interruption.came_too_late,
    }

if __name__ == "__main__":
    STEP_LOGGER.addHandler(InterruptsBetweenSteps())
    print("ready", flush=True)
    sys.stdin.readline()  # until nobody reads what is printed
    with dg.DagsterInstance.ephemeral() as instance:
        found = {
            first.name: outcome(first, instance)
            for first in (interrupted_inside, asked_to_end, interrupted_at_rest, interrupted_when_over, quick)
        }
    open(sys.argv[1], "w").write(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The outcome of four runs in one process whose output nobody read from the first line on."""
    script, answer = tmp_path_factory.mktemp("runs") / "runs.py", tmp_path_factory.mktemp("answer") / "found.json"
    script.write_text(RUNS)
    reading, writing = os.pipe()
    with subprocess.Popen(
        [sys.executable, str(script), str(answer)],
        cwd=PROJECT_DIR,
        env={**os.environ, "PYTHONPATH": str(PROJECT_DIR)},
        stdin=subprocess.PIPE,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a shell may have it ignored
    ) as process:
        os.close(writing)
        with os.fdopen(reading) as output:
            assert output.readline() == "ready\n"
        _, errors = process.communicate("go on\n")
    assert process.returncode == 0, errors
    return {**json.loads(answer.read_text()), "errors": errors}


def test_a_run_goes_on_when_nobody_reads_its_output_any_more(found: dict[str, Any]) -> None:
    assert found["quick"] == {
        "status": "SUCCESS",
        "began": ["quick", "later"],
        "is_interrupted": False,
        "came_too_late": False,
    }
    assert "BrokenPipe" not in found["errors"]


@pytest.mark.parametrize("step", ["interrupted_inside", "asked_to_end", "interrupted_at_rest"])
def test_an_interrupted_run_stops_at_once_and_is_canceled_not_failed(found: dict[str, Any], step: str) -> None:
    assert found[step] == {"status": "CANCELED", "began": [step], "is_interrupted": True, "came_too_late": False}


def test_a_run_that_is_over_when_somebody_interrupts_it_stays_a_success(found: dict[str, Any]) -> None:
    late = found["interrupted_when_over"]
    assert (late["status"], late["is_interrupted"], late["came_too_late"]) == ("SUCCESS", False, True)


def test_whoever_interrupts_while_the_command_loads_is_answered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(name: str, *arguments: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("builtins.__import__", interrupted)
    with pytest.raises(SystemExit) as ended:
        entry.main()
    monkeypatch.undo()
    assert (ended.value.code, capsys.readouterr().err) == (130, "Interrupted before anything was done.\n")
