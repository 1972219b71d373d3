-- How KPIs depend on each other; one row per relation and child, and one per root, which is nobody's child.
-- `macros/kpi_tree.sql` lists nodes and relations.
{% set nodes, edges = kpi_tree_nodes(), kpi_tree_edges() %}
{%- for edge in edges %}
{%- set node = nodes[edge.child] %}
select
    cast({{ loop.index }} as bigint) as position,
    '{{ edge.kind }}' as kind,
    {{ "'" ~ edge.parent ~ "'" if edge.parent else 'cast(null as string)' }} as parent,
    '{{ edge.child }}' as child,
    {{ "'" ~ edge.expression ~ "'" if edge.expression else 'cast(null as string)' }} as expression,
    '{{ node.name }}' as name,
    '{{ node.unit }}' as unit,
    {{ "'" ~ node.kpi ~ "'" if node.kpi else 'cast(null as string)' }} as kpi_id,
    {{ "'" ~ node.variant ~ "'" if node.variant else 'cast(null as string)' }} as variant,
    '{{ 'definition' if node.definition else node.column or 'value' }}' as scorecard_column,
    {{ "'" ~ node.definition ~ "'" if node.definition else 'cast(null as string)' }} as definition
{{ 'union all' if not loop.last }}
{%- endfor %}
