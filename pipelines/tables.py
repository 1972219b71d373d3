"""The names of a table at every stage: asset, suite, model, raw file and step. They are built and parsed here only.

| of `orders` of `shop` | name |
|---|---|
| asset | `raw/shop/orders`, and `staging/base_shop__orders` of its delivery log |
| suite | `raw/shop__orders.yml`, and `staging/base_shop__orders.yml` |
| raw file | `shop/orders/delivered_on=2026-01-10/rows.parquet` in the raw folder |
| step that checks it | `check_raw__shop__orders` |

Every other table has one name in all of these: `marts/dim_date`.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

RAW, STAGING, MARTS = "raw", "staging", "marts"
_LOG, _CHECK, _DAY = "base_", "check_", "delivered_on="


@dataclass(frozen=True, order=True)
class TableRef:
    """A delivered table of a source."""

    source: str
    table: str

    def __str__(self) -> str:
        return f"{self.source}.{self.table}"

    @property
    def asset(self) -> list[str]:
        """The path of its raw asset."""
        return [RAW, self.source, self.table]

    @property
    def suite(self) -> tuple[str, str]:
        """Stage and name of the suite of its deliveries."""
        return RAW, f"{self.source}__{self.table}"

    @property
    def log(self) -> str:
        """The model that is its delivery log, and the name of the log's suite in staging."""
        return f"{_LOG}{self.source}__{self.table}"

    @classmethod
    def of_log(cls, model: str) -> "TableRef | None":
        """The table whose delivery log this model is; None if it is another model."""
        if not model.startswith(_LOG):
            return None
        source, _, table = model.removeprefix(_LOG).partition("__")
        return cls(source, table)


def asset_of_suite(stage: str, name: str) -> list[str]:
    """The path of the asset that a suite is about."""
    return [stage, *name.split("__", 1)] if stage == RAW else [stage, name]


def suite_of_asset(asset: str) -> tuple[str, str]:
    """Stage and name of the suite of an asset, whose path is given as `raw/shop/orders`."""
    stage, _, table = asset.partition("/")
    return stage, table.replace("/", "__")


def is_raw(asset: str) -> bool:
    """Whether the asset, whose path is given as `raw/shop/orders`, is a delivered table."""
    return asset.startswith(f"{RAW}/")


def check_step(asset: list[str]) -> str:
    """The step that executes the suite of an asset."""
    return _CHECK + "__".join(asset)


def is_check_step(step: str) -> bool:
    """Whether a step executes a suite."""
    return step.startswith(_CHECK)


def asset_of_check_step(step: str) -> str:
    """The asset, as `raw/shop/orders`, whose suite a step executes."""
    stage, _, name = step.removeprefix(_CHECK).partition("__")
    return "/".join(asset_of_suite(stage, name))


def raw_file(raw_dir: Path, source: str, table_name: str, delivered_on: date) -> Path:
    """The file with the raw rows of one table and delivery day."""
    return raw_dir / source / table_name / f"{_DAY}{delivered_on}" / "rows.parquet"


def raw_days(raw_dir: Path, source: str, table_name: str) -> set[date]:
    """The delivery days of one table that have landed."""
    return {day_of(file) for file in (raw_dir / source / table_name).glob(f"{_DAY}*/rows.parquet")}


def all_raw_files(raw_dir: Path) -> list[Path]:
    """The files of all tables and delivery days that have landed."""
    return sorted(raw_dir.glob(f"*/*/{_DAY}*/rows.parquet"))


def day_of(raw: Path) -> date:
    """The delivery day of a raw file."""
    return date.fromisoformat(raw.parent.name.removeprefix(_DAY))
