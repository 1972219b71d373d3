"""Great Expectations on DuckDB: suites are stored as data, run as SQL, and shown as Dagster asset checks.

Belongs here: reading suites, validating one table, storing the results, showing them.
Does not belong here: which tables there are, where they are, what a stage is. Paths and relations are passed in.
"""
