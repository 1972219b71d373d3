"""Files in an object store: the day's files are copied to the landing folder, and only changed files are written."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import fsspec
import pytest

from pipelines.config_files import ConfigError
from pipelines.ingest.connectors import UnreachableError, fetch
from pipelines.settings import Settings
from pipelines.sources import Source

DAY = date(2025, 1, 31)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(sources=["shop"], first_delivery=DAY, time_zone="UTC", reporting_currency="EUR", data_dir=tmp_path)


@pytest.fixture
def bucket() -> Iterator[Any]:
    store = fsspec.filesystem("memory")
    store.store.clear()
    yield store
    store.store.clear()


def source_in(store: str) -> Source:
    return Source.model_validate(
        {
            "name": "shop", "description": "S", "connector": "files", "owner": "team:x", "sla": "06:00", "store": store,
            "entities": ["orders"],
            "tables": {
                "orders": {
                    "description": "T", "format": "csv", "columns": ["id"], "key": ["id"],
                    "path": "shop/orders_{delivered_on}*.csv",
                }
            },
        }
    )  # fmt: skip


def copy(source: Source, settings: Settings) -> list[str]:
    fetch(source, "orders", source.tables["orders"], DAY, settings)
    return [file.relative_to(settings.landing_dir).as_posix() for file in sorted(settings.landing_dir.rglob("*.csv"))]


def test_the_days_files_are_copied_and_no_others(settings: Settings, bucket: Any) -> None:
    for name in (f"orders_{DAY}_a.csv", f"orders_{DAY}_b.csv", "orders_2025-02-01.csv", f"refunds_{DAY}.csv"):
        bucket.pipe_file(f"/company/deliveries/shop/{name}", b"id\n1\n")
    source = source_in("memory://company/deliveries")
    assert copy(source, settings) == [f"shop/orders_{DAY}_a.csv", f"shop/orders_{DAY}_b.csv"]
    first, second = (settings.landing_dir / "shop" / f"orders_{DAY}_{part}.csv" for part in "ab")
    before = first.stat().st_mtime_ns, first.stat().st_ino
    bucket.pipe_file(f"/company/deliveries/shop/orders_{DAY}_b.csv", b"id\n2\n")
    copy(source, settings)
    assert (first.stat().st_mtime_ns, first.stat().st_ino) == before  # it was not copied again
    assert second.read_text() == "id\n2\n"
    assert sorted(path.name for path in first.parent.iterdir()) == [first.name, second.name]


def test_a_folder_of_another_machine_is_a_store_too(settings: Settings, tmp_path: Path) -> None:
    share = tmp_path / "a share"
    (share / "shop").mkdir(parents=True)
    (share / "shop" / f"orders_{DAY}.csv").write_text("id\n7\n")
    assert copy(source_in(f"file://{share}"), settings) == [f"shop/orders_{DAY}.csv"]


def test_nothing_there_is_an_empty_day(settings: Settings, bucket: Any) -> None:
    assert copy(source_in("memory://company"), settings) == []


@pytest.mark.parametrize("step", ["glob", "isfile", "open"])
def test_a_store_that_cannot_be_read_is_named_without_its_address(settings: Settings, bucket: Any, step: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise PermissionError("https://key:secret@store.example")

    bucket.pipe_file(f"/company/shop/orders_{DAY}.csv", b"id\n1\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(bucket), step, fail)
        with pytest.raises(
            UnreachableError, match=r"source shop \(memory://…\) cannot be read: PermissionError"
        ) as caught:
            copy(source_in("memory://company"), settings)
    assert "secret" not in str(caught.value)
    assert list(settings.landing_dir.rglob("*.*")) == []


def test_a_store_whose_driver_is_missing_or_unknown_says_what_to_install(settings: Settings) -> None:
    with pytest.raises(ConfigError, match=r"`store`: .*Install the package that this kind of store needs"):
        copy(source_in("nowhere://bucket"), settings)


def test_a_password_in_the_address_is_refused() -> None:
    with pytest.raises(ValueError, match="store"):
        source_in("sftp://user:secret@host/folder")
