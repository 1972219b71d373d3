"""Prints what the present settings, sources and models would change of the published numbers."""

import sys
from contextlib import nullcontext

from rich.console import Console

from pipelines.cli.printing.differences import markdown, print_differences, write_cells
from pipelines.operations.plan import Plan, in_words
from pipelines.output import Format, Target, aside

NOTHING = "No cell of the scorecard would change."


def print_plan(found: Plan, target: Target, as_markdown: bool, console: Console) -> None:
    """Print a plan for people, as Markdown for a code review, or its cells for programs.

    Raises:
        UsageError: the file cannot be written.
    """
    if as_markdown:
        text = markdown(found.differences, "What this change does to published numbers", _notes(found), NOTHING)
        with aside(target.file) if target.file else nullcontext(None) as path:
            if path:
                path.write_text(text, encoding="utf-8")
            else:
                sys.stdout.write(text)
        return
    if target.form is not Format.table:
        write_cells(found.differences, target)
        return
    for line in _notes(found):
        console.print(line, markup=False)
    print_differences(found.differences, console)
    if not found.differences:
        console.print(NOTHING, markup=False)


def _notes(found: Plan) -> list[str]:
    failed = f"A run would publish nothing until these tests of the models pass. {found.failed_tests}"
    return [*in_words(found), *([failed] if found.failed_tests else [])]
