"""Headers as vendors write them, of several generations: the shipped sources know each of their columns."""

from pathlib import Path

import pytest

from pipelines.ingest.gate import DeliveryError
from tests.unit.test_vendor_packs import TABLES, land_header, land_text

WOOCOMMERCE_ADDED = "Currency,Order Line (w/o tax),Order Line Subtotal,Quantity"
WOOCOMMERCE_2018 = (
    "Order Number,Order Status,Order Date,Customer Note,First Name (Billing),Last Name (Billing),Company (Billing),"
    "Address 1&2 (Billing),City (Billing),State Code (Billing),Postcode (Billing),Country Code (Billing),"
    "Email (Billing),Phone (Billing),First Name (Shipping),Last Name (Shipping),Address 1&2 (Shipping),"
    "City (Shipping),State Code (Shipping),Postcode (Shipping),Country Code (Shipping),Item #,SKU,Name,"
    "Product Variation,Quantity (- Refund),Item Cost,Order Line Tax,Order Line Total,Order Line Total Refunded,"
    "Order Line Total (- Refund),Image URL,Coupon Code,Discount Amount,Discount Amount Tax,Payment Method Title,"
    "Coupons Used,Cart Discount Amount,Order Subtotal Amount,Order Tax Amount,Order Shipping Amount,"
    "Order Refund Amount,Order Total Amount,Order Total Tax Amount,Total items,Total products"
)
WOOCOMMERCE_TODAY = WOOCOMMERCE_2018.replace(",Name,", ",Item Name,").replace("Order Tax Amount,", "")
XERO_ADDRESSES = "SAAddressLine1,SAAddressLine2,SAAddressLine3,SAAddressLine4,SACity,SARegion,SAPostalCode,SACountry,"
XERO_TODAY = (
    "ContactName,EmailAddress,POAddressLine1,POAddressLine2,POAddressLine3,POAddressLine4,POCity,PORegion,"
    f"POPostalCode,POCountry,{XERO_ADDRESSES}InvoiceNumber,Reference,InvoiceDate,DueDate,PlannedDate,Total,TaxTotal,"
    "InvoiceAmountPaid,InvoiceAmountDue,InventoryItemCode,Description,Quantity,UnitAmount,Discount,LineAmount,"
    "AccountCode,TaxType,TaxAmount,TrackingName1,TrackingOption1,TrackingName2,TrackingOption2,Currency,Type,Sent,Status"
)
QUALTRICS = (
    "StartDate,EndDate,Status,IPAddress,Progress,Duration (in seconds),Finished,RecordedDate,ResponseId,"
    "RecipientLastName,RecipientFirstName,RecipientEmail,ExternalReference,LocationLatitude,LocationLongitude,"
    "DistributionChannel,UserLanguage,NPS_NPS_GROUP,NPS"
)


@pytest.mark.parametrize(
    ("source", "table", "header"),
    [
        ("woocommerce", "orders", f"{WOOCOMMERCE_2018},{WOOCOMMERCE_ADDED}"),
        ("woocommerce", "orders", f"{WOOCOMMERCE_TODAY},{WOOCOMMERCE_ADDED}"),
        ("xero", "invoices", XERO_TODAY),
        ("xero", "invoices", XERO_TODAY.replace(XERO_ADDRESSES, "")),
        ("qualtrics", "responses", QUALTRICS),
        ("qualtrics", "responses", QUALTRICS.replace("ExternalReference", "ExternalDataReference")),
    ],
)
def test_every_column_is_known(tmp_path: Path, source: str, table: str, header: str) -> None:
    landed = land_header(tmp_path, TABLES[source, table], header.split(","))
    assert (landed.outcome, landed.undeclared_columns) == ("landed", [])


@pytest.mark.parametrize("key", TABLES)
def test_no_key_needs_a_column_that_only_some_files_have(key: tuple[str, str]) -> None:
    table = TABLES[key]
    assert set(table.key) <= {*table.columns, *table.if_missing, "_source_file", "_row_number"}


def test_leads_of_a_report_without_ids_are_persons_who_came_in_at_a_time(tmp_path: Path) -> None:
    header = "Lead Source,First Name,Last Name,Email,Phone,Lead Status,Owner Alias,Created Date\n"
    leads = [
        "Web,Ann,Lee,ann@example.com,,Open,kim,1/13/2025",
        "Web,Ann,Lee,ANN@example.com,1,Working,kim,1/13/2025",  # the same lead again
        "Web,Ann,Lee,ann@example.com,,Open,kim,1/14/2025",
        "Web,Bob,Ray,,,Open,kim,1/13/2025",
        "Web,Bob,Roy,,,Open,kim,1/13/2025",
        "Web,,,,,Open,kim,1/13/2025",  # nobody
    ]
    landed, keys = land_text(tmp_path, TABLES["salesforce", "leads"], header + "\n".join(leads) + "\n")
    assert (landed.rows, landed.undeclared_columns) == (6, [])
    assert keys[0] == keys[1]
    assert len(set(keys)) == 5
    assert keys[5] == (None,)


def test_leads_with_ids_need_what_became_of_them(tmp_path: Path) -> None:
    missing = r"column 'ConvertedOpportunityId' \(or 'Opportunity ID', .*\) is missing"
    with pytest.raises(DeliveryError, match=missing):
        land_header(tmp_path, TABLES["salesforce", "leads"], ["Lead ID", "Created Date"])
