"""Spark gives the same tables and the same published numbers as DuckDB, day after day, and also after a killed day."""

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from demo_company import __main__ as demo_company
from pipelines.alerts.store import Store
from tests.conftest import Installation
from tests.spark.cluster import Cluster, running_cluster
from tests.spark.parity import differences
from tests.spark.small_disk import on_a_small_disk

pytestmark = pytest.mark.spark
SCALE = os.environ.get("SCALE", "0.05")


@dataclass(frozen=True)
class Pair:
    """The same deliveries in two installations, one for each engine."""

    duckdb: Installation
    spark: Installation

    def deliver(self, *arguments: str) -> None:
        for one in (self.duckdb, self.spark):
            assert demo_company.main(["--scale", SCALE, "--no-truth", "--data-dir", str(one.data_dir), *arguments]) == 0

    def run(self, is_blocked: bool = False) -> None:
        """Run the pipeline in both; what blocks or warns in one of them does so in the other."""
        ended = [one.python("-m", "pipelines", "run", check=False) for one in (self.duckdb, self.spark)]
        assert [run.returncode for run in ended] == [int(is_blocked)] * 2, "\n".join(run.stdout for run in ended)
        assert open_incidents(self.duckdb) == open_incidents(self.spark)

    def differences(self) -> dict[str, str]:
        """What differs in the warehouses and in what is published."""
        built = differences(self.duckdb.data_dir / "warehouse.duckdb", self.spark.data_dir / "warehouse.duckdb")
        published = (one.data_dir / "published" / "kpi.duckdb" for one in (self.duckdb, self.spark))
        return built | {f"published {table}": how for table, how in differences(*published).items()}


def open_incidents(installation: Installation) -> set[tuple[str, str, str]]:
    """What people are notified of, as asset, check and message without the data folder."""
    folder = str(installation.data_dir)
    with Store(installation.data_dir / "alerts.sqlite").transaction() as transaction:
        return {
            (incident.asset, incident.check, incident.finding.message.replace(folder, "DATA_DIR"))
            for incident in transaction.incidents()
        }


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster"), workers=2) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, cluster: Cluster) -> Pair:
    folder = tmp_path_factory.mktemp("engines")
    pair = Pair(
        Installation(folder / "duckdb"),
        Installation(folder / "spark", environment={"KPI_ENGINE": "spark", **cluster.variables}),
    )
    pair.deliver()
    pair.run()
    return pair


def test_the_first_load(pair: Pair) -> None:
    assert pair.differences() == {}


@pytest.mark.parametrize("day", range(1, 11))
def test_a_day_with_late_and_corrected_rows(pair: Pair, day: int) -> None:
    """A day whose delivery is late is blocked; the next one brings it along."""
    late = {3: ("--late", "shop.orders"), 6: ("--late", "crm.leads")}
    pair.deliver("--days", "1", *late.get(day, ()))
    pair.run(is_blocked=day in late)
    assert pair.differences() == {}


@pytest.mark.parametrize("stage", ["transform_staging", "transform_marts"])
def test_a_day_that_was_killed_and_is_run_again(pair: Pair, stage: str) -> None:
    pair.deliver("--days", "1")
    before = (pair.spark.data_dir / "published").resolve()
    killed = pair.spark.python("-m", "tests.spark.killed_run", stage, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stdout + killed.stderr
    assert (pair.spark.data_dir / "published").resolve() == before
    pair.run()
    assert pair.differences() == {}


def test_a_day_whose_executor_is_killed(pair: Pair, cluster: Cluster) -> None:
    """Spark starts another one, and does again what was lost."""
    pair.deliver("--days", "1")
    pair.duckdb.python("-m", "pipelines", "run")
    run = pair.spark.python("-m", "tests.spark.killed_run", "transform_marts", str(cluster.workers[0].pid))
    assert "EXITED" in cluster.said(), run.stderr
    assert pair.differences() == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_day_on_which_the_disk_is_full(pair: Pair) -> None:
    pair.deliver("--days", "1")
    before = (pair.spark.data_dir / "published").resolve()
    delete_replaced_builds(pair.spark)
    with on_a_small_disk(pair.spark.data_dir / "spark", free=500_000) as make_room:
        failed = pair.spark.python("-m", "pipelines", "run", check=False)
        assert failed.returncode == 1, failed.stdout
        assert "is full: free up space, then run the day again." in failed.stdout + failed.stderr
        assert (pair.spark.data_dir / "published").resolve() == before
        make_room()
        pair.run()
    assert pair.differences() == {}


def test_only_the_builds_that_are_tables_are_kept(pair: Pair) -> None:
    """Those that a day has replaced are deleted when the next command begins, since somebody may be reading them."""
    delete_replaced_builds(pair.spark)
    folder = pair.spark.data_dir / "spark"
    tables = json.loads((folder / "tables.json").read_text(encoding="utf-8"))
    assert {str(build.relative_to(folder)) for build in folder.glob("*/*/*")} == {build for build, _ in tables.values()}
    assert len(tables) > 100


def delete_replaced_builds(installation: Installation) -> None:
    """What any command does first that reads the tables."""
    kpi = installation.python("-m", "pipelines", "dbt", "--", "show", "--inline", "select 1 as one")
    assert "| one |" in kpi.stdout


def test_an_installation_changes_its_engine_and_changes_back(pair: Pair, cluster: Cluster) -> None:
    environment = {"KPI_ENGINE": "spark", **cluster.variables}
    changing = replace(pair, duckdb=pair.spark, spark=replace(pair.duckdb, environment=environment))
    changing.spark.python("-m", "pipelines", "run")
    assert changing.differences() == {}
    pair.duckdb.python("-m", "pipelines", "run")
    assert pair.differences() == {}
    assert not (pair.duckdb.data_dir / "spark").exists()
