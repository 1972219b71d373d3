"""Prints one KPI in a reader's language, with the words, numbers and dates of the pages.

Belongs here: `kpi show --lang`. Does not belong here: the same in the commands' own words (`show.py`), which are what
scripts and the documentation know.
"""

import sys
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipelines.answers.periods import Choice, Comparison, Period
from pipelines.answers.shown import find_rows
from pipelines.formatting import printable
from pipelines.pages.publications import Publications
from pipelines.pages.sections.tiles import changes_of
from pipelines.pages.view import COMPANY, CUTS, STATUSES, Measure, Row, State, View
from pipelines.pages.words import Words

_PLAIN_SPACES = {
    ord("\N{NO-BREAK SPACE}"): " ",
    ord("\N{NARROW NO-BREAK SPACE}"): " ",
}  # what is printed keeps to its line


def show_in_language(
    published_dir: Path,
    zone: ZoneInfo,
    language: str,
    kpi_id: str,
    by: str,
    choice: Choice,
    variant: str | None,
    compare: Comparison,
) -> None:
    """Print one KPI of the scorecard by period and entity.

    Raises:
        NotPublishedError: there is no published file.
        QuestionError: no such KPI, cut, variant or period.
    """
    with Publications(published_dir).current() as (connection, opened):
        shown = find_rows(connection, kpi_id, by, choice, variant)
        words = Words(language, shown.publication.currency)
        view = View(connection, opened, words, State(shown.periods.grain, compare=compare), zone)
        measure = view.measures[shown.variant.kpi_id, shown.variant.variant]
        periods = [period for period in shown.periods.periods if period.start in shown.periods.shown]
        rows = view.rows([(measure.kpi_id, measure.variant)], by, periods=periods)
        publication = shown.publication
    lines = [_line(view, measure, row, next(one for one in periods if one.start == row.start)) for row in rows]
    table = Table()
    headers = [header for header in lines[0] if any(line[header] for line in lines)]
    for position, header in enumerate(headers):
        is_text = header == words.text("Status") or position < (1 if by == COMPANY else 2)
        table.add_column(header, justify="left" if is_text else "right")
    for line in lines:
        table.add_row(*(Text(printable(line[header].translate(_PLAIN_SPACES))) for header in headers))
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 160, highlight=False, soft_wrap=True)
    for heading in (
        measure.kpi_name if measure.name == measure.kpi_name else f"{measure.kpi_name}: {measure.name}",
        measure.formula,
        words.text("Numbers as of %(day)s", day=words.day(publication.as_of_date))
        + ", "
        + words.text("published %(when)s", when=words.moment(publication.published_at, zone)),
    ):
        console.print(heading, markup=False)
    console.print(table, soft_wrap=False)


def _line(view: View, measure: Measure, row: Row, period: Period) -> dict[str, str]:
    """One row in readable form, by the headers of its columns."""
    words, unit = view.words, measure.unit
    so_far = f" ({words.text('so far')})" if row.is_partial else ""
    changes = [one for one in changes_of(row, measure) if one.comparison is view.state.compare]
    verdict = ""
    if changes and changes[0].is_significant is not None:
        verdict = words.text("more than noise") if changes[0].is_significant else words.text("within noise")
    interval = f"{words.value(row.ci_low, unit)} – {words.value(row.ci_high, unit)}" if row.ci_low is not None else ""
    cut = words.text(CUTS.get(row.entity_type, row.entity_type))
    return {
        words.text("Period"): words.period(period, view.state.grain) + so_far,
        **({} if row.entity_type == COMPANY else {cut: row.entity_name}),
        words.text("Value"): words.value(row.value, unit),
        words.text("95 %% interval") % (): interval,
        "n": "" if row.sample_size is None else words.number(row.sample_size),
        words.text("Change"): words.change(changes[0].delta, changes[0].earlier, unit) if changes else "",
        words.text("More than noise"): verdict,
        words.text("Target"): words.value(row.target, unit),
        words.text("Attained"): "" if row.attainment is None else words.share(row.attainment),
        words.text("Status"): "" if row.status == "ok" else words.text(STATUSES[row.status]),
    }
