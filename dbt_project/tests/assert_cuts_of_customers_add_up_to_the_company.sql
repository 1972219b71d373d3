-- A failure means that segments, regions or channels hold more or less than the company: a customer is in two of them, or in
-- none.
{% set marts = [
    ['kpi_retention__monthly', 'period_month', "''", [
        'customers_at_start', 'retained_customers', 'churned_customers', 'new_customers', 'reactivated_customers',
        'customers_at_end', 'customers_to_date', 'repeat_customers', 'base_amount', 'kept_amount', 'kept_at_most_amount',
    ]],
    ['kpi_retention__cohort', 'cohort_month', 'months_since', ['customers', 'active_customers', 'net_amount']],
    ['kpi_clv__cohort', 'period_month', 'horizon', ['customers', 'net_amount']],
] %}
{% set totals = [] %}
{% for mart, month, cell, measures in marts %}
    {% for measure in measures %}{% do totals.append([mart, month, cell, measure]) %}{% endfor %}
{% endfor %}
with

totals as (
    {%- for mart, month, cell, measure in totals %}
    select
        '{{ mart }}' as mart,
        '{{ measure }}' as measure,
        {{ month }} as period_month,
        cast({{ cell }} as varchar) as cell,
        {%- for entity_type in ['company', 'segment', 'region', 'channel'] %}
        cast(sum(case when entity_type = '{{ entity_type }}' then {{ measure }} else 0 end) as decimal(18, 2))
            as {{ entity_type }}_total{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref(mart) }}
    group by 1, 2, 3, 4
    {{ 'union all' if not loop.last }}
    {%- endfor %}
)

select * from totals
where segment_total <> company_total or region_total <> company_total or channel_total <> company_total
