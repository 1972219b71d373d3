"""Words that are published with the numbers, and appear on pages translated.

Belongs here: names of nodes of the KPI tree, of kinds of rows, and of reasons and causes. A test holds this list to
what the demo company publishes. Names and formulas of KPIs are not here: the KPI catalogue has them in every language.
"""

from pipelines.pages.words import N_

NODES = (
    N_("Net revenue"),
    N_("Acquisition cost per new customer"),
    N_("Average order value"),
    N_("Refunds"),
    N_("Customers who ordered"),
    N_("Orders without a customer"),
    N_("Leads created"),
    N_("Lead conversion in 30 days"),
    N_("Retained customers"),
    N_("Deals closed"),
    N_("Average deal won"),
    N_("Media and programme costs"),
    N_("Orders"),
    N_("Orders per customer"),
    N_("Net revenue of new customers"),
    N_("Net revenue of returning customers"),
    N_("New customers"),
    N_("Leads converted in 30 days"),
    N_("Bookings"),
    N_("Won of closed"),
    N_("Open deals at the start"),
)

FACTORS = (N_("numerator"), N_("denominator"))

KINDS_OF_ROWS = (
    N_("order, by its last touch"),
    N_("cost"),
    N_("lead"),
    N_("refund"),
    N_("customer, by the first order"),
    N_("customer, by the latest order"),
    N_("invitation"),
    N_("order"),
    N_("campaign on a day"),
    N_("order item"),
    N_("answer"),
    N_("deal"),
    N_("open deal"),
    N_("quota on a day"),
)

REASONS = (
    N_("of leads that are no customers"),
    N_("that no order came after"),
    N_("that were deleted"),
    N_("whose history is read instead"),
    N_("of orders that do not count"),
    N_("of a status that does not count"),
    N_("in quarantine, since it cannot be read"),
    N_("into other currencies"),
    N_("merged with another account of the same person"),
    N_("merged with the first lead of the same person"),
    N_("of deals that were deleted or are not there"),
    N_("of months before the history begins"),
    N_("of the reporting currency itself"),
    N_("of years after that of the as-of date"),
    N_("set against months after the as-of date"),
    N_("that a newer row of the same number replaces"),
    N_("that say what the version before said"),
    N_("with a score off the scale"),
    N_("with an unknown order number"),
    N_("without a creation date"),
    N_("without a customer"),
    N_("without a date"),
    N_("without a date, a currency or a rate"),
    N_("without a deal"),
    N_("without a known order or customer"),
    N_("without a month"),
    N_("without a number"),
    N_("without a score"),
    N_("without an order number"),
    N_("after the as-of date"),
)

CAUSES = (
    N_("late"),
    N_("corrected"),
    N_("deleted"),
    N_("refund"),
    N_("exchange rate"),
    N_("definition"),
    N_("related rows"),
)
