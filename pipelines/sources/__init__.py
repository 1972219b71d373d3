"""What is delivered: one YAML file per source system, loaded into frozen objects.

Belongs here: the schema of these files, and loading them. Does not belong here: how to read a delivery (`ingest/`),
and what its columns mean (the staging models).
"""

import re
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

import duckdb
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from pipelines.config_files import ConfigError, clock, load_yaml_model
from pipelines.settings import Settings, Synced
from pipelines.sources.fetching import Auth, EnvironmentVariable, Fetch, SqlFetch, connector_problem, fetch_problem
from pipelines.sources.synced import fetches, synced_sources
from pipelines.sql import quote_name
from pipelines.warehouse import in_memory

SHIPPED_DIR = Path(__file__).parent
OWNER = r"team:[A-Za-z0-9_-]+|[^@\s]+@[^@\s]+"  # the form that Dagster and alerts accept

Name = Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")]

CostEntity = Literal["ad_spend", "sales_marketing_costs"]
Rhythm = Literal["daily", "monthly"]


class Volume(BaseModel):
    """How many rows a delivery may have, compared with earlier deliveries. `checks/anomalies.py` has the formulas."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    deviations: float = Field(default=4, gt=0)  # a warning if the count is this many spreads from the median
    below: float = Field(default=0.5, ge=0, lt=1)  # a count below this share of the median blocks publication
    above: float = Field(default=3, gt=1)  # and so does a count above this multiple of the median
    at_least: int = Field(default=50, ge=1)  # not judged if both the count and the median are below this number
    since: date | None = None  # earlier deliveries are not compared, because the business was different then


class DateWindow(BaseModel):
    """The dates that a table's `date_column` may hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    earliest: date = date(1990, 1, 1)
    days_ahead: int = Field(default=1, ge=0)  # after the delivery day; time zones can account for one day


class Table(BaseModel):
    """One delivered table: where its files are, how to read them, and which columns form a row's key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: str
    fetch: Fetch | None = None  # for sources that are fetched; path and format are then derived from the names
    path: str  # below the landing folder; {delivered_on} stands for the delivery day, * allows several files a day
    format: Literal["csv", "whitespace", "json", "jsonl", "parquet", "excel"]
    delimiter: Annotated[str, Field(pattern=r'^[^"\r\n\x00]$')] = ","
    encoding: Literal["utf-8", "utf-16", "latin-1", "cp1250", "cp1252"] = "utf-8"
    sheet: str | None = None  # of an Excel workbook; default: the first
    # Of a CSV file or Excel sheet: the lines above its header. `auto` looks for the header among the first lines.
    skip_lines: Annotated[int, Field(ge=0, le=100)] | Literal["auto"] = 0
    columns: Annotated[list[str], Field(min_length=1)]  # present in every delivered file, in any order
    optional_columns: list[str] = []  # present in some files; NULL where a file lacks one
    further_columns: list[str] = []  # patterns, such as "* (metadata)", of columns that may come and that nothing uses
    # By column, whether required or optional: its other names in headers of files, where * stands for any text.
    also: dict[str, list[str]] = {}
    from_header: dict[str, str] = {}  # by optional column: the column in whose header * stands for its cells
    # By optional column: an SQL expression on the delivered texts that fills it in files that lack it.
    if_missing: dict[str, str] = {}
    needs: dict[str, list[str]] = {}  # by optional column: others that a file with it must have, too
    skip_rows: str | None = None  # rows that meet this SQL condition on the delivered texts are no records
    personal_columns: list[str] = []  # shown as *** wherever a row is displayed
    # May contain _source_file and _row_number if rows have no key; `all` means all of `columns`, empty cells included.
    key: Annotated[list[str], Field(min_length=1)]
    key_is_whole_row: bool = False  # set by `key: all`
    newest_by: list[str] = []  # the greater value wins; then the later delivery, then the later row
    deliveries: Literal["changes", "snapshot"] = "changes"  # a snapshot is complete: a key that it lacks was deleted
    tombstone: str | None = (
        None  # the condition, on columns of the base model, for rows that say that a key was deleted
    )
    date_column: str | None = None  # the smallest and largest value are shown with each delivery
    date_window: DateWindow = DateWindow()  # the range that they must be in
    volume: Volume | Literal[False] = Volume()  # `off`, which YAML reads as false, if deliveries are irregular
    empty_day: Literal["allowed", "forbidden"] = "forbidden"
    late: Literal["block", "publish_without"] = "block"  # whether a run waits for a delivery that has not arrived
    last_line_end: Literal["required", "optional"] = "required"  # a text file without one may have been cut off
    row_count_suffix: Annotated[str, Field(pattern=r"^[^/\\\x00]+$")] | None = (
        None  # `orders.csv<suffix>` comes with `orders.csv` and holds its number of rows
    )
    same_file_again: Literal["refused", "allowed"] | None = None  # on another day
    max_bytes: Annotated[int, Field(gt=0)] = 4_000_000_000  # of the unpacked file

    @field_validator("path")
    @classmethod
    def _names_the_day(cls, value: str) -> str:
        if "{delivered_on" not in value:
            raise ValueError(
                "the pattern has no {delivered_on}, so a file's delivery day is unknown. "
                "Write, for example, orders_{delivered_on}.csv or orders_{delivered_on:%Y%m%d}.csv."
            )
        if re.search("[{}]", re.sub(r"\{delivered_on(:([^%{}]|%[A-Za-z%])+)?\}", "", value)):
            raise ValueError(
                "the pattern is not valid. In braces it may contain only delivered_on, with a format like "
                "{delivered_on:%Y%m%d}."
            )
        example = value.format(delivered_on=date(2025, 1, 31))
        if Path(example).is_absolute() or ".." in Path(example).parts:
            raise ValueError(
                "the pattern leads out of the landing folder. Write it relative to that folder, without `..`."
            )
        return value

    @field_validator("skip_rows")
    @classmethod
    def _is_a_condition(cls, value: str | None, info: ValidationInfo) -> str | None:
        columns = _declared(info)
        if value is None or not columns:  # without columns, something else is wrong
            return value
        if problem := _sql_problem(f"select 1 from delivered where ({value}\n)", columns):
            raise ValueError(
                f"not a condition on the table's columns: {problem} "
                "Write it as in SQL, with names of columns in double quotes and texts in single ones: "
                "\"Day\" like 'Total%'."
            )
        return value

    @field_validator("if_missing")
    @classmethod
    def _are_expressions(cls, value: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        columns = _declared(info)
        for column, sql in value.items():
            if column not in info.data.get("optional_columns", []):
                raise ValueError(
                    f"`if_missing` fills {column!r}, which is not one of `optional_columns`. Add it there."
                )
            if problem := _sql_problem(f"select cast({sql}\n as varchar) from delivered", columns):
                raise ValueError(
                    f"{column}: not an expression of the table's columns: {problem} Write it as in SQL, with names of "
                    'columns in double quotes: md5("Email").'
                )
        return value

    @field_validator("needs")
    @classmethod
    def _are_columns(cls, value: dict[str, list[str]], info: ValidationInfo) -> dict[str, list[str]]:
        named = {name for column, others in value.items() for name in (column, *others)}
        if unknown := sorted(named.difference(_declared(info))):
            raise ValueError(
                f"`needs` names {unknown[0]!r}, which is not one of the columns. Correct it, or add it there."
            )
        return value

    @model_validator(mode="before")
    @classmethod
    def _follows_from_fetch(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not data.get("fetch"):
            return data
        for setting in ("path", "format", "delimiter", "encoding"):
            if setting in data:
                raise ValueError(
                    f"`{setting}` and `fetch` exclude each other. Remove one: fetched files are JSON Lines."
                )
        return {**data, "path": "{delivered_on}.jsonl.gz", "format": "jsonl"}  # the source sets the folder

    @model_validator(mode="before")
    @classmethod
    def _whole_row(cls, data: Any) -> Any:
        if not isinstance(data, dict) or data.get("key") != "all":
            return data
        return {**data, "key": data.get("columns"), "key_is_whole_row": True}

    @model_validator(mode="after")
    def _cursor_exists(self) -> "Table":
        if self.fetch and self.fetch.cursor and self.fetch.cursor not in self.columns:
            raise ValueError(f"the cursor {self.fetch.cursor!r} is not one of the columns. Add it to `columns`.")
        return self

    @model_validator(mode="after")
    def _columns_exist(self) -> "Table":
        known = {*self.columns, *self.optional_columns}
        named = [*self.newest_by, *self.personal_columns, *([self.date_column] if self.date_column else [])]
        for column in named + [name for name in self.key if name not in ("_source_file", "_row_number")]:
            if column not in known:
                raise ValueError(f"{column!r} is not one of the columns. The columns are: {', '.join(self.columns)}.")
        return self

    @model_validator(mode="after")
    def _a_header_names_one_column(self) -> "Table":
        declared = [*self.columns, *self.optional_columns]
        if unknown := [column for column in self.also if column not in declared]:
            raise ValueError(
                f"`also` names {unknown[0]!r}, which is not one of the columns. Correct it, or add it there."
            )
        if self.also and isinstance(self.fetch, SqlFetch):
            raise ValueError("`also` is for the headers of files, and a query names its columns. Remove `also`.")
        others = [(header, column) for column, headers in self.also.items() for header in headers]
        named: dict[str, str] = {}
        for header, column in [*zip(declared, declared, strict=True), *others]:
            if other := named.get(folded(header)):
                raise ValueError(
                    f"the header {header!r} is listed for {other!r} and again for {column!r}. Remove one of the two: "
                    "upper and lower case, and surrounding space, make no difference."
                )
            named[folded(header)] = column
        return self

    @model_validator(mode="after")
    def _headers_hold_texts(self) -> "Table":
        if self.from_header and self.format not in ("csv", "excel"):
            raise ValueError(
                f"`from_header` is for CSV files and Excel sheets, and `format` is {self.format}. Remove `from_header`."
            )
        for column, named in self.from_header.items():
            if column not in self.optional_columns:
                raise ValueError(
                    f"`from_header` fills {column!r}, which is not one of `optional_columns`. Add it there."
                )
            if not any("*" in header for header in self.also.get(named, [])):
                raise ValueError(
                    f"`from_header` takes {column!r} from the header of {named!r}, but `also` gives that column no "
                    f'name with *. Write there, for example, {named}: ["{named} (*)"].'
                )
        return self

    @model_validator(mode="after")
    def _has_lines_above_its_header(self) -> "Table":
        if self.skip_lines and self.format not in ("csv", "excel"):
            raise ValueError(
                f"`skip_lines` is for CSV files and Excel sheets, and `format` is {self.format}. Remove `skip_lines`."
            )
        return self

    def expects(self, header: str) -> bool:
        """True if the header names a declared column, or one of `further_columns`."""
        known = self.column_of(header) is not None
        return known or any(fnmatchcase(folded(header), folded(pattern)) for pattern in self.further_columns)

    def column_of(self, header: str) -> str | None:
        """The declared column that a header names; None if it names none."""
        names = {folded(column): column for column in [*self.columns, *self.optional_columns]}
        names |= {folded(other): column for column, others in self.also.items() for other in others}
        with_text = (column for column in self.also if self._text_in(header, column) is not None)
        return names.get(folded(header)) or next(with_text, None)

    def texts_in(self, headers: Iterable[str]) -> dict[str, str]:
        """By column of `from_header`: its text in the headers of a file. Columns without such a header are left out."""
        found = [
            (column, self._text_in(header, named)) for header in headers for column, named in self.from_header.items()
        ]
        return {column: text for column, text in found if text}

    def _text_in(self, header: str, column: str) -> str | None:
        """What * stands for in a header of the column; None if the header is no name with * of that column."""
        for name in self.also.get(column, []):
            pattern = "(.*)".join(map(re.escape, name.strip().split("*")))
            if "*" in name and (found := re.fullmatch(pattern, header.strip(), re.IGNORECASE)):
                return found[1].strip()
        return None

    @property
    def may_repeat_a_file(self) -> bool:
        """True if the same bytes may be delivered on two days."""
        # A fetched table is queried again for the days of its lag, so a quiet day may well repeat the day before.
        usual = "allowed" if self.deliveries == "snapshot" or self.fetch else "refused"
        return (self.same_file_again or usual) == "allowed"

    def files(self, landing_dir: Path, delivered_on: date) -> list[Path]:
        """The files of one delivery day, sorted by name; empty if nothing was delivered."""
        found = sorted(landing_dir.glob(self.path.format(delivered_on=delivered_on)))
        return [path for path in found if not (self.row_count_suffix and path.name.endswith(self.row_count_suffix))]

    def day_of(self, name: str) -> date | None:
        """The delivery day of the file `name`, relative to the landing folder; None if it is not one of this table."""
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


def _declared(info: ValidationInfo) -> list[str]:
    """The columns of the table that is validated; none if something else is wrong with them."""
    return [*info.data.get("columns", []), *info.data.get("optional_columns", [])]


def _sql_problem(query: str, columns: Iterable[str]) -> str:
    """Why DuckDB refuses `query` on the table `delivered` with these columns; empty if it does not."""
    texts = ", ".join(f"cast(null as varchar) as {quote_name(column)}" for column in columns)
    try:
        with in_memory() as connection:
            connection.execute(f"explain with delivered as (select {texts}) {query}")
    except duckdb.Error as error:
        return str(error).splitlines()[0]
    return ""


def folded(header: str) -> str:
    """A header as it is compared with others: without surrounding space, and in one case."""
    return header.strip().casefold()


def _matching(glob: str) -> str:
    """Part of a path pattern as a regular expression. `*` and `?` do not match across folders, as in file searches."""
    wild = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    parts = re.findall(r"\*\*/|\*|\?|\[[^\]]+\]|.", glob)
    return "".join(wild.get(part, part if len(part) > 1 else re.escape(part)) for part in parts)


def _matching_dates(form: str) -> str:
    """A regular expression for dates in a format. Month names and the like match any text within a folder's name."""
    digits = {"%Y": 4, "%y": 2, "%m": 2, "%d": 2, "%j": 3, "%H": 2, "%M": 2, "%S": 2}
    patterns = {directive: rf"\d{{{length}}}" for directive, length in digits.items()}
    parts = re.findall("%.|.", form)
    return "".join(patterns.get(part, "[^/]+?" if part[0] == "%" else re.escape(part)) for part in parts)


class Rejects(BaseModel):
    """The share of a delivery's rows that may be unreadable."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    warn: float = Field(default=0.02, ge=0, le=1)  # a warning from this share on
    block: float = Field(default=0.10, ge=0, le=1)  # from this share on, the delivery blocks publication
    at_least: int = Field(default=3, ge=1)  # the shares are not judged for fewer unreadable rows than this


class Source(BaseModel):
    """One source system."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    description: str
    connector: Literal["files", "sql", "rest"]
    owner: str = Field(pattern=f"^({OWNER})$")
    # The latest time of arrival, on the day after the delivery day, as HH:MM.
    sla: Annotated[str, BeforeValidator(lambda value: f"{clock(value):%H:%M}")]
    rejects: Rejects = Rejects()
    rejected: Literal["block", "leave_out"] = "block"  # what happens if a delivery fails its checks
    entities: list[Name]  # each has a staging model stg_<source>__<entity>; none for a table that no KPI counts
    rhythm: dict[CostEntity, Rhythm] = {}  # a KPI waits for the whole month of costs that are delivered monthly
    tables: Annotated[dict[Name, Table], Field(min_length=1)]
    # For the connector files: where to copy files from, with folders as in the landing folder, as s3://bucket/folder.
    store: Annotated[str, Field(pattern=r"^[a-z][a-z0-9+.-]*://[^@]*$")] | None = None
    connection_env: EnvironmentVariable | None = None  # for the connector sql: holds the database's SQLAlchemy URL
    base_url: Annotated[str, Field(pattern=r"^https?://[^@\s]+$")] | None = None  # for the connector rest
    base_url_env: EnvironmentVariable | None = None  # the variable with this URL, as an alternative
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

    @model_validator(mode="after")
    def _rhythm_is_of_its_entities(self) -> "Source":
        if others := sorted(set(self.rhythm).difference(self.entities)):
            raise ValueError(
                f"`rhythm` names {', '.join(others)}, which `entities` does not list. Add it there, or remove it."
            )
        return self

    @property
    def monthly_entities(self) -> list[str]:
        """Its costs that are delivered monthly: those that `rhythm` lists, and by default `sales_marketing_costs`."""
        usual: dict[CostEntity, Rhythm] = {"sales_marketing_costs": "monthly"}
        by_the_month = [entity for entity, rhythm in (usual | self.rhythm).items() if rhythm == "monthly"]
        return [entity for entity in self.entities if entity in by_the_month]

    @property
    def is_asked(self) -> bool:
        """True if its deliveries are fetched or copied, and the pipeline does not wait for them to arrive."""
        return self.connector != "files" or self.store is not None


class SourceFile(Source):
    """A source as loaded from its file: the name is the file's name."""

    name: Name = "unnamed"


def load_sources(names: Iterable[str], company_dir: Path) -> list[Source]:
    """Load the enabled sources from `<company_dir>/sources/<name>.yml` or the shipped `pipelines/sources/<name>.yml`.

    Raises:
        ConfigError: a source has no file, two files, or an invalid file; the message names file and line.
    """
    return [_load_source(name, company_dir / "sources") for name in names]


def shipped_sources() -> list[str]:
    """The names of the sources that the project ships."""
    return sorted(path.stem for path in SHIPPED_DIR.glob("*.yml"))


def _load_source(name: str, own_dir: Path) -> Source:
    is_name = re.fullmatch("[a-z][a-z0-9_]*", name)  # and leads nowhere else
    candidates = [path for path in (own_dir / f"{name}.yml", SHIPPED_DIR / f"{name}.yml") if is_name and path.is_file()]
    if not candidates:
        raise ConfigError(
            f"settings: sources: {name!r} has no file. Write {own_dir / f'{name}.yml'}, "
            f"or name a shipped source: {', '.join(shipped_sources())}."
        )
    if len(candidates) > 1:
        raise ConfigError(f"{candidates[0]}:1: {name!r} is the name of a shipped source. Give your file another name.")
    source = load_yaml_model(candidates[0], SourceFile)
    return source.model_copy(update={"name": name, "tables": _placed(source.tables, name)})


def _placed(tables: dict[str, Table], source: str) -> dict[str, Table]:
    """The tables, where those that are fetched have the path that they are fetched to."""
    return {
        name: table.model_copy(update={"path": f"{source}/{name}/{name}_{{delivered_on}}.jsonl.gz"})
        if table.fetch
        else table
        for name, table in tables.items()
    }


def enabled_sources(settings: Settings) -> list[Source]:
    """The sources that the setting `sources` names.

    Raises:
        ConfigError: it names none; or see `sources_named`.
    """
    if not settings.sources:
        raise ConfigError(
            "settings: sources: no source is enabled. Add a file of yours: kpi sources add FILE. Or name a shipped "
            f"source in kpi.yml: {', '.join(shipped_sources())}."
        )
    return sources_named(settings.sources, settings)


def sources_named(names: Iterable[str], settings: Settings) -> list[Source]:
    """The sources with these names, enabled or not, as the settings `snapshots` and `synced` change them.

    Raises:
        ConfigError: see `load_sources`; or `snapshots` names a table that no source describes, or `synced` a source
            that cannot be read from the tables of that tool.
    """
    snapshots: dict[str, list[str]] = {}
    for name in settings.snapshots:
        source, _, table = name.partition(".")
        [described] = load_sources([source], settings.company_dir)
        if table not in described.tables:
            tables = ", ".join(f"{source}.{other}" for other in described.tables)
            raise ConfigError(f"settings: snapshots: {name!r} is not a delivered table. The tables are: {tables}.")
        snapshots.setdefault(source, []).append(table)
    if unknown := sorted(settings.synced.keys() - set(synced_sources())):
        raise ConfigError(
            f"settings: synced: {unknown[0]!r} cannot be read from synced tables, only these sources can: "
            f"{', '.join(synced_sources())}."
        )
    return [
        _synced(source, settings.synced[source.name])
        if source.name in settings.synced
        else _with_snapshots(source, snapshots.get(source.name, []))
        for source in load_sources(names, settings.company_dir)
    ]


def _with_snapshots(source: Source, names: Iterable[str]) -> Source:
    tables = {name: source.tables[name].model_copy(update={"deliveries": "snapshot"}) for name in names}
    return source.model_copy(update={"tables": source.tables | tables})


def _synced(source: Source, setting: Synced) -> Source:
    """The source, fetched each day as a whole from synced tables instead of delivered as files.

    Its tables keep their columns, so the models do not know the difference. A record that was deleted is missing from
    the next snapshot.
    """
    found = fetches(source.name, source.tables, setting)
    tables = {}
    for name, table in source.tables.items():
        columns, fetch = found[name]
        changes = {
            "fetch": fetch,
            "format": "jsonl",
            "columns": columns,
            "optional_columns": [name for name in [*table.columns, *table.optional_columns] if name not in columns],
            "also": {},
            "from_header": {},
            "if_missing": {},
            "needs": {},
            "skip_rows": None,  # every row is a record
            "skip_lines": 0,
            "deliveries": "snapshot",
            "newest_by": [],  # the later snapshot wins
            "empty_day": "allowed",
        }
        tables[name] = table.model_copy(update=changes)
    changes = {"connector": "sql", "connection_env": setting.connection_env, "tables": _placed(tables, source.name)}
    return source.model_copy(update=changes)


def each_table(sources: Iterable[Source]) -> Iterator[tuple[Source, str, Table]]:
    """Iterate over every delivered table as (source, table name, table)."""
    for source in sources:
        for name, table in source.tables.items():
            yield source, name, table
