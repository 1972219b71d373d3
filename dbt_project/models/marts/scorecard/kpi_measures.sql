-- What the scorecard shows of which mart; one row per KPI, variant and grain. `macros/scorecard.sql` is the source.
-- Expressions are over the columns of the mart: `select <value_sql> from marts.<mart> where <where_sql>`.
{% for measure in scorecard_measures() %}
{%- set is_last = loop.last %}
{%- for grain in measure.grains or grains() %}
select
    '{{ measure.kpi }}' as kpi_id,
    '{{ measure.variant }}' as variant,
    '{{ grain }}' as grain,
    '{{ measure.mart }}' as mart,
    '{{ measure.kind }}' as kind,
    {{ text(measure.value) }} as value_sql,
    {{ text(none if measure.numerator == 'null' else measure.numerator or measure.value) }} as numerator_sql,
    {{ text(measure.denominator) }} as denominator_sql,
    '{{ measure.formula or ('numerator / denominator' if measure.denominator else 'numerator') }}' as formula,
    {{ text(measure.cases) }} as cases_sql,
    {{ text(measure.where) }} as where_sql,
    {{ text(measure.mature) }} as is_mature_sql,
    '{{ measure.needs | join(' ') }}' as needs,
    {{ 'true' if measure.so_far else 'false' }} as goes_on_changing
{{ 'union all' if not (is_last and loop.last) }}
{%- endfor %}
{%- endfor %}
