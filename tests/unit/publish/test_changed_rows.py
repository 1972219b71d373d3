"""Which rows only one of two publications has, and whose rows may count otherwise because of them."""

from collections.abc import Iterator

import duckdb
import pytest

from pipelines.answers.parts import Term
from pipelines.publish.changed_rows import find_changed_rows, near

ROWS = "(1, 1.00, ['a', null]), (2, null, []), (3, 3.00, ['c']), (3, 3.00, ['c'])"
SHOP = """
    create table marts.dim_product (product_id varchar, category varchar, name varchar);
    insert into marts.dim_product values ('chair', 'furniture', 'A chair'), ('pen', 'supplies', 'A pen');
    create table marts.fct_order_items (
        order_item_id varchar, order_id varchar, customer_id varchar, product_id varchar, amount integer
    );
    insert into marts.fct_order_items values
        ('1a', '1', 'ann', 'chair', 10), ('2a', '2', 'ann', 'pen', 1), ('3a', '3', 'bob', 'pen', 1),
        ('4a', '4', null, 'pen', 1), ('5a', '5', null, 'pen', 1), ('6a', '6', 'eve', 'pen', 1);
    create table marts.fct_refunds (
        refund_id varchar, order_item_id varchar, order_id varchar, customer_id varchar, amount integer
    );
    insert into marts.fct_refunds values ('r', '6a', '3', 'bob', 1)
"""


def term(from_sql: str, **changes: str) -> Term:
    """The sum of the amounts of a relation's rows, in no cuts unless `cuts` says so."""
    values = dict.fromkeys(Term.__annotations__, "")
    return Term(**{**values, "from_sql": from_sql, "adds_sql": "amount", **changes})


SALES = term("marts.fct_order_items", key_sql="order_item_id")
REFUNDS = term(
    "marts.fct_refunds",
    key_sql="refund_id",
    cuts="category: (select max(category) from marts.dim_product as products inner join marts.fct_order_items as lines "
    "using (product_id) where lines.order_item_id = fct_refunds.order_item_id)",
)


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """Two publications without tables."""
    with duckdb.connect() as connection:
        for database in ("previous", "candidate"):
            connection.execute(f"attach ':memory:' as {database}")
            connection.execute(f"create schema {database}.marts")
        yield connection


@pytest.fixture
def shops(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Two equal publications of a shop."""
    for database in ("previous", "candidate"):
        connection.execute(SHOP.replace("marts.", f"{database}.marts."))
    return connection


@pytest.mark.parametrize("type_", ["decimal(18, 2)", "decimal(18, 6)"], ids=["same types", "another type"])
def test_rows_that_differ_are_found_once_and_equal_ones_are_not(
    connection: duckdb.DuckDBPyConnection, type_: str
) -> None:
    for database, amount in (("previous", "decimal(18, 2)"), ("candidate", type_)):
        connection.execute(f"create table {database}.marts.t (id integer, amount {amount}, tags varchar[])")
        connection.execute(f"insert into {database}.marts.t values {ROWS}")
    of_table = [term("marts.t", key_sql="id", where_sql="tags is not null")]
    assert find_changed_rows(connection, of_table) == set()
    connection.execute("update candidate.marts.t set amount = 4 where id = 3")
    connection.execute("insert into candidate.marts.t values (5, null, null), (5, null, null)")
    connection.execute("delete from candidate.marts.t where id = 1")
    assert find_changed_rows(connection, of_table) == {"t"}
    before, after = (
        connection.execute(f"select id, cast(amount as integer) from t_{side} order by id").fetchall()
        for side in ("before", "after")
    )
    assert before == [(1, 1), (3, 3)]
    assert after == [(3, 4), (5, None)]


def test_a_table_that_was_not_published_before_is_missed(shops: duckdb.DuckDBPyConnection) -> None:
    shops.execute("drop table previous.marts.fct_refunds")
    with pytest.raises(duckdb.CatalogException, match="fct_refunds"):
        find_changed_rows(shops, [REFUNDS])


def test_columns_that_no_term_names_are_not_compared(shops: duckdb.DuckDBPyConnection) -> None:
    shops.execute("update candidate.marts.dim_product set name = 'Another name'")
    assert find_changed_rows(shops, [REFUNDS]) == set()


@pytest.mark.parametrize("type_", ["integer", "bigint"], ids=["same types", "another type"])
def test_only_rows_of_changed_owners_or_of_orders_without_one_are_looked_at(
    shops: duckdb.DuckDBPyConnection, type_: str
) -> None:
    shops.execute(f"alter table candidate.marts.fct_order_items alter amount type {type_}")
    shops.execute("update candidate.marts.fct_order_items set amount = 2 where order_item_id in ('1a', '4a')")
    assert find_changed_rows(shops, [SALES]) == {"fct_order_items"}
    assert items(shops, "fct_order_items_before") == ["1a", "4a"]
    assert items(shops, near("marts.fct_order_items", "before")) == ["1a", "2a", "4a"]


def test_a_product_that_changes_its_category_concerns_refunds_of_its_lines_whoever_got_them(
    shops: duckdb.DuckDBPyConnection,
) -> None:
    """The refund of Bob's order names a line of Eve's."""
    shops.execute("delete from candidate.marts.fct_order_items where product_id = 'pen' and customer_id <> 'eve'")
    shops.execute("delete from previous.marts.fct_order_items where product_id = 'pen' and customer_id <> 'eve'")
    assert find_changed_rows(shops, [REFUNDS]) == set()
    shops.execute("update candidate.marts.dim_product set category = 'tools' where product_id = 'pen'")
    assert find_changed_rows(shops, [REFUNDS]) == {"dim_product", "fct_refunds"}
    assert shops.execute("select refund_id, cut_0 from fct_refunds_after").fetchall() == [("r", ["tools"])]


def items(connection: duckdb.DuckDBPyConnection, relation: str) -> list[str]:
    """The order items of a relation."""
    return [name for (name,) in connection.execute(f"select order_item_id from {relation} order by 1").fetchall()]
