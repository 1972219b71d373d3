"""Turns the reports of runs and watches into notifications.

Belongs here: reports (`reports.py`) and the modules that make them (`run_report.py`, `watching.py`, `sensors.py`);
incidents, the outbox, channels and routes. Modules that report call `service.report_safely`; those that send call
`service.tick_safely`.
Does not belong here: executing checks (`checks/`), and whether a run may publish (`publish/`). Nothing here stops a
run.
"""
