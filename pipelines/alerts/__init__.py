"""Turns the reports of runs and watches into notifications.

Belongs here: reports (`reports.py`) and the modules that make them (`runs.py`, `watching.py`, `sensors.py`); incidents,
the outbox, channels and routes. Modules that report call `desk.report_safely`; those that send call `desk.tend_safely`.
Does not belong here: executing checks (`quality/`), and whether a run may publish (`publish/`). Nothing here stops a
run.
"""
