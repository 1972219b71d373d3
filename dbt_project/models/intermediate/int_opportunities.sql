-- Deals of every enabled source; one row per deal.
{{ config(materialized='view') }}
{{ union_entity('opportunities') }}
