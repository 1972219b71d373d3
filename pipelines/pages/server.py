"""Serves the pages on this machine.

Belongs here: the port, and ending with the process that started the server. Does not belong here: what is served
(`app.py`).
"""

import socket
import threading
import time
from collections.abc import Callable

import uvicorn

from pipelines.pages.app import PagesConfig, application


def listening(port: int, host: str = "127.0.0.1") -> socket.socket:
    """A socket that listens on `port` of an address of this machine, or on a free port if that is taken."""
    for wanted in (port, 0):
        found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((host, wanted))
            found.listen()  # whoever comes before the server does waits for it
        except OSError:
            found.close()
            continue
        return found
    raise OSError(f"no port of {host} is free")


def serve(config: PagesConfig, listener: socket.socket, alive: Callable[[], bool] | None = None) -> None:
    """Serve until interrupted, or until `alive` no longer holds."""
    server = uvicorn.Server(
        uvicorn.Config(
            application(config),
            log_level="warning",
            access_log=False,  # addresses hold names of customers' segments and reps
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            timeout_graceful_shutdown=3,
        )
    )
    if alive:
        threading.Thread(target=_end_with, args=(server, alive), daemon=True).start()
    server.run(sockets=[listener])


def _end_with(server: uvicorn.Server, alive: Callable[[], bool]) -> None:
    while alive():
        time.sleep(0.5)
    server.should_exit = True
