{# How models get into the tables of Spark. A build of a model is a folder of Parquet files that nothing else writes to, and the
   table is a view of it. Who reads the table therefore reads a finished build, and a build that dies is read by nobody. #}


{% materialization table, adapter='spark', supported_languages=['sql', 'python'] %}
    {{ run_hooks(pre_hooks) }}
    {#- dbt requires that a materialization itself submits Python. -#}
    {% call statement('main', language=model['language']) -%}
        {{ written_to_folder(compiled_code) }}
    {%- endcall %}
    {{ return({'relations': [read_from_folder()]}) }}
{% endmaterialization %}


{# Views are stored, too: whoever reads the files without Spark needs their rows. #}
{% materialization view, adapter='spark' %}
    {{ run_hooks(pre_hooks) }}
    {% call statement('main') -%}
        {{ written_to_folder(compiled_code) }}
    {%- endcall %}
    {{ return({'relations': [read_from_folder()]}) }}
{% endmaterialization %}


{% materialization incremental, adapter='spark' %}
    {{ run_hooks(pre_hooks) }}
    {% call statement('main') -%}
        {{ written_to_folder(compiled_code) }}
    {%- endcall %}
    {{ return({'relations': [read_from_folder()]}) }}
{% endmaterialization %}


{% materialization seed, adapter='spark' %}
    {%- set rows = load_agate_table() -%}
    {%- do store_raw_result('agate_table', message='ok', code='ok', agate_table=rows) -%}
    {{ run_hooks(pre_hooks) }}
    {% call statement('main') -%}
        {{ written_to_folder(rows_of_seed(rows)) }}
    {%- endcall %}
    {{ return({'relations': [read_from_folder()]}) }}
{% endmaterialization %}


{# Code that writes the rows of `code`, SQL or Python, to the folder of this build. Rebalanced, since every task writes a file:
   small ones are joined, and large ones divided. #}
{% macro written_to_folder(code) -%}
    {%- if model.get('language') == 'python' -%}
{{ code }}
dbt = dbtObj(spark.table)
to_spark(model(dbt, spark)).write.parquet('{{ folder_of_build() }}')
    {%- else -%}
    insert overwrite directory '{{ folder_of_build() }}' using parquet
    select /*+ rebalance */ * from ({{ with_contract(code) }}) as built
    {%- endif -%}
{%- endmacro %}


{# Makes the folder of this build the table, for the rest of the command. #}
{% macro read_from_folder() -%}
    {%- set table = this.incorporate(type='table') -%}
    {% call statement('forget') -%}
        drop table if exists {{ table }}
    {%- endcall %}
    {% call statement('read') -%}
        create table {{ table }} using parquet location '{{ folder_of_build() }}'
    {%- endcall %}
    {{ run_hooks(post_hooks) }}
    {{ return(table) }}
{%- endmacro %}


{% macro folder_of_build() -%}
    {{ return([env_var('KPI_SPARK_TABLES'), this.schema, this.identifier, env_var('KPI_BUILD')] | join('/')) }}
{%- endmacro %}


{# `query`, which has the columns and types that the model's contract states, in its order. #}
{% macro with_contract(query) -%}
    {%- if config.get('contract').enforced -%}
    {{ get_assert_columns_equivalent(query) }}
    {{ get_select_subquery(query) }}
    {%- else -%}
    {{ query }}
    {%- endif -%}
{%- endmacro %}


{# A table on Spark is always built as a whole, also that of an incremental model. #}
{% macro is_incremental() -%}
    {{ return(adapter.dispatch('is_incremental')()) }}
{%- endmacro %}

{% macro default__is_incremental() -%}
    {{ return(dbt.is_incremental()) }}
{%- endmacro %}

{% macro spark__is_incremental() -%}
    {{ return(false) }}
{%- endmacro %}


{# The rows of a seed as a query, in the types that its YAML declares. #}
{% macro rows_of_seed(agate_table) -%}
    {%- set types = config.get('column_types', {}) -%}
    select
    {%- for name in agate_table.column_names %}
        cast({{ adapter.quote(name) }} as {{ types.get(name, adapter.convert_type(agate_table, loop.index0)) }}) as {{ adapter.quote(name) }}{{ ',' if not loop.last }}
    {%- endfor %}
    from values
    {%- for row in agate_table.rows %}
        ({% for value in row %}{{ text(value) }}{{ ', ' if not loop.last }}{% endfor %}){{ ',' if not loop.last }}
    {%- endfor %}
    as seed ({% for name in agate_table.column_names %}{{ adapter.quote(name) }}{{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}


{# dbt compares a contract with the columns of an empty query. Spark has no VARCHAR without a length. #}
{% macro spark__get_empty_schema_sql(columns) -%}
    {%- set declared = {} -%}
    {%- for name, column in columns.items() -%}
        {%- set type = 'string' if column['data_type'] == 'varchar' else column['data_type'] -%}
        {%- do declared.update({name: dict(column, data_type=type)}) -%}
    {%- endfor -%}
    {{ return(default__get_empty_schema_sql(declared)) }}
{%- endmacro %}
