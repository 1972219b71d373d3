"""The dbt project of this installation: the shipped models, the user's own models, and the variables of both.

Belongs here: assembling the project, its variables and environment, and its manifest.
Does not belong here: Dagster assets (`assets.py`), and any SQL (`dbt_project/`).
"""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock

from pipelines.config_files import ConfigError, read_text
from pipelines.deliveries import complete_through
from pipelines.deliveries.model_inputs import ensure_files
from pipelines.runs.profiling import PARSING, measured
from pipelines.settings import PROJECT_DIR, Settings
from pipelines.sources import SHIPPED_DIR, Source, each_table
from pipelines.transform.dbt_runner import Invocation, invoke
from pipelines.transform.engines import engine

SHIPPED_PROJECT_DIR = PROJECT_DIR / "dbt_project"
# What the pipeline's own builds leave to the test suite: unit tests, and generic tests in the YAML of shipped models,
# which document what the suites check in every run.
LEFT_TO_TESTS = ["--exclude-resource-type", "unit_test"]
LEFT_TO_TESTS += ["--exclude", "test_type:generic,path:models", "test_type:generic,path:seeds"]
DBT = Path(sys.executable).with_name("dbt")  # the one in this environment, even if it is not on the PATH


def assemble_project(settings: Settings) -> Path:
    """Assemble a dbt project folder that links to the shipped project and the user's own models; return its path.

    Links, unlike copies, make edits of a model effective immediately. dbt sees only the models of enabled sources:
    reading every model takes time, and the models of a draft have nothing to read yet.
    """
    project_dir = settings.dbt_target_dir / "project"
    project_dir.mkdir(parents=True, exist_ok=True)
    parts = {entry.name: entry for entry in SHIPPED_PROJECT_DIR.iterdir() if entry.name not in ("target", "logs")}
    parts["company"] = settings.company_dir / "models"
    for link in project_dir.iterdir():
        if link.is_symlink():
            if link.name not in parts or link.readlink() != parts[link.name]:
                link.unlink()
        elif link.name in parts:  # a copy, which a backup makes of a link: edits would have no effect
            shutil.rmtree(link) if link.is_dir() else link.unlink(missing_ok=True)
    for name, part in parts.items():
        link = project_dir / name
        if part.exists() and not link.is_symlink():
            with suppress(FileExistsError):  # another process has just made it
                link.symlink_to(part)
    described = {
        path.stem for folder in (SHIPPED_DIR, settings.company_dir / "sources") for path in folder.glob("*.yml")
    }
    unused = [
        f"{root}/staging/{name}/\n"
        for name in sorted(described.difference(settings.sources))
        for root in ("models", "company")
    ]
    ignore = project_dir / ".dbtignore"
    if not ignore.exists() or ignore.read_text(encoding="utf-8") != "".join(unused):
        ignore.write_text("".join(unused), encoding="utf-8")  # rewriting it would make dbt parse the project again
    ensure_files(settings)
    return project_dir


def dbt_variables(settings: Settings, sources: Iterable[Source]) -> dict[str, object]:
    """The variables of the models. None changes from run to run, since dbt would then parse everything again."""
    sources = list(sources)
    entities: dict[str, list[str]] = {}
    monthly: dict[str, list[str]] = {}
    for source in sources:
        for entity in source.entities:
            entities.setdefault(entity, []).append(source.name)
        for entity in source.monthly_entities:
            monthly.setdefault(entity, []).append(source.name)
    return {
        "sources": [source.name for source in sources],
        "entities": entities,
        "monthly": monthly,
        "tables": {
            f"{source.name}.{name}": {
                "key": table.key,
                "key_is_whole_row": table.key_is_whole_row,
                "newest_by": table.newest_by,
                "deliveries": table.deliveries,
                "tombstone": table.tombstone,
            }
            for source, name, table in each_table(sources)
        },
        "time_zone": settings.time_zone,
        "date_formats": settings.date_formats,
        "reporting_currency": settings.reporting_currency,
        "fiscal_year_start_month": settings.fiscal_year_start_month,
        "excluded_order_statuses": settings.kpis.excluded_order_statuses,
        "won_stages": settings.kpis.won_stages,
        "lost_stages": settings.kpis.lost_stages,
        "small_sample": settings.kpis.small_sample,
        "active_days": settings.kpis.active_days,
        "programme_cost_types": settings.kpis.programme_cost_types,
        "cac_lag_months": settings.kpis.cac_lag_months,
    }


def dbt_environment(settings: Settings, as_of_date: date) -> dict[str, str]:
    """The environment variables that the project, its profile and the engine read.

    Raises:
        ConfigError: something that the engine needs is not installed.
    """
    return {
        "KPI_RAW_DIR": str(settings.raw_dir),
        "KPI_WAREHOUSE": str(settings.warehouse_path),
        "KPI_ENGINE": settings.engine,
        "KPI_AS_OF_DATE": str(as_of_date),
        "DBT_TARGET_PATH": str(settings.dbt_target_dir / "target"),
        "DBT_LOG_PATH": str(settings.dbt_target_dir / "logs"),
        **engine(settings.engine).environment(settings),
    }


def as_of_date(settings: Settings, sources: Sequence[Source]) -> date:
    """The last business date that counts: the setting, or else the newest day through which deliveries are complete."""
    return settings.as_of_date or complete_through(settings, sources) or settings.first_delivery


def dbt_command(arguments: list[str], project_dir: Path, variables: Mapping[str, object]) -> list[str]:
    """The command line that runs dbt on the assembled project. Options alone, like `--version`, are left as they are.

    The options that describe the project follow the subcommand, which may consist of two words.
    """
    words = 2 if arguments[:1] in (["docs"], ["source"]) else 1
    command, rest = arguments[:words], arguments[words:]
    if len(command) < words or any(word.startswith("-") for word in command):
        return [str(DBT), *arguments]
    return [
        *(str(DBT), *command),
        *("--project-dir", str(project_dir), "--profiles-dir", str(project_dir)),
        *("--vars", json.dumps(variables)),
        *rest,
    ]


def build_anew(settings: Settings, sources: Sequence[Source], as_of: date) -> Invocation:
    """Build every model from nothing, with the tests that belong to a run. Meant for a copy of the data folder."""
    build = ["build", "--full-refresh", *LEFT_TO_TESTS, "--log-level", "none", "--no-send-anonymous-usage-stats"]
    _, *arguments = dbt_command(build, assemble_project(settings), dbt_variables(settings, sources))
    return invoke(arguments, dbt_environment(settings, as_of))


def ensure_manifest(settings: Settings, sources: list[Source]) -> Path:
    """The project's `manifest.json`, parsed again if a model, macro, setting or source has changed since.

    Raises:
        ConfigError: dbt cannot parse the project; the message is dbt's own.
    """
    project_dir = assemble_project(settings)
    variables = dbt_variables(settings, sources)
    manifest = settings.dbt_target_dir / "target" / "manifest.json"
    parsed_from = _fingerprint(project_dir, variables, settings.engine)
    if not _is_of(manifest, parsed_from):
        manifest.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(manifest.with_name(".parsing.lock")):  # another process would read what this one is writing
            if not _is_of(manifest, parsed_from):
                _parse(settings, sources, project_dir, variables)
                _stamp(manifest).write_text(parsed_from)
    return manifest


def _is_of(manifest: Path, parsed_from: str) -> bool:
    """Whether the file is there, was not cut off, and was made from this."""
    stamp = _stamp(manifest)
    if not (manifest.exists() and stamp.exists()):
        return False
    return stamp.read_text() == parsed_from and manifest.read_bytes().endswith(b"}")


def _parse(settings: Settings, sources: list[Source], project_dir: Path, variables: Mapping[str, object]) -> None:
    settings.warehouse_path.parent.mkdir(parents=True, exist_ok=True)
    _, *arguments = dbt_command(["parse", "--quiet", "--log-level", "none"], project_dir, variables)
    with measured(PARSING):
        parsed = invoke(arguments, dbt_environment(settings, as_of_date(settings, sources)))
    if not parsed.succeeded:
        for file in sorted((settings.company_dir / "models").rglob("*.*")):
            if file.is_file():
                read_text(file)  # dbt does not say which file is in another encoding
        raise ConfigError(f"dbt cannot read the models:\n{parsed.error}")


def stamp_of(manifest: Path) -> str:
    """What `manifest` was parsed from, as a text that differs if the project, variables or dbt version differ."""
    return _stamp(manifest).read_text(encoding="utf-8")


def _stamp(manifest: Path) -> Path:
    return manifest.parent.with_name("parsed_from")


def _fingerprint(project_dir: Path, variables: Mapping[str, object], built_by: str) -> str:
    versions = [version(package) for package in ("dbt-core", "dbt-adapters", "duckdb", *engine(built_by).PACKAGES)]
    # dbt writes the paths of the data folder into the manifest.
    digest = hashlib.sha256(json.dumps([versions, variables, str(project_dir)], sort_keys=True).encode())
    digest.update(Path(__file__).with_name("customer_value.py").read_bytes())  # code of the Python model
    for folder, _, names in sorted(os.walk(project_dir, followlinks=True)):
        for name in sorted(names):  # times of files differ between the hosts of an installation
            file = Path(folder) / name
            digest.update(f"{file.relative_to(project_dir)} ".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
