"""What a killed process leaves is deleted by the next one, and what a living one is writing is not."""

import os
import signal
from pathlib import Path

from pipelines.leftovers import abandoned, sweep, temporary_file, temporary_folder
from tests.forked import PROCESSES


def leave_all(folder: Path) -> None:
    with temporary_file(".file-", folder), temporary_folder(".folder-", folder) as made:
        (made / "something").touch()
        os.kill(os.getpid(), signal.SIGKILL)


def test_what_a_killed_process_left(tmp_path: Path) -> None:
    process = PROCESSES.Process(target=leave_all, args=(tmp_path,))
    process.start()
    process.join()
    file, folder = sorted(tmp_path.iterdir())
    assert abandoned([file, folder]) == [file, folder]
    with temporary_folder(".folder-", tmp_path):
        assert not folder.exists()
    sweep(tmp_path.iterdir())
    assert list(tmp_path.iterdir()) == []


def test_what_is_still_in_use(tmp_path: Path) -> None:
    with (
        temporary_file(".file-", tmp_path) as file,
        temporary_folder(".folder-", tmp_path) as folder,
        temporary_folder(".folder-", tmp_path) as another,
    ):
        assert abandoned(tmp_path.iterdir()) == []
        sweep(tmp_path.iterdir())
        assert sorted(tmp_path.iterdir()) == sorted([file, folder, another])
        moved = file.rename(tmp_path / "complete")
    assert list(tmp_path.iterdir()) == [moved]


def test_a_link_is_never_followed(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    link = tmp_path / ".folder-x"
    link.symlink_to(tmp_path / "theirs", target_is_directory=True)
    sweep([link])
    assert (tmp_path / "theirs").exists()
