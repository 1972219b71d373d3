"""Makes everything the demo company writes, in one folder: landing files, truth, list of what was planted.

What belongs here: calling company, dirt, deliveries and truth in turn, and the texts that go beside the truth. What
does not: where the folder ends up and whether anything has to be made at all (the command line in __main__).
"""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from demo_company.company import build_company
from demo_company.deliveries import write_table
from demo_company.dirt import Planted, business_oddities, spoil
from demo_company.truth import all_kpis, targets, write_targets, write_truth

_README = """\
The truth about the demo company
================================

The demo company is made up. The files under landing/ are what its systems deliver, with the mistakes real systems
make. Nothing that reads those files should read this folder: it is here to check the results.

truth.csv    every KPI as it really is, worked out from the clean business by code of its own (demo_company/truth/)
targets.csv  every target: what was set per rep and for the company, and what follows for teams
planted.csv  every oddity in the deliveries: which row of which table, in which delivery, and what is odd about it
demo.json    scale, seed and generator version these files were made with

How to read truth.csv
  period_month  first day of the month; the last one, 2026-01, is in progress (as of 2026-01-09)
  variant       which flavour of the KPI, for example net or gross revenue
  entity_type   company, or the cut: channel, rep, region, segment, team; entity_id says which one
  numerator, denominator, value
                money in EUR with two decimals, counts as whole numbers, ratios in full precision; blank means NULL
  The company has a row for every month of cac, retention and nps and for every cohort of clv. Otherwise, and for every
  other cut, there is a row where something was counted, be it only in the denominator.

How to read targets.csv
  target          of the whole month: money in EUR, rates as shares; target_to_date is the part up to the as-of date
  Reps and the company are given targets. Revenue is spread over the days of its month (the first k of n days hold
  target x k / n, rounded to the cent); a day's part of a rep's goes to the team the rep is in on that day. The
  company sells without reps, too, so its target is its own. Other targets are neither spread nor added up.
  attainment      value / target_to_date; of a cost per customer, which is good when low, target_to_date / value. Blank
                  without a value, and for a KPI of fewer than 20 cases.

Definitions that hold throughout
  - A day is a day in Warsaw. Windows include their first day and exclude their last.
  - Amounts become EUR at the latest rate on or before their day, rounded to the cent per row before adding up.
    Orders use the day they were placed, refunds the day they were paid, deals the day they closed (open ones the as-of
    date), targets the first of their month.
  - Cancelled and deleted orders count nowhere, and neither do refunds of them. Deleted leads count nowhere.
  - Leads without a source, or with Select, unknown or an empty text, belong to the channel `unassigned`.
  - A rep belongs to the team of the newest row delivered on or before the day in question (before the first delivery:
    to the team of that delivery). Without a rep the team is `unassigned`, too.
  - A customer's segment and region are those of shop.customers, the channel is that of the first order that counts.
    Revenue and its growth are cut by the region and channel of the order; deals by their customer's.
  - The touches of a customer are the rows of ads.touchpoints with that customer_id; the last one is by touched_at, then
    touchpoint_id.
  - Medians and the 90th percentile interpolate linearly between neighbours; their denominator is how many were counted.

Definitions of the variants
  revenue         net = gross - discounts - refunds; margin = net - cost; aov = (gross - discounts) / orders;
                  new_customer_net, repeat_net: of first and of later orders; bookings: won deals by month of closing
  sales_growth    mom, qoq (quarter ends only), yoy, rolling_3, trailing_12: net against the span before, complete
                  months only. An entity's months begin with the first order or refund; later ones without any are 0
  lead_conversion cohort_30d, _60d, _90d, _ever: of leads created in the month; activity: converted / created in the
                  month; of those created in the month days_to_convert_median, and hours_to_first_touch_median, to the
                  first of mql_at and sql_at that does not precede created_at
  win_rate        closed_ and created_: by month of closing and of creation, of closed deals; count and value (NULL
                  where more than half of the won deals, or of the lost, have no amount).
                  By month of closing, of won deals: average_deal, cycle_days_median, cycle_days_p90 (deals created
                  after they closed have no cycle).
                  pipeline_coverage: EUR of deals open at the start of the month / the reps' revenue target;
                  pipeline_velocity: number of these x (EUR won / deals closed) / mean cycle days, EUR per day.
                  A deal is open at the start of a month when it was created before and not closed before; it belongs to
                  the owner of its last stage change before, and to that owner's team on the day before
  cac             paid: spend of paid campaigns / new customers last touched by one; blended: all spend and the agency /
                  new customers; fully_loaded: and people and tools; cpl, cost_per_sql: blended cost / leads created,
                  leads with sql_at in the month; roas: sales (gross - discounts) of orders last touched by a paid
                  campaign / its spend; romi: (these sales - spend) / spend; payback_months: blended cac / margin per
                  active customer; ltv_cac: predictive_simple / blended cac. Neither of the last two for the month in
                  progress or without a margin above 0. By channel: that of the campaign. The agency, people and tools
                  are paid by the month: without the month's finance.costs, what they are part of is NULL
  clv             by month of the first order, per customer: historic_Nd (net) and margin_Nd within N days, NULL until
                  all have been watched for N days; lifetime (net to date). By calendar month: predictive_simple =
                  margin per active customer x min(1 / churn, 60). Active: ordered in the 90 days before the month's
                  end; margin: theirs, of the month; churn = 1 - logo retention. numerator is the margin per active
                  customer, denominator the churn, at least 1/60
  retention       logo: of customers active when the month began, those active at its end; repeat_purchase: of all
                  customers so far, those with two orders; nrr, grr: of customers with positive net revenue last month,
                  their net revenue this month, and at most that of last month
  nps             month, trailing_90d: by each customer's latest answer in it; response_rate: of invitations sent in
                  the month, those answered. The channel is that of the invitation

How to get from the deliveries to the clean business
  1. Put aside every row with a cell that cannot be read.
  2. Per key keep the newest row, by updated_at where the table has it, then delivery day, then place in the file.
"""


@dataclass(frozen=True)
class Made:
    """What was written: number of files, of data rows in them, of orders, of truth rows, and planted by kind."""

    files: int
    rows: int
    orders: int
    truth_rows: int
    planted: dict[str, int]


def build(folder: Path, scale: float, seed: int) -> Made:
    """Write `landing/` and `demo_truth/` (without its marker) below `folder`."""
    company = build_company(scale, seed)
    deliveries, planted = spoil(company.versions, seed)
    planted += business_oddities(company.versions, company.clean)
    files = sum(write_table(folder / "landing", delivered) for delivered in deliveries.values())
    truth_folder = folder / "demo_truth"
    truth_folder.mkdir()
    kpis = all_kpis(company.clean)
    truth_rows = write_truth(truth_folder / "truth.csv", kpis)
    write_targets(truth_folder / "targets.csv", targets(company.clean, kpis))
    _write_planted(truth_folder / "planted.csv", planted)
    (truth_folder / "README.txt").write_bytes(_README.encode())
    return Made(
        files=files,
        rows=sum(len(delivered.rows) for delivered in deliveries.values()),
        orders=len(company.clean["shop.orders"]),
        truth_rows=truth_rows,
        planted=dict(sorted(Counter(entry.kind for entry in planted).items())),
    )


def _write_planted(path: Path, planted: list[Planted]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Planted._fields)
        writer.writerows(planted)
