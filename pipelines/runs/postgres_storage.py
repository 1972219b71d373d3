"""Dagster's runs, events and schedules in the PostgreSQL database that several hosts share.

Belongs here: where the database is, and what this pipeline does otherwise than Dagster's own classes, which `EventLog`
in `event_log.py` explains. `dagster.yaml` names these classes.
"""

import os
from collections.abc import Mapping
from typing import Any, Self

import sqlalchemy as sa
from dagster import StringSource
from dagster_postgres import PostgresEventLogStorage, PostgresRunStorage, PostgresScheduleStorage

from pipelines.event_log import FORGET_EVENTS
from pipelines.runs.profiling import EVENTS, measured


class _Shared:
    """Reads the address of the database from an environment variable, whose name is all that `dagster.yaml` says."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        return {"database_env": StringSource}

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Mapping[str, Any]) -> Self:
        # Dagster's classes are written for psycopg2; SQLAlchemy takes psycopg 3 where no driver is named.
        url = sa.make_url(os.environ[config_value["database_env"]]).set(drivername="postgresql+psycopg2")
        # The constructor is that of Dagster's class, which stands beside this one in each class below.
        return cls(url.render_as_string(hide_password=False), inst_data=inst_data)  # type: ignore[call-arg]


class Runs(_Shared, PostgresRunStorage):
    """The list of runs."""


class Schedules(_Shared, PostgresScheduleStorage):
    """The ticks of schedules and sensors, and the positions of their switches."""


class Events(_Shared, PostgresEventLogStorage):
    """The event log."""

    def store_event(self, event: Any) -> None:
        """Store `event`."""
        with measured(EVENTS):
            super().store_event(event)

    def delete_events(self, run_id: str) -> None:
        """Delete a run's events, but not the newest state that assets show."""
        with self.index_connection() as connection:
            for statement in FORGET_EVENTS:
                connection.execute(sa.text(statement), {"run_id": run_id})
        self.free_concurrency_slots_for_run(run_id)
