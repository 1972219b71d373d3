"""A failed dbt step says in a sentence what failed."""

from pathlib import Path
from typing import Any

import pytest

from pipelines.disk import disk_problem_in
from pipelines.transform.failures import ONLY_TESTS, failure_of, readable_error, with_place


def result(status: str, name: str, message: str | None = None) -> dict[str, Any]:
    return {"status": status, "unique_id": name, "message": message}


def test_it_opens_with_what_failed_and_says_what_was_left_out() -> None:
    failure = failure_of(
        [
            result("success", "model.kpi.stg_shop__orders"),
            result("error", "model.kpi.fct_orders", "Runtime Error in model fct_orders\n  Binder Error: no column x"),
            result("skipped", "model.kpi.kpi_revenue"),
        ],
        "the whole log",
    )
    assert failure.description == (
        "1 model could not be built. Skipped because of that: 1 model or test.\n"
        "fct_orders: Runtime Error in model fct_orders\n  Binder Error: no column x"
    )
    assert failure.metadata[ONLY_TESTS].value is False


def test_a_failure_of_tests_alone_says_so() -> None:
    failure = failure_of([result("fail", "test.kpi.revenue_adds_up", "Got 2 results")], "")
    assert failure.description == "1 test failed.\nrevenue_adds_up: Got 2 results"
    assert failure.metadata[ONLY_TESTS].value is True


def test_of_many_only_the_first_are_named() -> None:
    failure = failure_of([result("fail", f"test.kpi.t{number}", "Got 1 result") for number in range(7)], "")
    assert str(failure.description).splitlines()[0] == "7 tests failed."
    assert str(failure.description).splitlines()[-1] == "… and 2 more, in the step's log"


def test_what_stopped_dbt_before_it_built_anything_is_told() -> None:
    failure = failure_of([], "Compilation Error\n\n  'ref' is undefined")
    assert failure.description == "dbt failed before it built anything: Compilation Error\n  'ref' is undefined"


def test_values_that_a_delivery_brought_are_not_told() -> None:
    message = "Conversion Error: Could not convert string 'bob@example.com' to INT32"
    [*_, said] = str(failure_of([result("error", "model.kpi.m", message)], "").description).splitlines()
    assert said == "m: Conversion Error: Could not convert string '…' to INT32"


def test_what_dbt_said_is_told_without_its_colours() -> None:
    message = (
        "\x1b[31mRuntime Error in model fct_orders (models/fct_orders.sql)\x1b[0m\n\n"
        '  Binder Error: Referenced column "nothing" not found'
    )
    assert readable_error(message) == (
        "Runtime Error in model fct_orders (models/fct_orders.sql)\n"
        '  Binder Error: Referenced column "nothing" not found'
    )


MODEL = """\
select
    order_id,
    {{ quoted('Net Amount') }} as total_amount,
    net_amont as net_amount,
    {{ money('gross', gros) }} as gross_amount
from latest
"""


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (  # the line that DuckDB quotes, whatever its number in the compiled SQL
            'Binder Error: Referenced column "net_amont" not found in FROM clause!\n'
            '  Candidate bindings: "net_amount"\n  LINE 31:     net_amont as net_amount,\n               ^',
            'line 4: Binder Error: Referenced column "net_amont" not found in FROM clause! Candidate bindings: '
            '"net_amount"',
        ),
        (  # a line that Jinja wrote: the name leads to it
            'Binder Error: Referenced column "gros" not found\n  LINE 9:     cast(gross * gros as dec...\n      ^',
            'line 5: Binder Error: Referenced column "gros" not found',
        ),
    ],
)
def test_a_models_error_names_its_file_and_line(tmp_path: Path, said: str, told: str) -> None:
    file = tmp_path / "stg_shop__orders.sql"
    file.write_text(MODEL, encoding="utf-8")
    message = f"Runtime Error in model stg_shop__orders ({file})\n  {said}"
    assert with_place(message) == f"{file}, {told}"


def test_a_line_that_nobody_can_find_is_not_guessed(tmp_path: Path) -> None:
    file = tmp_path / "stg_shop__orders.sql"
    file.write_text(MODEL, encoding="utf-8")
    message = f"Runtime Error in model stg_shop__orders ({file})\n  Binder Error: no\n  LINE 3: _day,\n          ^"
    assert with_place(message) == f"{file}: Binder Error: no"


def test_an_error_of_java_says_what_caused_it_and_not_which_calls_led_there(tmp_path: Path) -> None:
    message = """\
Runtime Error in model kpi_nps (models/kpi_nps.sql)
  An error occurred while calling o55.sql.
  : org.apache.spark.SparkException: [TASK_WRITE_FAILED] Task failed while writing rows. SQLSTATE: 58030
      at org.apache.spark.sql.errors.QueryExecutionErrors$.taskFailed(QueryExecutionErrors.scala:823)
      at java.base/java.lang.Thread.run(Thread.java:840)
  Caused by: org.apache.hadoop.fs.FSError: java.io.IOException: No space left on device
      at org.apache.hadoop.fs.RawLocalFileSystem$LocalFSFileOutputStream.write(RawLocalFileSystem.java:261)
      ... 22 more
  Caused by: java.io.IOException: No space left on device
      at java.base/java.io.FileOutputStream.writeBytes(Native Method)
      ... 42 more
"""
    said = readable_error(message)
    assert said.splitlines() == [*message.splitlines()[:3], "Caused by: java.io.IOException: No space left on device"]
    assert "is full: free up space, then run the day again" in str(disk_problem_in(said, tmp_path))
