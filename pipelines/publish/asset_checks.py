"""Shows as checks of the published asset whether what analysts read is good today.

Belongs here: the sentences of `kpi status` as Dagster checks, after a publication and whenever they change.
Does not belong here: the sentences (`status.py`), and whether a run may publish (`assets.py`).

A blocked run never reaches these checks, and numbers become old without any run. So that the checks do not stay green
in these cases, a sensor updates them every minute, and so do `kpi alerts watchdog` and the end of `kpi run`.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from pipelines.checks.data_docs.pages import incident_url, page_url
from pipelines.operations.status import CHECKS, Line, standing
from pipelines.publish.assets import PUBLISHED_KEY
from pipelines.settings import Settings
from pipelines.sources import Source

_RUNBOOK = "docs/operations.md#one-look"
_MEANINGS = {
    "gate_passed": "The last run published: no blocking check stopped it.",
    "fresh": "The numbers are as of the newest delivery day, or only a little older.",
    "complete": "The numbers include every delivery that they should.",
    "no_critical_incident": "No critical incident is open.",
    "run_on_time": "Yesterday's delivery day was run by the time it was due.",
    "delivered_on_time": "Every source delivered by its deadline.",
    "started_daily": "If a daily run is expected, something starts it.",
}


def published_checks(settings: Settings, sources: Sequence[Source]) -> dg.AssetChecksDefinition:
    """A check of the published asset for each line of `kpi status`. None of them blocks a run or makes it fail."""

    @dg.multi_asset_check(
        name="check_published__kpi",
        specs=[
            dg.AssetCheckSpec(name, asset=PUBLISHED_KEY, description=_MEANINGS.get(name, "A line of `kpi status`."))
            for name in CHECKS
        ],
    )
    def check_published() -> Iterator[dg.AssetCheckResult]:
        for line in _lines(settings, sources):
            yield dg.AssetCheckResult(
                check_name=line.name,
                asset_key=PUBLISHED_KEY,
                passed=line.ok,
                severity=dg.AssetCheckSeverity.WARN,
                description=line.sentence,
                metadata=_metadata(settings, line),
            )

    return check_published


def standing_sensor(settings: Settings, sources: Sequence[Source]) -> dg.SensorDefinition:
    """Brings the checks of the published asset up to date when their sentences change."""

    @dg.sensor(
        name="published_standing",
        minimum_interval_seconds=60,
        description="Brings the checks of published/kpi up to date with what `kpi status` shows.",
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def published_standing(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        changed = changes(context.instance, settings, _lines(settings, sources))
        return dg.SensorResult(asset_events=changed) if changed else dg.SkipReason("Nothing has changed.")

    return published_standing


def changes(instance: dg.DagsterInstance, settings: Settings, lines: Sequence[Line]) -> list[dg.AssetCheckEvaluation]:
    """Evaluations, without a run, for the lines that differ from what the checks say."""
    return [
        dg.AssetCheckEvaluation(
            asset_key=PUBLISHED_KEY,
            check_name=line.name,
            passed=line.ok,
            severity=dg.AssetCheckSeverity.WARN,
            description=line.sentence,
            metadata=_metadata(settings, line),
        )
        for line in lines
        if _last_said(instance, line.name) != (line.ok, line.sentence, _metadata(settings, line))
    ]


def report_standing(instance: dg.DagsterInstance, settings: Settings, sources: Sequence[Source]) -> None:
    """Bring the checks of the published asset up to date now."""
    for evaluation in changes(instance, settings, _lines(settings, sources)):
        instance.report_runless_asset_event(evaluation)


def _last_said(instance: dg.DagsterInstance, check: str) -> tuple[bool, str | None, Mapping[str, Any]] | None:
    record = instance.get_latest_asset_check_evaluation_record(dg.AssetCheckKey(PUBLISHED_KEY, check))
    evaluation = record.evaluation if record else None
    # A run that is still to evaluate the check has only planned it.
    if not isinstance(evaluation, dg.AssetCheckEvaluation):
        return None
    return evaluation.passed, evaluation.description, evaluation.metadata


def _lines(settings: Settings, sources: Sequence[Source]) -> list[Line]:
    """The current lines. If they cannot be determined, the checks fail but not the run, which has published by then."""
    try:
        return standing(settings, sources, datetime.now(UTC))
    except Exception as error:  # any file may be broken; the check says so, and fails
        said = f"The state cannot be determined: {type(error).__name__}: {error}"
        return [Line(name, False, said, "Find the cause: kpi status") for name in CHECKS]


def _metadata(settings: Settings, line: Line) -> dict[str, dg.MetadataValue]:
    """What to do about a line that reports a problem, and the pages with details."""
    if line.ok:
        return {}
    return {
        "next step": dg.MetadataValue.text(line.next_step),
        "incidents": dg.MetadataValue.url(incident_url(settings.data_docs_url)),
        "runbook": dg.MetadataValue.url(page_url(settings.data_docs_url, _RUNBOOK)),
    }
