"""Files of what a page shows: CSV that a double click opens in the reader's Excel, and workbooks.

Belongs here: which rows are in a file. Does not belong here: how files are written (`pipelines.output`).
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from starlette.responses import Response

from pipelines.answers.cells import find_cell
from pipelines.answers.explain import rows_of_value
from pipelines.answers.periods import Choice
from pipelines.answers.shown import find_rows
from pipelines.output import NUMBER_FORMATS, OTHER_NUMBERS, Excel, Format, Result, Target, write
from pipelines.pages.details import measure_of
from pipelines.pages.view import View

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
    return _file(view, named, form, f"{measure.kpi_id}_{measure.variant}_by_{state.cut}_{state.grain}")


def rows_file(view: View, form: Format) -> Response:
    """All delivered rows behind the value that the URL names."""
    measure = measure_of(view)
    cell, _ = find_cell(
        view.connection, measure.kpi_id, measure.variant, view.period.label, view.state.grain, view.state.by
    )
    result = Result.of(view.connection.execute(rows_of_value(view.connection, cell)))
    return _file(view, result, form, f"rows_of_{measure.kpi_id}_{measure.variant}_{view.period.label}")


def _file(view: View, result: Result, form: Format, name: str) -> Response:
    with TemporaryDirectory(prefix="kpi-download-") as folder:
        file = Path(folder) / f"download.{form}"
        write(result, Target(form, file, _EXCEL_OF[view.words.language] if form is Format.csv else None))
        content = file.read_bytes()
    safe = "".join(letter if (letter.isalnum() and letter.isascii()) or letter in "-_" else "_" for letter in name)
    return Response(
        content, media_type=_MEDIA_TYPES[form], headers={"Content-Disposition": f'attachment; filename="{safe}.{form}"'}
    )
