"""Prints where the time of a run went."""

from rich.console import Console
from rich.table import Table

from pipelines.runs.profiling import Profile

_MODELS_SHOWN = 10


def print_profile(profile: Profile, console: Console) -> None:
    """Print the stages with their costs, the most expensive first, and the models that took longest."""
    total = profile.total()
    grid = Table("Stage", title="Where the time went", title_justify="left")
    for column in ("CPU s", "share", "wall s"):
        grid.add_column(column, justify="right")
    for stage, cost in sorted(profile.stages.items(), key=lambda item: -item[1].cpu):
        grid.add_row(stage, f"{cost.cpu:.1f}", f"{100 * cost.cpu / total.cpu:.0f} %", f"{cost.wall:.1f}")
    grid.add_section()
    grid.add_row("whole command", f"{total.cpu:.1f}", "", f"{total.wall:.1f}")
    console.print(grid)
    if profile.models:
        longest = sorted(profile.models.items(), key=lambda item: -item[1])[:_MODELS_SHOWN]
        models = Table("dbt model or test", title="Slowest models and tests", title_justify="left")
        models.add_column("wall s", justify="right")
        for name, seconds in longest:
            models.add_row(name, f"{seconds:.2f}")
        console.print(models)
