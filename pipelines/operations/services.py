"""Implements `kpi serve`: the parts of Dagster that hosts share between them, each as a process of its own.

Belongs here: the command line of each. Does not belong here: all of them on one machine (`dev.py`), and where they are
(`deploy/`).
"""

import os
import sys
from pathlib import Path

import yaml

from pipelines.config_files import ConfigError
from pipelines.runs.code_location import MODULE
from pipelines.runs.job import prepare_instance
from pipelines.settings import PROJECT_DIR, Settings
from pipelines.web_guard import needs_password

_PORTS = {"code": 4000, "worker": 4000, "ui": 3000}


def become(service: str, settings: Settings, host: str, port: int | None) -> None:
    """Replace this process by the service, so that signals reach it. `daemon` listens nowhere.

    Raises:
        ConfigError: settings that the hosts need are missing.
        UsageError: other machines would reach the UI, and it has no password.
    """
    if missing := [name for name in ("database_env", "code_server") if not getattr(settings, name)]:
        raise ConfigError(
            f"kpi serve: the settings {' and '.join(missing)} are missing. Set them in kpi.yml "
            "(docs/operations.md#dagster-on-several-hosts); on one machine, kpi dev starts everything."
        )
    if service == "ui":
        needs_password(host)
    prepare_instance(settings)
    where = ["--host", host, "--port", str(port or _PORTS.get(service, 0))]
    code = ["--module-name", MODULE, "--working-directory", str(PROJECT_DIR), "--location-name", MODULE]
    commands: dict[str, list[str]] = {
        "code": ["dagster", "code-server", "start", *code, *where],
        "worker": ["dagster", "api", "grpc", *code, *where],
        "daemon": ["dagster._daemon", "run", "--workspace", str(_workspace(settings))],
        "ui": ["pipelines.operations.webserver", "--workspace", str(_workspace(settings)), *where],
    }
    os.execv(sys.executable, [sys.executable, "-m", *commands[service]])


def _workspace(settings: Settings) -> Path:
    """The file that tells the daemon and the UI where the code server is."""
    host, _, port = (settings.code_server or "").rpartition(":")
    server = {"host": host, "port": int(port), "location_name": MODULE}
    text = yaml.safe_dump({"load_from": [{"grpc_server": server}]})
    file = settings.dagster_home / "workspace.yaml"
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        file.write_text(text, encoding="utf-8")
    return file
