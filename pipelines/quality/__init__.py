"""Great Expectations on DuckDB: suites kept as data, run as SQL, shown as Dagster asset checks.

Belongs here: reading suites, validating one table, remembering the results, showing them.
Does not belong here: which tables there are, where they lie, what a stage is. Paths and relations are passed in.
"""
