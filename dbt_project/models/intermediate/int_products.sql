-- Products of every enabled source; one row per product. Of one that several sources deliver, the version that came last.
{{ config(materialized='view') }}
{{ newest_of_sources('products', 'product_id') }}
