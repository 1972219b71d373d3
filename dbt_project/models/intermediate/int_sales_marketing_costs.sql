-- Costs of sales and marketing except media, from every enabled source; one row per month and kind of cost.
{{ config(materialized='view') }}
{{ union_entity('sales_marketing_costs') }}
