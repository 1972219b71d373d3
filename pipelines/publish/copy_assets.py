"""The assets `object_store/published` and `object_store/raw`: what Dagster shows of copies in an object store.

Belongs here: when a run copies, and what it says if that fails. Does not belong here: copying (`copies.py`,
`ingest/raw_copies.py`).

The numbers are published here by then, and what has landed has landed. So whatever goes wrong with a copy neither fails
the run nor takes anything back: it is a failed check of the asset, which becomes a warning. The next run copies again.
"""

import traceback
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import partial

import dagster as dg

from pipelines.config_files import ConfigError
from pipelines.damage import DamagedError, ObjectStoreError
from pipelines.formatting import counted
from pipelines.ingest.raw_copies import push_raw
from pipelines.object_store import check_driver
from pipelines.publish.assets import PUBLISHED_KEY
from pipelines.publish.copies import push
from pipelines.settings import Settings
from pipelines.sources import Source, each_table
from pipelines.tables import TableRef
from pipelines.warehouse import NotPublishedError

COPIED = "copied"
_IN_WORDS = (ObjectStoreError, DamagedError, NotPublishedError, ConfigError)


def copy_assets(settings: Settings, sources: Iterable[Source]) -> list[dg.AssetsDefinition]:
    """The copies of raw and of the current publication; none if the settings name no object store.

    Raises:
        ConfigError: the package that the store needs is not installed.
    """
    if settings.object_store is None:
        return []
    check_driver()
    tables = [dg.AssetKey(TableRef(source.name, name).asset) for source, name, _ in each_table(sources)]
    return [
        _copy("published", [PUBLISHED_KEY], "The current publication, for `kpi pull`.", partial(_published, settings)),
        _copy("raw", tables, "What has landed, for `kpi pull --raw`.", partial(_raw, settings)),
    ]


def _copy(name: str, deps: list[dg.AssetKey], description: str, copy: Callable[[datetime], str]) -> dg.AssetsDefinition:
    key = dg.AssetKey(["object_store", name])

    @dg.asset(
        key=key,
        deps=deps,
        description=description,
        group_name="object_store",
        owners=["team:data"],
        kinds={"s3"},
        op_tags={"dagster/priority": "-1"},  # after all that does not leave this host
        output_required=False,  # what cannot be copied is not materialized
        check_specs=[
            dg.AssetCheckSpec(
                COPIED, asset=key, description="The store has what this host has. If not, other hosts read what was."
            )
        ],
    )
    def copied() -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        try:
            said = copy(datetime.now(UTC))
        except Exception as error:  # any error: what is copied is complete on this host
            yield _not_copied(error)
            return
        passed = dg.AssetCheckResult(check_name=COPIED, passed=True, description=said)
        yield dg.MaterializeResult(metadata={"copied": said}, check_results=[passed])

    return copied


def _published(settings: Settings, now: datetime) -> str:
    pushed = push(settings, now)
    if pushed.outcome == "newer there":
        return f"{settings.object_store} keeps {pushed.publication_id} of another host, which is newer."
    return f"{pushed.publication_id}: {counted(pushed.files, 'file')}, {pushed.size / 1_000_000:,.1f} MB."


def _raw(settings: Settings, now: datetime) -> str:
    copied = push_raw(settings, now)
    return f"{counted(copied.files, 'file')}, {copied.size / 1_000_000:,.1f} MB; {copied.in_all:,} in all."


def _not_copied(error: Exception) -> dg.AssetCheckResult:
    said = str(error) if isinstance(error, _IN_WORDS) else f"{type(error).__name__}: {str(error).rstrip('.!')}."
    return dg.AssetCheckResult(
        check_name=COPIED,
        passed=False,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"Not copied, so other hosts have what was there before: {said}",
        metadata={"error": dg.MetadataValue.md(f"```\n{traceback.format_exc()}\n```")},
    )
