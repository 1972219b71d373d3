"""Prints the publications that are kept, and in what two of them differ."""

from collections.abc import Iterator
from datetime import UTC
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
from rich.console import Console

from pipelines.answers.differences import Totals, differences, totals
from pipelines.cli.printing.differences import print_differences, write_cells
from pipelines.damage import REPAIR, damage_of_duckdb
from pipelines.formatting import counted, local_time
from pipelines.output import Format, Target
from pipelines.publish.versions import (
    Version,
    current_version,
    file_of,
    unreadable_versions,
    version_before,
    version_named,
    versions,
)


def print_versions(published_dir: Path, zone: ZoneInfo, as_json: bool, console: Console) -> None:
    """The publications that are kept, newest first, and how many cells of the scorecard each of them changed."""
    kept = versions(published_dir)
    damaged = {version: why for version in kept if (why := damage_of_duckdb(file_of(published_dir, version)))}
    changes = dict(_changes(published_dir, [version for version in kept if version not in damaged]))
    if as_json:
        console.print_json(data=[_record(version, changes.get(version)) for version in kept])
        return
    for folder in unreadable_versions(published_dir):
        console.print(f"{folder.name}  cannot be read: {REPAIR}", markup=False)
    if not kept:
        console.print("Nothing has been published yet. Run `kpi run` first.", markup=False)
    for version in kept:
        when = local_time(version.published_at, zone)
        changed = f"  {_in_words(changes[version])}" if version in changes else ""
        changed += f"  its file cannot be read: {REPAIR}" if version in damaged else ""
        mark = "  <- analysts read this one" if version.is_current else ""
        line = f"{version.publication_id}  as of {version.as_of_date}  published {when}{changed}{mark}"
        console.print(line, markup=False)


def _changes(published_dir: Path, kept: list[Version]) -> Iterator[tuple[Version, Totals]]:
    """What each publication changed of the one before it, as far as both have a scorecard."""
    for version, before in pairwise(kept):
        try:
            yield version, totals(file_of(published_dir, before), file_of(published_dir, version))
        except duckdb.CatalogException:  # an earlier version made one of them, without this scorecard
            continue


def _record(version: Version, changed: Totals | None) -> dict[str, object]:
    return {
        "publication_id": version.publication_id,
        "as_of_date": str(version.as_of_date),
        "published_at": version.published_at.replace(tzinfo=UTC).isoformat(),
        "run_id": version.run_id,
        "is_current": version.is_current,
        "cells_changed": changed and changed.changed,
        "cells_created": changed and changed.created,
        "cells_gone": changed and changed.gone,
        "definitions_changed": changed and changed.definitions,
    }


def _in_words(changed: Totals) -> str:
    """`1,204 cells changed, 310 created, 2 gone, 3 measures defined differently`."""
    parts = [f"{counted(changed.changed, 'cell')} changed", f"{changed.created:,} created", f"{changed.gone:,} gone"]
    if changed.definitions:
        parts.append(f"{counted(changed.definitions, 'measure')} defined differently")
    return ", ".join(parts)


def print_diff(
    published_dir: Path,
    zone: ZoneInfo,
    ids: tuple[str | None, str | None],
    kpi_id: str | None,
    target: Target,
    console: Console,
) -> bool:
    """Print the cells in which two publications differ, by default the current one from the one before it.

    Returns:
        Whether they differ.

    Raises:
        NotPublishedError: nothing has been published yet.
        NoSuchVersionError: an id matches no publication, or more than one, or there is none before the current one.
        QuestionError: neither publication has such a KPI.
        UsageError: the file cannot be written.
    """
    first, second = ids
    after = version_named(published_dir, second) if second else current_version(published_dir)
    before = version_named(published_dir, first) if first else version_before(published_dir)
    found = differences(file_of(published_dir, before), file_of(published_dir, after), kpi_id)
    if target.form is not Format.table:
        write_cells(found, target)
        return bool(found)
    for name, version in (("before", before), ("after ", after)):
        when = local_time(version.published_at, zone)
        console.print(f"{name}  {version.publication_id}  as of {version.as_of_date}  published {when}", markup=False)
    print_differences(found, console)
    if not found:
        console.print(f"No cell of {kpi_id or 'the scorecard'} differs.", markup=False)
    return bool(found)
