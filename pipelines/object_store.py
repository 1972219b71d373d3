"""Sets of files in an object store, each of which is replaced as a whole or not at all.

Belongs here: the manifest of a set, replacing it, copying files to and from the store, deleting what nobody needs.
Does not belong here: which files a set has (`publish/copies.py`, `ingest/raw_copies.py`), and delivered files in a
store (`ingest/connectors/store.py`).

A store has no rename that could replace several files. So each file is uploaded once, as `<set>/<upload>/<path>`, and
one object, the manifest `<set>.json`, says which of these are the set. It is written last, and only if it still is the
manifest that was read before (`If-Match`; `If-None-Match: *` if there was none): of two hosts that replace a set at the
same time, the second is refused and looks again. What a manifest does not name any more stays for a day, for readers
who began before and for uploads in progress.
"""

import errno
import logging
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, TypeVar
from uuid import uuid4

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from pipelines.config_files import ConfigError
from pipelines.damage import ObjectStoreError
from pipelines.disk import sha256_of, sync
from pipelines.settings import Settings

KEPT_FOR = timedelta(days=1)  # what no manifest names any more; no upload and no reader takes longer
_AT_ONCE = 8  # files that are copied at the same time
_PART_BYTES, _PARTS_AT_ONCE = 8 << 20, 4  # of a large file, as it is sent or received
_TRIES = 5  # to replace a manifest that other hosts replace, too
_OF_A_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM}
_UPLOADED = re.compile(r"[a-z]+/\d{8}T\d{6}Z-[0-9a-f]{32}/")  # nothing else is ever deleted

Item = TypeVar("Item")

logger = logging.getLogger("pipelines.object_store")


def _inside(path: str) -> str:
    """A path that leads out of its folder must not be written."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path:
        raise ValueError(f"{path!r} leads out of its folder.")
    return path


PathInside = Annotated[str, AfterValidator(_inside)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StoredFile(_Record):
    """A file of a set.

    Attributes:
        object: its name in the store, relative to the folder of the setting `object_store`.
        modified: when it was written on the host that copied it, in nanoseconds, for sets to which that matters.
    """

    object: PathInside
    size: int
    sha256: str
    modified: int | None = None


class FileSet(_Record):
    """Files that belong together, by their path relative to the set's folder."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    files: dict[PathInside, StoredFile]


class Manifest(_Record):
    """What the store has of a set.

    Attributes:
        written: differs in each manifest, so that a host recognises its own.
        sets: the current files first, then those before, as far as they are kept.
        dropped: objects that no set names any more, and since when.
    """

    version: Literal[1] = 1
    written: str = ""
    sets: tuple[FileSet, ...] = ()
    dropped: dict[PathInside, AwareDatetime] = {}

    @property
    def current(self) -> FileSet | None:
        return self.sets[0] if self.sets else None

    @property
    def files(self) -> Iterator[StoredFile]:
        """The files of all sets."""
        return (file for one in self.sets for file in one.files.values())

    def followed_by(self, new: FileSet, now: datetime, keep: int) -> "Manifest":
        """The manifest of which `new` is the current set, with the `keep` newest sets."""
        sets = (new, *(one for one in self.sets if one.id != new.id))[:keep]
        named = {file.object for one in sets for file in one.files.values()}
        dropped = {name: since for name, since in self.dropped.items() if now - since < KEPT_FOR}
        dropped |= {file.object: now for file in self.files}
        return Manifest(
            written=uuid4().hex, sets=sets, dropped={name: at for name, at in dropped.items() if name not in named}
        )


@dataclass(frozen=True)
class LocalFile:
    """A file of this host, with what it was when it was read: another size, time or inode means another file."""

    path: Path
    size: int
    sha256: str
    modified: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> "LocalFile":
        status = path.stat()
        return cls(path, status.st_size, sha256_of(path), status.st_mtime_ns, status.st_ino)

    def is_copy_of(self, file: StoredFile) -> bool:
        """Whether the bytes are the same."""
        return (self.size, self.sha256) == (file.size, file.sha256)

    @property
    def has_changed(self) -> bool:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return True
        return (status.st_size, status.st_mtime_ns, status.st_ino) != (self.size, self.modified, self.inode)


@dataclass(frozen=True)
class Chosen:
    """What a set is to be: files of this host, and files that the store has already, by path."""

    id: str
    files: Mapping[str, LocalFile | StoredFile]


@dataclass(frozen=True)
class Replaced:
    """The manifest that the store has now, whether it was written just now, and what was uploaded for it."""

    manifest: Manifest
    is_new: bool
    files: int = 0
    size: int = 0


class ObjectStore:
    """The set of files called `name` at `address`, as in `s3://bucket/folder`."""

    def __init__(self, address: str, name: str) -> None:
        """Nothing is asked of the store yet.

        Raises:
            ConfigError: the package that it needs is not installed.
        """
        check_driver()
        import fsspec

        self.address, self.name = address, name
        self._files, root = fsspec.core.url_to_fs(address, use_listings_cache=False)
        self._root = root.rstrip("/")

    @classmethod
    def of(cls, settings: Settings, name: str) -> "ObjectStore":
        """The set of files called `name` in the object store of these settings.

        Raises:
            ConfigError: the settings name no store, or a package that it needs is not installed.
        """
        if settings.object_store is None:
            raise ConfigError(
                "The setting object_store is missing. Add it to kpi.yml: object_store: s3://bucket/folder"
            )
        return cls(settings.object_store, name)

    def read(self) -> Manifest:
        """What the store has; a manifest without sets if it has none.

        Raises:
            ObjectStoreError: the store cannot be read.
        """
        return self._read()[0]

    def replace(
        self, choose: Callable[[Manifest, Set[str]], Chosen | None], now: datetime, keep: int = 1, *, anew: bool = False
    ) -> Replaced:
        """Have the store's set become what `choose` says; None: it shall stay as it is.

        `choose` gets the manifest, and those of its objects that the store has lost, as a rule for expiry would do. The
        previous sets, `keep` in all, stay, too. Files of any of them are not uploaded again, unless `anew`. Then what
        no manifest has named for a day is deleted.

        Raises:
            ObjectStoreError: the store cannot be read or written. It has the set from before, or the new one.
        """
        began = time.monotonic()
        upload = f"{now:%Y%m%dT%H%M%SZ}-{uuid4().hex}"
        uploaded: dict[tuple[int, str], StoredFile] = {}
        for _ in range(_TRIES):
            found, etag = self._read()
            listed = self._listed()
            lost = {file.object for file in found.files if file.size != listed.get(file.object, (-1, None))[0]}
            chosen = choose(found, lost)
            if chosen is None:
                self._clean(found, listed, now)
                return Replaced(found, False)
            if not etag:
                self._check_conditions(upload)
            usable = () if anew else (file for file in found.files if file.object not in lost)
            there = {(file.size, file.sha256): file for file in usable} | uploaded
            self._upload(chosen, there, upload, uploaded)
            if time.monotonic() - began > KEPT_FOR.total_seconds() / 2:  # others may soon delete what came first
                raise ObjectStoreError(
                    f"{self.address}: copying took longer than half a day, so the store keeps what it had. Copy on a "
                    "faster connection: kpi push"
                )
            files = {path: _as_stored(file, there | uploaded) for path, file in chosen.files.items()}
            wanted = found.followed_by(FileSet(id=chosen.id, files=files), now, keep)
            if self._write(wanted, etag):
                self._clean(wanted, listed, now)
                return Replaced(wanted, True, len(uploaded), sum(size for size, _ in uploaded))
        raise ObjectStoreError(
            f"{self.address}/{self.name}.json: other hosts replace it again and again. Let only one of them run at a "
            "time, then copy: kpi push"
        )

    def fetch(self, files: Mapping[str, StoredFile], folder: Path) -> None:
        """Copy files of a set to `folder`, each at its path, with the time at which it was written if that is known.

        What is there is replaced. When this returns, the files are verified and on the disk.

        Raises:
            ObjectStoreError: the store cannot be read, or a file is not what the manifest says.
        """
        for path in files:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
        _each(lambda item: self._fetch(item[1], folder / item[0]), files.items())
        for parent in {(folder / path).parent for path in files}:
            sync(parent)

    def _fetch(self, file: StoredFile, target: Path) -> None:
        with self._reaching("read"):
            self._files.get_file(
                f"{self._root}/{file.object}", str(target), chunksize=_PART_BYTES, max_concurrency=_PARTS_AT_ONCE
            )
        if target.stat().st_size != file.size or sha256_of(target) != file.sha256:
            raise ObjectStoreError(
                f"{self.address}/{file.object} is not what {self.name}.json says: it was damaged in the store or on "
                "the way. Type the command again. If it says the same, copy from the host that has the files: "
                "kpi push --force"
            )
        if file.modified is not None:
            os.utime(target, ns=(file.modified, file.modified))
        sync(target)

    def _read(self) -> tuple[Manifest, str]:
        """The manifest, and the store's tag of this version of it; empty if there is none."""
        text, etag = b"", ""
        with self._reaching("read"):
            from s3fs.utils import FileExpired

            for trial in range(1, _TRIES + 1):
                try:
                    with self._files.open(self._manifest, "rb") as opened:
                        text, etag = opened.read(), opened.details["ETag"]
                    break
                except FileNotFoundError:
                    return Manifest(), ""
                except FileExpired:  # it was replaced while it was read
                    if trial == _TRIES:
                        raise
        try:
            return Manifest.model_validate_json(text), etag
        except ValidationError as error:
            raise ObjectStoreError(
                f"{self.address}/{self.name}.json is no manifest of this version of the pipeline "
                f"({error.errors()[0]['msg']}). Use another folder as object_store, or move the object away."
            ) from None

    def _write(self, manifest: Manifest, etag: str) -> bool:
        """Write the manifest unless another host has replaced the one with this tag; return whether it is there now.

        If the answer is an error or does not come, the store may have written the manifest all the same. So it is read.
        """
        condition = {"IfMatch": etag} if etag else {"mode": "create"}
        try:
            self._files.pipe_file(self._manifest, manifest.model_dump_json(exclude_none=True).encode(), **condition)
        except Exception as error:  # each library has its own
            found, etag_found = self._read()
            if found.written == manifest.written:
                return True
            if etag_found == etag and _code(error) != "ConditionalRequestConflict":  # which asks to try again
                raise self._failed("written", error) from None
            return False
        return True

    def _check_conditions(self, upload: str) -> None:
        """Make sure that the store writes on a condition, before anything depends on that.

        Raises:
            ObjectStoreError: it does not, or it cannot be written.
        """
        trial = f"{self._root}/{self.name}/{upload}/trial"
        with self._reaching("written"):
            self._files.pipe_file(trial, b"Whether this store writes on a condition.")
        for condition in ({"mode": "create"}, {"IfMatch": '"another"'}):
            try:
                self._files.pipe_file(trial, b"It does not.", **condition)
            except Exception as error:  # each library has its own; all but the refusal that is wanted is raised
                if _code(error) == "PreconditionFailed":
                    continue
                raise self._failed("written", error) from None
            raise ObjectStoreError(
                f"{self.address}: this store writes in spite of a condition ({', '.join(condition)}), so two hosts "
                "could overwrite each other. Use one that supports conditional writes, as S3 does."
            )
        with self._reaching("written"):
            self._files.rm_file(trial)

    def _upload(
        self,
        chosen: Chosen,
        there: Mapping[tuple[int, str], StoredFile],
        upload: str,
        uploaded: dict[tuple[int, str], StoredFile],
    ) -> None:
        """Upload the files of this host that are neither in the store nor `uploaded`, to which they are added."""
        missing = {
            (file.size, file.sha256): (path, file)
            for path, file in chosen.files.items()
            if isinstance(file, LocalFile) and (file.size, file.sha256) not in there
        }

        def copy(item: tuple[str, LocalFile]) -> StoredFile:
            path, file = item
            name = f"{self.name}/{upload}/{path}"
            try:
                with self._reaching("written"):
                    self._files.put_file(
                        str(file.path), f"{self._root}/{name}", chunksize=_PART_BYTES, max_concurrency=_PARTS_AT_ONCE
                    )
            except FileNotFoundError:
                if not file.has_changed:
                    raise
            if file.has_changed:
                raise ObjectStoreError(f"{file.path} changed while it was copied. Copy again: kpi push")
            return StoredFile(object=name, size=file.size, sha256=file.sha256)

        for stored in _each(copy, missing.values()):
            uploaded[stored.size, stored.sha256] = stored

    def _listed(self) -> dict[str, tuple[int, datetime]]:
        """The objects of the set, whether a manifest names them or not, with size and time."""
        with self._reaching("read"):
            found = self._files.find(f"{self._root}/{self.name}/", detail=True)
        return {
            name.removeprefix(f"{self._root}/"): (about["size"], about["LastModified"]) for name, about in found.items()
        }

    def _clean(self, manifest: Manifest, listed: Mapping[str, tuple[int, datetime]], now: datetime) -> None:
        """Delete what was uploaded a day ago or earlier, and is not named. What fails is tried again the next time."""
        named = {file.object for file in manifest.files} | manifest.dropped.keys()
        try:
            for name, (_, uploaded_at) in listed.items():
                if name not in named and now - uploaded_at >= KEPT_FOR and _UPLOADED.match(name):
                    self._files.rm_file(f"{self._root}/{name}")
        except Exception as error:  # the set has been replaced
            logger.warning("%s: old objects were not deleted: %s", self.address, _in_words(error))

    @property
    def _manifest(self) -> str:
        return f"{self._root}/{self.name}.json"

    @contextmanager
    def _reaching(self, what: str) -> Iterator[None]:
        """Say that the store cannot be read or written, whatever its error is, but not if the disk here is why."""
        try:
            yield
        except Exception as error:  # each library has its own; their texts may contain addresses with keys
            if _is_of_this_host(error):
                raise
            raise self._failed(what, error) from None

    def _failed(self, what: str, error: Exception) -> ObjectStoreError:
        return ObjectStoreError(
            f"{self.address}: {self.name} cannot be {what}: {_in_words(error)}. Check that the bucket exists, that the "
            "credentials in the environment are right and that the store responds. Then type the command again."
        )


def check_driver() -> None:
    """Make sure that the package with which a store is reached is installed.

    Raises:
        ConfigError: it is not.
    """
    if find_spec("s3fs") is None:
        raise ConfigError("object_store needs a package that is not installed. Install it: pip install '.[s3]'")


def _as_stored(file: LocalFile | StoredFile, there: Mapping[tuple[int, str], StoredFile]) -> StoredFile:
    if isinstance(file, StoredFile):
        return file
    return there[file.size, file.sha256].model_copy(update={"modified": file.modified})


def _each(do: Callable[[Item], Any], items: Iterable[Item]) -> list[Any]:
    """The results for all items, some at the same time. After an error, no other item is begun."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        futures = [pool.submit(do, item) for item in items]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _is_of_this_host(error: Exception) -> bool:
    """Whether a file or the disk here is why copying failed. Errors of the store have S3's own as their cause."""
    if not isinstance(error, OSError) or error.__cause__:
        return False
    return error.errno in _OF_A_DISK or (isinstance(error.filename, str) and Path(error.filename).is_absolute())


def _code(error: Exception) -> str:
    """What S3 calls an error; empty if it is none of S3's."""
    response = getattr(error.__cause__ or error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def _in_words(error: Exception) -> str:
    code = _code(error)
    return f"{type(error).__name__} ({code})" if code else type(error).__name__
