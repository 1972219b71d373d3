"""What is delivered: one YAML file per source system, read into frozen objects.

Belongs here: the files' schema and loading. Does not belong here: how a delivery is read (`ingest/`) or what its
columns mean (the staging models).
"""

import re
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from pipelines.config_files import ConfigError, load_yaml_model
from pipelines.sources.fetching import Auth, EnvironmentVariable, Fetch, connector_problem, fetch_problem

SHIPPED_DIR = Path(__file__).parent
OWNER = r"team:[A-Za-z0-9_-]+|[^@\s]+@[^@\s]+"  # as Dagster and alerts know one

Name = Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")]


class Volume(BaseModel):
    """How many rows a delivery may have, beside those before it; `quality/usual.py` has the formulas."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    deviations: float = Field(default=4, gt=0)  # so many spreads from the median, a warning
    below: float = Field(default=0.5, ge=0, lt=1)  # less than this share of the median is not published
    above: float = Field(default=3, gt=1)  # nor is more than so many times the median
    at_least: int = Field(default=50, ge=1)  # fewer rows than these, where as few are usual, are no share of anything
    since: date | None = None  # deliveries before it are no measure: the business was another


class DateWindow(BaseModel):
    """Which dates a table's `date_column` may hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    earliest: date = date(1990, 1, 1)
    days_ahead: int = Field(default=1, ge=0)  # after the delivery day; one day is what time zones may make


class Table(BaseModel):
    """One delivered table: where its files lie, how they are read and which columns make a row's key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: str
    fetch: Fetch | None = None  # of sources that are asked; path and format then follow from the names
    path: str  # below the landing folder, with {delivered_on} where the delivery day stands; * for several files a day
    format: Literal["csv", "whitespace", "json", "jsonl", "parquet", "excel"]
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    encoding: Literal["utf-8", "utf-16", "latin-1", "cp1250", "cp1252"] = "utf-8"
    sheet: str | None = None  # of an Excel workbook; default: the first
    columns: Annotated[list[str], Field(min_length=1)]  # every delivered file has them, in any order
    optional_columns: list[str] = []  # some files have them; NULL where one does not
    personal_columns: list[str] = []  # shown as *** wherever a row is displayed
    key: Annotated[list[str], Field(min_length=1)]  # may name _source_file and _row_number where rows have no key
    newest_by: list[str] = []  # of two versions of a key the greater wins; then the later delivery, then the later row
    deliveries: Literal["changes", "snapshot"] = "changes"  # a snapshot is complete: a key it lacks was deleted
    tombstone: str | None = None  # a column of the base model that is true where the row says that its key was deleted
    date_column: str | None = None  # its smallest and largest value are shown with each delivery
    date_window: DateWindow = DateWindow()  # what they may be
    volume: Volume | Literal[False] = Volume()  # `off`, which YAML reads as false, for a table without a rhythm
    empty_day: Literal["allowed", "forbidden"] = "forbidden"
    late: Literal["block", "publish_without"] = "block"  # whether a run waits for a delivery that is not there
    last_line_end: Literal["required", "optional"] = "required"  # a text file without one may have been cut
    row_count_suffix: str | None = None  # `orders.csv` comes with `orders.csv<suffix>`, which holds its number of rows
    same_file_again: Literal["refused", "allowed"] | None = None  # on another day; default: only snapshots may
    max_bytes: Annotated[int, Field(gt=0)] = 4_000_000_000  # of the unpacked file

    @field_validator("path")
    @classmethod
    def _names_the_day(cls, value: str) -> str:
        if "{delivered_on" not in value:
            raise ValueError(
                "the pattern has no {delivered_on}, so a file's delivery day cannot be told. "
                "Write for example orders_{delivered_on}.csv or orders_{delivered_on:%Y%m%d}.csv."
            )
        try:
            example = value.format(delivered_on=date(2025, 1, 31))
        except (KeyError, IndexError, ValueError) as error:
            raise ValueError(
                f"the pattern cannot be filled in ({error}). Only {{delivered_on}} may stand in it."
            ) from None
        if Path(example).is_absolute() or ".." in Path(example).parts:
            raise ValueError("the pattern leaves the landing folder. Write it relative to that folder, without `..`.")
        return value

    @model_validator(mode="before")
    @classmethod
    def _follows_from_fetch(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not data.get("fetch"):
            return data
        for setting in ("path", "format", "delimiter", "encoding"):
            if setting in data:
                raise ValueError(
                    f"`{setting}` and `fetch` exclude each other. Remove one: what is fetched is JSON Lines."
                )
        return {**data, "path": "{delivered_on}.jsonl.gz", "format": "jsonl"}  # the source knows the folder

    @model_validator(mode="after")
    def _cursor_exists(self) -> "Table":
        if self.fetch and self.fetch.cursor and self.fetch.cursor not in self.columns:
            raise ValueError(f"the cursor {self.fetch.cursor!r} is not one of the columns. Add it to them.")
        return self

    @model_validator(mode="after")
    def _columns_exist(self) -> "Table":
        known = {*self.columns, *self.optional_columns}
        named = [*self.newest_by, *self.personal_columns, *([self.date_column] if self.date_column else [])]
        for column in named + [name for name in self.key if name not in ("_source_file", "_row_number")]:
            if column not in known:
                raise ValueError(f"{column!r} is not one of the columns. They are: {', '.join(self.columns)}.")
        return self

    @property
    def may_repeat_a_file(self) -> bool:
        """True when the same bytes may come under two days."""
        # A table that is asked for is asked again for what its lag covers: a quiet day may well repeat the one before.
        usual = "allowed" if self.deliveries == "snapshot" or self.fetch else "refused"
        return (self.same_file_again or usual) == "allowed"

    def files(self, landing_dir: Path, delivered_on: date) -> list[Path]:
        """The files of one delivery day, sorted by name; none when nothing was delivered."""
        found = sorted(landing_dir.glob(self.path.format(delivered_on=delivered_on)))
        return [path for path in found if not (self.row_count_suffix and path.name.endswith(self.row_count_suffix))]

    def day_of(self, name: str) -> date | None:
        """The delivery day of the file called so (relative to the landing folder); None if it is none of this table."""
        before, *rest = re.split(r"\{delivered_on(?::([^}]*))?\}", self.path)
        formats = [form or "%Y-%m-%d" for form in rest[::2]]
        pattern = _matching(before)
        for form, following in zip(formats, rest[1::2], strict=True):
            pattern += f"({_matching_dates(form)}){_matching(following)}"
        suffix = f"(?:{re.escape(self.row_count_suffix or '')})?"
        found = re.fullmatch(pattern + suffix, name)
        for text, form in zip(found.groups(), formats, strict=True) if found else ():
            try:
                day = datetime.strptime(text, form).date()
            except ValueError:
                continue
            if re.fullmatch(_matching(self.path.format(delivered_on=day)) + suffix, name):
                return day
        return None


def _matching(glob: str) -> str:
    """A part of a path pattern as a regular expression; `*` and `?` stay within a folder, as they do for files."""
    wild = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    parts = re.findall(r"\*\*/|\*|\?|\[[^\]]+\]|.", glob)
    return "".join(wild.get(part, part if len(part) > 1 else re.escape(part)) for part in parts)


def _matching_dates(form: str) -> str:
    """What dates of a format look like; of names of months and the like, whatever lies within a folder's name."""
    digits = {"%Y": 4, "%y": 2, "%m": 2, "%d": 2, "%j": 3, "%H": 2, "%M": 2, "%S": 2}
    patterns = {directive: rf"\d{{{length}}}" for directive, length in digits.items()}
    parts = re.findall("%.|.", form)
    return "".join(patterns.get(part, "[^/]+?" if part[0] == "%" else re.escape(part)) for part in parts)


class Rejects(BaseModel):
    """Which share of a delivery's rows may be unreadable."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    warn: float = Field(default=0.02, ge=0, le=1)  # at this share a warning
    block: float = Field(default=0.10, ge=0, le=1)  # at this share nothing is published from it
    at_least: int = Field(default=3, ge=1)  # fewer rows than these are no share of anything


class Source(BaseModel):
    """One source system."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    description: str
    connector: Literal["files", "sql", "rest"]
    owner: str = Field(pattern=f"^({OWNER})$")
    sla: str = Field(pattern=r"^[0-2]\d:[0-5]\d$")  # when, on the day after the delivery day, the delivery must be here
    rejects: Rejects = Rejects()
    rejected: Literal["block", "leave_out"] = "block"  # what a delivery does that its checks reject
    entities: Annotated[list[Name], Field(min_length=1)]  # each has a staging model stg_<source>__<entity>
    tables: Annotated[dict[Name, Table], Field(min_length=1)]
    # Of connector files: where files are copied from, laid out like the landing folder, as s3://bucket/folder.
    store: Annotated[str, Field(pattern=r"^[a-z][a-z0-9+.-]*://[^@]*$")] | None = None
    connection_env: EnvironmentVariable | None = None  # of connector sql: holds the database's SQLAlchemy URL
    base_url: Annotated[str, Field(pattern=r"^https?://[^@\s]+$")] | None = None  # of connector rest
    base_url_env: EnvironmentVariable | None = None  # holds it instead
    auth: Auth | None = None

    @field_validator("tables")
    @classmethod
    def _fetched_as_the_connector_can(cls, tables: dict[str, Table], info: ValidationInfo) -> dict[str, Table]:
        for name, table in tables.items():
            if "connector" in info.data and (problem := fetch_problem(info.data["connector"], name, table.fetch)):
                raise ValueError(problem)
        return _placed(tables, info.data.get("name", "unnamed"))

    @model_validator(mode="after")
    def _has_what_its_connector_needs(self) -> "Source":
        named = ("store", "connection_env", "base_url", "base_url_env", "auth")
        written = {setting for setting in named if getattr(self, setting) is not None}
        if problem := connector_problem(self.connector, written):
            raise ValueError(problem)
        return self

    @property
    def is_asked(self) -> bool:
        """True when its deliveries are fetched or copied rather than waited for."""
        return self.connector != "files" or self.store is not None


class SourceFile(Source):
    """A source as its file gives it: the name is the file's name."""

    name: Name = "unnamed"


def load_sources(names: Iterable[str], company_dir: Path) -> list[Source]:
    """The enabled sources, each from `<company_dir>/sources/<name>.yml` or shipped as `pipelines/sources/<name>.yml`.

    Raises:
        ConfigError: a source has no file, two files, or a file that does not fit; names file and line.
    """
    return [_load_source(name, company_dir / "sources") for name in names]


def _load_source(name: str, own_dir: Path) -> Source:
    candidates = [path for path in (own_dir / f"{name}.yml", SHIPPED_DIR / f"{name}.yml") if path.is_file()]
    if not candidates:
        shipped = ", ".join(sorted(path.stem for path in SHIPPED_DIR.glob("*.yml")))
        raise ConfigError(
            f"settings: sources: {name!r} has no file. Write {own_dir / f'{name}.yml'}, "
            f"or name a shipped one: {shipped}."
        )
    if len(candidates) > 1:
        raise ConfigError(f"{candidates[0]}:1: {name!r} is the name of a shipped source. Give your file another name.")
    source = load_yaml_model(candidates[0], SourceFile)
    return source.model_copy(update={"name": name, "tables": _placed(source.tables, name)})


def _placed(tables: dict[str, Table], source: str) -> dict[str, Table]:
    """The tables, those that are fetched with the path they are fetched to."""
    return {
        name: table.model_copy(update={"path": f"{source}/{name}/{name}_{{delivered_on}}.jsonl.gz"})
        if table.fetch
        else table
        for name, table in tables.items()
    }


def each_table(sources: Iterable[Source]) -> Iterator[tuple[Source, str, Table]]:
    """Every delivered table as (source, table name, table)."""
    for source in sources:
        for name, table in source.tables.items():
            yield source, name, table
