"""A failed dbt step says in a sentence what failed."""

from typing import Any

from pipelines.transform.failures import ONLY_TESTS, failure_of, readable_error


def result(status: str, name: str, message: str | None = None) -> dict[str, Any]:
    return {"status": status, "unique_id": name, "message": message}


def test_it_opens_with_what_failed_and_says_what_was_left_out() -> None:
    failure = failure_of(
        [
            result("success", "model.kpi.stg_shop__orders"),
            result("error", "model.kpi.fct_orders", "Runtime Error in model fct_orders\n  Binder Error: no column x"),
            result("skipped", "model.kpi.kpi_revenue__monthly"),
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
