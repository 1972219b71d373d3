"""The Sales KPI Pipeline: Dagster assets, dbt models and Great Expectations checks on DuckDB."""
