"""From lead to deal: leads, opportunities and the stages that they pass through.

Belongs here: when leads arrive, how far they get, which deals follow, and what the CRM records about them.
Does not belong here: the customers and orders that follow from won deals (sales), and campaign touches (marketing).

All moments are UTC seconds; NEVER means "not (yet)". Anything after LAST_MOMENT has not happened yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from demo_company import catalogue as cat
from demo_company import rhythm
from demo_company.catalogue import Rates, Staff
from demo_company.clock import DAY, HOUR, LAST_MOMENT, MINUTE, NEVER, IntArray, local_day, moment_of
from demo_company.dice import Dice
from demo_company.tables import Ids, Objects, last_per_delivery, versions_frame

LEAD_SOURCES = (
    "organic_search", "paid_search", "social", "referral", "email", "event", "Select", "unknown", "", None,
)  # fmt: skip
"""The last four are what a CRM form leaves behind when nobody chose a source."""
_SOURCE_WEIGHTS = (24, 22, 17, 9, 12, 6, 4, 3, 2, 1)
_DEAL_PER_MILLE = np.array([230, 190, 120, 380, 210, 300, 150, 150, 150, 150])
_CAMPAIGNS_OF_SOURCE = {"paid_search": (0, 1, 2, 3, 4, 19), "social": (5, 6, 7, 8, 9, 10), "email": (11, 12, 13),
                        "event": (14, 15, 16), "referral": (18,)}  # fmt: skip

STAGES = ("prospecting", "qualification", "proposal", "negotiation", "closed")
_PROPOSAL, _CLOSED = 2, 4
_LOSS_REASONS = ("price", "competitor", "no_budget", "timing")
_AMOUNT_CENTS_OF_SEGMENT = np.array([180_000, 750_000, 3_200_000])
_TYPES = ("new_business", "expansion")


@dataclass
class Leads:
    """One entry per lead, in order of creation. `campaign`, `sdr` and `deal` are -1 if there is none."""

    created: IntArray
    source: IntArray
    campaign: IntArray
    sdr: IntArray
    mql: IntArray
    sql: IntArray
    deleted: IntArray
    deal: IntArray


@dataclass
class Deals:
    """One entry per opportunity, for new business and expansions. `lead`, `sdr` and `customer` are -1 if there is none.

    stage_times: (deals, 5) moments in the order of STAGES; a stage that a lost deal skipped is NEVER.
    won: the outcome, once closed_at is in the past; owner_first owns the deal until `handed_over`, then owner does.
    """

    created: IntArray
    lead: IntArray
    sdr: IntArray
    customer: IntArray
    kind: IntArray
    country: IntArray
    segment: IntArray
    amount: IntArray
    currency: IntArray
    expected_close: IntArray
    stage_times: IntArray
    won: np.ndarray[Any, np.dtype[np.bool_]]
    loss_reason: IntArray
    owner_first: IntArray
    owner: IntArray
    handed_over: IntArray

    @property
    def closed(self) -> IntArray:
        """When each deal closed; NEVER while it is open."""
        times: IntArray = np.where(self.stage_times[:, _CLOSED] <= LAST_MOMENT, self.stage_times[:, _CLOSED], NEVER)
        return times

    @property
    def won_by_now(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Whether each deal is closed and won."""
        answer: np.ndarray[Any, np.dtype[np.bool_]] = self.won & (self.closed < NEVER)
        return answer

    def take(self, order: IntArray) -> Deals:
        """The same deals in another order."""
        return Deals(**{name: values[order] for name, values in vars(self).items()})

    def followed_by(self, more: Deals) -> Deals:
        """These deals, followed by `more`."""
        return Deals(**{name: np.concatenate([values, getattr(more, name)]) for name, values in vars(self).items()})


def known(moments: IntArray) -> IntArray:
    """The moments, with NEVER for those after the as-of date."""
    return np.where(moments <= LAST_MOMENT, moments, NEVER)


def invent_leads(seed: int, count: int, staff: Staff) -> tuple[Leads, IntArray]:
    """The leads, and the moment at which each becomes a deal (NEVER for most)."""
    dice = Dice(seed, "leads")
    days = rhythm.pick_days(dice, count)
    created = np.sort(moment_of(days, rhythm.office_times(dice, len(days))))
    size, days = len(created), local_day(created)
    source = dice.weighted(_SOURCE_WEIGHTS, size)
    becomes_deal = dice.chance(_DEAL_PER_MILLE[source], size)
    qualified = becomes_deal | dice.chance(380, size)
    accepted = becomes_deal | (qualified & dice.chance(250, size))
    mql = created + 10 * MINUTE + dice.waiting(2 * DAY, size)
    sql = mql + 30 * MINUTE + dice.waiting(5 * DAY, size)
    deal = sql + 5 * MINUTE + dice.waiting(2 * DAY, size)
    mql, sql = known(np.where(qualified, mql, NEVER)), known(np.where(accepted, sql, NEVER))
    deal = known(np.where(becomes_deal, deal, NEVER))
    touched_last = np.max([np.where(t < NEVER, t, 0) for t in (created, mql, sql, deal)], axis=0)
    deleted = np.where(dice.chance(6, size) | (np.arange(size) % 997 == 50), touched_last + 2 * HOUR, NEVER)
    deleted = known(deleted + np.where(deleted < NEVER, dice.waiting(6 * DAY, size), 0))
    sdr = np.where(dice.chance(880, size), staff.sdrs(dice, days), -1)
    leads = Leads(created, source, _lead_campaigns(dice, source, days), sdr, mql, sql, deleted, np.full(size, -1))
    # A deleted lead was a mistake, so no deal followed from it.
    return leads, np.where(deleted < NEVER, NEVER, deal)


def _lead_campaigns(dice: Dice, source: IntArray, days: IntArray) -> IntArray:
    campaign = np.full(len(source), -1)
    for name, numbers in _CAMPAIGNS_OF_SOURCE.items():
        rows = np.flatnonzero(source == LEAD_SOURCES.index(name))
        chosen = np.array(numbers)[dice.below(len(numbers), len(rows))]
        campaign[rows] = cat.running_campaign(chosen, days[rows])
    return np.where(dice.chance(930, len(source)), campaign, -1)


def new_business(seed: int, leads: Leads, becomes_deal: IntArray, staff: Staff, rates: Rates) -> Deals:
    """One deal for each lead that got that far. Sets `leads.deal` to the position of the deal."""
    dice = Dice(seed, "new_business")
    lead = np.flatnonzero(becomes_deal < NEVER)
    leads.deal[lead] = np.arange(len(lead))
    size = len(lead)
    country = dice.weighted(cat.COUNTRY_WEIGHTS, size)
    segment = dice.weighted((50, 35, 15), size)
    customer = np.full(size, -1)
    return _deals(dice, becomes_deal[lead], lead, leads.sdr[lead], customer, 0, country, segment, staff, rates)


def expansions(
    seed: int, created: IntArray, customer: IntArray, country: IntArray, segment: IntArray, staff: Staff, rates: Rates
) -> Deals:
    """Deals with existing customers: when they are created, with whom (positions), from where, and their size."""
    dice = Dice(seed, "expansions")
    nobody = np.full(len(created), -1)
    deals = _deals(dice, created, nobody, nobody, customer, 1, country, segment, staff, rates)
    # Some CRM users enter a deal only after it is signed, so it closes hours before it is created.
    late_entry = dice.chance(8, len(created)) | (np.arange(len(created)) % 499 == 7)
    signed = created - HOUR - dice.below(29 * HOUR, len(created))
    deals.stage_times[late_entry] = NEVER
    deals.stage_times[late_entry, _CLOSED] = signed[late_entry]
    deals.won[late_entry] = True
    deals.owner[late_entry] = deals.owner_first[late_entry]
    deals.handed_over[late_entry] = NEVER
    return deals


def _deals(
    dice: Dice,
    created: IntArray,
    lead: IntArray,
    sdr: IntArray,
    customer: IntArray,
    kind: int,
    country: IntArray,
    segment: IntArray,
    staff: Staff,
    rates: Rates,
) -> Deals:
    size, days = len(created), local_day(created)
    won = dice.chance(330 + 60 * kind, size)
    # From hours to more than four months. People take longer to admit that a deal is lost.
    length = 2 * HOUR + dice.waiting(np.where(won, 32, 41) * DAY, size)
    stage_times = _stage_times(dice, created, length, won)
    closes = stage_times[:, _CLOSED]
    currency = cat.CURRENCY_OF_COUNTRY[country]
    euros = _AMOUNT_CENTS_OF_SEGMENT[segment] * dice.between(30, 260, size) // 100
    owner_first = staff.account_executives(dice, days)
    closing_day = local_day(np.minimum(closes, LAST_MOMENT))
    moves = dice.chance(40, size) | ~staff.still_here(owner_first, closing_day)
    owner = np.where(moves, staff.account_executives(dice, closing_day), owner_first)
    proposal = stage_times[:, _PROPOSAL]
    handed_over = np.where(owner == owner_first, NEVER, np.where(proposal < NEVER, proposal, closes))
    return Deals(
        created=created,
        lead=lead,
        sdr=sdr,
        customer=customer,
        kind=np.full(size, kind),
        country=country,
        segment=segment,
        amount=rates.from_euro(euros, currency, days) // 100 * 100 + 50 * dice.below(2, size),
        currency=currency,
        expected_close=days + dice.between(20, 90, size),
        stage_times=stage_times,
        won=won,
        loss_reason=dice.below(len(_LOSS_REASONS), size),
        owner_first=owner_first,
        owner=owner,
        handed_over=handed_over,
    )


def _stage_times(dice: Dice, created: IntArray, length: IntArray, won: np.ndarray[Any, np.dtype[np.bool_]]) -> IntArray:
    """Moments of the five stages: created, three in between, closed. Lost deals often skip the later ones."""
    size = len(created)
    times = np.empty((size, len(STAGES)), dtype=np.int64)
    times[:, 0] = created
    for stage, (low, high) in enumerate(((10, 25), (35, 55), (65, 90)), start=1):
        times[:, stage] = created + length * dice.between(low, high, size) // 100
    times[:, _CLOSED] = created + length
    reached = np.where(won, 3, dice.weighted((15, 30, 35, 20), size))
    for stage in (1, 2, 3):
        times[reached < stage, stage] = NEVER
    return times


def lead_versions(leads: Leads, deals: Deals, ids: Ids) -> pd.DataFrame:
    """crm.leads: a version for every step of a lead."""
    size = len(leads.created)
    has_deal = leads.deal >= 0
    deal_created, converted = np.full(size, NEVER), np.full(size, NEVER)
    deal_created[has_deal] = deals.created[leads.deal[has_deal]]
    converted[has_deal] = np.where(deals.won_by_now, deals.closed, NEVER)[leads.deal[has_deal]]
    steps = np.stack([leads.created, leads.mql, leads.sql, deal_created, converted, leads.deleted])
    rows, moments = _flatten(steps)
    kept = last_per_delivery(rows, moments)
    row, at = rows[kept], moments[kept]

    def by_then(when: IntArray) -> IntArray:
        return np.where(when[row] <= at, when[row], NEVER)

    customer = np.full(size, -1)
    customer[has_deal] = deals.customer[leads.deal[has_deal]]
    raw = {
        "id": ids.leads(row),
        "email": np.where(customer[row] >= 0, ids.emails("c", customer[row]), ids.emails("l", row)),
        "created_at": leads.created[row],
        "source": np.array(LEAD_SOURCES, dtype=object)[leads.source[row]],
        "campaign_id": cat.campaign_ids(leads.campaign[row]),
        "sdr_id": cat.rep_ids(leads.sdr[row]),
        "mql_at": by_then(leads.mql),
        "sql_at": by_then(leads.sql),
        "converted_at": by_then(converted),
        "opportunity_id": ids.deals(np.where(deal_created[row] <= at, leads.deal[row], -1)),
        "is_deleted": leads.deleted[row] <= at,
        "updated_at": at,
    }
    return versions_frame("crm.leads", raw, local_day(at))


def _flatten(steps: IntArray) -> tuple[IntArray, IntArray]:
    """(row, moment) of every step that happened. `steps` has the shape (kinds of step, rows)."""
    rows = np.tile(np.arange(steps.shape[1]), steps.shape[0])
    moments = steps.ravel()
    happened = moments <= LAST_MOMENT
    return rows[happened], moments[happened]


def _owner_at(deals: Deals, row: IntArray, at: IntArray) -> IntArray:
    return np.where(deals.handed_over[row] <= at, deals.owner[row], deals.owner_first[row])


def _stage_names(deals: Deals, row: IntArray, stage: IntArray) -> Objects:
    names = np.array([*STAGES[:_CLOSED], "closed_lost", "closed_won"], dtype=object)
    chosen: Objects = names[stage + np.where(stage == _CLOSED, deals.won[row], 0)]
    return chosen


def opportunity_versions(deals: Deals, ids: Ids) -> pd.DataFrame:
    """crm.opportunities: a version for every stage that a deal enters."""
    rows, moments = _flatten(np.maximum(deals.stage_times.T, deals.created))
    kept = last_per_delivery(rows, moments)
    row, at = rows[kept], moments[kept]
    entered = np.where(deals.stage_times[row] <= at[:, None], deals.stage_times[row], -1)
    stage = entered.argmax(axis=1)
    is_closed = stage == _CLOSED
    is_won = is_closed & deals.won[row]
    loss = np.array([*_LOSS_REASONS, None], dtype=object)
    raw = {
        "id": ids.deals(row),
        "customer_id": ids.customers(np.where(is_won | (deals.kind[row] == 1), deals.customer[row], -1)),
        "lead_id": ids.leads(deals.lead[row]),
        "owner_id": cat.rep_ids(_owner_at(deals, row, at)),
        "sdr_id": cat.rep_ids(deals.sdr[row]),
        "type": np.array(_TYPES, dtype=object)[deals.kind[row]],
        "stage": _stage_names(deals, row, stage),
        "amount": deals.amount[row],
        "currency": np.array(cat.CURRENCIES, dtype=object)[deals.currency[row]],
        "created_at": deals.created[row],
        "expected_close_date": deals.expected_close[row],
        "closed_at": np.where(is_closed, deals.stage_times[row, _CLOSED], NEVER),
        "is_won": is_won,
        "is_closed": is_closed,
        "loss_reason": loss[np.where(is_closed & ~is_won, deals.loss_reason[row], len(_LOSS_REASONS))],
        "updated_at": at,
        "product": cat.products_of_deals(row),
    }
    return versions_frame("crm.opportunities", raw, local_day(at))


def stage_history(deals: Deals, ids: Ids) -> pd.DataFrame:
    """crm.stage_history: one row per stage that a deal entered, on the day on which it was recorded."""
    happened = deals.stage_times <= LAST_MOMENT
    row, stage = np.nonzero(happened)
    changed = deals.stage_times[row, stage]
    recorded = np.maximum(changed, deals.created[row])
    order = np.lexsort((stage, row, recorded))
    row, stage, changed, recorded = row[order], stage[order], changed[order], recorded[order]
    owner = _owner_at(deals, row, changed)
    by_sdr = (stage == 0) & (deals.sdr[row] >= 0)
    raw = {
        "opportunity_id": ids.deals(row),
        "stage": _stage_names(deals, row, stage),
        "changed_at": changed,
        "changed_by": cat.rep_ids(np.where(by_sdr, deals.sdr[row], owner)),
        "owner_id": cat.rep_ids(owner),
    }
    return versions_frame("crm.stage_history", raw, local_day(recorded))
