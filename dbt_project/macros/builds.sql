{# Deletes the recorded versions of the models and tests that dbt is about to run. Whoever runs dbt, a build that dies must
   not leave a version behind that no longer matches the table (`pipelines/transform/unchanged.py` stores the versions in
   `builds.nodes`). #}
{% macro forget_versions() -%}
    {%- if execute and selected_resources -%}
    create schema if not exists builds;
    create table if not exists builds.nodes (
        unique_id varchar, relation varchar, version varchar, run_id varchar, content varchar
    );
    delete from builds.nodes where unique_id in ('{{ selected_resources | join("', '") }}')
    {%- endif -%}
{%- endmacro %}
