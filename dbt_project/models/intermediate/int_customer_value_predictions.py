"""What each customer is expected to buy in the next year (BG/NBD, Gamma-Gamma); one row per customer with an order."""


def model(dbt, session):  # type: ignore[no-untyped-def]
    """Fit both models on all customers and predict each; dbt-duckdb runs this in dbt's own process."""
    from pipelines.transform.customer_value import predict

    purchases = dbt.ref("int_customer_purchases")

    dbt.config(materialized="table")
    return predict(purchases.df() if hasattr(purchases, "df") else purchases.toPandas())
