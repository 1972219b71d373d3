{# Why a row of staging is in no fact, or is in a fact but not in all KPIs of that fact. #}


{# Per entity: `rows`, the relation that its rows are read from, with the alias `delivered`; and `reasons` in the order in
   which they are tested, as [condition, reason, left out of, expected]. A row for which no condition holds counts everywhere.
   A reason continues the entity's name: orders "without a date". Nobody has to investigate an expected reason. #}
{% macro reasons_to_leave_out() -%}
    {%- set every, expected, suspicious = 'every KPI', true, false -%}
    {%- set with_parameters = ' as delivered cross join ' ~ ref('int_run_parameters') ~ ' as parameters' -%}
    {%- set of_customers = 'retention, lifetime value and acquisition cost' -%}
    {%- set after = 'after the as-of date' -%}
    {{ return({
        'customers': {
            'rows': '(' ~ union_entity('customers') ~ ') as delivered left join ' ~ ref('int_customers') ~ ' as kept '
                ~ 'on delivered.customer_id = kept.customer_id and delivered._source_file = kept._source_file '
                ~ 'and delivered._row_number = kept._row_number left join ' ~ ref('int_customer_identities') ~ ' as identities '
                ~ 'on delivered.customer_id = identities.customer_id',
            'reasons': [
                ['delivered.customer_id is null', 'without a number', every, suspicious],
                ['kept.customer_id is null', 'that a newer row of the same number replaces', every, expected],
                ['identities.person_id <> delivered.customer_id', 'merged with another account of the same person', every, expected],
            ],
        },
        'products': {
            'rows': '(' ~ union_entity('products') ~ ') as delivered left join ' ~ ref('int_products') ~ ' as kept '
                ~ 'on delivered.product_id = kept.product_id and delivered._source_file = kept._source_file '
                ~ 'and delivered._row_number = kept._row_number',
            'reasons': [
                ['delivered.product_id is null', 'without a number', every, suspicious],
                ['kept.product_id is null', 'that a newer row of the same number replaces', every, expected],
            ],
        },
        'campaigns': {
            'rows': '(' ~ union_entity('campaigns') ~ ') as delivered left join ' ~ ref('int_campaigns') ~ ' as kept '
                ~ 'on delivered.campaign_id = kept.campaign_id and delivered._source_file = kept._source_file '
                ~ 'and delivered._row_number = kept._row_number',
            'reasons': [
                ['delivered.campaign_id is null', 'without a number', every, suspicious],
                ['kept.campaign_id is null', 'that a newer row of the same number replaces', every, expected],
            ],
        },
        'orders': {
            'rows': ref('int_orders') ~ with_parameters,
            'reasons': [
                ['delivered.order_id is null', 'without a number', every, suspicious],
                ['delivered.is_deleted', 'that were deleted', every, expected],
                ["delivered.status in (" ~ text_list(var('excluded_order_statuses')) ~ ")", 'of a status that does not count', every,
                 expected],
                ['delivered.ordered_at is null', 'without a date', every, suspicious],
                [is_after_day('delivered.ordered_at', 'parameters.as_of_date'), after, every, expected],
                ['delivered.customer_id is null', 'without a customer', of_customers, suspicious],
            ],
        },
        'order_items': {
            'rows': ref('int_order_items') ~ ' as delivered left join (select distinct order_id from ' ~ ref('int_orders') ~ ') as known '
                ~ 'on delivered.order_id = known.order_id left join (select distinct order_id from ' ~ ref('int_counted_orders')
                ~ ') as counted on delivered.order_id = counted.order_id',
            'reasons': [
                ['delivered.order_id is null', 'without an order number', every, suspicious],
                ['known.order_id is null', 'with an unknown order number', every, suspicious],
                ['counted.order_id is null', 'of orders that do not count', every, expected],
            ],
        },
        'refunds': {
            'rows': ref('int_refunds') ~ with_parameters ~ ' left join (select distinct order_id from ' ~ ref('int_orders') ~ ') as known '
                ~ 'on delivered.order_id = known.order_id left join (select distinct order_id from ' ~ ref('int_counted_orders')
                ~ ') as counted on delivered.order_id = counted.order_id',
            'reasons': [
                ['delivered.refunded_at is null', 'without a date', every, suspicious],
                [is_after_day('delivered.refunded_at', 'parameters.as_of_date'), after, every, expected],
                ['known.order_id is not null and counted.order_id is null', 'of orders that do not count', every, expected],
                ['known.order_id is null and delivered.customer_id is null', 'without a known order or customer',
                 'retention and lifetime value', suspicious],
            ],
        },
        'leads': {
            'rows': ref('int_leads') ~ with_parameters ~ ' left join ' ~ ref('int_lead_identities') ~ ' as identities '
                ~ 'on delivered.lead_id = identities.lead_id',
            'reasons': [
                ['delivered.lead_id is null', 'without a number', every, suspicious],
                ['delivered.is_deleted', 'that were deleted', every, expected],
                [is_after_day('delivered.created_at', 'parameters.as_of_date'), after, every, expected],
                ['identities.person_lead_id <> delivered.lead_id', 'merged with the first lead of the same person', every, expected],
                ['delivered.created_at is null', 'without a creation date', 'conversion by cohort, the funnel and cost per lead', suspicious],
            ],
        },
        'opportunities': {
            'rows': ref('int_opportunities') ~ with_parameters,
            'reasons': [
                ['delivered.opportunity_id is null', 'without a number', every, suspicious],
                [is_after_day('delivered.created_at', 'parameters.as_of_date'), after, every, expected],
                ['delivered.is_closed and delivered.closed_at is null', 'closed without a date, counted as open',
                 'win rate by close, bookings and cycle times', suspicious],
                ['delivered.created_at is null', 'without a creation date', 'win rate by creation and cycle times', suspicious],
            ],
        },
        'opportunity_stage_history': {
            'rows': ref('int_opportunity_stage_history') ~ with_parameters ~ ' left join ' ~ ref('fct_opportunities') ~ ' as deals '
                ~ 'on delivered.opportunity_id = deals.opportunity_id',
            'reasons': [
                ['delivered.opportunity_id is null', 'without a deal', every, suspicious],
                ['delivered.changed_at is null', 'without a date', every, suspicious],
                [is_after_day('delivered.changed_at', 'parameters.as_of_date'), after, every, expected],
                ['deals.opportunity_id is null', 'of deals that were deleted or are not there', 'the pipeline', expected],
            ],
        },
        'sales_reps': {
            'rows': '(select * from ' ~ ref('int_sales_reps') ~ ' where _source in ('
                ~ text_list(var('entities').get('sales_rep_versions', [])) ~ ')) as delivered',
            'reasons': [['1 = 1', 'whose history is read instead', every, expected]],
        },
        'sales_rep_versions': {
            'rows': '(' ~ union_entity('sales_rep_versions') ~ ')' ~ with_parameters ~ ' left join ' ~ ref('int_sales_rep_versions')
                ~ ' as kept on delivered.rep_id = kept.rep_id and delivered._source_file = kept._source_file '
                ~ 'and delivered._row_number = kept._row_number',
            'reasons': [
                ['delivered.rep_id is null', 'without a number', every, suspicious],
                ['delivered.valid_from > parameters.as_of_date', after, every, expected],
                ['kept.rep_id is null', 'that say what the version before said', every, expected],
            ],
        },
        'quotas': {
            'rows': ref('int_quotas') ~ ' as delivered cross join (select min(case when grain = \'month\' then period_start end) as first_month,'
                ~ ' max(period_end) as last_end from ' ~ ref('int_periods') ~ ') as calendar left join ' ~ ref('kpi_catalogue')
                ~ ' as catalogue on delivered.kpi_id = catalogue.kpi_id',
            'reasons': [
                ['delivered.period_month is null', 'without a month', every, suspicious],
                [period_start('month', 'delivered.period_month') ~ ' >= calendar.last_end', 'of years after that of the as-of date', every,
                 expected],
                [period_start('month', 'delivered.period_month') ~ ' < calendar.first_month', 'of months before the history begins', every,
                 expected],
                ['catalogue.kpi_id is null', 'for an unknown KPI', 'the scorecard', suspicious],
            ],
        },
        'ad_spend': {
            'rows': ref('int_ad_spend') ~ with_parameters,
            'reasons': [
                ['delivered.spend_date is null', 'without a date', every, suspicious],
                ['delivered.spend_date > parameters.as_of_date', after, every, expected],
            ],
        },
        'touchpoints': {
            'rows': ref('int_touchpoints') ~ ' as delivered left join ' ~ ref('int_customer_identities') ~ ' as identities '
                ~ 'on delivered.customer_id = identities.customer_id left join (select customer_id, max(ordered_at) as last_ordered_at from '
                ~ ref('int_counted_orders') ~ ' group by 1) as bought '
                ~ 'on coalesce(identities.person_id, delivered.customer_id) = bought.customer_id',
            'reasons': [
                ['delivered.customer_id is null', 'of leads that are no customers', every, expected],
                ['delivered.touched_at is null', 'without a date', every, suspicious],
                ['delivered.touched_at > coalesce(bought.last_ordered_at, timestamp \'1900-01-01 00:00:00\')',
                 'that no order came after', every, expected],
            ],
        },
        'sales_marketing_costs': {
            'rows': ref('int_sales_marketing_costs') ~ with_parameters,
            'reasons': [
                ['delivered.cost_month is null', 'without a month', every, suspicious],
                [add_period(period_start('month', 'delivered.cost_month'), 'month', var('cac_lag_months')) ~ ' > parameters.as_of_date',
                 'set against months after the as-of date', every, expected],
            ],
        },
        'nps_invitations': {
            'rows': ref('int_nps_invitations') ~ with_parameters,
            'reasons': [
                ['delivered.sent_at is null', 'without a date', every, suspicious],
                [is_after_day('delivered.sent_at', 'parameters.as_of_date'), after, every, expected],
            ],
        },
        'nps_responses': {
            'rows': ref('int_nps_responses') ~ with_parameters,
            'reasons': [
                ['delivered.responded_at is null', 'without a date', every, suspicious],
                [is_after_day('delivered.responded_at', 'parameters.as_of_date'), after, every, expected],
                ['delivered.score is null', 'without a score', every, suspicious],
                ['delivered.score not between 0 and 10', 'with a score off the scale', every, suspicious],
            ],
        },
        'fx_rates': {
            'rows': ref('int_fx_rates') ~ with_parameters,
            'reasons': [
                ['delivered.rate_date is null or delivered.from_currency is null or delivered.to_currency is null or delivered.rate is null',
                 'without a date, a currency or a rate', every, suspicious],
                ['delivered.to_currency <> parameters.reporting_currency', 'into other currencies', every, expected],
                ['delivered.from_currency = parameters.reporting_currency', 'of the reporting currency itself', every, expected],
                ['delivered.rate_date > parameters.as_of_date', after, every, expected],
            ],
        },
    }) }}
{%- endmacro %}
