"""The demo company: a seeded, made-up business whose systems deliver raw files, and the truth about it.

What belongs here: inventing the business, spoiling its deliveries the way life does, writing the files, and
working out - by separate plain code - what the KPIs of the clean business are. What does not: anything of the
pipeline that reads those files. Neither side imports the other.
"""

GENERATOR_VERSION = "2"
SOURCES = ("ads", "crm", "finance", "shop", "survey")
