"""A PostgreSQL server of the tests' own."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL server only for these tests."""

    port: int
    address: str = "127.0.0.1"

    def url(self, database: str, port: int | None = None) -> str:
        return f"postgresql://tester@{self.address}:{port or self.port}/{database}"

    def execute(self, database: str, statements: str) -> None:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(statements)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def running_postgres(address: str = "127.0.0.1", inside: Sequence[str] = ()) -> Iterator[Postgres]:
    """Start it at `address` with its own data folder, as a user other than root, because PostgreSQL refuses root.

    `inside` is the beginning of a command line that runs the rest of it in the host with that address.
    """
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
            as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else []
            subprocess.run(
                [*inside, *as_user, programs / program, "-D", data, *arguments],
                cwd=folder,
                check=True,
                stdout=subprocess.DEVNULL,
            )

        port = free_port()
        run("initdb", "--auth=trust", "--username=tester", "--encoding=UTF8", "--locale=C", "--no-sync")
        with (data / "pg_hba.conf").open("a", encoding="utf-8") as file:
            file.write("host all all samenet trust\n")
        options = f"-p {port} -c listen_addresses={address} -c unix_socket_directories='' -c fsync=off"
        run("pg_ctl", "-w", "-l", str(Path(folder) / "log"), "-o", options, "start")
        try:
            yield Postgres(port, address)
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")
