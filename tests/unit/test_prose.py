"""The text of the documentation: the width of its lines, and words that the project has retired."""

import re

from pipelines.settings import PROJECT_DIR

WIDTH = 120

# What readers had to guess, as a pattern, and what to write instead; docs/glossary.md has the project's terms.
RETIRED = {
    r"stand-?ins?": "derived from",
    r"tend(s|ed)?": "ingest, process, look after",
    r"(is|are|was|were|be|been) told": "is notified, receives, reads",
    r"(lie|lies|lay|lying) (ahead|at|below|beside|in|on|there)": "is, is kept, is stored",
    r"desk": "service",
    r"rehears(e|es|ed|als?)": "dry run",
    r"usual (is|are)": "normal",
    r"arrivals": "late files",
}
CODE_BLOCK = re.compile(r"^ *```.*?^ *```$", re.DOTALL | re.MULTILINE)
CODE_OR_TARGET = re.compile(r"`[^`]*`|\]\([^)]*\)")


def pages() -> dict[str, str]:
    """The Markdown files of the project by name, without their code blocks."""
    files = [*PROJECT_DIR.glob("*.md"), *(PROJECT_DIR / "docs").rglob("*.md")]
    return {str(file.relative_to(PROJECT_DIR)): CODE_BLOCK.sub("", file.read_text(encoding="utf-8")) for file in files}


def test_no_line_but_those_of_tables_is_too_wide() -> None:
    wide = [(page, line) for page, text in pages().items() for line in text.splitlines() if len(line) > WIDTH]
    assert [(page, line) for page, line in wide if not line.lstrip().startswith("|")] == []


def test_no_retired_word_is_in_the_documentation() -> None:
    found = []
    for page, text in pages().items():
        words = " ".join(CODE_OR_TARGET.sub("", text).split())
        for retired, instead in RETIRED.items():
            found += [(page, word.group(), instead) for word in re.finditer(rf"\b{retired}\b", words, re.IGNORECASE)]
    assert found == []
