-- Refunds of every enabled source; one row per refund.
{{ config(materialized='view') }}
{{ union_entity('refunds') }}
