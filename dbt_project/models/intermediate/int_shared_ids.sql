-- Numbers that occur in more than one source, with a different meaning in each; one row per entity and number.
{% set entities = [] %}
{% for id, entity in ids_of_a_source().items() if sources_of(entity) | length > 1 %}
{%- do entities.append([entity, id]) %}
{% endfor %}
{%- for entity, id in entities %}
select
    '{{ entity }}' as entity,
    {{ id }} as id
from (
{{ union_as_delivered(entity) }}
) as delivered
where {{ id }} is not null
group by {{ id }}
having min(_source) <> max(_source)
{{ 'union all' if not loop.last }}
{%- else %}
select
    cast(null as string) as entity,
    cast(null as string) as id
where false
{%- endfor %}
