"""Creates everything that the demo company writes, in one folder: landing files, truth, and the list of planted faults.

Belongs here: calling company, dirt, deliveries and truth in turn, for the history and for the days after it, and the
texts that accompany the truth.
Does not belong here: the location of the folder, and whether anything must be created at all (the command line in
__main__).
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd

from demo_company.clock import LAST_DAY, date_of, day_number
from demo_company.company import LARGEST_PART, Company, build_company, parts_of
from demo_company.deliveries import Deliveries
from demo_company.dirt import Delivered, Planted, business_oddities, spoil
from demo_company.next_days import next_days
from demo_company.tables import TABLES, Frames, Table, newest_versions
from demo_company.truth import all_kpis, sales_movements, targets, write_targets, write_truth

_README = """\
The truth about the demo company
================================

The demo company is made up. The files under landing/ are what its systems deliver, with the mistakes real systems
make. Nothing that reads those files should read this folder: it is here to check the results.

truth.csv    every KPI's true value, computed from the clean business by separate code (demo_company/truth/)
targets.csv  every target: what was set per rep and for the company, and what follows for teams
planted.csv  every oddity in the deliveries: which row of which table, in which delivery, and what is odd about it
demo.json    scale, seed and generator version these files were made with

How to read truth.csv
  period_month  first day of the month; the last one, 2026-01, is in progress (as of {as_of})
  variant       the variant of the KPI, for example net or gross revenue
  entity_type   company, or the cut: channel, platform, rep, region, segment, category, team, office; entity_id: which
  numerator, denominator, value
                money in EUR with two decimals, counts as whole numbers, ratios in full precision; blank means NULL
  The company has a row for every month of cac, retention and nps and for every cohort of clv. Otherwise, and for every
  other cut, there is a row if anything was counted, even if only in the denominator.

How to read targets.csv
  target          of the whole period: money in EUR, rates as shares; target_to_date is the part up to the as-of date
  Reps and the company have targets of months. Revenue is spread over the days of its month: the first days contain
  target x their weight / the month's weight, rounded to the cent. A day weighs as much as the days of its kind (a
  weekday, or a public holiday) brought the company on average in the twelve months before its month, as a whole number
  of ten-thousandths of the month's best kind. In 2024, before there is such a year, every day weighs the same. Weeks,
  quarters and years have the sum of their days, if each of their months has a target. A day's part of a rep's target
  goes to the team that the rep is in on that day.
  The company sells without reps, too, so its target is separate. Other targets are neither spread nor added up.
  attainment      value / target_to_date; of a cost per customer, which is good when low, target_to_date / value. Blank
                  without a value, and for a KPI of fewer than 20 cases.

Definitions that apply throughout
  - A day is a day in Warsaw. Windows include their first day and exclude their last.
  - Amounts become EUR at the latest rate on or before their day, rounded to the cent per row before adding up.
    Orders use the day they were placed, refunds the day they were paid, deals the day they closed (open ones the as-of
    date), targets the first of their month.
  - Cancelled and deleted orders count nowhere, and neither do refunds of them. Deleted leads count nowhere.
  - Leads without a source, or with Select, unknown or an empty text, belong to the channel `unassigned`.
  - A rep belongs to the team of the newest row delivered on or before the day in question (before the first delivery:
    to the team of that delivery), and to the office likewise. Without a rep both are `unassigned`, and so is the
    office of a rep who works from home.
  - A customer's segment and region are those of shop.customers, the channel is that of the first order that counts.
    Revenue and its growth are cut by the region and channel of the order; deals by their customer's.
  - An order counts in each category that it has an item of. A refund counts in that of its item, else in that of all of
    the order's items, if they agree, else in `unassigned`.
  - The touches of a customer are the rows of ads.touchpoints with that customer_id; the last one is by touched_at, then
    touchpoint_id.
  - Medians and the 90th percentile interpolate linearly between neighbours; their denominator is how many were counted.

Definitions of the variants
  revenue         net = gross - discounts - refunds; margin = net - cost; aov = (gross - discounts) / orders;
                  customers: those with an order in the period, each once; orders_per_customer: orders / customers;
                  new_customer_net, repeat_net: of first and of later orders; bookings: won deals by period of closing
  sales_growth    mom, qoq (quarter ends only), yoy, rolling_3, trailing_12: net against the span before, complete
                  months only. An entity's months begin with the first order or refund; later ones without any are 0
  lead_conversion cohort_30d, _60d, _90d, _ever: of leads created in the period; activity: converted / created in the
                  period; of those created in it days_to_convert_median, and hours_to_first_touch_median, to the
                  first of mql_at and sql_at that does not precede created_at
  win_rate        closed_ and created_: by period of closing and of creation, of closed deals; count and value (NULL
                  where more than half of the won deals, or of the lost, have no amount).
                  By period of closing, of won deals: average_deal, cycle_days_median, cycle_days_p90 (deals created
                  after they closed have no cycle).
                  pipeline_coverage: EUR of deals open at the start of the period / the reps' revenue target for all
                  of it, also of periods cut to their first days; NULL unless every day has targets;
                  pipeline_velocity: number of these x (EUR won / deals closed) / mean cycle days, EUR per day.
                  A deal is open at the start of a period when it was created before and not closed before; it belongs
                  to the owner of its last stage change before, and to that owner's team on the day before
  cac             spend, impressions, clicks: of all campaigns; paid: spend of paid campaigns / new customers last
                  touched by one; blended: all spend and the agency / new customers; fully_loaded: and people and tools;
                  cpl, cost_per_sql: blended cost / leads created, leads with sql_at in the period; roas: sales (gross -
                  discounts) of orders last touched by a paid campaign / its spend; romi: (these sales - spend) / spend;
                  payback_months: blended cac / margin per active customer; ltv_cac: predictive_simple / blended cac.
                  Neither of the last two for the month in progress or without a margin above 0. By channel: that of the
                  campaign. The agency, people and tools are paid by the month: what they are part of is shown for
                  months, quarters and years, and is NULL without the finance.costs of each month
  clv             by month or quarter of the first order, per customer: historic_Nd (net) and margin_Nd within N days,
                  NULL until all have been watched for N days; lifetime (net to date). By calendar month:
                  predictive_simple = margin per active customer x min(1 / churn, 60). Active: ordered in the 90 days
                  before the month's end; margin: theirs, of the month; churn = 1 - logo retention. numerator is the
                  margin per active customer, denominator the churn, at least 1/60
  retention       logo: of customers active when the period began, those active at its end, or after 2026-01-09 if it is
                  in progress (no value, nor any churn, until the 90 days before the period are in the history);
                  repeat_purchase: of all customers so far, those with two orders; nrr, grr: of customers with positive
                  net revenue in the period before, their net revenue in this one, and at most that; nrr_12m, grr_12m:
                  the same of the period twelve months before, but not by week. A period in progress is compared with
                  as many days of the earlier one
  nps             period, trailing_90d: by each customer's latest answer in the period, or in the 90 days before its
                  end, or to the as-of date while it is in progress; response_rate: of invitations sent in the period,
                  those answered. The channel is that of the invitation

How to get from the deliveries to the clean business
  1. Put aside every row with a cell that cannot be read.
  2. Per key keep the newest row, by updated_at where the table has it, then delivery day, then place in the file.
"""


@dataclass(frozen=True)
class Made:
    """What was written: the numbers of files, data rows, orders and truth rows, and of planted faults by kind.

    There are no truth rows if no truth was computed.
    """

    files: int
    rows: int
    orders: int
    truth_rows: int
    planted: dict[str, int]


def build(folder: Path, scale: float, seed: int, *, truth: bool = True, largest: float = LARGEST_PART) -> Made:
    """Write `landing/` and `demo_truth/` (without its marker) below `folder`.

    The business is invented in parts of at most the scale `largest`, one after the other, so memory does not grow with
    the scale. The truth takes all clean rows at once; without `truth`, it is not computed.
    """
    rows, orders = 0, 0
    kinds: Counter[str] = Counter()
    clean: list[Frames] = []
    notes = folder / "demo_truth"
    notes.mkdir()
    with (
        Deliveries(folder / "landing", folder / "drafts") as files,
        (notes / "planted.csv").open("w", encoding="utf-8", newline="") as file,
    ):
        planted = csv.writer(file, lineterminator="\n")
        planted.writerow(Planted._fields)
        for part in parts_of(scale, seed, largest):
            company = build_company(part)
            deliveries, faults = spoil(part.own(company.versions), part.seed)
            for delivered in deliveries.values():
                files.add(delivered)
                rows += len(delivered.rows)
            orders += company.versions["shop.orders"]["order_id"].nunique()
            oddities = [*faults, *business_oddities(company.versions)]
            planted.writerows(oddities)
            kinds.update(entry.kind for entry in oddities)
            if truth:
                clean.append(part.own(company.clean))
    truth_rows = _write_truth(notes, together(clean), date_of(LAST_DAY)) if truth else 0
    return Made(files.files, rows, orders, truth_rows, dict(sorted(kinds.items())))


@dataclass(frozen=True)
class Next:
    """Which days after the history are delivered, and the faults of the last of these days.

    before: how many days have been delivered already; days: how many more to deliver; late: tables whose file of the
    last day does not arrive; broken: tables whose file of the last day arrives without its keys; owed: (table, day) of
    files that were late or broken before, and arrive now.
    """

    before: int
    days: int
    late: Collection[str] = ()
    broken: Collection[str] = ()
    owed: Collection[tuple[str, str]] = ()

    @property
    def last_day(self) -> date:
        """The last day that has been delivered by then."""
        return date_of(LAST_DAY + self.before + self.days)


class NothingToSpoilError(Exception):
    """A table that should be late or broken on a day has no file on that day, or too few rows."""


FEWEST_BROKEN = 3  # with fewer rows, a check would not report that the whole file is broken


def build_next(
    folder: Path, scale: float, seed: int, asked: Next, *, truth: bool = True, largest: float = LARGEST_PART
) -> int:
    """Write the files of further days, and the truth as of the last of them, below `folder`. Return the number of rows.

    The history and the days before are created again to find out how they continue, but their files are not written.

    Raises:
        NothingToSpoilError: a table that should be late or broken has too few rows.
    """
    written = 0
    on_last_day: Counter[str] = Counter()
    clean: list[Frames] = []
    with Deliveries(folder / "landing", folder / "drafts") as files:
        for part in parts_of(scale, seed, largest):
            company = build_company(part)
            more = next_days(company, asked.before + asked.days)
            for name, versions in part.own(more).items():
                is_last = versions["delivered_on"] == day_number(asked.last_day)
                on_last_day[name] += int(is_last.sum())
                if name in asked.broken:
                    lost = column_lost(TABLES[name])
                    versions = versions.assign(**{lost: versions[lost].where(~is_last)})
                rows = versions[_is_delivered(name, versions, asked)]
                if len(rows):
                    rows = rows.sort_values("delivered_on", kind="stable", ignore_index=True)
                    files.add(Delivered(TABLES[name], rows, {}))
                written += len(rows)
            if truth:
                clean.append(part.own(clean_after(company, more)))
        _check_can_be_spoilt(on_last_day, asked)
    if truth:
        (folder / "demo_truth").mkdir()
        _write_truth(folder / "demo_truth", together(clean), asked.last_day)
    return written


def clean_after(company: Company, more: Frames) -> Frames:
    """The clean frames after the versions in `more` have been added to those of the history."""
    clean = {
        name: newest_versions(table, pd.concat([company.versions[name], more[name]])) for name, table in TABLES.items()
    }
    return clean | {"crm.rep_teams": company.clean["crm.rep_teams"]}


def together(parts: Sequence[Frames]) -> Frames:
    """The clean frames of the whole business, from what each of its parts adds. Rows are in the order of the parts."""
    return {name: pd.concat([part[name] for part in parts if name in part], ignore_index=True) for name in parts[0]}


def column_lost(table: Table) -> str:
    """The key column that a broken file of the table lacks."""
    return next(name for name in table.key if table.columns[name] == "text")


def _is_delivered(name: str, rows: pd.DataFrame, asked: Next) -> pd.Series[bool]:
    is_new = rows["delivered_on"] > LAST_DAY + asked.before
    if name in asked.late:
        is_new &= rows["delivered_on"] != day_number(asked.last_day)
    owed = [day_number(date.fromisoformat(day)) for table, day in asked.owed if table == name]
    return is_new | rows["delivered_on"].isin(owed)


def _check_can_be_spoilt(counts: Mapping[str, int], asked: Next) -> None:
    """Raise an error if a table has too few rows. `counts` are those of the last day."""
    for name, fewest, what in (
        *((name, 1, "late") for name in asked.late),
        *((name, FEWEST_BROKEN, "broken") for name in asked.broken),
    ):
        if counts[name] < fewest:
            others = ", ".join(other for other, count in counts.items() if count >= fewest)
            too_few = f"{name} has {counts[name]} rows on {asked.last_day}, too few to be {what}."
            raise NothingToSpoilError(f"{too_few} These have enough: {others}.")


def _write_truth(folder: Path, clean: Frames, as_of: date) -> int:
    """Write the truth and an explanation of how to read it. Return the number of rows of the truth."""
    kpis = all_kpis(clean, pd.Timestamp(as_of))
    written = write_truth(folder / "truth.csv", kpis)
    write_targets(folder / "targets.csv", targets(clean, kpis, pd.Timestamp(as_of), sales_movements(clean)))
    (folder / "README.txt").write_bytes(_README.replace("{as_of}", str(as_of)).encode())
    return written
