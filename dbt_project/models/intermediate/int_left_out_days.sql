-- Rows that no KPI counts, by the day on which and the cuts in which they would count; one row per entity, reason, day and cuts.
-- Without a day, they would count in no period; a cut is NULL if it is not known of the entity. Published as `meta.left_out_days`.
-- What is left out is found before its order, customer and rep are looked up: most rows count.
-- The reasons are those of `macros/left_out.sql`, and say which status does not count. Deals that closed without a date count as open, so they are listed, too.
{% set undated = ['closed without a date, counted as open'] %}
{% set by_customer = ' left join ' ~ ref('int_customer_identities') ~ ' as persons on {customer} = persons.customer_id left join '
    ~ ref('int_customers') ~ ' as customers on coalesce(persons.person_id, {customer}) = customers.customer_id' %}
{% set by_rep = ' left join ' ~ ref('int_sales_rep_versions') ~ ' as reps on {rep} = reps.rep_id and {day} >= reps.valid_from'
    ~ ' and {day} < reps.valid_until' %}
{% set of_order = ' left join ' ~ ref('int_orders') ~ ' as orders on delivered.order_id = orders.order_id' %}
{% set entities = {
    'orders': {
        'day': business_date('delivered.ordered_at'), 'customer': 'delivered.customer_id', 'rep': 'delivered.rep_id',
        'channel': 'delivered.channel', 'region': 'delivered.region',
    },
    'order_items': {
        'joins': of_order, 'day': business_date('orders.ordered_at'), 'customer': 'orders.customer_id', 'rep': 'orders.rep_id',
        'channel': 'orders.channel', 'region': 'orders.region',
    },
    'refunds': {
        'joins': of_order, 'day': business_date('delivered.refunded_at'), 'customer': 'coalesce(orders.customer_id, delivered.customer_id)',
        'rep': 'coalesce(orders.rep_id, delivered.rep_id)', 'channel': 'coalesce(orders.channel, delivered.channel)',
        'region': 'coalesce(orders.region, delivered.region)',
    },
    'leads': {
        'day': business_date('delivered.created_at'), 'rep': 'delivered.sdr_id', 'channel': 'delivered.source',
        'campaign': 'delivered.campaign_id',
    },
    'opportunities': {
        'day': business_date('delivered.closed_at'), 'customer': 'delivered.customer_id', 'rep': 'delivered.owner_id',
        'region': 'customers.region', 'product': 'delivered.product',
    },
    'nps_responses': {
        'day': business_date('delivered.responded_at'), 'customer': 'delivered.customer_id', 'region': 'customers.region',
    },
    'nps_invitations': {
        'day': business_date('delivered.sent_at'), 'customer': 'delivered.customer_id', 'region': 'customers.region',
        'channel': 'delivered.channel',
    },
} %}
{% set accounts = reasons_to_leave_out() %}
with

left_out as (
    {%- for entity, place in entities.items() %}
    {%- set account = accounts[entity] %}
    select
        '{{ entity }}' as entity,
        case
            {%- for _, reason, left_out_of, _ in account['reasons'] %}
            when delivered.fate = {{ loop.index }}
                then
                    {%- if left_out_of != 'every KPI' and reason not in undated %} null
                    {%- elif reason == 'of a status that does not count' %} concat('with the status ', delivered.status)
                    {%- elif reason == 'of orders that do not count' %}
                    case
                        when orders.is_deleted then 'of orders that were deleted'
                        when orders.status in ({{ text_list(var('excluded_order_statuses')) }})
                            then concat('of orders with the status ', orders.status)
                        else '{{ reason }}'
                    end
                    {%- else %} '{{ reason }}'
                    {%- endif %}
            {%- endfor %}
        end as reason,
        {{ place['day'] }} as day,
        {%- for cut, value in {
            'channel': place['channel'], 'rep': place['rep'], 'team': 'reps.team' if place['rep'], 'office': 'reps.office' if place['rep'],
            'region': place['region'], 'segment': 'customers.segment' if place['customer'], 'campaign': place['campaign'],
            'product': place['product'],
        }.items() %}
        {{ "coalesce(" ~ value ~ ", 'unassigned')" if value else 'cast(null as string)' }} as {{ cut }}{{ ',' if not loop.last }}
        {%- endfor %}
    from (
        select
            delivered.*,
            case
                {%- for condition, _, _, _ in account['reasons'] %}
                when {{ condition }} then {{ loop.index }}
                {%- endfor %}
            end as fate
        from {{ account['rows'] }}
    ) as delivered{{ place['joins'] }}
    {{- by_customer.replace('{customer}', place['customer']) if place['customer'] }}
    {{- by_rep.replace('{rep}', place['rep']).replace('{day}', place['day']) if place['rep'] }}
    where delivered.fate is not null
    {{ 'union all' if not loop.last }}
    {%- endfor %}
)

select
    entity,
    reason,
    day,
    channel,
    rep,
    team,
    office,
    region,
    segment,
    campaign,
    product,
    cast(count(*) as bigint) as left_out_rows
from left_out
where reason is not null
group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
