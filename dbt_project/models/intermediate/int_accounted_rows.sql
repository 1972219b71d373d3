-- Every good row of staging, counted or left out with the reason; one row per source, table or entity, delivery day, file and
-- reason. If the reason is NULL, the row counts in every KPI of its entity. `macros/left_out.sql` lists the reasons.
-- An entity stands for the rows of its staging model, a table for the rows of its log that no staging model takes over.
{% set accounts = reasons_to_leave_out() %}
with

fates as (
    {%- for entity, account in accounts.items() %}
    select
        '{{ entity }}' as entity,
        delivered._source as source,
        delivered._delivered_on as delivered_on,
        delivered._source_file as source_file,
        case
            {%- for condition, _, _, _ in account['reasons'] %}
            when {{ condition }} then {{ loop.index }}
            {%- endfor %}
        end as fate,
        count(*) as number_of_rows,
        min(delivered._row_number) as first_row_number
    from {{ account['rows'] }}
    group by 1, 2, 3, 4, 5
    {{ 'union all' if not loop.last }}
    {%- endfor %}
)

select
    source,
    cast(null as string) as table_name,
    entity,
    delivered_on,
    source_file,
    {%- for part in [2, 1] %}
    case
        {%- for entity, account in accounts.items() %}
        {%- for reason in account['reasons'] %}
        when entity = '{{ entity }}' and fate = {{ loop.index }} then '{{ reason[part] }}'
        {%- endfor %}
        {%- endfor %}
    end as {{ 'left_out_of' if part == 2 else 'reason' }},
    {%- endfor %}
    case
        {%- for entity, account in accounts.items() %}
        {%- for reason in account['reasons'] if reason[3] %}
        when entity = '{{ entity }}' and fate = {{ account['reasons'].index(reason) + 1 }} then true
        {%- endfor %}
        {%- endfor %}
        when fate is not null then false
    end as is_expected,
    cast(number_of_rows as bigint) as number_of_rows,
    first_row_number
from fates
union all
select
    source,
    table_name,
    cast(null as string) as entity,
    delivered_on,
    source_file,
    'every KPI' as left_out_of,
    reason,
    true as is_expected,
    number_of_rows,
    first_row_number
from {{ ref('rows_without_entity') }}
