"""Says whether all is well and, if not, what is wrong and what to do next.

Belongs here: gathering the facts, read-only, and the sentences that describe the state. `kpi status` and the checks of
the asset `published/kpi` show the same sentences.
Does not belong here: finding problems in data (checks), notifying people (`alerts/`), and the state of the machine
(`doctor.py`). Nothing here imports Dagster, dbt, Great Expectations or pandas, so that the command responds
immediately.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from textwrap import shorten

from pipelines.alerts.incidents import RANK, Incident
from pipelines.alerts.routes import Watch, load_alerts
from pipelines.alerts.store import Store
from pipelines.damage import StoreError
from pipelines.deliveries import Delivery, Standing
from pipelines.operations.due import Due, due_deliveries, has_ended, is_awaited, local, newest_day, run_is_expected
from pipelines.partitions import days_in_words
from pipelines.publish.versions import Version, versions
from pipelines.runs.history import DagsterHistory, Run
from pipelines.settings import Settings
from pipelines.sources import Source
from pipelines.tables import raw_days

_DAEMON_SILENT = timedelta(minutes=5)  # it sends a heartbeat every half minute
_LONGEST_RUN = timedelta(hours=2)  # as in dagster.yaml; a run whose process was killed stays in progress forever
_LONGEST_CAUSE = 200  # characters
_MOST_TABLES_NAMED = 3  # tables in a sentence

STATES = {
    "rejected": "rejected by its checks",
    "refused": "refused at the gate",
    "missing": "missing",
    "left_out": "left out of the numbers",
    "unjudged": "landed but not checked yet",
    "accepted": "accepted by a person",
}
_HEADLINES = {
    "gate_passed": "Blocked",
    "fresh": "Old",
    "run_on_time": "Not run",
    "delivered_on_time": "Late",
    "complete": "Incomplete",
    "no_critical_incident": "Something is wrong",
    "started_daily": "Nothing starts the daily run",
}
CHECKS = tuple(_HEADLINES)  # the names of the lines, in the order of their weight


@dataclass(frozen=True)
class Line:
    """The state of one thing, in a sentence that changes only when the state does.

    Attributes:
        next_step: what to do about it, with a command to type; empty if all is well.
    """

    name: str
    ok: bool
    sentence: str
    next_step: str = ""


@dataclass(frozen=True)
class SourceState:
    """How far the deliveries of one source have come.

    Attributes:
        through: the newest day up to which nothing is missing; for a source that may be silent, its newest day.
        due: the deliveries that should have arrived by now.
    """

    source: Source
    through: date | None
    due: tuple[Due, ...]

    @property
    def late(self) -> list[str]:
        return [due.table_name for due in self.due if not due.is_here]

    @property
    def waiting(self) -> list[str]:
        """Tables whose file has arrived but has not landed."""
        return [due.table_name for due in self.due if due.has_files and not due.has_landed]

    @property
    def in_words(self) -> str:
        if self.late:
            return f"late: {', '.join(self.late)}"
        if self.waiting:
            return f"arrived, not run yet: {', '.join(self.waiting)}"
        if self.source.is_asked:
            return "fetched by the run"
        if not _must_deliver(self.source):
            return "no fixed schedule"
        return "on time" if self.through else ""


@dataclass(frozen=True)
class Facts:
    """What is known about an installation at one time.

    Attributes:
        switch: the position of the schedule's switch in the UI; None if nobody has used it.
        questions: the deliveries that have not passed.
        incidents: the open incidents, the worst first.
        unreadable: for each file that could not be read, what it is and why.
    """

    settings: Settings
    watch: Watch
    now: datetime
    published: Version | None
    runs: tuple[Run, ...]
    daemon_seen_at: datetime | None
    switch: bool | None
    sources: tuple[SourceState, ...]
    questions: tuple[Delivery, ...]
    incidents: tuple[Incident, ...]
    unreadable: dict[str, str]

    @property
    def last_run(self) -> Run | None:
        """The newest run that has ended."""
        return next((run for run in self.runs if run.has_ended), None)

    @property
    def under_way(self) -> Run | None:
        return next((run for run in self.runs if not run.has_ended), None)

    @property
    def is_blocked(self) -> bool:
        """True if the last run failed and nothing has been published since."""
        run = self.last_run
        if run is None or not run.has_failed:
            return False
        published_at = self.published.published_at.replace(tzinfo=UTC) if self.published else None
        return published_at is None or run.ended_at is None or published_at < run.ended_at

    @property
    def blocked_by(self) -> list[Incident]:
        """The incidents that the last run found and that blocked its publication."""
        run_id = self.last_run.run_id if self.last_run and self.is_blocked else None
        return [found for found in self.incidents if found.finding.blocking and run_id and found.run_id == run_id]

    @property
    def is_run_daily(self) -> bool:
        return run_is_expected(self.settings, self.switch)

    def time(self, moment: datetime) -> str:
        return f"{local(self.settings, moment):%Y-%m-%d %H:%M %Z}"


def gather(settings: Settings, sources: Sequence[Source], now: datetime) -> Facts:
    """What is known at `now` (UTC). Nothing is written, and `unreadable` lists what cannot be read.

    Raises:
        ConfigError: `alerts.yml` cannot be used.
    """
    unreadable: dict[str, str] = {}
    history = DagsterHistory(settings.dagster_home, settings.database_url)
    runs: list[Run] = []
    daemon_seen_at, switch = None, None
    try:
        runs = history.runs()
        daemon_seen_at, switch = history.daemon_seen_at(), history.switch()
    except StoreError as error:
        unreadable["runs"] = str(error)
    incidents: list[Incident] = []
    try:
        incidents = _open_incidents(settings)
    except (StoreError, ValueError) as error:
        unreadable["incidents"] = str(error)
    deliveries = Standing(settings, sources)
    due = list(due_deliveries(settings, sources, now))
    return Facts(
        settings=settings,
        watch=load_alerts(settings.alerts_file).watch,
        now=now,
        published=next((kept for kept in versions(settings.published_dir) if kept.is_current), None),
        runs=tuple(runs),
        daemon_seen_at=daemon_seen_at,
        switch=switch,
        sources=tuple(
            SourceState(
                source,
                _through(deliveries, source),
                tuple(delivery for delivery in due if delivery.source.name == source.name),
            )
            for source in sources
        ),
        questions=tuple(deliveries.in_question),
        incidents=tuple(incidents),
        unreadable=unreadable,
    )


def _must_deliver(source: Source) -> bool:
    """Whether at least one table of the source must have a delivery every day."""
    return any(table.empty_day == "forbidden" for table in source.tables.values())


def _through(deliveries: Standing, source: Source) -> date | None:
    if _must_deliver(source):
        return deliveries.complete_through_of({source.name})
    landed = [raw_days(deliveries.settings.raw_dir, source.name, name) for name in source.tables]
    return max((max(days) for days in landed if days), default=None)


def standing(settings: Settings, sources: Sequence[Source], now: datetime) -> list[Line]:
    """The state at `now` (UTC), with a line for each of `CHECKS`.

    Raises:
        ConfigError: `alerts.yml` cannot be used.
    """
    return lines(gather(settings, sources, now))


def lines(facts: Facts) -> list[Line]:
    """The state according to these facts, with a line for each of `CHECKS`."""
    return [
        _gate_passed(facts),
        _fresh(facts),
        _run_on_time(facts),
        _delivered_on_time(facts),
        _complete(facts),
        _no_critical_incident(facts),
        started_daily(facts),
    ]


def headline(facts: Facts) -> str:
    """One word and one sentence: the worst problem, or that all is well."""
    wrong = next((line for line in lines(facts) if not line.ok), None)
    running = f" A run has been in progress since {facts.time(facts.under_way.started_at)}." if facts.under_way else ""
    if wrong:
        return f"{_word(wrong, facts)}. {wrong.sentence}{running}"
    return f"All is well. {_fresh(facts).sentence}{running}"


def _word(wrong: Line, facts: Facts) -> str:
    if wrong.name == "fresh" and facts.published is None:
        return "Empty"
    if wrong.name == "gate_passed" and not facts.is_blocked:
        return "Unknown" if "runs" in facts.unreadable else "Stuck"
    return _HEADLINES[wrong.name]


def _gate_passed(facts: Facts) -> Line:
    name = "gate_passed"
    if "runs" in facts.unreadable:
        return Line(
            name,
            False,
            f"The outcome of the last run is unknown: {facts.unreadable['runs']}",
            "Look at the runs in the UI (kpi dev), and examine the installation: kpi doctor",
        )
    stuck = facts.under_way
    if stuck and facts.now - stuck.started_at > _LONGEST_RUN:
        return Line(
            name,
            False,
            f"Run {stuck.run_id[:8]} of {of_days(stuck.days)} has been in progress since "
            f"{facts.time(stuck.started_at)}, and all other runs are waiting for it.",
            "If its process no longer exists, end it: kpi alerts watchdog",
        )
    run = facts.last_run
    if run is None:
        return Line(name, True, "No run has finished yet.")
    if not facts.is_blocked:
        if run.status == "CANCELED":
            return Line(name, True, f"The last run, of {of_days(run.days)}, was stopped before it published.")
        return Line(name, True, "The current publication has passed every blocking check.")
    as_of = facts.published.as_of_date if facts.published else None
    analysts = f"; analysts still read numbers as of {as_of}" if as_of else ", and nothing was published before"
    causes = facts.blocked_by
    because = f" {_in_short(causes[0])}" if causes else ""
    more = f" {_and_more(len(causes) - 1)}" if len(causes) > 1 else ""
    return Line(
        name,
        False,
        f"The run of {of_days(run.days)} published nothing{analysts}.{because}{more}",
        causes[0].finding.next_step if causes else "Find out in the run's log what stopped it: kpi dev",
    )


def _fresh(facts: Facts) -> Line:
    name, settings = "fresh", facts.settings
    if facts.published is None:
        if facts.last_run:
            return Line(name, False, "Nothing is published yet.", "Run the deliveries: kpi run")
        return Line(
            name,
            False,
            f"Nothing has been run or published yet. Deliveries are expected in {settings.landing_dir}.",
            "Put deliveries there, or create the demo company's (python -m demo_company), then: kpi run",
        )
    as_of, newest = facts.published.as_of_date, newest_day(settings, facts.now)
    behind = (newest - as_of).days
    if behind > facts.watch.stale_after_days:
        pinned = " (fixed by the setting as_of_date)" if settings.as_of_date else ""
        return Line(
            name,
            False,
            f"Numbers are as of {as_of}{pinned}, {behind} days behind {newest}.",
            "Deliver what is missing, then: kpi run. If deliveries have ended, set last_delivery in the settings",
        )
    if has_ended(settings, facts.now):
        return Line(name, True, f"Numbers are as of {as_of}; no delivery is expected after {newest}.")
    if behind <= 0:
        return Line(name, True, f"Numbers are as of {as_of}, the newest delivery day.")
    return Line(name, True, f"Numbers are as of {as_of}; the newest delivery day is {newest}.")


def _run_on_time(facts: Facts) -> Line:
    name, settings = "run_on_time", facts.settings
    if not facts.is_run_daily:
        return Line(name, True, "No daily run is expected: runs are started manually.")
    if not is_awaited(settings, facts.now):
        return Line(name, True, "No delivery day is waiting for a run.")
    day, due = newest_day(settings, facts.now), f"{facts.watch.run_due:%H:%M}"
    if any(day in run.days for run in facts.runs):
        return Line(name, True, f"Delivery day {day} has been run.")
    if local(settings, facts.now).time() < facts.watch.run_due:
        return Line(name, True, f"The run of delivery day {day} is due by {due} ({settings.time_zone}).")
    return Line(
        name,
        False,
        f"Delivery day {day} has not been run; the run was due by {due} ({settings.time_zone}).",
        f"Run it now: kpi run --date {day}",
    )


def _delivered_on_time(facts: Facts) -> Line:
    late = [state for state in facts.sources if state.late]
    if not late:
        return Line("delivered_on_time", True, "No delivery is late.")
    day = newest_day(facts.settings, facts.now)
    said = "; ".join(f"{state.source.name} ({', '.join(state.late)}), due by {state.source.sla}" for state in late)
    first = late[0].source
    path = first.tables[late[0].late[0]].path.format(delivered_on=day)
    return Line(
        "delivered_on_time",
        False,
        f"Deliveries of {day} have not arrived: {said}.",
        f"Ask {first.owner} for {path}; when it is in the landing folder: kpi run --date {day}",
    )


def _complete(facts: Facts) -> Line:
    name = "complete"
    wrong = [found for found in facts.questions if _needs_somebody(found, facts)]
    if not wrong:
        decided = [found for found in facts.questions if found.decided_by]
        if decided:
            return Line(
                name, True, f"Every delivery passed its checks, or a person decided about it: {_grouped(decided)}."
            )
        return Line(name, True, "Every delivery passed its checks.")
    said = [
        f"{STATES[state]}: {_grouped(those)}"
        for state in STATES
        if (those := [found for found in wrong if found.state == state])
    ]
    return Line(name, False, f"{_first_upper('; '.join(said))}.", _repair(wrong[0]))


def _needs_somebody(delivery: Delivery, facts: Facts) -> bool:
    """Whether a person must handle a delivery in question; not if it is not due yet, or has just been run."""
    if delivery.decided_by:
        return False
    if delivery.state == "unjudged":
        return facts.under_way is None
    if delivery.state == "missing" and delivery.delivered_on == newest_day(facts.settings, facts.now):
        due = [due.table_name for state in facts.sources for due in state.due if state.source.name == delivery.source]
        return delivery.table in due
    return delivery.state in ("rejected", "refused", "missing", "left_out")


def _repair(delivery: Delivery) -> str:
    of, day = f"{delivery.source} {delivery.table} {delivery.delivered_on}", delivery.delivered_on
    if delivery.state == "refused":
        return f"Find out why, and have it sent again: kpi quarantine list --source {delivery.source}"
    if delivery.state == "missing":
        return f"Put it into the landing folder, then: kpi run --date {day}"
    if delivery.state == "unjudged":
        return "Have it checked: kpi run"
    return (
        f"Have it sent again and run the day: kpi run --date {day}. "
        f"If it is correct as it is: kpi accept {of} --by NAME --reason TEXT"
    )


def _no_critical_incident(facts: Facts) -> Line:
    name = "no_critical_incident"
    if "incidents" in facts.unreadable:
        return Line(
            name,
            False,
            f"It is unknown whether incidents are open: {facts.unreadable['incidents']}",
            "Examine the installation: kpi doctor",
        )
    critical = [found for found in facts.incidents if found.severity == "critical"]
    waiting = [found for found in critical if found.state not in ("acknowledged", "muted")]
    if waiting:
        more = f" {_and_more(len(waiting) - 1)}" if len(waiting) > 1 else ""
        return Line(
            name,
            False,
            f"A critical incident is open: {_in_short(waiting[0])}{more}",
            f"Show all details: kpi alerts show {waiting[0].id[:8]}",
        )
    if critical:
        return Line(name, True, "Every open critical incident is acknowledged or muted.")
    return Line(name, True, "No critical incident is open.")


def started_daily(facts: Facts) -> Line:
    name, started_by = "started_daily", facts.settings.started_by
    if not facts.is_run_daily:
        off = "The schedule is switched off in the UI" if started_by == "daemon" else "The setting schedule is none"
        return Line(name, True, f"{off}, so runs are started manually.")
    if started_by == "cron":
        return Line(name, True, "Cron starts the daily run (setting schedule).")
    seen = facts.daemon_seen_at
    if seen and facts.now - seen <= _DAEMON_SILENT:
        return Line(name, True, "The schedule is on, and the Dagster daemon is running.")
    since = f"its last heartbeat was at {facts.time(seen)}" if seen else "it has never run here"
    return Line(
        name,
        False,
        f"The Dagster daemon is down: {since}.",
        "Start it again: kpi dev, or whatever runs it in production",
    )


def _open_incidents(settings: Settings) -> list[Incident]:
    """The open incidents, the worst first, read without disturbing writers."""
    store = Store(settings.alerts_path, settings.database_url)
    if not store.exists:
        return []
    with store.reading() as transaction:
        found = transaction.incidents()
    return sorted(found, key=lambda incident: -RANK[incident.severity])


def cause(incident: Incident) -> str:
    return f"{incident.title}: {in_one_line(incident.finding.message)}"


def _in_short(incident: Incident) -> str:
    """The first sentence of the finding."""
    first = re.split(r"(?<=\.)\s+(?=[A-Z])", incident.finding.message.strip(), maxsplit=1)[0]
    said = shorten(f"{incident.title}: {first}", _LONGEST_CAUSE, placeholder=" …")
    return said if said.endswith((".", "…")) else f"{said}."


def in_one_line(text: str) -> str:
    return shorten(text, _LONGEST_CAUSE, placeholder=" …")


def _grouped(deliveries: Sequence[Delivery]) -> str:
    """Tables with their days, `shop.orders of 2026-01-03 to 2026-01-05`; only their number if there are many."""
    days: dict[str, list[date]] = {}
    for delivery in deliveries:
        days.setdefault(f"{delivery.source}.{delivery.table}", []).append(delivery.delivered_on)
    if len(days) > _MOST_TABLES_NAMED:
        return f"{len(deliveries):,} deliveries of {len(days)} tables"
    return ", ".join(f"{table} of {days_in_words(found)}" for table, found in days.items())


def of_days(days: Sequence[date]) -> str:
    if not days:
        return "no delivery day"
    return f"delivery day{'s' if len(days) > 1 else ''} {days_in_words(days)}"


def _and_more(number: int) -> str:
    return f"There {'is one' if number == 1 else f'are {number}'} more."


def _first_upper(text: str) -> str:
    return text[:1].upper() + text[1:]
