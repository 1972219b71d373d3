"""What all commands have: help under two names, and the program's version."""

import errno
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.cli.common import FAILED, errors_in_words
from pipelines.settings import get_settings


def commands() -> Iterator[list[str]]:
    yield []
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        yield [name]
        yield from ([name, below] for below in getattr(command, "commands", {}))


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_h_is_help(command: list[str]) -> None:
    short, long = (CliRunner().invoke(app, [*command, name]) for name in ("-h", "--help"))
    assert short.exit_code == 0
    assert "Usage:" in short.output
    assert short.output == long.output


def test_the_version_is_that_of_the_package() -> None:
    said = CliRunner().invoke(app, ["--version"])
    assert (said.exit_code, said.output) == (0, f"kpi {version('sales-kpi-pipeline')}\n")


def test_a_full_disk_is_said_also_where_there_are_no_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KPI_CONFIG", str(tmp_path / "none.yml"))
    get_settings.cache_clear()
    with pytest.raises(typer.Exit) as ended, errors_in_words():
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "kpi.yml"))
    assert ended.value.exit_code == FAILED
    assert "is full" in capsys.readouterr().err
