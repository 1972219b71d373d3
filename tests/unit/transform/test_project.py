"""The variables and arguments that dbt gets, and that a user's models coexist with the shipped ones."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from threading import Event

import pytest

from pipelines.config_files import ConfigError
from pipelines.settings import Settings
from pipelines.sources import enabled_sources
from pipelines.transform import project
from pipelines.transform.assets import build_arguments, opening_comment
from pipelines.transform.dbt_runner import Invocation
from pipelines.transform.project import DBT, as_of_date, assemble_project, dbt_command, dbt_variables, ensure_manifest


def settings_in(folder: Path, **changes: object) -> Settings:
    return Settings.model_validate(
        {
            "sources": ["shop", "crm"],
            "company_dir": folder / "company",
            "first_delivery": date(2025, 1, 1),
            "time_zone": "UTC",
            "reporting_currency": "EUR",
            "data_dir": folder / "data",
            **changes,
        }
    )


def test_the_project_links_shipped_and_own_models_and_forgets_what_is_gone(tmp_path: Path) -> None:
    own = tmp_path / "company" / "models"
    own.mkdir(parents=True)
    settings = settings_in(tmp_path)
    project = assemble_project(settings)
    assert (project / "company").readlink() == own
    assert (project / "models" / "marts" / "scorecard" / "kpi_scorecard__monthly.sql").exists()
    own.rename(tmp_path / "elsewhere")
    assert assemble_project(settings_in(tmp_path, company_dir=tmp_path / "nothing")) == project
    assert not (project / "company").is_symlink()


def test_where_a_backup_left_copies_the_project_links_again(tmp_path: Path) -> None:
    own = tmp_path / "company" / "models" / "own.sql"
    own.parent.mkdir(parents=True)
    own.write_text("select 1 as n")
    assemble_project(settings_in(tmp_path))
    shutil.copytree(tmp_path / "data", tmp_path / "restored")  # which follows links
    own.write_text("select 2 as n")
    project = assemble_project(settings_in(tmp_path, data_dir=tmp_path / "restored"))
    assert (project / "company" / "own.sql").read_text() == "select 2 as n"
    assert (project / "dbt_project.yml").is_symlink()


def test_a_model_in_another_encoding_is_named_where_dbt_names_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "company" / "models" / "own.sql"
    model.parent.mkdir(parents=True)
    model.write_bytes("select 1 as n\n-- żółw".encode("cp1250"))
    monkeypatch.setattr(project, "invoke", lambda *_: Invocation(False, (), (), "'utf-8' codec can't decode byte 0xbf"))
    settings = settings_in(tmp_path)
    with pytest.raises(ConfigError, match=r"own\.sql:2: is not UTF-8 text\. Save it as UTF-8\."):
        ensure_manifest(settings, enabled_sources(settings))


def test_a_manifest_that_was_cut_off_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, parsed = settings_in(tmp_path), []
    manifest = settings.dbt_target_dir / "target" / "manifest.json"

    def parse(*_: object) -> Invocation:
        parsed.append(True)
        manifest.parent.mkdir(parents=True, exist_ok=True)
        manifest.write_text('{"nodes": {}}')
        return Invocation(True, (), (), "")

    monkeypatch.setattr(project, "invoke", parse)
    for content in ('{"nodes": {}}', '{"nod', ""):
        ensure_manifest(settings, enabled_sources(settings))
        manifest.write_text(content)
    ensure_manifest(settings, enabled_sources(settings))
    assert len(parsed) == 3


def test_commands_that_begin_at_once_parse_once_and_read_no_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, parsed, parsing, go_on = settings_in(tmp_path), [], Event(), Event()

    def parse(*_: object) -> Invocation:
        parsed.append(True)
        manifest = settings.dbt_target_dir / "target" / "manifest.json"
        manifest.write_text('{"nodes"')
        parsing.set()
        go_on.wait()
        manifest.write_text('{"nodes": {}}')
        return Invocation(True, (), (), "")

    def read() -> str:
        return ensure_manifest(settings, enabled_sources(settings)).read_text()

    monkeypatch.setattr(project, "invoke", parse)
    with ThreadPoolExecutor() as commands:
        first = commands.submit(read)
        parsing.wait()
        second = commands.submit(read)
        go_on.set()
    assert [first.result(), second.result(), len(parsed)] == ['{"nodes": {}}', '{"nodes": {}}', 1]


def test_hosts_with_the_same_project_agree_on_what_it_was_parsed_from(tmp_path: Path) -> None:
    """When its files were written differs between them, but not where they are: the manifest contains paths."""
    model = tmp_path / "models" / "own.sql"
    model.parent.mkdir(parents=True)
    model.write_text("select 1 as n")
    one = project._fingerprint(tmp_path, {}, "duckdb")
    os.utime(model, (0, 0))
    assert project._fingerprint(tmp_path, {}, "duckdb") == one
    model.write_text("select 2 as n")
    assert project._fingerprint(tmp_path, {}, "duckdb") != one
    shutil.copytree(tmp_path / "models", tmp_path / "copy" / "models")
    copied = project._fingerprint(tmp_path / "copy", {}, "duckdb")
    shutil.rmtree(tmp_path / "copy")
    assert copied != project._fingerprint(tmp_path, {}, "duckdb")


def test_variables_say_which_source_delivers_which_entity_and_by_which_key(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    variables = dbt_variables(settings, enabled_sources(settings))
    assert variables["sources"] == ["shop", "crm"]
    assert variables["entities"]["orders"] == ["shop"]  # type: ignore[index]
    assert variables["monthly"] == {}
    assert variables["tables"]["shop.orders"] == {  # type: ignore[index]
        "key": ["order_id"],
        "key_is_whole_row": False,
        "newest_by": ["updated_at"],
        "deliveries": "changes",
        "tombstone": None,
    }


def test_the_as_of_date_is_the_setting_else_the_newest_day_that_is_complete(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    sources = enabled_sources(settings)
    assert as_of_date(settings, sources) == date(2025, 1, 1)
    for day in ("2025-01-03", "2025-01-04", "2025-01-06"):
        file = settings.raw_dir / "crm" / "leads" / f"delivered_on={day}" / "rows.parquet"
        file.parent.mkdir(parents=True)
        file.touch()
    assert as_of_date(settings, sources) == date(2025, 1, 4)
    assert as_of_date(settings_in(tmp_path, as_of_date=date(2024, 12, 31)), sources) == date(2024, 12, 31)


def test_a_build_leaves_unit_tests_to_the_test_suite() -> None:
    arguments = build_arguments(Path("step"), full_refresh=False)
    assert arguments == [
        *("build", "--exclude-resource-type", "unit_test", "--no-send-anonymous-usage-stats", "--no-write-json"),
        *("--target-path", "step", "--log-path", "step", "--log-level-file", "info"),
    ]
    assert build_arguments(Path("step"), full_refresh=True) == [*arguments, "--full-refresh"]


@pytest.mark.parametrize(
    ("arguments", "before", "after"),
    [
        (["test", "--select", "a"], ["test"], ["--select", "a"]),
        (["docs", "generate", "--static"], ["docs", "generate"], ["--static"]),
        (["source", "freshness"], ["source", "freshness"], []),
    ],
)
def test_dbt_is_told_of_the_project_behind_its_subcommand(
    tmp_path: Path, arguments: list[str], before: list[str], after: list[str]
) -> None:
    _, *command = dbt_command(arguments, tmp_path, {"a": 1})
    options = ["--project-dir", str(tmp_path), "--profiles-dir", str(tmp_path), "--vars", '{"a": 1}']
    assert command == [*before, *options, *after]


@pytest.mark.parametrize("arguments", [[], ["--version"], ["docs"], ["docs", "--help"]])
def test_dbt_without_a_whole_subcommand_says_what_there_is(tmp_path: Path, arguments: list[str]) -> None:
    assert dbt_command(arguments, tmp_path, {}) == [str(DBT), *arguments]


def test_a_test_is_described_by_the_comment_it_opens_with() -> None:
    assert opening_comment("-- A failure means\n-- that rows were lost.\nselect 1 -- not this") == (
        "A failure means that rows were lost."
    )
    assert opening_comment("select 1") == ""
