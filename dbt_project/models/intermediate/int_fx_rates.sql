-- Exchange rates of every enabled source; one row per day and currency pair.
{{ config(materialized='view') }}
{{ union_entity('fx_rates') }}
