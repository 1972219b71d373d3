"""The demo company: a seeded, invented business whose systems deliver raw files, and the truth about it.

Belongs here: inventing the business, adding the faults of real deliveries, writing the files, and computing the KPIs of
the clean business with separate plain code.
Does not belong here: any part of the pipeline that reads those files. Neither side imports the other.
"""

GENERATOR_VERSION = "3"
SOURCES = ("ads", "crm", "finance", "shop", "survey")
