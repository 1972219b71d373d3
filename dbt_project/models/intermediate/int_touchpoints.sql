-- Meetings of a lead or customer with a campaign, of every enabled source; one row per touch.
{{ config(materialized='view') }}
{{ union_entity('touchpoints') }}
