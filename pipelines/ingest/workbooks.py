"""Reads one sheet of an Excel workbook row by row, a large one in a process of its own whose memory is limited.

Belongs here: cells as text, and bounds on what a workbook may claim to contain. Does not belong here: header and
records (`readers.py`).

The library builds the whole of a row, a text or a table of texts in memory before anyone can look at it, so no count of
ours can stop a workbook that consists of one row of a hundred million cells. Such a workbook is large once unpacked,
and then the limit is the operating system's. The process starts with this file, so it imports only what is named here.
"""

import contextlib
import json
import re
import subprocess
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

_MOST_ROWS, _MOST_COLUMNS = 1_048_576, 16_384  # of a sheet in Excel
_TIMES_UNPACKED = 128  # no workbook takes more memory than this many times its unpacked bytes
_REFUSED, _NEEDS_MORE = 3, 4  # exit codes

Cells = list[str | None]


class WorkbookError(Exception):
    """The workbook cannot be read; the message says why, without the file's name."""


def unpacked_bytes(path: Path) -> int:
    """What the parts of the workbook unpack to. It is what they state, and nothing is unpacked beyond that.

    Raises:
        WorkbookError: the file is not a zip archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return sum(part.file_size for part in archive.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise WorkbookError(f"not an Excel workbook: {first_line(error)}") from None


def rows_of_sheet(path: Path, sheet: str | None, max_bytes: int, memory: int) -> Iterator[Cells]:
    """The rows of a sheet, by default the first, from row 1 on. A row that the sheet lacks is empty.

    Args:
        max_bytes: how much text the cells may have altogether, since many cells may show one text.
        memory: how many bytes of memory reading may take.

    Raises:
        WorkbookError: the file is not a workbook, has no such sheet, or contains more than a sheet can.
        MemoryError: reading takes more than `memory`.
    """
    if unpacked_bytes(path) * _TIMES_UNPACKED <= memory:
        yield from _rows(path, sheet, max_bytes)
        return
    command = [sys.executable, "-I", __file__, str(path), sheet or "", str(max_bytes), str(memory)]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as rows:
        finished = subprocess.run(
            command, stdout=rows, stderr=subprocess.PIPE, text=True, encoding="utf-8", check=False
        )
        if finished.returncode == _REFUSED:
            raise WorkbookError(finished.stderr)
        if finished.returncode:  # `_NEEDS_MORE`, or it was ended where it could not even say so
            raise MemoryError
        rows.seek(0)
        yield from map(json.loads, rows)


def excel_text(value: Any) -> str | None:
    """The text of a cell of a sheet, by which its column is also called if it is in the header; None if it is empty."""
    if isinstance(value, datetime) and value.time() == datetime.min.time():
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return None if value is None else str(value)


def first_line(error: Exception) -> str:
    """What a library says about a damaged file, without what it quotes: that may be a cell."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return re.sub(r"""(['"]).*\1""", "'…'", line)


def _rows(path: Path, sheet: str | None, max_bytes: int) -> Iterator[Cells]:
    characters, last = 0, 0
    for number, cells in _numbered_rows(path, sheet):
        if number <= last:
            raise WorkbookError(f"row {number} comes after row {last}")
        if number > _MOST_ROWS:
            raise WorkbookError(f"has a row {number:,}, but a sheet has at most {_MOST_ROWS:,} rows")
        characters += sum(len(text) for text in cells if text)
        if characters > max_bytes:
            raise WorkbookError(f"its cells have more than {max_bytes:,} characters, the limit `max_bytes`")
        yield from ([] for _ in range(last + 1, number))
        yield cells
        last = number


def _numbered_rows(path: Path, sheet: str | None) -> Iterator[tuple[int, Cells]]:
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    # The library's own loop makes every empty row and cell up to the last, two thousand million if a sheet says so.
    from openpyxl.worksheet._reader import WorkSheetParser

    with warnings.catch_warnings(), contextlib.ExitStack() as stack:
        warnings.simplefilter("ignore")  # of styles and dates; they would be printed between the lines of a run
        try:
            file = stack.enter_context(path.open("rb"))  # by its path, the library would ask for a certain ending
            workbook = load_workbook(file, read_only=True, data_only=True, keep_links=False)
        except (InvalidFileException, KeyError, ValueError) as error:
            raise WorkbookError(f"not an Excel workbook: {first_line(error)}") from None
        with contextlib.closing(workbook):
            if sheet and sheet not in workbook.sheetnames:
                raise WorkbookError(
                    f"has no sheet {sheet!r}. Its sheets: {', '.join(workbook.sheetnames)}; `sheet` says which is read"
                )
            chosen = workbook[sheet] if sheet else workbook.worksheets[0]
            with workbook._archive.open(chosen._worksheet_path) as xml:
                parser = WorkSheetParser(
                    xml,
                    chosen._shared_strings,
                    data_only=True,
                    epoch=workbook.epoch,
                    date_formats=workbook._date_formats,
                    timedelta_formats=workbook._timedelta_formats,
                )
                for number, cells in parser.parse():
                    yield number, _dense(cells, number)


def _dense(cells: list[dict[str, Any]], number: int) -> Cells:
    """The texts of a row from column 1 on, None where the sheet has no cell."""
    width = max((cell["column"] for cell in cells), default=0)
    if width > _MOST_COLUMNS:
        raise WorkbookError(f"row {number}: has a column {width:,}, but a sheet has at most {_MOST_COLUMNS:,} columns")
    texts: Cells = [None] * width
    for cell in cells:
        texts[cell["column"] - 1] = excel_text(cell["value"])
    return texts


def _main(path: str, sheet: str, max_bytes: str, memory: str) -> None:
    sys.modules["numpy"] = None  # type: ignore[assignment]  # openpyxl would load its libraries into the memory
    with contextlib.suppress(ImportError, ValueError, OSError):  # Windows has no limit, and macOS none that holds
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    try:
        for cells in _rows(Path(path), sheet or None, int(max_bytes)):
            print(json.dumps(cells))
    except WorkbookError as error:
        problem = str(error)
    except Exception as error:  # whatever the library raises on a damaged part, which may be a lack of memory as well
        if isinstance(error, (MemoryError, SystemError)) or "out of memory" in str(error):
            sys.exit(_NEEDS_MORE)
        problem = first_line(error)
    else:
        return
    print(problem, end="", file=sys.stderr)
    sys.exit(_REFUSED)


if __name__ == "__main__":
    _main(*sys.argv[1:])
