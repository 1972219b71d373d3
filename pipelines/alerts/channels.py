"""Sends one notification over one channel, or says why that failed.

Belongs here: how to send over each kind of channel, and how to distinguish success from failure.
Does not belong here: when and how often sending is tried (`outbox.py`), and the content (`messages.py`).
"""

import hashlib
import hmac
import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.alerts.messages import as_card, as_json, as_markdown, as_text, chat_title
from pipelines.alerts.routes import (
    AppriseChannel,
    Channel,
    Delivery,
    FileChannel,
    PagerDutyChannel,
    TerminalChannel,
    WebhookChannel,
)

if TYPE_CHECKING:
    import apprise

_LONGEST_ANSWER = 64_000  # bytes of an endpoint's response that are examined
_THREAD = "kpi-alerts-send"
_SAYS_WHY = (
    "Socket Exception",
    "Response Details",
    "I/O Exception",
)  # beginnings of Apprise's debug lines that give a reason


class ChannelError(Exception):
    """A notification was not delivered.

    Attributes:
        final: a retry would fail in the same way until somebody changes a setting.
        retry_after: seconds that the endpoint asked to wait.
        delivered: the receivers that got it nevertheless, as hashes.
    """

    def __init__(
        self, reason: str, final: bool = False, retry_after: float | None = None, delivered: tuple[str, ...] = ()
    ) -> None:
        super().__init__(reason)
        self.final = final
        self.retry_after = retry_after
        self.delivered = delivered


@dataclass(frozen=True)
class Letter:
    """What is sent: the content, the key that all attempts share, and the receivers that have it already."""

    key: str
    said: dict[str, Any]
    delivered: tuple[str, ...] = ()


@dataclass(frozen=True)
class Post:
    """What sending needs in addition to the channel."""

    data_dir: Path
    delivery: Delivery
    now: datetime

    def send(self, channel: Channel, letter: Letter, seconds: float) -> None:
        """Send, and wait at most this many seconds.

        Raises:
            ChannelError: it was not delivered, or this is unknown because the attempt hangs and was abandoned.
        """
        _in_time(lambda: self._send(channel, letter), seconds)

    def _send(self, channel: Channel, letter: Letter) -> None:
        if isinstance(channel, AppriseChannel):
            self._over_apprise(channel, letter)
        elif isinstance(channel, WebhookChannel):
            self._to_webhook(channel, letter)
        elif isinstance(channel, PagerDutyChannel):
            self._to_pagerduty(channel, letter)
        elif isinstance(channel, FileChannel):
            _append(self.data_dir / channel.path, as_json(letter.said, letter.key) + "\n")
        elif isinstance(channel, TerminalChannel):
            sys.stderr.write(as_text(letter.said) + "\n")
            sys.stderr.flush()

    def _to_webhook(self, channel: WebhookChannel, letter: Letter) -> None:
        body = as_json(letter.said, letter.key).encode()
        timestamp = str(int(self.now.timestamp()))
        signed = hmac.new(_value(channel.secret_env).encode(), timestamp.encode() + b"." + body, hashlib.sha256)
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": letter.key,
            "X-Kpi-Timestamp": timestamp,
            "X-Kpi-Signature": f"v1={signed.hexdigest()}",
        }
        self._post(_value(channel.url_env), body, headers)

    def _to_pagerduty(self, channel: PagerDutyChannel, letter: Letter) -> None:
        key = _value(channel.routing_key_env)
        said = letter.said
        actions = {"resolved": ("resolve",), "acknowledged": ("acknowledge",), "test": ("trigger", "resolve")}
        for action in actions.get(said["kind"], ("trigger",)):
            event: dict[str, Any] = {
                "routing_key": key,
                "event_action": action,
                "dedup_key": said["incidents"][0]["thread"] if said["incidents"] else letter.key,
            }
            if action == "trigger":
                event["payload"] = {
                    "summary": said["subject"],
                    "severity": said["severity"],
                    "source": said["incidents"][0]["asset"] if said["incidents"] else "kpi alerts test",
                    "component": said["incidents"][0]["check"] if said["incidents"] else "test",
                    "timestamp": said["at"],
                    "custom_details": said,
                }
                event["links"] = [
                    {"href": url, "text": name} for name, url in said["links"].items() if url.startswith("http")
                ]
            headers = {"Content-Type": "application/json", "Idempotency-Key": letter.key}
            self._post(channel.endpoint, json.dumps(event).encode(), headers)

    def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        import requests

        timeouts = (self.delivery.connect_seconds, self.delivery.read_seconds)
        try:
            # A redirect is an error: otherwise, the redirecting server would choose who receives the notification.
            with requests.post(
                url, data=body, headers=headers, timeout=timeouts, allow_redirects=False, stream=True
            ) as response:
                answer = response.raw.read(_LONGEST_ANSWER, decode_content=True)
        except requests.exceptions.MissingSchema:
            raise ChannelError("the URL has no scheme. Write it like https://example.org/hook.", final=True) from None
        except (requests.RequestException, OSError) as error:
            raise ChannelError(_reason(error)) from None
        except Exception as error:  # urllib3 raises its own errors while a body is read
            raise ChannelError(_reason(error)) from None
        if not 200 <= response.status_code < 300:
            raise ChannelError(
                f"answered {response.status_code} {response.reason}: {_excerpt(answer)}",
                retry_after=_seconds_of(response.headers.get("Retry-After"), self.now),
            )
        if problem := problem_in(answer):
            raise ChannelError(f"answered {response.status_code}, but with an error: {problem}")

    def _over_apprise(self, channel: AppriseChannel, letter: Letter) -> None:
        """Send one message per receiver, so that a failure for one does not repeat the message to the others."""
        delivered = list(letter.delivered)
        reasons = []
        for receiver, service in _receivers(channel, self.delivery, letter.key):
            if receiver in delivered:
                continue
            reason = _notify(service, letter.said)
            if reason is None:
                delivered.append(receiver)
            else:
                reasons.append(reason)
        if reasons:
            raise ChannelError("; ".join(dict.fromkeys(reasons)), delivered=tuple(delivered))


def problem_in(answer: bytes) -> str | None:
    """The error in the JSON of an endpoint that responds with 200; None if there is none, or if it is not JSON."""
    try:
        content = json.loads(answer)
    except ValueError:
        return None
    if not isinstance(content, dict):
        return None
    if content.get("ok", True) is False or content.get("success", True) is False:
        return _excerpt(answer)
    return _excerpt(answer) if content.get("error") or content.get("errors") else None


def _receivers(channel: AppriseChannel, delivery: Delivery, salt: str) -> Iterator[tuple[str, "apprise.NotifyBase"]]:
    """Every receiver of a channel, by a hash that does not reveal it."""
    apprise = _apprise()
    asset = apprise.AppriseAsset(
        app_id="Sales KPI Pipeline",
        async_mode=False,  # it runs in our own thread
        http_redirects=False,
        image_url_mask="",  # receivers' programs would otherwise load an image from elsewhere
        pgp_autogen=False,
        service_timeout=0,
    )
    urls = apprise.utils.parse.parse_urls(_value(channel.url_env))
    if not urls:
        raise ChannelError(
            f"the environment variable {channel.url_env} does not contain a URL that Apprise can read.", final=True
        )
    for number, url in enumerate(urls, start=1):
        service = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
        if service is None:
            raise ChannelError(
                f"URL {number} in the environment variable {channel.url_env} belongs to no service that Apprise knows. "
                "The supported URLs are listed at https://appriseit.com/services/.",
                final=True,
            )
        service.socket_connect_timeout = delivery.connect_seconds
        service.socket_read_timeout = delivery.read_seconds
        targets = getattr(service, "targets", None)
        if url.startswith("mailto") and isinstance(targets, list) and len(targets) > 1:
            for target in targets:
                alone = apprise.Apprise.instantiate(url, asset=asset)
                alone.targets = [target]
                alone.socket_connect_timeout = delivery.connect_seconds
                # Only the first message has copies.
                if target is not targets[0]:
                    alone.cc, alone.bcc = set(), set()
                yield _hash(salt, f"{url}{target}"), alone
        else:
            yield _hash(salt, url), service


def _notify(service: "apprise.NotifyBase", said: dict[str, Any]) -> str | None:
    """Send over one service of Apprise; return None, or why it failed. Apprise itself only logs the reason."""
    apprise = _apprise()
    from apprise.plugins.workflows import NotifyWorkflows

    mail = service.secure_protocol == "mailtos"
    formats = service.notify_format if isinstance(service.notify_format, tuple) else (service.notify_format,)
    chat = not mail and apprise.NotifyFormat.MARKDOWN in formats
    if mail:
        service.notify_format = apprise.NotifyFormat.TEXT  # so that nothing in it is markup
    if isinstance(service, NotifyWorkflows):
        # Teams interprets Markdown and mentions in the card that Apprise makes of a text. Apprise creates the object
        # from its URL, so there is no class in which we could override the method.
        service.gen_payload = lambda **_: as_card(said)  # type: ignore[method-assign]  # hence on the object
    types = {"critical": apprise.NotifyType.FAILURE, "warning": apprise.NotifyType.WARNING}
    kind = apprise.NotifyType.SUCCESS if said["kind"] == "resolved" else types.get(said["severity"])
    sender = apprise.Apprise(asset=service.asset)
    sender.add(service)
    result = sender.notify(
        title=chat_title(said) if chat else said["subject"],
        body=as_markdown(said) if chat else as_text(said),
        body_format=apprise.NotifyFormat.MARKDOWN if chat else apprise.NotifyFormat.TEXT,
        notify_type=kind or apprise.NotifyType.INFO,
        log_level=logging.DEBUG,
    )
    if result:
        return None
    reasons = [
        entry.message
        for entry in result.logs()
        if entry.level in ("WARNING", "ERROR", "CRITICAL") or entry.message.startswith(_SAYS_WHY)
    ]
    return " ".join(reasons) or "Apprise did not say why."


def _apprise() -> Any:
    """Apprise, imported when something is sent. Its log lines can contain secrets: they are read here and go nowhere
    else."""
    import apprise
    import apprise.utils.parse

    logger = logging.getLogger("apprise")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    return apprise


def _value(variable: str) -> str:
    value = os.environ.get(variable, "").strip()
    if not value:
        raise ChannelError(
            f"the environment variable {variable} is not set in the process that sends. "
            "Set it where that process is started.",
            final=True,
        )
    return value


def _append(path: Path, line: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(line)
    except OSError as error:
        raise ChannelError(f"{path.name} cannot be written: {error.strerror}.") from None


def _in_time(send: Callable[[], None], seconds: float) -> None:
    """Run `send` in a thread, so that no server can make us wait longer; the thread does not keep the process alive."""
    failures: list[BaseException] = []
    done = threading.Event()

    def run() -> None:
        try:
            send()
        except BaseException as error:
            failures.append(error)
        finally:
            done.set()

    # Its debug lines contain paths, and the paths of webhooks contain tokens.
    logging.getLogger("urllib3.connectionpool").addFilter(_not_ours)
    threading.Thread(target=run, name=_THREAD, daemon=True).start()
    if not done.wait(seconds):
        raise ChannelError(f"no response within {seconds:.0f} seconds. It may have been delivered anyway.")
    for failure in failures:
        if isinstance(failure, ChannelError):
            raise failure
        raise ChannelError(_reason(failure))


def _not_ours(record: logging.LogRecord) -> bool:
    return record.threadName != _THREAD


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _excerpt(answer: bytes | None) -> str:
    return (answer or b"")[:200].decode("utf-8", "replace").strip() or "nothing said"


def _seconds_of(retry_after: str | None, now: datetime) -> float | None:
    """The header Retry-After, given as seconds or a date, as seconds from now."""
    if not retry_after:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - now).total_seconds())
    except (TypeError, ValueError):
        return None


def _hash(salt: str, receiver: str) -> str:
    return hashlib.sha256(f"{salt}\0{receiver}".encode()).hexdigest()[:16]
