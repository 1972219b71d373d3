"""A Spark cluster of this machine: a master and workers, each a process of its own, on loopback."""

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from time import monotonic, sleep

HOST = "127.0.0.1"
PATIENCE = 120  # seconds until the test gives up on a process that does not start


@dataclass(frozen=True)
class Cluster:
    """A running cluster."""

    master: str
    workers: tuple[subprocess.Popen[bytes], ...]
    log: Path  # of the master

    def said(self) -> str:
        """What the master has said so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    @property
    def variables(self) -> dict[str, str]:
        """The environment with which the pipeline uses it."""
        options = {"spark.driver.host": HOST, "spark.sql.shuffle.partitions": "2", "spark.executor.memory": "1g"}
        return {"KPI_SPARK__MASTER": self.master, "KPI_SPARK__OPTIONS": json.dumps(options)}


@contextmanager
def running_cluster(folder: Path, workers: int) -> Iterator[Cluster]:
    """A master with some workers that offer a core each; it is stopped at the end."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    master = f"spark://{HOST}:{port}"
    with ExitStack() as running:
        arguments = ["--host", HOST, "--port", str(port), "--webui-port", "0"]
        running.enter_context(_process(folder / "master", "org.apache.spark.deploy.master.Master", *arguments))
        _wait_for("I have been elected leader", folder / "master", 1)
        started = tuple(
            running.enter_context(
                _process(
                    *(folder / f"worker{number}", "org.apache.spark.deploy.worker.Worker", "--host", HOST),
                    *("--cores", "1", "--memory", "1g", "--webui-port", "0"),
                    *("--work-dir", str(folder / f"work{number}"), master),
                )
            )
            for number in range(workers)
        )
        _wait_for("Registering worker", folder / "master", workers)
        yield Cluster(master, started, folder / "master")


@contextmanager
def _process(log: Path, java_class: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    installed = find_spec("pyspark")
    assert installed, "The extra `spark` is not installed: make test-spark"
    assert installed.origin
    home = Path(installed.origin).parent
    environment = {**os.environ, "SPARK_HOME": str(home), "SPARK_LOCAL_IP": HOST}
    command = [str(home / "bin" / "spark-class"), java_class, *arguments]
    with log.open("wb") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _wait_for(text: str, log: Path, times: int) -> None:
    given_up = monotonic() + PATIENCE
    while (said := log.read_text(encoding="utf-8", errors="replace")).count(text) < times:
        assert monotonic() < given_up, said
        sleep(0.2)
