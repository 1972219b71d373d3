"""Prints what a dry run found."""

from pathlib import Path

from rich.console import Console

from pipelines.cli.printing.differences import cells_target, print_differences, write_cells
from pipelines.ingest.landing import skipped_in_words
from pipelines.onboarding.dry_run import DryRun

_SHOWN_ROWS = 5  # unreadable rows shown for each delivery


def print_dry_run(found: DryRun, source: str, console: Console) -> None:
    """Print what lands, what is rejected and why, and how the KPIs would change."""

    def say(text: str) -> None:
        console.print(text, markup=False)

    for problem in found.refused:
        say(f"refused  {problem}")
    for (table, day), landed in sorted(found.landed.items(), key=lambda item: (item[0][1], item[0][0])):
        if not landed.files:
            continue
        say(f"lands    {source}.{table} {day}: {landed.rows:,} rows from {', '.join(landed.files)} ({landed.outcome})")
        if landed.skipped_rows:
            say(f"         {skipped_in_words(landed.skipped_rows)}")
        if (table, day) in found.row_counts:
            _, good, quarantined, superseded = found.row_counts[table, day]
            say(f"         {good:,} good, {quarantined:,} to quarantine, {superseded:,} superseded by newer versions")
        unreadable = found.unreadable.get((table, day), [])
        for file, number, reason in unreadable[:_SHOWN_ROWS]:
            say(f"         {file}: row {number}: {reason}")
        if len(unreadable) > _SHOWN_ROWS:
            say(f"         and {len(unreadable) - _SHOWN_ROWS:,} more")
        if landed.undeclared_columns:
            say(f"         undeclared columns, which are not used: {', '.join(landed.undeclared_columns)}")
    for result in sorted(found.failed_checks, key=lambda result: result.severity != "critical"):
        effect = "blocks  " if result.severity == "critical" else "warns   "
        say(f"{effect} {result.stage}.{result.table}: {result.message}")
    if found.as_published:
        say(f"         {found.as_published:,} more fail just as in the current publication: kpi alerts list")
    if found.is_blocked:
        say("         A real run would publish nothing until this is fixed; docs/operations.md explains how.")
    if found.said_by_dbt:
        happened = (
            "These tests of the models fail" if found.is_built else "The models cannot be built from these deliveries"
        )
        say(f"{happened}. {found.said_by_dbt}")
    if found.differences:
        as_of = found.differences.as_of_before
        say(
            f"Compared with the publication as of {as_of}:"
            if as_of
            else "Nothing is published yet: every value is new."
        )
        print_differences(found.differences, console, with_causes=False)
    elif found.landed and found.is_built:
        say("No KPI would change.")
    say("This was a dry run: nothing was landed, moved or published.")


def write_changes(found: DryRun, file: Path) -> None:
    """Write every cell that would change to a CSV, JSON or Excel file.

    Raises:
        UsageError: the file cannot be written, or not in the format that its name says.
    """
    if found.differences is not None:
        write_cells(found.differences, cells_target(None, file))
