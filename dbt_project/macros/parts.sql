{# What KPIs are made of: the one description from which marts sum, `kpi explain` lists rows, and restatements get their causes. #}


{# The rows behind the parts of KPIs, each kind as in the published file, with these fields.
   - of: what a row is, in words
   - relation: a published table or query; `$period_start` and so on stand for the period that is asked for
   - key, day: columns, or expressions
   - cuts: entity type → expression of the row's entity, or an array, `array(...)`, of all its entities
   - provenance: the alias of the relation that names the delivered file and row; default: the table itself
   - left_out: the entity in `int_left_out_days` whose rows would be of this kind
   - uncounted: reason → condition of rows in the window that no term counts
   - undated: reason → condition of rows that have no day, so that no window has them #}
{% macro part_rows() -%}
    {%- set places = order_cuts() -%}
    {%- set lines = ' from marts.fct_order_items as lines left join marts.dim_product as products'
        ~ ' on lines.product_id = products.product_id where lines.' -%}
    {%- set categories_of_order = "array(select distinct coalesce(products.category, 'unassigned')" ~ lines ~ 'order_id = ' -%}
    {%- set category_of_refund = 'case when exists (select 1' ~ lines ~ 'order_item_id = fct_refunds.order_item_id)'
        ~ ' then (select max(products.category)' ~ lines ~ 'order_item_id = fct_refunds.order_item_id)'
        ~ ' else (select case when count(products.category) = count(*) and count(distinct products.category) = 1'
        ~ ' then max(products.category) end' ~ lines ~ 'order_id = fct_refunds.order_id) end' -%}
    {%- set of_customers = {'segment': 'customers.segment', 'region': 'customers.region', 'channel': 'customers.first_channel'} -%}
    {%- set customers = ' inner join marts.dim_customer as customers on movements.customer_id = customers.customer_id' -%}
    {%- set active_days = var('active_days') | int -%}
    {%- set deals = {'relation': 'marts.fct_opportunities', 'of': 'deal', 'key': 'opportunity_id'} -%}
    {%- set of_deals = {'rep': 'owner_id', 'segment': 'segment', 'region': 'region', 'product': 'product',
        'category': 'product_category'} -%}
    {%- set leads = {'relation': 'marts.fct_leads', 'of': 'lead', 'key': 'lead_id'} -%}
    {%- set of_leads = {'channel': 'source', 'rep': 'sdr_id', 'campaign': 'campaign_id'} -%}
    {%- set last_orders = {'of': 'customer, by the latest order', 'key': 'movements.customer_id', 'day': 'movements.ordered_on',
        'cuts': of_customers, 'provenance': 'movements'} -%}
    {%- set of_movements = {'cuts': of_customers, 'provenance': 'movements'} -%}
    {%- set first_orders = ' inner join marts.fct_orders as orders on customers.customer_id = orders.customer_id and orders.is_first_order' -%}
    {%- set compared = {'of': 'customer, by the first order', 'key': 'movements.customer_id', 'day': 'orders.ordered_on',
        'cuts': of_customers, 'provenance': 'orders'} -%}
    {{ return({
        'orders': {'relation': 'marts.fct_orders', 'of': 'order', 'key': 'order_id', 'day': 'ordered_on', 'left_out': 'orders',
            'cuts': dict(places, category=categories_of_order ~ 'fct_orders.order_id)')},
        'order_items': {
            'relation': 'marts.fct_order_items', 'of': 'order item', 'key': 'order_item_id', 'day': 'ordered_on',
            'left_out': 'order_items', 'cuts': dict(places, category='(select max(category) from marts.dim_product as products'
                ~ ' where products.product_id = fct_order_items.product_id)'),
        },
        'refunds': {'relation': 'marts.fct_refunds', 'of': 'refund', 'key': 'refund_id', 'day': 'refunded_on', 'left_out': 'refunds',
            'cuts': dict(places, category=category_of_refund)},
        'ad_spend': {
            'relation': 'marts.fct_marketing_spend', 'of': 'campaign on a day', 'day': 'spend_date',
            'key': "concat(campaign_id, ' on ', spend_date)", 'cuts': {'channel': 'channel', 'platform': 'platform'},
        },
        'costs': {
            'relation': 'marts.fct_sales_marketing_costs', 'of': 'cost', 'day': 'cost_month',
            'key': "concat(cost_type, ' of ', cost_month)", 'cuts': {},
        },
        'last_touches': {
            'relation': 'marts.fct_attribution as touches inner join marts.fct_orders as orders on touches.order_id = orders.order_id'
                ~ ' left join marts.dim_campaign as campaigns on touches.campaign_id = campaigns.campaign_id',
            'of': 'order, by its last touch', 'key': "concat(touches.order_id, ' touch ', touch_number)", 'day': 'touches.ordered_on',
            'cuts': {'channel': 'touches.channel', 'platform': 'campaigns.platform'}, 'provenance': 'orders',
        },
        'leads_created': dict(leads, day='created_on', cuts=dict(of_leads, team='created_team', office='created_office'), left_out='leads',
            undated={'without a creation date': 'created_on is null'}),
        'leads_accepted': dict(leads, day='sql_on', cuts={}),
        'leads_converted': dict(leads, day='converted_on', cuts=dict(of_leads, team='converted_team', office='converted_office')),
        'deals_closed': dict(deals, day='closed_on', cuts=dict(of_deals, team='closed_team', office='closed_office'),
            left_out='opportunities'),
        'deals_created': dict(deals, day='created_on', cuts=dict(of_deals, team='created_team', office='created_office'),
            uncounted={'still open': 'not is_closed'}, undated={'without a creation date': 'created_on is null'}),
        'deals_open_at_start': {
            'relation': "marts.fct_opportunity_stage_events as stages left join marts.dim_sales_rep as reps"
                ~ " on stages.owner_id = reps.rep_id and $period_start - 1 >= reps.valid_from and $period_start - 1 < reps.valid_until",
            'of': 'open deal', 'key': "concat(opportunity_id, ' in ', stage)", 'day': 'entered_on',
            'cuts': {'rep': 'owner_id', 'team': 'reps.team', 'office': 'reps.office'}, 'provenance': 'stages',
        },
        'quotas': {
            'relation': 'marts.fct_quota_daily', 'of': 'quota on a day', 'key': "concat(entity_id, ' on ', date_day)", 'day': 'date_day',
            'cuts': {'rep': 'entity_id', 'team': 'team', 'office': 'office'},
        },
        'answers': {
            'relation': '(select *, lead(responded_on) over (partition by respondent_key order by responded_at, response_id)'
                ~ ' as next_responded_on from marts.fct_nps_responses) as answers',
            'of': 'answer', 'key': 'response_id', 'day': 'responded_on',
            'cuts': {'segment': 'segment', 'region': 'region', 'channel': 'channel'}, 'provenance': 'answers',
            'left_out': 'nps_responses',
            'uncounted': {'replaced by a later answer of the same customer': 'next_responded_on < $counted_until'},
        },
        'invitations': {
            'relation': 'marts.fct_nps_invitations', 'of': 'invitation', 'key': 'invitation_id', 'day': 'sent_on',
            'left_out': 'nps_invitations',
            'cuts': {'segment': 'segment', 'region': 'region', 'channel': 'channel'},
        },
        'items_of_customers': dict(
            of_movements, relation='marts.fct_order_items as movements' ~ customers, of='order item',
            key='movements.order_item_id', day='movements.ordered_on',
        ),
        'refunds_of_customers': dict(
            of_movements, relation='marts.fct_refunds as movements' ~ customers, of='refund',
            key='movements.refund_id', day='movements.refunded_on',
        ),
        'orders_of_customers': dict(
            of_movements, of='order', key='movements.order_id', day='movements.ordered_on',
            relation='(select *, row_number() over (partition by customer_id order by ordered_on, order_id) as order_number'
                ~ ' from marts.fct_orders) as movements' ~ customers,
        ),
        'customers_at_start': dict(last_orders, relation=latest_orders('$period_start') ~ customers),
        'customers_at_end': dict(last_orders, relation=latest_orders('$counted_until') ~ customers),
        'customers_compared_with_prior': dict(compared, relation=compared_customers('prior') ~ customers ~ first_orders),
        'customers_compared_with_last_year': dict(compared, relation=compared_customers('last_year') ~ customers ~ first_orders),
        'customers_of_cohort': {
            'relation': 'marts.kpi_clv__customer as customers' ~ first_orders,
            'of': 'customer, by the first order', 'key': 'customers.customer_id', 'day': 'customers.first_ordered_on',
            'cuts': of_customers, 'provenance': 'orders',
        },
    }) }}
{%- endmacro %}

{# The latest order before a day of each customer that is active on that day. #}
{% macro latest_orders(day) -%}
    (select * from marts.fct_orders where ordered_on < {{ day }} and ordered_on >= {{ day }} - {{ var('active_days') | int }}
    qualify row_number() over (partition by customer_id order by ordered_on desc, order_id desc) = 1) as movements
{%- endmacro %}

{# The net revenue of each customer in the period and in the earlier one. #}
{% macro compared_customers(base) -%}
    (select customer_id, sum(case when {{ in_window('period', 'moved_on') }} then amount else 0 end) as net_amount,
    sum(case when {{ in_window(base ~ '_so_far', 'moved_on') }} then amount else 0 end) as base_amount
    from {{ movements_of_customers() }} group by customer_id) as movements
{%- endmacro %}

{# What customers bought and got back. #}
{% macro movements_of_customers() -%}
    (select customer_id, ordered_on as moved_on, gross_amount - discount_amount as amount from marts.fct_order_items
    union all select customer_id, refunded_on as moved_on, -refund_amount as amount from marts.fct_refunds)
{%- endmacro %}


{# Whether a day lies in a window of the period that is asked for. `prior` and `last_year` are whole periods; `..._so_far` are cut
   to as many days as a period in progress has had. #}
{% macro in_window(window, day) -%}
    {%- set bounds = {
        'period': ['$period_start', '$counted_until'],
        'whole_period': ['$period_start', '$period_end'],
        'prior': ['$prior_start', '$prior_end'],
        'prior_so_far': ['$prior_start', '$prior_until'],
        'last_year': ['$last_year_start', '$last_year_end'],
        'last_year_so_far': ['$last_year_start', '$last_year_until'],
        '3_months': ["$period_end - interval '3' month", '$period_end'],
        '3_months_before': ["$period_end - interval '6' month", "$period_end - interval '3' month"],
        '12_months': ["$period_end - interval '12' month", '$period_end'],
        '12_months_before': ["$period_end - interval '24' month", "$period_end - interval '12' month"],
        'trailing_90d': ["$counted_until - 90", '$counted_until'],
        'to_date': ["date '0001-01-01'", '$counted_until'],
    }[window] -%}
    {{ day }} >= {{ bounds[0] }} and {{ day }} < {{ bounds[1] }}
{%- endmacro %}


{# The parts of KPIs by mart: column → the terms that add up to it, each with these fields.
   - rows: as in `part_rows`
   - adds: what a row adds; default: 1
   - where: which rows count; default: all
   - window: as in `in_window`; default: the period
   - on: the day that must lie in the window; default: the rows' own
   - key: what identifies a row; default: the rows' own
   - uncounted: as in `part_rows`, of this part only: rows that count, but may count otherwise later
   A part may instead be a `formula` over other parts of its mart, or a `median`, `p90` or `mean` of what its rows add, or the
   number of `distinct` keys. #}
{% macro parts() -%}
    {%- set active_days = var('active_days') | int -%}

    {%- set sales, costs = 'gross_amount - discount_amount', 'coalesce(cost_amount, 0)' -%}
    {%- set by_order_date = {
        'orders': [{'rows': 'orders'}],
        'customers': {'distinct': {'rows': 'orders', 'key': 'customer_id', 'where': 'customer_id is not null'}},
        'customer_orders': [{'rows': 'orders', 'where': 'customer_id is not null'}],
        'gross_amount': [{'rows': 'order_items', 'adds': 'gross_amount'}],
        'discount_amount': [{'rows': 'order_items', 'adds': 'discount_amount'}],
        'refund_amount': [{'rows': 'refunds', 'adds': 'refund_amount'}],
        'net_amount': [{'rows': 'order_items', 'adds': sales}, {'rows': 'refunds', 'adds': '-refund_amount'}],
        'cost_amount': [{'rows': 'order_items', 'adds': 'cost_amount'}],
        'margin_amount': [{'rows': 'order_items', 'adds': sales ~ ' - ' ~ costs}, {'rows': 'refunds', 'adds': '-refund_amount'}],
        'new_customer_net_amount': [
            {'rows': 'order_items', 'adds': sales, 'where': 'is_first_order'},
            {'rows': 'refunds', 'adds': '-refund_amount', 'where': 'is_first_order'},
        ],
        'repeat_net_amount': [
            {'rows': 'order_items', 'adds': sales, 'where': 'not is_first_order'},
            {'rows': 'refunds', 'adds': '-refund_amount', 'where': 'not is_first_order'},
        ],
    } -%}
    {%- set growth = {'net_amount': by_order_date['net_amount']} -%}
    {%- for part, window in {
        'prior_net': 'prior', 'last_year_net': 'last_year', 'net_3_months': '3_months', 'prior_3_months_net': '3_months_before',
        'net_12_months': '12_months', 'prior_12_months_net': '12_months_before',
    }.items() -%}
        {%- do growth.update({part: [
            {'rows': 'order_items', 'adds': sales, 'window': window}, {'rows': 'refunds', 'adds': '-refund_amount', 'window': window},
        ]}) -%}
    {%- endfor -%}

    {#- Customers who are active on a day have ordered in the days before it. -#}
    {%- set active = {} -%}
    {%- for moment, day in {'start': '$period_start', 'end': '$counted_until'}.items() -%}
        {%- do active.update({moment: 'movements.customer_id in (select customer_id from marts.fct_orders where ordered_on < ' ~ day
            ~ ' and ordered_on >= ' ~ day ~ ' - ' ~ active_days ~ ')'}) -%}
    {%- endfor -%}
    {%- set at_start, at_end = {'rows': 'customers_at_start', 'window': 'to_date'}, {'rows': 'customers_at_end', 'window': 'to_date'} -%}
    {%- set margins = [
        {'rows': 'items_of_customers', 'adds': sales ~ ' - ' ~ costs, 'where': active.end},
        {'rows': 'refunds_of_customers', 'adds': '-refund_amount', 'where': active.end},
    ] -%}
    {%- set retention = {
        'customers_at_start': [at_start],
        'customers_at_end': [at_end],
        'retained_customers': [dict(at_start, where=active.end)],
        'churned_customers': [dict(at_start, where='not ' ~ active.end)],
        'customers_to_date': [{'rows': 'orders_of_customers', 'where': 'order_number = 1', 'window': 'to_date'}],
        'repeat_customers': [{'rows': 'orders_of_customers', 'where': 'order_number = 2', 'window': 'to_date'}],
        'margin_amount': margins,
        'margin_per_active_customer': {'formula': 'margin_amount / customers_at_end'},
        'predictive_churn_rate': {'formula': 'greatest(churned_customers / customers_at_start, 1 / 60)'},
        'predictive_value': {'formula': 'margin_per_active_customer / predictive_churn_rate'},
    } -%}
    {%- for base, suffix in [('prior', ''), ('last_year', '_12m')] -%}
        {%- set stayed = 'movements.customer_id in (select customer_id from ' ~ movements_of_customers() ~ ' where '
            ~ in_window(base ~ '_so_far', 'moved_on') ~ ' group by customer_id having sum(amount) > 0)' -%}
        {%- set in_base = {'rows': 'customers_compared_with_' ~ base, 'where': 'base_amount > 0', 'window': 'to_date'} -%}
        {%- set amounts = [
            {'rows': 'items_of_customers', 'adds': sales, 'where': stayed},
            {'rows': 'refunds_of_customers', 'adds': '-refund_amount', 'where': stayed},
        ] -%}
        {%- set earlier = [] -%}
        {%- for term in amounts -%}
            {%- do earlier.append(dict(term, window=base ~ '_so_far')) -%}
        {%- endfor -%}
        {%- do retention.update({
            'base_customers' ~ suffix: [in_base],
            'base_amount' ~ suffix: earlier,
            'kept_amount' ~ suffix: amounts,
            'kept_at_most_amount' ~ suffix: [dict(in_base, adds='least(net_amount, base_amount)')],
        }) -%}
    {%- endfor -%}

    {#- Spend counts when the customers that it won are expected: `cac_lag_months` later. -#}
    {%- set lag = var('cac_lag_months') | int -%}
    {%- set media = {'rows': 'ad_spend', 'adds': 'spend_amount', 'on': add_period('spend_date', 'month', lag)} -%}
    {%- set other_costs = {'rows': 'costs', 'adds': 'cost_amount', 'on': add_period('cost_month', 'month', lag)} -%}
    {%- set won = {'rows': 'last_touches', 'where': 'touches.is_first_order and touch_number = touches'} -%}
    {%- set cac = {
        'paid_spend_amount': [dict(media, where='is_paid')],
        'media_spend_amount': [media],
        'programme_cost_amount': [media, dict(other_costs, where='is_of_programme')],
        'fully_loaded_cost_amount': [media, other_costs],
        'new_customers': [won],
        'new_paid_customers': [dict(won, where=won.where ~ ' and touches.is_paid')],
        'attributed_paid_sales_amount': [{'rows': 'last_touches', 'adds': 'last_amount', 'where': 'touches.is_paid'}],
        'leads': [{'rows': 'leads_created'}],
        'sqls': [{'rows': 'leads_accepted'}],
        'spend_amount': [{'rows': 'ad_spend', 'adds': 'spend_amount'}],
        'impressions': [{'rows': 'ad_spend', 'adds': 'impressions'}],
        'clicks': [{'rows': 'ad_spend', 'adds': 'clicks'}],
        'platform_conversions': [{'rows': 'ad_spend', 'adds': 'platform_conversions'}],
        'platform_revenue_amount': [{'rows': 'ad_spend', 'adds': 'platform_revenue_amount'}],
        'cac_blended': {'formula': 'programme_cost_amount / new_customers'},
    } -%}
    {%- for part in [
        'customers_at_start', 'customers_at_end', 'churned_customers', 'margin_amount', 'margin_per_active_customer',
        'predictive_churn_rate', 'predictive_value',
    ] -%}
        {%- do cac.update({part: retention[part]}) -%}
    {%- endfor -%}

    {%- set within = "($horizon_days is null or {day} - customers.first_ordered_on < $horizon_days)" -%}
    {%- set of_cohort = {'on': 'customers.first_ordered_on'} -%}
    {%- set items = dict(of_cohort, rows='items_of_customers', where=within.replace('{day}', 'movements.ordered_on')) -%}
    {%- set returns = dict(of_cohort, rows='refunds_of_customers', where=within.replace('{day}', 'movements.refunded_on'),
        adds='-refund_amount') -%}
    {%- set cohorts = {
        'customers': [{'rows': 'customers_of_cohort'}],
        'net_amount': [dict(items, adds=sales), returns],
        'margin_amount': [dict(items, adds=sales ~ ' - ' ~ costs), returns],
        'predicted_amount': [{'rows': 'customers_of_cohort', 'adds': 'predicted_value'}],
    } -%}

    {%- set conversion = {
        'leads': [{'rows': 'leads_created'}],
        'converted_ever': [{'rows': 'leads_created', 'where': 'converted_on is not null'}],
        'conversions': [{'rows': 'leads_converted'}],
        'leads_touched': [{'rows': 'leads_created', 'where': 'hours_to_first_touch is not null'}],
        'median_days_to_convert': {'median': {'rows': 'leads_created', 'adds': 'days_to_convert', 'where': 'days_to_convert is not null'}},
        'median_hours_to_first_touch': {
            'median': {'rows': 'leads_created', 'adds': 'hours_to_first_touch', 'where': 'hours_to_first_touch is not null'},
        },
    } -%}
    {%- for days in [30, 60, 90] -%}
        {%- do conversion.update({'converted_' ~ days ~ 'd': [{
            'rows': 'leads_created', 'where': 'days_to_convert < ' ~ days,
            'uncounted': {'that have not had ' ~ days ~ ' days yet': 'created_on + ' ~ (days - 1) ~ ' > $as_of_date'},
        }]}) -%}
    {%- endfor -%}

    {%- set deals = {} -%}
    {%- for prefix, rows in [('', 'deals_closed'), ('created_', 'deals_created')] -%}
        {%- do deals.update({
            prefix ~ 'won_opportunities': [{'rows': rows, 'where': 'is_won'}],
            prefix ~ 'won_amount': [{'rows': rows, 'where': 'is_won', 'adds': 'amount'}],
            prefix ~ 'closed_opportunities': [{'rows': rows, 'where': 'is_won or is_lost'}],
            prefix ~ 'closed_amount': [{'rows': rows, 'where': 'is_won or is_lost', 'adds': 'amount'}],
        }) -%}
    {%- endfor -%}
    {%- set cycle = {'rows': 'deals_closed', 'where': 'is_won and cycle_days is not null'} -%}
    {%- do deals.update({
        'cycle_opportunities': [cycle],
        'mean_cycle_days': {'mean': dict(cycle, adds='cycle_days')},
        'median_cycle_days': {'median': dict(cycle, adds='cycle_days')},
        'p90_cycle_days': {'p90': dict(cycle, adds='cycle_days')},
        'open_opportunities_at_start': [{'rows': 'deals_open_at_start', 'where': is_open_at_start(), 'window': 'to_date'}],
        'open_amount_at_start': [
            {'rows': 'deals_open_at_start', 'where': is_open_at_start(), 'window': 'to_date', 'adds': 'coalesce(amount, 0)'},
        ],
        'revenue_quota': [
            {'rows': 'quotas', 'where': "kpi_id = 'revenue' and entity_type = 'rep'", 'adds': 'daily_target', 'window': 'whole_period'},
        ],
        'expected_pipeline_value': {'formula': 'open_opportunities_at_start * won_amount / closed_opportunities'},
    }) -%}

    {%- set nps = {
        'invitations': [{'rows': 'invitations'}],
        'answered_invitations': [{'rows': 'invitations', 'where': 'is_answered'}],
    } -%}
    {%- set is_latest = 'coalesce(next_responded_on >= $counted_until, true)' -%}
    {%- for window in ['period', 'trailing_90d'] -%}
        {%- do nps.update({
            window ~ '_responses': [{'rows': 'answers', 'where': is_latest, 'window': window}],
            window ~ '_promoters': [{'rows': 'answers', 'where': is_latest ~ " and category = 'promoter'", 'window': window}],
            window ~ '_detractors': [{'rows': 'answers', 'where': is_latest ~ " and category = 'detractor'", 'window': window}],
        }) -%}
    {%- endfor -%}

    {{ return({
        'kpi_revenue': by_order_date,
        'kpi_sales_growth': growth,
        'kpi_cac': cac,
        'kpi_clv__cohort': cohorts,
        'kpi_lead_conversion': conversion,
        'kpi_win_rate': deals,
        'kpi_retention': retention,
        'kpi_nps': nps,
    }) }}
{%- endmacro %}

{# A deal is in the pipeline at the start of a period if it was open at the end of the day before. #}
{% macro is_open_at_start() -%}
    is_open_stage and entered_on < $period_start and coalesce(stages.left_on >= $period_start, true)
{%- endmacro %}


{# The parts of a mart that are made of rows of these kinds, as columns of a query over the rows. `when` says of each kind by which
   condition its rows are known there. #}
{% macro part_columns(mart, when) -%}
    {%- set columns = [] -%}
    {%- for part, terms in parts()[mart].items() -%}
        {%- set statistic = 'sum' if terms is not mapping else terms.keys() | first -%}
        {%- set term = terms[0] if terms is not mapping else terms[statistic] -%}
        {%- if statistic != 'formula' and term.rows in when -%}
            {%- set counts = when[term.rows] ~ (' and (' ~ term.where ~ ')' if term.where else '') -%}
            {%- set adds = 'case when ' ~ counts ~ ' then ' ~ (term.adds or '1') -%}
            {%- do columns.append({
                'sum': 'sum(' ~ adds ~ ' else 0 end)',
                'mean': 'avg(' ~ adds ~ ' end)',
                'median': percentile(adds ~ ' end', 0.5),
                'p90': percentile(adds ~ ' end', 0.9),
            }[statistic] ~ ' as ' ~ part) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ columns | join(',\n        ') }}
{%- endmacro %}
