-- Stage changes of the deals of every enabled source; one row per deal, stage and time.
{{ config(materialized='view') }}
{{ union_entity('opportunity_stage_history') }}
