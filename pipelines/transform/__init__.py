"""Raw to marts: the dbt project as Dagster assets."""
