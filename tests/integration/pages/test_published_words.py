"""What the demo company publishes in words is listed for translation."""

import pytest

from pipelines.pages import published_words
from tests.conftest import PROJECT_DIR, Installation


@pytest.mark.parametrize(
    ("query", "listed"),
    [
        ("select distinct name from marts.kpi_tree", published_words.NODES),
        ("select distinct row_is from marts.kpi_parts where row_is is not null", published_words.KINDS_OF_ROWS),
        ("select distinct reason from meta.left_out_rows", published_words.REASONS),
        ("select distinct cause from meta.restatement_causes", published_words.CAUSES),
    ],
)
def test_published_words_are_listed(untouched_demo: Installation, query: str, listed: tuple[str, ...]) -> None:
    with untouched_demo.published() as connection:
        assert {word for (word,) in connection.execute(query).fetchall()} <= set(listed)


def test_listed_reasons_are_those_of_the_models() -> None:
    sql = (PROJECT_DIR / "dbt_project" / "macros" / "left_out.sql").read_text(encoding="utf-8")
    others = [reason for reason in published_words.REASONS if f"'{reason}'" not in sql]
    assert others == ["in quarantine, since it cannot be read"]
