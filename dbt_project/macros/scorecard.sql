{# What the scorecard shows of each mart: a list of measures,
   [mart, KPI, variant, value, numerator, denominator, sample size, kind, needs, options].
   - kind: `sum` (money, counts), `rate` (part of a whole, with a Wilson interval) or `ratio` (any other value per case).
   - needs: the entities without which the status of the variant is `no_source`.
   - options: `mature` (a condition; where it is false there is no value yet), `where` (a filter on rows of the mart),
     `interval` (the two columns of the mart with its own interval), `known` (a model and its column; if the column is empty in
     all rows, the variant has no source). #}
{% macro scorecard_measures() -%}
    {%- set whole = {'mature': 'not is_partial_period'} -%}
    {%- set sellers = {'where': "entity_type in ('company', 'rep', 'team')"} -%}
    {%- set orders, leads, deals, ads = ['orders'], ['leads'], ['opportunities'], ['ad_spend', 'orders'] -%}
    {%- set touches = ['ad_spend', 'orders', 'touchpoints'] -%}
    {%- set media_in = {'mature': 'is_media_spend_in'} -%}
    {%- set programmes_in = {'mature': 'is_programme_cost_in', 'where': "entity_type = 'company'"} -%}
    {%- set costs_in = {'mature': 'is_cost_in', 'where': "entity_type = 'company'"} -%}
    {%- set programmes_of_whole = {'mature': 'not is_partial_period and is_programme_cost_in', 'where': "entity_type = 'company'"} -%}
    {%- set dated_leads = {'known': ['fct_leads', 'created_on']} -%}
    {#- Leads convert in a source that says what became of them: at least one is a deal or a customer. -#}
    {%- set traced = 'case when created_on is not null then coalesce(converted_on, opportunity_on) end' -%}
    {%- set traced_leads = {'known': ['fct_leads', traced]} -%}
    {%- set dated_deals = {'known': ['fct_opportunities', 'created_on']} -%}
    {%- set clv = [] -%}
    {%- for days in [30, 90, 180, 365] -%}
        {%- set at_horizon = {'mature': 'is_mature', 'where': 'horizon_days = ' ~ days} -%}
        {%- do clv.append([
            'clv', 'historic_' ~ days ~ 'd', 'net_per_customer', 'net_amount', 'customers', 'customers', 'ratio', orders, at_horizon
        ]) -%}
        {%- do clv.append([
            'clv', 'margin_' ~ days ~ 'd', 'margin_per_customer', 'margin_amount', 'customers', 'customers', 'ratio', orders, at_horizon
        ]) -%}
    {%- endfor -%}
    {%- set marts = {
        'kpi_revenue__monthly': [
            ['revenue', 'net', 'net_amount', 'net_amount', 'null', 'orders', 'sum', orders, {}],
            ['revenue', 'gross', 'gross_amount', 'gross_amount', 'null', 'orders', 'sum', orders, {}],
            ['revenue', 'discounts', 'discount_amount', 'discount_amount', 'null', 'orders', 'sum', orders, {}],
            ['revenue', 'refunds', 'refund_amount', 'refund_amount', 'null', 'orders', 'sum', orders, {}],
            ['revenue', 'margin', 'margin_amount', 'margin_amount', 'null', 'orders', 'sum', orders, {}],
            ['revenue', 'orders', 'orders', 'orders', 'null', 'orders', 'sum', orders, {}],
            ['revenue', 'new_customer_net', 'new_customer_net_amount', 'new_customer_net_amount', 'null', 'orders', 'sum', orders, {}],
            ['revenue', 'repeat_net', 'repeat_net_amount', 'repeat_net_amount', 'null', 'orders', 'sum', orders, {}],
            ['revenue', 'aov', 'average_order_value', 'gross_amount - discount_amount', 'orders', 'orders', 'ratio', orders, {}],
        ],
        'kpi_sales_growth__monthly': [
            ['sales_growth', 'mom', 'growth_month', 'net_amount', 'prior_month_net', 'orders', 'ratio', orders, whole],
            ['sales_growth', 'qoq', 'growth_3_months', 'net_3_months', 'prior_3_months_net', 'orders_3_months', 'ratio', orders,
             {'mature': 'not is_partial_period', 'where': 'is_quarter_end'}],
            ['sales_growth', 'yoy', 'growth_year', 'net_amount', 'prior_year_net', 'orders', 'ratio', orders, whole],
            ['sales_growth', 'rolling_3', 'growth_3_months', 'net_3_months', 'prior_3_months_net', 'orders_3_months', 'ratio', orders,
             whole],
            ['sales_growth', 'trailing_12', 'growth_12_months', 'net_12_months', 'prior_12_months_net', 'orders_12_months', 'ratio',
             orders, whole],
        ],
        'kpi_cac__monthly': [
            ['cac', 'paid', 'cac_paid', 'paid_spend_amount', 'new_paid_customers', 'new_paid_customers', 'ratio', touches, media_in],
            ['cac', 'blended', 'cac_blended', 'programme_cost_amount', 'new_customers', 'new_customers', 'ratio', ads, programmes_in],
            ['cac', 'fully_loaded', 'cac_fully_loaded', 'fully_loaded_cost_amount', 'new_customers', 'new_customers', 'ratio',
             ads + ['sales_marketing_costs'], costs_in],
            ['cac', 'cpl', 'cost_per_lead', 'programme_cost_amount', 'leads', 'leads', 'ratio', ['ad_spend', 'leads'],
             {'mature': 'is_programme_cost_in', 'where': "entity_type = 'company'", 'known': ['fct_leads', 'created_on']}],
            ['cac', 'cost_per_sql', 'cost_per_sql', 'programme_cost_amount', 'sqls', 'sqls', 'ratio', ['ad_spend', 'leads'],
             programmes_in],
            ['cac', 'roas', 'roas', 'attributed_paid_sales_amount', 'paid_spend_amount', 'new_paid_customers', 'ratio', touches,
             media_in],
            ['cac', 'romi', 'romi', 'attributed_paid_sales_amount - paid_spend_amount', 'paid_spend_amount', 'new_paid_customers',
             'ratio', touches, media_in],
            ['cac', 'payback_months', 'payback_months', 'cac_blended', 'margin_per_active_customer', 'new_customers', 'ratio', ads,
             programmes_of_whole],
            ['cac', 'ltv_cac', 'ltv_cac', 'predictive_value', 'cac_blended', 'new_customers', 'ratio', ads, programmes_of_whole],
        ],
        'kpi_clv__cohort': clv + [
            ['clv', 'lifetime', 'net_per_customer', 'net_amount', 'customers', 'customers', 'ratio', orders,
             {'where': "horizon = 'lifetime'"}],
            ['clv', 'probabilistic', 'predicted_per_customer', 'predicted_amount', 'customers', 'customers', 'ratio', orders,
             {'where': "horizon = 'lifetime'"}],
        ],
        'kpi_lead_conversion__sdr_monthly': [
            ['lead_conversion', 'cohort_30d', 'conversion_rate_30d', 'converted_30d', 'leads', 'leads', 'rate', leads,
             {'mature': 'is_mature_30d', 'known': ['fct_leads', traced]}],
            ['lead_conversion', 'cohort_60d', 'conversion_rate_60d', 'converted_60d', 'leads', 'leads', 'rate', leads,
             {'mature': 'is_mature_60d', 'known': ['fct_leads', traced]}],
            ['lead_conversion', 'cohort_90d', 'conversion_rate_90d', 'converted_90d', 'leads', 'leads', 'rate', leads,
             {'mature': 'is_mature_90d', 'known': ['fct_leads', traced]}],
            ['lead_conversion', 'cohort_ever', 'conversion_rate_ever', 'converted_ever', 'leads', 'leads', 'rate', leads,
             traced_leads],
            ['lead_conversion', 'activity', 'conversion_rate_activity', 'conversions', 'leads', 'leads', 'ratio', leads,
             traced_leads],
            ['lead_conversion', 'days_to_convert_median', 'median_days_to_convert', 'null', 'converted_ever', 'converted_ever', 'ratio',
             leads, traced_leads],
            ['lead_conversion', 'hours_to_first_touch_median', 'median_hours_to_first_touch', 'null', 'leads_touched', 'leads_touched',
             'ratio', leads, dated_leads],
        ],
        'kpi_win_rate__ae_monthly': [
            ['revenue', 'bookings', 'won_amount', 'won_amount', 'null', 'won_opportunities', 'sum', deals, {}],
            ['win_rate', 'closed_count', 'win_rate_closed_count', 'won_opportunities', 'closed_opportunities', 'closed_opportunities',
             'rate', deals, {}],
            ['win_rate', 'closed_value', 'win_rate_closed_value', 'won_amount', 'closed_amount', 'closed_opportunities', 'ratio', deals,
             {}],
            ['win_rate', 'created_count', 'win_rate_created_count', 'created_won_opportunities', 'created_closed_opportunities',
             'created_closed_opportunities', 'rate', deals, dated_deals],
            ['win_rate', 'created_value', 'win_rate_created_value', 'created_won_amount', 'created_closed_amount',
             'created_closed_opportunities', 'ratio', deals, dated_deals],
            ['win_rate', 'average_deal', 'average_deal_value', 'won_amount', 'won_opportunities', 'won_opportunities', 'ratio', deals,
             {}],
            ['win_rate', 'cycle_days_median', 'median_cycle_days', 'null', 'cycle_opportunities', 'cycle_opportunities', 'ratio', deals,
             dated_deals],
            ['win_rate', 'cycle_days_p90', 'p90_cycle_days', 'null', 'cycle_opportunities', 'cycle_opportunities', 'ratio', deals,
             dated_deals],
            ['win_rate', 'pipeline_coverage', 'pipeline_coverage', 'open_amount_at_start', 'revenue_quota',
             'open_opportunities_at_start', 'ratio', deals + ['quotas'], sellers],
            ['win_rate', 'pipeline_velocity', 'pipeline_velocity', 'expected_pipeline_value', 'mean_cycle_days',
             'open_opportunities_at_start', 'ratio', deals,
             {'where': "entity_type in ('company', 'rep', 'team')", 'known': ['fct_opportunities', 'created_on']}],
        ],
        'kpi_retention__monthly': [
            ['retention', 'logo', 'logo_retention', 'retained_customers', 'customers_at_start', 'customers_at_start', 'rate', orders,
             {'mature': 'is_start_known'}],
            ['retention', 'nrr', 'nrr', 'kept_amount', 'base_amount', 'base_customers', 'ratio', orders, {}],
            ['retention', 'grr', 'grr', 'kept_at_most_amount', 'base_amount', 'base_customers', 'ratio', orders, {}],
            ['retention', 'repeat_purchase', 'repeat_purchase_rate', 'repeat_customers', 'customers_to_date', 'customers_to_date', 'rate',
             orders, {}],
            ['clv', 'predictive_simple', 'predictive_value', 'margin_per_active_customer', 'predictive_churn_rate',
             'customers_at_start', 'ratio', orders, {'mature': 'not is_partial_period and is_start_known'}],
        ],
        'kpi_nps__monthly': [
            ['nps', 'month', 'month_nps', 'month_promoters - month_detractors', 'month_responses', 'month_responses', 'ratio',
             ['nps_responses'], {'interval': ['month_nps_low', 'month_nps_high']}],
            ['nps', 'trailing_90d', 'trailing_90d_nps', 'trailing_90d_promoters - trailing_90d_detractors', 'trailing_90d_responses',
             'trailing_90d_responses', 'ratio', ['nps_responses'], {'interval': ['trailing_90d_nps_low', 'trailing_90d_nps_high']}],
            ['nps', 'response_rate', 'response_rate', 'answered_invitations', 'invitations', 'invitations', 'rate',
             ['nps_responses', 'nps_invitations'], {}],
        ],
    } -%}
    {%- set measures = [] -%}
    {%- for mart, measures_of_mart in marts.items() -%}
        {%- for measure in measures_of_mart -%}
            {%- do measures.append([mart] + measure) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(measures) }}
{%- endmacro %}


{# One measure as rows of the scorecard: one row per month and entity of its mart. #}
{% macro scorecard_rows(measure) -%}
    {%- set mart, kpi_id, variant, value, numerator, denominator, sample_size, kind, _, options = measure -%}
    {%- set is_mature = options.get('mature', 'true') -%}
    select
        period_month,
        '{{ kpi_id }}' as kpi_id,
        '{{ variant }}' as variant,
        entity_type,
        entity_id,
        case when {{ is_mature }} then cast({{ value }} as decimal(38, 12)) end as value,
        cast({{ numerator }} as decimal(38, 12)) as numerator,
        cast({{ denominator }} as decimal(38, 12)) as denominator,
        cast({{ sample_size }} as bigint) as sample_size,
        {%- for sign, bound in [('-', 'ci_low'), ('+', 'ci_high')] %}
        {%- if kind == 'rate' %}
        case when {{ is_mature }} then cast({{ wilson_bound(numerator, denominator, sign) }} as decimal(38, 12)) end as {{ bound }},
        {%- elif options['interval'] %}
        cast({{ options['interval'][loop.index0] }} as decimal(38, 12)) as {{ bound }},
        {%- else %}
        cast(null as decimal(38, 12)) as {{ bound }},
        {%- endif %}
        {%- endfor %}
        is_partial_period,
        {{ is_mature }} as is_mature,
        {{ kind != 'sum' }} as counts_cases
    from {{ mart }}
    where
        entity_type in ('company', 'team', 'rep', 'channel', 'segment', 'region')
        {%- if options['where'] %}
        and {{ options['where'] }}
        {%- endif %}
{%- endmacro %}
