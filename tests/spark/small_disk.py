"""A disk that has little room left."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PAGE = 4096  # bytes; a file takes a whole number of pages
ROOM = 2_000_000_000  # bytes, of which the disk takes what it needs


@contextmanager
def on_a_small_disk(folder: Path, free: int) -> Iterator[Callable[[], None]]:
    """Have a folder on a disk of its own with so many bytes free. The function that is yielded makes room.

    The disk is in memory, and only root can mount it. At the end, the folder is where it was, with what is in it now.
    """
    moved = folder.with_name(f"{folder.name}_moved")
    folder.rename(moved)
    folder.mkdir()
    used = sum(-(-file.stat().st_size // PAGE) + 1 for file in moved.rglob("*")) * PAGE

    def resize(size: int, *options: str) -> None:
        mount = ["mount", "-t", "tmpfs", "-o", ",".join([*options, f"size={size}"]), "tmpfs", str(folder)]
        subprocess.run(mount, check=True)

    resize(used + free)
    try:
        shutil.copytree(moved, folder, dirs_exist_ok=True)
        try:
            yield lambda: resize(ROOM, "remount")
        finally:  # also of a test that fails: somebody may look at what is there, or go on from it
            shutil.rmtree(moved)
            shutil.copytree(folder, moved)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()
        moved.rename(folder)
