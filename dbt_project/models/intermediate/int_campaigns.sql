-- Campaigns of every enabled source; one row per campaign.
{{ config(materialized='view') }}
{{ union_entity('campaigns') }}
