"""The note about the last run that published nothing."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines.blocked_runs import BlockedRun, blocked_run, note_blocked_run

RUN = BlockedRun(datetime(2026, 1, 10, 5, 30, tzinfo=UTC), 2)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    (tmp_path / "publications" / "one").mkdir(parents=True)
    (tmp_path / "published").symlink_to(Path("publications") / "one")
    return tmp_path / "published"


def test_a_blocked_run_is_known_until_one_is_not_blocked(published: Path) -> None:
    assert blocked_run(published) is None
    note_blocked_run(published, RUN)
    assert blocked_run(published) == RUN
    note_blocked_run(published, None)
    note_blocked_run(published, None)
    assert blocked_run(published) is None


def test_the_note_is_not_part_of_a_publication(published: Path) -> None:
    note_blocked_run(published, RUN)
    assert list(published.iterdir()) == []


def test_before_the_first_publication_nothing_is_noted(tmp_path: Path) -> None:
    note_blocked_run(tmp_path / "published", RUN)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{}", '{"at": "yesterday", "problems": 1}', "[]"])
def test_a_note_that_cannot_be_read_is_none(published: Path, text: str) -> None:
    note_blocked_run(published, RUN)
    (published.resolve().parent / "blocked.json").write_text(text)
    assert blocked_run(published) is None
