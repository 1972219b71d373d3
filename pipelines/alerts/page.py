"""The incidents page next to Data Docs, to which links to incidents point.

Belongs here: the content of the page. Does not belong here: when it is written (`service.py`), and its address
(`data_docs/pages.py`).

The page is rewritten whenever an incident changes, so that any web server can serve it.
"""

import html
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from pipelines.alerts.incidents import RANK, Incident
from pipelines.alerts.messages import Kind, around, content, facts, standing, state_in_words
from pipelines.alerts.store import Event
from pipelines.checks.data_docs.pages import INCIDENTS, page, page_url
from pipelines.disk import write_whole
from pipelines.formatting import counted, local_time
from pipelines.settings import Settings

_OF_SEVERITY = {"critical": "text-danger", "warning": "text-warning", "info": ""}


def write(site: Path, histories: Sequence[tuple[Incident, Sequence[Event]]], now: datetime, settings: Settings) -> None:
    """Write the page into the folder `site`: open incidents, most severe first, then ended incidents, newest first.

    Raises:
        OSError: the page cannot be written; the previous page stays.
    """
    is_open = [part for part in histories if part[0].state != "resolved"]
    is_open.sort(key=lambda part: (-RANK[part[0].severity], part[0].opened_at, part[0].title))
    ended = [part for part in histories if part[0].state == "resolved"]
    ended.sort(key=lambda part: (part[0].resolved_at or now, part[0].title), reverse=True)
    body = [
        f"<h1>Incidents</h1>\n<p>As of {local_time(now, ZoneInfo(settings.time_zone))}. In a terminal: "
        "<code>kpi alerts list</code>.</p>",
        f"<h2>{counted(len(is_open), 'open incident') if is_open else 'No incident is open'}</h2>",
        *(_incident(*part, now, settings) for part in is_open),
        "<h2>Ended</h2>" if ended else "",
        *(_incident(*part, now, settings) for part in ended),
    ]
    site.mkdir(parents=True, exist_ok=True)
    write_whole(site / INCIDENTS, page("Incidents", "\n".join(body)))


def _incident(incident: Incident, history: Sequence[Event], now: datetime, settings: Settings) -> str:
    """An incident with everything that is known about it. Delivered data appears only as text."""
    zone = ZoneInfo(settings.time_zone)
    ended = incident.state == "resolved"
    kind: Kind = "resolved" if ended else "problem"
    said = content(kind, [(incident, "resolved" if ended else "new")], now, settings.time_zone)
    [part] = said["incidents"]
    rows = "".join(f"<tr><th>{label}</th><td>{html.escape(str(value))}</td></tr>" for label, value in facts(part, said))
    events = "".join(
        f"<tr><td>{local_time(event.at, zone)}</td><td>{html.escape(event.what)}"
        f"{html.escape(f' by {event.who}' if event.who else '')}</td><td>{html.escape(event.detail)}</td></tr>"
        for event in history
    )
    links = {
        "run": f"{settings.ui_url}/runs/{incident.run_id}" if incident.run_id else "",
        "check results": "index.html" if incident.run_id else "",
        "runbook": page_url(".", incident.finding.runbook),
    }
    shown = " · ".join(f'<a href="{html.escape(url)}">{name}</a>' for name, url in links.items() if url)
    return (
        f'<section id="{incident.id}">\n'
        f'<h3><span class="{"" if ended else _OF_SEVERITY[incident.severity]}">'
        f"{html.escape(incident.title)}</span></h3>\n"
        f"<p>{html.escape(', '.join([state_in_words(incident, zone), *standing(part, kind)[:-1]]))}. {shown}</p>\n"
        f"<table>{rows}</table>\n"
        f"{''.join(f'<p>{html.escape(line)}</p>' for line in around(said))}"
        f"<details><summary>History</summary><table>{events}</table></details>\n</section>"
    )
