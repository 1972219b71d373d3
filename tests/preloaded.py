"""What the server of `forked.py` has before it forks: imports, and what remains in dbt after parsing any project.

dbt derives what it needs for any project from its own classes and macros, which takes half of the time of parsing. What
`dbt_caches.py` keeps of macros and shipped models saves half of the rest.
Nothing here may read the settings of an installation, start a thread, or keep a database open.
"""

import gc
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster_dbt  # noqa: F401
import hypothesis  # noqa: F401
import pandas as pd  # noqa: F401
import pytest  # noqa: F401

import pipelines.alerts.sensors
import pipelines.checks.assets
import pipelines.checks.data_docs.build
import pipelines.checks.gx.runner
import pipelines.ingest.assets
import pipelines.onboarding.dry_run
import pipelines.operations.housekeeping
import pipelines.publish.asset_checks
import pipelines.publish.assets
import pipelines.transform.assets
import pipelines.transform.customer_value  # noqa: F401
from pipelines.settings import load_settings
from pipelines.sources import SHIPPED_DIR, load_sources
from pipelines.transform.dbt_runner import invoke
from pipelines.transform.project import SHIPPED_PROJECT_DIR, dbt_command, dbt_environment, dbt_variables
from tests import dbt_caches

dbt_caches.enable()
with TemporaryDirectory() as folder:
    settings = load_settings().model_copy(update={"data_dir": Path(folder), "company_dir": Path(folder)})
    sources = load_sources(sorted(file.stem for file in SHIPPED_DIR.glob("*.yml")), settings.company_dir)
    # The static parser starts threads, and a forked process would wait for them.
    parse = ["parse", "--no-static-parser", "--log-level", "none", "--log-level-file", "none"]
    _, *arguments = dbt_command(parse, SHIPPED_PROJECT_DIR, dbt_variables(settings, sources))
    parsed = invoke(arguments, dbt_environment(settings, settings.first_delivery))
    assert parsed.succeeded, parsed.error
gc.freeze()  # what is loaded stays, so no process has to check it for garbage
gc.set_threshold(100_000, 20, 20)  # as the `kpi` command, for what is run without it
