"""Proves that numbers are based only on deliveries that passed or that a person accepted.

Belongs here: comparing what the warehouse was built from with the verdicts. Deny by default: a delivery without a
verdict is not proven.
Does not belong here: the checks of models, which every run executes again (`checks/history.py`).
"""

from datetime import date, datetime

from pipelines.deliveries.standing import Standing
from pipelines.settings import Settings
from pipelines.sources import each_table
from pipelines.tables import TableRef
from pipelines.warehouse import reader


def loads_of_log(settings: Settings, log: str) -> dict[date, datetime]:
    """The deliveries that a log in staging was built from: by delivery day, when the rows were loaded."""
    with reader(settings.warehouse_path) as warehouse:
        return dict(
            warehouse.execute(f'select _delivered_on, max(_loaded_at) from staging."{log}" group by 1').fetchall()
        )


def unproven_deliveries(standing: Standing) -> list[str]:
    """A line for each delivery in the warehouse that has not passed its checks and that nobody accepted."""
    problems = []
    for source, name, _ in each_table(standing.sources):
        deliveries = standing.of_table(source.name, name)
        for day, loaded in sorted(loads_of_log(standing.settings, TableRef(source.name, name).log).items()):
            delivery = deliveries.get(day)
            if delivery is None or standing.loaded_at(delivery) != loaded:
                problems.append(
                    f"{source.name}.{name} of {day}: it was delivered again during the run. "
                    f"Run the day again: kpi run --date {day}"
                )
            elif delivery.state not in ("passed", "accepted"):
                found = "; ".join(delivery.problems) or "it has not been checked"
                problems.append(
                    f"{delivery}: {delivery.state.replace('_', ' ')}: {found}. Have it delivered again, or accept it: "
                    f'kpi accept {source.name} {name} {day} --reason "…"'
                )
    return problems
