"""Decision records: each has a date and a number, and is listed."""

import re
from datetime import date

from pipelines.settings import PROJECT_DIR

FOLDER = PROJECT_DIR / "docs" / "decisions"


def test_every_record_has_a_title_and_a_date_and_is_listed_under_both() -> None:
    listed = []
    for number, file in enumerate(sorted(FOLDER.glob("[0-9]*.md")), start=1):
        title, blank, day, another_blank, *text = file.read_text(encoding="utf-8").split("\n")
        assert re.fullmatch(rf"{number:04d}-[a-z0-9-]+\.md", file.name)
        assert title.startswith("# ")
        assert (blank, another_blank) == ("", "")
        assert date.fromisoformat(day)
        assert "".join(text).strip()
        listed.append(f"| {day} | [{title.removeprefix('# ')}]({file.name}) |")
    index = (FOLDER / "README.md").read_text(encoding="utf-8").splitlines()
    assert [line for line in index if line.startswith("| 2")] == listed
