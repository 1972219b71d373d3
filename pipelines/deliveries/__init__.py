"""Deliveries and their states: judged by checks, accepted by a person, left out, missing.

Belongs here: the record of verdicts and acceptances, and what follows from it: which deliveries may be used for
numbers, and through which day deliveries are complete. A delivery is what one table received on one day.
Does not belong here: landing (`ingest/`), executing checks (`checks/`), Dagster.
"""

from pipelines.deliveries.standing import Delivery, Standing, complete_through

__all__ = ["Delivery", "Standing", "complete_through"]
