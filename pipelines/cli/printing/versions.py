"""Prints the publications that are kept."""

from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import Console

from pipelines.formatting import local_time
from pipelines.publish.versions import versions


def print_versions(published_dir: Path, zone: ZoneInfo, as_json: bool, console: Console) -> None:
    """The publications that are kept, newest first."""
    kept = versions(published_dir)
    if as_json:
        records = [
            {
                "publication_id": version.publication_id,
                "as_of_date": str(version.as_of_date),
                "published_at": version.published_at.replace(tzinfo=UTC).isoformat(),
                "run_id": version.run_id,
                "is_current": version.is_current,
            }
            for version in kept
        ]
        console.print_json(data=records)
        return
    if not kept:
        console.print("Nothing has been published yet. Run `kpi run` first.", markup=False)
    for version in kept:
        when = local_time(version.published_at, zone)
        mark = "  <- analysts read this one" if version.is_current else ""
        console.print(f"{version.publication_id}  as of {version.as_of_date}  published {when}{mark}", markup=False)
