"""What files leave open: asked at a terminal, and an error that names the option in a script.

Does not belong here: finding out that something is open, which is done where it matters.
"""

from dataclasses import dataclass
from typing import Literal

from pipelines.onboarding.columns import Column
from pipelines.onboarding.sniffing import UnrecognisedError

Option = Literal["entity", "dates", "decimal", "rates", "amounts"]
_WANTED: dict[Option, str] = {
    "entity": "What is a row",
    "dates": "Which is the order of its dates",
    "decimal": "Which is the decimal mark",
    "rates": "Which is it",
    "amounts": "What are they",
}


@dataclass(frozen=True)
class Question:
    """What is open about one table.

    text: a sentence without its full stop.
    choices: the answers.
    option: of the command line, which gives the answer in a script.
    """

    table: str
    text: str
    choices: tuple[str, ...]
    option: Option = "entity"

    @property
    def wanted(self) -> str:
        """What a person is to choose."""
        return _WANTED[self.option]


class OpenQuestionError(UnrecognisedError):
    """A question without whose answer there is no draft."""

    def __init__(self, question: Question) -> None:
        super().__init__(in_words(question, 1))
        self.question = question


def in_words(question: Question, tables: int) -> str:
    """The question of one of so many tables, with the option that answers it."""
    choices = ", ".join(question.choices)
    if question.option == "entity":
        option = f"--entity {question.table}=…" if tables > 1 else "--entity"
        return f"{question.table}: {question.text}. Specify what a row is with {option}: {choices}."
    either = " or ".join(f"--{question.option} {choice}" for choice in question.choices)
    return f"{question.table}: {question.text}. Specify it: {either}."


def on_ways_of_reading(table: str, column: Column) -> Question:
    """Which of the ways in which a column can be read is right."""
    if "mark" in column.ambiguous[0]:
        text = (
            f"{column.name} holds numbers such as {column.example}, whose mark can be that of decimals or of thousands"
        )
        return Question(table, text, (".", ","), "decimal")
    text = f"{column.name} can be read as {' or '.join(column.ambiguous)}, such as {column.example}"
    return Question(table, text, column.ambiguous, "dates")
