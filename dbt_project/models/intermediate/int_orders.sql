-- Order headers of every enabled source; one row per order, cancelled and deleted ones included.
{{ config(materialized='view') }}
{{ union_entity('orders') }}
