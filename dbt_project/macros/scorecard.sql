{# What the scorecard shows of each mart: a list of measures, each with these fields.
   - mart, kpi, variant
   - value, numerator, denominator: columns of the mart, or expressions over them; a sum is its own numerator, and has no denominator
   - cases: the number of cases behind the value
   - kind: `sum` (money, counts), `rate` (part of a whole, with a Wilson interval) or `ratio` (any other value per case)
   - needs: the entities without which the status of the variant is `no_source`
   Optional:
   - grains: those at which the value exists; default: all
   - formula: the value from its numerator and denominator; default: numerator / denominator, or the numerator if there is none
   - mature: a condition; where it is false, there is no value yet
   - where: a filter on rows of the mart
   - has_parts: a condition; where it is false, there is neither numerator nor denominator
   - adds_up: false for a sum whose cases are counted once in each period and entity, such as customers: neither its periods nor its
     entities add up
   - interval: the two columns of the mart with its own 95 % interval
   - known: a model and its column; if the column is empty in all rows, the variant has no source
   - so_far: true if the value of a period goes on changing after its end, so that no part of an earlier period is like the period
     in progress #}
{% macro scorecard_measures() -%}
    {%- set measures = [] -%}
    {%- set months, cohorts = ['month'], ['month', 'quarter'] -%}
    {%- set whole = 'not is_partial_period' -%}
    {%- set company, sellers = "entity_type = 'company'", "entity_type in ('company', 'rep', 'team', 'office')" -%}

    {%- set revenue = {'mart': 'kpi_revenue', 'kpi': 'revenue', 'kind': 'sum', 'cases': 'orders', 'needs': ['orders']} -%}
    {%- set buyers = dict(revenue, cases='customers', known=['fct_order_items', 'customer_id']) -%}
    {%- do measures.extend([
        dict(revenue, variant='net', value='net_amount'),
        dict(revenue, variant='gross', value='gross_amount'),
        dict(revenue, variant='discounts', value='discount_amount'),
        dict(revenue, variant='refunds', value='refund_amount'),
        dict(revenue, variant='margin', value='margin_amount'),
        dict(revenue, variant='orders', value='orders'),
        dict(revenue, variant='new_customer_net', value='new_customer_net_amount'),
        dict(revenue, variant='repeat_net', value='repeat_net_amount'),
        dict(revenue, variant='aov', kind='ratio', value='average_order_value', numerator='gross_amount - discount_amount',
             denominator='orders', where="entity_type <> 'category'", interval=['average_order_value_low', 'average_order_value_high']),
        dict(buyers, variant='customers', value='customers', adds_up=false),
        dict(buyers, variant='orders_per_customer', kind='ratio', value='orders_per_customer', numerator='customer_orders',
             denominator='customers'),
    ]) -%}

    {%- set growth = {
        'mart': 'kpi_sales_growth', 'kpi': 'sales_growth', 'kind': 'ratio', 'mature': whole, 'needs': ['orders'], 'so_far': true,
        'formula': '(numerator - denominator) / denominator',
    } -%}
    {%- set one_period = dict(growth, value='growth', numerator='net_amount', denominator='prior_net', cases='orders') -%}
    {%- set three_months = dict(growth, grains=months, value='growth_3_months', numerator='net_3_months',
        denominator='prior_3_months_net', cases='orders_3_months') -%}
    {%- for measure in [
        dict(one_period, variant='wow', grains=['week']),
        dict(one_period, variant='mom', grains=months),
        dict(one_period, variant='qoq', grains=['quarter']),
        dict(three_months, variant='qoq', where='is_quarter_end'),
        dict(growth, variant='yoy', value='growth_year', numerator='net_amount', denominator='last_year_net', cases='orders'),
        dict(three_months, variant='rolling_3'),
        dict(growth, variant='trailing_12', grains=months, value='growth_12_months', numerator='net_12_months',
             denominator='prior_12_months_net', cases='orders_12_months'),
    ] -%}
        {#- A period in progress and a whole one before it are no fraction. -#}
        {%- do measures.append(dict(measure, has_parts=whole)) -%}
    {%- endfor %}

    {%- set cac = {'mart': 'kpi_cac', 'kpi': 'cac', 'kind': 'ratio'} -%}
    {%- set ads, touches = ['ad_spend', 'orders'], ['ad_spend', 'orders', 'touchpoints'] -%}
    {#- Of costs that are delivered by the month, no week has any, and no part of a month. -#}
    {%- set by_month = dict(cac, grains=['month', 'quarter', 'year'], so_far='sales_marketing_costs' in delivered_entities(),
        where=company) -%}
    {%- set paid = dict(cac, cases='new_paid_customers', needs=touches, mature='is_media_spend_in') -%}
    {%- set programmes = dict(by_month, numerator='programme_cost_amount', mature='is_programme_cost_in') -%}
    {%- set over_months = dict(cac, grains=months, cases='new_customers', needs=ads, where=company,
        mature='not is_partial_period and is_programme_cost_in') -%}
    {%- set attributed = 'attributed_paid_sales_amount' -%}
    {%- set of_ads = dict(cac, kind='sum', cases='impressions', needs=['ad_spend'], mature='is_ad_spend_in') -%}
    {#- Platforms count what follows a click on the day of the click. -#}
    {%- set reported = dict(of_ads, so_far=true) -%}
    {%- do measures.extend([
        dict(paid, variant='paid', value='cac_paid', numerator='paid_spend_amount', denominator='new_paid_customers'),
        dict(programmes, variant='blended', value='cac_blended', denominator='new_customers', cases='new_customers', needs=ads),
        dict(by_month, variant='fully_loaded', value='cac_fully_loaded', numerator='fully_loaded_cost_amount',
             denominator='new_customers', cases='new_customers', needs=ads + ['sales_marketing_costs'], mature='is_cost_in'),
        dict(programmes, variant='cpl', value='cost_per_lead', denominator='leads', cases='leads', needs=['ad_spend', 'leads'],
             known=['fct_leads', 'created_on']),
        dict(programmes, variant='cost_per_sql', value='cost_per_sql', denominator='sqls', cases='sqls', needs=['ad_spend', 'leads']),
        dict(paid, variant='roas', value='roas', numerator=attributed, denominator='paid_spend_amount'),
        dict(paid, variant='romi', value='romi', numerator=attributed ~ ' - paid_spend_amount', denominator='paid_spend_amount'),
        dict(over_months, variant='payback_months', value='payback_months', numerator='cac_blended',
             denominator='margin_per_active_customer'),
        dict(over_months, variant='ltv_cac', value='ltv_cac', numerator='predictive_value', denominator='cac_blended'),
        dict(of_ads, variant='spend', value='spend_amount'),
        dict(of_ads, variant='impressions', value='impressions', known=['fct_marketing_spend', 'impressions']),
        dict(of_ads, variant='clicks', value='clicks', known=['fct_marketing_spend', 'clicks']),
        dict(reported, variant='platform_conversions', value='platform_conversions',
             known=['fct_marketing_spend', 'platform_conversions']),
        dict(reported, variant='platform_revenue', value='platform_revenue_amount',
             known=['fct_marketing_spend', 'platform_revenue_amount']),
    ]) -%}

    {%- set clv = {
        'mart': 'kpi_clv__cohort', 'kpi': 'clv', 'kind': 'ratio', 'denominator': 'customers', 'cases': 'customers', 'needs': ['orders'],
        'grains': cohorts,
    } -%}
    {%- for days in [30, 90, 180, 365] -%}
        {%- set within = dict(clv, mature='is_mature', where='horizon_days = ' ~ days) -%}
        {%- do measures.extend([
            dict(within, variant='historic_' ~ days ~ 'd', value='net_per_customer', numerator='net_amount'),
            dict(within, variant='margin_' ~ days ~ 'd', value='margin_per_customer', numerator='margin_amount'),
        ]) -%}
    {%- endfor -%}
    {%- set lifetime = dict(clv, where="horizon = 'lifetime'", so_far=true) -%}
    {%- do measures.extend([
        dict(lifetime, variant='lifetime', value='net_per_customer', numerator='net_amount'),
        dict(lifetime, variant='probabilistic', value='predicted_per_customer', numerator='predicted_amount'),
    ]) -%}

    {%- set leads = {
        'mart': 'kpi_lead_conversion', 'kpi': 'lead_conversion', 'kind': 'rate', 'denominator': 'leads', 'cases': 'leads',
        'needs': ['leads'],
    } -%}
    {#- Leads convert in a source that says what became of them: at least one is a deal or a customer. -#}
    {%- set traced = dict(leads, known=['fct_leads', 'case when created_on is not null then coalesce(converted_on, opportunity_on) end'])
    -%}
    {%- for window in ['30d', '60d', '90d'] -%}
        {%- do measures.append(dict(traced, variant='cohort_' ~ window, value='conversion_rate_' ~ window,
            numerator='converted_' ~ window, mature='is_mature_' ~ window, so_far=true)) -%}
    {%- endfor -%}
    {%- set median = dict(traced, kind='ratio', numerator='null', so_far=true) -%}
    {%- do measures.extend([
        dict(traced, variant='cohort_ever', value='conversion_rate_ever', numerator='converted_ever', so_far=true),
        dict(traced, variant='activity', kind='ratio', value='conversion_rate_activity', numerator='conversions'),
        dict(median, variant='days_to_convert_median', value='median_days_to_convert', denominator='converted_ever',
             cases='converted_ever'),
        dict(median, variant='hours_to_first_touch_median', value='median_hours_to_first_touch', denominator='leads_touched',
             cases='leads_touched', known=['fct_leads', 'created_on']),
    ]) -%}

    {%- set deals = {'mart': 'kpi_win_rate', 'kpi': 'win_rate', 'kind': 'ratio', 'needs': ['opportunities']} -%}
    {%- set closed = dict(deals, denominator='closed_opportunities', cases='closed_opportunities') -%}
    {%- set created = dict(deals, denominator='created_closed_opportunities', cases='created_closed_opportunities', so_far=true,
        known=['fct_opportunities', 'created_on']) -%}
    {%- set cycle = dict(deals, numerator='null', denominator='cycle_opportunities', cases='cycle_opportunities',
        known=['fct_opportunities', 'created_on']) -%}
    {%- set pipeline = dict(deals, cases='open_opportunities_at_start', where=sellers) -%}
    {%- do measures.extend([
        dict(deals, kpi='revenue', variant='bookings', kind='sum', value='won_amount', cases='won_opportunities'),
        dict(closed, variant='closed_count', kind='rate', value='win_rate_closed_count', numerator='won_opportunities'),
        dict(closed, variant='closed_value', value='win_rate_closed_value', numerator='won_amount', denominator='closed_amount'),
        dict(created, variant='created_count', kind='rate', value='win_rate_created_count', numerator='created_won_opportunities'),
        dict(created, variant='created_value', value='win_rate_created_value', numerator='created_won_amount',
             denominator='created_closed_amount'),
        dict(deals, variant='average_deal', value='average_deal_value', numerator='won_amount', denominator='won_opportunities',
             cases='won_opportunities', interval=['average_deal_value_low', 'average_deal_value_high']),
        dict(cycle, variant='cycle_days_median', value='median_cycle_days'),
        dict(cycle, variant='cycle_days_p90', value='p90_cycle_days'),
        dict(pipeline, variant='pipeline_coverage', value='pipeline_coverage', numerator='open_amount_at_start',
             denominator='revenue_quota', needs=['opportunities', 'quotas']),
        dict(pipeline, variant='pipeline_velocity', value='pipeline_velocity', numerator='expected_pipeline_value',
             denominator='mean_cycle_days', known=['fct_opportunities', 'created_on']),
    ]) -%}

    {%- set customers = {'mart': 'kpi_retention', 'kpi': 'retention', 'kind': 'ratio', 'needs': ['orders']} -%}
    {%- set base = dict(customers, denominator='base_amount', cases='base_customers') -%}
    {%- set base_12m = dict(customers, denominator='base_amount_12m', cases='base_customers_12m', grains=['month', 'quarter', 'year']) -%}
    {%- do measures.extend([
        dict(customers, variant='logo', kind='rate', value='logo_retention', numerator='retained_customers',
             denominator='customers_at_start', cases='customers_at_start', mature='is_start_known'),
        dict(base, variant='nrr', value='nrr', numerator='kept_amount'),
        dict(base, variant='grr', value='grr', numerator='kept_at_most_amount'),
        dict(base_12m, variant='nrr_12m', value='nrr_12m', numerator='kept_amount_12m'),
        dict(base_12m, variant='grr_12m', value='grr_12m', numerator='kept_at_most_amount_12m'),
        dict(customers, variant='repeat_purchase', kind='rate', value='repeat_purchase_rate', numerator='repeat_customers',
             denominator='customers_to_date', cases='customers_to_date'),
        dict(customers, kpi='clv', variant='predictive_simple', grains=months, value='predictive_value',
             numerator='margin_per_active_customer', denominator='predictive_churn_rate', cases='customers_at_start',
             mature='not is_partial_period and is_start_known', so_far=true),
    ]) -%}

    {%- set answers = {
        'mart': 'kpi_nps', 'kpi': 'nps', 'kind': 'ratio', 'needs': ['nps_responses'], 'formula': '100 * numerator / denominator',
    } -%}
    {%- for variant in ['period', 'trailing_90d'] -%}
        {%- do measures.append(dict(answers, variant=variant, value=variant ~ '_nps',
            numerator=variant ~ '_promoters - ' ~ variant ~ '_detractors', denominator=variant ~ '_responses',
            cases=variant ~ '_responses', interval=[variant ~ '_nps_low', variant ~ '_nps_high'])) -%}
    {%- endfor -%}
    {%- do measures.append(dict(answers, variant='response_rate', kind='rate', value='response_rate', formula=none,
        numerator='answered_invitations', denominator='invitations', cases='invitations', needs=['nps_responses', 'nps_invitations'], so_far=true)) -%}
    {{ return(measures) }}
{%- endmacro %}


{# One measure as rows of the scorecard: one row per period and entity of its mart. #}
{% macro scorecard_rows(measure) -%}
    {%- set is_mature = measure.mature or 'true' -%}
    {%- set numerator, denominator = measure.numerator or measure.value, measure.denominator or 'null' -%}
    {%- set shown = measure.grains or grains() -%}
    select
        grain,
        period_start,
        '{{ measure.kpi }}' as kpi_id,
        '{{ measure.variant }}' as variant,
        entity_type,
        entity_id,
        case when {{ is_mature }} then cast({{ measure.value }} as decimal(38, 12)) end as value,
        cast({{ 'case when ' ~ measure.has_parts ~ ' then ' ~ numerator ~ ' end' if measure.has_parts else numerator }} as decimal(38, 12)) as numerator,
        cast({{ 'case when ' ~ measure.has_parts ~ ' then ' ~ denominator ~ ' end' if measure.has_parts else denominator }} as decimal(38, 12)) as denominator,
        cast({{ measure.cases }} as bigint) as sample_size,
        {%- for sign, bound in [('-', 'ci_low'), ('+', 'ci_high')] %}
        {%- if measure.kind == 'rate' %}
        case when {{ is_mature }} then cast({{ wilson_bound(numerator, denominator, sign) }} as decimal(38, 12)) end as {{ bound }},
        {%- elif measure.interval %}
        cast({{ measure.interval[loop.index0] }} as decimal(38, 12)) as {{ bound }},
        {%- else %}
        cast(null as decimal(38, 12)) as {{ bound }},
        {%- endif %}
        {%- endfor %}
        is_partial_period,
        {{ is_mature }} as is_mature,
        {{ measure.kind != 'sum' }} as counts_cases
    from {{ measure.mart }}
    where
        grain in ({{ text_list(shown + ([] if measure.so_far else to_date_grains(shown))) }})
        and entity_type in ('company', 'team', 'office', 'rep', 'channel', 'platform', 'segment', 'region', 'category')
        {%- if measure.where %}
        and {{ measure.where }}
        {%- endif %}
{%- endmacro %}
