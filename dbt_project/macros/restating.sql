{# Facts that are restated by business period: only periods whose inputs have changed since the last build are built anew. #}


{# Makes the model an incremental one by `period`, a column of `inputs` and of the model. `inputs` is a view that holds all
   the model is made from; of a row of the model, all that it is made from has the row's own period. Then equal inputs mean
   equal rows, whatever made them equal: nobody has to know what depends on what, and a day run twice, a rate, a segment
   or a team that changes later, an order that goes, or a build that dies restate just what they touch.

   `fingerprints.<model>` keeps a fingerprint of each period's inputs, and of the model's SQL. It is written in the
   transaction that writes the model. The model reads its inputs where `is_restated`. #}
{% macro restated_by(period, inputs) -%}
    {{ config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='fail',
        pre_hook=[
            "{{ take_fingerprints(ref('" ~ inputs ~ "'), '" ~ period ~ "') }}",
            "{{ forget_restated_periods('" ~ period ~ "') }}",
        ],
        post_hook="{{ keep_fingerprints() }}",
    ) }}
{%- endmacro %}


{# True for rows of periods that are built anew: all of them unless the model is there already. #}
{% macro is_restated(period) -%}
    {{ 'not ' ~ is_unchanged(period) if is_incremental() else '1 = 1' }}
{%- endmacro %}


{% macro is_unchanged(period) -%}
    exists (select 1 from {{ this.identifier }}__unchanged as unchanged where unchanged.period = {{ period }})
{%- endmacro %}


{# The fingerprints of all periods as they are now, and those periods that the model was built from just so. Temporary
   tables, since all that follows in the transaction must see the same. #}
{% macro take_fingerprints(inputs, period) -%}
    {%- if execute -%}
    {%- set kept = fingerprints_of(this) -%}
    {#- The same whether or not the model is there already. -#}
    {%- set made_by = local_md5(model.compiled_code | replace(is_restated(period), '')) -%}
    create schema if not exists {{ kept.without_identifier() }};
    create table if not exists {{ kept }} (period date, fingerprint hugeint, made_by string);
    create or replace temporary table {{ this.identifier }}__now as
    select
        {{ period }} as period,
        sum({{ row_hash('inputs') }}) as fingerprint,
        '{{ made_by }}' as made_by
    from {{ inputs }} as inputs
    group by 1;
    create or replace temporary table {{ this.identifier }}__unchanged as
    select period from (select * from {{ this.identifier }}__now intersect select * from {{ kept }}) as unchanged
    {%- endif -%}
{%- endmacro %}


{% macro forget_restated_periods(period) -%}
    {%- if is_incremental() -%}
    delete from {{ this }} as built where not {{ is_unchanged('built.' ~ period) }}
    {%- endif -%}
{%- endmacro %}


{% macro keep_fingerprints() -%}
    {%- if execute -%}
    create or replace table {{ fingerprints_of(this) }} as select * from {{ this.identifier }}__now
    {%- endif -%}
{%- endmacro %}


{# Beside the models' schemas, since it is none. #}
{% macro fingerprints_of(relation) -%}
    {{ return(relation.incorporate(path={'schema': 'fingerprints'})) }}
{%- endmacro %}
