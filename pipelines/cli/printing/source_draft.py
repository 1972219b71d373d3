"""Prints what `kpi sources add` drafted, and what is left to do."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table as Grid

from pipelines.onboarding.adding import Added, Addition
from pipelines.onboarding.mapping import nothing_like
from pipelines.onboarding.months import VALUE
from pipelines.onboarding.placing import is_unpacked
from pipelines.onboarding.proposals import Proposal
from pipelines.onboarding.sniffing import Described
from pipelines.settings import settings_file


def print_addition(addition: Addition, console: Console) -> None:
    """Print how each file was read and mapped, what was written, and what is left to do."""
    for added in addition.tables:
        _print_table(added, console)
    for name in addition.left_out:
        console.print(f"Left out: {name}", markup=False)
    console.print("Written:", markup=False)
    for path in dict.fromkeys(path for added in addition.tables for path in added.written):
        console.print(f"  {path}", markup=False)
    for path in addition.copied:
        console.print(f"  {path}", markup=False)
    if addition.is_enabled:
        for line in _settings_lines(addition):
            console.print(f"  {settings_file()}: {line}", markup=False)
    if "last_delivery" in addition.settings:
        console.print(
            "The newest date in the files is long ago, so the KPIs are as of that day. "
            "Remove last_delivery once newer files arrive.",
            markup=False,
        )
    _next_steps(addition, console)


def _settings_lines(addition: Addition) -> list[str]:
    return [
        f"{key}: [{', '.join(value)}]" if isinstance(value, list) else f"{key}: {value}"
        for key, value in addition.settings.items()
    ]


def _print_table(added: Added, console: Console) -> None:
    described, proposal = added.draft.described, added.draft.proposal
    rows = f"{described.label}: {_how(described)}, {described.rows:,} rows examined."
    entities = " and ".join(entity.replace("_", " ") for entity in proposal.entities)
    meaning = f"Its rows are {entities or 'no entity'}; key: {', '.join(proposal.key)}."
    console.print(f"{rows} {meaning}", markup=False)
    console.print(_columns(described, proposal))
    lacking = [mapped for mapped in proposal.columns if not mapped.column and not mapped.sql]
    unlike = [mapped.name for mapped in lacking if mapped.hint == nothing_like(mapped.name)]
    if unlike:
        console.print(
            f"No column looks like these; map them if the source delivers them: {', '.join(unlike)}.", markup=False
        )
    for mapped in lacking:
        if mapped.name not in unlike:
            console.print(f"Not mapped: {mapped.name}: {mapped.hint}", markup=False)
    for note in proposal.notes:
        console.print(f"Check: {note}", markup=False)
    if proposal.missing:
        names = ", ".join(mapped.name for mapped in proposal.missing)
        where = f"Look for `unmapped` in {added.written[-1]}."
        console.print(f"The models do not build until these are mapped: {names}. {where}", style="red", markup=False)


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
    for column in described.delivered_columns:
        reading = column.readings[0] if column.readings else None
        kind = " ".join(part for part in (column.type, reading and reading.format, reading and reading.decimal) if part)
        if column.ambiguous:
            kind = f"ambiguous: {' or '.join(column.ambiguous)}"
        place = VALUE if column.name in described.months else column.name
        use = ", ".join(becomes.get(place, [])) or ("key" if column.name in proposal.key else "")
        grid.add_row(*(_plain(cell) for cell in (column.name, kind, column.example[:30], use)))
    return grid


def _plain(cell: str) -> str:
    return cell.replace("[", "\\[")


def _next_steps(addition: Addition, console: Console) -> None:
    steps = [] if addition.is_enabled else [*_steps_by_hand(addition)]
    steps += [f"Try it: kpi sources check {addition.source}", "Run it: kpi run"]
    console.print("Next:", markup=False)
    for number, step in enumerate(steps, start=1):
        console.print(f"  {number}. {step}", markup=False)


def _steps_by_hand(addition: Addition) -> Iterator[str]:
    """What a person does if files were not copied, or the source was not enabled."""
    for added in addition.tables:
        for placed in added.files:
            if placed.path.exists():
                continue
            put = "Unpack the file, then put it here" if is_unpacked(added.draft.described) else "Put the file here"
            day = "" if placed.file.named.day else ", with the delivery day in its name"
            yield f"{put}{day}: {placed.path}"
    said = {"sources": "Switch it on in kpi.yml", "first_delivery": "Set your first delivery day in kpi.yml"}
    for line in _settings_lines(addition):
        yield f"{said.get(line.partition(':')[0], 'Set the last one in kpi.yml')}: {line}"
