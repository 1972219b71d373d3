"""Limits what runs leave behind to the setting `keep_runs`.

Belongs here: deleting old runs of Dagster, and everything that only they needed.
Does not belong here: what is kept by other rules: publications (`publish/versions.py`), check results
(`checks/history.py`), their pages (`checks/data_docs/build.py`), resolved incidents (`alerts/store.py`), and what is in
quarantine, which only people delete. Nothing that was delivered, published or decided is touched.
"""

import logging
import shutil

import dagster as dg

from pipelines.formatting import counted
from pipelines.settings import Settings

_OVER = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]

logger = logging.getLogger("pipelines.operations.housekeeping")


def forget_old_runs(instance: dg.DagsterInstance, settings: Settings) -> int:
    """Delete the runs that are over, except the newest `keep_runs`; return how many were deleted.

    A run that is waiting or in progress is never deleted.
    """
    over = instance.get_run_records(dg.RunsFilter(statuses=_OVER))
    old = [record.dagster_run.run_id for record in over[settings.keep_runs :]]
    for run_id in old:
        instance.delete_run(run_id)
        shutil.rmtree(settings.dagster_home / "storage" / run_id, ignore_errors=True)  # what its steps printed
    # In earlier versions of the pipeline, dbt wrote a separate folder for each step of each run.
    for folder in (settings.dbt_target_dir / "target").glob("transform_*-*-*"):
        shutil.rmtree(folder, ignore_errors=True)
    return len(old)


def tidy_safely(instance: dg.DagsterInstance, settings: Settings) -> int:
    """Delete old runs. Never raises: a run that has published must not fail because of this; the next run retries."""
    try:
        return forget_old_runs(instance, settings)
    except Exception as error:  # from Dagster, SQLite or the disk: the run has published already
        logger.warning("Old runs could not be deleted: %s: %s", type(error).__name__, error)
        return 0


def housekeeping_sensor(settings: Settings) -> dg.SensorDefinition:
    """Does the same as `kpi run` at its end, where the daemon runs."""

    @dg.sensor(
        name="housekeeping",
        minimum_interval_seconds=3600,
        description="Deletes runs beyond the newest `keep_runs`, with their logs.",
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def housekeeping(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        return dg.SkipReason(f"{counted(tidy_safely(context.instance, settings), 'old run')} deleted.")

    return housekeeping
