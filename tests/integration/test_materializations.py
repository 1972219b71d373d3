"""Models replace what they were in one transaction: whatever a model is, was or reads, and also if it fails."""

from pathlib import Path

import duckdb
import pytest

from pipelines.transform.project import SHIPPED_PROJECT_DIR
from tests.integration.test_dbt_runner import Project

OURS = (SHIPPED_PROJECT_DIR / "macros" / "materializations.sql").read_text()
IN_PYTHON = "def model(dbt, session):\n    return session.sql('select {} as value')\n"
WITH_A_KEY = """
models:
  - name: model
    config: {contract: {enforced: true}}
    columns: [{name: value, data_type: integer, constraints: [{type: primary_key}]}]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "tiny"


def built(folder: Path, code: str, *, succeeds: bool = True, suffix: str = "sql", yml: str = "models: []") -> str:
    """Build a model from `code`, in `folder` where it may have been built before; return what it is."""
    folder.mkdir(exist_ok=True)
    for before in (folder / "models").glob("model.*"):
        before.unlink()
    files = {f"models/model.{suffix}": code, "models/model.yml": yml, "macros/materializations.sql": OURS}
    invocation = Project(folder, **files).build(["--select", "model"])
    assert invocation.succeeded == succeeds, (invocation.error, invocation.results)
    with duckdb.connect(str(folder / "tiny.duckdb")) as connection:
        [[_, kind]] = connection.execute("select table_name, table_type from information_schema.tables").fetchall()
    return {"BASE TABLE": "table", "VIEW": "view"}[kind]


def values(folder: Path) -> list[int]:
    with duckdb.connect(str(folder / "tiny.duckdb")) as connection:
        return [value for (value,) in connection.execute("select value from marts.model order by 1").fetchall()]


AS_VIEW = "{{ config(materialized='view') }} "


def test_a_table_becomes_a_view_and_a_table_again(folder: Path) -> None:
    assert built(folder, "select 1 as value") == "table"
    assert built(folder, AS_VIEW + "select 2 as value") == "view"
    assert values(folder) == [2]
    assert built(folder, AS_VIEW + "select 3 as value") == "view"
    assert built(folder, "select 4 as value") == "table"
    assert values(folder) == [4]


def test_a_model_may_read_what_it_has_been_so_far(folder: Path) -> None:
    built(folder, "select 1 as value")
    built(folder, "select value from {{ this }} union all select 2")
    assert values(folder) == [1, 2]


@pytest.mark.parametrize("code", ["select 1 / 0 as value from missing", "select error('no') as value"])
def test_a_model_that_fails_stays_what_it_was(folder: Path, code: str) -> None:
    built(folder, "select 1 as value")
    assert built(folder, code, succeeds=False) == "table"
    assert values(folder) == [1]


def test_a_hook_is_part_of_the_transaction(folder: Path) -> None:
    built(folder, "{{ config(post_hook='insert into {{ this }} values (2)') }} select 1 as value")
    assert values(folder) == [1, 2]
    failing = "insert into {{ this }} select error(value)"
    built(folder, f"{{{{ config(post_hook='{failing}') }}}} select 3 as value", succeeds=False)
    assert values(folder) == [1, 2]


def test_models_in_python_too(folder: Path) -> None:
    for value in (1, 2):
        assert built(folder, IN_PYTHON.format(value), suffix="py") == "table"
        assert values(folder) == [value]


def test_a_contract_is_enforced(folder: Path) -> None:
    yml = WITH_A_KEY.replace(", constraints: [{type: primary_key}]", "")
    assert built(folder, "select 1 as value", yml=yml) == "table"
    assert built(folder, "select 'x' as value", yml=yml, succeeds=False) == "table"
    assert values(folder) == [1]


def test_constraints_and_indexes_are_kept(folder: Path) -> None:
    indexed = "{{ config(indexes=[{'columns': ['value']}]) }} select {} as value"
    for value in (1, 2):
        built(folder, indexed.replace("{}", str(value)), yml=WITH_A_KEY)
        with duckdb.connect(str(folder / "tiny.duckdb")) as connection:
            assert connection.execute("select count(*) from duckdb_indexes()").fetchone() == (1,)
            with pytest.raises(duckdb.ConstraintException):
                connection.execute("insert into marts.model values (?)", [value])
        assert values(folder) == [value]
