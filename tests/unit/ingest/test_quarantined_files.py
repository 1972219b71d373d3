"""Moving a refused file to quarantine and back, whatever happens meanwhile; `tests/faults` kills it at each step."""

import errno
import shutil
from datetime import date
from pathlib import Path

import pytest

from pipelines.quarantine.files import QuarantinedFiles

DAY = date(2025, 1, 31)
LABEL = f"orders_{DAY}.csv"


@pytest.fixture
def quarantine(tmp_path: Path) -> QuarantinedFiles:
    (tmp_path / "landing").mkdir()
    (tmp_path / "landing" / LABEL).write_text("broken")
    return QuarantinedFiles(tmp_path / "quarantine", tmp_path / "landing")


def take(quarantine: QuarantinedFiles) -> None:
    quarantine.take(quarantine.landing_dir / LABEL, "no CSV", "shop", "orders", DAY)


def test_quarantine_may_be_on_another_disk(quarantine: QuarantinedFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = Path.replace

    def only_within_a_folder(path: Path, target: Path) -> Path:
        if path.parent != target.parent:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", only_within_a_folder)
    take(quarantine)
    [file] = quarantine.all()
    assert list(quarantine.landing_dir.iterdir()) == []
    quarantine.put_back(file)
    assert (quarantine.landing_dir / LABEL).read_text() == "broken"
    assert quarantine.all() == []


def test_a_file_that_an_older_version_left_without_a_record_is_recorded(quarantine: QuarantinedFiles) -> None:
    take(quarantine)
    [record] = quarantine.folder.rglob("reason.json")
    record.unlink()
    assert quarantine.all() == []
    quarantine.recover("shop", "orders", "orders_{delivered_on}.csv")
    [file] = quarantine.of_day("shop", "orders", DAY)
    assert (file.path, file.state) == (LABEL, "open")
    assert "killed before it recorded the reason" in file.reason


def test_a_record_without_its_file_means_nothing_and_goes(quarantine: QuarantinedFiles) -> None:
    take(quarantine)
    [file] = quarantine.folder.rglob("file")
    shutil.move(file, quarantine.landing_dir / LABEL)  # as if the process had died before the move
    assert quarantine.all() == []
    quarantine.recover("shop", "orders", "orders_{delivered_on}.csv")
    assert list(quarantine.folder.rglob("reason.json")) == []
