-- Every variant of every KPI, from its mart; one row per grain, period, KPI, variant, entity type and entity.
-- The company has a row for every period and variant, even if there is nothing to show. Grains that end in `_to_date` have only
-- what marts have for them. `macros/scorecard.sql` lists what the scorecard shows of each mart.
{% set measures = scorecard_measures() %}
with
{%- for mart in measures | map(attribute='mart') | unique %}

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
    {%- for measure in measures %}
    select
        '{{ measure.kpi }}' as kpi_id,
        '{{ measure.variant }}' as variant,
        '|{{ (measure.grains or grains()) | join('|') }}|' as grains,
        {{ measure.where == 'is_quarter_end' }} as is_at_quarter_ends,
        nullif('{{ measure.needs | reject('in', delivered_entities()) | join(', ') }}', '') as missing_entities,
        {%- if measure.needs | reject('in', delivered_entities()) | list %}
        false as has_source,
        {%- elif measure.known %}
        -- The entity is delivered, but perhaps without the column that the variant depends on.
        (select count(*) = 0 or count({{ measure.known[1] }}) > 0 from {{ ref(measure.known[0]) }}) as has_source,
        {%- else %}
        true as has_source,
        {%- endif %}
        (
            select max(histories.covered_from)
            from {{ ref('int_histories') }} as histories
            where histories.entity in ({{ text_list(measure.needs) }})
        ) as covered_from,
        '|{{ measure.needs | join('|') }}|' as needs
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

lacking as (
    select distinct
        variants.kpi_id,
        variants.variant,
        period_days.grain,
        period_days.period_start
    from {{ source('pipeline', 'missing_deliveries') }} as missing_deliveries
    inner join variants
        on variants.needs like concat('%|', missing_deliveries.entity, '|%')
    inner join {{ ref('int_period_days') }} as period_days
        on missing_deliveries.delivered_on = period_days.date_day
),

company_periods as (
    select
        periods.grain,
        periods.period_start,
        variants.kpi_id,
        variants.variant,
        periods.is_partial_period,
        variants.has_source
    from {{ ref('int_periods') }} as periods
    inner join variants
        on variants.grains like concat('%|', periods.grain, '|%')
    where
        not variants.is_at_quarter_ends
        or {{ period_start('quarter', 'periods.period_end') }} = periods.period_end
),

-- A variant whose source is missing is not shown, whatever a mart contains for it.
sourced as (
    select measured.*
    from measured
    inner join (
        select distinct
            kpi_id,
            variant
        from variants
        where has_source
    ) as with_source
        on
            measured.kpi_id = with_source.kpi_id
            and measured.variant = with_source.variant
),

united as (
    select
        sourced.*,
        true as has_source
    from sourced
    union all
    select
        company_periods.grain,
        company_periods.period_start,
        company_periods.kpi_id,
        company_periods.variant,
        'company' as entity_type,
        'company' as entity_id,
        cast(null as decimal(38, 12)) as value,
        cast(null as decimal(38, 12)) as numerator,
        cast(null as decimal(38, 12)) as denominator,
        cast(null as bigint) as sample_size,
        cast(null as decimal(38, 12)) as ci_low,
        cast(null as decimal(38, 12)) as ci_high,
        company_periods.is_partial_period,
        true as is_mature,
        false as counts_cases,
        company_periods.has_source
    from company_periods
    left join sourced
        on
            company_periods.grain = sourced.grain
            and company_periods.period_start = sourced.period_start
            and company_periods.kpi_id = sourced.kpi_id
            and company_periods.variant = sourced.variant
            and sourced.entity_type = 'company'
    where sourced.period_start is null
),

covered as (
    select
        kpi_id,
        variant,
        max(covered_from) as covered_from,
        max(missing_entities) as missing_entities
    from variants
    group by 1, 2
)

select
    united.*,
    covered.missing_entities,
    coalesce(united.period_start < covered.covered_from, false) as began_late,
    lacking.period_start is not null as lacks_deliveries
from united
inner join covered
    on
        united.kpi_id = covered.kpi_id
        and united.variant = covered.variant
left join lacking
    on
        united.grain = lacking.grain
        and united.period_start = lacking.period_start
        and united.kpi_id = lacking.kpi_id
        and united.variant = lacking.variant
