"""Installations with the demo company's deliveries."""

import hashlib
from pathlib import Path

import pytest

from tests.conftest import Installation


def deliver_demo(data_dir: Path, **environment: str) -> Installation:
    """An installation whose landing folder holds a small demo company, nothing run yet."""
    installation = Installation(data_dir, environment=environment)
    installation.python("-m", "demo_company", "--scale", "0.01", "--data-dir", str(data_dir))
    return installation


def published_hashes(installation: Installation) -> dict[str, str]:
    """The hash of every published mart's Parquet copy."""
    folder = installation.data_dir / "published" / "parquet"
    files = sorted(folder.glob("*/*.parquet"))
    assert files, f"nothing published in {folder}"
    return {file.stem: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The demo company after `kpi run`: 22 months in one delivery, then 60 daily ones, loaded in one run."""
    installation = deliver_demo(tmp_path_factory.mktemp("demo"))
    printed = installation.kpi("run").stdout
    assert "61 delivery days, 2025-11-10 to 2026-01-09 (first load, one run)" in printed
    return installation
