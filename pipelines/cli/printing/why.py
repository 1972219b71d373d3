"""Prints why a KPI changed: in sentences, as a waterfall, and as rows for programs.

Belongs here: words, rounding and tables. Does not belong here: what contributes how much (`answers/why.py`).
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console

from pipelines.answers.effects import ZERO
from pipelines.answers.noise import LEVEL
from pipelines.answers.periods import Comparison, Grain
from pipelines.answers.rounding import decimal, round_to_unit, rounded
from pipelines.answers.why import Cut, Driver, Factor, Finding, Why, why
from pipelines.cli.printing.grid import Column, print_grid
from pipelines.formatting import cell_text, counted, printable
from pipelines.output import Format, Result, Target, UsageError, write
from pipelines.warehouse import published

_MOST_NAMED = 3  # in sentences; all are in the table
_COLUMNS = {
    **dict.fromkeys(("kpi_id", "variant", "period", "compared_with", "line", "entity_type", "entity_id"), "VARCHAR"),
    "entity_name": "VARCHAR",
    **dict.fromkeys(("before", "after", "contribution", "mix", "rate", "if_all_changed_alike"), "DECIMAL(38,12)"),
    **dict.fromkeys(("share_of_change", "deviations", "p_value"), "DOUBLE"),
    **dict.fromkeys(("stands_out", "is_new", "is_lost"), "BOOLEAN"),
    "why_not": "VARCHAR",
}


def print_why(
    published_dir: Path,
    zone: ZoneInfo,
    kpi_id: str,
    period: str | None = None,
    against: str = Comparison.prior,
    by: str | None = None,
    variant: str | None = None,
    grain: Grain | None = None,
    most: int = 6,
    target: Target | None = None,
) -> None:
    """Print why a KPI changed, or write every line of the answer to a file.

    Raises:
        NotPublishedError: there is no published file.
        QuestionError: no such value is published, or it cannot be compared.
        UsageError: the file cannot be written.
    """
    target = target or Target()
    if target.form is Format.parquet:
        raise UsageError("--format parquet: this command prints table, csv, json or xlsx.")
    with published(published_dir) as connection:
        answer = why(connection, kpi_id, period, against, by, variant, grain)
    if target.form is not Format.table or target.file:
        write(Result(list(_COLUMNS), list(_COLUMNS.values()), list(_lines(answer))), target)
        return
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 160, highlight=False, soft_wrap=True)
    for sentence in in_sentences(answer, zone, by):
        console.print(printable(sentence), markup=False)
    cut = shown_cut(answer, by)
    if cut is not None:
        _print_waterfall(answer, cut, most, console)


def in_sentences(answer: Why, zone: ZoneInfo, by: str | None = None) -> Iterator[str]:
    """The answer in words: what changed, where, by which factors, and what cannot be split."""
    variant, unit = answer.variant, answer.variant.unit
    yield f"{variant.kpi_id} ({variant.variant}): {variant.name}"
    yield variant.formula
    yield answer.publication.in_words(zone)
    yield ""
    yield from answer.notes
    now, then = (cell_text(decimal(value), unit) for value in (answer.after, answer.before))
    period = f"{answer.period.label} to date" if answer.to_date else answer.period.label
    earlier = f"as many days of {answer.against.label}" if answer.to_date else answer.against.label
    if not answer.change:
        yield f"{period}: {now}, as in {earlier}. There is no change to explain."
        return
    has_percent = answer.before > 0 and unit not in ("rate", "score")
    relative = f", {float(answer.change / answer.before) * 100:+.1f} %" if has_percent else ""
    yield f"{period}: {now}, after {then} in {earlier}: {signed(answer.change, unit)}{relative}."
    yield from _where(answer)
    yield from _by_factors(answer.factors, unit)
    cut = shown_cut(answer, by)
    if cut is not None:
        yield from _by_mix_and_rate(answer, cut)
    yield from _what_does_not_add_up(answer.cuts)


def shown_cut(answer: Why, by: str | None) -> Cut | None:
    """The cut that the waterfall shows: the one asked for, or else that of the most unusual change."""
    if by is not None:
        return answer.cut(by)
    if answer.ranking:
        return answer.cut(answer.ranking[0].entity_type)
    return next((cut for cut in answer.cuts if not cut.why_not), answer.cuts[0] if answer.cuts else None)


def _where(answer: Why) -> Iterator[str]:
    """Which entities changed more than noise, or that none did."""
    if not answer.compared:
        if any(not cut.why_not for cut in answer.cuts):
            yield "There are too few cases, or too few earlier periods, to tell a change in one place from noise."
        return
    cuts = sum(not cut.why_not for cut in answer.cuts)
    entities = "1 entity" if answer.compared == 1 else f"{answer.compared:,} entities"
    looked_at = f"{entities} in {counted(cuts, 'cut')}"
    if not answer.named:
        yield f"No part stands out: of {looked_at}, none differs from the company by more than noise."
        return
    first, *others = answer.named
    yield f"It sits in {_in_words(first, answer)}."
    for other in others[: _MOST_NAMED - 1]:
        yield f"Also more than noise: {_in_words(other, answer)}."
    if len(others) >= _MOST_NAMED:
        yield f"And {len(others) - _MOST_NAMED + 1} more. All of them are in --format csv."
    if others:
        yield "Cuts overlap: what is true of the first shows in others that have the same cases."
    yield f"Compared: {looked_at}. If nothing were wrong, at most {LEVEL * 100:.0f} % of such reports would name one."


def _in_words(finding: Finding, answer: Why) -> str:
    """`channel web: -31,000.00 of -35,000.00 (89 %), where its share would be -14,000.00`."""
    driver, unit = finding.driver, answer.variant.unit
    assert driver.contribution is not None
    assert driver.expected is not None
    share = f" ({float(driver.contribution / answer.change) * 100:.0f} %)"
    new = " (new)" if driver.is_new else " (lost)" if driver.is_lost else ""
    return (
        f"{finding.entity_type} {driver.name}{new}: {signed(driver.contribution, unit)} of "
        f"{signed(answer.change, unit)}{share}, where its share would be {signed(driver.expected, unit)}"
    )


def _by_factors(factors: Sequence[Factor], unit: str) -> Iterator[str]:
    """What each factor contributes, the largest first."""
    if not factors:
        return
    effects = dict(zip((one.name for one in factors), rounded([one.effect for one in factors], unit), strict=True))
    parts = [
        f"{one.name} ({_plain(one.before)} to {_plain(one.after)}) {signed(effects[one.name], unit)}"
        for one in sorted(factors, key=lambda one: -abs(one.effect))
    ]
    yield f"By factor: {', '.join(parts)}."


def _by_mix_and_rate(answer: Why, cut: Cut) -> Iterator[str]:
    """Whether a ratio changed within entities, or since its cases moved between them."""
    if cut.numerator is None:
        return
    unit = answer.variant.unit
    mix, rate = (sum((getattr(one, name) or ZERO for one in cut.drivers), ZERO) for name in ("mix", "rate"))
    shown_mix, shown_rate = rounded([mix, rate], unit)
    yield (
        f"By {cut.entity_type}: {signed(shown_rate, unit)} from the rates within, {signed(shown_mix, unit)} from the "
        "mix of them."
    )
    if mix * rate < 0 and abs(mix) > abs(rate):
        direction = "up" if rate > 0 else "down"
        yield f"The rates alone would have moved it {direction}: what changed it is where the cases are."
    volume = cut.numerator
    parts = ", ".join(
        f"{name} {_signed_plain(value)}"
        for name, value in (("volume", volume.volume), ("mix", volume.mix), ("rate", volume.rate))
    )
    yield f"Its numerator changed by {_signed_plain(volume.volume + volume.mix + volume.rate)}: {parts}."


def _what_does_not_add_up(cuts: Iterable[Cut]) -> Iterator[str]:
    by_reason: dict[str, list[str]] = {}
    for cut in cuts:
        if cut.why_not:
            by_reason.setdefault(cut.why_not, []).append(cut.entity_type)
    for reason, names in by_reason.items():
        yield f"Not split by {', '.join(names)}: {reason}."


def _print_waterfall(answer: Why, cut: Cut, most: int, console: Console) -> None:
    """From the earlier value to the later one, entity by entity; what is not shown is summed up as other."""
    unit, then, now = answer.variant.unit, answer.against.label, answer.period.label
    if cut.why_not:
        _print_values(cut, unit, then, now, most, console)
        return
    is_ratio = cut.numerator is not None
    columns = [
        Column(cut.entity_type),
        *(Column(name, is_number=True) for name in (then, now, "change")),
        *(Column(name, is_number=True, spare=1) for name in (("rate", "mix") if is_ratio else ())),
        Column("of the change", is_number=True, spare=2),
        Column("total", is_number=True, spare=3),
        Column("more than noise"),
    ]
    blank = [""] * (2 if is_ratio else 0)
    rows: list[Sequence[str] | None] = [
        (then, "", "", "", *blank, "", cell_text(decimal(answer.before), unit), ""),
        None,
    ]
    shown, rest = _split(cut.drivers, most)
    lines = [*shown, *([_other(rest)] if rest else [])]
    amounts = rounded([line.contribution or ZERO for line in lines], unit)
    total = round_to_unit(answer.before, unit)
    for line, amount in zip(lines, amounts, strict=True):
        total += amount
        mix = round_to_unit(line.mix or ZERO, unit)
        rows.append(
            (
                line.name + (" (new)" if line.is_new else " (lost)" if line.is_lost else ""),
                *("" if value is None else cell_text(decimal(value), unit) for value in (line.before, line.after)),
                signed(amount, unit),
                *([signed(amount - mix, unit), signed(mix, unit)] if is_ratio else []),
                f"{float((line.contribution or ZERO) / answer.change) * 100:.1f} %" if answer.change else "",
                cell_text(decimal(total), unit),
                "" if line.p_value is None else "yes" if line.stands_out else "no",
            )
        )
    rows += [None, (now, "", "", signed(answer.change, unit), *blank, "", cell_text(decimal(answer.after), unit), "")]
    print_grid(console, columns, rows)


def _print_values(cut: Cut, unit: str, then: str, now: str, most: int, console: Console) -> None:
    """Of what does not add up, only values and how many cases there are."""
    names = (then, now, f"cases {then}", f"cases {now}")
    rows = []
    for one in cut.drivers[:most]:
        values = ("" if value is None else cell_text(decimal(value), unit) for value in (one.before, one.after))
        rows.append((one.name, *values, f"{one.cases_before:,}", f"{one.cases_after:,}"))
    caption = f"{len(cut.drivers) - most} more; --most shows them" if len(cut.drivers) > most else None
    columns = [Column(cut.entity_type), *(Column(name, is_number=True) for name in names)]
    print_grid(console, columns, rows, caption=caption)


def _split(drivers: Sequence[Driver], most: int) -> tuple[Sequence[Driver], Sequence[Driver]]:
    """The drivers that are shown, and the others; a single other is shown, too."""
    shown = len(drivers) if len(drivers) <= most + 1 else most
    return drivers[:shown], drivers[shown:]


def _other(drivers: Sequence[Driver]) -> Driver:
    """What is not shown, as one line."""
    return Driver(
        entity_id="other",
        name=f"other ({len(drivers)})",
        before=None,
        after=None,
        cases_before=1,
        cases_after=1,
        contribution=sum((one.contribution or ZERO for one in drivers), ZERO),
        mix=sum((one.mix or ZERO for one in drivers), ZERO),
        rate=sum((one.rate or ZERO for one in drivers), ZERO),
    )


def _lines(answer: Why) -> Iterator[tuple[Any, ...]]:
    """Every line of the answer, for programs: the change itself, its factors, and the entities of every cut."""
    common = (answer.variant.kpi_id, answer.variant.variant, answer.period.label, answer.against.label)
    whole = (decimal(answer.before), decimal(answer.after), decimal(answer.change))
    nothing: tuple[None, ...] = (None,) * 9
    yield *common, "change", "company", "company", "company", *whole, *nothing, None
    for factor in answer.factors:
        values = (decimal(factor.before), decimal(factor.after), decimal(factor.effect))
        yield *common, "factor", "company", factor.name, factor.name, *values, *nothing, None
    for cut in answer.cuts:
        for one in cut.drivers:
            amounts = (one.before, one.after, one.contribution, one.mix, one.rate, one.expected)
            share = None if one.contribution is None or not answer.change else one.contribution / answer.change
            yield (
                *(*common, "entity", cut.entity_type, one.entity_id, one.name),
                *(None if amount is None else decimal(amount) for amount in amounts),
                None if share is None else float(share),
                one.verdict.deviations if one.verdict else None,
                one.p_value,
                *(one.stands_out, one.is_new, one.is_lost),
                cut.why_not or None,
            )


def signed(amount: Fraction, unit: str) -> str:
    """A change with its sign; of a rate, in percentage points."""
    if unit == "rate":
        return cell_text(decimal(amount), "points")
    text = cell_text(decimal(amount), unit)
    return text if text.startswith(("+", "-")) else f"+{text}"


def _plain(amount: Fraction) -> str:
    """A numerator or denominator: whole, or with two decimals."""
    return f"{float(amount):,.0f}" if amount.denominator == 1 else f"{float(amount):,.2f}"


def _signed_plain(amount: Fraction) -> str:
    return f"{float(amount):+,.2f}"
