-- Sales people of every enabled source; one row per person.
{{ config(materialized='view') }}
{{ union_entity('sales_reps') }}
