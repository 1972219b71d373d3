"""Connections print no progress bar into a log, not even in a process that DuckDB considers interactive."""

import subprocess
import sys
from pathlib import Path

ASK = """
import sys
from pathlib import Path
import duckdb
from pipelines.checks.gx.relations import DuckDBTable, opened
from pipelines.warehouse import in_memory, reader
path = Path(sys.argv[1])
duckdb.connect(str(path)).execute("create schema s; create table s.t as select 1 as a").close()
question = "select current_setting('enable_progress_bar')"
print(duckdb.connect().execute(question).fetchall())
with in_memory() as memory, reader(path) as file:
    print(memory.execute(question).fetchall(), file.execute(question).fetchall())
with opened(DuckDBTable(path, "s", "t")) as batch, batch.engine.connect() as connection:
    print(connection.exec_driver_sql(question).fetchall())
"""


def test_no_connection_of_ours_draws_a_progress_bar(tmp_path: Path) -> None:
    asked = subprocess.run(
        [sys.executable, "-c", ASK, str(tmp_path / "a.duckdb")], capture_output=True, text=True, check=True
    )
    duckdbs_own, *ours = asked.stdout.splitlines()
    assert duckdbs_own == "[(True,)]"  # otherwise this test proves nothing
    assert ours == ["[(False,)] [(False,)]", "[(False,)]"]
