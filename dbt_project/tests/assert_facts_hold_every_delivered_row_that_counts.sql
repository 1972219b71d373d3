-- A failure means that a row that was delivered, is readable and counts is missing from a fact, or is there twice.
{{ config(meta={'dagster': {'ref': {'name': 'fct_leads'}}}) }}
with

counts as (
    select
        'order items' as fact,
        (
            select count(*)
            from {{ ref('int_order_items') }} as order_items
            inner join {{ ref('int_counted_orders') }} as orders
                on order_items.order_id = orders.order_id
        ) as delivered_rows,
        (select count(*) from {{ ref('fct_order_items') }}) as fact_rows
    union all
    select
        'leads' as fact,
        (
            select count(*)
            from {{ ref('int_leads') }} as leads
            cross join {{ ref('int_run_parameters') }} as parameters
            where not coalesce(leads.is_deleted, false) and {{ business_date('leads.created_at') }} <= parameters.as_of_date
        ) as delivered_rows,
        (select coalesce(sum(merged_leads), 0) from {{ ref('fct_leads') }}) as fact_rows
    union all
    select
        'opportunities' as fact,
        (
            select count(*)
            from {{ ref('int_opportunities') }} as opportunities
            cross join {{ ref('int_run_parameters') }} as parameters
            where {{ business_date('opportunities.created_at') }} <= parameters.as_of_date
        ) as delivered_rows,
        (select count(*) from {{ ref('fct_opportunities') }}) as fact_rows
    union all
    select
        'marketing spend' as fact,
        (
            select count(*)
            from {{ ref('int_ad_spend') }} as ad_spend
            cross join {{ ref('int_run_parameters') }} as parameters
            where ad_spend.spend_date <= parameters.as_of_date
        ) as delivered_rows,
        (select count(*) from {{ ref('fct_marketing_spend') }}) as fact_rows
    union all
    select
        'nps responses' as fact,
        (
            select count(*)
            from {{ ref('int_nps_responses') }} as responses
            cross join {{ ref('int_run_parameters') }} as parameters
            where responses.score between 0 and 10 and {{ business_date('responses.responded_at') }} <= parameters.as_of_date
        ) as delivered_rows,
        (select count(*) from {{ ref('fct_nps_responses') }}) as fact_rows
)

select * from counts
where delivered_rows <> fact_rows
