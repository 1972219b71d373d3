"""Shipped sources in synced tables: the setting, the layouts of the tools, and what a database may lack."""

import re
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlalchemy as sa

from pipelines.config_files import ConfigError
from pipelines.ingest.connectors import fetch
from pipelines.ingest.connectors.synced import synced_query
from pipelines.ingest.gate import DeliveryError
from pipelines.settings import Settings, load_settings
from pipelines.sources import Source, enabled_sources, load_sources
from pipelines.sources.fetching import SYNC_TOOLS, SyncedFetch, SyncedTable
from pipelines.sources.synced import Layout, layouts_of, synced_sources

DAY = date(2025, 4, 1)
LAYOUTS = [
    pytest.param(source, layout, id=f"{source}-{tool}")
    for source in synced_sources()
    for tool, layout in layouts_of(source).by_tool.items()
]


def settings_with(folder: Path, switch: str, source: str = "salesforce") -> Settings:
    (folder / "kpi.yml").write_text(
        f"sources: [{source}]\nfirst_delivery: {DAY}\ntime_zone: UTC\nreporting_currency: EUR\n"
        f"synced:\n  {source}: {switch}\n",
        encoding="utf-8",
    )
    return load_settings(folder / "kpi.yml")


def source_with(folder: Path, switch: str, source: str = "salesforce") -> Source:
    [found] = enabled_sources(settings_with(folder, switch, source))
    return found


def test_a_synced_source_is_fetched_as_a_whole_each_day_into_the_same_columns(tmp_path: Path) -> None:
    [file] = load_sources(["salesforce"], tmp_path)
    source = source_with(tmp_path, "{by: fivetran, connection_env: URL, schema: crm}")
    assert (source.connector, source.connection_env, source.is_asked) == ("sql", "URL", True)
    for name, table in source.tables.items():
        other = file.tables[name]
        assert {*table.columns, *table.optional_columns} == {*other.columns, *other.optional_columns}
        assert (table.deliveries, table.empty_day, table.newest_by, table.also) == ("snapshot", "allowed", [], {})
        assert table.path == f"salesforce/{name}/{name}_{{delivered_on}}.jsonl.gz"
        assert (table.key, table.personal_columns) == (other.key, other.personal_columns)
        assert isinstance(table.fetch, SyncedFetch)
        assert (table.fetch.schema_name, table.fetch.cursor) == ("crm", None)


@pytest.mark.parametrize(
    ("source", "switch", "message"),
    [
        ("shop", "{by: fivetran, connection_env: URL}", r"synced: 'shop' cannot be read .*: .*hubspot"),
        ("salesforce", "{by: stitch, connection_env: URL}", r"kpi\.yml:6: synced\.salesforce\.by: .*'airbyte'"),
        ("salesforce", "{by: dlt}", r"kpi\.yml:6: synced\.salesforce\.connection_env: missing"),
        ("salesforce", "{by: dlt, connection_env: 'postgresql://x'}", r"synced\.salesforce\.connection_env"),
        ("salesforce", "{by: dlt, connection_env: URL, without: [lead]}", r"no table is called 'lead'.*leads, opp"),
    ],
)
def test_a_wrong_switch_is_refused(tmp_path: Path, source: str, switch: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        source_with(tmp_path, switch, source)


def test_a_misspelt_source_of_the_switch_is_not_passed_over(tmp_path: Path) -> None:
    text = "sources: [hubspot]\nfirst_delivery: 2025-04-01\ntime_zone: UTC\nreporting_currency: EUR\n"
    (tmp_path / "kpi.yml").write_text(
        f"{text}synced: {{hubpsot: {{by: dlt, connection_env: URL}}}}\n", encoding="utf-8"
    )
    with pytest.raises(ConfigError, match="'hubpsot' cannot be read"):
        enabled_sources(load_settings(tmp_path / "kpi.yml"))


@pytest.mark.parametrize("name", synced_sources())
def test_layouts_give_every_table_of_the_source_in_its_own_columns(name: str) -> None:
    [source] = load_sources([name], Path("none"))
    tables = layouts_of(name).tables
    assert tables.keys() == source.tables.keys()
    for table, delivered in tables.items():
        declared = source.tables[table]
        assert delivered.columns.keys() <= {*declared.columns, *declared.optional_columns}
        assert delivered.columns.keys() >= {*declared.columns}


@pytest.mark.parametrize(("source", "layout"), LAYOUTS)
def test_every_tool_has_what_the_queries_read(source: str, layout: Layout) -> None:
    """An empty database with the tools' tables answers every query."""
    engine = sa.create_engine("duckdb:///:memory:")
    with engine.connect() as connection:
        connection.execute(sa.text("create schema synced"))
        for statement in tables_of(layout):
            connection.execute(sa.text(statement))
        for name, delivered in layouts_of(source).tables.items():
            fetch = SyncedFetch(
                query=delivered.query,
                tool="dlt",
                schema_name="synced",
                is_schema_given=True,
                prefix="",
                reads=layout.reads,
            )
            assert connection.execute(synced_query(connection, fetch, source, name)).all() == []


def tables_of(layout: Layout) -> list[str]:
    """Statements that create the tables that a layout reads."""
    columns: dict[str, dict[str, str]] = {}
    for name, table in layout.reads.items():
        created = columns.setdefault(table.table or name, {})
        for path in [*table.columns.values(), *table.optional.values()]:
            first, *fields = path.split(".")
            if first != "each":
                created[first] = "json" if fields else "varchar"
        if table.each:
            created[table.each] = "json"
    return [
        f'create table synced."{name}" ({", ".join(f"{column} {kind}" for column, kind in created.items())})'
        for name, created in columns.items()
    ]


def read(table: SyncedTable, statements: str, tool: Any = "fivetran", columns: str = "id") -> list[tuple[Any, ...]]:
    """What a query reads of a table `deals` that the statements create."""
    engine = sa.create_engine("duckdb:///:memory:")
    fetch = SyncedFetch(
        query=f"select {columns} from deals order by all",
        tool=tool,
        schema_name="main",
        is_schema_given=False,
        prefix="",
        reads={"deals": table},
    )
    with engine.connect() as connection:
        for statement in statements.split(";"):
            connection.execute(sa.text(statement))
        return [tuple(row) for row in connection.execute(synced_query(connection, fetch, "crm", "deals"))]


MARKED = "create table deals (id int, {mark} {type}); insert into deals values (1, null), (2, {no}), (3, {yes})"


@pytest.mark.parametrize(
    ("tool", "mark", "type", "no", "yes", "kept"),
    [
        ("fivetran", "_fivetran_deleted", "boolean", "false", "true", [1, 2]),
        ("fivetran", "_fivetran_active", "boolean", "true", "false", [1, 2]),
        ("airbyte", "_ab_cdc_deleted_at", "timestamptz", "null", "'2025-01-01 00:00:00+00'", [1, 2]),
        ("airbyte", "_ab_cdc_deleted_at", "varchar", "''", "'2025-01-01T00:00:00Z'", [1, 2]),
        ("airbyte", "archived", "boolean", "false", "true", [1, 2]),
        ("dlt", "archived", "int", "0", "1", [1, 2]),
        ("dlt", "_fivetran_deleted", "boolean", "false", "true", [1, 2, 3]),  # not a mark of this tool
    ],
)
def test_what_was_deleted_is_not_read(tool: str, mark: str, type: str, no: str, yes: str, kept: list[int]) -> None:
    table = SyncedTable(columns={"id": "id"}, deleted=["archived"])
    statements = MARKED.format(mark=mark, type=type, no=no, yes=yes)
    assert read(table, statements, tool) == [(str(key),) for key in kept]


def test_a_table_that_others_refer_to_keeps_what_was_deleted_but_no_earlier_versions() -> None:
    table = SyncedTable(columns={"id": "id"}, keeps_deleted=True)
    assert len(read(table, MARKED.format(mark="_fivetran_deleted", type="boolean", no="false", yes="true"))) == 3
    assert len(read(table, MARKED.format(mark="_fivetran_active", type="boolean", no="true", yes="false"))) == 2


def test_everything_is_text_times_in_utc_whatever_types_and_names_the_tool_gave() -> None:
    table = SyncedTable.model_validate({
        "columns": {"id": "deal_id", "created": "created_at", "local": "changed_at", "won": "won", "amount": "amount"},
        "optional": {"day": "day", "missing": "not_there", "since": "since", "country": "address.country",
                     "said": "said"},
        "times": ["since", "said"],
    })  # fmt: skip
    statements = (
        "set timezone = 'America/New_York'; "
        'create table deals ("DealId" bigint, "createdAt" timestamptz, changedat timestamp, won boolean, '
        "amount decimal(12, 2), day date, since bigint, address json, said varchar); "
        "insert into deals values (7, '2025-03-01 23:30:00-05', '2025-03-01 10:00:00.5', true, 10.50, '2025-03-01', "
        """1740823200, '{"country": "PL"}', '2025-03-01 10:00:00')"""
    )
    columns = "id, created, local, won, amount, day, missing, since, country, said"
    assert read(table, statements, columns=columns) == [
        ("7", "2025-03-02 04:30:00+00:00", "2025-03-01 10:00:00.5+00:00", "true", "10.50", "2025-03-01", None,
         "2025-03-01 10:00:00+00:00", "PL", "2025-03-01 10:00:00+00:00"),
    ]  # fmt: skip


def test_a_row_for_each_element_of_a_json_list() -> None:
    table = SyncedTable.model_validate({"each": "lines", "columns": {"id": "id", "sku": "each.sku", "all": "each"}})
    statements = """create table deals (id int, lines json);
        insert into deals values (1, '[{"sku": "a"}, {"sku": "b", "n": 2}]'), (2, '[]'), (3, null)"""
    assert read(table, statements, columns="id, sku") == [("1", "a"), ("1", "b")]
    names = SyncedTable.model_validate({"each": "lines", "columns": {"name": "each"}})
    listed = """create table deals (id int, lines json); insert into deals values (1, '["x", 7]')"""
    assert read(names, listed, columns="name") == [("7",), ("x",)]


def test_a_table_without_required_columns_may_be_missing() -> None:
    assert read(SyncedTable(optional={"id": "id"}), "create table others (id int)") == []


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database with an incomplete sync of Salesforce, whose address is in URL."""
    path = tmp_path / "synced.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema salesforce; create table salesforce.lead (id varchar, owner_id varchar)")
    monkeypatch.setenv("URL", f"duckdb:///{path}")
    return path


def refusal(folder: Path, table: str, switch: str = "{by: fivetran, connection_env: URL}") -> str:
    """What is said when a table of Salesforce is fetched."""
    settings = settings_with(folder, switch)
    [source] = enabled_sources(settings)
    with pytest.raises((DeliveryError, ConfigError)) as refused:
        fetch(source, table, source.tables[table], DAY, settings)
    return str(refused.value)


@pytest.mark.usefixtures("database")
def test_what_the_database_lacks_is_named_with_what_it_has_and_the_next_step(tmp_path: Path) -> None:
    assert refusal(tmp_path, "leads") == (
        "salesforce.leads: the table 'lead' of Fivetran lacks created_date, system_modstamp. It has: id, owner_id. "
        "Have Fivetran sync what is missing."
    )
    assert re.fullmatch(
        r"salesforce\.opportunities: the table 'opportunity' of Fivetran is not in the schema 'salesforce', which has: "
        r"lead\. Have Fivetran sync it, or correct `schema` or `prefix` .*`without: \[opportunities\]` there\.",
        refusal(tmp_path, "opportunities"),
    )
    assert "the schema 'crm' has no tables" in refusal(
        tmp_path, "leads", "{by: fivetran, connection_env: URL, schema: crm}"
    )
    assert "the table 'sf_lead'" in refusal(tmp_path, "leads", "{by: fivetran, connection_env: URL, prefix: sf_}")
    assert "`connection_env` names the environment variable NONE, which is not set" in refusal(
        tmp_path, "leads", "{by: fivetran, connection_env: NONE}"
    )


@pytest.mark.usefixtures("database")
def test_an_object_that_is_not_synced_is_left_out_on_request(tmp_path: Path) -> None:
    settings = settings_with(tmp_path, "{by: fivetran, connection_env: URL, without: [users]}")
    [source] = enabled_sources(settings)
    assert fetch(source, "users", source.tables["users"], DAY, settings) is None


def test_every_tool_has_a_name() -> None:
    assert {tool: traits.name for tool, traits in SYNC_TOOLS.items()} == {
        "fivetran": "Fivetran", "airbyte": "Airbyte", "dlt": "dlt",
    }  # fmt: skip
