"""Assigns runs of `kpi run` to the code location, so that the UI treats them like its own runs.

Belongs here: the code location, as Dagster stores it with a run, and an instance whose new runs have it.
Does not belong here: starting runs (`run.py`), and what is in the code location (`definitions.py`).

Dagster's overview shows runs by code location. A job that runs in the process of its caller has none: its runs, even
failed ones, would be missing there, and the sensors of the code location would not see them.
"""

import json
import sys
from functools import partial
from typing import Any

import dagster as dg

from pipelines.settings import PROJECT_DIR

STARTED_BY = "started_by"  # the tag that distinguishes runs of a command from those of the UI and the schedule
HOST = "host"  # the tag that says where `kpi run` executes a run, if several hosts share the list of runs
MODULE = "pipelines.definitions"  # as in workspace.yaml, which names no location: the module is the location's name


def origin_of(job_name: str) -> Any:
    """The origin under which the UI finds the job `job_name`.

    Dagster has no public class for it, but it reads the form in which it has stored runs. That form has stayed the same
    although the classes were renamed several times.
    """
    stored = {
        "__class__": "ExternalPipelineOrigin",
        "pipeline_name": job_name,
        "external_repository_origin": {
            "__class__": "ExternalRepositoryOrigin",
            "repository_name": "__repository__",  # Dagster's name for the repository of a module with definitions
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
    """Assign the runs of the job `job_name` that `instance` creates to the code location.

    `execute_in_process` passes no origin on, and the function that executes an existing run is not public.
    """
    make_run = partial(instance.create_run_for_job, remote_job_origin=origin_of(job_name))
    instance.create_run_for_job = make_run  # type: ignore[method-assign]
