"""`kpi sources add`: what it asks at a terminal."""

import pytest
import typer

from pipelines.cli.sources import _answer
from pipelines.onboarding.questions import Question

QUESTION = Question(
    "orders", "order_date can be read as dd/mm/yyyy or mm/dd/yyyy", ("dd/mm/yyyy", "mm/dd/yyyy"), "dates"
)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a person types, in the order of the questions; then they leave."""
    answers: list[str] = []

    def read(_: str) -> str:
        if not answers:
            raise KeyboardInterrupt
        return answers.pop(0)

    monkeypatch.setattr("click.termui.visible_prompt_func", read)
    return answers


def test_a_question_is_asked_until_the_answer_is_one_of_the_choices(
    typed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    typed += ["yes", "mm/dd/yyyy"]
    assert _answer(QUESTION) == "mm/dd/yyyy"
    assert "'yes' is not one of" in capsys.readouterr().out


@pytest.mark.usefixtures("typed")
def test_whoever_leaves_has_not_answered() -> None:
    with pytest.raises(typer.Abort):
        _answer(QUESTION)
