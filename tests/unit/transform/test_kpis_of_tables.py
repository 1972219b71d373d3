"""Which KPIs a delivered table, or a mart, belongs to."""

from pipelines.transform.kpis import kpis_of_tables

PARENTS = {
    "stg_orders": ["shop.orders"],
    "stg_answers": ["survey.answers"],
    "int_histories": ["stg_orders", "stg_answers"],  # when the data begin: of every KPI
    "dim_date": ["int_histories"],
    "fct_orders": ["stg_orders", "dim_date"],
    "kpi_revenue__daily": ["fct_orders"],
    "kpi_nps": ["stg_answers", "dim_date"],
}
SOURCES = ("shop.orders", "survey.answers")
MANIFEST = {
    "nodes": {
        name: {"resource_type": "model", "name": name, "config": {}, "depends_on": {"nodes": parents}}
        for name, parents in PARENTS.items()
    },
    "sources": {name: dict(zip(("source_name", "name"), name.split("."), strict=True)) for name in SOURCES},
    "parent_map": PARENTS,
}


def test_a_delivered_table_belongs_to_the_kpis_whose_rows_it_has_not_to_those_whose_calendar() -> None:
    assert kpis_of_tables(MANIFEST) == {
        "shop.orders": ["revenue"],
        "survey.answers": ["nps"],
        "fct_orders": ["revenue"],
        "kpi_revenue__daily": ["revenue"],
        "kpi_nps": ["nps"],
    }
