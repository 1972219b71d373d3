"""Notices to real servers on loopback: what arrives, what is retried, and what is never sent."""

import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from apprise.plugins.slack import NotifySlack
from rich.console import Console

from pipelines.cli.printing.alerts import print_incident, print_list, test_channels
from tests.conftest import PROJECT_DIR
from tests.integration.endpoints import Answer, certificate, http, nobodys_port, silence, smtp
from tests.unit.alerts.conftest import MONDAY, World, finding

SECRET = "canary-signing-secret"
IMPATIENT = {"connect_seconds": 0.5, "read_seconds": 0.5, "flush_seconds": 5}

# The function's name begins like that of a test, and pytest would collect it.
try_channels = test_channels
del test_channels

PAGE = "http://127.0.0.1:3001/incidents.html"


@pytest.fixture
def hook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], World]:
    """An installation that sends notices to a webhook."""

    def made(url: str) -> World:
        monkeypatch.setenv("HOOK_URL", url)
        monkeypatch.setenv("HOOK_SECRET", SECRET)
        channel = {"kind": "webhook", "url_env": "HOOK_URL", "secret_env": "HOOK_SECRET"}
        return World(
            tmp_path, {"channels": {"hook": channel}, "routes": [{"channels": ["hook"]}], "delivery": IMPATIENT}
        )

    return made


@pytest.fixture
def mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], World]:
    """An installation that sends notices to any URL of Apprise."""

    def made(url: str) -> World:
        monkeypatch.setenv("MAIL_URL", url)
        channel = {"kind": "apprise", "url_env": "MAIL_URL"}
        return World(
            tmp_path, {"channels": {"mail": channel}, "routes": [{"channels": ["mail"]}], "delivery": IMPATIENT}
        )

    return made


def documented_check() -> Callable[..., bool]:
    """The function `is_genuine` for receivers, as written in docs/alerts.md."""
    text = (PROJECT_DIR / "docs" / "alerts.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    check: Callable[..., bool] = names["is_genuine"]
    return check


def letter(world: World, *states: Any) -> Any:
    with world.service.store.transaction() as transaction:
        [notice] = transaction.notices(*states)
    return notice


def test_a_webhook_gets_signed_json_and_the_end_after_it(hook: Callable[[str], World]) -> None:
    with http(Answer(body=b'{"ok": true}')) as endpoint:
        world = hook(f"{endpoint.url}/alerts?team=data")
        world.report(
            finding(examples=({"order_id": "A1", "email": "***"},), failed_rows=3, rows=100, owner="team:sales"),
            impact=tuple(f"marts/m{number:02}" for number in range(12)),
            published_as_of=date(2026, 1, 10),
            links={"run": "http://127.0.0.1:3000/runs/1"},
        )
        world.passes()
    problem, end = endpoint.received
    said = json.loads(problem.body)
    assert problem.path == "/alerts?team=data"
    assert said["subject"] == "[critical] staging/orders order_id_unique: 3 of 100 rows are duplicates"
    assert said["impact"] == {"count": 12, "assets": [f"marts/m{number:02}" for number in range(10)]}
    [part] = said["incidents"]
    assert part["page"] == f"{PAGE}#{part['id']}"
    assert said["published_as_of"] == "2026-01-10"
    assert said["links"] == {"run": "http://127.0.0.1:3000/runs/1", "incident": part["page"]}
    assert (part["failed_rows"], part["rows"], part["owner"]) == (3, 100, "team:sales")
    assert part["examples"] == [{"order_id": "A1", "email": "***"}]
    assert said["key"] == problem.headers["Idempotency-Key"] != end.headers["Idempotency-Key"]
    assert (json.loads(end.body)["kind"], json.loads(end.body)["incidents"][0]["thread"]) == ("resolved", part["id"])
    for request in (problem, end):
        is_genuine = documented_check()
        assert is_genuine(request.headers, request.body, SECRET, MONDAY.timestamp() + 60)
        assert not is_genuine(request.headers, request.body + b" ", SECRET, MONDAY.timestamp())
        assert not is_genuine(request.headers, request.body, "another", MONDAY.timestamp())
        assert not is_genuine(request.headers, request.body, SECRET, MONDAY.timestamp() + 600)


FAILING_ANSWERS = [
    (Answer(500, b"trace"), "answered 500 Internal Server Error: trace"),
    (Answer(429, b"slow down", {"Retry-After": "7"}), "answered 429 Too Many Requests: slow down"),
    (Answer(200, b'{"ok": false, "error": "channel_not_found"}'), 'with an error: {"ok": false, "error": "channel'),
    (Answer(200, b'{"errors": ["bad"]}'), 'answered 200, but with an error: {"errors": ["bad"]}'),
    (Answer(302, b"", {"Location": "http://127.0.0.1:1/"}), "answered 302 Found"),
    (Answer(hangs=True), "ReadTimeout"),
]


@pytest.mark.parametrize(("answer", "reason"), FAILING_ANSWERS)
def test_a_failing_webhook_is_tried_again_with_the_same_key_and_a_new_signature(
    hook: Callable[[str], World], answer: Answer, reason: str
) -> None:
    with http(answer, answer, Answer(202, b"")) as endpoint:
        world = hook(endpoint.url)
        world.fails()
        assert reason in letter(world, "queued").last_error
        world.later(minutes=1)
        world.flush()
        world.later(minutes=2)
        world.flush()
        world.later(days=1)
        world.flush()
        assert letter(world, "sent").attempts == 3
    assert len(endpoint.received) == 3
    assert len({request.headers["Idempotency-Key"] for request in endpoint.received}) == 1
    assert len({request.body for request in endpoint.received}) == 1
    assert len({request.headers["X-Kpi-Signature"] for request in endpoint.received}) == 3


@pytest.mark.parametrize("asked", ["600", "Mon, 12 Jan 2026 05:10:00 GMT"])
def test_what_an_endpoint_asks_to_wait_holds_for_all_of_its_channel(hook: Callable[[str], World], asked: str) -> None:
    with http(Answer(429, b"", {"Retry-After": asked}), Answer()) as endpoint:
        world = hook(endpoint.url)
        world.report(finding(), flush=False)
        world.fails(check="other")
        world.later(minutes=9, seconds=59)
        assert world.flush().sent == 0
        assert len(endpoint.received) == 1
        world.later(seconds=1)
        assert world.flush().sent == 2


@pytest.mark.parametrize("case", ["refused", "tls on a plain port", "unknown certificate", "silence", "no scheme"])
def test_an_endpoint_that_cannot_be_spoken_to_is_a_dead_letter_in_the_end(
    hook: Callable[[str], World], tmp_path: Path, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with _unspeakable(case, tmp_path) as (url, reason):
        world = hook(url)
        world.said["delivery"] = {**IMPATIENT, "attempts": 2}
        world.fails()
        if case != "no scheme":
            world.later(minutes=1)
            assert world.flush().dead == 1
    dead = letter(world, "dead")
    assert reason in dead.last_error
    print_list(world.service, False, world.now, Console(soft_wrap=True, width=500))
    assert f"given up after {dead.attempts} attempts: {dead.last_error}" in capsys.readouterr().out


@contextmanager
def _unspeakable(case: str, folder: Path) -> Iterator[tuple[str, str]]:
    if case == "refused":
        yield f"http://127.0.0.1:{nobodys_port()}/", "refused"
    elif case == "tls on a plain port":
        with http() as endpoint:
            yield endpoint.url.replace("http:", "https:"), "SSLError"
    elif case == "unknown certificate":
        with http(tls=certificate(folder)) as endpoint:
            yield endpoint.url, "CERTIFICATE_VERIFY_FAILED"
            assert endpoint.received == []
    elif case == "silence":
        with silence() as port:
            yield f"http://127.0.0.1:{port}/", "ReadTimeout"
    else:
        yield "example.org/hook", "the URL has no scheme"


def test_an_endpoint_that_drips_is_left_to_itself(hook: Callable[[str], World]) -> None:
    with http(Answer(drips=True)) as endpoint:
        world = hook(endpoint.url)
        world.said["delivery"] = {"connect_seconds": 5, "read_seconds": 5, "flush_seconds": 0.5}
        world.report(finding(), flush=False)
        world.fails(check="other")
        notices = _queued(world)
        assert "no response within" in notices[0].last_error
        assert notices[1].attempts == 0
        assert len(endpoint.received) == 1


def _queued(world: World) -> list[Any]:
    with world.service.store.transaction() as transaction:
        return transaction.notices("queued")


def test_pagerduty_is_triggered_acknowledged_and_resolved_per_incident(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAGER_KEY", "canary-routing-key")
    with http(Answer(202, b'{"status": "success", "dedup_key": "x"}')) as endpoint:
        pager = {"kind": "pagerduty", "routing_key_env": "PAGER_KEY", "endpoint": f"{endpoint.url}/v2/enqueue"}
        world = World(tmp_path, {"channels": {"pager": pager}, "routes": [{"channels": ["pager"]}]})
        world.report(finding(), finding(check="late", severity="warning"), links={"run": "http://127.0.0.1:3000/"})
        first, second = world.incidents()
        if first.check == "late":
            first, second = second, first
        world.service.acknowledge([first], "kim", "", world.now)
        world.flush()
        world.report(finding(passed=True), finding(check="late", passed=True))
    events = [json.loads(request.body) for request in endpoint.received]
    assert [(event["event_action"], event["dedup_key"]) for event in events] == [
        ("trigger", first.id), ("trigger", second.id), ("acknowledge", first.id),
        ("resolve", first.id), ("resolve", second.id),
    ]  # fmt: skip
    assert {event["routing_key"] for event in events} == {"canary-routing-key"}
    assert events[1]["payload"]["summary"] == "[warning] staging/orders late: 3 of 100 rows are duplicates"
    assert (events[0]["payload"]["severity"], events[0]["payload"]["source"]) == ("critical", "staging/orders")
    assert events[0]["links"] == [
        {"href": "http://127.0.0.1:3000/", "text": "run"},
        {"href": f"{PAGE}#{first.id}", "text": "incident"},
    ]
    assert b"canary-routing-key" not in (tmp_path / "alerts.sqlite").read_bytes()


SLACK = "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"


def test_slack_gets_code_spans_and_its_text_of_an_error_is_a_failure(
    mail: Callable[[str], World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = mail(SLACK)
    with http(Answer(200, b"no_service"), Answer(200, b"ok")) as endpoint:
        monkeypatch.setattr(NotifySlack, "webhook_url", f"{endpoint.url}/services")
        world.fails()
        assert "no_service" in letter(world, "queued").last_error
        world.later(minutes=1)
        assert world.flush().sent == 1
    [attachment] = json.loads(endpoint.received[1].body)["attachments"]
    assert endpoint.received[1].path.endswith("/TIiajkdnlazkcOXrIdevi7FQ")
    assert attachment["title"].startswith("[critical] staging/orders order_id_unique")
    assert "*`staging/orders` `order_id_unique`* (critical, new)" in attachment["text"]


def test_teams_gets_a_card_in_which_data_is_only_text(mail: Callable[[str], World], tmp_path: Path) -> None:
    planted = "<at>all</at> [x](http://127.0.0.1/) **bold**"
    with http(Answer(400, b"no such flow"), Answer(202), tls=certificate(tmp_path)) as endpoint:
        world = mail(f"workflows://{endpoint.url.removeprefix('https://')}/WORKFLOW/SIGNATURE?verify=no")
        world.report(finding(message=planted), links={"run": "http://127.0.0.1:3000/runs/1"})
        assert "400" in letter(world, "queued").last_error
        world.later(minutes=1)
        assert world.flush().sent == 1
    assert "sig=SIGNATURE" in endpoint.received[1].path
    [attachment] = json.loads(endpoint.received[1].body)["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert card["msteams"] == {"width": "full"}  # nobody is mentioned
    assert card["actions"] == [
        {"type": "Action.OpenUrl", "title": "run", "url": "http://127.0.0.1:3000/runs/1"},
        {"type": "Action.OpenUrl", "title": "incident", "url": f"{PAGE}#{world.incident().id}"},
    ]
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
    texts = [run["text"] for block in card["body"] for run in block["inlines"]]
    assert texts[0].startswith("[critical] staging/orders order_id_unique")
    assert any(planted in text for text in texts[1:])


@pytest.mark.parametrize("word", ["long ", "długi ", "長い"])
def test_a_card_of_many_incidents_is_not_larger_than_teams_takes(
    mail: Callable[[str], World], tmp_path: Path, word: str
) -> None:
    with http(Answer(202), tls=certificate(tmp_path)) as endpoint:
        world = mail(f"workflows://{endpoint.url.removeprefix('https://')}/WORKFLOW/SIGNATURE?verify=no")
        many = [finding(check=f"check_{number}", message=word * 200) for number in range(40)]
        world.report(*many, impact=("marts/kpi_revenue",))
    [body] = [received.body for received in endpoint.received]
    assert 15_000 < len(body) < 28_000
    assert b"more: kpi alerts list" in body
    assert b"marts/kpi_revenue" in body


def mail_url(port: int, to: str = "a@example.org", scheme: str = "mailto", login: str = "") -> str:
    mode = "&mode=starttls" if scheme == "mailtos" else ""
    return f"{scheme}://{login}127.0.0.1:{port}?from=kpi@example.org&to={to}{mode}"


def test_a_mail_has_the_whole_incident_as_plain_text(mail: Callable[[str], World]) -> None:
    with smtp(password="pw-canary") as server:
        world = mail(mail_url(server.port, login="kpi:pw-canary@"))
        world.report(
            finding(
                observed="3 duplicates", expected="none", failed_rows=3, rows=100, owner="team:sales",
                examples=({"_row_number": 7, "order_id": "A1", "email": "***"},), deliveries=("2026-01-10",),
                why="Orders are counted by this key.", next_step="kpi quarantine list", runbook="docs/orders.md",
                blocking=True,
            ),
            impact=("marts/kpi_revenue",),
            published_as_of=date(2026, 1, 9),
            links={"run": "http://127.0.0.1:3000/runs/1"},
        )  # fmt: skip
    [(receivers, message)] = server.mails
    incident = world.incident().id
    assert receivers == ["a@example.org"]
    assert message["Subject"] == "[critical] staging/orders order_id_unique: 3 of 100 rows are duplicates"
    assert message.get_content_type() == "text/plain"
    text = "\n".join(message.get_content().splitlines()).strip()
    expected = f"""\
[critical] staging/orders order_id_unique: 3 of 100 rows are duplicates

1. staging/orders order_id_unique (critical, blocks what depends on it, new)
  what        3 of 100 rows are duplicates
  observed    3 duplicates
  expected    none
  failed rows 3 of 100
  example     _row_number: 7, order_id: A1, email: ***
  delivery    2026-01-10
  since       2026-01-12 06:00 CET, found once
  owner       team:sales
  why         Orders are counted by this key.
  repair      kpi quarantine list
  runbook     docs/orders.md
  incident    {incident}: kpi alerts ack {incident}

Not updated because of this (1): marts/kpi_revenue.
Published data still as of 2026-01-09.
run: http://127.0.0.1:3000/runs/1
incident: {PAGE}#{incident}"""
    assert text == expected


def test_one_receiver_who_is_refused_does_not_have_the_other_told_again(mail: Callable[[str], World]) -> None:
    with smtp() as server:
        server.refuses = {"b@example.org"}
        world = mail(mail_url(server.port, to="a@example.org,b@example.org"))
        world.fails()
        assert "no such mailbox" in letter(world, "queued").last_error
        world.later(minutes=1)
        world.flush()
        assert server.receivers() == ["a@example.org"]
        server.refuses = set()
        world.later(minutes=2)
        world.flush()
        assert server.receivers() == ["a@example.org", "b@example.org"]


@pytest.mark.parametrize("case", ["no tls", "unknown certificate", "wrong password", "silence", "refused"])
def test_a_mail_server_that_does_not_take_it_is_no_success(
    mail: Callable[[str], World], tmp_path: Path, case: str
) -> None:
    with _mail_trouble(case, tmp_path) as (url, reason, mails):
        world = mail(url)
        world.fails()
        assert reason in letter(world, "queued").last_error
        assert mails() == 0


@contextmanager
def _mail_trouble(case: str, folder: Path) -> Iterator[tuple[str, str, Callable[[], int]]]:
    if case == "silence":
        with silence() as port:
            yield mail_url(port), "timed out", lambda: 0
        return
    if case == "refused":
        yield mail_url(nobodys_port()), "refused", lambda: 0
        return
    servers: dict[str, tuple[AbstractContextManager[Any], str, str, str]] = {
        "no tls": (smtp(), "mailtos", "", "STARTTLS extension not supported"),
        "unknown certificate": (smtp(tls=certificate(folder)), "mailtos", "", "CERTIFICATE_VERIFY_FAILED"),
        "wrong password": (smtp(password="right"), "mailto", "kpi:canary-wrong@", "535"),
    }
    server, scheme, login, reason = servers[case]
    with server as mailbox:
        yield mail_url(mailbox.port, scheme=scheme, login=login), reason, lambda: len(mailbox.mails)


def test_urls_that_apprise_does_not_know_are_told_without_being_shown(mail: Callable[[str], World]) -> None:
    world = mail("nonsense://canary-token/abc")
    world.fails()
    dead = letter(world, "dead")
    assert "MAIL_URL" in dead.last_error
    assert "canary" not in dead.last_error


def test_testing_channels_says_of_each_whether_it_went_out(
    hook: Callable[[str], World], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MAIL_URL", raising=False)
    with http() as endpoint:
        world = hook(endpoint.url)
        world.said["channels"] |= {
            "file": {"kind": "file"},
            "terminal": {"kind": "terminal"},
            "mail": {"kind": "apprise", "url_env": "MAIL_URL"},
        }
        assert try_channels(world.service, None, world.now, Console(soft_wrap=True)) is False
        assert json.loads(endpoint.received[0].body)["kind"] == "test"
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [
        "hook: sent",
        "file: sent",
        "terminal: sent",
        "mail: failed: the environment variable MAIL_URL is not set in the process that sends. "
        "Set it where that process is started.",
    ]
    assert "[test] This is a test of the channel terminal. Nothing is wrong." in printed.err
    assert _queued(world) == []


NASTY = (
    '=HYPERLINK("http://evil.example")\r\nBcc: victim@example.org\r\n\r\n<script>alert(1)</script> odd ` one **b** '
    "[click](http://evil.example) ![i](http://evil.example/i.png) <!here> @channel @everyone <@U1> "
    "\x1b[31mred\x1b[0m \u202egnp.exe \x00 \ud800 | a | <http://evil.example|good>"
)


def test_nothing_in_data_acts_as_markup_mention_link_header_or_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with smtp() as mailbox, http() as slack, http() as hook:
        monkeypatch.setattr(NotifySlack, "webhook_url", slack.url)
        monkeypatch.setenv("MAIL_URL", mail_url(mailbox.port))
        monkeypatch.setenv("SLACK_URL", SLACK)
        monkeypatch.setenv("HOOK_URL", hook.url)
        monkeypatch.setenv("HOOK_SECRET", SECRET)
        channels = {
            "mail": {"kind": "apprise", "url_env": "MAIL_URL"},
            "slack": {"kind": "apprise", "url_env": "SLACK_URL"},
            "hook": {"kind": "webhook", "url_env": "HOOK_URL", "secret_env": "HOOK_SECRET"},
            "file": {"kind": "file"},
            "terminal": {"kind": "terminal"},
        }
        world = World(tmp_path, {"channels": channels, "routes": [{"channels": list(channels)}]})
        texts = ("message", "observed", "expected", "owner", "why", "runbook", "next_step")
        world.report(
            finding(
                asset=NASTY, check=NASTY, examples=({NASTY: NASTY},), tags=(NASTY,), deliveries=(NASTY,),
                **dict.fromkeys(texts, NASTY),
            ),
            impact=(NASTY,), links={NASTY: "javascript:alert(1)", "run": "http://127.0.0.1/(x)[y]"}, run_id=NASTY,
        )  # fmt: skip
    assert world.queued() == 0
    [(receivers, message)] = mailbox.mails
    assert receivers == ["a@example.org"]
    assert message["Bcc"] is None
    assert message.get_content_type() == "text/plain"
    [attachment] = json.loads(slack.received[0].body)["attachments"]
    for text in (attachment["title"], attachment["text"]):
        assert "<!" not in text
        assert "<@" not in text
        assert "@channel" not in text
        assert "@everyone" not in text
        assert not re.search("<[^>]*evil", text)
        assert "http://evil" not in text
        assert "<script" not in text
    outside_code = "".join(attachment["text"].split("`")[::2])
    assert "click" not in outside_code, "data stands outside of code spans"
    assert "javascript" not in attachment["text"]
    assert "<http://127.0.0.1/%28x%29%5By%5D|run>" in attachment["text"]
    lines = (tmp_path / "alerts" / "notices.jsonl").read_text(encoding="ascii").splitlines()
    assert len(lines) == 1
    print_incident(world.service, world.incident(), world.now, Console(soft_wrap=True))
    print_list(world.service, True, world.now, Console(soft_wrap=True))
    printed = capsys.readouterr()
    for text in (printed.out, printed.err, message.get_content(), json.loads(hook.received[0].body)["subject"]):
        assert all(character.isprintable() or character == "\n" for character in text.replace("\r\n", "\n"))
        assert not [line for line in text.splitlines() if line.startswith(("=", "+", "-", "@", "Bcc"))]


@pytest.fixture
def debug_log() -> Iterator[StringIO]:
    """Everything that the log of an application contains if the application logs everything."""
    text = StringIO()
    handler, root = logging.StreamHandler(text), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield text
    root.setLevel(level)
    root.removeHandler(handler)


def test_no_secret_gets_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], debug_log: StringIO
) -> None:
    """Every variable contains a canary. Every endpoint fails, and some repeat what they received."""
    with http(Answer(500, b"canary-signing-secret canary%20query canary-path-token")) as endpoint, smtp() as mailbox:
        host = endpoint.url.removeprefix("http://")
        values = {
            "HOOK_URL": f"http://canary-user:canary%2Fpass@{host}/canary-path-token/x?sig=canary%20query",
            "HOOK_SECRET": "canary-signing-secret",
            "PAGER_KEY": "canary-routing-key",
            "MAIL_URL": mail_url(mailbox.port, scheme="mailtos", login="canary-login:canary-password@"),
            "SLACK_URL": "https://hooks.slack.com/services/TCANARYAA/ACANARYBB/canarycanarycanarycanary",
            "DEAD_URL": f"http://127.0.0.1:{nobodys_port()}/canary-path-token",
        }
        for name, value in values.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(NotifySlack, "webhook_url", f"http://127.0.0.1:{nobodys_port()}/services")
        channels = {
            "hook": {"kind": "webhook", "url_env": "HOOK_URL", "secret_env": "HOOK_SECRET"},
            "gone": {"kind": "webhook", "url_env": "DEAD_URL", "secret_env": "HOOK_SECRET"},
            "pager": {"kind": "pagerduty", "routing_key_env": "PAGER_KEY", "endpoint": endpoint.url},
            "mail": {"kind": "apprise", "url_env": "MAIL_URL"},
            "slack": {"kind": "apprise", "url_env": "SLACK_URL"},
            "file": {"kind": "file"},
            "terminal": {"kind": "terminal"},
        }
        said = {
            "channels": channels, "routes": [{"channels": list(channels)}],
            "delivery": {**IMPATIENT, "attempts": 1, "flush_seconds": 60},
        }  # fmt: skip
        world = World(tmp_path, said)
        leaked = f"could not connect to {values['HOOK_URL']} or postgresql://someone:canary-other@db, canary-password"
        world.report(finding(message=leaked, observed=values["SLACK_URL"], examples=({"a": values["PAGER_KEY"]},)))
        with world.service.store.transaction() as transaction:
            assert {notice.channel for notice in transaction.notices("dead")} == {
                "hook", "gone", "pager", "mail", "slack",
            }  # fmt: skip
        console = Console(soft_wrap=True)
        print_list(world.service, True, world.now, console)
        print_incident(world.service, world.incident(), world.now, console)
        try_channels(world.service, None, world.now, console)
    printed = capfd.readouterr()
    stored = b"".join(path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file())
    assert b"could not connect to ***" in stored
    assert "lock" in debug_log.getvalue(), "nothing was logged at all"
    for text in (stored.decode("utf-8", "replace"), printed.out, printed.err, debug_log.getvalue()):
        assert "canary" not in text.lower()
    # Endpoints may know what they received, but each sees only its own secret.
    assert "canary" not in endpoint.received[0].body.decode()
