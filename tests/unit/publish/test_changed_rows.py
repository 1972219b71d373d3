"""Which rows only one of two publications has, found by hashes or, where types differ, by their values."""

import duckdb
import pytest

from pipelines.publish.restatements import _find_changed_rows

ROWS = "(1, 1.00, ['a', null]), (2, null, []), (3, 3.00, ['c']), (3, 3.00, ['c'])"


@pytest.mark.parametrize("type_", ["decimal(18, 2)", "decimal(18, 6)"], ids=["same types", "another type"])
def test_rows_that_differ_are_found_once_and_equal_ones_are_not(type_: str) -> None:
    with duckdb.connect() as connection:
        for database, amount in (("previous", "decimal(18, 2)"), ("candidate", type_)):
            connection.execute(f"attach ':memory:' as {database}")
            connection.execute(f"create schema {database}.marts")
            connection.execute(f"create table {database}.marts.t (id integer, amount {amount}, cuts varchar[])")
            connection.execute(f"insert into {database}.marts.t values {ROWS}")
        assert not _find_changed_rows(connection, "t", [])
        connection.execute("update candidate.marts.t set amount = 4 where id = 3")
        connection.execute("insert into candidate.marts.t values (5, null, null), (5, null, null)")
        connection.execute("delete from candidate.marts.t where id = 1")
        assert _find_changed_rows(connection, "t", [])
        before, after = (
            connection.execute(f"select id, cast(amount as integer) from t_{side} order by id").fetchall()
            for side in ("before", "after")
        )
    assert before == [(1, 1), (3, 3)]
    assert after == [(3, 4), (5, None)]
