{# Facts that are restated by business period: only periods whose inputs have changed since the last build are rebuilt. #}


{# Makes the model incremental by `period`: a column of `inputs` and of the model, or a list of columns, which are never NULL.
   `inputs` is a view that holds everything the model is computed from, or checksums of it. A row of the model may depend only on
   inputs of its own period. Equal inputs then give equal rows, whatever caused a change, so nobody has to track dependencies.
   Each of these restates only the periods that it affects: a day that is run twice, a rate, segment or team that changes later,
   an order that disappears, a build that dies.

   `fingerprints.<model>` stores a fingerprint of each period's inputs and of the model's SQL. It is written in the same
   transaction as the model. The model reads its inputs where `is_restated`, which takes the same `period`. #}
{% macro incremental_by_fingerprint(period, inputs) -%}
    {%- set period = columns_of_period(period) -%}
    {{ config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='fail',
        pre_hook=[
            "{{ compute_fingerprints(ref('" ~ inputs ~ "'), '" ~ period ~ "') }}",
            "{{ forget_restated_periods('" ~ period ~ "') }}",
        ],
        post_hook="{{ keep_fingerprints() }}",
    ) }}
{%- endmacro %}


{# True for rows of periods that are rebuilt: all periods, unless the model already exists. #}
{% macro is_restated(period) -%}
    {{ 'not ' ~ is_unchanged(columns_of_period(period)) if is_incremental() else '1 = 1' }}
{%- endmacro %}


{% macro is_unchanged(period) -%}
    ({{ period }}) in (select {{ period }} from {{ this.identifier }}__unchanged)
{%- endmacro %}


{% macro columns_of_period(period) -%}
    {{ return(period if period is string else period | join(', ')) }}
{%- endmacro %}


{# The current fingerprints of all periods, and the periods that the model was built from with the same fingerprints. These are
   temporary tables, because the rest of the transaction must see the same data. #}
{% macro compute_fingerprints(inputs, period) -%}
    {{ return(adapter.dispatch('compute_fingerprints')(inputs, period)) }}
{%- endmacro %}

{% macro default__compute_fingerprints(inputs, period) -%}
    {%- if execute -%}
    {%- set kept = fingerprints_of(this) -%}
    {#- This must not depend on whether the model already exists. -#}
    {%- set made_by = local_md5(model.compiled_code | replace(is_restated(period), '')) -%}
    create schema if not exists {{ kept.without_identifier() }};
    create or replace temporary table {{ this.identifier }}__now as
    select
        {{ period }},
        sum({{ row_hash('inputs') }}) as fingerprint,
        '{{ made_by }}' as made_by
    from {{ inputs }} as inputs
    group by {{ period }};
    create table if not exists {{ kept }} as select * from {{ this.identifier }}__now limit 0;
    create or replace temporary table {{ this.identifier }}__unchanged as
    select * from {{ this.identifier }}__now intersect select * from {{ kept }}
    {%- endif -%}
{%- endmacro %}


{# On Spark, a table is built as a whole. #}
{% macro spark__compute_fingerprints(inputs, period) -%}{%- endmacro %}


{% macro forget_restated_periods(period) -%}
    {%- if is_incremental() -%}
    delete from {{ this }} where not {{ is_unchanged(period) }}
    {%- endif -%}
{%- endmacro %}


{% macro keep_fingerprints() -%}
    {{ return(adapter.dispatch('keep_fingerprints')()) }}
{%- endmacro %}

{% macro default__keep_fingerprints() -%}
    {%- if execute -%}
    create or replace table {{ fingerprints_of(this) }} as select * from {{ this.identifier }}__now
    {%- endif -%}
{%- endmacro %}


{% macro spark__keep_fingerprints() -%}{%- endmacro %}


{# In a schema of its own, because this table is not a model. #}
{% macro fingerprints_of(relation) -%}
    {{ return(relation.incorporate(path={'schema': 'fingerprints'})) }}
{%- endmacro %}
