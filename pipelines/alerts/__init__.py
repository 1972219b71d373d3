"""From what runs and watches report to a message that reaches somebody.

Belongs here: reports (`reports.py`) and who makes them (`runs.py`, `watching.py`, `sensors.py`); incidents, the outbox,
channels and routes. Who reports calls `desk.report_safely`, who has the time calls `desk.tend_safely`.
Does not belong here: making checks (`quality/`), and whether a run may publish (`publish/`). Nothing here stops a run.
"""
