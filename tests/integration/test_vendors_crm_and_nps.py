"""Three CRMs and two survey tools in one installation: their files as the vendors write them, through to the KPIs."""

import shutil
from datetime import date, datetime
from decimal import Decimal
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from tests.conftest import Installation
from tests.integration.conftest import failed_staging_checks

VENDORS = Path(__file__).parent / "vendors"
SOURCES = ("hubspot", "salesforce", "pipedrive", "typeform", "delighted")


@pytest.fixture(scope="module")
def vendors(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Two delivery days of each vendor, the second with the changes. A dollar is 0.90 euros."""
    data_dir = tmp_path_factory.mktemp("crm_and_nps")
    landing = data_dir / "landing"
    for source in SOURCES:
        shutil.copytree(VENDORS / source, landing / source)
    (landing / "finance" / "fx_rates").mkdir(parents=True)
    (landing / "finance" / "fx_rates" / "fx_rates_2025-04-01.csv").write_text(
        "rate_date,from_currency,to_currency,rate\n2025-01-02,USD,EUR,0.90\n", encoding="utf-8"
    )
    (landing / "finance" / "costs").mkdir()
    costs = Workbook()
    costs.worksheets[0].append(["cost_month", "cost_type", "amount", "currency"])
    costs.save(landing / "finance" / "costs" / "costs_2025-04-01.xlsx")
    installation = Installation(data_dir, VENDORS / "crm_and_nps.yml")
    installation.build()
    return installation


def rows(vendors: Installation, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query on the warehouse."""
    with vendors.warehouse() as connection:
        return connection.execute(query).fetchall()


def key(text: str) -> str:
    """The replacement for an e-mail address or a name."""
    return md5(text.lower().encode()).hexdigest()


def test_hubspot_contacts_become_leads_without_those_who_only_subscribed(vendors: Installation) -> None:
    assert rows(
        vendors,
        "select lead_id, email_key, created_at, source, sdr_id, mql_at, sql_at, converted_at, opportunity_id "
        "from staging.stg_hubspot__leads order by lead_id",
    ) == [
        # `Select` is a placeholder; an older version that arrives later does not win; 501 is named first in 9001.
        ("501", key("ada@example.com"), datetime(2025, 1, 10, 8, 30), "Organic Search", "Mia Muster", None, None,
         datetime(2025, 3, 14, 14), "9001"),
        # The second file has the qualification dates. A contact that is named second in a won deal has not converted.
        ("502", key("bob@example.com"), datetime(2025, 2, 1, 7, 15), "Webinar", "Mia Muster", datetime(2025, 2, 3, 9),
         datetime(2025, 4, 1, 14, 45), None, "9002"),
        ("504", None, datetime(2025, 3, 15, 22, 45), "Offline Sources", None, None, None, None, "9004"),
        ("505", key("eve@example.com"), datetime(2025, 3, 31, 22, 10), "Referral", "Mia Muster", None, None,
         None, None),
    ]  # fmt: skip


def test_hubspot_deals_are_won_or_lost_by_their_stage(vendors: Installation) -> None:
    assert rows(
        vendors,
        "select opportunity_id, customer_id, lead_id, amount, currency_code, expected_close_date, closed_at, is_won, "
        "is_closed, loss_reason from staging.stg_hubspot__opportunities order by opportunity_id",
    ) == [
        ("9001", key("ada@example.com"), "501", Decimal("12000.50"), "EUR", date(2025, 3, 14),
         datetime(2025, 3, 14, 14), True, True, None),
        ("9002", key("bob@example.com"), "502", Decimal(5000), "USD", date(2025, 4, 1), datetime(2025, 4, 1, 8), False,
         True, "Price"),
        # Half past eleven at night in Warsaw: still March.
        ("9003", "hubspot-company-7003", None, Decimal(3000), "EUR", date(2025, 3, 31), datetime(2025, 3, 31, 21, 30),
         False, True, None),
        ("9004", "hubspot-contact-504", "504", Decimal(800), "EUR", date(2025, 5, 15), None, False, False, None),
    ]  # fmt: skip


def test_a_deal_whose_amount_cannot_be_read_is_in_quarantine(vendors: Installation) -> None:
    assert rows(vendors, "select source, table_name, source_file, reason from staging.quarantined_rows") == [
        ("hubspot", "deals", "hubspot/deals_2025-04-02.csv", "Amount: cannot be read as decimal")
    ]


def test_stages_are_remembered_from_delivery_to_delivery(vendors: Installation) -> None:
    columns = "opportunity_id, stage, changed_at, owner_id"
    history = f"select {columns} from staging.stg_{{}}__opportunity_stage_history order by 1, 3"
    assert rows(vendors, history.format("hubspot")) == [
        # Delivered twice, the second time with another owner: the first delivery shows who moved it there.
        ("9001", "Closed Won (Sales Pipeline)", datetime(2025, 3, 14, 14), "Max Muster"),
        ("9002", "Contract Sent (Sales Pipeline)", datetime(2025, 3, 20, 8), "Max Muster"),
        ("9002", "Closed Lost (Sales Pipeline)", datetime(2025, 4, 1, 8), "Max Muster"),
        ("9003", "Closed Lost (Sales Pipeline)", datetime(2025, 3, 31, 21, 30), "Nina Neu"),
        ("9004", "appointmentscheduled", datetime(2025, 3, 29, 11), "Nina Neu"),
        ("9004", "Qualified To Buy (Sales Pipeline)", datetime(2025, 4, 2, 7), "Nina Neu"),
    ]
    assert rows(vendors, history.format("pipedrive")) == [
        ("1", "Negotiations Started", datetime(2025, 2, 20, 11), "Pia Muster"),
        ("2", "Proposal Made", datetime(2025, 2, 15, 8), "Pia Muster"),
        ("3", "Qualified", datetime(2025, 3, 30, 21, 30), "Rob Muster"),  # never moved yet, so since its creation
        ("3", "Proposal Made", datetime(2025, 4, 2, 9), "Pia Muster"),
        ("5", "Contact Made", datetime(2025, 2, 10, 8), "Rob Muster"),
    ]


def test_salesforce_history_holds_changes_of_the_stage_alone(vendors: Installation) -> None:
    assert rows(
        vendors,
        "select opportunity_id, stage, changed_at, changed_by from staging.stg_salesforce__opportunity_stage_history "
        "order by 1, 3",
    ) == [
        ("006000000000001AAA", "Prospecting", datetime(2025, 2, 11, 9), "005000000000002AAA"),
        ("006000000000001AAA", "Negotiation/Review", datetime(2025, 3, 1, 10), "005000000000001AAA"),
        ("006000000000001AAA", "Closed Won", datetime(2025, 3, 14, 15), "005000000000001AAA"),
        ("006000000000003AAA", "Negotiation/Review", datetime(2025, 3, 25, 10), "005000000000001AAA"),
        ("006000000000003AAA", "Closed Won", datetime(2025, 4, 2, 10), "005000000000001AAA"),
    ]


def test_salesforce_leads_convert_when_their_opportunity_is_won(vendors: Installation) -> None:
    assert rows(
        vendors,
        "select lead_id, email_key, source, sdr_id, sql_at, converted_at, opportunity_id, is_deleted "
        "from staging.stg_salesforce__leads order by lead_id",
    ) == [
        ("00Q000000000001AAA", key("fay@example.com"), "Web", "005000000000002AAA", datetime(2025, 2, 11, 9),
         datetime(2025, 3, 14, 22, 59, 59), "006000000000001AAA", False),
        # First in a queue, then taken by a person and converted; the opportunity is open.
        ("00Q000000000002AAA", key("gus@example.com"), None, "005000000000002AAA", datetime(2025, 4, 1, 14), None,
         "006000000000004AAA", False),
        ("00Q000000000003AAA", key("hal@example.com"), "Web", "005000000000002AAA", None, None, None, True),
        # Converted to an existing opportunity: the day is known, and ends at midnight in Warsaw.
        ("00Q000000000004AAA", key("ada@example.com"), "Trade Show", None, datetime(2025, 3, 27, 22, 59, 59), 
         datetime(2025, 4, 2, 21, 59, 59), "006000000000003AAA", False),
    ]  # fmt: skip


def test_salesforce_opportunities_close_at_the_end_of_their_close_date(vendors: Installation) -> None:
    assert rows(
        vendors,
        "select opportunity_id, customer_id, lead_id, sdr_id, type, stage, amount, currency_code, closed_at, is_won, "
        "is_closed from staging.stg_salesforce__opportunities order by opportunity_id",
    ) == [
        # An older version that arrives later does not win.
        ("006000000000001AAA", "001000000000001AAA", "00Q000000000001AAA", "005000000000002AAA", "new_business",
         "Closed Won", Decimal(20000), "EUR", datetime(2025, 3, 14, 22, 59, 59), True, True),
        ("006000000000002AAA", "001000000000002AAA", None, None, "expansion", "Closed Lost", Decimal(7000), "USD",
         datetime(2025, 3, 20, 22, 59, 59), False, True),
        ("006000000000003AAA", "001000000000003AAA", "00Q000000000004AAA", None, None, "Closed Won",
         Decimal("4500.25"), "EUR", datetime(2025, 4, 2, 21, 59, 59), True, True),
        ("006000000000004AAA", "001000000000004AAA", "00Q000000000002AAA", "005000000000002AAA", "new_business",
         "Prospecting", Decimal(900), "EUR", None, False, False),
    ]  # fmt: skip


def test_salesforce_users_are_sales_people_with_their_teams_over_time(vendors: Installation) -> None:
    assert rows(
        vendors, "select rep_id, name, role, team, left_on from staging.stg_salesforce__sales_reps order by rep_id"
    ) == [
        ("005000000000001AAA", "Sam Seller", "AE", "Cobalt", None),
        ("005000000000002AAA", "Dora Develop", "SDR", "Boreal", date(2025, 4, 2)),  # half past midnight in Warsaw
        ("005000000000003AAA", "Vera Leader", "manager", None, None),
    ]
    assert rows(
        vendors,
        "select valid_from, team from staging.stg_salesforce__sales_rep_versions "
        "where rep_id = '005000000000001AAA' order by 1",
    ) == [(date(2025, 4, 1), "Atlas"), (date(2025, 4, 2), "Cobalt")]


def test_pipedrive_deals_are_won_or_lost_by_their_status(vendors: Installation) -> None:
    assert rows(
        vendors,
        "select opportunity_id, customer_id, owner_id, stage, amount, currency_code, closed_at, is_won, is_closed, "
        "loss_reason from staging.stg_pipedrive__opportunities order by opportunity_id",
    ) == [
        ("1", key("Muster GmbH"), "Pia Muster", "Negotiations Started", Decimal(10000), "EUR",
         datetime(2025, 3, 31, 21, 59, 59), True, True, None),
        ("2", key("Gil Fictive"), "Pia Muster", "Proposal Made", Decimal("2500.75"), "USD", datetime(2025, 3, 10, 8),
         False, True, "Budget"),
        ("3", key("Sample AG"), "Pia Muster", "Proposal Made", Decimal("999.99"), "EUR", None, False, False, None),
        ("5", key("Fictive SA"), "Rob Muster", "Contact Made", Decimal(700), "EUR", None, False, False, None),
    ]  # fmt: skip


def test_answers_are_those_to_the_nps_question_that_were_submitted(vendors: Installation) -> None:
    answers = "select response_id, customer_id, score, responded_at from staging.stg_{}__nps_responses order by 1"
    assert rows(vendors, answers.format("typeform")) == [
        ("tf0001", key("ada@example.com"), 10, datetime(2025, 3, 5, 10)),
        ("tf0002", None, 6, datetime(2025, 3, 6, 10)),  # the hidden field was not filled in
        ("tf0004", key("ada@example.com"), 8, datetime(2025, 3, 20, 10)),
        ("tf0005", key("bob@example.com"), 9, datetime(2025, 3, 31, 22, 30)),
    ]
    assert rows(vendors, answers.format("delighted")) == [
        ("1", key("ada@example.com"), 4, datetime(2025, 3, 25, 12)),  # the person changed it from 3
        ("2", "delighted-person-11", 9, datetime(2025, 3, 10)),
    ]


def test_the_win_rate_unites_the_three_crms(vendors: Installation) -> None:
    won = Decimal("12000.50") + 20000 + 10000
    lost = Decimal("0.90") * (7000 + Decimal("2500.75")) + 3000
    [march] = rows(
        vendors,
        "select won_opportunities, lost_opportunities, won_amount, closed_amount, win_rate_closed_count "
        "from marts.kpi_win_rate "
        "where grain = 'month' and period_start = date '2025-03-01' and entity_type = 'company'",
    )
    assert march == (3, 3, won, round(won + lost, 2), 0.5)


def test_a_won_deal_counts_for_its_owner_at_the_close(vendors: Installation) -> None:
    assert rows(
        vendors,
        "select entity_id, won_opportunities, lost_opportunities from marts.kpi_win_rate "
        "where grain = 'month' and period_start = date '2025-03-01' and entity_type = 'rep' "
        "and closed_opportunities > 0 order by 1",
    ) == [("005000000000001AAA", 1, 1), ("Max Muster", 1, 0), ("Nina Neu", 0, 1), ("Pia Muster", 1, 1)]


def test_one_person_in_two_crms_is_one_lead(vendors: Installation) -> None:
    [ada] = rows(
        vendors,
        "select lead_id, source, merged_leads, opportunities, converted_on from marts.fct_leads "
        f"where email_key = '{key('ada@example.com')}'",
    )
    assert ada == ("501", "Organic Search", 2, 2, date(2025, 3, 14))


def test_a_person_counts_once_in_nps_whichever_tool_asked(vendors: Installation) -> None:
    # Ada's last answer of March is a 4 in Delighted. An unknown person gave a 6, and one without an address a 9.
    assert rows(
        vendors,
        "select period_start, period_responses, period_promoters, period_detractors, round(period_nps, 2) "
        "from marts.kpi_nps where grain = 'month' and entity_type = 'company' and period_responses > 0 order by 1",
    ) == [(date(2025, 3, 1), 3, 1, 2, -33.33), (date(2025, 4, 1), 1, 1, 0, 100.0)]


def test_no_address_or_name_of_a_customer_leaves_the_logs(vendors: Installation) -> None:
    people = ("example.com", "Gil Fictive", "Bob Sample", "Muster GmbH", "Sample AG", "Slow, but kind")
    with vendors.warehouse() as connection:
        tables = connection.execute(
            "select table_schema, table_name from information_schema.tables "
            "where table_name not like 'base_%' and table_schema in ('staging', 'intermediate', 'marts')"
        ).fetchall()
        assert len(tables) > 60
        found = [
            (table, person)
            for schema, table in tables
            for person in people
            if connection.execute(
                f"select count(*) from {schema}.{table} as found where contains(cast(found as varchar), '{person}')"
            ).fetchone()
            != (0,)
        ]
    assert found == []


def test_mapping_holds_for_what_is_not_in_these_files(vendors: Installation) -> None:
    paths = [f"test_type:unit,path:models/staging/{source}" for source in SOURCES]
    assert "PASS=11 WARN=0 ERROR=0" in vendors.dbt("test", "--select", *paths).stdout


def test_what_is_odd_in_the_samples_is_told_by_their_suites(vendors: Installation) -> None:
    # Somebody answered without leaving an address.
    assert failed_staging_checks(vendors, SOURCES) == {("stg_typeform__nps_responses", "customer_id_not_null")}
