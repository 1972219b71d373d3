"""Prints a drafted source, and what is left to do."""

from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table as Grid

from pipelines.onboarding.adding import Added
from pipelines.onboarding.mapping import Proposal
from pipelines.onboarding.sniffing import Described
from pipelines.partitions import business_day
from pipelines.settings import Settings
from pipelines.sources import SHIPPED_DIR


def print_draft(added: Added, settings: Settings, console: Console) -> None:
    """Print how the file was read and mapped, what was written, and what to do next."""
    described, proposal = added.draft.described, added.draft.proposal
    rows = f"{described.label}: {_how(described)}, {described.rows:,} rows examined."
    meaning = f"Its rows are {proposal.entity.replace('_', ' ')}; key: {', '.join(proposal.key)}."
    console.print(f"{rows} {meaning}", markup=False)
    console.print(_columns(described, proposal))
    todo = [f"{mapped.name}: {mapped.hint}" for mapped in proposal.columns if not mapped.column and not mapped.sql]
    if todo:
        console.print("Still to map, if the source delivers it:", markup=False)
        for line in todo:
            console.print(f"  {line}", markup=False)
    for note in proposal.notes:
        console.print(f"Check: {note}", markup=False)
    console.print("Written:", markup=False)
    for path in added.written:
        console.print(f"  {path}", markup=False)
    if proposal.missing:
        names = ", ".join(mapped.name for mapped in proposal.missing)
        where = f"Look for `unmapped` in {added.written[-1]}."
        console.print(f"The models do not build until these are mapped: {names}. {where}", style="red", markup=False)
    _next_steps(added, settings, console)


def _how(described: Described) -> str:
    if described.format in ("database", "parquet"):
        return described.format
    parts: list[str] = [described.format]
    if described.format == "csv":
        parts.append({",": "comma", ";": "semicolon", "\t": "tab"}.get(described.delimiter, described.delimiter))
    if described.format != "excel":
        parts.append(described.encoding)
    if described.packed:
        parts.append(described.packed)
    return ", ".join(parts)


def _columns(described: Described, proposal: Proposal) -> Grid:
    becomes: dict[str, list[str]] = {}
    for mapped in proposal.columns:
        if mapped.column:
            becomes.setdefault(mapped.column.name, []).append(mapped.name)
    grid = Grid()
    for title in ("column", "type", "example", "becomes"):
        grid.add_column(title, overflow="fold")
    for column in described.columns:
        reading = column.readings[0] if column.readings else None
        kind = " ".join(part for part in (column.type, reading and reading.format, reading and reading.decimal) if part)
        if column.ambiguous:
            kind = f"ambiguous: {' or '.join(column.ambiguous)}"
        use = ", ".join(becomes.get(column.name, [])) or ("key" if column.name in proposal.key else "")
        grid.add_row(*(_plain(cell) for cell in (column.name, kind, column.example[:30], use)))
    return grid


def _plain(cell: str) -> str:
    return cell.replace("[", "\\[")


def _next_steps(added: Added, settings: Settings, console: Console) -> None:
    draft, named = added.draft, added.named
    steps = []
    if draft.origin.path:
        day = named.day or business_day(settings) - timedelta(days=1)
        folder = settings.landing_dir / draft.origin.path.rpartition("/")[0]
        target = draft.origin.path.format(delivered_on=day).rpartition("/")[2]
        unpack = "Put the file here"
        if draft.described.packed and draft.described.format in ("parquet", "excel"):
            unpack = "Unpack the file, then put it here"
        if named.day is None:
            unpack = f"{unpack}, with the delivery day in its name"
        if Path(added.what).absolute() != folder / target:
            steps.append(f"{unpack}: {folder / target.replace('*', '…')}")
    enabled = [name for name in settings.sources if not (SHIPPED_DIR / f"{name}.yml").exists()]
    if draft.source not in enabled:
        steps.append(f"Switch it on in kpi.yml: sources: [{', '.join([*enabled, draft.source])}]")
    if named.day and (named.day < settings.first_delivery or not enabled):
        steps.append(f"Set your first delivery day in kpi.yml: first_delivery: {named.day}")
    steps += [f"Try it: kpi sources check {draft.source}", "Run it: kpi run"]
    console.print("Next:", markup=False)
    for number, step in enumerate(steps, start=1):
        console.print(f"  {number}. {step}", markup=False)
