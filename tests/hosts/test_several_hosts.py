"""An installation on several hosts: numbers are those of one machine, whatever happens to a host."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

import pytest

from demo_company import __main__ as demo_company
from tests.conftest import Installation
from tests.hosts.network import Host, hosts
from tests.integration.postgres import running_postgres
from tests.spark.parity import differences

pytestmark = pytest.mark.nightly
SCALE = os.environ.get("SCALE", "0.01")
PATIENCE = 900  # seconds until the test gives up
NAMES = ("database", "code", "worker-1", "worker-2", "daemon", "ui")


@dataclass(frozen=True)
class Company:
    """The same deliveries in an installation of several hosts, and in one of this machine alone."""

    shared: Installation
    alone: Installation
    hosts: dict[str, Host]
    logs: Path

    def deliver_a_day(self) -> str:
        for one in (self.shared, self.alone):
            more = ["--days", "1"] if (one.data_dir / "published").exists() else []
            arguments = ["--scale", SCALE, "--no-truth", "--data-dir", str(one.data_dir), *more]
            assert demo_company.main(arguments) == 0
        return max(path.name[7:17] for path in self.shared.data_dir.glob("landing/shop/orders/orders_*"))

    def kpi(self, host: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = (sys.executable, "-m", "pipelines", *arguments)
        return self.hosts[host].run(*command, environment=self.shared.variables())

    def ask(self, host: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = (sys.executable, "-m", "tests.hosts.asking", *arguments)
        return self.hosts[host].run(*command, environment=self.shared.variables())

    def serve(self, host: str) -> None:
        service = host.partition("-")[0]
        address = (
            [] if service == "daemon" else ["--host", self.hosts[host].address if service != "ui" else "127.0.0.1"]
        )
        command = (sys.executable, "-m", "pipelines", "serve", service, *address)
        self.hosts[host].start(*command, environment=self.shared.variables(), log=self.logs / f"{host}.log")

    def runs(self) -> list[tuple[str, str, list[str]]]:
        """Id, status and days of all runs, the newest first."""
        return [tuple(run) for run in json.loads(self.ask("ui", "runs").stdout)]

    def assert_same_numbers(self) -> None:
        self.alone.python("-m", "pipelines", "run")
        found = differences(*(one.data_dir / "warehouse.duckdb" for one in (self.shared, self.alone)))
        published = (one.data_dir / "published" / "kpi.duckdb" for one in (self.shared, self.alone))
        assert found | differences(*published) == {}

    def said(self, host: str) -> str:
        return (self.logs / f"{host}.log").read_text(encoding="utf-8", errors="replace")


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    folder = tmp_path_factory.mktemp("hosts")
    with hosts(*NAMES) as found, running_postgres(found["database"].address, found["database"].network) as postgres:
        create = "import psycopg, sys; psycopg.connect(sys.argv[1], autocommit=True).execute('create database kpi')"
        made = found["code"].run(sys.executable, "-c", create, postgres.url("postgres"), environment=dict(os.environ))
        assert made.returncode == 0, made.stderr
        environment = {
            "KPI_DATABASE_ENV": "KPI_DATABASE",
            "KPI_DATABASE": postgres.url("kpi"),
            "KPI_CODE_SERVER": f"{found['code'].address}:4000",
            "KPI_WORKERS": ",".join(f"{found[name].address}:4000" for name in ("worker-1", "worker-2")),
        }
        yield Company(
            Installation(folder / "shared", environment=environment), Installation(folder / "alone"), found, folder
        )


@pytest.fixture(scope="module")
def loaded(company: Company) -> Company:
    """The first load, by two hosts that begin at once."""
    company.deliver_a_day()
    _both_run(company)
    company.assert_same_numbers()
    return company


@pytest.fixture(scope="module")
def served(loaded: Company) -> Company:
    for name in ("code", "worker-1", "worker-2"):
        loaded.serve(name)
    for name in ("code", "worker-1", "worker-2"):
        wait_until(lambda host=name: "Started Dagster code" in loaded.said(host))
    for name in ("daemon", "ui"):
        loaded.serve(name)
    wait_until(lambda: loaded.ask("ui", "answers", "3000").returncode == 0)
    return loaded


def test_two_hosts_that_begin_the_same_day_count_nothing_twice(loaded: Company) -> None:
    loaded.deliver_a_day()
    _both_run(loaded)
    loaded.assert_same_numbers()


def _both_run(company: Company) -> None:
    """Both hosts run what was delivered; one of them waits, and says for whom."""
    with ThreadPoolExecutor() as both:
        ended = list(both.map(lambda host: company.kpi(host, "run"), ["worker-1", "worker-2"]))
    assert [run.returncode for run in ended] == [0, 0], "\n".join(run.stdout + run.stderr for run in ended)
    waited = [run.stdout + run.stderr for run in ended if "Another process is writing" in run.stdout + run.stderr]
    assert len(waited) == 1
    assert "`kpi run`" in waited[0]
    assert "on worker-" in waited[0].replace("\n", " ")


def test_a_day_whose_worker_dies_is_run_by_another(served: Company) -> None:
    day = served.deliver_a_day()
    run = served.ask("ui", "launch", day).stdout.strip()
    wait_until(lambda: "transform_staging" in served.said("worker-1"))
    served.hosts["worker-1"].die()
    wait_until(lambda: status_of_day(served, day) == ["SUCCESS", "FAILURE"])
    assert served.runs()[1][0] == run
    assert "RUN_SUCCESS" in served.said("worker-2")
    served.assert_same_numbers()


def test_a_worker_that_is_cut_off_publishes_nothing_and_another_runs_its_day(served: Company) -> None:
    (served.logs / "worker-1.log").unlink()
    served.serve("worker-1")
    wait_until(lambda: "Started Dagster code" in served.said("worker-1"))
    day = served.deliver_a_day()
    served.ask("ui", "launch", day)
    wait_until(lambda: "transform_staging" in served.said("worker-1"))
    served.hosts["worker-1"].unplug()
    wait_until(lambda: status_of_day(served, day) == ["SUCCESS", "FAILURE"])
    published = (served.shared.data_dir / "published").readlink()
    served.hosts["worker-1"].plug_in()
    served.assert_same_numbers()
    assert (served.shared.data_dir / "published").readlink() == published
    assert status_of_day(served, day) == ["SUCCESS", "FAILURE"]


def status_of_day(company: Company, day: str) -> list[str]:
    return [status for _, status, days in company.runs() if days == [day]]


def wait_until(is_so: Callable[[], bool]) -> None:
    given_up = monotonic() + PATIENCE
    while not is_so():
        assert monotonic() < given_up
        sleep(1)
