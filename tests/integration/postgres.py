"""A PostgreSQL server of the tests' own."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL server only for these tests."""

    port: int

    def url(self, database: str, port: int | None = None) -> str:
        return f"postgresql://tester@127.0.0.1:{port or self.port}/{database}"

    def execute(self, database: str, statements: str) -> None:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(statements)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Start it on loopback with its own data folder, as a user other than root, because PostgreSQL refuses root."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [Path(shutil.which("initdb") or "/nowhere")]
    if not found[-1].is_file():
        missing = "initdb is not there: apt-get install --no-install-recommends postgresql"
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)
    programs = found[-1].parent
    user = "postgres" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="kpi-postgres-") as folder:
        data = Path(folder) / "data"
        if user:
            shutil.chown(folder, user)

        def run(program: str, *arguments: str) -> None:
            subprocess.run(
                [programs / program, "-D", data, *arguments],
                user=user,
                cwd=folder,
                check=True,
                stdout=subprocess.DEVNULL,
            )

        port = free_port()
        run("initdb", "--auth=trust", "--username=tester", "--encoding=UTF8", "--locale=C", "--no-sync")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        run("pg_ctl", "-w", "-l", str(Path(folder) / "log"), "-o", options, "start")
        try:
            yield Postgres(port)
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")
