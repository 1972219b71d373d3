"""Hostile names in the landing folder, things in it that are no files, and files that change while they are read."""

import os
import socket
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from pipelines.disk import sha256_of
from pipelines.ingest import landing as landing_module
from pipelines.ingest.gate import DeliveryError, escaped
from pipelines.ingest.landing import Landed, has_landed, land
from pipelines.ingest.late_files import listings, unclaimed_files
from pipelines.ingest.readers import read_delivery
from pipelines.quarantine.files import QuarantinedFile, QuarantinedFiles
from pipelines.settings import PROJECT_DIR, load_settings
from pipelines.sources import Source, Table
from pipelines.warehouse import sandboxed

DAY = date(2025, 1, 31)
CONTENT = b"id,amount\n1,2\n"


class Box:
    """A landing folder of which a day may have several files."""

    def __init__(self, data: Path) -> None:
        self.landing, self.raw = data / "landing", data / "raw"
        (self.landing / "box").mkdir(parents=True)
        self.quarantine = QuarantinedFiles(data / "quarantine", self.landing)
        self.table = Table.model_validate(
            {
                "description": "Hostile.",
                "path": "box/orders_{delivered_on}*",
                "format": "csv",
                "columns": ["id", "amount"],
                "key": ["id"],
            }
        )

    def deliver(self, name: str | bytes, content: bytes = CONTENT) -> Path:
        path = Path(os.fsdecode(os.fsencode(self.landing) + b"/box/" + os.fsencode(name)))
        path.write_bytes(content)
        return path

    def land(self) -> Landed:
        with sandboxed(self.landing, self.raw) as database:
            return land("box", "orders", self.table, DAY, self.landing, self.raw, database, self.quarantine)

    def has_landed(self) -> bool:
        with sandboxed(self.landing, self.raw) as database:
            return has_landed("box", "orders", self.table, DAY, self.landing, self.raw, database)

    def quarantined(self) -> list[QuarantinedFile]:
        return self.quarantine.of_day("box", "orders", DAY)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        pytest.param(b"\xff\xfe.csv", r"\xff\xfe.csv", id="bytes that are not UTF-8"),
        pytest.param("\x1b[2J\x1b]0;x\x07.csv", r"\x1b[2J\x1b]0;x\x07.csv", id="escape codes of a terminal"),
        pytest.param("\n[ERROR] all is lost.csv", r"\n[ERROR] all is lost.csv", id="a line of its own"),
        pytest.param("\r.csv", r"\r.csv", id="back to the beginning of the line"),
        pytest.param("\u202evsc.exe", r"\u202evsc.exe", id="written from right to left"),
        pytest.param("\u2066\u2069.csv", r"\u2066\u2069.csv", id="isolated directions"),
        pytest.param("\u200f.csv", r"\u200f.csv", id="mark of a direction"),
        pytest.param("\u2028.csv", r"\u2028.csv", id="separator of lines"),
        pytest.param("\x85.csv", r"\x85.csv", id="control character beyond ASCII"),
    ],
)
def test_a_name_that_misleads_is_quarantined_escaped_and_the_days_other_files_land(
    box: Box, name: str | bytes, shown: str
) -> None:
    box.deliver("_good.csv".replace("_good", f"orders_{DAY}_good"))
    misleading = box.deliver(f"orders_{DAY}_".encode() + os.fsencode(name))
    landed = box.land()
    assert landed.files == [f"box/orders_{DAY}_good.csv"]
    [reason] = landed.refused
    assert reason.startswith(f"box/orders_{DAY}_{shown}: the file's name contains control or direction characters")
    assert reason.isprintable()
    [kept] = box.quarantined()
    assert (kept.path, kept.reason) == (f"box/orders_{DAY}_{shown}", reason)
    assert not os.path.lexists(misleading)
    box.quarantine.put_back(kept)  # as `kpi quarantine retry` does: under a name that shows what it is
    assert box.land().files == sorted([f"box/orders_{DAY}_good.csv", f"box/orders_{DAY}_{shown}"])
    assert box.quarantined() == []


@pytest.mark.parametrize(
    "name",
    [
        "żółć 漢字 🎉",
        "Report 1.05\u202fPM",
        "b[1]*?",
        "'; drop table x; --",
        "{{ x }}",
        "$(id)",
        "%n%s",
        "-rf",
        "\\",
        "a\u200db",
    ],
)
def test_a_strange_name_is_just_a_name(box: Box, name: str) -> None:
    box.deliver(f"orders_{DAY}{name}.csv")
    assert box.land().files == [f"box/orders_{DAY}{name}.csv"]
    assert box.has_landed()


def test_a_name_as_long_as_the_file_system_allows_lands_and_is_quarantined(box: Box) -> None:
    name = f"orders_{DAY}".ljust(255, "x")
    box.deliver(name)
    assert box.land().rows == 1
    box.deliver(name, b"id\n1\n")
    with pytest.raises(DeliveryError, match="'amount' is missing"):
        box.land()
    assert [kept.path for kept in box.quarantined()] == [f"box/{name}"]


def test_names_that_differ_only_in_case_are_two_files(box: Box) -> None:
    box.deliver(f"orders_{DAY}a.csv")
    box.deliver(f"orders_{DAY}A.csv", b"id,amount\n3,4\n")
    assert box.land().rows == 2


def _link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def _link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def _link_to_zeros(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        here = os.open(path.parent, os.O_RDONLY)  # addresses are short, and folders of tests are long
        listening.bind(f"/proc/self/fd/{here}/{path.name}")
        os.close(here)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_link, "is a link"),
        (_link_to_itself, "is a link"),
        (_link_to_zeros, "is a link"),
        (os.mkfifo, "is not a file"),
        (Path.mkdir, "is not a file"),
        pytest.param(
            _socket,
            "is not a file",
            marks=pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux names open folders"),
        ),
    ],
)
def test_what_is_no_file_is_neither_opened_nor_waited_for(box: Box, make: Callable[[Path], None], reason: str) -> None:
    make(box.landing / "box" / f"orders_{DAY}.csv")
    assert not box.has_landed()  # which the sensor of late files asks, and a pipe would never answer
    with pytest.raises(DeliveryError, match=reason):
        box.land()
    assert [kept.path for kept in box.quarantined()] == [f"box/orders_{DAY}.csv"]
    assert list((box.landing / "box").iterdir()) == []


def test_a_second_name_of_a_file_elsewhere_is_a_file(box: Box, tmp_path: Path) -> None:
    """Whoever can make one can copy the file, too, so nothing would be gained by refusing it."""
    (tmp_path / "elsewhere").write_bytes(CONTENT)
    (box.landing / "box" / f"orders_{DAY}.csv").hardlink_to(tmp_path / "elsewhere")
    assert box.land().rows == 1


def test_what_lists_the_landing_folder_survives_every_name(box: Box, tmp_path: Path) -> None:
    box.deliver(f"orders_{DAY}_".encode() + b"\xff.csv")
    box.deliver(b"other\x1b\xff\xe2\x80\xae.csv")
    source = Source.model_construct(name="box", connector="files", store=None, tables={"orders": box.table})
    here = load_settings(PROJECT_DIR / "kpi.yml").model_copy(update={"data_dir": tmp_path, "first_delivery": DAY})
    assert list(listings(here, [source], DAY, DAY.replace(month=2, day=1))) == [str(DAY)]
    assert [str(path) for path in unclaimed_files(here, [source])] == [r"box/other\x1b\xff\u202e.csv"]


def test_only_characters_that_mislead_are_escaped() -> None:
    assert escaped("żółć\u00a0a\u200db\\") == "żółć\u00a0a\u200db\\"


# --- Files that change ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"id,amount\n1,2\n3,4\n", b"id,amount\n1,3\n", b"id,amount\n1,2\n3", b"", b"id\n"])
def test_a_file_that_changes_while_it_is_read_lands_with_the_next_run(
    box: Box, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It grows, changes in place, is cut in a row, is emptied, or has another header."""
    file = box.deliver(f"orders_{DAY}.csv")
    box.deliver(f"orders_{DAY}_other.csv", b"id,amount\n7,8\n")

    def hash_then_change(path: Path) -> str:
        sha256 = sha256_of(path)
        if path == file:
            monkeypatch.setattr(landing_module, "sha256_of", sha256_of)
            file.write_bytes(content)
        return sha256

    monkeypatch.setattr(landing_module, "sha256_of", hash_then_change)
    landed = box.land()
    assert landed.files == [f"box/orders_{DAY}_other.csv"]
    assert landed.refused == [f"box/orders_{DAY}.csv: is still being written. It lands with the next run of its day."]
    assert box.quarantined() == []
    assert not box.has_landed()
    file.write_bytes(CONTENT)
    assert box.land().rows == 2
    assert box.has_landed()


def test_a_file_that_is_only_touched_lands(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    file = box.deliver(f"orders_{DAY}.csv")

    def touch_then_read(*arguments: object) -> object:
        file.touch()
        return read_delivery(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(landing_module, "read_delivery", touch_then_read)
    assert box.land().rows == 1
