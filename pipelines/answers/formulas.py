"""The formula of a value with its numbers filled in.

Belongs here: which lines there are. Does not belong here: how numbers are written, which the caller says.
"""

from collections.abc import Callable, Iterator, Mapping

from pipelines.answers.explain import Explanation, Number

InWords = Callable[[Number | None], str]


def formula_lines(explanation: Explanation, in_words: InWords) -> Iterator[tuple[str, str, str]]:
    """What is computed, from which expression, and the same with numbers, as `win_rate`, `won / closed`, `24 / 48`.

    The first line is the value's own; the numerator, the denominator, and parts with a formula or of several kinds of
    rows follow.
    """
    numbers = {"numerator": explanation.numerator, "denominator": explanation.denominator}
    values = {part.name: part.value for part in explanation.parts}
    if explanation.numerator_sql is None:
        [statistic] = [part for part in explanation.parts if part.name == explanation.formula]
        yield "value", f"{statistic.statistic}({statistic.terms[0].row_is})", in_words(explanation.value)
    elif explanation.denominator_sql is None:
        filled = _with_numbers(explanation.numerator_sql, values, in_words)
        yield "value", explanation.numerator_sql, _equal(filled, in_words(explanation.numerator))
    else:
        filled = _with_numbers(explanation.formula, numbers, in_words)
        yield "value", explanation.formula, _equal(filled, in_words(explanation.value))
        for name, sql in (("numerator", explanation.numerator_sql), ("denominator", explanation.denominator_sql)):
            yield name, sql, _equal(_with_numbers(sql, values, in_words), in_words(numbers[name]))
    for part in explanation.parts:
        if part.formula:
            filled = _with_numbers(part.formula, values, in_words)
            yield part.name, part.formula, _equal(filled, in_words(part.value))
        elif len(part.terms) > 1:
            rows = " + ".join(f"{part.statistic}({term.row_is})" for term in part.terms)
            totals = " + ".join(in_words(term.total) for term in part.terms).replace("+ -", "- ")
            yield part.name, rows, _equal(totals, in_words(part.value))


def _with_numbers(sql: str, values: Mapping[str, Number | None], in_words: InWords) -> str:
    """An expression with the numbers in place of their names, the longest names first."""
    for name in sorted(values, key=len, reverse=True):
        sql = sql.replace(name, in_words(values[name]))
    return sql


def _equal(filled: str, result: str) -> str:
    return result if filled == result else f"{filled} = {result}"
