"""`kpi dev` says that the UI is ready when it answers, and not before."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from pipelines.operations.dev import answers


class _SlowToStart(BaseHTTPRequestHandler):
    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        self.send_response(200 if self.asked > 2 else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


def test_it_waits_until_the_server_answers_well() -> None:
    with HTTPServer(("127.0.0.1", 0), _SlowToStart) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        assert answers(f"http://127.0.0.1:{server.server_port}", until=lambda: False, pause=0)
        assert _SlowToStart.asked == 3
        server.shutdown()


def test_it_does_not_wait_for_a_server_that_has_ended() -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        port = server.server_port
    looks = iter([False, False, True])
    assert not answers(f"http://127.0.0.1:{port}", until=lambda: next(looks), pause=0)
