"""Serves Data Docs to this machine's browser while `kpi dev` runs, so that the links in the UI work.

Belongs here: a web server for one folder of pages on the loopback interface, which ends with the process that started
it.
Does not belong here: the pages. If other people should read them, any web server can serve them; `data_docs_url` names
it.

    python -m pipelines.checks.data_docs.server <folder> <host> <port> <process to end with>
"""

import os
import re
import subprocess
import sys
import threading
import time
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pipelines.web_guard import LOOPBACK, PROTECTING_HEADERS, Guard, Refusal, password_of_environment

_ODD = re.compile(r"[\x00-\x1f\x7f/\\]")  # control characters, and slashes that were encoded
_ODD_PATH = "No page has this address. Open one by a link from the first page, /."
_NOT_THERE = "The pages of a run are built when it has ended, and those of older runs are deleted."


def start(folder: Path, url: str) -> subprocess.Popen[bytes] | None:
    """Serve `folder` at `url` in a process that ends with this one; None if `url` is not on this machine."""
    place = urlsplit(url)
    if place.scheme != "http" or place.hostname not in LOOPBACK or place.path.strip("/"):
        return None
    arguments = [str(folder), place.hostname, str(place.port or 80), str(os.getpid())]
    return subprocess.Popen([sys.executable, "-m", "pipelines.checks.data_docs.server", *arguments])


class _Pages(SimpleHTTPRequestHandler):
    """Serves files, but no listings, and nothing outside the folder."""

    guard = Guard(password=password_of_environment())
    index_pages = ("index.html", "index.htm")  # as in every version of Python

    def send_head(self) -> Any:
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        if refusal := self.guard.refusal(self.command, path, query, headers):
            self._refuse(refusal)
            return None
        if not _is_plain(path):
            self.send_error(HTTPStatus.BAD_REQUEST, explain=_ODD_PATH)
            return None
        if not self._is_inside(self.translate_path(path)):
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        return super().send_head()

    def _is_inside(self, file: str) -> bool:
        """Whether a file, or the first page of a folder, is still in the folder after every link is followed."""
        folder = os.path.realpath(self.directory)
        opened = [file, *(f"{file}/{name}" for name in self.index_pages)]
        return all(Path(os.path.realpath(path)).is_relative_to(folder) for path in opened)

    def _refuse(self, refusal: Refusal) -> None:
        reason = f"{refusal.reason}\n".encode()
        self.send_response(refusal.status)
        for name, value in (*refusal.headers.items(), ("Content-Type", "text/plain"), ("Content-Length", len(reason))):
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reason)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        super().send_error(code, message, _NOT_THERE if code == HTTPStatus.NOT_FOUND else explain)

    def end_headers(self) -> None:
        for name, value in PROTECTING_HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def list_directory(self, path: str | os.PathLike[str]) -> None:
        self.send_error(HTTPStatus.NOT_FOUND)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: the terminal belongs to Dagster."""


def _is_plain(path: str) -> bool:
    """Whether a path in an address is one that links to pages have: absolute, readable, of no folders above."""
    try:
        steps = [unquote(step, errors="strict") for step in path.split("/")]
    except UnicodeDecodeError:
        return False
    is_absolute = len(steps) > 1 and steps[0] == "" and "" not in steps[1:-1]
    return is_absolute and not any(step in (".", "..") or len(step) > 255 or _ODD.search(step) for step in steps)


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
