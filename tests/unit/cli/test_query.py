"""`kpi sql`: what a query can ask, and that no format gives it access to anything but the published file."""

import csv
import io
import os
import resource
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.cli.printing.query import run_sql
from pipelines.output import Format, Target, UsageError
from pipelines.warehouse import NotPublishedError

SECRET = "what nobody may read"


@pytest.fixture(scope="module")
def published_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published file with a table, next to a file that queries must not read."""
    folder = tmp_path_factory.mktemp("data")
    publication = folder / "publications" / "one"
    publication.mkdir(parents=True)
    (folder / "published").symlink_to(publication, target_is_directory=True)
    (folder / "secret.csv").write_text(f"a\n{SECRET}\n")
    with duckdb.connect(str(publication / "kpi.duckdb")) as connection:
        connection.execute("create schema marts")
        connection.execute("create schema meta")
        connection.execute(
            "create table marts.kpi_scorecard__monthly as select i as number, i / 4 as share, "
            "cast(i as decimal(9, 2)) as amount, 'row ' || i as name, date '2025-01-01' + i::int as day "
            "from range(100) as t(i)"
        )
        connection.execute("create table meta.publication as select 'one' as publication_id")
    return folder / "published"


def ask(published_dir: Path, query: str, form: Format, folder: Path, **limits: float) -> Path | None:
    """Run a query in a format, with an output file if the format needs one."""
    file = folder / f"result.{form}" if form in (Format.parquet, Format.xlsx) else None
    run_sql(published_dir, query, Target.of(form, file), **limits)  # type: ignore[arg-type]
    return file


WAYS_OUT = {
    "reading a CSV file": "select * from read_csv('{secret}')",
    "reading text": "select * from read_text('{secret}')",
    "reading bytes": "select * from read_blob('{secret}')",
    "reading Parquet": "select * from read_parquet('{secret}')",
    "reading JSON": "select * from read_json('{secret}')",
    "reading another database": "select * from read_duckdb('{secret}')",
    "reading in a subquery": "select (select count(*) from read_csv('{secret}'))",
    "reading in a described query": "describe (select * from read_csv('{secret}'))",
    "reading in an explained query": "explain analyze select * from read_csv('{secret}')",
    "a file named by a text": "from query_table('{secret}')",
    "files named by a list": "from query_table(['{secret}'])",
    "summarizing a file": "summarize '{secret}'",
    "pivoting a file": "from (pivot '{secret}' on a in ('x') using count(*))",
    "a file in a condition": "select 1 where exists (from '{secret}')",
    "closing the brackets of a copy": "select 1) to '{folder}/out.csv' (format csv) --",
    "a comment that hides the end of a copy": "select 1 /* ) to '{folder}/out.csv'",
    "a file as a table": "select * from '{secret}'",
    "a URL as a table": "select * from 'https://127.0.0.1:9/a.csv'",
    "listing files": "select * from glob('{folder}/*')",
    "text run as a query": "from query('select * from read_csv(''{secret}'')')",
    "attaching": "attach '{folder}/other.duckdb' as other",
    "detaching": "detach kpi",
    "copying to a file": "copy (select 1) to '{folder}/out.csv'",
    "copying over the published file": "copy (select 1) to '{published}'",
    "copying from a file": "copy marts.kpi_scorecard__monthly from '{secret}'",
    "copying in an explained query": "explain analyze copy (select 1) to '{folder}/out.csv'",
    "exporting": "export database '{folder}/out'",
    "importing": "import database '{folder}'",
    "installing": "install httpfs",
    "loading": "load json",
    "setting": "set memory_limit = '100GB'",
    "setting by pragma": "pragma memory_limit = '100GB'",
    "resetting": "reset memory_limit",
    "a variable": "set variable a = 1",
    "another search path": "use memory",
    "pragma": "pragma database_size",
    "the environment": "select getenv('HOME')",
    "several statements": "select 1; select 2",
    "several statements, one of them hidden": "select 1; copy (select 1) to '{folder}/out.csv'",
    "creating": "create table memory.t as select 1",
    "creating a temporary table": "create temp table t as select 1",
    "creating a view": "create temp view v as select 1",
    "creating a macro": "create macro memory.f() as 1",
    "creating a secret": "create secret (type http)",
    "inserting": "insert into marts.kpi_scorecard__monthly (number) values (1)",
    "deleting": "delete from marts.kpi_scorecard__monthly",
    "dropping": "drop table marts.kpi_scorecard__monthly",
    "commenting": "comment on table marts.kpi_scorecard__monthly is 'x'",
    "calling": "call pragma_version()",
    "a log written to a file": "from enable_logging('QueryLog', storage = 'file', storage_path = '{folder}/log')",
    "a log that is called": "call enable_logging('QueryLog', storage = 'file', storage_path = '{folder}/log')",
    "a profile": "from enable_profiling()",
    "a checkpoint": "checkpoint",
    "a checkpoint as a table": "from checkpoint()",
    "a prepared statement": "prepare p as select 1",
    "a transaction": "begin",
    "a variable of this program": "select * from SECRET",
}


@pytest.mark.parametrize("form", [Format.csv, Format.parquet])  # only Parquet has a file that may be written
@pytest.mark.parametrize("way", WAYS_OUT)
def test_there_is_no_way_out(
    published_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: Format, way: str
) -> None:
    places = {"folder": tmp_path, "secret": published_dir.with_name("secret.csv")}
    query = WAYS_OUT[way].format(**places, published=(published_dir / "kpi.duckdb").resolve())
    before = (published_dir / "kpi.duckdb").read_bytes()
    with pytest.raises(UsageError) as refused:
        ask(published_dir, query, form, tmp_path)
    assert SECRET not in str(refused.value) + capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
    assert (published_dir / "kpi.duckdb").read_bytes() == before


@pytest.mark.parametrize("form", list(Format))
def test_every_format_refuses_to_read_and_to_write_files(published_dir: Path, tmp_path: Path, form: Format) -> None:
    for query in (f"from read_csv('{published_dir}')", f"copy (select 1) to '{tmp_path / 'out.csv'}'"):
        with pytest.raises(UsageError, match="kpi sql reads the published file and"):
            ask(published_dir, query, form, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", list(Format))
def test_a_query_that_takes_too_long_is_stopped(published_dir: Path, tmp_path: Path, form: Format) -> None:
    endless = "select sum(a.range * b.range) as s from range(10000000) as a, range(10000000) as b"
    with pytest.raises(UsageError, match=r"took longer than 0\.05 seconds and was stopped"):
        ask(published_dir, endless, form, tmp_path, seconds=0.05)
    assert list(tmp_path.iterdir()) == []


def test_writing_that_takes_too_long_is_stopped(published_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(*_: object) -> None:
        while True:
            pass

    monkeypatch.setattr("pipelines.cli.printing.query.write", endless)
    with pytest.raises(UsageError, match=r"took longer than 0\.05 seconds"):
        run_sql(published_dir, "select 1", Target(Format.csv), seconds=0.05)


def test_a_query_that_needs_too_much_memory_is_stopped(published_dir: Path, tmp_path: Path) -> None:
    wide = "select count(*) from (select distinct range, repeat('x', 100) || range from range(3000000))"
    with pytest.raises(UsageError, match="needs more memory"):
        ask(published_dir, wide, Format.csv, tmp_path, memory="20MB")  # type: ignore[arg-type]


@pytest.mark.parametrize("form", list(Format))
def test_a_result_that_needs_too_much_memory_is_stopped(published_dir: Path, tmp_path: Path, form: Format) -> None:
    """DuckDB does not count the values that it makes."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with pytest.raises(UsageError, match="needs more memory"):
        ask(published_dir, "select repeat('x', 1000000000)", form, tmp_path, memory="10MB")  # type: ignore[arg-type]
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("memory", ["", "lots", "4", "-1GB", "1MB", "4 TB"])
def test_a_size_that_is_none_is_refused(published_dir: Path, memory: str) -> None:
    with pytest.raises(UsageError, match="write a size"):
        run_sql(published_dir, "select 1", memory=memory)


@pytest.mark.parametrize("form", [Format.csv, Format.json, Format.table])
def test_a_full_disk_is_said(published_dir: Path, monkeypatch: pytest.MonkeyPatch, form: Format) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr("sys.stdout", full)
        with pytest.raises(UsageError, match=r"^The output cannot be written: No space left on device\."):
            run_sql(published_dir, "select 1", Target(form))


def test_a_description_can_be_written_as_parquet(published_dir: Path, tmp_path: Path) -> None:
    file = ask(published_dir, "describe marts.kpi_scorecard__monthly", Format.parquet, tmp_path)
    assert len(duckdb.sql(f"from '{file}'").fetchall()) == 5


def test_a_file_is_never_written_through_a_link(published_dir: Path, tmp_path: Path) -> None:
    """The name that a file has until it is complete can be guessed."""
    (tmp_path / "other").write_text("as before")
    (tmp_path / f".result.csv.{os.getpid()}").symlink_to(tmp_path / "other")
    run_sql(published_dir, "select 1 as a", Target.of(None, tmp_path / "result.csv"))
    assert (tmp_path / "other").read_text() == "as before"
    assert (tmp_path / "result.csv").read_text() == "a\n1\n"


def test_an_existing_file_is_replaced_only_if_asked(
    published_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.cli.published.get_settings", lambda: SimpleNamespace(published_dir=published_dir))
    file = tmp_path / "result.csv"
    asked = ["sql", "select 1 as a", "--output", str(file)]
    assert CliRunner().invoke(app, asked).exit_code == 0
    again = CliRunner().invoke(app, asked)
    assert (again.exit_code, file.read_text()) == (2, "a\n1\n")
    assert CliRunner().invoke(app, ["sql", "select 2 as a", "--output", str(file), "--force"]).exit_code == 0
    assert file.read_text() == "a\n2\n"


@pytest.mark.parametrize(
    "query",
    [
        "select count(*) from marts.kpi_scorecard__monthly",
        "from kpi_scorecard__monthly",
        "  with t as (select 1 as a) select * from t ; -- done",
        "values (1), (2)",
        "describe marts.kpi_scorecard__monthly",
        "summarize kpi_scorecard__monthly",
        "show tables",
        "show all tables",
        "explain select * from publication",
        "select * from duckdb_columns()",
        "select * from range(3)",
        "pivot publication on publication_id in ('one') using count(*)",
    ],
)
def test_what_only_reads_is_answered(published_dir: Path, capsys: pytest.CaptureFixture[str], query: str) -> None:
    run_sql(published_dir, query)
    assert len(capsys.readouterr().out) > 20


def test_a_table_shows_some_rows_and_says_how_many_there_are(
    published_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_sql(published_dir, "select name from kpi_scorecard__monthly order by number -- all of them", limit=2)
    printed = capsys.readouterr().out
    assert "row 1" in printed
    assert "row 2" not in printed
    assert printed.endswith(
        "100 rows, the first 2 shown: --limit N shows more, --all or --output FILE gives all of them.\n"
    )


def test_all_rows_are_shown_if_asked_for(published_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_sql(published_dir, "from kpi_scorecard__monthly", limit=None)
    printed = capsys.readouterr().out
    assert "row 99" in printed
    assert printed.endswith("100 rows.\n")


def test_an_export_is_complete(published_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_sql(published_dir, "from kpi_scorecard__monthly order by number", Target.of(Format.csv, None), limit=2)
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == 100
    assert rows[5] == {"number": "5", "share": "1.25", "amount": "5", "name": "row 5", "day": "2025-01-06"}


def test_parquet_keeps_the_types(published_dir: Path, tmp_path: Path) -> None:
    file = ask(published_dir, "from kpi_scorecard__monthly order by number", Format.parquet, tmp_path)
    relation = duckdb.sql(f"from '{file}'")
    assert [str(kind) for kind in relation.types] == ["BIGINT", "DOUBLE", "DECIMAL(9,2)", "VARCHAR", "DATE"]
    assert relation.aggregate("count(*), sum(amount)").fetchall() == [(100, Decimal("4950.00"))]


def test_an_unknown_table_is_answered_with_those_near(published_dir: Path) -> None:
    with pytest.raises(UsageError, match=r"There is no table kpi_scorecard\. Did you mean marts.kpi_scorecard__mon"):
        run_sql(published_dir, "select * from kpi_scorecard")


@pytest.mark.parametrize("query", ["", "  ", ";", "-- nothing"])
def test_no_query_is_answered_with_an_example(published_dir: Path, query: str) -> None:
    with pytest.raises(UsageError, match=r"The query is empty\. Write one, for example: kpi sql"):
        run_sql(published_dir, query)


def test_a_pivot_without_its_columns_says_what_to_write(published_dir: Path) -> None:
    with pytest.raises(UsageError, match="list the columns that it creates: pivot … on unit in"):
        run_sql(published_dir, "pivot publication on publication_id using count(*)")


def test_before_the_first_publication_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotPublishedError, match="nothing has been published yet"):
        run_sql(tmp_path / "published", "select 1")


def test_the_file_published_last_is_read_after_a_swap_in_the_same_process(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "two"):
        folder = tmp_path / "publications" / name
        folder.mkdir(parents=True)
        with duckdb.connect(str(folder / "kpi.duckdb")) as connection:
            connection.execute(f"create schema marts; create schema meta; create table marts.t as select '{name}' as a")
        (tmp_path / "published").unlink(missing_ok=True)
        (tmp_path / "published").symlink_to(folder, target_is_directory=True)
        run_sql(tmp_path / "published", "from marts.t")
        assert name in capsys.readouterr().out
