"""Describes what a publication leaves out: good rows that not every KPI counts.

Belongs here: reading `meta.left_out_rows` and saying what somebody should investigate.
Does not belong here: why a row is left out (`dbt_project/macros/left_out.sql`), and unreadable rows (`quarantine.py`).
"""

from pathlib import Path

from pipelines.warehouse import published

# As people say it, one and several; any other entity goes by its name.
_NOUNS = {
    "customers": ("customer", "customers"),
    "products": ("product", "products"),
    "campaigns": ("campaign", "campaigns"),
    "orders": ("order", "orders"),
    "order_items": ("order line", "order lines"),
    "refunds": ("refund", "refunds"),
    "leads": ("lead", "leads"),
    "opportunities": ("deal", "deals"),
    "opportunity_stage_history": ("stage change", "stage changes"),
    "sales_reps": ("sales rep", "sales reps"),
    "sales_rep_versions": ("sales rep", "sales reps"),
    "quotas": ("target", "targets"),
    "ad_spend": ("row of ad spend", "rows of ad spend"),
    "touchpoints": ("touch", "touches"),
    "sales_marketing_costs": ("cost", "costs"),
    "nps_invitations": ("invitation", "invitations"),
    "nps_responses": ("survey answer", "survey answers"),
    "fx_rates": ("exchange rate", "exchange rates"),
}


def left_out_lines(published_dir: Path) -> list[str]:
    """A sentence for `every KPI` and for each group of KPIs that lacks rows which somebody should know about.

    Rows that are expected to be left out, such as cancelled orders, are in the table but not in these lines.

    Raises:
        NotPublishedError: there is no published file.
    """
    with published(published_dir) as connection:
        found = connection.execute(
            """
            select left_out_of, entity, reason, cast(sum(left_out_rows) as bigint)
            from meta.left_out_rows
            where not is_expected
            group by left_out_of, entity, reason
            order by left_out_of <> 'every KPI', left_out_of, entity, reason
            """
        ).fetchall()
    groups: dict[str, list[str]] = {}
    for left_out_of, entity, reason, rows in found:
        one, several = _NOUNS.get(entity, (f"row of {entity}", f"rows of {entity}"))
        groups.setdefault(left_out_of, []).append(f"{rows:,} {one if rows == 1 else several} {reason}")
    lines = [f"Left out of {left_out_of}: {', '.join(parts)}." for left_out_of, parts in groups.items()]
    return [*lines[:-1], f"{lines[-1]} See meta.left_out_rows."] if lines else []
