-- Which rows of the published facts make up the columns of KPI marts that values are computed from; one row per mart, part and
-- term. `macros/parts.sql` is the source.
-- A part is the sum of what the rows of all its terms add, or another statistic of it, or a formula over parts of its mart. In the
-- SQL, `$period_start` and so on stand for the period.
{% set rows = part_rows() %}
{% set statistics = ['median', 'p90', 'mean', 'distinct'] %}
{% set found = [] %}
{% for mart, of_mart in parts().items() %}
{% for part, terms in of_mart.items() %}
    {% if terms is not mapping %}
        {% for term in terms %}{% do found.append([mart, part, 'sum', none, loop.index, term]) %}{% endfor %}
    {% elif terms.formula %}
        {% do found.append([mart, part, 'formula', terms.formula, 1, none]) %}
    {% else %}
        {% for statistic, term in terms.items() %}{% do found.append([mart, part, statistic, none, 1, term]) %}{% endfor %}
    {% endif %}
{% endfor %}
{% endfor %}
{% for mart, part, statistic, formula, number, term in found %}
{%- set of_rows = rows[term.rows] if term else {} %}
{%- set cuts = [] %}
{%- for entity_type, entity in (of_rows.cuts or {}).items() %}
{%- do cuts.append(entity_type ~ ': ' ~ entity) %}
{%- endfor %}
{%- set window = in_window(term.window or 'period', term.on or of_rows.day) if term %}
{%- set uncounted = [] %}
{%- for reason, condition in dict(of_rows.uncounted or {}, **(term.uncounted or {})).items() %}
{%- do uncounted.append(reason ~ ': ' ~ window ~ ' and (' ~ condition ~ ')') %}
{%- endfor %}
{%- for reason, condition in (of_rows.undated or {}).items() %}
{%- do uncounted.append(reason ~ ': ' ~ condition) %}
{%- endfor %}
{%- set table = of_rows.provenance ~ '.' if of_rows.provenance else '' %}
select
    '{{ mart }}' as mart,
    '{{ part }}' as part,
    {{ number }} as term,
    '{{ statistic }}' as statistic,
    {{ text(formula) }} as formula,
    {{ text(of_rows.of) }} as row_is,
    {{ text(of_rows.relation) }} as from_sql,
    {{ text((term.key or of_rows.key) if term else none) }} as key_sql,
    {{ text(of_rows.day) }} as day_sql,
    {{ text((term.adds or '1') if term else none) }} as adds_sql,
    {{ text(window ~ (' and (' ~ term.where ~ ')' if term.where else '') if term else none) }} as where_sql,
    {{ text(cuts | join('\n') if term else none) }} as cuts,
    {{ text(table ~ '_source_file' if term else none) }} as file_sql,
    {{ text(table ~ '_row_number' if term else none) }} as row_sql,
    {{ text(of_rows.left_out if not term.on else none) }} as left_out_entity,
    {{ text(in_window(term.window or 'period', 'day') if term else none) }} as left_out_window_sql,
    {{ text(uncounted | join('\n') if uncounted else none) }} as uncounted
{{ 'union all' if not loop.last }}
{%- endfor %}
