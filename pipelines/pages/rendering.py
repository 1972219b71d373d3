"""Templates filled in: what the web application responds with and reports are made of.

Belongs here: the templates of each language, and the names that all of them know. Does not belong here: addresses and
languages of readers (`app.py`), and files (`report.py`).
"""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipelines.answers.rounding import decimal
from pipelines.formatting import undirected
from pipelines.pages import charts
from pipelines.pages.notices import notices_of
from pipelines.pages.roles import PAGES
from pipelines.pages.sections import Missing, Section
from pipelines.pages.sections.leads import STAGES as LEAD_STAGES
from pipelines.pages.sections.tiles import changes_of, ends_of
from pipelines.pages.view import COMPARISONS, CUTS, GRAINS, STATUS_REASONS, STATUSES, View
from pipelines.pages.words import LANGUAGES, Words

HERE = Path(__file__).parent


@cache
def templates(language: str) -> Environment:
    """The templates in one language; only those that change are read again."""
    words = Words(language)
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_harmless,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
    )
    environment.install_gettext_translations(words.catalogue, newstyle=True)  # type: ignore[attr-defined]
    environment.globals.update(
        counted=words.counted,
        charts=charts,
        PAGES=PAGES,
        LANGUAGES=LANGUAGES,
        CUTS=CUTS,
        GRAINS=GRAINS,
        COMPARISONS=COMPARISONS,
        STATUSES=STATUSES,
        STATUS_REASONS=STATUS_REASONS,
        LEAD_STAGES=LEAD_STAGES,
    )
    environment.filters.update(exact=decimal, changes=changes_of, ends=ends_of)
    environment.filters["with_files"] = with_files
    environment.filters["translated"] = lambda name, names: words.text(names[name]).lower() if name in names else name
    environment.tests["missing"] = lambda value: isinstance(value, Missing)
    return environment


def _harmless(value: object) -> object:
    """What a template shows, without characters that reverse the order of text; names from data may contain them."""
    if not isinstance(value, str) or value.isascii():
        return value
    return Markup(undirected(value)) if isinstance(value, Markup) else undirected(value)


def with_files(shown: Markup, section: Section, view: View) -> Markup:
    """What a section shows, with links below each table to what the table says as a file."""
    links = templates(view.words.language).get_template("files.html")
    first, *others = str(shown).split("</table>")
    found = [first]
    for number, rest in enumerate(others, start=1):
        name = f"{view.page}/{section.name}"
        of_table = name if number == 1 else f"{name}-{number}"
        found += ["</table>", links.render(csv=view.link(f"{of_table}.csv"), excel=view.link(f"{name}.xlsx")), rest]
    return Markup("".join(found))  # made of what the templates escaped


def render(template: str, view: View, **values: Any) -> str:
    """A page of one publication as HTML."""
    made_from = {
        "view": view,
        "words": view.words,
        "state": view.state,
        "language": view.words.language,
        "root": view.address.rpartition("/")[0],
        "notices": notices_of(view),
    }
    return templates(view.words.language).get_template(template).render(**made_from, **values)
