"""The modules of the pipeline form layers: none of them imports itself through other modules."""

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from pipelines.settings import PROJECT_DIR


def imports_by_module(folder: Path) -> dict[str, set[str]]:
    """For each module of a package, the modules of the package that it imports, at the top or inside a function."""
    files = {_name(file, folder.parent): file for file in folder.rglob("*.py")}
    return {module: _imported(file, files.keys()) - {module} for module, file in files.items()}


def _name(file: Path, root: Path) -> str:
    return ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def _imported(file: Path, modules: set[str]) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            submodules = {f"{node.module}.{alias.name}" for alias in node.names} & modules
            found |= submodules or {node.module}
    return found & modules


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    return imports_by_module(PROJECT_DIR / "pipelines")


def test_no_module_imports_itself_by_way_of_others(imports: dict[str, set[str]]) -> None:
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_nothing_but_a_command_knows_the_command_line(imports: dict[str, set[str]]) -> None:
    knowing = {module for module, known in imports.items() if any(other.startswith("pipelines.cli") for other in known)}
    assert {module for module in knowing if not module.startswith("pipelines.cli")} == {"pipelines.__main__"}


STAGES = {"sources", "ingest", "transform", "checks", "publish", "alerts", "operations", "runs", "onboarding"}
STAGES |= {"cli", "pages"}  # what people see
# What each part of the pipeline may know of them.
MAY_KNOW: dict[str, set[str]] = {
    "settings": set(),
    "sql": set(),
    "tables": set(),
    "warehouse": set(),
    "answers": set(),
    "pages": {"pages"},
    "sources": {"sources"},
    "ingest": {"sources", "ingest"},
    "checks.gx": {"checks"},
    "transform": {"sources", "ingest", "transform", "checks", "runs"},
    "publish.publication": {"sources", "transform", "publish"},
}


@pytest.mark.parametrize("part", MAY_KNOW)
def test_imports_never_go_against_the_flow(part: str, imports: dict[str, set[str]]) -> None:
    prefix = f"pipelines.{part}"
    modules = [module for module in imports if module == prefix or module.startswith(f"{prefix}.")]
    known = {(module, other) for module in modules for other in imports[module]}
    assert {(module, other) for module, other in known if other.split(".")[1] in STAGES - MAY_KNOW[part]} == set()
    assert modules


def test_the_whole_pipeline_is_on_one_page() -> None:
    assert len((PROJECT_DIR / "pipelines" / "definitions.py").read_text(encoding="utf-8").splitlines()) < 100


@pytest.mark.parametrize(("package", "other"), [("demo_company", "pipelines"), ("pipelines", "demo_company")])
def test_the_demo_company_and_the_pipeline_do_not_know_each_other(package: str, other: str) -> None:
    files = list((PROJECT_DIR / package).rglob("*.py"))
    importing = re.compile(rf"^\s*(from|import) {other}\b", re.MULTILINE)
    assert [file for file in files if importing.search(file.read_text(encoding="utf-8"))] == []
    assert files
