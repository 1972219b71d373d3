"""The configuration of the Dagster instance: `dagster.yaml`, and what hosts that share a database have in addition.

Belongs here: which classes of ours Dagster uses, and with what. Does not belong here: these classes.
"""

from pathlib import Path
from typing import Any

import yaml

from pipelines.settings import Settings

_SHIPPED = Path(__file__).with_name("dagster.yaml")
_STORAGE = {"run_storage": "Runs", "schedule_storage": "Schedules", "event_log_storage": "Events"}
_LOOK_AT_WORKERS_SECONDS = 30
_AGAIN_AFTER_A_DEAD_WORKER = 1


def instance_file(settings: Settings) -> str:
    """The text of `dagster.yaml` in Dagster's home."""
    shipped = _SHIPPED.read_text(encoding="utf-8")
    shared = {**_database(settings), **_workers(settings)}
    if not shared:
        return shipped
    configuration = yaml.safe_load(shipped)
    for key, value in shared.items():
        configuration[key] = {**configuration.get(key, {}), **value}
    return yaml.safe_dump(configuration, sort_keys=False)


def _database(settings: Settings) -> dict[str, dict[str, Any]]:
    if not settings.database_env:
        return {}
    where = {"module": "pipelines.runs.postgres_storage", "config": {"database_env": settings.database_env}}
    return {key: {**where, "class": name} for key, name in _STORAGE.items()}


def _workers(settings: Settings) -> dict[str, dict[str, Any]]:
    """A run whose worker died, and no other failed run, is started once more, on the next worker."""
    if not settings.workers:
        return {}
    launcher = {"module": "pipelines.runs.workers", "class": "WorkersLauncher"}
    return {
        "run_launcher": {**launcher, "config": {"workers": settings.workers}},
        "run_monitoring": {"poll_interval_seconds": _LOOK_AT_WORKERS_SECONDS},
        "run_retries": {
            "enabled": True,
            "max_retries": _AGAIN_AFTER_A_DEAD_WORKER,
            "retry_on_asset_or_op_failure": False,
        },
    }
