-- Leads of every enabled source; one row per lead, deleted ones included.
{{ config(materialized='view') }}
{{ union_entity('leads') }}
