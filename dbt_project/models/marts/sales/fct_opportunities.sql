-- Deals in the reporting currency, with the owner who closed them; one row per deal.
-- A closed deal is converted at the rate of the day on which it closed, an open deal at the rate of the as-of date. What is
-- dated after the as-of date has not happened yet: a deal that closes later is open. A deal without a creation date can be
-- won, but it has no cycle time and is in no figure that goes by creation.
with

opportunities as (
    select
        *,
        {{ business_date('created_at') }} as created_on,
        {{ business_date('closed_at') }} as closed_on
    from {{ ref('int_opportunities') }}
),

stage_history as (
    select * from {{ ref('int_opportunity_stage_history') }}
),

identities as (
    select * from {{ ref('int_customer_identities') }}
),

customers as (
    select * from {{ ref('int_customers') }}
),

sales_reps as (
    select * from {{ ref('int_sales_rep_versions') }}
),

rates as (
    select * from {{ ref('int_fx_rates_daily') }}
),

-- Deals name a product by its id or its name. Products of one name in several categories have none.
product_categories as (
    select
        product,
        max(category) as category
    from (
        select lower(product_id) as product, category from {{ ref('dim_product') }}
        union all
        select lower(product_name) as product, category from {{ ref('dim_product') }}
    ) as ids_and_names
    group by 1
    having count(distinct category) = 1
),

parameters as (
    select * from {{ ref('int_run_parameters') }}
),

known as (
    select
        opportunities.*,
        coalesce(identities.person_id, opportunities.customer_id) as person_id,
        coalesce(
            opportunities.is_closed and opportunities.closed_on <= parameters.as_of_date, false
        ) as is_closed_by_now,
        case
            when opportunities.is_closed and opportunities.closed_on <= parameters.as_of_date then opportunities.closed_on
            else parameters.as_of_date
        end as valued_on
    from opportunities
    cross join parameters
    left join identities
        on opportunities.customer_id = identities.customer_id
    where
        opportunities.opportunity_id is not null
        and (opportunities.created_on is null or opportunities.created_on <= parameters.as_of_date)
),

-- A deal may get another owner after it has closed, when the account is handed over. The rep who closed it gets the credit.
owners_at_close as (
    select
        known.opportunity_id,
        stage_history.owner_id,
        row_number() over (
            partition by known.opportunity_id
            order by stage_history.changed_at desc, stage_history._delivered_on desc, stage_history._row_number desc
        ) as recency
    from known
    inner join stage_history
        on
            known.opportunity_id = stage_history.opportunity_id
            and known.closed_at >= stage_history.changed_at
    where
        known.is_closed_by_now
        and stage_history.owner_id is not null
),

owned as (
    select
        known.*,
        coalesce(owners_at_close.owner_id, known.owner_id) as owner_at_close_id
    from known
    left join owners_at_close
        on
            known.opportunity_id = owners_at_close.opportunity_id
            and owners_at_close.recency = 1
)

select
    owned.opportunity_id,
    owned.lead_id,
    owned.person_id as customer_id,
    owned.owner_at_close_id as owner_id,
    created_version.team as created_team,
    case when owned.is_closed_by_now then closed_version.team end as closed_team,
    created_version.office as created_office,
    case when owned.is_closed_by_now then closed_version.office end as closed_office,
    owned.sdr_id,
    owned.type,
    owned.product,
    product_categories.category as product_category,
    owned.stage,
    customers.segment,
    customers.region,
    owned.currency_code,
    rates.rate as fx_rate,
    {{ in_reporting_currency('owned.amount', 'rates.rate') }} as amount,
    owned.created_on,
    owned.expected_close_date,
    case when owned.is_closed_by_now then owned.closed_on end as closed_on,
    owned.is_closed_by_now as is_closed,
    owned.is_closed_by_now and owned.is_won as is_won,
    owned.is_closed_by_now and not owned.is_won as is_lost,
    case when owned.is_closed_by_now and not owned.is_won then owned.loss_reason end as loss_reason,
    -- Some people enter a deal after it is signed. Cycles of negative length would distort every median.
    case
        when owned.is_closed_by_now and owned.closed_at >= owned.created_at
            then {{ days_from('owned.created_on', 'owned.closed_on') }}
    end as cycle_days,
    coalesce(owned.is_closed_by_now and owned.closed_at < owned.created_at, false) as has_negative_cycle,
    owned._source_file,
    owned._row_number
from owned
left join customers
    on owned.person_id = customers.customer_id
left join product_categories
    on lower(trim(owned.product)) = product_categories.product
left join sales_reps as created_version
    on
        owned.owner_at_close_id = created_version.rep_id
        and owned.created_on >= created_version.valid_from
        and owned.created_on < created_version.valid_until
left join sales_reps as closed_version
    on
        owned.owner_at_close_id = closed_version.rep_id
        and owned.closed_on >= closed_version.valid_from
        and owned.closed_on < closed_version.valid_until
left join rates
    on
        owned.valued_on = rates.date_day
        and owned.currency_code = rates.currency_code
