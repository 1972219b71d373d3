"""Data Docs: pages of the last runs, which show no personal values and are served only to this machine."""

import re
import socket
import subprocess
import sys
import threading
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path

import duckdb
import pytest

from pipelines.checks.data_docs import server
from pipelines.checks.data_docs.build import Outcome, build_data_docs, store_outcome, store_results
from pipelines.checks.data_docs.pages import INCIDENTS, write_pages
from pipelines.checks.gx.relations import DuckDBTable
from pipelines.checks.validation import validate
from pipelines.web_guard import Guard


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


def test_a_page_lies_where_it_was_said_it_would(tmp_path, orders, write_suite):
    suite = write_suite()
    page = store_results(tmp_path, "run 1", suite, validate(suite, orders))
    assert not (tmp_path / "site" / page).exists()
    build_data_docs(tmp_path)
    assert (tmp_path / "site" / page).exists()


def test_no_page_loads_anything_or_links_to_a_page_that_is_not_there(tmp_path, orders, write_suite, expect_not_null):
    suite = write_suite(expect_not_null("order_id"))
    store_results(tmp_path, "run-1", suite, validate(suite, orders))
    index = build_data_docs(tmp_path)
    write_pages(index.parent)
    (index.parent / INCIDENTS).write_text("the alerts write it")
    for page in (index, *index.parent.glob("validations/**/*.html")):
        text = page.read_text()
        assert "http" not in text.replace("http-equiv", "")
        assert "src=" not in text
        for link in re.findall(r'<a [^>]*href="([^"#]+)"', text):
            assert (page.parent / link).exists(), link


def test_the_first_page_tells_runs_and_tables(tmp_path, orders, write_suite, expect_not_null):
    for run, columns in (("run-1", ["order_id"]), ("run-2", ["_source_file"])):
        suite = write_suite(*map(expect_not_null, columns))
        store_results(tmp_path, run, suite, validate(suite, orders))
    text = build_data_docs(tmp_path).read_text()
    assert text.index("run run-2") < text.index("2 of 2 passed") < text.index("run run-1") < text.index("1 of 2 passed")
    assert text.count("critical ones failed") == 1


def test_the_type_of_ours_is_told_in_our_words(tmp_path, orders, write_suite):
    suite = write_suite(
        {"type": "expect_column_values_to_be_finite", "kwargs": {"column": "amount"}},
        {"type": "expect_column_dates_to_have_no_gaps", "kwargs": {"column": "ordered_on"}},
        {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "code", "regex": "^a"}},
    )
    page = store_results(tmp_path, "run-1", suite, validate(suite, orders))
    build_data_docs(tmp_path)
    text = re.sub(r"<[^>]+>", "", (tmp_path / "site" / page).read_text())
    assert "amount: a finite number" in text
    assert "ordered_on: every day from the first to the last" in text
    assert "2 of 4 rows are followed by a gap" in text
    assert re.search(r"regular expression:\s*\^a", text)


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


def test_of_a_run_the_first_page_names_first_what_failed(tmp_path, orders, write_suite, expect_not_null):
    fails = {"critical": "zz", "warning": "yy", None: "aa"}
    for severity, table in fails.items():
        expected = expect_not_null("order_id", severity=severity) if severity else expect_not_null("_source_file")
        suite = write_suite(expected).model_copy(update={"name": table})
        store_results(tmp_path, "run-1", suite, validate(suite, orders))
    text = build_data_docs(tmp_path).read_text()
    assert re.findall(r"raw[.]([a-z]+)</a>", text) == ["zz", "yy", "aa"]


def outcome(run_id: str, failed: bool, *reasons: str, minute: int = 0) -> Outcome:
    return Outcome(run_id, datetime(2126, 1, 1, 0, minute, tzinfo=UTC), failed, "delivery day 2026-01-09", reasons)


def test_a_run_that_failed_says_so_and_of_what(tmp_path, orders, write_suite):
    suite = write_suite()
    store_results(tmp_path, "good", suite, validate(suite, orders))
    store_outcome(tmp_path, outcome("good", False))
    store_outcome(tmp_path, outcome("bad", True, "orders.csv: row 1: column '<id>' is missing", minute=1))
    text = build_data_docs(tmp_path).read_text()
    bad, good = text[text.index("run bad") :].split("run good")
    assert "Failed</span>: delivery day 2026-01-09. It published nothing." in bad
    assert "orders.csv: row 1: column &#x27;&lt;id&gt;&#x27; is missing" in bad
    assert "Succeeded" in good
    assert "raw.orders" in good


def test_how_old_runs_ended_is_forgotten(tmp_path):
    for minute in range(3):
        store_outcome(tmp_path, outcome(f"run-{minute}", True, "no", minute=minute))
    text = build_data_docs(tmp_path, keep_runs=2).read_text()
    assert "run-0" not in text
    assert sorted(path.stem for path in tmp_path.glob("runs/*.json")) == ["run-1", "run-2"]


def test_without_results_there_is_an_index(tmp_path):
    assert build_data_docs(tmp_path).exists()


def test_a_delivered_value_cannot_put_markup_into_a_page(tmp_path, warehouse, write_suite):
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("create table raw.visits as select '<script>alert(1)</script>$page' as page")
    suite = write_suite(
        {"type": "expect_column_distinct_values_to_be_in_set", "kwargs": {"column": "page", "value_set": ["home"]}},
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


@pytest.fixture
def site(tmp_path):
    """A served site with one page, and a function that requests a path and returns status and body."""
    (tmp_path / "site" / "sub").mkdir(parents=True)
    (tmp_path / "site" / "index.html").write_text("the index")
    (tmp_path / "secret.txt").write_text("not for the web")
    pages = server.server(tmp_path / "site", "127.0.0.1", 0)
    threading.Thread(target=pages.serve_forever, daemon=True).start()

    def ask(path: str, host: str = "localhost", method: str = "GET", **headers: str) -> tuple[int, str]:
        connection = HTTPConnection(*pages.server_address[:2], timeout=10)
        connection.putrequest(method, "/", skip_host=True)
        connection._buffer[0] = f"{method} {path} HTTP/1.1".encode("latin-1")  # paths that the client refuses to send
        for name, value in {"Host": host, **headers}.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return answer.status, body

    yield ask
    pages.shutdown()
    pages.server_close()


def test_pages_are_served(site):
    assert site("/index.html") == (200, "the index")
    assert site("/", host="127.0.0.1:3001") == (200, "the index")


def test_nothing_but_pages_is_served(site):
    status, body = site("/validations/later.html")
    assert status == 404
    assert "built when it has ended" in body
    assert site("/sub/")[0] == 404


def test_no_link_leads_out_of_the_folder(site, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "index.html").write_text("not for the web")
    (tmp_path / "site" / "file.html").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "site" / "folder").symlink_to(tmp_path / "outside")
    (tmp_path / "site" / "sub" / "index.html").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "site" / "loop").symlink_to("loop")
    (tmp_path / "site" / "inside.html").symlink_to("index.html")
    for path in ("/file.html", "/folder/", "/folder/index.html", "/sub/", "/loop", "/loop/index.html"):
        assert site(path)[0] == 404
    assert site("/inside.html") == (200, "the index")


@pytest.mark.parametrize(
    "path",
    [
        *("/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/%2e%2e%5csecret.txt", "/sub/./../index.html"),
        *("/index.html%00", "/\x00", "/%0d%0aSet-Cookie:%20a=b", "/\x01", "/%7f", "/%ff", "/%c0%ae%c0%ae/secret.txt"),
        *(f"/{'a' * 256}", "index.html", "*", "http://localhost/index.html", "/sub//index.html"),
    ],
)
def test_an_odd_path_is_a_bad_request(site, path):
    status, body = site(path)
    assert status == 400
    assert "not for the web" not in body


def test_a_long_path_of_plain_steps_is_not_found(site):
    assert site("/a" * 3000)[0] == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "elsewhere.example"},
        {"host": "[::1"},
        {"Origin": "http://elsewhere.example"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"},
    ],
)
def test_other_sites_read_nothing(site, headers):
    for method in ("GET", "HEAD"):
        status, body = site("/index.html", method=method, **headers)
        assert status == 403
        assert "the index" not in body


def test_pages_are_only_read(site):
    assert site("/index.html", method="POST", Content_Length="0")[0] == 501


def test_a_password_is_asked_for_if_there_is_one(site, monkeypatch):
    monkeypatch.setattr(server._Pages, "guard", Guard(password="s3cret"))
    assert site("/index.html")[0] == 401
    assert site("/index.html", Authorization="Basic a3BpOnMzY3JldA==") == (200, "the index")  # kpi:s3cret


@pytest.mark.parametrize(
    "url",
    ["https://docs.example.com", "http://docs.example.com:3001", "http://127.0.0.1:3001/docs", "https://127.0.0.1"],
)
def test_what_others_serve_is_not_served(tmp_path, url):
    assert server.start(tmp_path, url) is None


def test_a_port_that_is_taken_is_said(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "pipelines.checks.data_docs.server", str(tmp_path), "127.0.0.1", port, "1"]
        finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 1
    assert f"Data Docs are not served: cannot listen on 127.0.0.1:{port}" in finished.stderr
    assert "set data_docs_url" in finished.stderr


def test_the_server_ends_with_the_process_that_started_it(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    code = (
        "import sys, pathlib; from pipelines.checks.data_docs import server;"
        "print(server.start(pathlib.Path(sys.argv[1]), sys.argv[2]).stdout, flush=True)"
    )
    # The file that the server writes to is open as long as it runs.
    finished = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), f"http://127.0.0.1:{port}"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert finished.returncode == 0
