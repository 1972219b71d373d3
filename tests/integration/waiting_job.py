"""A code location with one job, which lasts until the file that `WAITING_JOB_FILE` names exists."""

import os
import time
from pathlib import Path

import dagster as dg

JOB = "waiting"


@dg.op
def wait() -> None:
    while not Path(os.environ["WAITING_JOB_FILE"]).exists():
        time.sleep(0.1)


@dg.job(name=JOB, executor_def=dg.in_process_executor)
def waiting() -> None:
    wait()


defs = dg.Definitions(jobs=[waiting])
