"""Copies the files for a delivery day from an object store to the landing folder: S3, GCS, Azure, or any that fsspec
supports.

The store has the layout of the landing folder: a table's `path` is relative to the store's root. Credentials are those
that the store's own tools take from the environment.
"""

from datetime import date
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from pipelines.config_files import ConfigError
from pipelines.ingest.connectors.delivery import UNFINISHED, UnreachableError
from pipelines.ingest.gate import DeliveryError, sha256_of
from pipelines.leftovers import temporary_file
from pipelines.sources import Source, Table


def copy_deliveries(source: Source, table: Table, delivered_on: date, landing_dir: Path) -> list[Path]:
    """Copy a table's files of the day; return those in the landing folder, new or not. Equal files are not replaced.

    Raises:
        UnreachableError: the store cannot be reached, or denies access.
        DeliveryError: a file's name points outside the landing folder.
        ConfigError: the package that fsspec needs for this store is not installed.
    """
    assert source.store is not None
    pattern = table.path.format(delivered_on=delivered_on)
    try:
        store, root = _opened(source)
        found = sorted(store.glob(f"{root.rstrip('/')}/{pattern}"))
        return [_copied(store, name, root, landing_dir) for name in found if store.isfile(name)]
    except (ConfigError, DeliveryError):
        raise
    except Exception as error:  # each kind of store has its own errors; their texts may contain addresses with keys
        raise UnreachableError(
            f"{pattern}: the store of source {source.name} ({urlsplit(source.store).scheme}://…) cannot be read: "
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


def _copied(store: Any, name: str, root: str, landing_dir: Path) -> Path:
    label = PurePosixPath(name).relative_to(PurePosixPath(root))
    target = landing_dir / label
    if ".." in label.parts or not target.resolve().is_relative_to(landing_dir.resolve()):
        raise DeliveryError(f"{label}: the name leads out of the landing folder. Have it delivered under another name.")
    target.parent.mkdir(parents=True, exist_ok=True)
    with temporary_file(UNFINISHED, target.parent) as aside:
        store.get_file(name, str(aside))
        if not target.exists() or sha256_of(target) != sha256_of(aside):
            aside.chmod(0o644)
            aside.replace(target)
    return target
