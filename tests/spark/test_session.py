"""A session with Spark, by itself."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.spark

SCHEMA = """
import sys
from pathlib import Path
from pipelines.settings import Spark
from pipelines.transform.engines.spark import _session
session = _session(Spark(master="local[1]").model_dump_json(), Path(sys.argv[1]) / "driver.log")
session.sql("create schema staging")
session.sql("create schema marts")
session.sql("drop schema marts cascade")
"""


def test_spark_makes_its_folders_among_the_data_and_none_where_it_is_started(tmp_path: Path) -> None:
    here, data = tmp_path / "here", tmp_path / "data"
    here.mkdir()
    subprocess.run([sys.executable, "-c", SCHEMA, str(data)], cwd=here, check=True)
    assert list(here.iterdir()) == []
    assert [folder.name for folder in (data / "schemas").iterdir()] == ["staging.db"]
