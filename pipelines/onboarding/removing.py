"""`kpi sources remove`: takes a company's source out of the company folder again.

Belongs here: which files belong to a source, and moving them away. Does not belong here: what has landed of the source,
which stays in raw.
"""

import shutil
from datetime import datetime
from pathlib import Path

from pipelines.config_files import ConfigError
from pipelines.onboarding.installation import change_settings, is_changeable
from pipelines.settings import Settings, settings_file
from pipelines.sources import SHIPPED_DIR


def remove_source(settings: Settings, name: str, now: datetime) -> tuple[Path, list[Path]]:
    """Move the files of the company's source `name` to a folder of their own in the data folder: nothing is lost.

    The source is no longer enabled. Returns the folder, and the paths of the moved files in it, relative to the company
    folder as before.

    Raises:
        ConfigError: the company has no such source, or it is enabled by settings that a person has to change.
    """
    company = settings.company_dir
    files = _files_of(company, name) if name.isidentifier() else []  # a path like .. would be other files
    if not files:
        shipped = f" {name} is a source that the project ships." if (SHIPPED_DIR / f"{name}.yml").exists() else ""
        own = sorted(path.stem for path in (company / "sources").glob("*.yml"))
        known = f" It has: {', '.join(own)}." if own else ""
        raise ConfigError(f"{company} has no source {name!r}.{shipped}{known}")
    if name in settings.sources:
        rest = [source for source in settings.sources if source != name]
        if not is_changeable():
            raise ConfigError(
                f"{name} is enabled. First take it out of `sources` in the settings, which leaves "
                f"sources: [{', '.join(rest)}]."
            )
        change_settings(settings_file(), {"sources": rest})
    kept = settings.data_dir / "removed_sources" / f"{name}-{now:%Y%m%dT%H%M%SZ}"
    for file in files:
        place = kept / file.relative_to(company)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(file, place)  # the two folders may be on different disks
    folder = company / "models" / "staging" / name
    for empty in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
        empty.rmdir()
    if folder.exists():
        folder.rmdir()
    return kept, [file.relative_to(company) for file in files]


def _files_of(company: Path, name: str) -> list[Path]:
    """The source's YAML, its models, and the suites of its tables."""
    suites = company / "expectations"
    return sorted(
        path
        for path in (
            company / "sources" / f"{name}.yml",
            *(company / "models" / "staging" / name).rglob("*"),
            *suites.glob(f"raw/{name}__*.yml"),
            *suites.glob(f"staging/base_{name}__*.yml"),
            *suites.glob(f"staging/stg_{name}__*.yml"),
        )
        if path.is_file()
    )
