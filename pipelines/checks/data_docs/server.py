"""Serves Data Docs to this machine's browser while `kpi dev` runs, so that the links in the UI work.

Belongs here: a web server for one folder of pages on the loopback interface, which ends with the process that started
it.
Does not belong here: the pages. If other people should read them, any web server can serve them; `data_docs_url` names
it.

    python -m pipelines.checks.data_docs.server <folder> <host> <port> <process to end with>
"""

import os
import subprocess
import sys
import threading
import time
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_LOOPBACK = ("127.0.0.1", "localhost")
_NOT_THERE = "The pages of a run are built when it has ended, and those of older runs are deleted."


def start(folder: Path, url: str) -> subprocess.Popen[bytes] | None:
    """Serve `folder` at `url` in a process that ends with this one; None if `url` is not on this machine."""
    place = urlsplit(url)
    if place.scheme != "http" or place.hostname not in _LOOPBACK or place.path.strip("/"):
        return None
    arguments = [str(folder), place.hostname, str(place.port or 80), str(os.getpid())]
    return subprocess.Popen([sys.executable, "-m", "pipelines.checks.data_docs.server", *arguments])


class _Pages(SimpleHTTPRequestHandler):
    """Serves files, but no listings, and refuses requests that other websites make this browser send under their own
    host names."""

    def send_head(self) -> Any:
        if urlsplit(f"//{self.headers.get('Host', '')}").hostname not in _LOOPBACK:
            self.send_error(HTTPStatus.FORBIDDEN)
            return None
        return super().send_head()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        super().send_error(code, message, _NOT_THERE if code == HTTPStatus.NOT_FOUND else explain)

    def list_directory(self, path: str | os.PathLike[str]) -> None:
        self.send_error(HTTPStatus.NOT_FOUND)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: the terminal belongs to Dagster."""


def server(folder: Path, host: str, port: int) -> ThreadingHTTPServer:
    """A listening server for `folder`; port 0 selects a free port.

    Raises:
        OSError: the port is taken.
    """
    return ThreadingHTTPServer((host, port), partial(_Pages, directory=str(folder)))


def main(folder: str, host: str, port: str, parent: str) -> None:
    """Serve until the process `parent`, which started this one, ends."""
    try:
        pages = server(Path(folder), host, int(port))
    except OSError as error:
        sys.exit(
            f"Data Docs are not served: cannot listen on {host}:{port} ({error.strerror}). "
            "Stop what uses it, or set data_docs_url to another port."
        )
    threading.Thread(target=pages.serve_forever, daemon=True).start()
    try:
        while os.getppid() == int(parent):
            time.sleep(0.5)
    except KeyboardInterrupt:
        pass
    pages.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
