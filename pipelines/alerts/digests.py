"""Queues digests: what moved in the numbers, for the channels of `alerts.yml` that ask for it.

Belongs here: when a channel is due a digest, and that it receives each only once. Does not belong here: what a digest
says (`pages/digest.py`), and sending (`outbox.py`).

A publication is looked at once. What makes a digest the same digest is its week (`weekly`), or what moved in which
period (`on_change`), and not the clock: a second publication of the same week or the same changes, a rollback and a
restart send nothing again.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipelines.alerts.masking import sanitize
from pipelines.alerts.messages import digest_content, key_of
from pipelines.alerts.routes import AlertsFile, Channel, When
from pipelines.alerts.store import REPORTS_KEPT, Store
from pipelines.answers.periods import Grain
from pipelines.publish.versions import Version, file_of, versions
from pipelines.settings import Settings

if TYPE_CHECKING:
    from pipelines.pages.digest import Digest

_GRAINS: dict[When, Grain] = {"weekly": Grain.week, "on_change": Grain.month}


def queue_digests(store: Store, alerts: AlertsFile, settings: Settings, now: datetime) -> int:
    """Queue the digests of the current publication, unless it was looked at before; return how many were new.

    Raises:
        sqlite3.Error, OSError, duckdb.Error: the store or the publication cannot be read. The publication counts as
            looked at, since it would be no better at the next look.
    """
    channels = receivers(alerts)
    current = next((one for one in versions(settings.published_dir) if one.is_current), None) if channels else None
    if current is None or now - current.published_at.replace(tzinfo=UTC) > REPORTS_KEPT:
        return 0  # what is older than what is remembered of looks is no news
    look = f"digests of {current.publication_id} for {sorted((name, *_asked(one)) for name, one in channels.items())}"
    with store.transaction() as transaction:
        if not transaction.is_new(look, now):
            return 0
    queued = 0
    for name, digest in digests(channels, settings, current):
        about = digest.period if channels[name].digest == "weekly" else f"{digest.period}: {'; '.join(digest.moved)}"
        lines = [sanitize(line, alerts.secrets()) for line in digest.lines]
        said = digest_content(digest.subject, lines, digest.page, now, settings.time_zone, current.as_of_date)
        with store.transaction() as transaction:
            queued += transaction.queue(key_of(f"digest of {about}", name, []), name, [], said, now, now)
    return queued


def receivers(alerts: AlertsFile) -> dict[str, Channel]:
    """The channels that receive digests."""
    return {name: channel for name, channel in alerts.channels.items() if channel.digest != "off"}


def digests(channels: dict[str, Channel], settings: Settings, of: Version) -> Iterator[tuple[str, "Digest"]]:
    """What a publication has to say to each of `channels`; those for which nothing moved are left out."""
    from pipelines.pages.digest import digest_of  # the pages' libraries are needed only where there is a digest
    from pipelines.pages.report import Source

    made: dict[tuple[When, str], Digest | None] = {}
    with Source.of(file_of(settings.published_dir, of), settings.zone, settings.pages_url) as source:
        for name, channel in channels.items():
            asked = _asked(channel)
            if asked not in made:
                made[asked] = digest_of(source, channel.language, _GRAINS[channel.digest])
            if digest := made[asked]:
                yield name, digest


def _asked(channel: Channel) -> tuple[When, str]:
    return channel.digest, channel.language
