"""The gate that a delivered file must pass before anything reads its rows.

Belongs here: what a file's name and bytes show: that it is the expected file, complete, and text in its declared
encoding. Does not belong here: header and rows (`readers.py`), and what happens to a refused file (`landing.py`).
"""

import codecs
import gzip
import hashlib
import lzma
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pipelines.ingest.json_arrays import MOST_CHARACTERS
from pipelines.ingest.workbooks import WorkbookError, first_line, unpacked_bytes
from pipelines.sources import Table

_DIRECTIONS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
TEXT_FORMATS = ("csv", "whitespace", "json", "jsonl")

_CHUNK_BYTES = 1 << 20
_MOST_CHUNKS_OF_A_LINE = MOST_CHARACTERS // _CHUNK_BYTES
_OLE = b"\xd0\xcf\x11\xe0"  # of old workbooks, and of new ones with a password
_MAGIC = {"parquet": b"PAR1", "excel": b"PK"}


class DeliveryError(Exception):
    """A delivered file cannot be read as its source declares; the message names file, row and column."""


class MissingDeliveryError(DeliveryError):
    """Nothing was delivered on a day that requires a delivery."""


class StillArrivingError(DeliveryError):
    """A delivered file changed while it was read. It is not refused."""


@dataclass(frozen=True)
class Admitted:
    """A file that passed.

    Attributes:
        path: the file to read: the delivered file or, for text in another encoding or a zip archive, a UTF-8 copy.
        label: its name in messages and `_source_file`.
        is_plain: it is text without NUL bytes and blank lines, which the fast reader reads correctly.
    """

    path: Path
    label: str
    is_plain: bool = True


def admit(path: Path, table: Table, label: str, landing_dir: Path, scratch: Path) -> Admitted:
    """Admit the file at `path`, or say why not. Copies that reading needs are written to the folder `scratch`.

    Raises:
        DeliveryError: the file is not a regular file inside the landing folder, is empty, too large, truncated, a web
            page or an error message, or is not text in the declared encoding.
    """
    check_name(path, label, landing_dir)
    if path.stat().st_size == 0:
        raise DeliveryError(f"{label}: the file is empty and has no header. Have it delivered again.")
    if table.format not in TEXT_FORMATS:
        _check_binary(path, table, label)
        return Admitted(path, label)
    copy_to = None
    if table.encoding != "utf-8" or path.suffix == ".zip":  # DuckDB reads neither cp1250 nor UTF-16 nor zip
        copy_to = scratch / f"{hashlib.sha256(label.encode()).hexdigest()[:16]}.txt"
    try:
        is_plain = _check_text(path, table, label, copy_to)
    except (OSError, EOFError, RuntimeError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        raise DeliveryError(
            f"{label}: the archive is damaged or truncated ({first_line(error)}). Have it delivered again."
        ) from None
    return Admitted(copy_to or path, label, is_plain)


def escaped(name: str) -> str:
    """A file's name as it may be shown: without bytes that are not UTF-8, and without characters that move others."""
    return "".join(
        f"\\x{ord(character) - 0xDC00:02x}"
        if "\udc80" <= character <= "\udcff"  # how Python keeps a foreign byte
        else character.encode("unicode_escape").decode()
        if _misleads(character)
        else character
        for character in name
    )


def _misleads(character: str) -> bool:
    return character in _DIRECTIONS or unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")


def check_name(path: Path, label: str, landing_dir: Path) -> None:
    """Ensure that nothing outside the landing folder is opened, and that no name breaks a message.

    Raises:
        DeliveryError: `path` is a link, not a file, outside the landing folder, or has a name that is not as it looks.
    """
    if (shown := escaped(label)) != label:
        raise DeliveryError(
            f"{shown}: the file's name contains control or direction characters, or is not UTF-8; it is shown escaped. "
            "Have it delivered under another name."
        )
    if path.is_symlink():  # perhaps in a circle, which nothing can follow
        raise DeliveryError(f"{label}: is a link. Only files that are in the landing folder themselves are read.")
    resolved = path.resolve()
    if not resolved.is_relative_to(landing_dir.resolve()):
        raise DeliveryError(f"{label}: is a link. Only files that are in the landing folder themselves are read.")
    if not resolved.is_file():
        raise DeliveryError(f"{label}: is not a file. Remove it, or correct `path` in the source's YAML.")


def _check_binary(path: Path, table: Table, label: str) -> None:
    magic = _MAGIC[table.format]
    with path.open("rb") as file:
        start = file.read(len(magic))
    if table.format == "excel" and start.startswith(_OLE[: len(magic)]):
        raise DeliveryError(
            f"{label}: the workbook has a password or is an old one (.xls). Have it delivered as .xlsx, without a "
            "password."
        )
    if start != magic:
        raise DeliveryError(
            f"{label}: cannot be read as {table.format}: its first bytes are not those of this format. "
            "Have the file delivered again, or correct `format` in the source's YAML."
        )
    if path.stat().st_size > table.max_bytes:
        raise too_large(table, label)
    if table.format == "excel":
        try:
            unpacked = unpacked_bytes(path)
        except WorkbookError as error:
            raise DeliveryError(f"{label}: {error}. Have the file delivered again.") from None
        if unpacked > table.max_bytes:
            raise too_large(table, label)


def _check_text(path: Path, table: Table, label: str, copy_to: Path | None) -> bool:
    """Read the whole file once; True if it is plain. Writes it as UTF-8 to `copy_to`, if given."""
    codec = "utf-8-sig" if table.encoding == "utf-8" else table.encoding
    decoder = codecs.getincrementaldecoder(codec)()
    # Characters that DuckDB's reader and Python's reader split into rows or cells differently.
    odd_texts = ("\0", "\n\n", "\n\r", "\r\r", f'{table.delimiter} "', '\n "', '\r "')
    read_bytes, lines, last, is_plain = 0, 0, "", True
    chunks_of_line = 0
    with _unpacked(path, label) as file, _writer(copy_to) as copy:
        while True:
            chunk = file.read(_CHUNK_BYTES)
            if not read_bytes:
                _check_start(chunk, table, label)
            read_bytes += len(chunk)
            if read_bytes > table.max_bytes:
                raise too_large(table, label)
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeError as error:
                raise _wrong_encoding(error, chunk, lines, table, label) from None
            if copy is not None:
                copy.write(text)
            lines += text.count("\n")
            chunks_of_line = 0 if "\n" in text or "\r" in text else chunks_of_line + 1
            if chunks_of_line > _MOST_CHUNKS_OF_A_LINE and table.format != "json":  # an array may be on one line
                raise DeliveryError(
                    f"{label}: row {lines + 1}: has more than {MOST_CHARACTERS:,} characters. Have the file delivered "
                    "again with a line for each row."
                )
            seen = last + text
            is_plain = is_plain and not any(odd in seen for odd in odd_texts)
            last = seen[-2:]
            if not chunk:
                break
    if not read_bytes or not last:
        raise DeliveryError(f"{label}: the file is empty and has no header. Have it delivered again.")
    if table.format != "json" and table.last_line_end == "required" and last[-1] not in "\r\n":
        raise DeliveryError(
            f"{label}: row {lines + 1}: the last row has no line ending, so the file may be truncated. Have it "
            "delivered again, or write `last_line_end: optional` if this source's files never end with one."
        )
    return is_plain


def _check_start(start: bytes, table: Table, label: str) -> None:
    if table.encoding != "utf-16" and start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        raise DeliveryError(
            f"{label}: the file is UTF-16, but `encoding` says {table.encoding}. Correct the source's YAML."
        )
    first = start.removeprefix(codecs.BOM_UTF8).lstrip()[:1]
    if first == b"<":
        raise DeliveryError(
            f"{label}: the file is a web page or XML, not {table.format}: most likely an error message or a "
            "login page of the system that it came from. Have it delivered again."
        )
    if first in (b"{", b"[") and table.format in ("csv", "whitespace"):
        raise DeliveryError(
            f"{label}: the file is a JSON document, not {table.format}: most likely an error message of the system it "
            "came from. Have it delivered again."
        )


def _wrong_encoding(error: UnicodeError, chunk: bytes, lines: int, table: Table, label: str) -> DeliveryError:
    row = lines + 1
    what = "it"
    if isinstance(error, UnicodeDecodeError):
        row += error.object[: error.start].count(b"\n")
        what = f"byte 0x{error.object[error.start]:02X}"
    hint = "cp1250, cp1252 or latin-1" if table.encoding == "utf-8" else "utf-8"
    return DeliveryError(
        f"{label}: row {row}: {what} is not valid {table.encoding}. "
        f"Have the file delivered again, or correct `encoding` in the source's YAML (perhaps {hint})."
    )


def too_large(table: Table, label: str) -> DeliveryError:
    """The refusal of a file that unpacks to more than its source allows."""
    return DeliveryError(
        f"{label}: the unpacked file has more than {table.max_bytes:,} bytes, the limit `max_bytes` in the source's "
        "YAML. Raise the limit if the file is meant to be this large."
    )


@contextmanager
def _unpacked(path: Path, label: str) -> Iterator[IO[bytes]]:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            if len(members) != 1:
                raise DeliveryError(
                    f"{label}: the archive contains {len(members)} files, but one is expected. Have each file "
                    "delivered separately."
                )
            with archive.open(
                members[0]
            ) as file:  # read in place: a name in the archive never becomes one of our paths
                yield file
    elif path.suffix == ".gz":
        with gzip.open(path, "rb") as file:
            yield file  # type: ignore[misc]  # a GzipFile reads as IO[bytes] does
    else:
        with path.open("rb") as file:
            yield file


@contextmanager
def _writer(path: Path | None) -> Iterator[IO[str] | None]:
    if path is None:
        yield None
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            yield file
