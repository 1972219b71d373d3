"""From what runs and watches report to a message that reaches somebody.

Belongs here: reports (`reports.py`), incidents, the outbox, channels and routes, and what Dagster is watched for.
Does not belong here: making checks (`quality/`), and whether a run may publish (`publish/`). Nothing here stops a run.
"""
