"""The error of a question that has no answer."""


class QuestionError(Exception):
    """What is asked for is not published, or is no question; the message says why, and what can be asked."""
