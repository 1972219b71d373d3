"""What is delivered: one YAML file per source system, read into frozen objects.

Belongs here: the files' schema and loading. Does not belong here: how a delivery is read (`ingest/`) or what its
columns mean (the staging models).
"""

from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pipelines.config_files import ConfigError, load_yaml_model

SHIPPED_DIR = Path(__file__).parent

Name = Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")]


class Table(BaseModel):
    """One delivered table: where its files lie, how they are read and which columns make a row's key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: str
    path: str  # below the landing folder, with {delivered_on} where the delivery day stands; * for several files a day
    format: Literal["csv", "whitespace", "jsonl", "parquet", "excel"]
    delimiter: str = ","
    encoding: Literal["utf-8", "utf-16", "latin-1", "cp1250"] = "utf-8"
    columns: Annotated[list[str], Field(min_length=1)]  # exactly the delivered header, in any order
    optional_columns: list[str] = []  # may be absent from a file; their cells are NULL then
    personal_columns: list[str] = []  # those of the columns that tell who a person is
    key: Annotated[list[str], Field(min_length=1)]  # may name _source_file and _row_number where rows have no key
    newest_by: list[str] = []  # of two versions of a key the greater wins; then the later delivery, then the later row
    date_column: str | None = None  # its smallest and largest value are shown with each delivery
    empty_day: Literal["allowed", "forbidden"] = "forbidden"

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

    @model_validator(mode="after")
    def _columns_exist(self) -> "Table":
        known = {*self.columns, *self.optional_columns, "_source_file", "_row_number"}
        dated_by = [self.date_column] if self.date_column else []
        named = [*self.key, *self.newest_by, *self.personal_columns, *dated_by]
        for column in named:
            if column not in known:
                raise ValueError(f"{column!r} is not one of the columns. They are: {', '.join(self.columns)}.")
        return self

    def files(self, landing_dir: Path, delivered_on: date) -> list[Path]:
        """The files of one delivery day, sorted by name; none when nothing was delivered."""
        return sorted(landing_dir.glob(self.path.format(delivered_on=delivered_on)))


class Source(BaseModel):
    """One source system."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    description: str
    connector: Literal["files"]
    owner: str = Field(pattern=r"^(team:[A-Za-z0-9_-]+|[^@\s]+@[^@\s]+)$")
    sla: str = Field(pattern=r"^[0-2]\d:[0-5]\d$")  # when, on the day after the delivery day, the delivery must be here
    entities: Annotated[list[Name], Field(min_length=1)]  # each has a staging model stg_<source>__<entity>
    tables: Annotated[dict[Name, Table], Field(min_length=1)]


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
    return load_yaml_model(candidates[0], SourceFile).model_copy(update={"name": name})


def each_table(sources: Iterable[Source]) -> Iterator[tuple[Source, str, Table]]:
    """Every delivered table as (source, table name, table)."""
    for source in sources:
        for name, table in source.tables.items():
            yield source, name, table
