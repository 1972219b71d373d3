-- NPS invitations of every enabled source; one row per invitation.
{{ config(materialized='view') }}
{{ union_entity('nps_invitations') }}
