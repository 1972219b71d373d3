"""Prints the diagnosis of an installation."""

from rich.console import Console

from pipelines.operations.doctor import Diagnosis, Level

_STYLES: dict[Level, str] = {"ok": "green", "warn": "yellow", "fail": "red"}


def print_diagnosis(diagnosis: Diagnosis, console: Console) -> None:
    """Print a line for each finding, followed by the remedy if it needs one; the last line repeats the worst."""
    for found in diagnosis.found:
        first, *rest = found.said.splitlines() or [""]
        console.print(f"{found.level:<5}{found.topic}: {first}", markup=False, style=_STYLES[found.level])
        for line in [*rest, *([f"-> {found.remedy}"] if found.remedy else [])]:
            console.print(f"     {line}", markup=False)
    counted = {level: sum(found.level == level for found in diagnosis.found) for level in _STYLES}
    if counted["fail"] or counted["warn"]:
        console.print(f"{counted['fail']} failed, {counted['warn']} with a warning, {counted['ok']} ok.")
    else:
        console.print(f"All {counted['ok']} are ok.")
