"""What marketing does: advertising spend, campaign touches, survey invitations and answers.

Belongs here: spend per campaign and day, touchpoints of leads and customers, the customer survey.
Does not belong here: the campaigns themselves (catalogue), and the leads and customers that they reach (funnel, sales).

All moments are UTC seconds. Money is in cents of the campaign's currency.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from demo_company import catalogue as cat
from demo_company import rhythm
from demo_company.clock import DAY, FIRST_DAY, HOUR, LAST_MOMENT, MINUTE, IntArray, local_day, moment_of
from demo_company.dice import Dice
from demo_company.funnel import Leads
from demo_company.sales import Customers, Orders
from demo_company.tables import Ids, versions_frame

_FIRST_MOMENT = int(moment_of(np.array([FIRST_DAY]), np.array([0]))[0])


def spend(seed: int, scale_ppm: int) -> pd.DataFrame:
    """ads.spend: one row per campaign and day on which it ran and had costs."""
    dice = Dice(seed, "spend")
    paying = [n for n, campaign in enumerate(cat.CAMPAIGNS) if campaign.daily_cents]
    running = [np.arange(cat.CAMPAIGNS[n].first_day, cat.CAMPAIGNS[n].last_day + 1) for n in paying]
    number, day = np.repeat(paying, [len(days) for days in running]), np.concatenate(running)
    order = np.lexsort((number, day))
    number, day = number[order], day[order]
    budget = np.array([c.daily_cents for c in cat.CAMPAIGNS])[number]
    amount = budget * rhythm.demand(day) // 600 * dice.between(70, 130, len(day)) // 100 * scale_ppm // cat.MICROS
    clicks = amount // dice.between(40, 160, len(day))
    raw = {
        "spend_date": day,
        "campaign_id": cat.campaign_ids(number),
        "impressions": clicks * dice.between(20, 90, len(day)) + dice.below(50, len(day)),
        "clicks": clicks,
        "spend": np.maximum(amount, 1),
        "currency": np.array([c.currency for c in cat.CAMPAIGNS], dtype=object)[number],
    }
    return versions_frame("ads.spend", raw, day)


def touchpoints(seed: int, leads: Leads, customers: Customers, orders: Orders, ids: Ids) -> pd.DataFrame:
    """ads.touchpoints: what people saw before they became leads or customers, and a few touches after that.

    A touch is delivered when it is linked to a known person, so not before that lead or customer exists.
    """
    dice = Dice(seed, "touchpoints")
    nobody = -1
    touches = dice.weighted((20, 45, 25, 10), len(leads.created))
    lead = np.repeat(np.arange(len(touches)), touches)
    lead_at = leads.created[lead] - 5 * MINUTE - dice.waiting(9 * DAY, len(lead))
    lead_campaign = np.where(dice.chance(700, len(lead)), leads.campaign[lead], nobody)
    touches = dice.weighted((25, 35, 25, 15), len(customers.created))
    customer = np.repeat(np.arange(len(touches)), touches)
    customer_at = customers.created[customer] - MINUTE - dice.waiting(12 * DAY, len(customer))
    buyer = orders.customer[dice.chance(60, len(orders.customer))]
    later_at = customers.created[buyer] + dice.waiting(60 * DAY, len(buyer))
    who_customer = np.concatenate([np.full(len(lead), nobody), customer, buyer])
    who_lead = np.concatenate([lead, np.full(len(customer) + len(buyer), nobody)])
    at = np.maximum(np.concatenate([lead_at, customer_at, later_at]), _FIRST_MOMENT)
    anything = cat.running_campaign(dice.below(len(cat.CAMPAIGNS), len(at)), local_day(at))
    anything = np.where(dice.chance(720, len(at)), anything, nobody)
    campaign = np.where(who_lead >= 0, np.concatenate([lead_campaign, np.full(len(at) - len(lead), nobody)]), anything)
    known_from = np.where(who_lead >= 0, leads.created[who_lead], customers.created[who_customer])
    recorded = np.maximum(at, known_from)
    order = np.lexsort((at, who_customer, who_lead, recorded))
    order = order[recorded[order] <= LAST_MOMENT]
    channels = np.array([*(c.channel for c in cat.CAMPAIGNS), "organic_search"], dtype=object)
    raw = {
        "touchpoint_id": ids.touchpoints(np.arange(len(order))),
        "lead_id": ids.leads(who_lead[order]),
        "customer_id": ids.customers(who_customer[order]),
        "campaign_id": cat.campaign_ids(campaign[order]),
        "channel": channels[campaign[order]],
        "touched_at": at[order],
    }
    return versions_frame("ads.touchpoints", raw, local_day(recorded[order]))


def survey(seed: int, orders: Orders, ids: Ids) -> tuple[pd.DataFrame, pd.DataFrame]:
    """survey.invitations and survey.responses: some buyers are asked a few days after ordering, and a third answers."""
    dice = Dice(seed, "survey")
    asked = np.flatnonzero(dice.chance(205, len(orders.ordered)))
    days = local_day(orders.ordered[asked]) + dice.between(3, 10, len(asked))
    sent = moment_of(days, 8 * HOUR + dice.below(10 * HOUR, len(asked)))
    order = np.argsort(sent, kind="stable")
    order = order[sent[order] <= LAST_MOMENT]
    sent, buyer = sent[order], orders.customer[asked[order]]
    invitations = {
        "invitation_id": ids.invitations(np.arange(len(sent))),
        "customer_id": ids.customers(buyer),
        "sent_at": sent,
        "channel": np.array(("email", "sms", "in_app"), dtype=object)[dice.weighted((70, 18, 12), len(sent))],
    }
    return versions_frame("survey.invitations", invitations, local_day(sent)), _responses(dice, sent, buyer, ids)


def _responses(dice: Dice, sent: IntArray, buyer: IntArray, ids: Ids) -> pd.DataFrame:
    answered = np.flatnonzero(dice.chance(350, len(sent)))
    at = sent[answered] + 3 * MINUTE + np.minimum(dice.waiting(2 * DAY, len(answered)), 20 * DAY)
    order = np.lexsort((answered, at))
    order = order[at[order] <= LAST_MOMENT]
    which = answered[order]
    raw = {
        "response_id": ids.responses(np.arange(len(which))),
        "invitation_id": ids.invitations(which),
        "customer_id": ids.customers(buyer[which]),
        "score": dice.weighted((2, 1, 2, 2, 3, 5, 7, 14, 20, 24, 20), len(which)),
        "responded_at": at[order],
    }
    return versions_frame("survey.responses", raw, local_day(at[order]))
