"""Which dbt models need not be built again: those for which nothing can have changed."""

import os
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.transform.unchanged import Versions, build_what_changed, built, unchanged, versions_of_tables

LOCATION = "read_parquet('{raw}/{{schema}}/{{name}}/*/rows.parquet')"
PROJECT = "a project with its variables"


def node(name: str, *parents: str, kind: str = "model", code: str = "select 1", **values: Any) -> dict[str, Any]:
    usual = {"name": name, "alias": name, "schema": "marts", "raw_code": code, "config": {}, "language": "sql"}
    usual |= {"resource_type": kind, "original_file_path": f"models/{name}.sql", "depends_on": {"nodes": list(parents)}}
    return {**usual, **values}


def source(name: str, location: str) -> dict[str, Any]:
    return {"resource_type": "source", "source_name": "shop", "name": name, "meta": {"external_location": location}}


class Project:
    """Orders and leads are delivered. Revenue is built from orders, conversion from leads, and a mart from both."""

    def __init__(self, folder: Path) -> None:
        self.raw = folder / "raw"
        self.warehouse = folder / "warehouse.duckdb"
        self.environment = {"KPI_AS_OF_DATE": "2026-01-09"}
        location = LOCATION.format(raw=self.raw)
        self.manifest: dict[str, Any] = {
            "sources": {f"source.{name}": source(name, location) for name in ("orders", "leads")},
            "nodes": {},
        }
        self.add(node("scorecard", "model.revenue", "model.conversion"))
        self.add(node("revenue", "source.orders"))
        self.add(node("conversion", "source.leads"))
        self.add(node("rates", kind="seed"))
        self.add(node("revenue_is_positive", "model.revenue", kind="test"))
        for table in ("orders", "leads"):
            self.deliver(table, "2026-01-09")

    def add(self, one: dict[str, Any]) -> None:
        self.manifest["nodes"][f"{one['resource_type']}.{one['name']}"] = one

    def deliver(self, table: str, day: str) -> None:
        file = self.raw / "shop" / table / f"delivered_on={day}" / "rows.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        aside = file.with_suffix(".new")
        aside.write_text(day)
        aside.replace(file)

    def versions(self, project: str = PROJECT) -> Versions:
        return Versions(self.manifest, project, self.environment, self.raw)

    def changed_by(self, change: Any, *arguments: Any) -> set[str]:
        """The names of models, seeds and tests that have another version after `change`."""
        before = self.versions().given({})
        change(*arguments)
        now = self.versions().given({})
        return {key.split(".")[1] for key, version in now.items() if before.get(key) != version and "source" not in key}

    def make(self, ids: list[str]) -> list[str]:
        """Do what dbt does: each model is a table of its parents' values, or of the number of files of its source."""
        with duckdb.connect(str(self.warehouse)) as connection:
            connection.execute("create schema if not exists marts")
            for key in ids:
                one = self.manifest["nodes"][key]
                if one["resource_type"] != "test":
                    connection.execute(f"create or replace table marts.{one['name']} as select {self.value_of(one)}")
        return ids

    def value_of(self, one: dict[str, Any]) -> str:
        return "1 as value"

    def run(self, run_id: str = "run 1") -> set[str]:
        """Build what has changed, and return the names of what was built."""
        made: list[str] = []

        def build(ids: list[str]) -> list[str]:
            made.extend(self.make(ids))
            return ids

        build_what_changed(self.warehouse, self.versions(), list(self.manifest["nodes"]), build, run_id)
        return {key.split(".")[1] for key in made}

    def pick(self, *ids: str) -> None:
        """Build these, as if a person had selected them."""
        build_what_changed(self.warehouse, self.versions(), ids, self.make, "picked", everything=True)

    def write(self, statement: str) -> None:
        """Write to the warehouse, past the pipeline."""
        with duckdb.connect(str(self.warehouse)) as connection:
            connection.execute(statement)

    def unchanged(self, *wanted: str) -> set[str]:
        ids = wanted or tuple(self.manifest["nodes"])
        return {key.split(".")[1] for key in unchanged(self.warehouse, self.versions(), ids)}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_nothing_changes_by_itself(project: Project) -> None:
    assert project.changed_by(lambda: None) == set()


@pytest.mark.parametrize("day", ["2026-01-10", "2026-01-09"])  # a new delivery, and one that replaces another
def test_a_delivery_changes_what_hangs_on_it_and_nothing_else(project: Project, day: str) -> None:
    assert project.changed_by(project.deliver, "orders", day) == {"revenue", "revenue_is_positive", "scorecard"}
    assert project.changed_by(project.deliver, "leads", day) == {"conversion", "scorecard"}


def test_a_day_without_a_delivery_changes_nothing(project: Project) -> None:
    file = project.raw / "shop" / "orders" / "delivered_on=2026-01-10" / "rows.parquet"
    file.parent.mkdir()
    orders = "select 1 as order_id"
    assert project.changed_by(duckdb.sql(f"{orders} where false").write_parquet, str(file)) == set()
    assert "revenue" in project.changed_by(duckdb.sql(orders).write_parquet, str(file))
    assert "revenue" in project.changed_by(duckdb.sql(f"{orders} where false").write_parquet, str(file))


def test_a_delivery_that_is_taken_away_changes_what_hangs_on_it(project: Project) -> None:
    [file] = (project.raw / "shop" / "leads").glob("*/rows.parquet")
    assert project.changed_by(file.unlink) == {"conversion", "scorecard"}


def test_another_project_or_variable_changes_everything(project: Project) -> None:
    before, now = project.versions().given({}), project.versions("another project").given({})
    assert all(before[key] != now[key] for key in before)


def test_an_environment_variable_changes_the_models_that_read_it(project: Project) -> None:
    project.add(node("parameters", code="""select '{{ env_var("KPI_AS_OF_DATE") }}' as as_of_date"""))
    project.add(node("conversion", "source.leads", "model.parameters"))
    found = project.changed_by(project.environment.update, {"KPI_AS_OF_DATE": "2026-01-10"})
    assert found == {"parameters", "conversion", "scorecard"}


@pytest.mark.parametrize(
    "code",
    [
        "select current_date as day",
        "select * from {{ ref('revenue') }} where day < now()",
        "select today ( )",
        "select random() as drawn",
        "select * from read_csv('targets.csv')",
        "select * from 'targets.csv'",
        "select * from marts.revenue",
        "select * from sales.targets",
        "select * from a, marts.revenue as b",
        'select * from "marts"."revenue"',
        "select {{ run_started_at }}",
        "{% set found = run_query('select 1') %}",
        "select * from sqlite_scan('a.db', 'b')",
        "select getenv('HOME')",
    ],
)
def test_a_companys_model_that_may_read_more_is_built_each_time(project: Project, code: str) -> None:
    project.add(node("targets", "model.revenue", code=code, original_file_path="company/targets.sql"))
    project.add(node("attainment", "model.targets", original_file_path="company/attainment.sql"))
    assert project.changed_by(lambda: None) == {"targets", "attainment"}


def test_so_is_one_in_python_or_whose_hook_or_test_may_read_more(project: Project) -> None:
    mine = {"original_file_path": "company/mine.sql"}
    project.add(node("in_python", language="python", **mine))
    project.add(node("with_a_hook", config={"post-hook": [{"sql": "insert into t select now()"}]}, **mine))
    project.add(node("recent", kind="test", test_metadata={"kwargs": {"expression": "day <= current_date"}}, **mine))
    project.add(node("recent_rows", kind="test", config={"where": "day > current_date - 3"}, **mine))
    project.add(node("plain", "model.revenue", code="select * from {{ ref('revenue') }} as current", **mine))
    assert project.changed_by(lambda: None) == {"in_python", "with_a_hook", "recent", "recent_rows"}


def test_a_source_that_is_not_raw_may_change_at_any_time(project: Project) -> None:
    project.manifest["sources"]["source.leads"]["meta"] = {"external_location": "read_csv('https://example.org/l.csv')"}
    assert project.changed_by(lambda: None) == {"conversion", "scorecard"}


EVERYTHING = {"revenue", "conversion", "scorecard", "rates", "revenue_is_positive"}


def test_only_what_changed_is_built(project: Project) -> None:
    assert project.unchanged() == set()  # there is no warehouse
    assert project.run() == EVERYTHING
    assert project.run("run 2") == set()
    project.deliver("leads", "2026-01-10")
    assert project.unchanged("model.revenue", "model.conversion") == {"revenue"}
    assert project.run("run 3") == {"conversion", "scorecard"}
    runs = {key.split(".")[1]: found.run_id for key, found in built(project.warehouse).items()}
    assert runs == dict.fromkeys(EVERYTHING, "run 1") | {"conversion": "run 3", "scorecard": "run 3"}


def show(project: Project, name: str, parent: str, code: str = "select 1", **values: Any) -> None:
    project.add(node(name, parent, config={"materialized": "view"}, code=code, **values))


def test_a_view_is_created_again_only_if_its_own_definition_changes(project: Project) -> None:
    show(project, "orders_shown", "model.revenue")
    assert project.run() == EVERYTHING | {"orders_shown"}
    before = versions_of_tables(project.warehouse)
    project.deliver("orders", "2026-01-10")
    assert project.run("run 2") == {"revenue", "revenue_is_positive", "scorecard"}
    now = versions_of_tables(project.warehouse)
    assert {name for (_, name), version in now.items() if version != before["marts", name]} == {
        "revenue",
        "orders_shown",
        "scorecard",
    }
    assert built(project.warehouse)["model.orders_shown"].run_id == "run 2"
    show(project, "orders_shown", "model.revenue", code="select '{{ env_var('KPI_AS_OF_DATE') }}'")
    assert project.run("run 3") == {"orders_shown"}


def test_a_view_that_the_engine_stores_is_built_again_with_its_parents(project: Project) -> None:
    project.environment["KPI_ENGINE"] = "spark"
    show(project, "orders_shown", "model.revenue")
    project.run()
    project.deliver("orders", "2026-01-10")
    assert project.run("run 2") == {"revenue", "revenue_is_positive", "scorecard", "orders_shown"}


def test_a_view_belongs_to_this_run_once_its_parents_are_built(project: Project) -> None:
    show(project, "orders_shown", "model.revenue")
    project.run()
    project.deliver("orders", "2026-01-10")
    wanted = list(project.manifest["nodes"])
    kept = build_what_changed(project.warehouse, project.versions(), wanted, lambda ids: [], "run 2")
    assert "model.orders_shown" not in kept
    project.run("run 3")
    project.deliver("orders", "2026-01-11")
    kept = build_what_changed(project.warehouse, project.versions(), wanted, project.make, "run 4")
    assert {key: found.run_id for key, found in kept.items()} == {
        "model.orders_shown": "run 4",
        "model.conversion": "run 1",
        "seed.rates": "run 1",
    }


def test_a_view_on_a_companys_own_model_is_created_again(project: Project) -> None:
    project.add(node("revenue", "source.orders", original_file_path="company/revenue.sql"))
    show(project, "orders_shown", "model.revenue")
    project.run()
    project.deliver("orders", "2026-01-10")
    assert "orders_shown" in project.run("run 2")


def test_the_models_of_a_source_that_is_no_longer_enabled_are_forgotten(project: Project) -> None:
    project.add(node("spend", "source.leads"))
    assert "spend" in project.run()
    del project.manifest["nodes"]["model.spend"]
    project.deliver("leads", "2026-01-10")
    assert project.run("run 2") == {"conversion", "scorecard"}
    assert "model.spend" not in built(project.warehouse)


@pytest.mark.parametrize("statement", ["update marts.revenue set value = 2", "drop table marts.revenue"])
def test_after_somebody_has_written_to_the_warehouse_everything_is_built(project: Project, statement: str) -> None:
    project.run()
    project.write(statement)
    assert set(versions_of_tables(project.warehouse).values()) == {None}
    assert project.run() == EVERYTHING
    assert project.run() == set()


def test_after_a_build_that_died_everything_is_built(project: Project) -> None:
    project.run()
    project.deliver("leads", "2026-01-10")

    def die(ids: list[str]) -> list[str]:
        project.make(ids[:1])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_what_changed(project.warehouse, project.versions(), list(project.manifest["nodes"]), die, "run 2")
    assert project.run("run 3") == EVERYTHING


def test_while_a_write_is_not_completed_nothing_is_known(project: Project) -> None:
    project.run()
    project.warehouse.with_name(f"{project.warehouse.name}.wal").touch()
    assert built(project.warehouse) == {}


def test_what_a_person_builds_from_a_parent_that_is_not_up_to_date_is_built_again(project: Project) -> None:
    project.run()
    project.deliver("leads", "2026-01-10")
    project.pick("model.scorecard")
    assert project.run() == {"conversion", "scorecard"}
    project.deliver("leads", "2026-01-11")
    project.pick("model.conversion")
    assert project.run() == {"scorecard"}


def test_what_failed_is_built_again_and_so_is_what_follows(project: Project) -> None:
    project.run()
    project.deliver("leads", "2026-01-10")
    build_what_changed(project.warehouse, project.versions(), list(project.manifest["nodes"]), lambda ids: [], "run 2")
    assert project.run("run 3") == {"conversion", "scorecard"}


class Calendar(Project):
    """A calendar depends on all deliveries, and all marts depend on the calendar, which rarely changes."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.first_day = "2024-01-01"
        for table in ("orders", "leads"):
            self.add(node(f"int_{table}", f"source.{table}"))
        passes_on = {"meta": {"passes_on": "content"}}
        self.add(node("calendar", "model.int_orders", "model.int_leads", config=passes_on))
        for number in range(15):
            self.add(node(f"mart_{number}", "model.int_orders", "model.calendar"))
        self.add(node("funnel", "model.int_leads", "model.calendar"))

    def value_of(self, one: dict[str, Any]) -> str:
        return f"'{self.first_day}' as first_day" if one["name"] == "calendar" else "1 as value"


LATE_LEADS = {"int_leads", "calendar", "funnel", "conversion", "scorecard"}


def test_what_hangs_on_rows_that_are_the_same_is_not_built(tmp_path: Path) -> None:
    company = Calendar(tmp_path)
    marts = {f"mart_{number}" for number in range(15)}
    assert company.run() == EVERYTHING | LATE_LEADS | marts | {"int_orders"}
    company.deliver("leads", "2026-01-10")
    assert company.run("run 2") == LATE_LEADS
    company.deliver("leads", "2023-12-31")
    company.first_day = "2023-12-31"
    assert company.run("run 3") == LATE_LEADS | marts
    assert company.run("run 4") == set()


def test_without_the_rows_nothing_that_hangs_on_them_is_built(tmp_path: Path) -> None:
    company = Calendar(tmp_path)
    company.run()
    company.deliver("leads", "2026-01-10")
    asked: list[list[str]] = []

    def fail(ids: list[str]) -> list[str]:
        asked.append(ids)
        return []

    assert (
        build_what_changed(company.warehouse, company.versions(), list(company.manifest["nodes"]), fail, "run 2") == {}
    )
    assert asked == [["model.int_leads", "model.calendar"]]
    assert company.run("run 3") == LATE_LEADS | {f"mart_{number}" for number in range(15)}


def test_what_hangs_on_rows_is_built_at_once_where_too_little_could_be_spared(tmp_path: Path) -> None:
    company = Calendar(tmp_path)
    company.run()
    company.deliver("orders", "2026-01-10")
    company.deliver("leads", "2026-01-10")
    asked: list[list[str]] = []

    def build(ids: list[str]) -> list[str]:
        asked.append(company.make(ids))
        return ids

    build_what_changed(company.warehouse, company.versions(), list(company.manifest["nodes"]), build, "run 2")
    assert len(asked) == 1
    assert company.run("run 3") == set()


def test_after_the_file_of_versions_was_damaged_everything_is_built(project: Project) -> None:
    project.run()
    [file] = project.warehouse.parent.glob("*.versions.json")
    file.write_text(file.read_text()[:40])
    assert project.run() == EVERYTHING
    assert project.run() == set()


def test_a_warehouse_without_versions_is_built_from_scratch(project: Project) -> None:
    project.write("create schema marts; create table marts.revenue as select 1 as value")
    assert project.unchanged() == set()
    assert versions_of_tables(project.warehouse) == {("marts", "revenue"): None}


def test_a_file_of_the_same_size_and_time_is_another_file(project: Project) -> None:
    [file] = (project.raw / "shop" / "orders").glob("*/rows.parquet")
    times = (file.stat().st_atime_ns, file.stat().st_mtime_ns)

    def replace() -> None:
        project.deliver("orders", "2026-01-09")
        os.utime(file, ns=times)

    assert project.changed_by(replace) == {"revenue", "revenue_is_positive", "scorecard"}
