-- Order lines of every enabled source; one row per line.
{{ config(materialized='view') }}
{{ union_entity('order_items') }}
