"""Builds the documentation as a site with search: `make docs`. Neither the build nor a page needs the network.

The source folder is the project's, so that links between pages are the same in the repository and on the site.
"""

import shutil
from pathlib import Path

from sphinx.application import Sphinx

project = "Sales KPI Pipeline"
extensions = ["myst_parser"]
root_doc = "README"
include_patterns = ["[A-Z]*.md", "docs/**.md"]
exclude_patterns = [path.name for path in Path(__file__).parents[1].iterdir() if path.is_dir() and path.name != "docs"]
myst_heading_anchors = 3  # as on GitHub
suppress_warnings = ["misc.highlighting_failure"]  # SQL with Jinja in it
highlight_language = "none"  # where a block does not name its language
html_theme = "furo"
html_title = project
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_use_index = False
html_show_sphinx = False
html_show_copyright = False
html_show_search_summary = False  # browsers do not let a page read its neighbours from disk

# The navigation: which pages are below a page.
GUIDES = ["tour", "kpis", "analysts", "pages", "reports", "connect/README", "operations", "alerts", "quality"]
BACKGROUND = ["security", "architecture", "decisions/README", "benchmarks", "scaling", "glossary"]
PAGES_BELOW = {
    "README": [*(f"docs/{name}" for name in GUIDES + BACKGROUND), "CONTRIBUTING", "SECURITY", "CHANGELOG"],
    "docs/connect/README": ["[a-z]*"],
}
# Pages that only their index lists: a hundred more entries in every page's navigation took half of the build.
NOT_IN_NAVIGATION = "docs/decisions/0"


def add_navigation(app: Sphinx, page: str, source: list[str]) -> None:
    if page in PAGES_BELOW:
        source[0] += "\n".join(["", "```{toctree}", ":hidden:", ":glob:", "", *PAGES_BELOW[page], "```"])
    if page.startswith(NOT_IN_NAVIGATION):
        source[0] = f"---\norphan: true\n---\n{source[0]}"


def add_start_page(app: Sphinx, error: Exception | None) -> None:
    if not error:
        shutil.copyfile(app.outdir / "README.html", app.outdir / "index.html")


def setup(app: Sphinx) -> None:
    app.connect("source-read", add_navigation)
    app.connect("build-finished", add_start_page)
