"""The files in `deploy/` agree with the pipeline: commands, settings, ports, paths, and Dagster's own schemas."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster import Shape
from dagster._config import validate_config
from dagster_k8s import K8sRunLauncher
from typer.main import get_command

from pipelines.cli import app
from pipelines.runs.code_location import MODULE
from pipelines.settings import PROJECT_DIR, Settings, SettingsFile

DEPLOY = PROJECT_DIR / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
VALUES = yaml.safe_load((DEPLOY / "dagster-values.yaml").read_text(encoding="utf-8"))
CONTAINERFILE = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
OURS = {name: service for name, service in COMPOSE["services"].items() if name != "database"}
ELSEWHERE = {"KPI_DATABASE", "KPI_PASSWORD"}  # not settings: what a setting names, and the password of the UI


@pytest.mark.parametrize("name", OURS)
def test_a_service_runs_a_command_that_exists(name: str) -> None:
    command = get_command(app)
    first, *rest = OURS[name]["command"]
    parsed = command.commands[first].make_context(first, list(rest))  # type: ignore[attr-defined]
    assert parsed.params.get("host") in ("0.0.0.0", "127.0.0.1")


@pytest.mark.parametrize("name", OURS)
def test_its_variables_are_settings_and_fit_each_other(name: str) -> None:
    environment = OURS[name]["environment"]
    of_settings = {key.removeprefix("KPI_").lower() for key in environment.keys() - ELSEWHERE}
    assert of_settings <= SettingsFile.model_fields.keys()
    assert environment["KPI_DATABASE_ENV"] in environment
    named = [environment["KPI_CODE_SERVER"], *environment["KPI_WORKERS"].split(",")]
    assert {address.partition(":")[0] for address in named} <= OURS.keys()
    assert {address.partition(":")[2] for address in named} == {"4000"}


def test_nobody_but_this_machine_reaches_a_port() -> None:
    published = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert published == ["127.0.0.1:3000:3000", "127.0.0.1:3003:3003"]
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert all("outside" not in OURS[name]["networks"] for name in ("code", "worker-1", "worker-2", "daemon"))


def test_the_image_has_what_the_services_need() -> None:
    for line in CONTAINERFILE.splitlines():
        for source in shlex.split(line)[1:-1] if line.startswith("COPY") else []:
            assert (PROJECT_DIR / source).exists(), source
    variables = dict(re.findall(r"(\w+)=(\S+)", " ".join(re.findall("^ENV (.+)$", CONTAINERFILE, re.MULTILINE))))
    mounted = [volume.removesuffix(":ro").rpartition(":")[2] for volume in OURS["code"]["volumes"]]
    assert mounted == [str(Path(variables["KPI_CONFIG"]).parent), variables["DATA_DIR"]]


def test_kubernetes_mounts_what_the_image_reads_and_loads_the_definitions() -> None:
    [code] = VALUES["dagster-user-deployments"]["deployments"]
    assert [mount["mountPath"] for mount in code["volumeMounts"]] == ["/data", "/company"]
    assert {mount["name"] for mount in code["volumeMounts"]} == {volume["name"] for volume in code["volumes"]}
    assert code["dagsterApiGrpcArgs"][1] == MODULE
    assert {entry["name"].removeprefix("KPI_").lower() for entry in code["env"]} <= Settings.model_fields.keys()


def test_dagster_takes_the_configuration_of_its_kubernetes_launcher() -> None:
    given: dict[str, Any] = VALUES["runLauncher"]["config"]["k8sRunLauncher"]
    names = {"runK8sConfig": "run_k8s_config"}  # as the chart's template renames them
    sections = {"containerConfig": "container_config", "jobSpecConfig": "job_spec_config"}
    configuration = {
        names[key]: {sections[section]: value for section, value in values.items()} for key, values in given.items()
    }
    fields = K8sRunLauncher.config_type()
    validated = validate_config(Shape(fields), {**_OF_THE_CHART, **configuration})
    assert validated.success, validated.errors


_OF_THE_CHART = {
    "service_account_name": "kpi",
    "instance_config_map": "kpi-instance",
    "postgres_password_secret": "kpi-dagster",
    "dagster_home": "/opt/dagster/dagster_home",
}
