"""`kpi sources add`: looks at a file or a database table, drafts a source from it, and prints what is left to do.

Belongs here: the order of these steps, and what is printed. Does not belong here: how each step works.
"""

import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table as Grid

from pipelines.config_files import ConfigError
from pipelines.onboarding.mapping import Proposal, propose
from pipelines.onboarding.names import DayInName, day_in_name, slug
from pipelines.onboarding.sniffing import Described, describe_file
from pipelines.onboarding.writing import Draft, Origin, existing_source, write_draft
from pipelines.partitions import business_day
from pipelines.settings import Settings
from pipelines.sources import SHIPPED_DIR

_FROM_DATABASE = re.compile(r"^[a-z0-9+]+-env:(?P<variable>\w+)$")


def add_source(
    what: str,
    settings: Settings,
    console: Console,
    name: str | None = None,
    table: str | None = None,
    entity: str | None = None,
    owner: str = "team:data",
    force: bool = False,
    encoding: str | None = None,
    dates: str | None = None,
    decimal: str | None = None,
) -> list[Path]:
    """Draft a source from `what`: a file, or postgresql-env:VARIABLE with the database table in `table`.

    The source's `name` and `table` are by default taken from the file's name. The other options decide what the file
    leaves open. Returns the files written to the company folder.

    Raises:
        ConfigError: the file cannot be recognised, or the draft would overwrite something that a person wrote.
    """
    if dates and not re.fullmatch(r"(dd([./-])mm\2yyyy|mm([/-])dd\3yyyy)", dates):
        raise ConfigError(f"--dates: {dates!r} says no order. Write dd/mm/yyyy or mm/dd/yyyy.")
    if decimal and decimal not in (".", ","):
        raise ConfigError(f"--decimal: {decimal!r} is no decimal mark. Write . or a comma.")
    in_database = _FROM_DATABASE.match(what)
    if in_database:
        from pipelines.onboarding.database import describe_table

        if not table:
            raise ConfigError("--table: name the database table, such as public.orders.")
        variable = in_database["variable"]
        described, cursor = describe_table(variable, table, dates, decimal)
        named = DayInName("", slug(table.rpartition(".")[2]), None)
        origin = Origin(connection_env=variable, database_table=table, cursor=cursor)
        table = named.stem
    else:
        path = Path(what)
        described = describe_file(path, encoding, dates, decimal)
        named = day_in_name(path.name)
        origin = Origin()
    source_name = _name(name or _folder_in_landing(what, settings) or named.stem, "--name")
    existing = existing_source(settings.company_dir, source_name)
    delivered = existing.entities if existing else []
    proposal = propose(described, f"{named.stem} {table or ''}", settings.reporting_currency, entity, delivered)
    own_words = (
        re.sub(r"_(dataset|data|export|table|file)$", "", named.stem).removeprefix(source_name).strip("_")
    )  # the table webshop_orders of the source webshop becomes orders
    table_name = _name(table or own_words or proposal.entity, "--table")
    if origin.database_table is None:
        origin = Origin(path=f"{source_name}/{_pattern(named, described)}")
    draft = Draft(source_name, table_name, owner, described, proposal, origin, existing)
    written = write_draft(draft, settings.company_dir, force)
    _tell(draft, named, what, written, settings, console)
    return written


def _name(text: str, option: str) -> str:
    """`text` as the name of a source or table; `option` is named if none can be made from it."""
    name = slug(text)
    if not name:
        raise ConfigError(f"{option}: {text!r} has no letter to make a name of. Give one, such as webshop.")
    return name


def _folder_in_landing(what: str, settings: Settings) -> str | None:
    try:
        below = Path(what).absolute().relative_to(settings.landing_dir)
    except ValueError:
        return None
    return below.parts[0] if len(below.parts) > 1 and not (SHIPPED_DIR / f"{below.parts[0]}.yml").exists() else None


def _pattern(named: DayInName, described: Described) -> str:
    """The pattern of file names that the pipeline can read. The pipeline recognises a packed file by its ending, and
    unpacks text files only."""
    endings = {"gzip": ".gz", "zip": ".zip", "": ""}
    ending = endings[described.packed]
    if ending and described.format in ("parquet", "excel"):
        return named.pattern.removesuffix(ending)
    return named.pattern if named.pattern.endswith(ending) else f"{named.pattern}{ending}"


# --- What is printed --------------------------------------------------------------------------------------------------


def _tell(
    draft: Draft, named: DayInName, what: str, written: Sequence[Path], settings: Settings, console: Console
) -> None:
    described, proposal = draft.described, draft.proposal
    rows = f"{described.label}: {_how(described)}, {described.rows:,} rows looked at."
    meaning = f"Its rows are {proposal.entity.replace('_', ' ')}; key: {', '.join(proposal.key)}."
    console.print(f"{rows} {meaning}", markup=False)
    console.print(_columns(described, proposal))
    todo = [f"{mapped.name}: {mapped.hint}" for mapped in proposal.columns if not mapped.column and not mapped.sql]
    if todo:
        console.print("Left to map, where it is delivered:", markup=False)
        for line in todo:
            console.print(f"  {line}", markup=False)
    for note in proposal.notes:
        console.print(f"Check: {note}", markup=False)
    console.print("Written:", markup=False)
    for path in written:
        console.print(f"  {path}", markup=False)
    if proposal.missing:
        names = ", ".join(mapped.name for mapped in proposal.missing)
        where = f"Look for `unmapped` in {written[-1]}."
        console.print(f"Will not build until mapped: {names}. {where}", style="red", markup=False)
    _next_steps(draft, named, what, settings, console)


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


def _next_steps(draft: Draft, named: DayInName, what: str, settings: Settings, console: Console) -> None:
    steps = []
    if draft.origin.path:
        day = named.day or business_day(settings) - timedelta(days=1)
        folder = settings.landing_dir / draft.origin.path.rpartition("/")[0]
        target = draft.origin.path.format(delivered_on=day).rpartition("/")[2]
        unpack = "Put the file there"
        if draft.described.packed and draft.described.format in ("parquet", "excel"):
            unpack = "Unpack the file, then put it there"
        if named.day is None:
            unpack = f"{unpack}, the delivery day in its name"
        if Path(what).absolute() != folder / target:
            steps.append(f"{unpack}: {folder / target.replace('*', '…')}")
    enabled = [name for name in settings.sources if not (SHIPPED_DIR / f"{name}.yml").exists()]
    if draft.source not in enabled:
        steps.append(f"Switch it on in kpi.yml: sources: [{', '.join([*enabled, draft.source])}]")
    if named.day and (named.day < settings.first_delivery or not enabled):
        steps.append(f"Name your first delivery day in kpi.yml: first_delivery: {named.day}")
    steps += [f"Try it: kpi sources check {draft.source}", "Run it: kpi run"]
    console.print("Next:", markup=False)
    for number, step in enumerate(steps, start=1):
        console.print(f"  {number}. {step}", markup=False)
