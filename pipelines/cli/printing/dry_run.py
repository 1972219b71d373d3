"""Prints what a dry run found."""

from rich.console import Console
from rich.table import Table as Grid

from pipelines.formatting import cell_text
from pipelines.ingest.landing import skipped_in_words
from pipelines.onboarding.dry_run import DryRun

_SHOWN_ROWS = 5  # unreadable rows shown for each delivery
_SHOWN_GAINS = 30


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
        say(f"The models cannot be built from these deliveries. {found.said_by_dbt}")
    elif found.gains:
        grid = Grid("KPI", "month", "before", "after", title="How the KPIs would change", title_justify="left")
        for name, month, unit, before, after in found.gains[-_SHOWN_GAINS:]:
            grid.add_row(name, f"{month:%Y-%m}", cell_text(before, unit) or "-", cell_text(after, unit) or "-")
        console.print(grid)
        if len(found.gains) > _SHOWN_GAINS:
            say(f"and {len(found.gains) - _SHOWN_GAINS:,} values of earlier months")
    elif found.landed:
        say("No KPI of the company as a whole would change.")
    say("This was a dry run: nothing was landed, moved or published.")
