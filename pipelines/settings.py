"""All settings of the pipeline, read once into one frozen object.

Belongs here: the settings, their defaults and their validation. Settings come from the file that `KPI_CONFIG` names,
or else from `kpi.yml` in the current folder, or else from the project's. The environment variable `KPI_<KEY>`
overrides a key; `DATA_DIR` names the data folder.
Does not belong here: what is delivered (`sources/`), and any behaviour.
"""

import json
import os
import re
from datetime import date
from functools import cached_property, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ByteSize, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from pipelines.config_files import ConfigError, load_yaml_model, problem_in_words
from pipelines.warehouse import READING_MEMORY

PROJECT_DIR = Path(__file__).resolve().parent.parent

_ADDRESSES = ("ui_url", "data_docs_url", "pages_url")

Environment = Literal["local", "test", "production"]
Schedule = Literal["daemon", "cron", "none"]
Language = Literal["en", "pl"]  # of pages, reports and digests
Address = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+:\d{1,5}$")]  # of a service on another host, as host:port
SyncTool = Literal["fivetran", "airbyte", "dlt"]


class Policy(BaseModel):
    """What differs between environments."""

    model_config = ConfigDict(frozen=True)
    schedule: Schedule  # what starts the daily run if the settings do not say


POLICIES: dict[Environment, Policy] = {
    "local": Policy(schedule="none"),
    "test": Policy(schedule="none"),
    "production": Policy(schedule="daemon"),
}


class Synced(BaseModel):
    """Where a shipped source is read from tables that a sync tool keeps, instead of from files."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True)

    by: SyncTool
    connection_env: str = Field(pattern="^[A-Za-z_][A-Za-z0-9_]*$")  # the variable with the database's SQLAlchemy URL
    schema_name: str | None = Field(default=None, alias="schema")  # default: the tool's usual one
    prefix: str = ""  # before the tool's names of tables
    without: list[str] = []  # tables of the source whose objects are not synced


class Spark(BaseModel):
    """How the engine Spark is reached."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    master: str = "local[*]"  # or the address of a cluster, as in spark://host:7077
    options: dict[str, str] = {}  # of the session, such as spark.executor.memory


class KpiParameters(BaseModel):
    """Parameters of the KPIs; `docs/kpis.md` explains each of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    excluded_order_statuses: list[str] = ["cancelled", "canceled"]  # both spellings are common
    # Stages that end a deal, where the CRM's export does not say how a deal ended and the stage's name does not either.
    won_stages: list[str] = []
    lost_stages: list[str] = []
    small_sample: int = Field(default=20, ge=1)
    active_days: int = Field(default=90, ge=1)  # a customer is active for this many days from each order
    programme_cost_types: list[str] = ["agency"]  # costs that count in blended CAC in addition to media
    cac_lag_months: int = Field(default=0, ge=0)  # costs are compared with the customers won this many months later

    @model_validator(mode="after")
    def _a_stage_ends_deals_in_one_way(self) -> Self:
        won = {stage.strip().lower() for stage in self.won_stages}
        if both := [stage for stage in self.lost_stages if stage.strip().lower() in won]:
            raise ValueError(f"{both[0]!r} is in won_stages and in lost_stages. Remove it from one of them.")
        return self


class SettingsFile(BaseModel):
    """The keys of `kpi.yml`."""

    model_config = ConfigDict(extra="forbid")

    environment: Environment = "local"
    sources: Annotated[list[str], NoDecode]
    # Delivered tables, as `hubspot.deals`, of which each delivery is the whole table: a key that it lacks was deleted.
    snapshots: Annotated[list[str], NoDecode] = []
    # How the exports of a shipped source write dates, where that depends on the user's locale. The source's page in
    # docs/connect says what is read by default.
    date_formats: dict[Literal["salesforce", "xero"], Literal["mm/dd/yyyy", "dd/mm/yyyy", "dd.mm.yyyy"]] = {}
    synced: dict[str, Synced] = {}  # shipped sources that are read from synced tables
    engine: Literal["duckdb", "spark"] = "duckdb"  # what builds the models
    spark: Spark = Spark()
    company_dir: Path = Path("company")
    alerts: Path | None = None  # default: alerts.yml beside the settings file, or else the shipped one
    first_delivery: date
    last_delivery: date | None = None  # no delivery is expected after this day; default: deliveries continue
    schedule: Schedule | None = None  # what starts the daily run; default: the daemon in production, else a person
    time_zone: str
    reporting_currency: str
    fiscal_year_start_month: int = Field(default=1, ge=1, le=12)  # the month in which the quarters and years begin
    as_of_date: date | None = None
    late_file_days: int = Field(default=90, ge=1, le=10_000)  # a file at most this many days late has its day run again
    # What reading one delivered file may take; a file that takes more is refused.
    max_reading_memory: ByteSize = Field(default=ByteSize(READING_MEMORY), ge=500_000_000)
    keep_runs: int = Field(default=100, ge=1)  # how many runs the UI keeps, with their logs
    # Addresses of the Dagster UI and of the pages that checks link to; by default, where `kpi dev` was last started.
    # `kpi dev` serves the pages itself if their address is on this machine.
    ui_url: str = "http://127.0.0.1:3000"
    data_docs_url: str = "http://127.0.0.1:3001"
    pages_url: str = "http://127.0.0.1:3003"  # of the pages for people who read KPIs
    report_languages: Annotated[list[Language], NoDecode] = ["en"]  # of the reports that each publication has
    holiday_country: str | None = None  # ISO code; its public holidays have fewer rows and lower targets
    unusual_days: Annotated[list[date], NoDecode] = []  # days whose row counts are left out of the normal range
    # The share of a delivery's rows in quarantine from which its day is marked; default: from where its checks warn.
    mark_quarantine_from: float | None = Field(default=None, ge=0, le=1)
    kpis: KpiParameters = KpiParameters()
    data_dir: Path = Path("data")
    # The environment variable with the URL of a PostgreSQL database, for several hosts that share the data folder.
    database_env: str | None = Field(default=None, pattern="^[A-Za-z_][A-Za-z0-9_]*$")
    # Services of `kpi serve` as host:port: the one that has the definitions, and those that execute the runs of the UI
    # and the schedule. Without workers, the code server does.
    code_server: Address | None = None
    workers: Annotated[list[Address], NoDecode] = []
    object_store: str | None = None  # where publications and raw are copied to, as in s3://bucket/folder

    @field_validator("object_store")
    @classmethod
    def _bucket(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]+[a-z0-9](/[^@?#\s]+)?/?", value):
            raise ValueError(
                "it is not an address like s3://bucket/folder. Leave credentials to the environment, "
                "as in AWS_ACCESS_KEY_ID."  # the value may contain some, so it is not repeated
            )
        return value and value.rstrip("/")

    @field_validator("sources", "snapshots", "unusual_days", "report_languages", "workers", mode="before")
    @classmethod
    def _split_names(cls, value: Any) -> Any:
        """Accept `KPI_SOURCES=shop,crm`, as people type it in a shell."""
        return [name.strip() for name in value.split(",")] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _last_after_first(self) -> Self:
        if self.last_delivery and self.last_delivery < self.first_delivery:
            raise ValueError(
                f"last_delivery ({self.last_delivery}) is before first_delivery ({self.first_delivery}). "
                "Omit last_delivery if deliveries continue."
            )
        return self

    @model_validator(mode="after")
    def _hosts_share_a_database(self) -> Self:
        if self.workers and not self.database_env:
            raise ValueError("workers need the database that all hosts share. Set database_env.")
        return self

    @field_validator("ui_url", "data_docs_url", "pages_url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        if not re.fullmatch(r"https?://\S+", value) or not value.isprintable():
            raise ValueError(f"{value!r} is not a web address like http://127.0.0.1:3001.")
        return value.rstrip("/")

    @field_validator("reporting_currency")
    @classmethod
    def _currency_code(cls, value: str) -> str:
        if not re.fullmatch("[A-Z]{3}", value):
            raise ValueError(f"{value!r} is not a currency code of three capital letters. Use a code such as EUR.")
        return value

    @field_validator("time_zone")
    @classmethod
    def _known_time_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"no time zone is called {value!r}. Use a name such as Europe/Warsaw or UTC.") from None
        return value


class Settings(SettingsFile, BaseSettings):
    """The settings of one installation. The environment overrides the file. Paths are absolute once loaded."""

    model_config = SettingsConfigDict(env_prefix="KPI_", env_nested_delimiter="__", frozen=True, extra="forbid")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings

    @property
    def policy(self) -> Policy:
        return POLICIES[self.environment]

    @property
    def started_by(self) -> Schedule:
        """What starts the daily run: Dagster's daemon, cron, or a person at any time (none)."""
        return self.schedule or self.policy.schedule

    def with_data_dir(self, folder: Path) -> "Settings":
        """These settings with another data folder, whose records are in files there and in no database, and of which
        nothing is copied to other hosts."""
        moved = self.model_copy(update={"data_dir": folder, "database_env": None, "object_store": None})
        for name in [name for name, kind in vars(Settings).items() if isinstance(kind, cached_property)]:
            moved.__dict__.pop(name, None)
        return moved

    @cached_property
    def zone(self) -> ZoneInfo:
        """The business time zone."""
        return ZoneInfo(self.time_zone)

    @cached_property
    def database_url(self) -> str | None:
        """The URL of the PostgreSQL database that several hosts share, with its password; None if there is none.

        It is read on first use: whoever only reads what is published needs neither the database nor its password.

        Raises:
            ConfigError: the environment variable does not hold such a URL, or the packages are not installed.
        """
        return _database_url(self.database_env) if self.database_env else None

    @cached_property
    def landing_dir(self) -> Path:
        return self.data_dir / "landing"

    @cached_property
    def raw_dir(self) -> Path:
        return self.data_dir / "raw"

    @cached_property
    def quarantine_dir(self) -> Path:
        return self.data_dir / "quarantine"

    @cached_property
    def warehouse_path(self) -> Path:
        return self.data_dir / "warehouse.duckdb"

    @cached_property
    def published_dir(self) -> Path:
        return self.data_dir / "published"

    @cached_property
    def check_history_path(self) -> Path:
        return self.data_dir / "check_history.sqlite"

    @cached_property
    def deliveries_path(self) -> Path:
        return self.data_dir / "deliveries.sqlite"

    @cached_property
    def alerts_path(self) -> Path:
        return self.data_dir / "alerts.sqlite"

    @property
    def alerts_file(self) -> Path:
        return self.alerts or PROJECT_DIR / "alerts.yml"

    @property
    def events_file(self) -> Path:
        return self.company_dir / "events.yml"

    @cached_property
    def data_docs_dir(self) -> Path:
        return self.data_dir / "data_docs"

    @cached_property
    def dagster_home(self) -> Path:
        return self.data_dir / "dagster"

    @cached_property
    def dbt_target_dir(self) -> Path:
        return self.data_dir / "dbt"


def load_settings(path: Path | None = None) -> Settings:
    """The settings in `path`, by default in `settings_file()`.

    Relative paths are relative to the settings file's folder; `DATA_DIR` is relative to the current folder.

    Raises:
        ConfigError: a setting is invalid. The message names file and line, or the environment variable, and the remedy.
    """
    path = path or settings_file()
    settings = _read(path)
    data_dir = os.environ.get("DATA_DIR")
    own_alerts = path.parent / (settings.alerts or "alerts.yml")
    settings = settings.model_copy(
        update={
            "company_dir": path.parent / settings.company_dir,
            "alerts": own_alerts if settings.alerts or own_alerts.exists() else None,
            "data_dir": Path(data_dir).absolute() if data_dir else path.parent / settings.data_dir,
        }
    )
    return settings.model_copy(update=_addresses_of_last_ui(settings))


def _database_url(variable: str) -> str:
    """The URL in this environment variable. No message repeats a part of it: any part may be of the password."""
    wanted = "the URL of a PostgreSQL database, such as postgresql://user:password@host:5432/kpi"
    url = os.environ.get(variable, "").strip()
    if not url:
        raise ConfigError(f"database_env: the environment variable {variable} is not set. Set it to {wanted}.")
    if not find_spec("dagster_postgres"):
        raise ConfigError("database_env needs packages that are not installed. Install them: pip install '.[hosts]'")
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        parts = conninfo_to_dict(url)
    except ProgrammingError:
        parts = {}
    host, port, name = str(parts.get("host", "")), str(parts.get("port", "5432")), str(parts.get("dbname", ""))
    # An @ or a port that is no number comes from a password whose signs are not escaped.
    if not (url.startswith("postgresql://") and host and name and port.isdigit()) or "@" in host + name:
        raise ConfigError(
            f"database_env: the environment variable {variable} is not {wanted}. In user and password, write "
            "@ as %40, / as %2F and % as %25."
        )
    return url


def settings_file() -> Path:
    """The file that `KPI_CONFIG` names, or else `kpi.yml` in the current folder, or else the project's."""
    if named := os.environ.get("KPI_CONFIG"):
        return Path(named).absolute()
    here = Path("kpi.yml").absolute()
    return here if here.exists() else PROJECT_DIR / "kpi.yml"


def _read(path: Path) -> Settings:
    """The settings that the file and the environment give, and nothing else."""
    from_file = load_yaml_model(path, SettingsFile).model_dump(exclude_unset=True)
    try:
        return Settings(**from_file)
    except ValidationError as error:
        problems = [
            f"environment variable KPI_{'__'.join(map(str, place['loc'])).upper() or '*'}: {problem_in_words(place)}"
            for place in error.errors()
        ]
        raise ConfigError("\n".join(problems)) from None
    except SettingsError as error:  # names the setting in terms of the library's own classes
        name = re.search(r'field "(\w+)"', str(error))
        variable = f"KPI_{name[1].upper()}" if name else "KPI_…"
        raise ConfigError(
            f"environment variable {variable}: is not valid JSON. Write {variable}__KEY=VALUE for single keys."
        ) from None


def at_ports(settings: Settings, ui_port: int, docs_port: int, pages_port: int | None = None) -> Settings:
    """`settings` with the UI, Data Docs and the pages on these ports of this machine, unless they give the addresses:
    behind a proxy, people open another address than the one on which the server listens."""
    given = _read(settings_file()).model_fields_set
    ports = dict(zip(_ADDRESSES, (ui_port, docs_port, pages_port or ui_port + 3), strict=True))
    here = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    return settings.model_copy(update={name: url for name, url in here.items() if name not in given})


def remember_addresses(settings: Settings) -> None:
    """Store the addresses of the UI, Data Docs and the pages, so that all links point there from now on."""
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    addresses = {name: getattr(settings, name) for name in _ADDRESSES}
    (settings.dagster_home / "addresses.json").write_text(json.dumps(addresses), encoding="utf-8")


def _addresses_of_last_ui(settings: Settings) -> dict[str, str]:
    """Where `kpi dev` was last started, for the addresses that the settings do not give."""
    try:
        remembered = json.loads((settings.data_dir / "dagster" / "addresses.json").read_text(encoding="utf-8"))
        return {name: str(remembered[name]) for name in _ADDRESSES if name not in settings.model_fields_set}
    except (OSError, ValueError, KeyError, TypeError):  # never started, or half-written: use the defaults
        return {}


@lru_cache
def get_settings() -> Settings:
    """The settings of this process, loaded on first use."""
    return load_settings()
