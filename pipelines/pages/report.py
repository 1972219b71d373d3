"""Reports: the page of a role as one HTML file that loads nothing, and all roles as a workbook.

Belongs here: making them of a publication, and where they are kept. Does not belong here: what the pages show
(`roles.py`, `sections/`), the sheets (`workbook.py`), and when reports are made (`publish/reports.py`).

Reports are kept in `publications/<id>/reports/`, so they go with their publication: by `published/reports`, by a
rollback, and when it is deleted.
"""

import hashlib
import shutil
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
from markupsafe import Markup

from pipelines.answers.cells import publication_of
from pipelines.answers.questions import QuestionError
from pipelines.output import aside, write_workbook
from pipelines.pages.publications import Opened
from pipelines.pages.rendering import HERE, render
from pipelines.pages.roles import ROLES, Page
from pipelines.pages.view import State, View
from pipelines.pages.words import LANGUAGES, Words
from pipelines.pages.workbook import sheets_of
from pipelines.warehouse import NO_PROGRESS_BAR, open_published, published_path

FOLDER = "reports"
_MEMORY = "256MB"


@dataclass(frozen=True)
class Source:
    """A publication that reports are made of."""

    connection: duckdb.DuckDBPyConnection
    opened: Opened
    zone: ZoneInfo
    pages_url: str  # where the links of a report lead

    @classmethod
    @contextmanager
    def of(cls, path: Path, zone: ZoneInfo, pages_url: str) -> Iterator["Source"]:
        """The publication whose DuckDB file is `path`, open while the block runs.

        Raises:
            NotPublishedError: an earlier version made the file.
        """
        with open_published(path, _MEMORY) as database, database.cursor() as connection:
            connection.execute("use kpi")
            connection.execute(NO_PROGRESS_BAR)
            publication_of(connection)
            yield cls(connection, Opened(path, database), zone, pages_url)

    def view(self, language: str, page: str = "", state: State | None = None) -> View:
        """What a page is made from, by default of the last complete month. Its links name the period that it shows."""
        words = Words(language, publication_of(self.connection).currency)
        view = View(
            self.connection, self.opened, words, state or State(), self.zone, f"{self.pages_url}/{language}", page
        )
        return replace(view, state=replace(view.state, period=view.period.label))


def html_of(source: Source, page: Page, language: str) -> str:
    """The page of a role as a file of its own: the same sections, the style inside, and links to the served pages."""
    view = source.view(language, page.name)
    style, style_hash = _style()
    sections = [(section, section.shown(view)) for section in page.sections]
    return render("report.html", view, page=page, sections=sections, style=style, style_hash=style_hash)


@cache
def _style() -> tuple[Markup, str]:
    """The style sheet, and its hash for the Content-Security-Policy, under which no other style applies."""
    style = (HERE / "static" / "style.css").read_text(encoding="utf-8")
    return Markup(style), f"sha256-{b64encode(hashlib.sha256(style.encode()).digest()).decode()}"


def write_report(
    published_dir: Path,
    zone: ZoneInfo,
    pages_url: str,
    role: str | None,
    language: str,
    as_workbook: bool = False,
    file: Path | None = None,
) -> Path:
    """Write one report of the current publication to `file`, by default into the current folder; return the file.

    Without a role, a workbook has a sheet for each.

    Raises:
        NotPublishedError: nothing has been published yet.
        QuestionError: there is no such role or language, or a page without a role is asked for.
        UsageError: the file cannot be written.
    """
    if language not in LANGUAGES:
        raise QuestionError(f"--lang {language}: the languages are {', '.join(LANGUAGES)}.")
    if role not in ROLES and not (role is None and as_workbook):
        wrong = f"--role {role}: there is no such role" if role else "A page is that of one role: --role ROLE"
        raise QuestionError(f"{wrong}. The roles are {', '.join(ROLES)}.")
    with Source.of(published_path(published_dir), zone, pages_url) as source:
        view = source.view(language)
        extension = "xlsx" if as_workbook else "html"
        file = file or Path(f"kpi-{role or 'all'}-{view.period.label}-{language}.{extension}")
        pages = [ROLES[role]] if role else list(ROLES.values())
        with aside(file) as path:
            if as_workbook:
                write_workbook(sheets_of(view, pages), path)
            else:
                path.write_text(html_of(source, pages[0], language), encoding="utf-8")
    return file


def write_reports(folder: Path, zone: ZoneInfo, pages_url: str, languages: Iterable[str]) -> list[Path]:
    """Write every report of the publication in `folder`, in these languages; return the files.

    They are written aside and renamed together: readers find all of them, or those that were there before.
    """
    place = folder / FOLDER
    new, before = (folder / f".{FOLDER}-{what}" for what in ("new", "old"))
    try:
        for left in (new, before):  # by a process that was killed
            shutil.rmtree(left, ignore_errors=True)
        new.mkdir()
        with Source.of(folder / "kpi.duckdb", zone, pages_url) as source:
            for language in languages:
                for page in ROLES.values():
                    (new / f"{page.name}.{language}.html").write_text(html_of(source, page, language), encoding="utf-8")
                write_workbook(sheets_of(source.view(language)), new / f"kpi.{language}.xlsx")
        if place.exists():
            place.rename(before)
        new.rename(place)
    finally:
        for left in (new, before):
            shutil.rmtree(left, ignore_errors=True)
    return sorted(place.iterdir())
