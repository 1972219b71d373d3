"""Says in one sentence why a dbt step failed.

Belongs here: reading the results of a failed build. Does not belong here: running dbt (`assets.py`).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

ONLY_TESTS = "only tests failed"  # in a failure's metadata: the checks say more than the failure does
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
    """The text of an error without colours, blank lines, and values from deliveries."""
    lines = re.sub(r"\x1b\[[0-9;]*m", "", message).splitlines()
    text = "\n".join(line.rstrip() for line in lines if line.strip())
    if _MENTIONS_VALUES.search(text):
        text = re.sub(r"'[^'\n]*'", "'…'", text)
    return text if len(text) <= _LONGEST_MESSAGE else text[:_LONGEST_MESSAGE] + "…"


def _counted(number: int, thing: str, happened: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'} {happened}"


def _name(result: Mapping[str, Any]) -> str:
    """The short name: `fct_orders` for `model.sales_kpi.fct_orders`. Tests defined in YAML end with a hash."""
    return str(result["unique_id"].split(".")[2])
