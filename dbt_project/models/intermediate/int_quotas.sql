-- Monthly targets of every enabled source; one row per rep, team or company, month and KPI.
{{ config(materialized='view') }}
{{ union_entity('quotas') }}
