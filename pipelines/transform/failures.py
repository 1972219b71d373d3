"""Says in one sentence why a dbt step failed.

Belongs here: reading the results of a failed build, and finding the line of a model that dbt complains about.
Does not belong here: running dbt (`assets.py`).
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

ONLY_TESTS = "only tests failed"  # in a failure's metadata: the checks say more than the failure does
_IN_A_MODEL = re.compile(r"\w+ Error in \w+ \S+ \((?P<file>/[^()\n]+)\)\n(?P<said>.+)", re.DOTALL)
_IN_THE_SQL = re.compile(r"\n\s*LINE \d+: (?P<sql>.*)\n\s*\^\s*$")  # of the compiled SQL, not of the model
_FRAME_OF_JAVA = re.compile(r"\s*(at \S+\(.*\)|\.\.\. \d+ more)")
_CAUSE_IN_JAVA = "Caused by: "
_MENTIONS_VALUES = re.compile(r"(Conversion|Invalid Input|Out of Range|Constraint) Error")
_LONGEST_MESSAGE = 600
_MOST_FAILURES = 5


def failure_of(results: Sequence[Mapping[str, Any]], error: str) -> dg.Failure:
    """The failure of a dbt step, described by `said_of_failed`."""
    models_failed = any(result["status"] == "error" for result in results)
    only_tests = not models_failed and any(result["status"] == "fail" for result in results)
    return dg.Failure(said_of_failed(results, error), metadata={ONLY_TESTS: only_tests}, allow_retries=False)


def said_of_failed(results: Sequence[Mapping[str, Any]], error: str) -> str:
    """The models and tests that failed, with dbt's messages about them, and what was skipped.

    `results` are dbt's results of everything selected. If there are none, `error` says what happened.
    """
    models = [result for result in results if result["status"] == "error"]
    tests = [result for result in results if result["status"] == "fail"]
    if not models and not tests:
        return f"dbt failed before it built anything: {readable_error(error)}"
    skipped = sum(result["status"] == "skipped" for result in results)
    counts = [_counted(len(models), "model", "could not be built")] if models else []
    counts += [_counted(len(tests), "test", "failed")] if tests else []
    things = "model or test" if skipped == 1 else "models and tests"
    left_out = f" Skipped because of that: {skipped:,} {things}." if skipped else ""
    failed = [
        f"{_name(result)}: {readable_error(result.get('message') or 'no reason given')}" for result in models + tests
    ]
    more = [f"… and {len(failed) - _MOST_FAILURES} more, in the step's log"] if len(failed) > _MOST_FAILURES else []
    return "\n".join([f"{' and '.join(counts)}.{left_out}", *failed[:_MOST_FAILURES], *more])


def readable_error(message: str) -> str:
    """The text of an error without colours, blank lines, and values from deliveries, and where in a model it is.

    Of an error of Java, which Spark raises, it has the first cause of all, and not the hundred calls that led there.
    """
    lines = re.sub(r"\x1b\[[0-9;]*m", "", message).splitlines()
    causes = [line.strip() for line in lines if line.strip().startswith(_CAUSE_IN_JAVA)]
    if causes:
        lines = [line for line in lines if line.strip() not in causes and not _FRAME_OF_JAVA.fullmatch(line)]
        lines.append(causes[-1])
    text = "\n".join(line.rstrip() for line in lines if line.strip())
    if _MENTIONS_VALUES.search(text):
        text = re.sub(r"'[^'\n]*'", "'…'", text)
    text = with_place(text)
    return text if len(text) <= _LONGEST_MESSAGE else text[:_LONGEST_MESSAGE] + "…"


def with_place(message: str) -> str:
    """dbt's message about a model, preceded by the model's file and, if it can be found there, the line.

    DuckDB counts the lines of the SQL that dbt made of the model. The line of the model is the one that it quotes or,
    if Jinja wrote that one, the only one with a name that the message quotes.
    """
    found = _IN_A_MODEL.fullmatch(message)
    if not found:
        return message
    file, said = Path(found["file"]), found["said"]
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    quoted = _IN_THE_SQL.search(said)
    fragments = [quoted["sql"].strip(". ")] if quoted else []
    fragments += re.findall(r'"([^"\n]+)"', said)[:1]
    told = " ".join(line.strip() for line in _IN_THE_SQL.sub("", said).splitlines())
    for fragment in filter(None, fragments):
        numbers = [number for number, line in enumerate(lines, start=1) if fragment in line]
        if len(numbers) == 1:
            return f"{file}, line {numbers[0]}: {told}"
    return f"{file}: {told}"


def _counted(number: int, thing: str, happened: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'} {happened}"


def _name(result: Mapping[str, Any]) -> str:
    """The short name: `fct_orders` for `model.sales_kpi.fct_orders`. Tests defined in YAML end with a hash."""
    return str(result["unique_id"].split(".")[2])
