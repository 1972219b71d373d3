"""`kpi sources add`: looks at a file or a database table, and drafts a source from it.

Belongs here: the order of these steps. Does not belong here: how each step works, and what is printed
(`cli/printing/source_draft.py`).
"""

import re
from dataclasses import dataclass
from pathlib import Path

from pipelines.config_files import ConfigError
from pipelines.onboarding.mapping import propose
from pipelines.onboarding.names import DayInName, day_in_name, slug
from pipelines.onboarding.sniffing import Described, describe_file
from pipelines.onboarding.writing import Draft, Origin, existing_source, write_draft
from pipelines.settings import Settings
from pipelines.sources import SHIPPED_DIR

_FROM_DATABASE = re.compile(r"^[a-z0-9+]+-env:(?P<variable>\w+)$")


@dataclass(frozen=True)
class Added:
    """A drafted source.

    Attributes:
        what: the file or the database that it was drafted from, as it was given.
        named: what the name of the file says.
        written: the files written to the company folder.
    """

    draft: Draft
    what: str
    named: DayInName
    written: list[Path]


def add_source(
    what: str,
    settings: Settings,
    name: str | None = None,
    table: str | None = None,
    entity: str | None = None,
    owner: str = "team:data",
    force: bool = False,
    encoding: str | None = None,
    dates: str | None = None,
    decimal: str | None = None,
) -> Added:
    """Draft a source from `what`: a file, or postgresql-env:VARIABLE with the database table in `table`.

    The source's `name` and `table` are by default taken from the file's name. The other options decide what the file
    leaves open.

    Raises:
        ConfigError: the file cannot be recognised, or the draft would overwrite something that a person wrote.
    """
    if dates and not re.fullmatch(r"(dd([./-])mm\2yyyy|mm([/-])dd\3yyyy)", dates):
        raise ConfigError(f"--dates: {dates!r} is not an order of day, month and year. Write dd/mm/yyyy or mm/dd/yyyy.")
    if decimal and decimal not in (".", ","):
        raise ConfigError(f"--decimal: {decimal!r} is not a decimal mark. Write . or a comma.")
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
    return Added(draft, what, named, write_draft(draft, settings.company_dir, force))


def _name(text: str, option: str) -> str:
    """`text` as the name of a source or table; `option` is named if none can be made from it."""
    name = slug(text)
    if not name:
        raise ConfigError(
            f"{option}: {text!r} contains no letter, so no name can be made from it. Give a name, such as webshop."
        )
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
