-- Media spend of every enabled source; one row per campaign and day.
{{ config(materialized='view') }}
{{ union_entity('ad_spend') }}
