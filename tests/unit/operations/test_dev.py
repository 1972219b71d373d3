"""`kpi dev` says that the UI is ready when it answers, and not before, and ends everything that it started."""

import signal
import socket
import subprocess
import sys
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml

from pipelines.operations import dev
from pipelines.operations.dev import DagsterServices, answers
from pipelines.output import UsageError
from pipelines.settings import PROJECT_DIR


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


class _AskingForAPassword(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(401)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


def test_a_server_that_asks_for_a_password_is_ready() -> None:
    with HTTPServer(("127.0.0.1", 0), _AskingForAPassword) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        assert answers(f"http://127.0.0.1:{server.server_port}", until=lambda: False, pause=0)


def test_a_port_that_is_taken_is_said_before_anything_is_started() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UsageError, match="Choose another port"):
        dev._refuse_taken(taken.getsockname()[1])


class Started:
    """What `kpi dev` would start, as processes that do nothing; those in `ending` end at once."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, *ending: str) -> None:
        self.folder, self.ending = folder, list(ending)
        self.commands: list[list[str]] = []
        self.passwords: dict[str, str] = {}
        self.processes: list[subprocess.Popen[bytes]] = []
        monkeypatch.setattr(dev, "_start", self.start)
        monkeypatch.setattr(dev, "answers", lambda *_, **__: False)
        monkeypatch.setattr(dev, "_LOOK_EVERY_SECONDS", 0.001)

    def start(self, module: str, *arguments: str, password: str = "") -> subprocess.Popen[bytes]:
        (self.folder / "code").touch()
        self.commands.append([module, *arguments])
        self.passwords[module] = password
        ends = module in self.ending and not self.ending.remove(module)  # type: ignore[func-returns-value]
        command = ["true"] if ends else ["sleep", "3600"]
        # As in `kpi dev`, which handles SIGTERM itself, and unlike in tests that ignore it.
        listen = partial(signal.signal, signal.SIGTERM, signal.SIG_DFL)
        self.processes.append(subprocess.Popen(command, preexec_fn=listen))
        return self.processes[-1]


@pytest.fixture(autouse=True)
def _instance(new_dagster_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(new_dagster_home))


def test_all_end_when_one_ends_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = Started(tmp_path, monkeypatch, "dagster._daemon")
    services = DagsterServices(tmp_path, "", 3000, read_only=False)
    assert services.serve(threading.Event(), lambda: None) == "The daemon"
    assert [command[0] for command in started.commands] == [
        "dagster",
        "pipelines.operations.webserver",
        "dagster._daemon",
    ]
    assert [process.returncode is None for process in started.processes] == [False] * 3


def test_a_code_server_that_ended_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = Started(tmp_path, monkeypatch)
    interrupted = threading.Event()
    start = started.start

    def start_and_break(module: str, *arguments: str, password: str = "") -> subprocess.Popen[bytes]:
        process = start(module, *arguments, password=password)
        if module == "dagster._daemon":
            started.processes[0].kill()
        elif module == "dagster" and len(started.commands) > 1:
            interrupted.set()
        return process

    monkeypatch.setattr(dev, "_start", start_and_break)
    assert DagsterServices(tmp_path, "", 3000, read_only=False).serve(interrupted, lambda: None) == ""
    assert [command[0] for command in started.commands].count("dagster") == 2
    assert all(process.returncode is not None for process in started.processes)


def test_only_the_webserver_gets_the_password_and_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KPI_PASSWORD", "s3cret")
    started = Started(tmp_path, monkeypatch, "dagster._daemon")
    DagsterServices(tmp_path, "/dagster", 3000, read_only=True).serve(threading.Event(), lambda: None)
    assert started.passwords == {"dagster": "", "pipelines.operations.webserver": "s3cret", "dagster._daemon": ""}
    workspace = str(tmp_path / "workspace.yaml")
    options = ["-w", workspace, "-h", "127.0.0.1", "-p", "3000", "-l", "/dagster", "--read-only"]
    assert started.commands[1][1:] == options
    [location] = yaml.safe_load(Path(workspace).read_text())["load_from"]
    assert location["grpc_server"]["location_name"] == "pipelines.definitions"


def test_what_was_started_ends_with_the_process_that_started_it_even_if_that_is_killed() -> None:
    code = (
        "import os, signal; from pipelines.operations import dev;"
        "dev._start('http.server', '0', '--bind', '127.0.0.1'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    # The pipes that the server writes to are open as long as it runs.
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=PROJECT_DIR, check=False)
    assert finished.returncode == -signal.SIGKILL
