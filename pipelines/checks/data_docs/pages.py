"""The project's documentation as pages next to Data Docs, so that links to runbooks work.

Belongs here: writing the pages, their addresses, and what the pages of the site have in common.
Does not belong here: serving them (`checks/data_docs/server.py`).
"""

import hashlib
import html
import re
from collections.abc import Iterable
from pathlib import Path

from pipelines.settings import PROJECT_DIR

_DOCS = PROJECT_DIR / "docs"
_STYLE = Path(__file__).with_name("style.css")
INCIDENTS = "incidents.html"  # written by `alerts/page.py`


def write_pages(site: Path) -> None:
    """Write a page `docs/<name>.html` into the folder `site` for each page of the documentation, and a list of them.

    Nothing is written if the pages there were made from the same files.
    """
    sources = sorted(_DOCS.rglob("*.md"))
    made_from, known = _identity([*sources, _STYLE, Path(__file__)]), site / "docs" / ".made_from"
    if known.exists() and known.read_text(encoding="utf-8") == made_from:
        return
    from markdown_it import MarkdownIt  # takes a moment, and only who makes pages needs it

    markdown = MarkdownIt("commonmark").enable("table")
    (site / "docs").mkdir(parents=True, exist_ok=True)
    titles: dict[str, str] = {}
    for path in sources:
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(_DOCS).with_suffix(".html")
        titles[name.as_posix()] = text.partition("\n")[0].lstrip("# ")
        written = site / "docs" / name
        written.parent.mkdir(exist_ok=True)
        body = _linked(markdown.render(text), path.parent)
        written.write_text(page(titles[name.as_posix()], body, "../" * len(name.parts)), encoding="utf-8")
    listed = {name: title for name, title in titles.items() if not re.match(r"decisions/\d", name)}  # they have a list
    items = "".join(f'<li><a href="{name}">{html.escape(title)}</a></li>' for name, title in listed.items())
    index = page("Documentation", f"<h1>Documentation</h1><ul>{items}</ul>", "../")
    (site / "docs" / "index.html").write_text(index, encoding="utf-8")
    known.write_text(made_from, encoding="utf-8")


def _identity(files: Iterable[Path]) -> str:
    """A text that differs if one of `files` is another file or was changed. It is served, so it names no paths."""
    stats = [(path, path.stat()) for path in files]
    identity = "\n".join(f"{path} {stat.st_mtime_ns} {stat.st_size}" for path, stat in stats)
    return hashlib.sha256(identity.encode()).hexdigest()


def page_url(docs_url: str, reference: str) -> str:
    """The address of `reference`, like `docs/operations.md#dates` or a URL; empty if it is not one of our pages."""
    if reference.startswith(("http://", "https://")):
        return reference
    name, _, anchor = reference.partition("#")
    path = Path(name)
    if path.parts[:1] != ("docs",) or path.suffix != ".md" or not (PROJECT_DIR / path).is_file():
        return ""
    return f"{docs_url}/{path.with_suffix('.html').as_posix()}{'#' if anchor else ''}{anchor}"


def incident_url(docs_url: str, incident_id: str = "") -> str:
    """The address of an incident, or of all incidents."""
    return f"{docs_url}/{INCIDENTS}{'#' if incident_id else ''}{incident_id}"


def anchor_of(heading: str) -> str:
    """The anchor that GitHub gives a heading, so that one reference works in both places."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def _linked(body: str, folder: Path) -> str:
    """`body`, from a file in `folder`, with an anchor at each heading, and with links to pages instead of files.

    Anything that is not a page of the documentation, like the README, is named without a link.
    """

    def anchored(found: re.Match[str]) -> str:
        level, title = found.groups()
        return f'<h{level} id="{anchor_of(html.unescape(re.sub("<[^>]+>", "", title)))}">{title}</h{level}>'

    def to_page(found: re.Match[str]) -> str:
        target, anchor, text = found.groups(default="")
        is_page = target.endswith(".md") and (folder / target).resolve().is_relative_to(_DOCS)
        return f'<a href="{target.removesuffix(".md")}.html{anchor}">{text}</a>' if is_page else text

    body = re.sub(r"<h([1-6])>(.*?)</h\1>", anchored, body)
    return re.sub(r'<a href="(?!\w+:)([^"#]+)(#[^"]*)?">(.*?)</a>', to_page, body)


def page(title: str, body: str, to_root: str = "") -> str:
    """A page in the style of Data Docs, with links to the other pages; `to_root` leads from here to the site's root.

    `body` is HTML.
    """
    style = _STYLE.read_text(encoding="utf-8")
    head = f'<head><meta charset="utf-8"><title>{html.escape(title)}</title><style>\n{style}</style></head>'
    pages = {"Check results": "index.html", "Incidents": INCIDENTS, "Documentation": "docs/index.html"}
    others = " · ".join(f'<a href="{to_root}{path}">{name}</a>' for name, path in pages.items())
    content = f'<body class="index"><p>{others}</p>\n{body}\n</body>'
    return f'<!DOCTYPE html>\n<html lang="en">\n{head}\n{content}\n</html>\n'
