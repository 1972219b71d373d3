-- Products of every enabled source; one row per product.
{{ config(materialized='view') }}
{{ union_entity('products') }}
