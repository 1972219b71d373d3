"""Decides which requests the web servers of this machine respond to: the UI, Data Docs and the pages.

Belongs here: whether a request comes from the server's own pages or from a program, and whether it may change anything.
Does not belong here: what is served.

A server that listens on this machine only is still open to every web page in its browsers: a page can send forms and
links there, connect websockets, and give its own host name the address 127.0.0.1 to read the responses.
"""

import base64
import hmac
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipelines.output import UsageError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
PASSWORD_VARIABLE = "KPI_PASSWORD"
_HOST = re.compile(r"(?:\[([0-9a-f:]+)\]|([a-z0-9._-]+))(?::\d{1,5})?", re.IGNORECASE)
_READING = ("GET", "HEAD")
_OTHER_NAME = "This server has another name. Open it under the address that it printed."
_OTHER_SITE = "This request comes from another web site. Open the address of this server in the browser instead."
# With these, other sites can neither show a response in a frame nor include it.
PROTECTING_HEADERS = {
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
}


@dataclass(frozen=True)
class Refusal:
    """Why there is no response, in one sentence."""

    status: HTTPStatus
    reason: str

    @property
    def headers(self) -> dict[str, str]:
        """What the browser must know to ask for the password."""
        return {"WWW-Authenticate": 'Basic realm="kpi"'} if self.status == HTTPStatus.UNAUTHORIZED else {}


@dataclass(frozen=True)
class Guard:
    """Who may ask a server of this machine, and for what.

    Attributes:
        url: the address under which a proxy serves it, besides this machine's.
        may_change: whether POST is allowed, with JSON, which no form of another site can send.
        password: what whoever asks must give, with any user name; empty: nothing.
    """

    url: str = ""
    may_change: bool = False
    password: str = field(default="", repr=False)

    def refusal(self, method: str, path: str, query: str, headers: Mapping[str, str]) -> Refusal | None:
        """Why a request gets no response; None if it gets one. `headers` have names in lower case."""
        host = headers.get("host", "")
        if _host_name(host) not in (*LOOPBACK, urlsplit(self.url).hostname):
            return Refusal(HTTPStatus.FORBIDDEN, _OTHER_NAME)
        if not self._is_from_here(method, host, headers):
            return Refusal(HTTPStatus.FORBIDDEN, _OTHER_SITE)
        if self.password and not self._is_password(headers.get("authorization", "")):
            return Refusal(HTTPStatus.UNAUTHORIZED, f"Give the password in {PASSWORD_VARIABLE}, with any user name.")
        if method in _READING:
            return _refusal_of_query(path, query)
        if method != "POST" or not self.may_change:
            return Refusal(HTTPStatus.METHOD_NOT_ALLOWED, f"This server does not take {method} requests.")
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send JSON, with `Content-Type: application/json`.")
        return None

    def _is_from_here(self, method: str, host: str, headers: Mapping[str, str]) -> bool:
        """Whether a page of this server sent the request, or a person by a link, or a program, which is no browser."""
        origin = headers.get("origin")
        if origin is not None:
            return origin.lower() in (f"http://{host}".lower(), f"https://{host}".lower(), _origin_of(self.url))
        if headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
            return True
        is_link = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
        return method in _READING and is_link

    def _is_password(self, authorization: str) -> bool:
        scheme, _, credentials = authorization.partition(" ")
        try:
            given = base64.b64decode(credentials, validate=True).partition(b":")[2]
        except ValueError:
            return False
        return scheme.lower() == "basic" and hmac.compare_digest(given, self.password.encode())


def password_of_environment() -> str:
    """The password that whoever starts the servers has set; empty if none."""
    return os.environ.get(PASSWORD_VARIABLE, "")


def needs_password(host: str) -> None:
    """Ensure that a server which other machines reach at `host` asks for a password.

    Raises:
        UsageError: there is none.
    """
    if host not in LOOPBACK and not password_of_environment():
        raise UsageError(
            f"--host {host}: other machines could read everything. Set {PASSWORD_VARIABLE}, which it will ask for, or "
            "listen on 127.0.0.1 behind a proxy; docs/security.md says how."
        )


class GuardMiddleware:
    """Lets only those requests through to an ASGI application that `guard` does not refuse."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self._app, self._guard = app, guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        query = scope["query_string"].decode("latin-1")
        refusal = self._guard.refusal(scope.get("method", "GET"), scope["path"], query, Headers(scope=scope))
        if scope["type"] == "websocket":
            if refusal is None:
                await self._app(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 1008, "reason": refusal.reason})
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(PROTECTING_HEADERS)
            await send(message)

        respond = self._app if refusal is None else _response(refusal)
        await respond(scope, receive, send_with_headers)


def _response(refusal: Refusal) -> ASGIApp:
    return PlainTextResponse(f"{refusal.reason}\n", refusal.status, refusal.headers)


def _refusal_of_query(path: str, query: str) -> Refusal | None:
    """Dagster runs GraphQL that is in an address, also if it changes something."""
    if path.rstrip("/").endswith("/graphql") and "query" in parse_qs(query, keep_blank_values=True):
        return Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "Send GraphQL by POST, as JSON, and not in the address.")
    return None


def _host_name(host: str) -> str:
    found = _HOST.fullmatch(host)
    return (found[1] or found[2]).lower() if found else ""


def _origin_of(url: str) -> str:
    return "{0.scheme}://{0.netloc}".format(urlsplit(url)).lower()
