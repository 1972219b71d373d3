"""Data Docs: pages of the last runs, none of which shows a personal value."""

from pathlib import Path

import duckdb

from pipelines.quality.data_docs import build_data_docs, store_results
from pipelines.quality.relations import DuckDBTable
from pipelines.quality.validation import validate


def pages(folder: Path) -> list[str]:
    return sorted(path.parts[-3] for path in folder.glob("site/validations/**/*.html"))


def test_every_stored_result_gets_a_page(tmp_path, orders, write_suite, expect_not_null):
    suite = write_suite(
        expect_not_null("order_id", severity="warning"),
        {
            "type": "unexpected_rows_expectation",
            "name": "rule",
            "kwargs": {"unexpected_rows_query": "select 1 from {batch} where regexp_matches(code, '[a-z]{4}')"},
        },
        expect_not_null("colour"),
    )
    store_results(tmp_path / "docs", "run-1", suite, validate(suite, orders))
    index = build_data_docs(tmp_path / "docs")
    assert "raw.orders" in index.read_text()
    (page,) = (tmp_path / "docs").glob("site/validations/**/*.html")
    text = page.read_text()
    assert "1 unexpected values found. 25% of 4 total rows." in text
    assert "select 1 from {batch} where regexp_matches(code, '[a-z]{4}')" in text
    assert "column colour is missing" in text


def test_only_the_newest_runs_are_kept(tmp_path, orders, write_suite):
    suite = write_suite()
    for run in ("run-1", "run-2", "run-3"):
        store_results(tmp_path, run, suite, validate(suite, orders))
        build_data_docs(tmp_path, keep_runs=2)
    assert pages(tmp_path) == ["run-2", "run-3"]
    assert sorted(path.parts[-3] for path in tmp_path.glob("results/**/*.json")) == ["run-2", "run-3"]
    assert "run-1" not in (tmp_path / "site" / "index.html").read_text()


def test_pages_that_exist_are_not_built_again(tmp_path, orders, write_suite):
    suite = write_suite()
    store_results(tmp_path, "run-1", suite, validate(suite, orders))
    build_data_docs(tmp_path)
    (first,) = tmp_path.glob("site/validations/**/*.html")
    first.write_text("kept")
    store_results(tmp_path, "run-2", suite, validate(suite, orders))
    build_data_docs(tmp_path)
    assert pages(tmp_path) == ["run-1", "run-2"]
    assert first.read_text() == "kept"


def test_without_results_there_is_an_index(tmp_path):
    assert build_data_docs(tmp_path).exists()


def test_a_delivered_value_cannot_put_markup_into_a_page(tmp_path, warehouse, write_suite):
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("create table raw.visits as select '<script>alert(1)</script>$page' as page")
    suite = write_suite(
        {
            "type": "expect_column_distinct_values_to_be_in_set",
            "kwargs": {"column": "page", "value_set": ["home"]},
        },
        {
            "type": "unexpected_rows_expectation",
            "kwargs": {"unexpected_rows_query": "select * from {batch} where cast(page as integer) > 0"},
        },
        table="visits",
    )
    store_results(tmp_path / "docs", "run-1", suite, validate(suite, DuckDBTable(warehouse, "raw", "visits")))
    build_data_docs(tmp_path / "docs")
    (page,) = (tmp_path / "docs").glob("site/validations/**/*.html")
    assert "alert(1)&lt;/script&gt;&#36;page" in page.read_text()
    assert "<script>alert(1)" not in page.read_text()
