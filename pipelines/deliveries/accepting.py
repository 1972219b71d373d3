"""Records a person's decision about a delivery that was rejected or that never arrived.

Belongs here: what can be decided, and recording the decision.
Does not belong here: arguments and printing (`cli/`), and what follows from a decision (`standing.py`).
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime

from pipelines.config_files import ConfigError
from pipelines.deliveries.standing import Delivery, Standing, content_of
from pipelines.deliveries.store import Acceptance
from pipelines.settings import Settings
from pipelines.sources import Source


def accept(
    settings: Settings,
    sources: Sequence[Source],
    source: str,
    table: str,
    day: date,
    *,
    by: str,
    reason: str,
    with_rows: bool = True,
) -> Delivery:
    """Accept a delivery as it is or, unless `with_rows`, go on without it; return the delivery in its new state.

    The decision is valid for the bytes that were delivered, and expires when a different file arrives.

    Raises:
        ConfigError: there is no such table, or nothing to decide.
    """
    if not reason.strip():
        raise ConfigError("Give a reason: --reason is stored with the decision and shown with the numbers.")
    owner = next((candidate for candidate in sources if candidate.name == source), None)
    if owner is None:
        raise ConfigError(
            f"No enabled source is called {source!r}. The enabled sources: {', '.join(s.name for s in sources)}."
        )
    if table not in owner.tables:
        raise ConfigError(f"{source} has no table {table!r}. Its tables: {', '.join(owner.tables)}.")
    standing = Standing(settings, sources)
    delivery = standing.of_table(source, table).get(day)
    if delivery is None:
        raise ConfigError(f"No delivery of {source}.{table} arrived or is missing on {day}; see kpi status.")
    if delivery.state in ("passed", "unjudged"):
        why = (
            "has passed its checks" if delivery.state == "passed" else f"has not been checked yet: kpi run --date {day}"
        )
        raise ConfigError(f"{delivery} {why}. There is nothing to accept.")
    standing.store.accept(
        Acceptance(
            source,
            table,
            day,
            content_of(settings, source, table, day),
            with_rows,
            by,
            reason.strip(),
            datetime.now(UTC).isoformat(timespec="seconds"),
        )
    )
    return Standing(settings, sources).of_table(source, table)[day]
