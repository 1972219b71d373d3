"""Makes all installations of the tests share the lineage of models: reading it takes a tenth of a first run."""

import json
from pathlib import Path

from pipelines.disk import write_whole
from pipelines.transform import column_lineage

_read = column_lineage.column_lineage


def share(folder: Path) -> None:
    """Read the lineage of the same SQL and tables once, and then from `folder`."""

    def read_or_recall(sql: str, columns: column_lineage.Columns) -> column_lineage.Lineage:
        file = folder / column_lineage.digest(sql, columns)
        if not file.exists():
            write_whole(file, json.dumps(_read(sql, columns)))
        lineage: column_lineage.Lineage = json.loads(file.read_text(encoding="utf-8"))
        return lineage

    column_lineage.column_lineage = read_or_recall
