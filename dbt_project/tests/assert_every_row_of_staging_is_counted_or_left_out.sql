-- A failure means that a row of staging is in no fact and nothing says why, or that it is there twice. `int_accounted_rows` says
-- what ought to be there.
{{ config(meta={'dagster': {'ref': {'name': 'int_accounted_rows'}}}) }}
{% set facts = {
    'customers': "select _source_file from " ~ ref('dim_customer') ~ " where _source_file is not null",
    'products': "select _source_file from " ~ ref('dim_product') ~ " where _source_file is not null",
    'campaigns': "select _source_file from " ~ ref('dim_campaign') ~ " where _source_file is not null",
    'orders': "select _source_file from " ~ ref('int_counted_orders'),
    'order_items': "select _source_file from " ~ ref('fct_order_items'),
    'refunds': "select _source_file from " ~ ref('fct_refunds'),
    'leads': "select _source_file from " ~ ref('fct_leads'),
    'opportunities': "select _source_file from " ~ ref('fct_opportunities'),
    'opportunity_stage_history': "select _source_file from " ~ ref('fct_opportunity_stage_events') ~ " where not is_derived",
    'sales_rep_versions': "select _source_file from " ~ ref('dim_sales_rep'),
    'quotas': "select distinct _source_file, _row_number from " ~ ref('fct_quota_daily'),
    'ad_spend': "select _source_file from " ~ ref('fct_marketing_spend'),
    'touchpoints': "select touches._source_file from " ~ ref('int_touchpoints') ~ " as touches inner join (select distinct touchpoint_id"
        ~ " from " ~ ref('fct_attribution') ~ ") as owed on touches.touchpoint_id = owed.touchpoint_id",
    'nps_responses': "select _source_file from " ~ ref('fct_nps_responses'),
} %}
with

accounted as (
    select
        entity,
        source,
        source_file,
        sum(number_of_rows) as delivered_rows,
        sum(case when left_out_of = 'every KPI' then 0 else number_of_rows end) as rows_that_count
    from {{ ref('int_accounted_rows') }}
    where entity is not null
    group by 1, 2, 3
),

-- What staging holds is accounted for, source by source.
staged as (
    select
        entity,
        source as place,
        staged_rows as expected_rows
    from {{ ref('int_staged_row_counts') }}
),

seen as (
    select
        entity,
        source as place,
        sum(delivered_rows) as found_rows
    from accounted
    group by 1, 2
),

-- What is accounted for as counted is in the facts, file by file.
expected as (
    select
        entity,
        source_file as place,
        sum(rows_that_count) as expected_rows
    from accounted
    where entity in ({{ text_list(facts) }})
    group by 1, 2
    union all
    select
        'nps_invitations' as entity,
        'all files' as place,
        coalesce(sum(rows_that_count), 0) as expected_rows
    from accounted
    where entity = 'nps_invitations'
),

counted as (
    {%- for entity, query in facts.items() %}
    select
        '{{ entity }}' as entity,
        _source_file as place,
        count(*) as found_rows
    from ({{ query }}) as fact
    group by 2
    union all
    {%- endfor %}
    select
        'nps_invitations' as entity,
        'all files' as place,
        coalesce(sum(invitations), 0) as found_rows
    from {{ ref('kpi_nps') }}
    where entity_type = 'company' and grain = 'month'
),

compared as (
    select
        staged.entity,
        staged.place,
        staged.expected_rows,
        coalesce(seen.found_rows, 0) as found_rows
    from staged
    left join seen
        on staged.entity = seen.entity and staged.place = seen.place
    union all
    select
        coalesce(expected.entity, counted.entity) as entity,
        coalesce(expected.place, counted.place) as place,
        coalesce(expected.expected_rows, 0) as expected_rows,
        coalesce(counted.found_rows, 0) as found_rows
    from expected
    full join counted
        on expected.entity = counted.entity and expected.place = counted.place
)

select * from compared
where expected_rows <> found_rows
