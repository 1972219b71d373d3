"""A real S3 server on loopback, and a proxy before it that injects a fault at request n.

Belongs here: the server, the proxy, the faults of a network and of a server. Does not belong here: operations and what
must be true after a fault (`test_copies.py`).

The server is moto's. It honours `If-Match` and `If-None-Match: *`, but looks and writes in two steps; the proxy lets
one request through at a time, so that both are one step, as S3 promises.
"""

import http.client
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from unittest import mock

import fsspec
import s3fs.core
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

BUCKET = "company"
FOLDER = "kpis"
STORE = f"s3://{BUCKET}/{FOLDER}"
PATIENCE = 0.25  # seconds until a client gives up on a server that does not answer, where a trial is about that


class NetworkFault(StrEnum):
    """What happens at a request. Each happens once, but a server that is down stays so."""

    ERROR = "500"
    BUSY = "503"
    CUT = "cut before"  # before the server has received the request
    SLOW = "no answer"
    DOWN = "down"
    ERROR_DONE = "500, done"  # the server did it, and says something else
    CUT_DONE = "cut after"
    SLOW_DONE = "no answer, done"
    HALF = "half an answer"
    OTHER = "other bytes"  # not a fault of S3's, but of what is between
    KILLED = "killed before"
    KILLED_DONE = "killed after"
    ANOTHER_HOST = "another host"  # no fault: it does something at this request


OF_THE_SERVER = tuple(NetworkFault)[:10]
KILLS = (NetworkFault.KILLED, NetworkFault.KILLED_DONE)
SLOW = (NetworkFault.SLOW, NetworkFault.SLOW_DONE)
_CUTS = (NetworkFault.CUT, NetworkFault.CUT_DONE)
_DONE = (
    NetworkFault.ERROR_DONE,
    NetworkFault.CUT_DONE,
    NetworkFault.SLOW_DONE,
    NetworkFault.HALF,
    NetworkFault.OTHER,
    NetworkFault.KILLED_DONE,
)
_ERROR = b"<Error><Code>%s</Code><Message>An injected fault.</Message></Error>"


class Store:
    """The server, and the objects in its only bucket."""

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line per request
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.address = f"{host}:{port}"
        self.url = f"http://{self.address}"
        self._backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
        self._backend.create_bucket(BUCKET, "us-east-1")

    @property
    def objects(self) -> dict[str, bytes]:
        return {name: key.value for name, key in self._backend.buckets[BUCKET].keys.items()}

    @objects.setter
    def objects(self, wanted: Mapping[str, bytes]) -> None:
        for name in self.objects:
            self._backend.delete_object(BUCKET, name)
        for name, content in wanted.items():
            self._backend.put_object(BUCKET, name, content)

    def close(self) -> None:
        self._backend.reset()
        self._server.stop()


class Proxy:
    """Passes requests on to the server, but has a fault happen at one of them.

    Attributes:
        requests: what was asked for since the last `arm`, as `PUT kpis/published.json`.
        happened: the request at which the fault happened; empty if it did not.
    """

    def __init__(self, store: Store) -> None:
        self.requests: list[str] = []
        self.happened = ""
        self._without_conditions = False
        self._fault: NetworkFault | None = None
        self._at = 0
        self._victim: Callable[[], int] = os.getpid
        self._other: Callable[[], None] | None = None
        self._counting, self._one_at_a_time = threading.Lock(), threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.close_connection = True  # a client repeats by itself what an old connection has lost
                fault = proxy.fault_now(f"{self.command} {self.path.partition('?')[0].removeprefix(f'/{BUCKET}/')}")
                if fault is NetworkFault.ANOTHER_HOST and proxy._other:
                    proxy._other()
                if fault is NetworkFault.KILLED:
                    os.kill(proxy._victim(), signal.SIGKILL)
                elif fault in (NetworkFault.ERROR, NetworkFault.BUSY):
                    self.say(fault)
                elif fault is NetworkFault.SLOW:
                    self.wait_for_the_client()
                elif fault in (None, NetworkFault.ANOTHER_HOST, *_DONE):
                    self.pass_on(body, fault)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer  # noqa: N815

            def pass_on(self, body: bytes, fault: NetworkFault | None) -> None:
                with proxy._one_at_a_time:
                    connection = http.client.HTTPConnection(store.address)
                    conditions = ("If-Match", "If-None-Match") if proxy._without_conditions else ()
                    headers = {name: value for name, value in self.headers.items() if name not in conditions}
                    connection.request(self.command, self.path, body, headers)
                    answer = connection.getresponse()
                    content = answer.read()
                    connection.close()
                if fault is NetworkFault.KILLED_DONE:
                    os.kill(proxy._victim(), signal.SIGKILL)
                elif fault is NetworkFault.ERROR_DONE:
                    self.say(fault)
                elif fault is NetworkFault.SLOW_DONE:
                    self.wait_for_the_client()
                elif fault is not NetworkFault.CUT_DONE:
                    if fault is NetworkFault.OTHER:
                        content = content[:-1] + b"?" if content else content
                    self.send_response(answer.status)
                    for name, value in answer.getheaders():
                        if name.lower() not in ("connection", "date", "server", "transfer-encoding"):
                            self.send_header(name, value)
                    self.send_header("Connection", "close")
                    self.end_headers()
                    self.wfile.write(content[: len(content) // 2] if fault is NetworkFault.HALF else content)

            def say(self, fault: NetworkFault) -> None:
                is_busy = fault is NetworkFault.BUSY
                content = _ERROR % (b"ServiceUnavailable" if is_busy else b"InternalError")
                self.send_response(503 if is_busy else 500)
                self.send_header("Content-Length", str(len(content)))
                self.send_header("Connection", "close")
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            def wait_for_the_client(self) -> None:
                self.connection.recv(1)  # nothing comes until it has given up

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                """A client that has gone away, or was killed, is no news."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def arm(
        self,
        fault: NetworkFault | None = None,
        at: int = 0,
        *,
        victim: Callable[[], int] = os.getpid,
        other: Callable[[], None] | None = None,
        without_conditions: bool = False,
    ) -> None:
        """Have `fault` happen at request `at`, counted from now. `victim` is who is killed, `other` what is done.

        Without conditions, the server is one that does not know them.
        """
        with self._counting:
            self.requests, self.happened = [], ""
            self._fault, self._at, self._victim, self._other = fault, at, victim, other
            self._without_conditions = without_conditions

    def fault_now(self, request: str) -> NetworkFault | None:
        with self._counting:
            self.requests.append(request)
            count = len(self.requests)
            if self._fault and count == self._at:
                self.happened = request
                return self._fault
            # What is cut, the client's HTTP library repeats by itself, once.
            is_repeated = self._fault in _CUTS and count == self._at + 1 and request == self.happened
            is_down = self._fault is NetworkFault.DOWN and count > self._at > 0
            return self._fault if is_repeated or is_down else None

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def serving() -> Iterator[tuple[Store, Proxy]]:
    """A server, and a proxy before it."""
    store = Store()
    proxy = Proxy(store)
    try:
        yield store, proxy
    finally:
        proxy.close()
        store.close()


@contextmanager
def client_of(url: str, *, retries: bool = False, patience: float = 30) -> Iterator[None]:
    """Clients of this process ask the server at `url`. Without retries, they see every fault."""
    options = {
        "endpoint_url": url,
        "key": "key",
        "secret": "secret",
        "client_kwargs": {"region_name": "us-east-1"},
        "config_kwargs": {"read_timeout": patience, **({} if retries else {"retries": {"total_max_attempts": 1}})},
    }
    with mock.patch.dict(fsspec.config.conf, {"s3": options}):
        if retries:
            yield
        else:
            with (
                mock.patch.object(s3fs.core, "S3_RETRYABLE_ERRORS", ()),
                mock.patch.object(s3fs.core.S3FileSystem, "retries", 1),
            ):
                yield


def is_listening(url: str) -> bool:
    host, port = url.removeprefix("http://").split(":")
    with socket.socket() as connection:
        return connection.connect_ex((host, int(port))) == 0
