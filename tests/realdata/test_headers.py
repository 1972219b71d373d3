"""Headers of real exports: the shipped sources know their columns."""

import csv
from pathlib import Path

import pytest

from tests.unit.test_vendor_packs import TABLES, land_header

EXPORTS = {
    "hubspot_contacts_export.columns_seen": ("hubspot", "contacts"),
    "hubspot_deals_export.columns_seen": ("hubspot", "deals"),
    "pipedrive_deals_export.columns_seen": ("pipedrive", "deals"),
    "salesforce_lead_report.columns_seen": ("salesforce", "leads"),
    "salesforce_opportunity.columns_seen": ("salesforce", "opportunities"),
    "shopify_orders_export.header": ("shopify", "orders"),
    "stripe_payments_export_2014.header": ("stripe", "payments"),
    "stripe_payments_export_2020s.header": ("stripe", "payments"),
}


@pytest.mark.parametrize("export", EXPORTS)
def test_a_real_export_lands_and_nothing_in_it_is_unknown(tmp_path: Path, real_data_dir: Path, export: str) -> None:
    with (real_data_dir / "headers" / f"{export}.csv").open(encoding="utf-8-sig", newline="") as lines:
        header = next(csv.reader(lines))
    landed = land_header(tmp_path, TABLES[EXPORTS[export]], header)
    assert (landed.outcome, landed.undeclared_columns) == ("landed", [])
