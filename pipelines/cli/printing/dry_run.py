"""Prints what a dry run found."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table as Grid

from pipelines.cli.printing.output import Format, Result, Target, UsageError, write
from pipelines.formatting import cell_text
from pipelines.ingest.landing import skipped_in_words
from pipelines.onboarding.dry_run import DryRun
from pipelines.onboarding.kpi_changes import Change, extents

_SHOWN_ROWS = 5  # unreadable rows shown for each delivery
_SHOWN_HEADLINES = 30


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
    if found.changes:
        _print_changes(found, console)
    elif found.landed and found.is_built:
        say("No KPI would change.")
    say("This was a dry run: nothing was landed, moved or published.")


def _print_changes(found: DryRun, console: Console) -> None:
    """Print the headlines of the company with their values, and of everything that changes how much it is."""
    as_of = found.published_as_of
    since = (
        f"Compared with the publication as of {as_of}:" if as_of else "Nothing is published yet: every value is new."
    )
    console.print(since, markup=False)
    headlines = [change for change in found.changes if change.is_headline]
    if headlines:
        title = "How the company's KPIs would change"
        grid = Grid("KPI", "month", "published", "then", title=title, title_justify="left")
        for change in headlines[-_SHOWN_HEADLINES:]:
            name, month = f"{change.place.kpi_id} ({change.place.variant})", f"{change.place.month:%Y-%m}"
            before, after = (cell_text(value, change.unit) or "-" for value in (change.before, change.after))
            grid.add_row(name, month, before, after)
        console.print(grid)
    if len(headlines) > _SHOWN_HEADLINES:
        console.print(f"and {len(headlines) - _SHOWN_HEADLINES:,} values of earlier months")
    grid = Grid("KPI", "variants", "values by", "months", title="All that would change", title_justify="left")
    for extent in extents(found.changes):
        cuts = ", ".join(f"{cut} {number:,}" for cut, number in extent.by_cut.items())
        months = " to ".join(dict.fromkeys(f"{month:%Y-%m}" for month in (extent.first_month, extent.last_month)))
        grid.add_row(extent.kpi_id, ", ".join(extent.variants), cuts, months)
    console.print(grid)


def write_changes(changes: Sequence[Change], file: Path) -> None:
    """Write every change to a CSV, JSON or Excel file.

    Raises:
        UsageError: the file cannot be written, or not in the format that its name says.
    """
    target = Target.of(None, file)
    if target.form in (Format.table, Format.parquet):
        raise UsageError(f"--output {file}: the name must end with .csv, .json or .xlsx.")
    columns = ["period_month", "kpi_id", "variant", "entity_type", "entity_id", "unit", "published", "then"]
    types = ["DATE", *["VARCHAR"] * 5, *["DECIMAL(38,12)"] * 2]
    rows = ((*change.place, change.unit, change.before, change.after) for change in changes)
    write(Result(columns, types, rows), target)
