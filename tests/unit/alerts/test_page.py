"""The page of incidents: it follows every change, keeps the targets of links, and shows data as text."""

from dataclasses import replace

import pytest

from pipelines.settings import at_ports
from tests.unit.alerts.conftest import World, finding


def page(world: World) -> str:
    return (world.settings.data_docs_dir / "site" / "incidents.html").read_text()


def test_the_page_follows_an_incident_to_its_end(world: World) -> None:
    world.tick()
    assert "No incident is open" in page(world)
    world.fails(runbook="docs/operations.md#dates")
    [notice] = world.notices()
    incident = world.incident()
    assert notice["links"]["incident"] == f"http://127.0.0.1:3001/incidents.html#{incident.id}"
    assert "1 open incident<" in page(world)
    assert f'<section id="{incident.id}">' in page(world)
    assert '<a href="./docs/operations.html#dates">runbook</a>' in page(world)
    world.service.acknowledge([incident], "Anna", "asked the shop", world.now)
    assert "<p>acknowledged by Anna, critical." in page(world)
    world.later(hours=1)
    world.passes()
    assert "No incident is open" in page(world)
    assert "All rows differ." in page(world)
    assert f'<section id="{incident.id}">' in page(world), "a link in an old notice still opens"
    assert world.notices()[-1]["links"]["incident"] == notice["links"]["incident"]
    world.later(days=100)
    world.tick()
    assert incident.id not in page(world)


def test_the_most_severe_open_incident_comes_first(world: World) -> None:
    world.report(
        finding("staging/a", "x", severity="warning"), finding("staging/b", "x"), finding("staging/c", "x", passed=True)
    )
    assert page(world).index("staging/b x") < page(world).index("staging/a x")
    assert "staging/c" not in page(world)
    [notice] = world.notices()
    assert notice["links"] == {"incidents": "http://127.0.0.1:3001/incidents.html"}
    assert {part["page"].partition("#")[2] for part in notice["incidents"]} == {
        incident.id for incident in world.incidents()
    }


def test_an_incident_that_nobody_was_told_of_says_so(world: World) -> None:
    world.fails(severity="info")
    assert "<p>open, nobody was notified, info." in page(world)


def test_what_was_delivered_is_text(world: World) -> None:
    world.fails(
        message='<script>alert(1)</script> & "quoted"',
        examples=({"name": "<img src=x onerror=alert(1)>"},),
        why="</table></section>",
        runbook='javascript:alert("x")',
    )
    assert "<script" not in page(world)
    assert "<img" not in page(world)
    assert "javascript:" not in page(world).replace("<td>javascript:", "")
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;quoted&quot;" in page(world)
    assert page(world).count("</section>") == 1


def test_links_to_runs_follow_the_port(world: World) -> None:
    world.fails()
    world.report(finding(), run_id="a1b2")
    assert 'href="http://127.0.0.1:3000/runs/a1b2"' in page(world)
    replace(world.service, settings=at_ports(world.settings, 3100, 3101)).write_page(world.now)
    assert 'href="http://127.0.0.1:3100/runs/a1b2"' in page(world)


def test_a_page_that_cannot_be_written_stops_no_alert(world: World, caplog: pytest.LogCaptureFixture) -> None:
    site = world.settings.data_docs_dir / "site"
    site.parent.mkdir(parents=True)
    site.write_text("a file where a folder should be")
    assert world.fails().notified == 1
    assert len(world.notices()) == 1
    assert "The incidents page was not written" in caplog.text
