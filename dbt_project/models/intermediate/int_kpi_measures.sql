-- Every variant of every KPI, from its mart; one row per month, KPI, variant, entity type and entity.
-- The company has a row for every month and variant, even if there is nothing to show.
-- `macros/scorecard.sql` lists what the scorecard shows of each mart.
{% set measures = scorecard_measures() %}
with
{%- for mart in measures | map('first') | unique %}

{{ mart }} as (
    select * from {{ ref(mart) }}
),
{%- endfor %}

measured as (
    {%- for measure in measures %}
    {{ scorecard_rows(measure) }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

variants as (
    {%- for _, kpi_id, variant, _, _, _, _, _, needs, options in measures %}
    select
        '{{ kpi_id }}' as kpi_id,
        '{{ variant }}' as variant,
        {%- if needs | reject('in', delivered_entities()) | list %}
        false as has_source,
        {%- elif options['known'] %}
        -- The entity is delivered, but perhaps without the column that the variant depends on.
        (select count(*) = 0 or count({{ options['known'][1] }}) > 0 from {{ ref(options['known'][0]) }}) as has_source,
        {%- else %}
        true as has_source,
        {%- endif %}
        {{ 'true' if options['where'] == 'is_quarter_end' else 'false' }} as is_quarterly,
        (
            select max(histories.first_whole_month)
            from {{ ref('int_histories') }} as histories
            where histories.entity in ({{ text_list(needs) }})
        ) as first_whole_month,
        '|{{ needs | join('|') }}|' as needs
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

lacking as (
    select distinct
        variants.kpi_id,
        variants.variant,
        {{ period_start('month', 'missing_deliveries.delivered_on') }} as period_month
    from {{ source('pipeline', 'missing_deliveries') }} as missing_deliveries
    inner join variants
        on variants.needs like concat('%|', missing_deliveries.entity, '|%')
),

months as (
    select distinct
        month_start,
        next_month_start,
        is_partial_month
    from {{ ref('int_days') }}
),

company_months as (
    select
        months.month_start as period_month,
        variants.kpi_id,
        variants.variant,
        months.is_partial_month as is_partial_period,
        variants.has_source,
        variants.first_whole_month
    from months
    cross join variants
    where
        not variants.is_quarterly
        or {{ period_start('quarter', 'months.next_month_start') }} = months.next_month_start
),

-- A variant whose source is missing is not shown, whatever a mart contains for it.
sourced as (
    select
        measured.*,
        variants.first_whole_month
    from measured
    inner join variants
        on
            measured.kpi_id = variants.kpi_id
            and measured.variant = variants.variant
    where variants.has_source
),

united as (
    select
        sourced.period_month,
        sourced.kpi_id,
        sourced.variant,
        sourced.entity_type,
        sourced.entity_id,
        sourced.value,
        sourced.numerator,
        sourced.denominator,
        sourced.sample_size,
        sourced.ci_low,
        sourced.ci_high,
        sourced.is_partial_period,
        coalesce(sourced.period_month < sourced.first_whole_month, false) as began_late,
        sourced.is_mature,
        sourced.counts_cases,
        true as has_source
    from sourced
    union all
    select
        company_months.period_month,
        company_months.kpi_id,
        company_months.variant,
        'company' as entity_type,
        'company' as entity_id,
        cast(null as decimal(38, 12)) as value,
        cast(null as decimal(38, 12)) as numerator,
        cast(null as decimal(38, 12)) as denominator,
        cast(null as bigint) as sample_size,
        cast(null as decimal(38, 12)) as ci_low,
        cast(null as decimal(38, 12)) as ci_high,
        company_months.is_partial_period,
        coalesce(company_months.period_month < company_months.first_whole_month, false) as began_late,
        true as is_mature,
        false as counts_cases,
        company_months.has_source
    from company_months
    left join sourced
        on
            company_months.period_month = sourced.period_month
            and company_months.kpi_id = sourced.kpi_id
            and company_months.variant = sourced.variant
            and sourced.entity_type = 'company'
    where sourced.period_month is null
),

final as (
    select
        united.*,
        lacking.period_month is not null as lacks_deliveries
    from united
    left join lacking
        on
            united.period_month = lacking.period_month
            and united.kpi_id = lacking.kpi_id
            and united.variant = lacking.variant
)

select * from final
