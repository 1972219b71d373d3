-- Campaigns of every enabled source; one row per campaign. Of one that several sources deliver, the version that came last.
{{ config(materialized='view') }}
{{ newest_of_sources('campaigns', 'campaign_id') }}
