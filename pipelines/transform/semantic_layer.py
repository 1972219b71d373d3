"""The semantic layer: MetricFlow's metrics, queried on the published file.

Belongs here: giving the `mf` command a folder in which it can run. MetricFlow reads the metrics that dbt parsed, and a
dbt profile. This profile opens the published file read-only, so a query neither waits for a run nor disturbs one.
Does not belong here: the metrics (`dbt_project/models/semantic/`), and the dbt project of a run (`project.py`).
"""

import os
import shutil
import sys
from pathlib import Path

import yaml

from pipelines.settings import Settings
from pipelines.sources import Source
from pipelines.transform.project import ensure_manifest
from pipelines.warehouse import NotPublishedError

MF = Path(sys.executable).with_name("mf")  # the one in this environment, even if it is not on the PATH


def assemble_semantic_layer(settings: Settings, sources: list[Source]) -> Path:
    """Assemble a folder in which `mf` queries the published file; return its path.

    Raises:
        NotPublishedError: nothing has been published yet.
        ConfigError: dbt cannot parse the models or metrics; the message is dbt's own.
    """
    published = settings.published_dir / "kpi.duckdb"
    if not published.exists():
        raise NotPublishedError(f"{published} does not exist: nothing has been published yet. Run `kpi run` first.")
    semantic_manifest = ensure_manifest(settings, sources).with_name("semantic_manifest.json")
    folder = settings.dbt_target_dir / "semantic_layer"
    (folder / "target").mkdir(parents=True, exist_ok=True)
    _write(folder / "dbt_project.yml", {"name": "kpi", "version": "1.0", "profile": "kpi"})
    _write(folder / "profiles.yml", _profile(published, settings.warehouse_path.stem))
    shutil.copyfile(semantic_manifest, folder / "target" / "semantic_manifest.json")
    return folder


def semantic_layer_environment(folder: Path) -> dict[str, str]:
    """This process's environment without the variables that would lead `mf` elsewhere."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DBT_")}
    return {**inherited, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DBT_PROFILES_DIR": str(folder)}


def _profile(published: Path, catalog: str) -> dict[str, object]:
    """dbt's models are in the catalog `warehouse`; the published file is attached under that name."""
    output = {
        "type": "duckdb",
        "path": ":memory:",
        "database": "memory",
        "schema": "main",
        "threads": 1,
        "settings": {"TimeZone": "UTC"},
        "attach": [{"path": str(published), "alias": catalog, "read_only": True}],
    }
    return {"kpi": {"target": "published", "outputs": {"published": output}}}


def _write(path: Path, content: dict[str, object]) -> None:
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
