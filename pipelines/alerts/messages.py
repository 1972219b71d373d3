"""The content of a notification, as text, Markdown and JSON.

Belongs here: the content of a notification, written so that nothing in data acts as markup, mention, link or command.
Does not belong here: when a notification is due, and how it is sent. `service.py` has already turned each text of an
incident into one harmless line without secrets.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, Literal
from urllib.parse import quote
from zoneinfo import ZoneInfo

from pipelines.alerts.incidents import RANK, Because, Incident
from pipelines.alerts.masking import one_line
from pipelines.checks.data_docs.pages import incident_url, page_url
from pipelines.checks.suites import Severity
from pipelines.formatting import local_time

Kind = Literal["problem", "escalation", "acknowledged", "resolved", "test", "digest"]

SHOWN_IMPACT = 10
_LONGEST_SUBJECT = 200
_LONGEST_MARKDOWN = 2800  # Slack shows 3,000 characters of a text; others allow more
_LONGEST_CODE = 400
_LONGEST_CARD = 20_000  # bytes; Teams refuses cards of more than 28 KB
_SAID: dict[Because, str] = {
    "new": "new",
    "worse": "got worse",
    "reminder": "still failing",
    "flapping": "flapping: it fails and passes in turn, so no more is sent until it settles",
    "mute_over": "no longer muted, still failing",
    "unacknowledged": "nobody has acknowledged it",
    "resolved": "resolved",
}
_BEFORE_SUBJECT: dict[Because, str] = {
    "reminder": "still failing: ",
    "worse": "got worse: ",
    "flapping": "flapping: ",
    "mute_over": "no longer muted: ",
    "unacknowledged": "nobody acknowledged: ",
}


def content(
    kind: Kind, parts: Sequence[tuple[Incident, Because]], now: datetime, time_zone: str, docs_url: str = ""
) -> dict[str, Any]:
    """The content of a notification about these incidents, the most severe first. Their page and runbooks are at
    `docs_url`.

    Webhooks and the file receive this dictionary (see `docs/alerts.md`), and the outbox stores it.
    """
    parts = sorted(parts, key=lambda part: -RANK[part[0].severity])
    incidents = [incident for incident, _ in parts]
    impact = list(dict.fromkeys(asset for incident in incidents for asset in incident.impact))
    if kind == "resolved":
        impact = []
    links = {name: url for incident in incidents for name, url in (incident.links or {}).items()}
    if docs_url and len(incidents) > 1:
        links["incidents"] = incident_url(docs_url)
    elif docs_url:
        links["incident"] = incident_url(docs_url, incidents[0].id)
    if kind != "resolved" and docs_url:
        pages = dict.fromkeys(page_url(docs_url, incident.finding.runbook) for incident in incidents)
        for number, page in enumerate(filter(None, pages), start=1):
            links[f"runbook {number}" if number > 1 else "runbook"] = page
    dates = [incident.published_as_of for incident in incidents if incident.published_as_of]
    return {
        "version": 1,
        "kind": kind,
        "subject": _subject(kind, parts),
        "severity": incidents[0].severity,
        "at": now.isoformat(timespec="seconds"),
        "time_zone": time_zone,
        "run_id": incidents[0].run_id,
        "published_as_of": max(dates).isoformat() if dates else None,
        "impact": {"count": len(impact), "assets": impact[:SHOWN_IMPACT]},
        "links": links,
        "incidents": [_part(incident, because, docs_url) for incident, because in parts],
    }


def digest_content(
    subject: str, lines: Sequence[str], page: str, now: datetime, time_zone: str, as_of: date
) -> dict[str, Any]:
    """The content of a digest: what moved in the numbers, in harmless sentences, and the page that shows them."""
    return {
        "version": 1,
        "kind": "digest",
        "subject": one_line(subject, _LONGEST_SUBJECT),
        "severity": "info",
        "at": now.isoformat(timespec="seconds"),
        "time_zone": time_zone,
        "run_id": None,
        "published_as_of": as_of.isoformat(),
        "impact": {"count": 0, "assets": []},
        "links": {"page": page},
        "incidents": [],
        "lines": list(lines),
    }


def test_content(channel: str, now: datetime, time_zone: str) -> dict[str, Any]:
    """The content of a test notification, which says that it is a test."""
    return {
        "version": 1,
        "kind": "test",
        "subject": f"[test] This is a test of the channel {channel}. Nothing is wrong.",
        "severity": "info",
        "at": now.isoformat(timespec="seconds"),
        "time_zone": time_zone,
        "run_id": None,
        "published_as_of": None,
        "impact": {"count": 0, "assets": []},
        "links": {},
        "incidents": [],
    }


def key_of(notice: str, channel: str, threads: Iterable[str]) -> str:
    """The key that identifies a notification and every repetition of it. `notice` says what caused it."""
    return hashlib.sha256("\0".join((notice, channel, *sorted(threads))).encode()).hexdigest()[:32]


def without(said: dict[str, Any], thread: str) -> dict[str, Any] | None:
    """The content without an incident that was resolved before anybody was notified; None if nothing remains."""
    incidents = [part for part in said["incidents"] if part["thread"] != thread]
    if not incidents:
        return None
    most_severe = max(incidents, key=lambda part: RANK[part["severity"]])
    return {
        **said,
        "incidents": incidents,
        "severity": most_severe["severity"],
        "subject": _written_subject([(part["subject"], part["severity"]) for part in incidents]),
    }


def as_json(said: dict[str, Any], key: str) -> str:
    """One line of JSON, ASCII only."""
    return json.dumps({"key": key, **said}, separators=(",", ":"))


def as_text(said: dict[str, Any]) -> str:
    """The content as text, for mail and the terminal."""
    lines = [said["subject"], ""]
    for number, part in enumerate(said["incidents"], start=1):
        lines.append(f"{number}. {part['asset']} {part['check']} ({', '.join(standing(part, said['kind']))})")
        lines += [f"  {label:<11} {value}" for label, value in facts(part, said)]
        lines.append("")
    lines += around(said)
    lines += [f"{_only_words(name)}: {url}" for name, url in said["links"].items()]
    return "\n".join(lines).strip() + "\n"


def as_markdown(said: dict[str, Any]) -> str:
    """The content as Markdown, for chats. All text that does not come from this module is in code spans, as plain text.

    A notification that is too long loses facts about incidents, then incidents, but not its last lines.
    """
    end = ["\n\n".join(around(said, _code))]
    end.append(" · ".join(f"[{_only_words(name)}]({url})" for name, url in _safe_links(said["links"])))
    room = _LONGEST_MARKDOWN - sum(map(len, end))
    shown: list[str] = []
    for number, part in enumerate(said["incidents"]):
        lines = [f"**{_code(part['asset'])} {_code(part['check'])}** ({', '.join(standing(part, said['kind']))})", ""]
        lines += [f"- {label}: {_code(value)}" for label, value in facts(part, said)]
        if sum(map(len, lines)) > room and shown:
            shown.append(f"… and {len(said['incidents']) - number} more: `kpi alerts list`")
            break
        while sum(map(len, lines)) > room and len(lines) > 3:
            lines = [*lines[:-2], "- … the rest: `kpi alerts show`"]
        shown.append("\n".join(lines))
        room -= len(shown[-1])
    return "\n\n".join(block for block in (*shown, *end) if block)


def as_card(said: dict[str, Any]) -> dict[str, Any]:
    """The content as an Adaptive Card for Teams, whose text runs support neither Markdown nor mentions. Links are
    buttons.

    A notification that is too long loses incidents, but not its last lines.
    """
    shown: list[dict[str, Any]] = []
    end = [_line("", line, spacing="Medium") for line in around(said)]
    room = _LONGEST_CARD - len(json.dumps(end))
    for number, part in enumerate(said["incidents"]):
        heading = f"{part['asset']} {part['check']} ({', '.join(standing(part, said['kind']))})"
        lines = [_line(heading, spacing="Medium")]
        lines += [_line(label, f" {one_line(str(value), _LONGEST_CODE)}") for label, value in facts(part, said)]
        room -= len(json.dumps(lines))
        if room < 0 and shown:
            rest = len(said["incidents"]) - number
            shown.append(_line("", f"… and {rest} more: kpi alerts list", spacing="Medium"))
            break
        shown += lines
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "full"},
        "body": [_line(said["subject"], size="Medium"), *shown, *end],
        "actions": [
            {"type": "Action.OpenUrl", "title": _only_words(name), "url": url}
            for name, url in _safe_links(said["links"])
        ],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _line(bold: str, text: str = "", spacing: str = "None", **style: str) -> dict[str, Any]:
    """A line of a card in `style`, with `bold` in bold."""
    runs = [{"type": "TextRun", "text": bold, "weight": "Bolder", **style}, {"type": "TextRun", "text": text}]
    return {"type": "RichTextBlock", "inlines": [run for run in runs if run["text"]], "spacing": spacing}


def chat_title(said: dict[str, Any]) -> str:
    """The subject, with mentions and links made ineffective."""
    return _broken(str(said["subject"])).replace("`", "'")


def _part(incident: Incident, because: Because, docs_url: str) -> dict[str, Any]:
    finding = incident.finding
    return {
        "id": incident.id,
        "page": incident_url(docs_url, incident.id) if docs_url else "",
        "thread": incident.thread,
        "because": because,
        "subject": _sentence(incident, because),
        "state": incident.state,
        "asset": incident.asset,
        "check": incident.check,
        "severity": incident.severity,
        "blocking": finding.blocking,
        "message": finding.message,
        "observed": finding.observed,
        "expected": finding.expected,
        "failed_rows": finding.failed_rows,
        "rows": finding.rows,
        "examples": list(finding.examples),
        "deliveries": list(finding.deliveries),
        "since": incident.opened_at.isoformat(timespec="seconds"),
        "last_seen": incident.last_seen_at.isoformat(timespec="seconds"),
        "times": incident.times,
        "owner": finding.owner,
        "tags": list(finding.tags),
        "why": finding.why,
        "next_step": finding.next_step,
        "runbook": finding.runbook,
        "by": incident.by,
        "reason": incident.reason,
        "resolved_at": incident.resolved_at.isoformat(timespec="seconds") if incident.resolved_at else None,
        "resolution": incident.resolution,
    }


def _sentence(incident: Incident, because: Because) -> str:
    if because == "resolved":
        return incident.title
    return f"{_BEFORE_SUBJECT.get(because, '')}{incident.title}: {incident.finding.message.rstrip('.')}"


def _subject(kind: Kind, parts: Sequence[tuple[Incident, Because]]) -> str:
    if kind == "resolved":
        more = f" and {len(parts) - 1} more" if len(parts) > 1 else ""
        return _tagged("resolved", f"{parts[0][0].title}{more}")
    return _written_subject([(_sentence(incident, because), incident.severity) for incident, because in parts])


def _written_subject(sentences: Sequence[tuple[str, Severity]]) -> str:
    first, severity = max(sentences, key=lambda sentence: RANK[sentence[1]])
    more = f" (and {len(sentences) - 1} more)" if len(sentences) > 1 else ""
    return _tagged(severity, f"{one_line(first, _LONGEST_SUBJECT - 40)}{more}")


def _tagged(tag: str, sentence: str) -> str:
    return one_line(f"[{tag}] {sentence}", _LONGEST_SUBJECT)


def state_in_words(incident: Incident, zone: ZoneInfo) -> str:
    """What people and the pipeline have done about an incident so far."""
    nobody = "" if incident.notified or incident.state != "open" else ", nobody was notified"
    who = f" by {incident.by}" if incident.by and incident.state in ("acknowledged", "muted") else ""
    until = incident.muted_until if incident.state == "muted" else None
    return (
        f"{incident.state}{nobody}{', flapping' if incident.flapping else ''}"
        f"{f' until {local_time(until, zone)}' if until else ''}{who}"
    )


def standing(part: dict[str, Any], kind: Kind) -> list[str]:
    """How severe an incident is, whether it holds something back, and why the notification is sent."""
    if kind == "resolved":
        return [part["severity"], "resolved"]
    return [part["severity"], *(["blocks what depends on it"] if part["blocking"] else []), _SAID[part["because"]]]


def facts(part: dict[str, Any], said: dict[str, Any]) -> list[tuple[str, str]]:
    """The known facts about an incident, by label; empty facts are left out."""
    zone = ZoneInfo(said["time_zone"])
    since = f"{_local(part['since'], zone)}, found {_times(part['times'])}"
    if said["kind"] == "resolved":
        facts = [
            ("was", part["message"]),
            ("now", part["resolution"]),
            ("since", since),
            ("until", _local(part["resolved_at"], zone)),
            ("owner", part["owner"]),
            ("incident", part["id"]),
        ]
        return [(label, value) for label, value in facts if value]
    failed = part["failed_rows"]
    of_rows = f" of {part['rows']:,}" if part["rows"] is not None else ""
    facts = [
        ("what", part["message"]),
        ("observed", part["observed"]),
        ("expected", part["expected"]),
        ("failed rows", f"{failed:,}{of_rows}" if failed is not None else ""),
        *(
            ("example", ", ".join(f"{name}: {'' if value is None else value}" for name, value in example.items()))
            for example in part["examples"]
        ),
        ("delivery", ", ".join(part["deliveries"])),
        ("since", since),
        ("owner", part["owner"]),
        ("why", part["why"]),
        ("repair", part["next_step"]),
        ("runbook", part["runbook"]),
        ("incident", f"{part['id']}: kpi alerts ack {part['id']}"),
    ]
    return [(label, value) for label, value in facts if value]


def around(said: dict[str, Any], code: Any = str) -> list[str]:
    """The lines that concern the notification as a whole."""
    if said["kind"] == "test":
        return ["Sent by `kpi alerts test`. Nothing is wrong, and you need do nothing."]
    if said["kind"] == "digest":
        return [code(line) for line in said["lines"]]
    lines = []
    impact = said["impact"]
    if impact["count"]:
        hidden = impact["count"] - len(impact["assets"])
        more = f" and {hidden} more" if hidden else ""
        lines.append(f"Not updated because of this ({impact['count']}): {code(', '.join(impact['assets']))}{more}.")
    if said["published_as_of"]:
        still = "still " if said["kind"] != "resolved" and impact["count"] else ""
        lines.append(f"Published data {still}as of {said['published_as_of']}.")
    return lines


def _local(moment: str, zone: ZoneInfo) -> str:
    return datetime.fromisoformat(moment).astimezone(zone).strftime("%Y-%m-%d %H:%M %Z")


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times"


def _code(value: str) -> str:
    """A Markdown code span. Backticks would end it; mentions work in some chats even there."""
    return f"`{_broken(one_line(str(value), _LONGEST_CODE)).replace('`', chr(39)).strip() or ' '}`"


def _broken(text: str) -> str:
    return text.replace("@", "@\N{ZERO WIDTH SPACE}").replace("://", ":\N{ZERO WIDTH SPACE}//")


def _only_words(text: str) -> str:
    return "".join(character if character.isalnum() else " " for character in text).strip()


def _safe_links(links: dict[str, str]) -> list[tuple[str, str]]:
    return [
        (name, quote(url, safe="/:?#@!$&'*+,;=%-._~"))  # brackets of any kind would end the link early
        for name, url in links.items()
        if url.startswith(("http://", "https://"))
    ]
