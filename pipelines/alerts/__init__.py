"""From what runs and watches report to a message that reaches somebody.

Belongs here: reports (`reports.py`), incidents, the outbox, channels and routes, and what Dagster is watched for. Who
finds something calls `desk.report_safely`; what runs every minute calls `desk.tend_safely`. Neither can stop a run.
Does not belong here: making checks (`quality/`), and whether a run may publish (`publish/`).
"""
