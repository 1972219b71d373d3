"""Charts as SVG: sparklines, trends, intervals, histograms, bullets and waterfalls.

Belongs here: geometry. Colours are classes of the style sheet, so that charts follow light, dark and print. Does not
belong here: what is drawn; every chart stands beside a table or a sentence with the same numbers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup


@dataclass(frozen=True)
class Point:
    """A value on a chart with its interval; `value` is None where there is none."""

    label: str
    value: float | None
    low: float | None = None
    high: float | None = None
    target: float | None = None
    is_partial: bool = False
    is_marked: bool = False  # an annotation concerns it
    text: str = ""  # the value in words, for the tooltip


@dataclass(frozen=True)
class Step:
    """A bar of a waterfall: a total, or a change from where the bar before ended."""

    label: str
    value: float
    is_total: bool = False
    text: str = ""


class _Scale:
    """Where a value is between two ends of a drawing."""

    def __init__(self, values: Iterable[float | None], start: float, end: float, from_zero: bool = False) -> None:
        known = [value for value in values if value is not None] or [0.0]
        low, high = min(known), max(known)
        if from_zero:
            low, high = min(low, 0.0), max(high, 0.0)
        room = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
        self.low = low if from_zero and low == 0 else low - room
        self.high = high if from_zero and low < high == 0 else high + room
        self._start, self._end = start, end

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self._start + share * (self._end - self._start), 1)


def sparkline(points: Sequence[Point], label: str, width: int = 220, height: int = 44) -> Markup:
    """A line without axes, with the band of its intervals; a hollow dot is a period in progress."""
    if sum(point.value is not None for point in points) < 2:
        return Markup("")
    y = _Scale([one for point in points for one in (point.value, point.low, point.high)], height - 4, 4)
    step = (width - 12) / max(len(points) - 1, 1)
    xs = [round(6 + number * step, 1) for number in range(len(points))]
    return _svg(width, height, label, [*_band(points, xs, y), *_line(points, xs, y, only_last=True)], "spark")


def trend(
    points: Sequence[Point], label: str, axis: Sequence[tuple[float, str]] = (), width: int = 720, height: int = 240
) -> Markup:
    """A line over time with its intervals, targets as ticks, and marks where something was noted.

    `axis` are the values that are written at the left, as text.
    """
    left, bottom = 78, 26
    values = [one for point in points for one in (point.value, point.low, point.high, point.target)]
    y = _Scale([*values, *(value for value, _ in axis)], height - bottom - 6, 12)
    step = (width - left - 16) / max(len(points) - 1, 1)
    xs = [round(left + 4 + number * step, 1) for number in range(len(points))]
    drawn = [
        f'<g class="axis"><line x1="{left}" x2="{width - 8}" y1="{y(value)}" y2="{y(value)}"/>'
        f'<text x="{left - 8}" y="{y(value) + 4}" text-anchor="end">{escape(text)}</text></g>'
        for value, text in axis
    ]
    every = max(1, -(-len(points) // 8))
    for number, (point, x) in enumerate(zip(points, xs, strict=True)):
        if (len(points) - 1 - number) % every == 0:
            anchor = "end" if number == len(points) - 1 else "middle"
            drawn.append(
                f'<text class="tick" x="{x}" y="{height - 6}" text-anchor="{anchor}">{escape(point.label)}</text>'
            )
        if point.is_marked:
            drawn.append(f'<path class="mark" d="M{x - 4},{height - bottom} h8 l-4,-7 z"/>')
        if point.target is not None:
            at = y(point.target)
            drawn.append(f'<line class="target" x1="{x - 9}" x2="{x + 9}" y1="{at}" y2="{at}"/>')
    return _svg(width, height, label, [*drawn, *_band(points, xs, y), *_line(points, xs, y)], "trend")


def interval(
    low: float | None,
    value: float,
    high: float | None,
    ends: tuple[float, float],
    label: str,
    reference: float | None = None,
) -> Markup:
    """A dot with its interval between the `ends` that all rows of a table share, and a line at a reference."""
    width, height = 160, 18
    x = _Scale(ends, 6, width - 6)
    drawn = []
    if reference is not None:
        drawn.append(f'<line class="reference" x1="{x(reference)}" x2="{x(reference)}" y1="0" y2="{height}"/>')
    if low is not None and high is not None:
        drawn.append(f'<line class="whisker" x1="{x(low)}" x2="{x(high)}" y1="9" y2="9"/>')
    drawn.append(f'<circle class="dot" cx="{x(value)}" cy="9" r="4"/>')
    return _svg(width, height, label, drawn, "interval")


def axis(ends: tuple[float, float], low: str, high: str, label: str, reference: float | None = None) -> Markup:
    """What stands above a column of intervals: the values at its ends, and a mark at the reference."""
    width, height = 160, 18
    x = _Scale(ends, 6, width - 6)
    drawn = [
        f'<text x="{x(ends[0])}" y="11" text-anchor="start">{escape(low)}</text>'
        f'<text x="{x(ends[1])}" y="11" text-anchor="end">{escape(high)}</text>'
    ]
    if reference is not None:
        at = x(reference)
        drawn.append(f'<path class="reference" d="M{at - 4},11 h8 l-4,6 z"/>')
    return _svg(width, height, label, drawn, "interval")


def columns(shares: Sequence[float], most: float, label: str, titles: Sequence[str], width: int = 160) -> Markup:
    """A histogram: a column per band, on a scale from zero to `most` that all charts of a table share."""
    height, gap = 40, 2
    wide = width / max(len(shares), 1)
    drawn = [f'<line class="base" x1="0" x2="{width}" y1="{height - 0.5}" y2="{height - 0.5}"/>']
    for number, (share, title) in enumerate(zip(shares, titles, strict=True)):
        tall = round(share / most * (height - 2), 1) if most else 0.0
        drawn.append(
            f'<rect class="actual" x="{round(number * wide + gap / 2, 1)}" y="{height - tall}" '
            f'width="{round(wide - gap, 1)}" height="{tall}"><title>{escape(title)}</title></rect>'
        )
    return _svg(width, height, label, drawn, "columns")


def bullet(value: float, target: float | None, earlier: float | None, ends: tuple[float, float], label: str) -> Markup:
    """A bar from zero with a tick at the target and a pale bar behind it for what was before (Few's bullet graph)."""
    width, height = 160, 18
    x = _Scale(ends, 2, width - 2, from_zero=True)

    def bar(to: float, kind: str, y: int, thick: int) -> str:
        start, end = sorted((x(0), x(to)))
        return f'<rect class="{kind}" x="{start}" y="{y}" width="{max(round(end - start, 1), 0.5)}" height="{thick}"/>'

    drawn = [bar(earlier, "earlier", 2, 14)] if earlier is not None else []
    drawn.append(bar(value, "actual", 5, 8))
    if target is not None:
        drawn.append(f'<line class="target" x1="{x(target)}" x2="{x(target)}" y1="1" y2="{height - 1}"/>')
    return _svg(width, height, label, drawn, "bullet")


def stacked(parts: Sequence[tuple[str, float, str]], label: str, width: int = 560, height: int = 28) -> Markup:
    """A bar of parts that make up a whole, as (class, size, text); a text is written where it has room."""
    whole, left, drawn = sum(size for _, size, _ in parts), 0.0, []
    if not whole:
        return Markup("")
    for kind, size, text in parts:
        wide = size / whole * width
        title = f"<title>{escape(text)}</title>" if text else ""
        drawn.append(
            f'<rect class="{kind}" x="{round(left, 1)}" y="0" width="{round(wide, 1)}" height="{height}">{title}</rect>'
        )
        if text and height >= 20 and wide >= 44:
            drawn.append(
                f'<text class="on-{kind}" x="{round(left + wide / 2, 1)}" y="{height / 2 + 4}" '
                f'text-anchor="middle">{escape(text)}</text>'
            )
        left += wide
    return _svg(width, height, label, drawn, "stacked")


def waterfall(steps: Sequence[Step], label: str, lower_is_better: bool = False, width: int = 720) -> Markup:
    """Horizontal bars from one total to another, a line per step, so that long names have room."""
    left, right, line = 220, 110, 26
    reached, spans = 0.0, []
    for step in steps:
        start = 0.0 if step.is_total else reached
        reached = step.value if step.is_total else reached + step.value
        spans.append((start, reached))
    totals_only = [edge for span in spans for edge in span]
    changes = [edge for step, span in zip(steps, spans, strict=True) if not step.is_total for edge in span]
    # Where changes are small beside the totals, the bars of totals are cut off, and drawn as cut off.
    cut_off = bool(changes) and min(changes) > 0.8 * max(totals_only)
    shown = [*(changes or totals_only), *(reached for _, reached in spans)]
    x = _Scale(shown, left, width - right) if cut_off else _Scale([*shown, 0.0], left, width - right, from_zero=True)
    drawn = []
    for number, (step, (start, end)) in enumerate(zip(steps, spans, strict=True)):
        kind = "total" if step.is_total else "up" if (end >= start) != lower_is_better else "down"
        first, last = sorted((x(max(start, x.low)), x(end)))
        y = number * line
        drawn.append(
            f'<text x="{left - 10}" y="{y + 17}" text-anchor="end">{escape(_short(step.label))}</text>'
            f'<rect class="{kind}" x="{first}" y="{y + 5}" width="{max(round(last - first, 1), 1)}" height="16"/>'
            f'<text class="amount" x="{last + 6}" y="{y + 17}">{escape(step.text)}</text>'
        )
        if step.is_total and cut_off:
            drawn.append(f'<path class="cut" d="M{left + 6},{y + 24} l8,-22 h5 l-8,22 z"/>')
    return _svg(width, len(steps) * line + 4, label, drawn, "waterfall")


def _short(text: str, most: int = 30) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _band(points: Sequence[Point], xs: Sequence[float], y: _Scale) -> list[str]:
    """The area between the intervals' ends, in pieces where some are missing."""
    drawn, piece = [], list[tuple[float, float, float]]()
    for point, x in [*zip(points, xs, strict=True), (None, 0.0)]:
        if point and point.low is not None and point.high is not None:
            piece.append((x, y(point.low), y(point.high)))
            continue
        if len(piece) > 1:
            upper = [f"{at},{high}" for at, _, high in piece]
            lower = [f"{at},{low}" for at, low, _ in reversed(piece)]
            drawn.append(f'<polygon class="band" points="{" ".join([*upper, *lower])}"/>')
        piece = []
    return drawn


def _line(points: Sequence[Point], xs: Sequence[float], y: _Scale, only_last: bool = False) -> list[str]:
    """The line through known values of complete periods, and dots; what is in progress is a hollow dot of its own."""
    drawn, piece = [], list[str]()
    for point, x in [*zip(points, xs, strict=True), (None, 0.0)]:
        if point and point.value is not None and not point.is_partial:
            piece.append(f"{x},{y(point.value)}")
            continue
        if len(piece) > 1:
            drawn.append(f'<polyline class="line" points="{" ".join(piece)}"/>')
        piece = []
    known = [(point, x) for point, x in zip(points, xs, strict=True) if point.value is not None]
    last = next((one for one in reversed(known) if not one[0].is_partial), None)
    for point, x in known:
        if only_last and not point.is_partial and (point, x) != last:
            continue
        kind = "dot partial" if point.is_partial else "dot"
        title = f"<title>{escape(f'{point.label}: {point.text}')}</title>" if point.text else ""
        drawn.append(f'<circle class="{kind}" cx="{x}" cy="{y(float(point.value or 0))}" r="3.5">{title}</circle>')
    return drawn


def _svg(width: int, height: int, label: str, drawn: Iterable[str], kind: str) -> Markup:
    return Markup(
        f'<svg class="chart {kind}" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(label)}">{"".join(drawn)}</svg>'
    )
