"""Copies the files for a delivery day from an object store to the landing folder: S3, GCS, Azure, or any that fsspec
supports.

The store has the layout of the landing folder: a table's `path` is relative to the store's root. Credentials are those
that the store's own tools take from the environment.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from pipelines.config_files import ConfigError
from pipelines.disk import sha256_of
from pipelines.ingest.connectors.delivery import UNFINISHED, UnreachableError
from pipelines.ingest.gate import DeliveryError
from pipelines.leftovers import temporary_file
from pipelines.sources import Source, Table

_PART_BYTES = 1 << 20


def copy_deliveries(source: Source, table: Table, delivered_on: date, landing_dir: Path) -> list[Path]:
    """Copy a table's files of the day; return those in the landing folder, new or not. Equal files are not replaced.

    Raises:
        UnreachableError: the store cannot be reached, or denies access.
        DeliveryError: a file's name points outside the landing folder.
        ConfigError: the package that fsspec needs for this store is not installed.
    """
    pattern = table.path.format(delivered_on=delivered_on)
    with _reading(source, pattern):
        store, root = _opened(source)
        found = [name for name in sorted(store.glob(f"{root.rstrip('/')}/{pattern}")) if store.isfile(name)]
    return [_copied(store, name, root, landing_dir, partial(_reading, source, pattern)) for name in found]


@contextmanager
def _reading(source: Source, pattern: str) -> Iterator[None]:
    """Say that the store cannot be read, whatever its error is. Nothing may be written in the block: then the disk may
    be the reason, which has other words."""
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:  # each kind of store has its own errors; their texts may contain addresses with keys
        raise UnreachableError(
            f"{pattern}: the store of source {source.name} ({urlsplit(source.store or '').scheme}://…) cannot be read: "
            f"{type(error).__name__}. Check that it exists and that the credentials in the environment are correct, "
            "then run the day again."
        ) from None


def _opened(source: Source) -> tuple[Any, str]:
    import fsspec

    try:
        store, root = fsspec.core.url_to_fs(source.store)
    except (ImportError, ValueError) as error:
        raise ConfigError(
            f"source {source.name}: `store`: {error}. Install the package that this kind of store needs, "
            "for example s3fs, gcsfs or adlfs, or correct the address."
        ) from None
    return store, root


def _copied(
    store: Any, name: str, root: str, landing_dir: Path, reading: Callable[[], AbstractContextManager[None]]
) -> Path:
    label = PurePosixPath(name).relative_to(PurePosixPath(root))
    target = landing_dir / label
    if ".." in label.parts or not target.resolve().is_relative_to(landing_dir.resolve()):
        raise DeliveryError(f"{label}: the name leads out of the landing folder. Have it delivered under another name.")
    target.parent.mkdir(parents=True, exist_ok=True)
    with temporary_file(UNFINISHED, target.parent) as aside:
        with aside.open("wb") as file:
            for part in _parts(store, name, reading):
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        if not target.exists() or sha256_of(target) != sha256_of(aside):
            aside.chmod(0o644)
            aside.replace(target)
    return target


def _parts(store: Any, name: str, reading: Callable[[], AbstractContextManager[None]]) -> Iterator[bytes]:
    """The content of a file in the store."""
    with reading():
        opened = store.open(name, "rb")
    try:
        while True:
            with reading():
                part = opened.read(_PART_BYTES)
            if not part:
                return
            yield part
    finally:
        opened.close()
