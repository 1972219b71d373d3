"""What makes a run of `kpi run` one of the UI's own: the code location that it belongs to.

Belongs here: that code location, as Dagster keeps it with a run, and an instance whose new runs carry it.
Does not belong here: starting runs (`run.py`), and what is in the code location (`definitions.py`).

Dagster's overview shows runs by code location. A job that runs in the process of its caller has none, so its runs, the
failed ones too, would be missing there, and the sensors of the code location would not see them.
"""

import json
import sys
from functools import partial
from typing import Any

import dagster as dg

from pipelines.settings import PROJECT_DIR

STARTED_BY = "started_by"  # the tag that tells runs of a command from those of the UI and the schedule
MODULE = "pipelines.definitions"  # as in workspace.yaml, which names no location, so that the module is its name


def origin_of(job_name: str) -> Any:
    """Where the UI finds the job `job_name`.

    Dagster has no public class for it, but it reads what it has written into run storage. That form has outlived
    several names of those classes.
    """
    stored = {
        "__class__": "ExternalPipelineOrigin",
        "pipeline_name": job_name,
        "external_repository_origin": {
            "__class__": "ExternalRepositoryOrigin",
            "repository_name": "__repository__",  # what Dagster calls the one of a module with definitions
            "repository_location_origin": {
                "__class__": "ManagedGrpcPythonEnvRepositoryLocationOrigin",
                "location_name": MODULE,
                "loadable_target_origin": {
                    "__class__": "LoadableTargetOrigin",
                    "executable_path": sys.executable,
                    "module_name": MODULE,
                    "working_directory": str(PROJECT_DIR),
                    "python_file": None,
                    "attribute": None,
                    "package_name": None,
                },
            },
        },
    }
    return dg.deserialize_value(json.dumps(stored))


def belong_to_code_location(instance: dg.DagsterInstance, job_name: str) -> None:
    """Have the runs that `instance` makes of the job `job_name` belong to the code location.

    `execute_in_process` passes no origin on, and what executes a run that was made before is not public.
    """
    make_run = partial(instance.create_run_for_job, remote_job_origin=origin_of(job_name))
    instance.create_run_for_job = make_run  # type: ignore[method-assign]
