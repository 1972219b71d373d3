"""A disk that is full, fails or may not be written: one sentence that names it and says what to do."""

import errno
import os
import sqlite3
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from pipelines.disk import disk_problem, disk_problem_in, disk_problems_as_failures, write_whole

DATA_DIR = Path("/data of the company")
AT = DATA_DIR / "raw" / "rows.parquet"


def error_of(number: int, path: Path | None = None) -> OSError:
    return OSError(number, os.strerror(number), str(path)) if path else OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (error_of(errno.ENOSPC), f"The disk of DATA_DIR ({DATA_DIR}) is full: free up space, then run the day again."),
        (error_of(errno.EDQUOT, AT), f"The disk of DATA_DIR ({DATA_DIR}) is full at {AT}: free up space,"),
        (error_of(errno.ENOSPC, Path("/elsewhere/spill")), "The disk of /elsewhere is full at /elsewhere/spill: free"),
        (error_of(errno.EIO, AT), f"The disk of DATA_DIR ({DATA_DIR}) failed at {AT} (I/O error): have the disk"),
        (error_of(errno.EACCES, AT), f"{AT} cannot be read or written: the user of this process lacks the permission"),
        (error_of(errno.EROFS), f"A file in DATA_DIR ({DATA_DIR}) cannot be written: the user"),
        (sqlite3.OperationalError("database or disk is full"), f"The disk of DATA_DIR ({DATA_DIR}) is full: free up"),
        (sqlite3.OperationalError("attempt to write a readonly database"), f"A file in DATA_DIR ({DATA_DIR}) cannot"),
        (
            duckdb.IOException(f'IO Error: Could not write file "{AT}": No space left on device'),
            f"The disk of DATA_DIR ({DATA_DIR}) is full at {AT}: free up space, then run the day again.",
        ),
        (
            duckdb.OutOfMemoryException(
                "Out of Memory Error: failed to offload data block of size 192.0 KiB (19.0 GiB/19.0 GiB used).\n"
                "This limit was set by the 'max_temp_directory_size' setting."
            ),
            f"The disk of DATA_DIR ({DATA_DIR}) is full: free up space, then run the day again.",
        ),
    ],
)
def test_an_error_of_a_disk_is_one_sentence_with_a_remedy(error: Exception, said: str) -> None:
    assert (disk_problem(error, DATA_DIR) or "").startswith(said)


def test_too_little_memory_is_one_sentence_with_the_limit() -> None:
    with duckdb.connect() as connection:
        connection.execute("set memory_limit = '40MB'; set temp_directory = ''")
        with pytest.raises(duckdb.OutOfMemoryException) as raised:
            connection.execute("select count(*) from (select distinct range, random() from range(10000000))")
    said = (
        "Memory ran out: DuckDB may take 38.1 MiB here, and needed more at once. Give the machine or its container "
        "more memory, then run the day again."
    )
    assert disk_problem(raised.value, DATA_DIR) == said
    assert disk_problem_in(f"Runtime Error in model kpi_revenue (models/…)\n  {raised.value}", DATA_DIR) == said
    with pytest.raises(dg.Failure) as failed, disk_problems_as_failures(DATA_DIR):
        raise raised.value
    assert failed.value.description == said
    assert not failed.value.allow_retries


def test_the_reason_may_be_behind_other_errors() -> None:
    error = RuntimeError("a step failed")
    error.__cause__ = KeyError("what a library raised meanwhile")
    error.__cause__.__context__ = error_of(errno.ENOSPC)
    assert disk_problem(error, DATA_DIR, then="type the command again") == (
        f"The disk of DATA_DIR ({DATA_DIR}) is full: free up space, then type the command again."
    )


@pytest.mark.parametrize(
    "error", [FileNotFoundError(errno.ENOENT, "no such file", "x"), ValueError("Permission denied"), KeyError("x")]
)
def test_other_errors_are_not_the_disks(error: Exception) -> None:
    assert disk_problem(error, DATA_DIR) is None


def test_an_error_that_was_answered_is_not_the_reason() -> None:
    answer = ValueError("something else")
    answer.__context__, answer.__suppress_context__ = error_of(errno.ENOSPC), True  # raised `from None`
    assert disk_problem(answer, DATA_DIR) is None


@pytest.mark.parametrize(("number", "is_tried_again"), [(errno.EIO, True), (errno.ENOSPC, False)])
def test_a_step_fails_with_the_sentence_and_is_tried_again_only_if_that_can_help(
    number: int, is_tried_again: bool
) -> None:
    with pytest.raises(dg.Failure) as failed, disk_problems_as_failures(DATA_DIR):
        raise error_of(number, AT)
    assert str(AT) in (failed.value.description or "")
    assert failed.value.allow_retries is is_tried_again


def test_what_dbt_said_of_a_full_disk_becomes_the_sentence() -> None:
    said = f'1 model could not be built.\nfct_orders: IO Error: Could not write "{AT}": No space left on device'
    with pytest.raises(dg.Failure, match=r"is full at .*: free up") as failed, disk_problems_as_failures(DATA_DIR):
        raise dg.Failure(said)
    assert failed.value.description == disk_problem_in(said, DATA_DIR)


def test_other_failures_of_a_step_stay_as_they_are() -> None:
    with pytest.raises(dg.Failure, match=r"^a check failed$"), disk_problems_as_failures(DATA_DIR):
        raise dg.Failure("a check failed")


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    for text in ("one", "two"):
        write_whole(tmp_path / "note", text)
    assert (tmp_path / "note").read_text() == "two"
    assert [path.name for path in tmp_path.iterdir()] == ["note"]
