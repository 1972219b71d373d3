"""What `kpi alerts list` prints."""

import io
import json
from pathlib import Path

from rich.console import Console

from pipelines.alerts.reports import STEP_FAILED
from pipelines.cli.printing.alerts import print_json, print_list
from tests.unit.alerts.conftest import World, finding


def listed(world: World) -> list[str]:
    out = io.StringIO()
    print_list(world.service, everything=True, now=world.now, console=Console(file=out, soft_wrap=True))
    return out.getvalue().splitlines()


def test_the_most_severe_comes_first_and_what_has_ended_last(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.report(finding(asset="a"), finding(asset="b", severity="info"))
    world.later(hours=1)
    world.report(finding(asset="a", passed=True), finding(asset="c", severity="warning"), finding(asset="d"))
    titles = [line for line in listed(world) if line.endswith("order_id_unique")]
    assert [title.split()[-2] for title in titles] == ["d", "c", "b", "a"]


def test_one_missing_day_of_several_tables_is_one_entry_with_all_ids(tmp_path: Path) -> None:
    world = World(tmp_path)
    tables = ("orders", "refunds")
    world.report(
        *(
            finding(
                asset=f"raw/shop/{table}",
                check=STEP_FAILED,
                message=f"shop/{table}.csv: nothing was delivered; see shop.{table}",
                owner="team:shop",
            )
            for table in tables
        )
    )
    title, said, ids, *_ = listed(world)
    assert title == "2 incidents  notified  critical  step_failed of raw/shop/orders, raw/shop/refunds"
    assert said == "    nothing was delivered; see a table"
    assert {known.strip() for known in ids.split(",")} == {incident.id[:8] for incident in world.incidents()}


def test_failed_steps_with_other_causes_stand_for_themselves(tmp_path: Path) -> None:
    world = World(tmp_path)
    for table, message in (("orders", "no header"), ("refunds", "no rows")):
        world.report(finding(asset=f"raw/shop/{table}", check=STEP_FAILED, message=message))
    assert not any("incidents" in line for line in listed(world))


def test_times_are_in_the_business_time_zone(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.fails()
    assert any(
        line.startswith("    since 2026-01-12 06:00 CET, last seen 2026-01-12 06:00 CET") for line in listed(world)
    )


def test_json_tells_every_incident_by_itself(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.fails()
    out = io.StringIO()
    print_json(world.service, everything=False, console=Console(file=out))
    [incident] = json.loads(out.getvalue())["incidents"]
    assert (incident["asset"], incident["state"], incident["opened_at"]) == (
        "staging/orders",
        "notified",
        "2026-01-12T05:00:00+00:00",
    )
