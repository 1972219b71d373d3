-- Campaigns of every enabled source; one row per campaign. If several sources deliver one, the newest version.
{{ config(materialized='view') }}
{{ newest_of_sources('campaigns', 'campaign_id') }}
