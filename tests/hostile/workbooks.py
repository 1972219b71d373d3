"""Workbooks as no program writes them, part by part."""

import io
import zipfile
from collections.abc import Mapping

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
HEADER = (
    '<row r="1"><c r="A1" t="inlineStr"><is><t>id</t></is></c><c r="B1" t="inlineStr"><is><t>amount</t></is></c></row>'
)

PARTS = {
    "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Override PartName="/xl/workbook.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
    '<Override PartName="/xl/worksheets/sheet1.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>'
    '<Override PartName="/xl/sharedStrings.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="r1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="r1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
    f'<Relationship Id="r2" Type="{_OFFICE}/sharedStrings" Target="sharedStrings.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{_OFFICE}"><sheets>'
    '<sheet name="Orders" sheetId="1" r:id="r1"/></sheets></workbook>',
}


def workbook(rows: str, strings: str = "", before: str = "", parts: Mapping[str, str | bytes] | None = None) -> bytes:
    """A workbook with one sheet: a header and `rows` as XML.

    `strings` are the shared texts as XML, `before` comes before the sheet's XML, and `parts` are further files.
    """
    sheet = f'{before}<worksheet xmlns="{MAIN}"><sheetData>{HEADER}{rows}</sheetData></worksheet>'
    shared = f'<sst xmlns="{MAIN}">{strings}</sst>'
    return package({"xl/worksheets/sheet1.xml": sheet, "xl/sharedStrings.xml": shared, **PARTS, **(parts or {})})


def text(cell: str, row: int = 2, column: str = "A") -> str:
    """A row with one cell that holds this text."""
    return f'<row r="{row}"><c r="{column}{row}" t="inlineStr"><is><t>{cell}</t></is></c></row>'


def number(cell: str, row: int = 2, column: str = "A", style: int = 0) -> str:
    """A row with one cell that holds this number."""
    return f'<row r="{row}"><c r="{column}{row}" s="{style}"><v>{cell}</v></c></row>'


def package(parts: Mapping[str, str | bytes]) -> bytes:
    """A zip archive of these files."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as opened:
        for name, content in parts.items():
            opened.writestr(name, content)
    return archive.getvalue()
