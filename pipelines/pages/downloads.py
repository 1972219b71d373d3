"""Files of what a page shows: CSV that a double click opens in the reader's Excel, and workbooks.

Belongs here: which rows are in a file. Does not belong here: how files are written (`pipelines.output`).
"""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from starlette.responses import Response

from pipelines.answers.cells import Cell, find_cell
from pipelines.answers.explain import rows_of_value
from pipelines.answers.periods import Choice
from pipelines.answers.questions import QuestionError
from pipelines.answers.shown import find_rows
from pipelines.answers.targets import rows_of_target
from pipelines.output import NUMBER_FORMATS, OTHER_NUMBERS, Excel, Format, Result, Sheet, Target, write, write_workbook
from pipelines.pages.behind import number_of, rows_query
from pipelines.pages.details import changed, measure_of
from pipelines.pages.rendering import render
from pipelines.pages.roles import Page
from pipelines.pages.sections import Missing, Section
from pipelines.pages.tables import tables_of
from pipelines.pages.view import COMPANY, View
from pipelines.sql import quote_text

_MEDIA_TYPES = {
    Format.csv: "text/csv; charset=utf-8",
    Format.xlsx: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
# The decimal separator of a reader's Excel follows the language.
_EXCEL_OF = {"en": Excel.point, "pl": Excel.comma}


def values_file(view: View, form: Format) -> Response:
    """All published values of the variant that the URL names, by the chosen cut, at the chosen grain."""
    measure, state = measure_of(view), view.state
    shown = find_rows(view.connection, measure.kpi_id, state.cut, Choice(state.grain), measure.variant)
    result = Result.of(view.connection.execute(shown.query))
    formats = dict.fromkeys(("value", "ci_low", "ci_high", "target"), NUMBER_FORMATS.get(measure.unit, OTHER_NUMBERS))
    named = Result(result.columns, result.types, result.rows, formats)
    return _written(view, named, form, f"{measure.kpi_id}_{measure.variant}_by_{state.cut}_{state.grain}")


def rows_file(view: View, form: Format) -> Response:
    """All delivered rows behind the value that the URL names."""
    return _rows_of_cell(view, form, "rows", lambda cell: rows_of_value(view.connection, cell))


def target_file(view: View, form: Format) -> Response:
    """All delivered rows behind the target of the value that the URL names."""
    return _rows_of_cell(view, form, "target", rows_of_target)


def _rows_of_cell(view: View, form: Format, what: str, query_of: Callable[[Cell], str]) -> Response:
    measure = measure_of(view)
    cell, _ = find_cell(
        view.connection, measure.kpi_id, measure.variant, view.period.label, view.state.grain, view.state.by
    )
    result = Result.of(view.connection.execute(query_of(cell)))
    return _written(view, result, form, f"{what}_of_{measure.kpi_id}_{measure.variant}_{view.period.label}")


def tables_file(view: View, page: Page, section: Section, number: int, form: Format) -> Response:
    """The tables of a section as the page shows them: as CSV the one with a number, from 1, as a workbook all.

    Raises:
        QuestionError: the section shows no such table.
    """
    content = section.shown(view)
    if isinstance(content, Missing):
        raise QuestionError(content.reason)
    tables = tables_of(render(section.file, view, page=page, section=section, content=content))
    if not 0 < number <= len(tables):
        raise QuestionError(view.words.text("This part of the page has no such table."))
    by = "" if view.state.cut == COMPANY else f"_{view.state.cut}_{view.state.entity}"
    name = f"{page.name}_{section.name}_{view.period.label}{by}"
    if form is Format.xlsx:
        sheets = [Sheet(table.name, table.result(view.words)) for table in tables]
        return _file(lambda file: write_workbook(sheets, file), form, name)
    suffix = f"_{number}" if len(tables) > 1 else ""
    return _written(view, tables[number - 1].result(view.words), form, name + suffix)


def why_file(view: View, form: Format) -> Response:
    """What the change that the URL names is split into: as CSV by the parts of a cut, as a workbook also by factor.

    Raises:
        QuestionError: the change cannot be split.
    """
    content = changed(view)
    tables = tables_of(render("why.html", view, content=content, offered=()))
    if not content.lines:
        raise QuestionError(view.words.text("This part of the page has no such table."))
    name = f"why_{content.measure.kpi_id}_{content.measure.variant}_{view.period.label}"
    if form is Format.xlsx:
        sheets = [Sheet(table.name, table.result(view.words)) for table in tables]
        return _file(lambda file: write_workbook(sheets, file), form, name)
    return _written(view, tables[-1].result(view.words), form, name)


def rows_behind_file(view: View, page: Page, section: Section, form: Format) -> Response:
    """All rows behind the number of a section that the URL names.

    Raises:
        QuestionError: the section has no such number.
        HTTPException: the number is not for this reader.
    """
    number, keys = number_of(view, section)
    row_is = quote_text(view.words.text(number.fact.row_is))
    found = view.connection.execute(f"select {row_is} as row_is, * from ({rows_query(view, number, keys)})")
    name = "_".join(["rows_of", page.name, section.name, view.state.number.partition("/")[0], *keys.values()])
    return _written(view, Result.of(found), form, name)


def _written(view: View, result: Result, form: Format, name: str) -> Response:
    excel = _EXCEL_OF[view.words.language] if form is Format.csv else None
    return _file(lambda file: write(result, Target(form, file, excel)), form, name)


def _file(write_to: Callable[[Path], None], form: Format, name: str) -> Response:
    with TemporaryDirectory(prefix="kpi-download-") as folder:
        file = Path(folder) / f"download.{form}"
        write_to(file)
        content = file.read_bytes()
    safe = "".join(letter if (letter.isalnum() and letter.isascii()) or letter in "-_" else "_" for letter in name)
    return Response(
        content, media_type=_MEDIA_TYPES[form], headers={"Content-Disposition": f'attachment; filename="{safe}.{form}"'}
    )
