"""What published numbers are based on: the definition of each measure, the settings, and the deliveries.

Belongs here: reading the three, and writing them into a publication's `meta` schema. Does not belong here: what a
definition is (`definitions.py`), and what a change of it has changed (`definition_changes.py`).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path

import duckdb
import pandas as pd

from pipelines.publish.definitions import Definition, Model, definitions
from pipelines.settings import Settings
from pipelines.sources import Source, each_table
from pipelines.sql import quote_pattern
from pipelines.tables import day_of, raw_days, raw_file
from pipelines.transform.descriptions import Description
from pipelines.transform.project import dbt_variables
from pipelines.warehouse import in_memory

TABLES_OF_BASIS = {
    "definitions": Description(
        "How each measure was computed: its hash changes if and only if its SQL or a setting in it does; one row per "
        "KPI and variant.",
        {
            "hash": "The same for the same definition, whatever its comments and layout.",
            "formula": "The formula in words.",
            "sql": "The measure's own part of the scorecard's SQL.",
            "models": "The models that it is computed by, in definition_models.",
            "settings": "The settings that its SQL contains.",
            "delivered_tables": "The delivered tables that it is made from, like shop.orders.",
        },
    ),
    "definition_models": Description(
        "The SQL of the models that measures are computed by, with all settings filled in; one row per model.", {}
    ),
    "settings": Description(
        "The settings that numbers depend on, as JSON; one row per setting. Passwords are no settings.", {}
    ),
    "deliveries": Description(
        "The deliveries that these numbers were made from; one row per source, table and delivery day.",
        {"content": "The same for the same files, read in the same way."},
    ),
}


@dataclass(frozen=True)
class Delivered:
    """What a table received on a day."""

    source: str
    table_name: str
    delivered_on: date
    content: str


@dataclass(frozen=True)
class Basis:
    """What numbers are based on."""

    definitions: Sequence[Definition]
    models: Sequence[Model]
    settings: Mapping[str, str]
    deliveries: Sequence[Delivered]


def basis(settings: Settings, sources: Sequence[Source], manifest: Path) -> Basis:
    """What a publication of the warehouse as it is now would be based on, if dbt's `manifest` describes its models.

    The caller holds the writer lock of the warehouse.

    Raises:
        ConfigError: dbt cannot compile the models; the message is dbt's own.
    """
    models, found = definitions(settings, sources, manifest)
    return Basis(found, models, settings_of_numbers(settings, sources), delivered(settings, sources))


def settings_of_numbers(settings: Settings, sources: Iterable[Source]) -> dict[str, str]:
    """The settings that numbers depend on, as JSON by name: the variables of dbt, and the country of the holidays."""
    values = {**dbt_variables(settings, sources), "holiday_country": settings.holiday_country}
    return {name: json.dumps(value, sort_keys=True, ensure_ascii=False) for name, value in sorted(values.items())}


def delivered(settings: Settings, sources: Iterable[Source]) -> list[Delivered]:
    """Every landed delivery of these sources, by source, table and day."""
    found = []
    for source, name, _ in each_table(sources):
        days = raw_days(settings.raw_dir, source.name, name)
        files = [raw_file(settings.raw_dir, source.name, name, day) for day in days]
        if not files:
            continue
        with in_memory() as connection:
            made_from = dict(
                connection.execute(
                    "select file_name, md5(value::varchar) from parquet_kv_metadata("
                    f"[{', '.join(map(quote_pattern, files))}]) where decode(key) = 'made_from'"
                ).fetchall()
            )
        found += [
            Delivered(
                source.name, name, day_of(file), made_from.get(str(file)) or sha256(file.read_bytes()).hexdigest()
            )
            for file in files
        ]
    return sorted(found, key=lambda one: (one.source, one.table_name, one.delivered_on))


def record(connection: duckdb.DuckDBPyConnection, found: Basis, database: str) -> None:
    """Write what numbers are based on into the schema `meta` of a database with the scorecard."""
    models = [(one.model, one.hash, one.sql, list(one.settings)) for one in found.models]
    definitions = [
        (one.kpi_id, one.variant, one.hash, one.sql, list(one.models), list(one.settings), list(one.delivered_tables))
        for one in found.definitions
    ]
    frames = {
        "of_models": pd.DataFrame(models, columns=["model", "hash", "sql", "settings"]),
        "of_measures": pd.DataFrame(
            definitions, columns=["kpi_id", "variant", "hash", "sql", "models", "settings", "delivered_tables"]
        ),
        "of_settings": pd.DataFrame(found.settings.items(), columns=["name", "value"]),
        "of_deliveries": pd.DataFrame(
            [astuple(one) for one in found.deliveries], columns=["source", "table_name", "delivered_on", "content"]
        ),
    }
    for name, frame in frames.items():
        connection.register(name, frame)
    connection.execute(
        f"""
        create table {database}.meta.definitions as
        select
            kpi_id, variant, hash, formula_en as formula, sql, cast(models as varchar[]) as models,
            cast(of_measures.settings as varchar[]) as settings,
            cast(delivered_tables as varchar[]) as delivered_tables
        from of_measures
        left join {database}.marts.kpi_variants using (kpi_id, variant)
        order by all;
        create table {database}.meta.definition_models as
        select model, hash, sql, cast(settings as varchar[]) as settings from of_models order by all;
        create table {database}.meta.settings as select name, value from of_settings order by all;
        create table {database}.meta.deliveries as
        select source, table_name, cast(delivered_on as date) as delivered_on, content from of_deliveries order by all
        """
    )
    for name in frames:
        connection.unregister(name)
