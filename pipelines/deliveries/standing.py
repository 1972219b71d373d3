"""The state of each delivery, and which deliveries may be used for numbers.

Belongs here: the state of a delivery, derived from what has landed, what was refused, the newest verdicts and people's
decisions; through which day deliveries are complete; what staging leaves out.
Does not belong here: making verdicts (`judging.py`), and storing them (`store.py`).
"""

import hashlib
import json
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Literal

from pipelines.deliveries.store import Acceptance, DeliveryStore, Stage, Verdict
from pipelines.ingest.landing import delivered_files, loads
from pipelines.partitions import days_between
from pipelines.quarantine.files import QuarantinedFile, QuarantinedFiles
from pipelines.settings import Settings
from pipelines.sources import Source, Table, each_table
from pipelines.tables import raw_days, raw_file

State = Literal["passed", "unjudged", "rejected", "accepted", "left_out", "missing", "refused"]
Key = tuple[str, str, date]  # source, table, delivery day


@dataclass(frozen=True)
class Delivery:
    """What one table received, or should have received, on one day.

    Attributes:
        state: `passed`, or `accepted` by a person; `unjudged` until a run has judged what landed; `rejected` by checks
            or `refused` by the file gate, because of `problems`; `left_out` if it is rejected and the pipeline goes on
            without it; `missing` if it never arrived.
        is_landed: whether raw contains rows of it.
        loaded_at: when the rows were loaded, if a verdict says so.
        decided_by, reason, decided_at: a person's decision; empty if there is none.
        failed_checks: the critical checks that failed, if checks have judged it.
    """

    source: str
    table: str
    delivered_on: date
    state: State
    problems: tuple[str, ...] = ()
    is_landed: bool = False
    loaded_at: datetime | None = None
    decided_by: str = ""
    reason: str = ""
    decided_at: str = ""
    failed_checks: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.source}.{self.table} of {self.delivered_on}"

    @property
    def blocks(self) -> bool:
        """True if nothing may be published while numbers are computed from its rows."""
        return self.is_landed and self.state in ("unjudged", "rejected", "refused")

    @property
    def is_complete(self) -> bool:
        """True if the day is not incomplete because of it."""
        return self.state in ("passed", "unjudged", "accepted") or bool(self.decided_by)


def landing_of(settings: Settings, source: str, table: str, day: date) -> str:
    """A text that identifies one landing of a delivery: raw files are only ever replaced as a whole."""
    status = raw_file(settings.raw_dir, source, table, day).stat()
    return f"{status.st_mtime_ns}-{status.st_size}"


def content_of(settings: Settings, source: str, table: str, day: date) -> str:
    """A text that identifies the bytes delivered on a day, including refused files; different bytes change it."""
    raw = raw_file(settings.raw_dir, source, table, day)
    landed = delivered_files(raw) if raw.exists() else {}
    refused = sorted(file.id for file in _quarantine(settings).of_day(source, table, day))
    return hashlib.sha256(json.dumps([sorted(landed.items()), refused]).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Standing:
    """The state of every delivery of the enabled sources at one point in time."""

    settings: Settings
    sources: Sequence[Source]
    store: DeliveryStore = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "store", DeliveryStore(self.settings.deliveries_path, self.settings.database_url))

    @cached_property
    def deliveries(self) -> list[Delivery]:
        """Every delivery that landed, was refused or is missing, by source, table and day."""
        return [
            delivery
            for source, name, _ in each_table(self.sources)
            for delivery in self.of_table(source.name, name).values()
        ]

    @property
    def in_question(self) -> list[Delivery]:
        """Every delivery that has not simply passed, newest day first."""
        found = [delivery for delivery in self.deliveries if delivery.state != "passed"]
        return sorted(found, key=lambda delivery: (-delivery.delivered_on.toordinal(), str(delivery)))

    @property
    def left_out(self) -> list[Delivery]:
        """The landed deliveries whose rows stay out of staging."""
        return [delivery for delivery in self.deliveries if delivery.state == "left_out" and delivery.is_landed]

    @cached_property
    def waited_for(self) -> list[Delivery]:
        """The deliveries without which their days are not complete, the oldest first."""
        waits = {(source.name, name) for source, name, table in each_table(self.sources) if table.late == "block"}
        found = [
            delivery
            for delivery in self.deliveries
            if (delivery.source, delivery.table) in waits and not delivery.is_complete
        ]
        return sorted(found, key=lambda delivery: (delivery.delivered_on, str(delivery)))

    @cached_property
    def complete_through(self) -> date | None:
        """The newest day up to which all required deliveries have arrived and have passed or been accepted.

        None before the first such day.
        """
        return self.complete_through_of({source.name for source in self.sources})

    def complete_through_of(self, sources: Container[str]) -> date | None:
        """Like `complete_through`, for the deliveries of some sources."""
        landed = {day for (source, _), days in self._landed.items() if source in sources for day in days}
        first_lacking = next((delivery for delivery in self.waited_for if delivery.source in sources), None)
        if first_lacking is None:
            return max(landed, default=None)
        through = first_lacking.delivered_on - timedelta(days=1)
        return through if any(day <= through for day in landed) else None

    def loaded_at(self, delivery: Delivery) -> datetime | None:
        """When the rows of a landed delivery were loaded."""
        raw = raw_file(self.settings.raw_dir, delivery.source, delivery.table, delivery.delivered_on)
        return delivery.loaded_at or loads([raw]).get(delivery.delivered_on)

    def to_judge(self, source: str, table: str, days: Iterable[date]) -> list[date]:
        """A table's landed deliveries of `days` and all that have not passed, except those that a person decided."""
        wanted = set(days)
        return [
            day
            for day, delivery in self.of_table(source, table).items()
            if delivery.is_landed and not delivery.decided_by and (day in wanted or delivery.state != "passed")
        ]

    def of_table(self, source: str, table: str) -> dict[date, Delivery]:
        """The deliveries of a table, by day."""
        if (source, table) not in self._of_tables:
            [owner] = [candidate for candidate in self.sources if candidate.name == source]
            found = self._of_table(owner, table, owner.tables[table])
            self._of_tables[source, table] = {delivery.delivered_on: delivery for delivery in found}
        return self._of_tables[source, table]

    def decided(self, source: str, table: str) -> list[Delivery]:
        """The deliveries of a table about which a person decided."""
        return [delivery for delivery in self.of_table(source, table).values() if delivery.decided_by]

    @cached_property
    def _of_tables(self) -> dict[tuple[str, str], dict[date, Delivery]]:
        return {}

    @cached_property
    def _landed(self) -> Mapping[tuple[str, str], set[date]]:
        return {
            (source.name, name): raw_days(self.settings.raw_dir, source.name, name)
            for source, name, _ in each_table(self.sources)
        }

    @cached_property
    def _newest_day(self) -> date | None:
        return max((day for days in self._landed.values() for day in days), default=None)

    @cached_property
    def _verdicts(self) -> Mapping[tuple[Key, Stage], Verdict]:
        return {
            ((verdict.source, verdict.table, verdict.delivered_on), verdict.stage): verdict
            for verdict in self.store.verdicts()
        }

    @cached_property
    def _acceptances(self) -> Mapping[Key, Acceptance]:
        return self.store.acceptances()

    @cached_property
    def _refused(self) -> Mapping[Key, list[QuarantinedFile]]:
        found: dict[Key, list[QuarantinedFile]] = {}
        for file in _quarantine(self.settings).all():
            if file.state == "open":
                key = (file.source, file.table, date.fromisoformat(file.delivered_on))
                found.setdefault(key, []).append(file)
        return found

    def _of_table(self, source: Source, name: str, table: Table) -> Iterator[Delivery]:
        landed = self._landed[source.name, name]
        refused = {day for (owner, of, day) in self._refused if (owner, of) == (source.name, name)}
        known = landed | refused
        if not known:
            return
        last = max(self._newest_day or max(known), max(known))
        for day in days_between(min(known), last + timedelta(days=1)):
            if day in known or table.empty_day == "forbidden" or self._waits(table, day):
                yield self._delivery(source, name, table, day, day in landed)

    def _waits(self, table: Table, day: date) -> bool:
        """True if a file of the day is in the landing folder and no run has read it."""
        return bool(table.files(self.settings.landing_dir, day))

    def _delivery(self, source: Source, name: str, table: Table, day: date, is_landed: bool) -> Delivery:
        key = (source.name, name, day)
        delivery = self._judged(source, table, key, is_landed)
        decision = self._acceptances.get(key)
        if decision is None or delivery.state == "passed" or decision.content != content_of(self.settings, *key):
            return delivery
        return replace(
            delivery,
            state="accepted" if decision.with_rows or not is_landed else "left_out",
            decided_by=decision.decided_by,
            reason=decision.reason,
            decided_at=decision.accepted_at,
        )

    def _judged(self, source: Source, table: Table, key: Key, is_landed: bool) -> Delivery:
        """The delivery according to the file gate and the checks, without people's decisions."""
        rejected: State = "left_out" if source.rejected == "leave_out" else "rejected"
        refused = self._refused.get(key, [])
        if not is_landed:
            if refused:
                return Delivery(*key, "refused", tuple(file.reason for file in refused))
            expected = table.path.format(delivered_on=key[2])
            problem = "has not been read yet" if self._waits(table, key[2]) else "has not arrived"
            return Delivery(*key, "missing", (f"{expected} {problem}.",))
        if refused:
            # A refused correction removes nothing. A refused file that the day never had leaves the day incomplete.
            whole = delivered_files(raw_file(self.settings.raw_dir, *key))
            if lacking := tuple(file.reason for file in refused if file.path not in whole):
                return Delivery(*key, "left_out" if rejected == "left_out" else "refused", lacking, is_landed=True)
        landing = landing_of(self.settings, *key)
        verdicts = self._verdicts.get((key, "raw")), self._verdicts.get((key, "staging"))
        raw, staging = (verdict if verdict and verdict.landing == landing else None for verdict in verdicts)
        judged = [verdict for verdict in (raw, staging) if verdict]
        problems = tuple(problem for verdict in judged for problem in verdict.problems)
        return Delivery(
            *key,
            state=rejected if problems else "passed" if raw else "unjudged",
            problems=problems,
            is_landed=True,
            loaded_at=raw.loaded_at if raw else None,
            failed_checks=tuple(check for verdict in judged for check in verdict.failures),
        )


def complete_through(settings: Settings, sources: Sequence[Source]) -> date | None:
    """The newest day up to which all required deliveries are complete; None before the first such day."""
    return Standing(settings, sources).complete_through


def _quarantine(settings: Settings) -> QuarantinedFiles:
    return QuarantinedFiles(settings.quarantine_dir / "files", settings.landing_dir)
