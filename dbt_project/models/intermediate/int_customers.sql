-- Customers of every enabled source; one row per customer.
-- Of a customer that several sources deliver, the version that was written last.
with

delivered as (
    {{ union_entity('customers') }}
),

ranked as (
    select
        *,
        row_number() over (
            partition by customer_id
            order by updated_at desc nulls last, _delivered_on desc, _source asc, _source_file asc, _row_number asc
        ) as _rank
    from delivered
)

select
    {%- for column, _ in entity_columns('customers') %}
    {{ column }},
    {%- endfor %}
    _source,
    _source_file,
    _row_number,
    _delivered_on
from ranked
where _rank = 1
