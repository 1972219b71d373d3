-- Contacts of a lead or customer with a campaign, from every enabled source; one row per touch.
{{ config(materialized='view') }}
{{ union_entity('touchpoints') }}
