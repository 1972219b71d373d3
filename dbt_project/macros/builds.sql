{# Forgets of which version the models and tests are that dbt is about to run: whoever runs it, a build that dies must not
   leave one behind that says otherwise (`pipelines/transform/unchanged.py` keeps the versions, in `builds.nodes`). #}
{% macro forget_versions() -%}
    {%- if execute and selected_resources -%}
    create schema if not exists builds;
    create table if not exists builds.nodes (
        unique_id varchar, relation varchar, version varchar, run_id varchar, content varchar
    );
    delete from builds.nodes where unique_id in ('{{ selected_resources | join("', '") }}')
    {%- endif -%}
{%- endmacro %}
