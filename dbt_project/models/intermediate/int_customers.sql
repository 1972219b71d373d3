-- Customers of every enabled source; one row per customer.
{{ config(materialized='view') }}
{{ union_entity('customers') }}
