"""Sends what is queued: bounded retries, one process at a time, and dead letters that stay visible.

Belongs here: which notification is tried when, and what becomes of it.
Does not belong here: what is queued (`service.py`), and how to send over a channel (`channels.py`).

Before a notification is sent, it is marked as tried, with the time of its next attempt. If a process dies between
sending the notification and marking it as sent, it stays queued and is sent once more with the same key.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from pipelines.alerts.channels import ChannelError, Letter, Post
from pipelines.alerts.masking import sanitize
from pipelines.alerts.routes import AlertsFile, PagerDutyChannel
from pipelines.alerts.store import Notice, Store

_AFTER_OTHERS = ("resolved", "acknowledged")  # the end of an incident must not overtake its beginning
_LONGEST_REQUESTED_WAIT = 24 * 3600  # seconds; if an endpoint asks for more, it is tried after this time


@dataclass(frozen=True)
class Flushed:
    """The result of a flush.

    Attributes:
        sent, failed, dead: the numbers of notifications delivered, to be retried, and given up in this flush.
        busy: another process is sending, so nothing was done.
        problems: the reasons, as (channel, reason), masked.
    """

    sent: int = 0
    failed: int = 0
    dead: int = 0
    busy: bool = False
    problems: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Outbox:
    """The notifications in `store`, sent as `alerts` says."""

    store: Store
    alerts: AlertsFile
    data_dir: Path

    def flush(self, now: datetime, wait_seconds: float = 0) -> Flushed:
        """Send what is due, in the order in which it was queued.

        After a failure, the rest of that channel waits for the next flush, so that an endpoint that hangs costs only
        one timeout. If another process is sending, this one waits for it up to `wait_seconds`.

        Raises:
            sqlite3.Error, OSError: the store or its lock cannot be used.
        """
        with self.store.only_sender(wait_seconds) as is_alone:
            return self._flush(now, time.monotonic) if is_alone else Flushed(busy=True)

    def revive(self, now: datetime) -> tuple[int, int]:
        """Queue dead letters again. Return how many were queued, and how many were withdrawn as no longer needed.

        A letter to a channel that no longer exists is not needed. Neither is a letter about incidents that are over:
        its receivers would never be notified of the end. A digest is about none.
        """
        with self.store.transaction() as transaction:
            open_threads = {incident.thread for incident in transaction.incidents()}
            revived = withdrawn = 0
            for notice in transaction.notices("dead"):
                is_about_incidents = notice.content["kind"] not in ("resolved", "digest")
                over = is_about_incidents and open_threads.isdisjoint(notice.threads)
                if over or notice.channel not in self.alerts.channels:
                    transaction.update(replace(notice, state="withdrawn"))
                    withdrawn += 1
                else:
                    transaction.update(replace(notice, state="queued", attempts=0, next_try_at=now))
                    revived += 1
        return revived, withdrawn

    def _flush(self, now: datetime, clock: Callable[[], float]) -> Flushed:
        limit = clock() + self.alerts.delivery.flush_seconds
        too_little = self.alerts.delivery.flush_seconds / 10  # seconds in which no attempt could succeed
        done = Flushed()
        failed_channels: set[str] = set()
        waiting: set[tuple[str, str]] = set()  # (channel, thread) with an earlier notification that is still unsent
        with self.store.transaction() as transaction:
            queued = transaction.notices("queued")
        for notice in queued:
            seconds = limit - clock()
            places = {(notice.channel, thread) for thread in notice.threads}
            overtakes = notice.content["kind"] in _AFTER_OTHERS and places & waiting
            if notice.next_try_at > now or notice.channel in failed_channels or overtakes or seconds < too_little:
                waiting |= places
                continue
            begun = self._begin(notice, now)
            if begun is None:
                continue
            if begun.state == "dead":
                done = replace(done, dead=done.dead + 1)
                continue
            try:
                self._send(begun, now, min(seconds, self._longest))
            except ChannelError as error:
                ended = self._failed(begun, error, now)
                failed_channels.add(notice.channel)
                waiting |= places if ended.state == "queued" else set()
                done = replace(
                    done,
                    failed=done.failed + (ended.state == "queued"),
                    dead=done.dead + (ended.state == "dead"),
                    problems=(*done.problems, (notice.channel, ended.last_error)),
                )
            else:
                self._write(replace(begun, state="sent", sent_at=now, last_error=""))
                done = replace(done, sent=done.sent + 1)
        return done

    @property
    def _longest(self) -> float:
        # Connecting and reading each have a limit; a mail server needs several exchanges.
        return 2 * (self.alerts.delivery.connect_seconds + self.alerts.delivery.read_seconds)

    def _begin(self, queued: Notice, now: datetime) -> Notice | None:
        """Mark a notification as tried before sending it; None if it has been withdrawn in the meantime."""
        with self.store.transaction() as transaction:
            current = transaction.notice(queued.notice_id)
            if current is None or current.state != "queued":
                return None
            if current.attempts >= self.alerts.delivery.attempts:  # the process ended during the last attempt
                ended = replace(current, state="dead", last_error=current.last_error or "interrupted while sending.")
            else:
                attempts = current.attempts + 1
                ended = replace(current, attempts=attempts, next_try_at=now + self.alerts.delivery.wait(attempts))
            transaction.update(ended)
            return ended

    def _send(self, notice: Notice, now: datetime, seconds: float) -> None:
        channel = self.alerts.channels.get(notice.channel)
        if channel is None:
            raise ChannelError(f"alerts.yml no longer has a channel {notice.channel}.", final=True)
        letter = Letter(notice.key, notice.content, notice.delivered)
        Post(self.data_dir, self.alerts.delivery, now).send(channel, letter, seconds)

    def _failed(self, notice: Notice, error: ChannelError, now: datetime) -> Notice:
        given_up = error.final or notice.attempts >= self.alerts.delivery.attempts
        asked = now + timedelta(seconds=min(error.retry_after or 0, _LONGEST_REQUESTED_WAIT))
        ended = replace(
            notice,
            state="dead" if given_up else "queued",
            next_try_at=max(notice.next_try_at, asked),
            last_error=sanitize(error, self.alerts.secrets(), 500),
            delivered=error.delivered or notice.delivered,
        )
        with self.store.transaction() as transaction:
            transaction.update(ended)
            if error.retry_after is not None:  # the request is about the channel, not this notification
                transaction.postpone(notice.channel, asked)
        return ended

    def _write(self, notice: Notice) -> None:
        with self.store.transaction() as transaction:
            transaction.update(notice)


def is_per_incident(alerts: AlertsFile, channel: str) -> bool:
    """True for channels whose receiver stores incidents itself, so that each notification is about one incident."""
    return isinstance(alerts.channels.get(channel), PagerDutyChannel)
