-- Products of every enabled source; one row per product. If several sources deliver one, the newest version.
{{ config(materialized='view') }}
{{ newest_of_sources('products', 'product_id') }}
