"""Settings and sources: valid files are read, and mistakes are reported with file and line."""

import codecs
import re
from datetime import date
from pathlib import Path

import pytest

from pipelines.config_files import ConfigError
from pipelines.settings import at_ports, load_settings, remember_addresses
from pipelines.sources import Source, enabled_sources, load_sources, sources_named

SETTINGS = """\
sources: [own]
company_dir: .
first_delivery: 2025-01-01
time_zone: Europe/Warsaw
reporting_currency: EUR
"""

SOURCE = """\
description: Our shop.
connector: files
owner: team:commerce
sla: "06:00"
entities: [orders]
tables:
  orders:
    description: Orders.
    path: own/orders_{delivered_on}.csv
    format: csv
    columns: [id, ordered_at]
    key: [id]
"""


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KPI_CONFIG", "KPI_TIME_ZONE", "KPI_SOURCES", "KPI_ENVIRONMENT", "KPI_SCHEDULE", "DATA_DIR"):
        monkeypatch.delenv(name, raising=False)


def settings_file(folder: Path, text: str = SETTINGS) -> Path:
    path = folder / "kpi.yml"
    path.write_text(text)
    return path


def source_in(folder: Path, text: str) -> Source:
    (folder / "sources").mkdir(exist_ok=True)
    (folder / "sources" / "own.yml").write_text(text)
    return load_sources(["own"], folder)[0]


def test_paths_count_from_the_settings_files_folder(tmp_path: Path) -> None:
    settings = load_settings(settings_file(tmp_path))
    assert settings.data_dir == tmp_path / "data"
    assert settings.company_dir == tmp_path
    assert settings.first_delivery == date(2025, 1, 1)


def test_the_environment_overrides_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KPI_TIME_ZONE", "UTC")
    monkeypatch.setenv("KPI_SOURCES", "a, b")
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "elsewhere"))
    settings = load_settings(settings_file(tmp_path))
    assert (settings.time_zone, settings.sources) == ("UTC", ["a", "b"])
    assert settings.raw_dir == tmp_path / "elsewhere" / "raw"


@pytest.mark.parametrize(
    ("line", "replacement", "message"),
    [
        ("time_zone: Europe/Warsaw", "time_zone: Mars/One", r"kpi.yml:4: time_zone: no time zone is called 'Mars/One'"),
        ("sources: [own]", "sauces: [own]", r"kpi.yml:1: sauces: unknown key"),
        ("reporting_currency: EUR", "reporting_currency: euros", r"kpi.yml:5: reporting_currency: "),
        ("first_delivery: 2025-01-01", "", r"kpi.yml:1: first_delivery: missing"),
        ("time_zone: Europe/Warsaw", "kpis:\n  small_sample: few", r"kpi.yml:5: kpis.small_sample: "),
        ("sources: [own]", "sources: [own", r"kpi.yml:2: not valid YAML"),
        (
            "first_delivery: 2025-01-01",
            "first_delivery: 2025-13-41",
            r"kpi.yml:\d: not valid YAML: 2025-13-41 is not a date",
        ),
    ],
)
def test_a_wrong_setting_is_named_with_file_and_line(tmp_path: Path, line: str, replacement: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_settings(settings_file(tmp_path, SETTINGS.replace(line, replacement)))


@pytest.mark.parametrize("sla", ['"29:59"', '"24:00"', '"12:60"', '"6:00"', "noon", "06:00:00", "1.5"])
def test_a_time_that_does_not_exist_is_refused(tmp_path: Path, sla: str) -> None:
    with pytest.raises(ConfigError, match=r'own.yml:4: sla: expected a time of day in quotes, like "08:00"'):
        source_in(tmp_path, SOURCE.replace('"06:00"', sla))


def test_a_time_without_quotes_is_one(tmp_path: Path) -> None:
    assert source_in(tmp_path, SOURCE.replace('"06:00"', "18:30")).sla == "18:30"


def test_a_wrong_environment_variable_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KPI_ENVIRONMENT", "prod")
    with pytest.raises(ConfigError, match=r"environment variable KPI_ENVIRONMENT: .*'production'"):
        load_settings(settings_file(tmp_path))


def test_an_environment_variable_that_is_no_json_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KPI_KPIS", "{")
    with pytest.raises(ConfigError, match="environment variable KPI_KPIS: is not valid JSON"):
        load_settings(settings_file(tmp_path))


def test_a_settings_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_settings(tmp_path)
    binary = settings_file(tmp_path)
    for content, said in {
        SETTINGS.encode("utf-16"): "kpi.yml:1: is not UTF-8 text but UTF-16. Save it as UTF-8.",
        SETTINGS.encode() + "# żółw".encode("cp1250"): "kpi.yml:6: is not UTF-8 text. Save it as UTF-8.",
        SETTINGS.encode() + b"kpis:\n\tsmall_sample: 3\n": "kpi.yml:7: not valid YAML: a tab begins the line.",
        SETTINGS.encode() + b"\0": "kpi.yml:6: not valid YAML: it contains the character 0x0. Remove it.",
    }.items():
        binary.write_bytes(content)
        with pytest.raises(ConfigError, match=re.escape(said)):
            load_settings(binary)
    binary.write_bytes(codecs.BOM_UTF8 + SETTINGS.encode())
    assert load_settings(binary).time_zone == "Europe/Warsaw"


def test_words_of_libraries_are_left_out(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as wrong:
        load_settings(settings_file(tmp_path, SETTINGS.replace("Europe/Warsaw", "Mars/One")))
    assert "error" not in str(wrong.value).lower()


def test_a_wrong_address_of_data_docs_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"kpi.yml:6: data_docs_url: 'docs.example.com' is not a web address like"):
        load_settings(settings_file(tmp_path, SETTINGS + "data_docs_url: docs.example.com\n"))
    settings = load_settings(settings_file(tmp_path, SETTINGS + "data_docs_url: https://docs.example.com/\n"))
    assert settings.data_docs_url == "https://docs.example.com"


def test_links_lead_to_where_the_ui_was_last_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KPI_CONFIG", str(settings_file(tmp_path)))
    assert load_settings().ui_url == "http://127.0.0.1:3000"
    remember_addresses(at_ports(load_settings(), 3100, 3101))
    settings = load_settings()
    assert (settings.ui_url, settings.data_docs_url) == ("http://127.0.0.1:3100", "http://127.0.0.1:3101")


def test_links_lead_to_where_the_settings_say_whatever_port_the_ui_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = settings_file(tmp_path, SETTINGS + "ui_url: https://dagster.example.com\n")
    monkeypatch.setenv("KPI_CONFIG", str(file))
    remember_addresses(at_ports(load_settings(), 3100, 3101))
    settings = load_settings()
    assert (settings.ui_url, settings.data_docs_url) == ("https://dagster.example.com", "http://127.0.0.1:3101")


def test_a_half_written_note_of_where_the_ui_is_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KPI_CONFIG", str(settings_file(tmp_path)))
    remember_addresses(load_settings())
    (load_settings().dagster_home / "addresses.json").write_text('{"ui_url"')
    assert load_settings().ui_url == "http://127.0.0.1:3000"


def test_deliveries_that_end_before_they_begin_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"last_delivery \(2024-12-31\) is before first_delivery \(2025-01-01\)"):
        load_settings(settings_file(tmp_path, SETTINGS + "last_delivery: 2024-12-31\n"))


def test_a_stage_that_wins_and_loses_deals_is_refused(tmp_path: Path) -> None:
    stages = "kpis: {won_stages: [Signed], lost_stages: [Rejected, ' signed']}\n"
    with pytest.raises(ConfigError, match=r"kpis: ' signed' is in won_stages and in lost_stages\. Remove it from one"):
        load_settings(settings_file(tmp_path, SETTINGS + stages))


@pytest.mark.parametrize("formats", ["{salesforce: yy/mm/dd}", "{hubspot: dd.mm.yyyy}"])
def test_a_date_format_that_no_export_has_is_refused(tmp_path: Path, formats: str) -> None:
    with pytest.raises(ConfigError, match=r"kpi\.yml:6: date_formats"):
        load_settings(settings_file(tmp_path, SETTINGS + f"date_formats: {formats}\n"))


def test_a_missing_settings_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yml: no such file"):
        load_settings(tmp_path / "nowhere.yml")


def test_a_users_source_stands_beside_the_shipped_ones(tmp_path: Path) -> None:
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "own.yml").write_text(SOURCE)
    assert [source.name for source in load_sources(["shop", "own"], tmp_path)] == ["shop", "own"]


@pytest.mark.parametrize(
    ("part", "replacement", "message"),
    [
        ("    key: [id]", "    keys: [id]", r"own.yml:12: tables.orders.keys: unknown key"),
        ("    path: own/orders_{delivered_on}.csv\n", "", r"own.yml:7: tables.orders.path: missing"),
        ("{delivered_on}", "today", r"own.yml:9: tables.orders.path: the pattern has no {delivered_on}"),
        ("own/orders_", "../../etc/orders_", r"own.yml:9: tables.orders.path: the pattern leads out of the landing"),
        ("key: [id]", "key: [number]", r"own.yml:7: tables.orders: 'number' is not one of the columns"),
        ("format: csv", "format: xml", r"own.yml:10: tables.orders.format: "),
        ("owner: team:commerce", "owner: somebody", r"own.yml:3: owner: "),
    ],
)
def test_a_wrong_source_is_named_with_file_and_line(tmp_path: Path, part: str, replacement: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        source_in(tmp_path, SOURCE.replace(part, replacement))


def test_the_settings_say_which_tables_are_delivered_as_a_whole(tmp_path: Path) -> None:
    text = SETTINGS.replace("[own]", "[pipedrive, hubspot]") + "snapshots: [hubspot.deals, salesforce.leads]\n"
    settings = load_settings(settings_file(tmp_path, text))
    tables = {
        f"{source.name}.{name}": table.deliveries
        for source in enabled_sources(settings)
        for name, table in source.tables.items()
    }
    assert tables == {"pipedrive.deals": "changes", "hubspot.contacts": "changes", "hubspot.deals": "snapshot"}
    [salesforce] = sources_named(["salesforce"], settings)  # not enabled, but tried
    assert salesforce.tables["leads"].deliveries == "snapshot"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hubspot.deal", r"snapshots: 'hubspot\.deal' is not a delivered table\. The tables are: hubspot\.contacts, h"),
        ("hubspot", r"snapshots: 'hubspot' is not a delivered table"),
        ("hubpsot.deals", r"'hubpsot' has no file"),
    ],
)
def test_a_snapshot_of_an_unknown_table_is_refused(tmp_path: Path, name: str, message: str) -> None:
    text = SETTINGS.replace("[own]", "[hubspot]") + f"snapshots: [{name}]\n"
    with pytest.raises(ConfigError, match=message):
        enabled_sources(load_settings(settings_file(tmp_path, text)))


def test_an_unknown_source_lists_the_shipped_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'stock' has no file.*shop"):
        load_sources(["stock"], tmp_path)


def test_a_users_source_cannot_quietly_replace_a_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "shop.yml").write_text(SOURCE)
    with pytest.raises(ConfigError, match="'shop' is the name of a shipped source"):
        load_sources(["shop"], tmp_path)


@pytest.mark.parametrize(
    ("lines", "started_by"),
    [
        ("", "none"),
        ("environment: production\n", "daemon"),
        ("environment: production\nschedule: cron\n", "cron"),
        ("environment: production\nschedule: none\n", "none"),
        ("schedule: daemon\n", "daemon"),
    ],
    ids=["by default", "in production", "cron in production", "a person in production", "the daemon anywhere"],
)
def test_what_starts_the_daily_run(tmp_path: Path, lines: str, started_by: str) -> None:
    (tmp_path / "kpi.yml").write_text(SETTINGS + lines)
    assert load_settings(tmp_path / "kpi.yml").started_by == started_by


def test_costs_come_by_the_month_and_ad_spend_by_the_day_unless_a_source_says_otherwise(tmp_path: Path) -> None:
    (tmp_path / "sources").mkdir()
    both = SOURCE.replace("entities: [orders]", "entities: [orders, ad_spend, sales_marketing_costs]")
    other = "rhythm: {ad_spend: monthly, sales_marketing_costs: daily}\n"
    (tmp_path / "sources" / "usual.yml").write_text(both)
    (tmp_path / "sources" / "other.yml").write_text(both + other)
    usual, unusual = load_sources(["usual", "other"], tmp_path)
    assert usual.monthly_entities == ["sales_marketing_costs"]
    assert unusual.monthly_entities == ["ad_spend"]


def test_the_rhythm_of_what_a_source_does_not_deliver_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "rhythmic.yml").write_text(SOURCE + "rhythm: {ad_spend: monthly}\n")
    with pytest.raises(ConfigError, match="`rhythm` names ad_spend, which `entities` does not list"):
        load_sources(["rhythmic"], tmp_path)


DATABASE = SETTINGS + "database_env: KPI_DATABASE\n"


def test_the_url_of_the_database_is_in_an_environment_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KPI_DATABASE", " postgresql://kpi:p%40ss@db.example.com:5432/kpi?sslmode=require\n")
    settings = load_settings(settings_file(tmp_path, DATABASE))
    assert settings.database_url == "postgresql://kpi:p%40ss@db.example.com:5432/kpi?sslmode=require"
    assert settings.with_data_dir(tmp_path / "copy").database_url is None
    assert load_settings(settings_file(tmp_path)).database_url is None


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://kpi:p@ss/word@db.example.com:5432/kpi",
        "postgresql://kpi:12/word@db.example.com:5432/kpi",
        "postgresql://kpi:p@ssword@db.example.com:5432/kpi",
        "postgresql://kpi:password@db.example.com:5432",
        "postgresql:///kpi?password=password",
        "mysql://kpi:password@db.example.com/kpi",
        "postgresql+psycopg://kpi:password@db.example.com/kpi",
        "host=db.example.com dbname=kpi password=password",
        "password",
    ],
)
def test_a_wrong_url_of_the_database_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("KPI_DATABASE", url)
    settings = load_settings(settings_file(tmp_path, DATABASE))
    with pytest.raises(ConfigError, match="the environment variable KPI_DATABASE is not the URL of a") as wrong:
        _ = settings.database_url
    said = str(wrong.value).replace("postgresql://user:password@host:5432/kpi", "").replace("user and password", "")
    assert "word" not in said
    assert "db.example.com" not in said


def test_a_variable_that_is_not_set_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KPI_DATABASE", "  ")
    with pytest.raises(ConfigError, match="database_env: the environment variable KPI_DATABASE is not set"):
        _ = load_settings(settings_file(tmp_path, DATABASE)).database_url
    with pytest.raises(ConfigError, match=r"kpi.yml:6: database_env: .*"):
        load_settings(settings_file(tmp_path, SETTINGS + "database_env: postgresql://me:secret@db/kpi\n"))


def test_packages_for_the_database_that_are_missing_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KPI_DATABASE", "postgresql://kpi@db.example.com/kpi")
    monkeypatch.setattr("pipelines.settings.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=re.escape("pip install '.[hosts]'")):
        _ = load_settings(settings_file(tmp_path, DATABASE)).database_url
