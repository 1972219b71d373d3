"""A corpus of hostile files: each lands, loses rows to quarantine or is refused, exactly as declared here.

What vendors' files have wrong with them by accident is in `tests/integration/test_broken_deliveries.py`, to which this
corpus adds; what takes memory is in `test_memory.py`, and names are in `test_names.py`.
"""

import gzip
import io
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from pipelines.ingest.gate import DeliveryError
from pipelines.ingest.landing import Landed, land
from pipelines.onboarding.sniffing import UnrecognisedError, describe_file
from pipelines.quarantine.files import QuarantinedFiles
from pipelines.sources import Table
from pipelines.tables import raw_file
from pipelines.warehouse import sandboxed
from tests.hostile.workbooks import number, package, text, workbook

FIRST = date(2025, 1, 1)
FORMATS = {
    "csv": {"path": "csv_{delivered_on}.csv", "format": "csv"},
    "tsv": {"path": "tsv_{delivered_on}.tsv", "format": "csv", "delimiter": "\t"},
    "gz": {"path": "gz_{delivered_on}.csv.gz", "format": "csv"},
    "zip": {"path": "zip_{delivered_on}.zip", "format": "csv"},
    "utf16": {"path": "utf16_{delivered_on}.csv", "format": "csv", "encoding": "utf-16"},
    "columns": {"path": "columns_{delivered_on}.txt", "format": "whitespace"},
    "json": {"path": "json_{delivered_on}.json", "format": "json"},
    "jsonl": {"path": "jsonl_{delivered_on}.jsonl", "format": "jsonl"},
    "parquet": {"path": "parquet_{delivered_on}.parquet", "format": "parquet"},
    "excel": {"path": "excel_{delivered_on}.xlsx", "format": "excel"},
}
NO_PARQUET, NO_EXCEL = "cannot be read as parquet: ", "cannot be read as excel: "
HEADER = "id,amount\n"
GOOD = "1,2\n"


@dataclass(frozen=True)
class Case:
    """A file and its outcome: numbers of good rows and of rows in quarantine; or refused as a whole."""

    name: str
    format: str
    content: str | bytes | Callable[[Path], None]
    good: int = 0
    quarantined: int = 0
    reason: str = ""  # a regular expression for the reason of the row or of the refusal
    refused: bool = False

    def write(self, path: Path) -> None:
        """Write the file to `path`."""
        if callable(self.content):
            self.content(path)
        else:
            path.write_bytes(self.content.encode() if isinstance(self.content, str) else self.content)


def lands(name: str, format_: str, content: str | bytes | Callable[[Path], None], good: int = 1) -> Case:
    return Case(name, format_, content, good)


def row(name: str, format_: str, content: str | bytes, reason: str, good: int = 1, quarantined: int = 1) -> Case:
    return Case(name, format_, content, good, quarantined, reason)


def refused(name: str, format_: str, content: str | bytes | Callable[[Path], None], reason: str) -> Case:
    return Case(name, format_, content, reason=reason, refused=True)


def zipped(*names: str, content: str = HEADER + GOOD) -> bytes:
    return package(dict.fromkeys(names, content))


def with_password() -> bytes:
    """A zip of which the flags say that its member is encrypted."""
    archive = bytearray(zipped("a.csv"))
    archive[6] |= 1
    archive[archive.index(b"PK\x01\x02") + 8] |= 1
    return bytes(archive)


def with_size(stated: int) -> bytes:
    """A zip of which the directory states another size than its member has."""
    archive = bytearray(zipped("a.csv", content=HEADER + 1000 * GOOD))
    place = archive.index(b"PK\x01\x02") + 24
    archive[place : place + 4] = struct.pack("<I", stated)
    return bytes(archive)


def gzip_with_name(name: bytes) -> bytes:
    body = io.BytesIO()
    with gzip.GzipFile(filename=name.decode("latin-1"), mode="wb", fileobj=body) as file:
        file.write((HEADER + GOOD).encode())
    return body.getvalue()


def bad_checksum() -> bytes:
    packed = bytearray(gzip.compress((HEADER + 50 * GOOD).encode()))
    packed[-8] ^= 1
    return bytes(packed)


def parquet(query: str) -> Callable[[Path], None]:
    return lambda path: duckdb.sql(f"copy ({query}) to '{path}' (format parquet)") and None  # type: ignore[func-returns-value]


def damaged_parquet(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        parquet("select range::varchar as id, 'x' as amount from range(5000)")(path)
        path.write_bytes(change(path.read_bytes()))

    return write


def sheet(xml: str) -> bytes:
    """A workbook with this as its sheet."""
    return workbook("", parts={"xl/worksheets/sheet1.xml": xml})


def doctype(levels: int) -> str:
    """Entities of which each is ten times the one before."""
    entities = (f'<!ENTITY {chr(98 + level)} "{f"&{chr(97 + level)};" * 10}">' for level in range(levels))
    return f'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">{"".join(entities)}]>'


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


ONE = '{"id": 1, "amount": 2}'

CSV = [
    refused("quote never closed in header", "csv", '"id,amount\n1,2\n', "column 'id', 'amount' is missing"),
    refused("header without end", "csv", "id,amount" + ",x" * 500_000 + "\n", "500,002 columns, but at most 1,000"),
    refused("column with a long name", "csv", f"id,amount,{'x' * 2_000}\n1,2,3\n", "a name of 2,000 characters, but"),
    refused(
        "column named as provenance", "csv", "id,amount,_LOADED_AT\n1,2,3\n", "'_LOADED_AT' has a name that is res"
    ),
    refused("column named twice but for case", "csv", "id,amount,ID\n1,2,3\n", "'id', 'ID' occurs more than once"),
    lands("SQL in a header", "csv", 'id,amount,"""; drop table x; --"\n1,2,3\n'),
    lands("SQL in a cell", "csv", HEADER + '"\'); drop table x; --",2\n'),
    lands("template in a header", "csv", "id,amount,{{ env_var('HOME') }}\n1,2,3\n"),
    lands("escape codes in a header", "csv", "id,amount,\x1b[2J\x1b]0;x\x07\n1,2,3\n"),
    lands("direction marks in a header", "csv", "id,amount,\u202egpj\n1,2,3\n"),
    lands("escape codes in a cell", "csv", HEADER + "\x1b[31m,2\n"),
    refused("NUL in the header", "csv", "id\0,amount\n1,2\n", "'id' is missing"),
    row("NUL in a cell", "csv", HEADER + "1,2\n\0,2\n", "contains a NUL byte"),
    refused("only NULs", "csv", b"\0" * 10_000 + b"\n", "a name of 10,000 characters"),
    refused("two byte order marks", "csv", 2 * b"\xef\xbb\xbf" + (HEADER + GOOD).encode(), r"declared: '\\ufeffid'"),
    refused("mixed encodings", "csv", (HEADER + "ż,1\n").encode() + "é,1\n".encode("latin-1"), "row 3: byte 0xE9"),
    refused("overlong UTF-8", "csv", HEADER.encode() + b"\xc0\xaf,1\n", "row 2: byte 0xC0 is not valid utf-8"),
    refused("half of a surrogate", "csv", HEADER.encode() + b"\xed\xa0\x80,1\n", "row 2: byte 0xED is not valid"),
    refused("UTF-32", "csv", (HEADER + GOOD).encode("utf-32"), "is UTF-16, but `encoding`|column 'id'"),
    refused("UTF-16 cut in a character", "utf16", (HEADER + GOOD).encode("utf-16")[:-1], "not valid utf-16"),
    refused("UTF-16 without a mark", "utf16", (HEADER + GOOD).encode("utf-16-be"), "row 1: it is not valid utf-16"),
    lands("only carriage returns", "csv", (HEADER + GOOD + "3,4\n").replace("\n", "\r"), 2),
    lands("carriage return in a quoted cell", "csv", HEADER + '"a\rb",2\n'),
    lands("form feeds and separators of lines", "csv", HEADER + "a\x0c\x0b\x1c\x85\u2028b,2\n"),
    row("quote never closed", "csv", HEADER + GOOD + '"3,4\n' + 3 * GOOD, "a quote is not closed", 4),
    row("quotes without end", "csv", HEADER + GOOD + '"' * 9_999 + "\n", "a quote is not closed"),
    row("a cell too many in each row", "csv", HEADER + GOOD + 500 * "1,2,3\n", "3 cells where", 1, 500),
    row("a thousand commas", "csv", HEADER + GOOD + "x," * 1_000 + "\n", "1001 cells where the header has 2"),
    row("a hundred thousand commas", "csv", HEADER + GOOD + "x," * 100_000 + "\n", "100001 cells where"),
    lands("only empty cells beyond the header", "csv", HEADER + GOOD + "3,4" + "," * 1_000 + "\n", 2),
    lands("number of 100,000 digits", "csv", HEADER + "1," + "9" * 100_000 + "\n"),
    lands("NaN, infinity and dates that are none", "csv", HEADER + "NaN,-Infinity\n9999999-99-99,1e999999\n", 2),
    lands("a formula", "csv", HEADER + "\"=cmd|'/c calc'!A1\",@SUM(1)\n"),
    refused("web page after blanks", "csv", " \n\n <html>Sign in</html>\n", "a web page or XML"),
    refused("PDF", "csv", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "is not valid utf-8"),
    refused("program", "csv", b"\x7fELF" + bytes(range(256)) + b"\n", "is not valid utf-8"),
    refused("zip under a CSV name", "csv", zipped("a.csv"), "is not valid utf-8|is missing|no line ending"),
    refused("gzip under a CSV name", "csv", gzip.compress((HEADER + GOOD).encode()), "is not valid utf-8"),
    row("tab inside a cell of tabs", "tsv", "id\tamount\n1\t2\n1\t2\t3\n", "3 cells where the header has 2"),
    lands("commas in tab-separated cells", "tsv", "id\tamount\na,b\t2\n"),
    row("one word in columns of text", "columns", "id amount\n1 2\nlonely\n", "1 cells where the header has 2"),
]
PACKED = [
    refused("gzip with a wrong checksum", "gz", bad_checksum(), "the archive is damaged or truncated"),
    refused("gzip with garbage behind", "gz", gzip.compress((HEADER + GOOD).encode()) + b"garbage", "archive is damag"),
    lands("gzip with zeros behind", "gz", gzip.compress((HEADER + GOOD).encode()) + bytes(100)),
    lands("two gzips in one file", "gz", gzip.compress(HEADER.encode()) + gzip.compress(GOOD.encode())),
    lands("gzip that names another file", "gz", gzip_with_name(b"../../etc/passwd")),
    refused("gzip in a gzip", "gz", gzip.compress(gzip.compress((HEADER + GOOD).encode())), "is not valid utf-8"),
    refused("zlib under a gzip name", "gz", zlib.compress((HEADER + GOOD).encode()), "the archive is damaged"),
    lands("zip that leads out of its folder", "zip", zipped("../../../../etc/cron.d/x")),
    lands("zip with an absolute name", "zip", zipped("/etc/passwd")),
    lands("zip with a backslash name", "zip", zipped("C:\\windows\\x.csv")),
    refused("zip with a password", "zip", with_password(), "the archive is damaged .*password required"),
    refused("zip with two members", "zip", zipped("a.csv", "b.csv"), "the archive contains 2 files"),
    refused("zip with no member", "zip", zipped(), "the archive contains 0 files"),
    refused("zip in a zip", "zip", package({"a.zip": zipped("a.csv")}), "is not valid utf-8|is missing|no line end"),
    refused("zip that states too small a size", "zip", with_size(100), "the archive is damaged"),
    lands("zip that states too large a size", "zip", with_size(4_000_000_000), 1_000),  # the checksum proves the text
    refused("zip without its directory", "zip", zipped("a.csv")[:-30], "the archive is damaged"),
    refused("a text under a zip name", "zip", HEADER + GOOD, "the archive is damaged"),
]
JSON = [
    row("one element nested 985 deep", "json", f'[{ONE}, {{"id": {nested(985)}, "amount": 2}}, {ONE}]', "too deep", 2),
    row("one element nested without end", "json", f"[{ONE}, {nested(20_000)}, {ONE}]", "nested too deeply", 2),
    row("one line nested 985 deep", "jsonl", f'{ONE}\n{{"id": {nested(985)}, "amount": 2}}\n', "nested too deeply"),
    lands("number of 100,000 digits in JSON", "json", f'[{{"id": {"9" * 100_000}, "amount": 1e999999}}]'),
    lands("NaN and infinity in JSON", "json", '[{"id": NaN, "amount": -Infinity}]'),
    lands("a name twice in an object", "json", '[{"id": 1, "id": 2, "amount": 3}]'),
    lands("brackets and quotes in texts", "json", r'[{"id": "]}[{,\"\\", "amount": "\u0022]"}]'),
    lands("NUL in a JSON text", "jsonl", '{"id": "a\\u0000b", "amount": 1}\n'),
    lands("half a surrogate as text", "json", '[{"id": "\\ud800", "amount": 1}]'),
    refused("half a surrogate as name", "jsonl", '{"id": 1, "amount": 1, "\\ud800": 1}\n', "cannot be read as jsonl"),
    refused("array that does not end", "json", f"[{ONE}, {ONE}", "the array does not end"),
    refused("text that does not end", "json", f'[{ONE}, {{"id": "', "the array does not end"),
    refused("array closed as an object", "json", f"[{ONE}}}", "not valid JSON"),
    refused("something behind the array", "json", f"[{ONE}] [{ONE}]", "something comes after the array"),
    refused("an element that is nothing", "json", f"[{ONE}, , {ONE}]", "row 1: not valid JSON: Expecting value"),
    refused("an element that is not JSON", "json", f"[{ONE},\n{{'id': 1}}]", "row 2: not valid JSON: Expecting prop"),
    refused("an object instead of an array", "json", '{"data": [' + ONE + "]}", "a JSON object where an array of rows"),
    refused("a text instead of an array", "json", '"rate limited"', "a JSON text or number where an array of rows"),
    refused("JSON with comments", "json", f"[/* all */ {ONE}]", "row 1: not valid JSON"),
    refused("a name for each row", "jsonl", "".join(f'{{"id": 1, "amount": 2, "x{n}": 3}}\n' for n in range(2_000)),
            "1,001 columns, but at most 1,000"),
    row("rows that are no objects", "json", f"[{ONE}, 1, null, [], true]", "where an object is expected", 1, 4),
    lands("an array of nothing", "json", "[]", 0),
]  # fmt: skip
PARQUET = [
    lands("nested columns", "parquet",
          parquet("select {'a': [1, 2], 'b': map {'k': 1}} as id, [[['x']]] as amount")),
    lands("large decimals and times", "parquet",
          parquet("select cast('9' || repeat('0', 37) as decimal(38)) as id, timestamp 'infinity' as amount")),
    lands("NaN and blobs", "parquet", parquet("select 'nan'::double as id, '\\xFF\\x00'::blob as amount")),
    lands("no rows", "parquet", parquet("select 1 as id, 2 as amount where false"), 0),
    refused("cut in its footer", "parquet", damaged_parquet(lambda file: file[:-20]), NO_PARQUET),
    refused("footer longer than the file", "parquet",
            damaged_parquet(lambda file: file[:-8] + struct.pack("<I", 2**31 - 1) + b"PAR1"), NO_PARQUET),
    refused("footer of zeros", "parquet",
            damaged_parquet(lambda file: file[:-500] + bytes(492) + file[-8:]), NO_PARQUET),
    refused("pages of zeros", "parquet",
            damaged_parquet(lambda file: file[:4] + bytes(2_000) + file[2_004:]), NO_PARQUET),
    refused("eight bytes", "parquet", b"PAR1PAR1", NO_PARQUET),
    refused("a column called like the reader's", "parquet",
            parquet("select 1 as id, 2 as amount, 3 as _row_number"), "'_row_number' has a name that is reserved"),
]  # fmt: skip
EXCEL = [
    lands("external link", "excel",
          workbook(number("1"), parts={"xl/externalLinks/externalLink1.xml": "<externalLink/>"})),
    lands("macro", "excel", workbook(number("1"), parts={"xl/vbaProject.bin": b"\xd0\xcf\x11\xe0"})),
    lands("program call as a formula", "excel",
          workbook("<row r=\"2\"><c r=\"A2\"><f>cmd|'/c calc'!A1</f><v>1</v></c></row>")),
    lands("file of the system as an entity", "excel",
          workbook(text("x"), before='<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>')),
    refused("file of the system in a cell", "excel",
            workbook(text("&f;"), before='<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>'),
            "cannot be read as excel: undefined entity"),
    refused("number of 100,000 digits in a sheet", "excel", workbook(number("9" * 100_000)), NO_EXCEL),
    lands("date beyond the year 9999", "excel", workbook(number("99999999999"))),
    refused("row after the last of a sheet", "excel", workbook(number("1", row=2_000_000_000)),
            "has a row 2,000,000,000, but a sheet has at most 1,048,576 rows"),
    refused("column after the last of a sheet", "excel", workbook(number("1", column="ZZZ")),
            "row 2: has a column 18,278, but a sheet has at most 16,384 columns"),
    refused("rows out of order", "excel", workbook(number("1", row=5) + number("2", row=3)), "row 3 comes after row 5"),
    lands("cells out of order", "excel",
          workbook('<row r="2"><c r="B2"><v>2</v></c><c r="A2"><v>1</v></c></row>')),
    refused("text that is not in the table of texts", "excel",
            workbook('<row r="2"><c r="A2" t="s"><v>7</v></c></row>'), NO_EXCEL),
    refused("sheet that is not in the archive", "excel",
            package({"xl/workbook.xml": "<workbook/>"}), "not an Excel workbook"),
    refused("no archive behind its first bytes", "excel", b"PK\x03\x04" + bytes(100), "not an Excel workbook"),
    refused("workbook with a password", "excel", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "a password or"),
    refused("XML cut in a row", "excel", sheet('<row r="2"><c r="A2"><v>1'), NO_EXCEL),
    refused("a program instead of a sheet", "excel", sheet("\x7fELF"), NO_EXCEL),
    refused("more entities than text", "excel", workbook(text("&i;"), before=doctype(9)), "amplification factor"),
]  # fmt: skip
CASES = [*CSV, *PACKED, *JSON, *PARQUET, *EXCEL]
DAYS = {case.name: FIRST + timedelta(days=place) for place, case in enumerate(CASES)}


@dataclass(frozen=True)
class Box:
    """A landing folder with a table for each format, and what its files went to."""

    landing: Path
    raw: Path
    quarantine: QuarantinedFiles
    database: duckdb.DuckDBPyConnection

    def land(self, case: Case) -> Landed:
        """Deliver a file on a day of its own, and land it."""
        table = Table.model_validate(
            {"description": "Hostile.", "columns": ["id", "amount"], "key": ["id"], **FORMATS[case.format]}
        )
        day = DAYS[case.name]
        case.write(self.landing / table.path.format(delivered_on=day))
        return land("box", case.format, table, day, self.landing, self.raw, self.database, self.quarantine)

    def problems(self, case: Case) -> list[str]:
        """Why rows of a landed file are in quarantine."""
        file = raw_file(self.raw, "box", case.format, DAYS[case.name])
        rows = duckdb.sql(f"select _problem from read_parquet('{file}') where _problem is not null").fetchall()
        return [problem for [problem] in rows]


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    data = tmp_path_factory.mktemp("hostile")
    landing, raw = data / "landing", data / "raw"
    landing.mkdir()
    with sandboxed(landing, raw) as database:
        yield Box(landing, raw, QuarantinedFiles(data / "quarantine", landing), database)


def test_the_corpus_has_at_least_eighty_files_with_names_of_their_own() -> None:
    assert len(DAYS) == len(CASES) >= 80


@pytest.mark.parametrize("case", [case for case in CASES if not case.refused], ids=lambda case: case.name)
def test_rows_of_hostile_files_land_or_go_to_quarantine(box: Box, case: Case) -> None:
    landed = box.land(case)
    assert (landed.rows - landed.unreadable_rows, landed.unreadable_rows) == (case.good, case.quarantined)
    problems = box.problems(case)
    assert len(problems) == case.quarantined
    assert all(case.reason in problem for problem in problems)


def test_a_draft_of_every_hostile_file_is_made_or_refused_with_one_sentence(tmp_path: Path) -> None:
    """By `kpi sources add`, which reads files before anybody has described them."""
    drafted = []
    refusals = []
    for case in CASES:
        path = tmp_path / FORMATS[case.format]["path"].format(delivered_on=FIRST)
        case.write(path)
        try:
            drafted.append(describe_file(path))
        except UnrecognisedError as error:
            refusals.append(str(error))
    assert [said for said in refusals if not said.isprintable() or len(said) > 1_000] == []
    assert min(len(drafted), len(refusals)) > 20


@pytest.mark.parametrize("case", [case for case in CASES if case.refused], ids=lambda case: case.name)
def test_hostile_files_are_refused_with_one_sentence_and_do_not_return(box: Box, case: Case) -> None:
    with pytest.raises(DeliveryError, match=case.reason) as told:
        box.land(case)
    [kept] = box.quarantine.of_day("box", case.format, DAYS[case.name])
    assert kept.reason == str(told.value)
    assert kept.reason.isprintable()
    assert len(kept.reason) < 1_000
    assert not (box.landing / kept.path).exists()
