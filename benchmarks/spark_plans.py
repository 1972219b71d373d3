"""What Spark moves between machines for each model: `python -m benchmarks.spark_plans`, after a `kpi run` on Spark.

Belongs here: asking Spark how it would run the SQL of each model on this installation's tables, without running it. A
small table is sent to every machine (a broadcast), whatever its size will be later; so the plans are made without
broadcasts, as for tables that are all large.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from rich import print as show
from rich.table import Table

from pipelines.settings import Settings, get_settings
from pipelines.sources import enabled_sources
from pipelines.transform.engines import spark
from pipelines.transform.project import as_of_date, dbt_environment, ensure_manifest

EXCHANGE = re.compile(r"Exchange (hashpartitioning|rangepartitioning|SinglePartition)(?:\(([^)]*)\))?")


def plans(settings: Settings) -> Iterator[tuple[str, int, int, Counter[str]]]:
    """Each model that dbt has compiled, with the rows and bytes of its table, and by what its inputs are shuffled."""
    sources = enabled_sources(settings)
    manifest = ensure_manifest(settings, sources)
    environment = dbt_environment(settings, as_of_date(settings, sources))
    folder = settings.data_dir / "spark"
    stored = json.loads((folder / "tables.json").read_text(encoding="utf-8"))
    tables = {table.partition(".")[2]: (table, build) for table, (build, _) in stored.items()}
    with spark.opened("show", environment):
        from pyspark.sql import SparkSession

        session = SparkSession.active()
        session.conf.set("spark.sql.autoBroadcastJoinThreshold", "-1")
        session.conf.set("spark.sql.adaptive.enabled", "false")
        for file in sorted(manifest.parent.glob("transform_*/compiled/kpi/models/**/*.sql")):
            if file.stem in tables:
                table, build = tables[file.stem]
                size, rows = _size(folder / build)
                plan = session.sql(file.read_text(encoding="utf-8"))._jdf.queryExecution().executedPlan().toString()
                yield table, rows, size, Counter(_by(*found) for found in EXCHANGE.findall(plan))


def _by(kind: str, keys: str) -> str:
    if kind != "hashpartitioning":
        return "all rows to one machine" if kind == "SinglePartition" else "in order"
    return ", ".join(re.sub(r"#\d+L?", "", key).strip() for key in keys.split(",")[:-1])


def _size(folder: Path) -> tuple[int, int]:
    import duckdb

    files = list(folder.glob("*.parquet"))
    counted = duckdb.sql(f"select count(*) from read_parquet('{folder}/*.parquet')").fetchone()
    return sum(file.stat().st_size for file in files), int(counted[0]) if counted else 0


def main() -> None:
    """Print the models that shuffle, largest tables first."""
    table = Table("table", "rows", "bytes a row", "shuffles", "by")
    for name, rows, size, shuffles in sorted(plans(get_settings()), key=lambda row: -row[2]):
        by = "; ".join(f"{count} times {key}" if count > 1 else key for key, count in shuffles.most_common(4))
        table.add_row(name, f"{rows:,}", f"{size / max(rows, 1):.0f}", str(sum(shuffles.values())), by)
    show(table)


if __name__ == "__main__":
    main()
