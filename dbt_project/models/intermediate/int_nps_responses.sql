-- NPS answers of every enabled source; one row per answer.
{{ config(materialized='view') }}
{{ union_entity('nps_responses') }}
