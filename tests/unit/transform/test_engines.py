"""What `engine: spark` asks of the machine is said before anything runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.config_files import ConfigError
from pipelines.settings import Settings, load_settings
from pipelines.transform.engines import engine, spark


@pytest.fixture
def settings() -> Settings:
    return load_settings().model_copy(update={"engine": "spark"})


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """The packages are installed, and the PATH is an empty folder."""
    monkeypatch.setattr(spark, "find_spec", lambda _: object())
    monkeypatch.setenv("PATH", str(tmp_path))
    spark._problem_of_java.cache_clear()
    yield tmp_path
    spark._problem_of_java.cache_clear()


def java_that_says(folder: Path, text: str) -> None:
    java = folder / "java"
    java.write_text(f"#!/bin/sh\necho '{text}' >&2\n", encoding="utf-8")
    java.chmod(0o755)


def test_missing_packages_are_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spark, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"pip install '\.\[spark\]'"):
        engine("spark").environment(settings)


def test_missing_java_is_named(settings: Settings, installed: Path) -> None:
    with pytest.raises(ConfigError, match=r"needs Java 17 or newer\. No `java` is on the PATH\. Install it"):
        engine("spark").environment(settings)


def test_an_old_java_is_named(settings: Settings, installed: Path) -> None:
    java_that_says(installed, 'openjdk version "11.0.2" 2019-01-15')
    with pytest.raises(ConfigError, match=r'needs Java 17 .* says: openjdk version "11\.0\.2"'):
        engine("spark").environment(settings)


def test_a_new_java_will_do(settings: Settings, installed: Path) -> None:
    java_that_says(installed, 'openjdk version "21" 2023-09-19')
    environment = engine("spark").environment(settings)
    assert environment["KPI_SPARK_TABLES"] == str(settings.data_dir / "spark")
    assert '"master":"local[*]"' in environment["KPI_SPARK"]


def test_duckdb_needs_nothing() -> None:
    assert engine("duckdb").environment(load_settings()) == {}
