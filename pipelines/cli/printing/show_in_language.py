"""Prints one KPI in a reader's language, with the words, numbers and dates of the pages.

Belongs here: `kpi show --lang`. Does not belong here: the same in the commands' own words (`show.py`), which are what
scripts and the documentation know.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipelines.answers.annotations import Annotation, annotations_of
from pipelines.answers.periods import Choice, Comparison, Period
from pipelines.answers.shown import find_rows
from pipelines.formatting import printable
from pipelines.pages.notices import notices_of
from pipelines.pages.publications import Publications
from pipelines.pages.sections.tiles import changes_of
from pipelines.pages.view import COMPANY, CUTS, STATUS_REASONS, STATUSES, Measure, Row, State, View
from pipelines.pages.words import EN_DASH, Words

_MOST_ANNOTATIONS = 8
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
        notes = [*_notes(view, rows), *_remarks(view, annotations_of(connection, kpi_id, by, shown.periods))]
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
    for note in notes:
        console.print(printable(note.translate(_PLAIN_SPACES)), markup=False)


def _notes(view: View, rows: Sequence[Row]) -> Iterator[str]:
    """Why values are missing, what a period in progress is compared with, and what is wrong with the publication."""
    words = view.words
    for status in dict.fromkeys(row.status for row in rows if row.status != "ok"):
        missing = next((row.missing_entities for row in rows if row.status == status and row.missing_entities), None)
        if status != "no_source":
            reason = words.text(STATUS_REASONS[status])
        elif missing:
            reason = words.text("Needs %(entities)s, which no source delivers.", entities=missing)
        else:
            reason = words.text("A column that it needs is empty in all rows.")
        yield f"{words.text(STATUSES[status])}: {reason}"
    so_far = next((row for row in rows if row.is_partial and row.compared(view.state.compare)[0] is not None), None)
    if so_far:
        current = view.of(view.at(so_far.start))
        now = words.text("%(period)s so far", period=words.period(current.period, view.state.grain))
        yield f"{now} {words.text('vs %(period)s', period=current.earlier_label(view.state.compare))}"
    yield from (f"{notice.title} {notice.text}" for notice in notices_of(view))


def _remarks(view: View, annotations: Sequence[Annotation]) -> Iterator[str]:
    """What people and the pipeline noted about the periods; of many, the newest."""
    for one in annotations[-_MOST_ANNOTATIONS:]:
        days = dict.fromkeys(view.words.day(day) for day in (one.starts_on, one.ends_on))
        yield f"* {f' {EN_DASH} '.join(days)}: {one.text}"


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
