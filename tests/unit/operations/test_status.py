"""What `kpi status` concludes from what it finds, and that it needs no imports that take seconds."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipelines.alerts.incidents import Incident
from pipelines.alerts.reports import Finding, Report
from pipelines.alerts.routes import Watch
from pipelines.alerts.service import AlertService
from pipelines.cli.printing.status import as_json, print_status
from pipelines.deliveries import Delivery
from pipelines.operations.due import Due
from pipelines.operations.status import CHECKS, Facts, SourceState, gather, headline, lines
from pipelines.publish.versions import Version
from pipelines.runs.history import Run
from pipelines.settings import Settings
from pipelines.sources import Source
from tests.conftest import PROJECT_DIR, Installation

NOON = datetime(2026, 1, 9, 11, 0, tzinfo=UTC)  # 12:00 in Warsaw
TODAY = date(2026, 1, 8)  # the delivery day that is run on 9 January

SHOP = Source.model_validate(
    {
        "name": "shop",
        "description": "The shop.",
        "connector": "files",
        "owner": "team:commerce",
        "sla": "06:00",
        "entities": ["orders"],
        "tables": {
            "orders": {
                "description": "Orders.",
                "path": "shop/orders_{delivered_on}.csv",
                "format": "csv",
                "columns": ["id"],
                "key": ["id"],
            }
        },
    }
)


def settings(**values: Any) -> Settings:
    usual = {"environment": "production", "sources": ["shop"], "first_delivery": date(2026, 1, 1)}
    return Settings(
        **{**usual, "time_zone": "Europe/Warsaw", "reporting_currency": "EUR", "alerts": PROJECT_DIR / "alerts.yml"}
        | values
    )


def version(as_of: date = TODAY, published_at: datetime = datetime(2026, 1, 9, 10, 41)) -> Version:
    return Version("20260109T104100Z-aaaa", published_at, as_of, "aaaa", is_current=True)


def run(status: str = "SUCCESS", day: date = TODAY, started_at: datetime = NOON - timedelta(minutes=30)) -> Run:
    ended = status in ("SUCCESS", "FAILURE", "CANCELED")
    return Run("aaaa", status, (day,), started_at, started_at + timedelta(minutes=11) if ended else None)


def due(has_landed: bool = True, has_files: bool = True) -> Due:
    return Due(SHOP, "orders", SHOP.tables["orders"], TODAY, has_landed, has_files)


def incident(**values: Any) -> Incident:
    finding = Finding(
        "raw/shop/orders",
        "row_count_is_plausible",
        "critical",
        False,
        "199 rows, usual are 2,800 to 3,400",
        blocking=True,
        next_step="Put a corrected delivery in its place: kpi run --date 2026-01-08",
    )
    usual: dict[str, Any] = {"state": "notified", "severity": "critical", "finding": finding, "times": 1}
    usual |= {"thread": "abcdef123456"}
    usual |= {"opened_at": NOON, "last_seen_at": NOON, "report_id": "aaaa", "run_id": "aaaa"}
    usual |= {"id": "abcdef123456", "asset": finding.asset, "check": finding.check}
    return Incident(**{**usual, **values})


def facts(**values: Any) -> Facts:
    """A good day, with changed `values`."""
    good: dict[str, Any] = {
        "settings": settings(),
        "watch": Watch(),
        "now": NOON,
        "published": version(),
        "runs": (run(),),
        "daemon_seen_at": NOON - timedelta(seconds=20),
        "switch": None,
        "sources": (SourceState(SHOP, TODAY, (due(),)),),
        "questions": (),
        "incidents": (),
        "unreadable": {},
    }
    return Facts(**{**good, **values})


def line(name: str, found: Facts) -> str:
    """A line as one text: its sentence, after `not ok` if it is not ok."""
    [wanted] = [line for line in lines(found) if line.name == name]
    return wanted.sentence if wanted.ok else f"not ok: {wanted.sentence}"


def printed(found: Facts) -> str:
    text = StringIO()
    print_status(found, Console(file=text, width=500))
    return text.getvalue()


BLOCKED = {"runs": (run("FAILURE"),), "published": version(date(2026, 1, 7), datetime(2026, 1, 8, 9, 41))}


def question(state: Any, day: date = date(2026, 1, 7), **values: Any) -> Delivery:
    return Delivery("shop", "orders", day, state, **values)


def test_a_good_day() -> None:
    assert headline(facts()) == "All is well. Numbers are as of 2026-01-08, the newest delivery day."
    assert [found.name for found in lines(facts())] == list(CHECKS)
    assert all(found.ok for found in lines(facts()))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        pytest.param(
            {**BLOCKED, "incidents": (incident(),)},
            "Blocked. The run of delivery day 2026-01-08 published nothing; analysts still read numbers as of "
            "2026-01-07. raw/shop/orders row_count_is_plausible: 199 rows, usual are 2,800 to 3,400.",
            id="a failed run",
        ),
        pytest.param(
            {"published": version(date(2026, 1, 5))},
            "Old. Numbers are as of 2026-01-05, 3 days behind 2026-01-08.",
            id="numbers that are old",
        ),
        pytest.param(
            {"published": None, "runs": ()},
            "Empty. Nothing has been run or published yet.",
            id="an installation that never ran",
        ),
        pytest.param(
            {"runs": (run(day=date(2026, 1, 7)),)},
            "Not run. Delivery day 2026-01-08 has not been run; the run was due by 12:00 (Europe/Warsaw).",
            id="a day without a run",
        ),
        pytest.param(
            {"sources": (SourceState(SHOP, date(2026, 1, 7), (due(has_landed=False, has_files=False),)),)},
            "Late. Deliveries of 2026-01-08 have not arrived: shop (orders), due by 06:00.",
            id="a late file",
        ),
        pytest.param(
            {"questions": (question("rejected"), question("rejected", date(2026, 1, 6)))},
            "Incomplete. Rejected by its checks: shop.orders of 2026-01-06, 2026-01-07.",
            id="rejected deliveries",
        ),
        pytest.param(
            {"questions": (question("left_out"), question("refused", date(2026, 1, 5)))},
            "Incomplete. Refused at the gate: shop.orders of 2026-01-05; left out of the numbers: shop.orders of "
            "2026-01-07.",
            id="deliveries that are left out or refused",
        ),
        pytest.param(
            {"incidents": (incident(run_id=None),)},
            "Something is wrong. A critical incident is open: raw/shop/orders row_count_is_plausible: 199 rows, "
            "usual are 2,800 to 3,400.",
            id="a critical incident",
        ),
        pytest.param(
            {"daemon_seen_at": NOON - timedelta(minutes=6)},
            "Nothing starts the daily run. The Dagster daemon is down: its last heartbeat was at 2026-01-09 11:54 CET.",
            id="a dead daemon",
        ),
        pytest.param(
            {"unreadable": {"runs": "runs.db cannot be read: no such table: runs."}},
            "Unknown. The outcome of the last run is unknown: runs.db cannot be read: no such table: runs.",
            id="a history that cannot be read",
        ),
        pytest.param(
            {"runs": (run("STARTED", started_at=NOON - timedelta(hours=3)),)},
            "Stuck. Run aaaa of delivery day 2026-01-08 has been in progress since 2026-01-09 09:00 CET, and all "
            "other runs are waiting for it.",
            id="a run that never ends",
        ),
    ],
)
def test_what_is_wrong_is_said_first_with_a_command_against_it(values: dict[str, Any], said: str) -> None:
    found = facts(**values)
    assert headline(found).startswith(said)
    wrong = [found for found in lines(found) if not found.ok]
    assert all("kpi " in line.next_step for line in wrong)
    assert wrong[0].next_step.rstrip(".") in printed(found)


def test_data_that_are_ten_months_old_are_not_fresh_even_if_made_today_and_nobody_expects_a_run() -> None:
    old = facts(settings=settings(schedule="none"), published=version(date(2025, 3, 1)))
    assert line("fresh", old) == "not ok: Numbers are as of 2025-03-01, 313 days behind 2026-01-08."


def test_data_that_end_on_purpose_are_fresh() -> None:
    ended = facts(settings=settings(last_delivery=date(2026, 1, 2)), published=version(date(2026, 1, 2)))
    assert headline(ended) == "All is well. Numbers are as of 2026-01-02; no delivery is expected after 2026-01-02."


def test_a_failure_is_over_when_something_was_published_after_it() -> None:
    repaired = facts(runs=(run("FAILURE"),), published=version(published_at=datetime(2026, 1, 9, 10, 59)))
    assert line("gate_passed", repaired) == "The current publication has passed every blocking check."


def test_a_run_that_somebody_stopped_blocks_nothing() -> None:
    stopped = line("gate_passed", facts(runs=(run("CANCELED"),)))
    assert stopped == "The last run, of delivery day 2026-01-08, was stopped before it published."


def test_a_run_that_is_due_later_is_not_missed() -> None:
    early = facts(
        now=NOON - timedelta(minutes=1), runs=(run(day=date(2026, 1, 7)),), published=version(date(2026, 1, 7))
    )
    assert line("run_on_time", early) == "The run of delivery day 2026-01-08 is due by 12:00 (Europe/Warsaw)."
    assert headline(early) == "All is well. Numbers are as of 2026-01-07; the newest delivery day is 2026-01-08."


def test_a_delivery_that_is_here_and_was_not_run_is_not_late() -> None:
    waiting = facts(sources=(SourceState(SHOP, date(2026, 1, 7), (due(has_landed=False),)),))
    assert line("delivered_on_time", waiting) == "No delivery is late."
    assert "shop  up to 2026-01-07  due by 06:00  arrived, not run yet: orders" in printed(waiting)


def test_a_delivery_that_is_missing_before_it_is_due_is_no_gap() -> None:
    missing = question("missing", TODAY)
    assert line("complete", facts(questions=(missing,))).startswith("not ok: Missing")
    early = facts(questions=(missing,), sources=(SourceState(SHOP, date(2026, 1, 7), ()),))
    assert line("complete", early) == "Every delivery passed its checks."


def test_what_a_run_under_way_has_landed_is_not_overdue_for_judgement() -> None:
    unjudged = question("unjudged")
    assert line("complete", facts(questions=(unjudged,))).startswith("not ok: Landed but not checked yet")
    under_way = facts(questions=(unjudged,), runs=(run("STARTED"), run(day=date(2026, 1, 7))))
    assert line("complete", under_way) == "Every delivery passed its checks."
    assert headline(under_way).endswith("A run has been in progress since 2026-01-09 11:30 CET.")


@pytest.mark.parametrize("state", ["accepted", "left_out"])
def test_what_a_person_decided_needs_nobody_and_is_shown(state: str) -> None:
    decided = facts(questions=(question(state, decided_by="ada", reason="a holiday"),))
    assert line("complete", decided) == (
        "Every delivery passed its checks, or a person decided about it: shop.orders of 2026-01-07."
    )
    assert "shop.orders of 2026-01-07 (ada: a holiday)" in printed(decided)


def test_an_incident_that_somebody_is_on_needs_nobody_else() -> None:
    known = facts(incidents=(incident(state="acknowledged"),))
    assert line("no_critical_incident", known) == "Every open critical incident is acknowledged or muted."


def test_what_blocked_the_run_is_not_told_again_as_an_incident() -> None:
    assert "A critical incident is open" not in printed(facts(**BLOCKED, incidents=(incident(),)))
    other = incident(id="999999999999", run_id="another")
    assert "A critical incident is open" in printed(facts(**BLOCKED, incidents=(incident(), other)))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"settings": settings(schedule="cron")}, "Cron starts the daily run (setting schedule)."),
        ({"settings": settings(schedule="none")}, "The setting schedule is none, so runs are started manually."),
        ({"switch": False}, "The schedule is switched off in the UI, so runs are started manually."),
    ],
)
def test_no_daemon_is_missed_where_none_is_to_start_the_run(values: dict[str, Any], said: str) -> None:
    assert line("started_daily", facts(daemon_seen_at=None, **values)) == said


def test_a_sentence_changes_only_when_something_does() -> None:
    blocked = facts(**BLOCKED, incidents=(incident(),), questions=(question("rejected"),), daemon_seen_at=None)
    assert lines(blocked) == lines(replace(blocked, now=NOON + timedelta(hours=1)))


def test_long_lists_are_cut_and_notes_only_counted() -> None:
    days = [date(2026, 1, 7) - timedelta(days=days) for days in range(7)]
    missing = [Delivery("shop", f"table{number}", day, "missing") for number in range(7) for day in days]
    noted = [incident(id=f"{number}", severity="info") for number in range(3)]
    said = printed(facts(questions=tuple(missing), incidents=tuple(noted)))
    assert "Incomplete. Missing: 49 deliveries of 7 tables." in said
    assert "missing: shop.table4 of 2026-01-01 to 2026-01-07" in said
    assert "shop.table5" not in said
    assert "and 2 more" in said
    assert "3 of severity info: kpi alerts list" in said


def test_of_a_long_cause_the_headline_has_the_first_sentence() -> None:
    long = replace(incident().finding, message="orders.csv: row 1: column 'order_id' is missing. Have it sent again.")
    said = printed(facts(**BLOCKED, incidents=(incident(finding=long),))).splitlines()
    assert said[0].endswith("raw/shop/orders row_count_is_plausible: orders.csv: row 1: column 'order_id' is missing.")
    assert sum("Have it sent again." in text for text in said) == 1


def test_json_says_what_the_text_says() -> None:
    found = facts(**BLOCKED, incidents=(incident(),), questions=(question("rejected"),))
    said = json.loads(as_json(found))
    assert said["headline"] == headline(found)
    assert (said["ok"], said["as_of_date"], said["last_run"]["status"]) == (False, "2026-01-07", "FAILURE")
    assert [check["name"] for check in said["checks"]] == list(CHECKS)
    assert said["deliveries"][0]["delivered_on"] == "2026-01-07"
    assert said["sources"][0]["complete_through"] == "2026-01-08"


def test_the_facts_of_an_installation_are_read_and_nothing_is_written(tmp_path: Path) -> None:
    site = settings(data_dir=tmp_path)
    gathered = gather(site, [SHOP], NOON)
    assert (gathered.published, gathered.runs, gathered.incidents) == (None, (), ())
    assert list(tmp_path.iterdir()) == []

    publication = tmp_path / "publications" / "one"
    publication.mkdir(parents=True)
    manifest = {
        "publication_id": "one",
        "published_at": "2026-01-09 10:41:00",
        "as_of_date": "2026-01-08",
        "run_id": "a",
    }
    (publication / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "published").symlink_to(publication)
    AlertService.of(site).ingest(Report("watch", NOON, (incident().finding,)), NOON)
    gathered = gather(site, [SHOP], NOON)
    assert gathered.published
    assert gathered.published.as_of_date == TODAY
    assert [found.title for found in gathered.incidents] == ["raw/shop/orders row_count_is_plausible"]
    assert [state.late for state in gathered.sources] == [["orders"]]

    (tmp_path / "landing" / "shop").mkdir(parents=True)
    (tmp_path / "landing" / "shop" / "orders_2026-01-08.csv").write_text("id\n1\n")
    assert [state.waiting for state in gather(site, [SHOP], NOON).sources] == [["orders"]]


def test_a_store_of_alerts_that_cannot_be_read_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "alerts.sqlite").write_text("no database, but longer than the header of one would have to be" * 9)
    found = gather(settings(data_dir=tmp_path), [SHOP], NOON)
    assert "alerts.sqlite cannot be read: file is not a database" in line("no_critical_incident", found)


def test_the_command_answers_without_importing_what_takes_seconds(tmp_path: Path) -> None:
    heavy = {"dagster", "dbt", "great_expectations", "pandas", "scipy", "apprise"}
    script = f"""
import sys
from pipelines.cli import app
try:
    app(["status"])
except SystemExit as ended:
    print("exit", ended.code, "imported", sorted({heavy!r} & {{name.split(".")[0] for name in sys.modules}}))
"""
    said = Installation(tmp_path).python("-c", script).stdout
    assert said.startswith("Empty. Nothing has been run or published yet")
    assert said.endswith("exit 1 imported []\n")


def test_settings_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    (tmp_path / "kpi.yml").write_text("sources: [shop]\nfirst_delivery: 2026-01-01\nshedule: cron\n")
    finished = Installation(tmp_path, tmp_path / "kpi.yml").kpi("status", check=False)
    assert finished.returncode == 2
    assert f"{tmp_path / 'kpi.yml'}:3: shedule: unknown key" in finished.stderr
    assert "Traceback" not in finished.stderr
