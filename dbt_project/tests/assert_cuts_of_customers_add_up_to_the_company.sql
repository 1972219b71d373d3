-- A failure means that segments, regions or channels hold more or less than the company: a customer is in two of them, or in
-- none.
{{ config(meta={'dagster': {'ref': {'name': 'kpi_retention'}}}) }}
{% set marts = {
    'kpi_retention': ['period_start', 'grain', [
        'customers_at_start', 'retained_customers', 'churned_customers', 'new_customers', 'reactivated_customers',
        'customers_at_end', 'customers_to_date', 'repeat_customers', 'base_amount', 'kept_amount', 'kept_at_most_amount',
        'base_amount_12m', 'kept_amount_12m', 'kept_at_most_amount_12m', 'new_amount', 'churned_amount', 'end_amount',
    ]],
    'kpi_retention__cohort': ['cohort_month', 'months_since', ['customers', 'active_customers', 'net_amount']],
    'kpi_clv__cohort': ['period_start', "concat(grain, ' ', horizon)", ['customers', 'net_amount']],
} %}
with

totals as (
    {%- for mart, (period_start, cell, measures) in marts.items() %}
    {%- set is_last_mart = loop.last %}
    {%- for measure in measures %}
    select
        '{{ mart }}' as mart,
        '{{ measure }}' as measure,
        {{ period_start }} as period_start,
        cast({{ cell }} as string) as cell,
        entity_type,
        cast(sum({{ measure }}) as decimal(18, 2)) as total
    from {{ ref(mart) }}
    group by 1, 2, 3, 4, 5
    {{ 'union all' if not (is_last_mart and loop.last) }}
    {%- endfor %}
    {%- endfor %}
),

compared as (
    select
        mart,
        measure,
        period_start,
        cell,
        sum(case when entity_type = 'company' then total else 0 end) as company_total,
        sum(case when entity_type = 'segment' then total else 0 end) as segment_total,
        sum(case when entity_type = 'region' then total else 0 end) as region_total,
        sum(case when entity_type = 'channel' then total else 0 end) as channel_total
    from totals
    group by 1, 2, 3, 4
)

select * from compared
where segment_total <> company_total or region_total <> company_total or channel_total <> company_total
