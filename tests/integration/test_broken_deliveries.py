"""A matrix of broken deliveries: each has exactly the outcome declared here, with exact counts.

There is one table per file format, and one delivery day per case. Files are accepted or refused when they land. One
build then separates good rows from quarantined and superseded rows.
"""

import gzip
import io
import json
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from pipelines.checks.gx.relations import DuckDBTable
from pipelines.checks.suites import Suite
from pipelines.checks.validation import validate
from pipelines.ingest.gate import DeliveryError
from pipelines.ingest.landing import Landed, land
from pipelines.quarantine.decisions import Quarantine, Selection, chosen, make_ready, purge, update_rows
from pipelines.quarantine.files import QuarantinedFiles
from pipelines.settings import Settings, load_settings
from pipelines.sources import Source, load_sources
from pipelines.warehouse import sandboxed
from tests.conftest import Installation

FIRST = date(2025, 1, 1)

SOURCE = """
description: Deliveries as they are in life.
connector: files
owner: team:data
sla: "06:00"
entities: [orders]
tables:
  plain: &table
    description: Comma-separated.
    path: box/plain_{delivered_on}.csv
    format: csv
    columns: [id, placed, seen, amount, qty, paid, note]
    personal_columns: [note]
    key: [id]
    empty_day: allowed
  packed:
    <<: *table
    path: box/packed_{delivered_on}.csv.gz
  zipped:
    <<: *table
    path: box/zipped_{delivered_on}.zip
    encoding: utf-16
  european:
    <<: *table
    path: box/european_{delivered_on}.csv
    delimiter: ";"
    encoding: cp1250
  counted:
    <<: *table
    path: box/counted_{delivered_on}.csv
    row_count_suffix: .count
  lines:
    <<: *table
    path: box/lines_{delivered_on}.jsonl
    format: jsonl
"""
BASE = """
-- Every delivered row, typed; one row per delivered row.
{{{{ delivery_log('box', '{table}', [
    ['id', 'text', {{'required': true}}],
    ['placed', 'date', {{'required': true{date}}}],
    ['seen', 'timestamp'],
    ['amount', 'decimal', {{'required': true{decimal}}}],
    ['qty', 'integer'],
    ['paid', 'boolean'],
    ['note', 'text'],
]) }}}}
"""
TABLES = ("plain", "packed", "zipped", "european", "counted", "lines")

HEADER = "id,placed,seen,amount,qty,paid,note\n"
GOOD = "A,2025-01-02,2025-01-02T10:00:00Z,10.50,1,true,fine\n"
BETTER = "B,2025-01-03,2025-01-03 11:00:00,-0.05,2,false,fine\n"
EURO = "id;placed;seen;amount;qty;paid;note\nA;31.01.2025;;1.234,50;1;;żółw\n"
LINE = '{"id": "A", "placed": "2025-01-02", "seen": null, "amount": 10.50, "qty": 1, "paid": true, "note": ""}\n'


@dataclass(frozen=True)
class Case:
    """A delivery and its outcome: refused with a reason, or numbers of rows of each kind."""

    name: str
    content: str | bytes
    good: int = 0
    quarantined: int = 0
    superseded: int = 0
    reason: str = ""  # a regular expression for the reason of the quarantined row, or of the refusal
    refused: bool = False
    table: str = "plain"


def rows(name: str, content: str | bytes, good: int, quarantined: int = 0, reason: str = "", **more: object) -> Case:
    return Case(name, content, good, quarantined, reason=reason, **more)  # type: ignore[arg-type]


def refused(name: str, content: str | bytes, reason: str, table: str = "plain") -> Case:
    return Case(name, content, reason=reason, refused=True, table=table)


def cell(name: str, column: str, text: str, reason: str = "") -> Case:
    """A good row, and a row with a bad cell in `column`."""
    values = dict(zip(HEADER.strip().split(","), BETTER.strip().split(","), strict=True)) | {column: f'"{text}"'}
    expected = reason or f"{column}: cannot be read as "
    return rows(name, HEADER + GOOD + ",".join(values.values()) + "\n", 1, 1, expected)


CASES = [
    rows("good", HEADER + GOOD + BETTER, 2),
    refused("renamed column", HEADER.replace("amount", "total") + GOOD,
            "column 'amount' is missing; not declared: 'total'"),
    rows("column in capitals", HEADER.replace("id", "ID", 1) + GOOD, 1),
    refused("removed column", "id,placed\nA,2025-01-02\n", "'seen', 'amount', 'qty', 'paid', 'note' is missing"),
    refused("doubled column", "id," + HEADER + "A," + GOOD, "'id' occurs more than once"),
    refused("doubled column but for case", "Amount," + HEADER + "1," + GOOD, "'Amount', 'amount' occurs more"),
    refused("reserved column", "_row_number," + HEADER + "1," + GOOD, "'_row_number' has a name that is reserved"),
    refused("5,000 columns", ",".join(f"c{n}" for n in range(4993)) + "," + HEADER, "5,000 columns, but at most 1,000"),
    rows("reordered columns", "note,amount,seen,placed,id,paid,qty\nfine,1,,2025-01-02,A,,\n", 1),
    rows("new column", "new," + HEADER + "x," + GOOD, 1),
    rows("column without a name", "," + HEADER + "0," + GOOD, 1),
    rows("row too long", HEADER + GOOD + "B,2025-01-02,,1,2,true,fine,more\n" + BETTER, 2, 1, "8 cells where .* 7"),
    rows("row too short", HEADER + GOOD + "C,2025-01-02\n" + BETTER, 2, 1, "2 cells where the header has 7"),
    rows("quote never closed", HEADER + 'C,2025-01-02,,1,1,,"open\n' + GOOD + BETTER, 2, 1, "a quote is not closed"),
    rows("quote in a quote", HEADER + GOOD + 'C,2025-01-02,,1,1,,"a "b" c"\n' + BETTER, 2, 1, "without being doubled"),
    rows("NUL byte", HEADER + GOOD + BETTER.replace("fine", "fi\0ne"), 1, 1, "contains a NUL byte"),
    rows("cell of 10 MB", HEADER + GOOD + BETTER.replace("fine", "x" * 10_000_000), 1, 1, "more than 2,000,000 char"),
    rows("blank lines", HEADER + "\n" + GOOD + "\n\n" + BETTER + "\n", 2),
    rows("Windows line ends", (HEADER + GOOD + BETTER).replace("\n", "\r\n"), 2),
    rows("old Mac line ends", (HEADER + GOOD + BETTER).replace("\n", "\r"), 2),
    rows("mixed line ends", HEADER + GOOD.replace("\n", "\r\n") + BETTER, 2),
    rows("byte order mark", b"\xef\xbb\xbf" + (HEADER + GOOD).encode(), 1),
    refused("Latin-1 instead of UTF-8", (HEADER + GOOD + BETTER.replace("fine", "café")).encode("latin-1"),
            "row 3: byte 0xE9 is not valid utf-8.*perhaps cp1250"),
    refused("UTF-16 instead of UTF-8", (HEADER + GOOD).encode("utf-16"), "is UTF-16, but `encoding` says utf-8"),
    refused("web page", "<!DOCTYPE html>\n<html><body>502 Bad Gateway</body></html>\n", "a web page or XML"),
    refused("JSON error", '{"error": "rate limited"}\n', "a JSON document, not csv"),
    rows("header only", HEADER, 0),
    refused("empty", "", "the file is empty"),
    refused("blank line only", "\n", "is missing"),
    refused("other delimiter", (HEADER + GOOD).replace(",", ";"), "is missing; 1 undeclared name not shown, since"),
    refused("last row cut", HEADER + GOOD + BETTER[:-1], "row 3: the last row has no line ending"),
    cell("NaN", "amount", "NaN"),
    cell("infinity", "amount", "-inf"),
    cell("number too large", "amount", "1e400"),
    cell("thousand separators", "amount", "1,234.50"),
    cell("decimal comma", "amount", "12,50"),
    cell("currency sign", "amount", "€ 10.50"),
    cell("leading apostrophe", "amount", "'10.50"),
    cell("formula as amount", "amount", "=10+0.5"),
    cell("digits in other signs", "amount", "1_000"),
    cell("half a unit", "qty", "1.5"),
    cell("hexadecimal", "qty", "0x10"),
    cell("31 February", "placed", "2025-02-31"),
    cell("day first", "placed", "31/01/2025"),
    cell("month first", "placed", "01-31-2025"),
    cell("a word for a date", "placed", "infinity"),
    cell("25 o'clock", "seen", "2025-01-31T25:00:00Z"),
    cell("a word for a time", "seen", "epoch"),
    cell("neither true nor false", "paid", "perhaps"),
    cell("empty key", "id", " ", "id: empty"),
    cell("empty amount", "amount", "", "amount: empty"),
    cell("an offset after garbage", "seen", "2025-01-31 10:00:00 noon+01"),
    cell("garbage after a date", "placed", "2025-01-31 garbage"),
    cell("before Christ", "placed", "2025-01-31 (BC)"),
    rows("blank before a quote", HEADER + GOOD + BETTER.replace("B,", ' "B",'), 2),
    rows("formula as text", HEADER + GOOD + BETTER.replace("fine", "=HYPERLINK(1)"), 2),
    rows("the same row twice", HEADER + GOOD + GOOD, 1, superseded=1),
    rows("2 % bad", HEADER + "".join(GOOD.replace("A", f"A{n}") for n in range(147)) + 3 * "x,y\n", 147, 3, "2 cells"),
    rows("10 % bad", HEADER + "".join(GOOD.replace("A", f"A{n}") for n in range(27)) + 3 * "x,y\n", 27, 3, "2 cells"),
    refused("truncated gzip", gzip.compress((HEADER + 99 * GOOD).encode())[:-20], "damaged or truncated", "packed"),
    refused("no gzip at all", HEADER + GOOD, "the archive is damaged", "packed"),
    refused("empty gzip", gzip.compress(b""), "the file is empty", "packed"),
    rows("good gzip", gzip.compress((HEADER + GOOD + BETTER).encode()), 2, table="packed"),
    rows("good European", EURO.encode("cp1250"), 1, table="european"),
    rows("decimal point in Europe", (EURO + "B;31.01.2025;;12.50;1;;x\n").encode("cp1250"), 1, 1, "amount: cannot",
         table="european"),
    rows("thousands parted by blanks", (EURO + "B;28.02.2025;;1 234,50;1;;x\n").encode("cp1250"), 2, table="european"),
    rows("year of two digits", (EURO + "B;31.01.25;;1,5;1;;x\n").encode("cp1250"), 1, 1, "placed: c", table="european"),
    rows("blank between two numbers", (EURO + "B;31.01.2025;;5 10;1;;x\n").encode("cp1250"), 1, 1, "amount: cannot",
         table="european"),
    rows("zero point five", (EURO + "B;31.01.2025;;0.500;1;;x\n").encode("cp1250"), 1, 1, "amount:", table="european"),
    rows("30.02. in Europe", (EURO + "B;30.02.2025;;1,5;1;;x\n").encode("cp1250"), 1, 1,
         "placed: cannot", table="european"),
    rows("ISO date in Europe", (EURO + "B;2025-02-28;;1,5;1;;x\n").encode("cp1250"), 1, 1,
         "placed: cannot", table="european"),
    refused("byte that cp1250 lacks", EURO.encode("cp1250") + b"B;31.01.2025;;1;1;;\x81\n",
            "row 3: byte 0x81", "european"),
    rows("good lines", LINE + LINE.replace('"A"', "12345678901234567890123"), 2, table="lines"),
    rows("cut line", LINE + LINE[:40] + "\n", 1, 1, "not valid JSON", table="lines"),
    rows("line without a column", LINE + '{"id": "B"}\n', 1, 1, "'placed' is missing", table="lines"),
    rows("line that is no object", LINE + "[1]\n", 1, 1, "a JSON array where an object", table="lines"),
    rows("bare NaN", LINE + LINE.replace('"A"', '"B"').replace("10.50", "NaN"), 1, 1, "amount: cannot", table="lines"),
    rows("nested without end", LINE + "[" * 100_000 + "\n", 1, 1, "nested too deeply", table="lines"),
    rows("half a character", LINE.replace('"note": ""', '"note": "\\ud800"'), 1, table="lines"),
    refused("JSON error page", json.dumps({"error": "unauthorized"}) + "\n", "column 'id', .* is missing", "lines"),
    rows("declared count is right", HEADER + GOOD + BETTER, 2, table="counted"),
    refused("declared count is wrong", HEADER + GOOD, "1 rows, but counted_.*count says 2", "counted"),
]  # fmt: skip


def zip_of(**files: str) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        for name, text in files.items():
            opened.writestr(f"../{name}.csv", text.encode("utf-16"))
    return archive.getvalue()


CASES += [
    rows("good zip", zip_of(orders=HEADER + GOOD), 1, table="zipped"),
    refused("two files in a zip", zip_of(orders=HEADER + GOOD, notes="x"), "the archive contains 2 files", "zipped"),
]
DAYS = {case.name: FIRST + timedelta(days=number) for number, case in enumerate(CASES)}


@dataclass
class Box:
    """The matrix after landing and one build."""

    installation: Installation
    settings: Settings
    source: Source
    quarantine: QuarantinedFiles
    landed: dict[str, Landed | str]
    land: Callable[[str, date], Landed]

    def build(self) -> None:
        """Type what has landed, and bring the quarantine up to date."""
        select = [*(f"base_box__{table}" for table in TABLES), "stg_box__orders"]
        select += ["delivered_row_counts", "quarantined_rows", "rows_without_entity"]
        self.installation.dbt("build", "--exclude-resource-type", "unit_test", "--select", *select)
        update_rows(self.settings)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Box:
    company = tmp_path_factory.mktemp("box")
    models = company / "models" / "staging" / "box"
    models.mkdir(parents=True)
    (company / "sources").mkdir()
    (company / "sources" / "box.yml").write_text(SOURCE, encoding="utf-8")
    names = "".join(f"\n  - name: {table}" for table in TABLES)
    (models / "_box__sources.yml").write_text(f"sources:\n- name: box\n  tables:{names}\n", encoding="utf-8")
    for table in TABLES:
        european = table == "european"
        model = BASE.format(
            table=table,
            date=", 'format': 'dd.mm.yyyy'" if european else "",
            decimal=", 'decimal': ','" if european else "",
        )
        (models / f"base_box__{table}.sql").write_text(model, encoding="utf-8")
    (models / "stg_box__orders.sql").write_text(
        "-- The newest version of each order; one row per order.\n"
        "select id as order_id, amount as total_amount, placed as ordered_at, _source_file, _row_number, _delivered_on "
        "from ({{ latest_rows('box', 'plain') }}) as latest",
        encoding="utf-8",
    )
    settings = "sources: [box]\ncompany_dir: .\nfirst_delivery: 2025-01-01\ntime_zone: UTC\nreporting_currency: EUR\n"
    (company / "kpi.yml").write_text(settings, encoding="utf-8")
    [source] = load_sources(["box"], company)
    data = company / "data"
    landing, raw = data / "landing", data / "raw"
    (landing / "box").mkdir(parents=True)
    quarantine = QuarantinedFiles(data / "quarantine" / "files", landing)

    def land_day(table: str, day: date) -> Landed:
        with sandboxed(landing, raw) as database:
            return land("box", table, source.tables[table], day, landing, raw, database, quarantine)

    landed: dict[str, Landed | str] = {}
    for case in CASES:
        path = landing / source.tables[case.table].path.format(delivered_on=DAYS[case.name])
        path.write_bytes(case.content if isinstance(case.content, bytes) else case.content.encode())
        if case.table == "counted":
            path.with_name(path.name + ".count").write_text("2\n")
        try:
            landed[case.name] = land_day(case.table, DAYS[case.name])
        except DeliveryError as error:
            landed[case.name] = str(error)
    box = Box(
        Installation(data, company / "kpi.yml"), _settings(company / "kpi.yml"), source, quarantine, landed, land_day
    )
    box.build()
    return box


def _settings(path: Path) -> Settings:
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("DATA_DIR", raising=False)
        return load_settings(path)


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 70
    assert len(DAYS) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_delivery_has_its_declared_outcome(box: Box, case: Case) -> None:
    landed, day = box.landed[case.name], DAYS[case.name]
    file = box.source.tables[case.table].path.format(delivered_on=day)
    waiting = [kept for kept in box.quarantine.all() if kept.path == file]
    with box.installation.warehouse() as warehouse:
        counted = warehouse.execute(
            "select raw_rows, good_rows, quarantined_rows, superseded_rows from staging.delivered_row_counts "
            "where table_name = ? and delivered_on = ?",
            [case.table, day],
        ).fetchall()
        reasons = warehouse.execute(
            "select reason from staging.quarantined_rows where table_name = ? and delivered_on = ?", [case.table, day]
        ).fetchall()
    if case.refused:
        assert isinstance(landed, str), landed
        assert re.search(case.reason, landed), landed
        assert landed.startswith(f"{file}: ")
        assert [kept.reason for kept in waiting] == [landed]
        assert counted == reasons == []
        return
    assert isinstance(landed, Landed), landed
    total = case.good + case.quarantined + case.superseded
    assert waiting == []
    assert landed.rows == total
    # Of several versions of a key, the newest of all deliveries is good. Nearly all cases here deliver the same keys.
    assert [(row[0], row[1] + row[3], row[2]) for row in counted] == (
        [(total, case.good + case.superseded, case.quarantined)] if total else []
    )
    assert len(reasons) == case.quarantined
    assert all(re.search(case.reason, reason) for [reason] in reasons), reasons


def test_every_good_row_is_taken_over_by_a_staging_model_or_listed(box: Box) -> None:
    with box.installation.warehouse() as warehouse:
        good = warehouse.execute(
            "select table_name, sum(good_rows) from staging.delivered_row_counts group by 1 order by 1"
        ).fetchall()
        taken = warehouse.execute("select count(*) from staging.stg_box__orders").fetchall()
        listed = warehouse.execute(
            "select table_name, sum(number_of_rows) from staging.rows_without_entity group by 1 order by 1"
        ).fetchall()
    # The staging model reads one of the tables.
    assert listed == [(table, rows) for table, rows in good if table != "plain"]
    assert taken == [(dict(good)["plain"],)]


def test_newest_versions_are_good_and_the_others_superseded(box: Box) -> None:
    with box.installation.warehouse() as warehouse:
        [(good, keys)] = warehouse.execute(
            "select (select sum(good_rows) from staging.delivered_row_counts where table_name = 'plain'), "
            "(select count(distinct id) from staging.base_box__plain where _reject_reason is null)"
        ).fetchall()
    assert good == keys > 140


def test_2_percent_warn_and_10_percent_block_and_a_single_row_does_neither(box: Box) -> None:
    suites = _suites(box)
    table = DuckDBTable(box.installation.data_dir / "warehouse.duckdb", "staging", "base_box__plain")
    results = {result.check: result for result in validate(suites["staging", "base_box__plain"], table)}
    blocked = {str(example["_delivered_on"]) for example in results["most_rows_are_readable"].examples}
    warned = {str(example["_delivered_on"]) for example in results["rows_are_readable"].examples}
    assert blocked == {str(DAYS["10 % bad"])}
    assert warned == {str(DAYS["10 % bad"]), str(DAYS["2 % bad"])}
    assert (results["rows_are_readable"].severity, results["most_rows_are_readable"].severity) == (
        "warning",
        "critical",
    )


def _suites(box: Box) -> dict[tuple[str, str], Suite]:
    from pipelines.checks.assets import complete_suites

    return complete_suites({}, [box.source])


def test_a_new_column_lands_and_is_told(box: Box) -> None:
    for name, column in (("new column", "new"), ("column without a name", "column_1")):
        landed = box.landed[name]
        assert isinstance(landed, Landed)
        assert landed.undeclared_columns == [column]
    text = box.installation.warehouse().execute("select note from staging.base_box__plain where note like '=%'")
    assert text.fetchall() == [("=HYPERLINK(1)",)]


def test_the_same_file_under_another_day_is_refused_and_a_changed_one_restates(box: Box) -> None:
    landing = box.installation.data_dir / "landing"
    pattern = box.source.tables["plain"].path
    day, again = FIRST + timedelta(days=200), FIRST + timedelta(days=201)
    content = HEADER + "".join(GOOD.replace("A", f"Z{n}") for n in range(12))
    (landing / pattern.format(delivered_on=day)).write_text(content)
    (landing / pattern.format(delivered_on=again)).write_text(content)
    assert box.land("plain", day).outcome == "landed"
    with pytest.raises(DeliveryError, match=f"the same bytes were already delivered for {day}"):
        box.land("plain", again)
    (landing / pattern.format(delivered_on=day)).write_text(content + BETTER)
    restated = box.land("plain", day)
    assert (restated.outcome, restated.rows) == ("restated", 13)
    with pytest.raises(DeliveryError, match="The file has been in quarantine since"):
        box.land("plain", again)  # this is not an empty day


def test_links_and_odd_names_are_refused_or_inert(box: Box, tmp_path: Path) -> None:
    landing = box.installation.data_dir / "landing"
    table = box.source.tables["plain"].model_copy(update={"path": "odd/*{delivered_on}*.csv"})
    day = FIRST + timedelta(days=300)
    (landing / "odd").mkdir()
    secret = tmp_path / "secret.csv"
    secret.write_text(HEADER + GOOD)
    (landing / "odd" / f"link_{day}.csv").symlink_to(secret)
    (landing / "odd" / f"new\nline_{day}.csv").write_text(HEADER + GOOD)
    (landing / "odd" / f"o'[b]*;{day}.csv").write_text(HEADER + GOOD + BETTER)
    raw = tmp_path / "raw"
    with sandboxed(landing, raw) as database:
        landed = land("box", "odd", table, day, landing, raw, database, box.quarantine)
    assert (landed.rows, landed.files) == (2, [f"odd/o'[b]*;{day}.csv"])
    assert sorted(reason.partition(": ")[2][:30] for reason in landed.refused) == [
        "is a link. Only files that are",
        "the file's name contains contr",
    ]
    assert secret.read_text() == HEADER + GOOD


def test_what_is_in_quarantine_is_shown_without_what_is_personal(box: Box) -> None:
    listed = box.installation.kpi("quarantine", "list", "--all").stdout
    assert f"box/plain_{DAYS['31 February']}.csv: row 3: placed: cannot be read as date" in listed
    assert f"file  box.plain  {DAYS['web page']}  open since" in listed
    grouped = box.installation.kpi("quarantine", "list").stdout
    assert len(grouped.splitlines()) < len(listed.splitlines())
    rows = {row.delivered_on: row for row in Quarantine.of(box.settings).rows.rows("open")}
    shown = box.installation.kpi("quarantine", "show", rows[str(DAYS["31 February"])].id[:12]).stdout
    assert re.search(r"  placed +2025-02-31\n", shown)
    assert re.search(r"  note +\*\*\*\n", shown)
    assert "fine" not in shown
    torn = box.installation.kpi("quarantine", "show", rows[str(DAYS["row too short"])].id).stdout
    assert re.search(r"  _unreadable_row +\*\*\*\n", torn)  # nobody can tell which part of it is a note
    unknown = box.installation.kpi("quarantine", "show", "nothing", check=False)
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "Nothing in quarantine has an id that begins with 'nothing'" in unknown.stderr


def test_a_repaired_rule_lets_rows_out_once_and_a_repaired_file_too(box: Box) -> None:
    quarantine = Quarantine.of(box.settings)
    thousands, formula = str(DAYS["thousand separators"]), str(DAYS["formula as amount"])
    before = {row.delivered_on: row for row in quarantine.rows.rows("open")}
    model = box.settings.company_dir / "models" / "staging" / "box" / "base_box__plain.sql"
    model.write_text(model.read_text().replace("['amount', 'decimal', {", "['amount', 'decimal', {'thousands': ',', "))
    renamed = box.quarantine.of_day("box", "plain", DAYS["renamed column"])
    box.settings.landing_dir.joinpath(renamed[0].path).write_text(HEADER + GOOD.replace("A", "renamed"))
    for _ in range(2):  # trying again twice has the same result as trying again once
        files, rows = chosen(quarantine, Selection(source="box", table="plain"), "open")
        days = make_ready(box.settings, [file for file in files if file.path == renamed[0].path], rows)
        assert date.fromisoformat(formula) in days
        box.land("plain", DAYS["renamed column"])
        box.build()
        after = {row.delivered_on: row for row in quarantine.rows.rows()}
        assert after[thousands].state == "resolved"
        assert replace(after[formula], read_from="") == replace(before[formula], read_from="")  # its first time stays
        assert box.quarantine.of_day("box", "plain", DAYS["renamed column"]) == []
    with box.installation.warehouse() as warehouse:
        read = warehouse.execute(
            "select amount from staging.base_box__plain where _delivered_on = ? and id = 'B'", [thousands]
        ).fetchall()
    assert [str(amount) for [amount] in read] == ["1234.500000"]


def test_dismissed_and_resolved_things_can_be_deleted_for_good(box: Box) -> None:
    quarantine = Quarantine.of(box.settings)
    day = str(DAYS["NaN"])
    box.installation.kpi("quarantine", "dismiss", "--reason", "a test order", "--date", day)
    box.build()
    [dismissed] = [row for row in quarantine.rows.rows() if row.delivered_on == day]
    assert (dismissed.state, dismissed.note) == ("dismissed", "a test order")
    assert purge(quarantine, Selection(), older_than_days=1) == (0, 0)
    files, rows = purge(quarantine, Selection(), older_than_days=0)
    assert rows >= 2
    assert files >= 1
    assert day not in {row.delivered_on for row in quarantine.rows.rows()}
    nothing = box.installation.kpi("quarantine", "dismiss", "--reason", "all of it", check=False)
    assert nothing.returncode == 2
