-- A failure means that `kpi tree` and `kpi why` split a KPI into factors that are not the KPI: in some cut and period, the
-- expression of an identity differs from its parent by more than half a cent. A factor without a value, such as the average of no
-- orders, counts as zero. A cut without one of the factors is left out: an order has several products, so none has orders.
{% set nodes = kpi_tree_nodes() %}
-- Sqlfluff misjudges the layout of loops within a list of columns.
-- noqa: disable=LT02
with

scorecard as (
    select * from {{ ref('kpi_scorecard') }}
),

published as (
    select
        grain,
        period_start,
        entity_type,
        entity_id,
        {%- for node, place in nodes.items() if place.kpi %}
        cast(
            max(case when kpi_id = '{{ place.kpi }}' and variant = '{{ place.variant }}' then {{ place.column or 'value' }} end)
            as double
        ) as {{ node }}{{ ',' if not loop.last }}
        {%- endfor %}
    from scorecard
    where is_mature
    group by 1, 2, 3, 4
),

known_in_cuts as (
    select
        entity_type,
        {%- for node, place in nodes.items() if place.kpi %}
        count({{ node }}) as {{ node }}{{ ',' if not loop.last }}
        {%- endfor %}
    from published
    group by 1
),

compared as (
    {%- for relation in kpi_tree_relations() if relation.expression %}
    select
        cells.grain,
        cells.period_start,
        cells.entity_type,
        cells.entity_id,
        '{{ relation.parent }} = {{ relation.expression }}' as identity,
        cells.{{ relation.parent }} as parent_value,
        {{ kpi_tree_expression(relation.expression) }} as expression_value
    from (
        select
            grain,
            period_start,
            entity_type,
            entity_id,
            {{ relation.parent }},
            {%- for node, place in nodes.items() if place.kpi and node != relation.parent %}
            coalesce({{ node }}, 0) as {{ node }}{{ ',' if not loop.last }}
            {%- endfor %}
        from published
        where
            {{ relation.parent }} is not null
            and entity_type in (
                select known_in_cuts.entity_type
                from known_in_cuts
                where
                    {%- for child in relation.children if nodes[child].kpi %}
                    known_in_cuts.{{ child }} > 0
                    {%- if not loop.last %}
                    and
                    {%- endif %}
                    {%- endfor %}
            )
    ) as cells
    {{ 'union all' if not loop.last }}
    {%- endfor %}
)

select * from compared
where expression_value is null or abs(parent_value - expression_value) > 0.005
