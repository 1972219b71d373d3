"""What a whole day costs as history grows: the same last day, with a history of one month and of up to two years.

Belongs here: cutting the demo company's history, running its last day with `kpi run --profile` in turns, and printing
the cost by stage.
Does not belong here: any judgement. The target is stated in `docs/benchmarks.md`.

    SCALE=0.1 ROUNDS=3 python -m benchmarks.growth

A company with a history of so many months is the demo company without older orders, leads and deals, and without what
belongs only to them. Its history arrives as one delivery, and then daily from the middle of November on, or from its
beginning if that is later. Each turn is a process of its own, on the files as they were in the morning.
"""

import json
import os
import statistics
import sys
from dataclasses import asdict, dataclass
from datetime import date

import pandas as pd
from rich.bar import Bar
from rich.console import Console
from rich.table import Table

from benchmarks.peers import BENCH, Installation
from demo_company.clock import BULK_DAY, date_of, day_number
from demo_company.company import build_company, parts_of
from demo_company.deliveries import Deliveries
from demo_company.dirt import spoil
from demo_company.tables import Frames

SCALE = float(os.environ.get("SCALE") or 0.1)
ROUNDS = int(os.environ.get("ROUNDS") or 3)
MONTHS = (1, 6, 12, 24)
DAY = date(2026, 1, 9)
EVE = date(2026, 1, 8)
SEED = 20240101

# Tables whose rows have a beginning, with their keys; and which rows refer to which, in the order of dependency.
_BORN = {
    "shop.orders": "order_id",
    "crm.leads": "id",
    "crm.opportunities": "id",
    "ads.touchpoints": "touchpoint_id",
    "survey.invitations": "invitation_id",
}
_POINTERS = (
    ("crm.opportunities", "lead_id", "crm.leads", "id"),
    ("crm.stage_history", "opportunity_id", "crm.opportunities", "id"),
    ("shop.order_items", "order_id", "shop.orders", "order_id"),
    ("shop.refunds", "order_id", "shop.orders", "order_id"),
    ("ads.touchpoints", "lead_id", "crm.leads", "id"),
    ("ads.touchpoints", "customer_id", "shop.customers", "customer_id"),
    ("survey.invitations", "customer_id", "shop.customers", "customer_id"),
    ("survey.responses", "invitation_id", "survey.invitations", "invitation_id"),
)


@dataclass(frozen=True)
class Cost:
    """The cost of a day: seconds of processor time, in total and by stage, seconds of wall time, and peak memory."""

    cpu: float
    wall: float
    peak_mb: float
    stages: dict[str, float]


def main() -> None:
    """Measure, and print the results so far after each round; also write them to `data/bench/growth-<scale>.json`."""
    console = Console()
    BENCH.mkdir(parents=True, exist_ok=True)
    installations = {months: _installation(months) for months in MONTHS}
    turns: dict[int, list[Cost]] = {months: [] for months in MONTHS}
    for number in range(1, ROUNDS + 1):
        for months, installation in installations.items():
            turns[months].append(_run_day(installation))
        costs = {months: _median(each) for months, each in turns.items()}
        _print(console, costs, number)
        results = {"scale": SCALE, "rounds": number, "months": {months: asdict(cost) for months, cost in costs.items()}}
        (BENCH / f"growth-{SCALE:g}.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def _installation(months: int) -> Installation:
    begin = day_number((pd.Timestamp(DAY) - pd.DateOffset(months=months)).date())
    first = max(begin, BULK_DAY)

    def found(installation: Installation) -> None:
        installation.folder.mkdir()
        with Deliveries(installation.folder / "landing", installation.folder / "drafts") as files:
            for part in parts_of(SCALE, SEED):
                versions = part.own(younger(build_company(part).versions, begin))
                for delivered in spoil(versions, part.seed)[0].values():
                    delivered.rows["delivered_on"] = delivered.rows["delivered_on"].clip(lower=first)
                    files.add(delivered)
        days = ["--from", str(date_of(first)), "--to", str(EVE)]
        installation.run([sys.executable, "-m", "pipelines", "run", *days])

    # Compared with only a December, a day in January has few rows.
    settings = {"KPI_FIRST_DELIVERY": str(date_of(first)), "KPI_UNUSUAL_DAYS": str(DAY)}
    return Installation(f"growth-{SCALE:g}-{months}", found, **settings)


def younger(versions: Frames, begin: int) -> Frames:
    """What a company that began on day `begin` knows of all this."""
    kept = dict(versions)  # products, people, campaigns and rates are few, so all are kept
    for name, key in _BORN.items():
        rows = versions[name]
        kept[name] = rows[rows.groupby(key)["happened_on"].transform("min") >= begin]
    month = pd.Timestamp(date_of(begin)).replace(day=1)
    for name, day in (("ads.spend", "spend_date"), ("crm.quotas", "period_month"), ("finance.costs", "cost_month")):
        kept[name] = versions[name][versions[name][day] >= month]
    customers = versions["shop.customers"]
    known = [kept[name]["customer_id"] for name in ("shop.orders", "crm.opportunities")]
    known.append(customers[customers["happened_on"] >= begin]["customer_id"])
    kept["shop.customers"] = customers[customers["customer_id"].isin(pd.concat(known))]
    for name, pointer, target, key in _POINTERS:
        rows = kept[name]
        kept[name] = rows[rows[pointer].isna() | rows[pointer].isin(kept[target][key])]
    return {name: rows.reset_index(drop=True) for name, rows in kept.items()}


def _run_day(installation: Installation) -> Cost:
    installation.restore()
    cost = installation.run([sys.executable, "-m", "pipelines", "run", "--date", str(DAY), "--profile"])
    [profile] = (installation.folder / "profiles").glob("*.json")
    stages = json.loads(profile.read_text(encoding="utf-8"))["stages"]
    return Cost(cost.cpu, cost.wall, cost.peak_mb, {stage: used["cpu"] for stage, used in stages.items()})


def _median(turns: list[Cost]) -> Cost:
    cpu, wall, peak_mb = (
        statistics.median(getattr(turn, name) for turn in turns) for name in ("cpu", "wall", "peak_mb")
    )
    stages = {stage: statistics.median(turn.stages.get(stage, 0.0) for turn in turns) for stage in turns[0].stages}
    return Cost(cpu, wall, peak_mb, stages)


def _print(console: Console, costs: dict[int, Cost], rounds: int) -> None:
    title = f"The day {DAY} at scale {SCALE:g} by months of history, medians of {rounds} rounds"
    table = Table("CPU s", title=title, title_justify="left")
    for heading in (*map(str, costs), "last / first"):
        table.add_column(heading, justify="right")

    def add(label: str, values: list[float], decimals: int = 1) -> None:
        growth = f"{values[-1] / values[0]:.2f}" if values[0] else ""
        table.add_row(label, *(f"{value:,.{decimals}f}" for value in values), growth)

    *_, longest = costs.values()
    for stage in sorted(longest.stages, key=lambda stage: -longest.stages[stage]):
        add(stage, [cost.stages.get(stage, 0.0) for cost in costs.values()])
    table.add_section()
    add("whole command", [cost.cpu for cost in costs.values()])
    add("wall s", [cost.wall for cost in costs.values()])
    add("peak MB", [cost.peak_mb for cost in costs.values()], 0)
    console.print(table)
    most = max(cost.cpu for cost in costs.values())
    plot = Table.grid(padding=(0, 1))
    for months, cost in costs.items():
        plot.add_row(f"months {months}", Bar(most, 0, cost.cpu, width=60), f"{cost.cpu:.1f} s")
    console.print(plot)


if __name__ == "__main__":
    main()
