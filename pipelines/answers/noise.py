"""Whether a part of a cut changed more than the others beside it: what surprises, and what is noise.

Belongs here: statistics of the parts of one cut, on floating-point numbers. Does not belong here: the exact effects
(`effects.py`), and which cuts there are (`why.py`).

The surprise of a part is what it contributes to the change beyond its share: if all parts change alike, nobody is to
blame, and every surprise is zero. (Adtributor names both ideas, explanatory power and surprise, but measures surprise
as a divergence of shares, without regard to noise: Bhagwan et al. 2014, "Adtributor: Revenue Debugging in Advertising
Systems", NSDI.) A surprise is then divided by how much it varies when nothing is wrong, which two sources tell:

* Sampling. The more cases a part has, the less its mean varies. If a fraction of all cases is at fault, the part that
  holds exactly these cases has the largest surprise in units of this variation: the covariance of its cases with those
  of any other part is at most the geometric mean of their variances (Cauchy and Schwarz). So a part ranks before those
  that merely overlap with it, in whatever cut.
* History. Parts vary more than samples do, such as orders that come in bursts. How much more is estimated from the
  surprises of past periods, without the largest tenth, which may be incidents.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

LEVEL = 0.05  # of reports on periods without an incident, at most so many name a part
_KEPT = 0.9  # of the squares of past surprises; the largest may be incidents
_MEAN_OF_KEPT = 0.6230  # of the squares of a standard normal variable, without the largest tenth
_FEWEST = 20  # surprises of the past, below which history tells nothing
_FEW = 5  # how many cases of a part weigh as much as the overall mean
_FEWEST_CHANGES = 8  # of one figure, below which they do not tell what is usual
_OF_OTHERS = 10  # how many surprises of its own weigh as much as those of all other parts


@dataclass(frozen=True)
class Sample:
    """A part in one period: a sum, or the numerator and denominator of a ratio, with the number of cases behind it.

    `error` is the standard error of numerator ÷ denominator where it is known, as for rates and NPS.
    """

    numerator: float
    denominator: float | None
    cases: float
    error: float | None = None


Samples = Mapping[str, Sample]
_NONE = Sample(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Surprise:
    """What a part contributes beyond its share, in units of the KPI, and its variance if only cases vary."""

    amount: float
    variance: float
    contribution: float

    @property
    def weight(self) -> float:
        """1 if the part itself contributes its surprise, ½ if only the others do: they changed, and it stood still."""
        own = self.contribution / self.amount if self.amount else 0.0
        return (1 + min(max(own, 0.0), 1.0)) / 2


@dataclass(frozen=True)
class Verdict:
    """How unusual the surprise of a part is: in standard deviations, and how often one as large is noise."""

    surprise: float
    deviations: float
    p_value: float


def judge(before: Samples, after: Samples, history: Iterable[tuple[Samples, Samples]]) -> dict[str, Verdict]:
    """How unusual each part's change is. Parts about which nothing can be said are left out.

    `history` holds the pairs of earlier periods that lie as far apart as the two that are compared.

    The variance of a surprise is its sampling variance times a factor: the mean of the part's own factor in the past
    and of that of all parts, weighted by how much the past tells (as in moderated t-tests, Smyth 2004, "Linear Models
    and Empirical Bayes Methods", with trimmed means of squares). p-values are two-sided, of Student's t.
    """
    found = surprises(before, after)
    past: dict[str, list[float]] = {}
    for earlier, later in history:
        for name, surprise in surprises(earlier, later).items():
            past.setdefault(name, []).append(surprise.amount**2 / surprise.variance)
    every = [square for squares in past.values() for square in squares]
    if len(every) < _FEWEST:
        return {}
    of_all = _factor(every)
    verdicts = {}
    for name, surprise in found.items():
        own = past.get(name, [])
        factor = (_OF_OTHERS * of_all + len(own) * (_factor(own) if own else 0)) / (_OF_OTHERS + len(own))
        if not factor:
            continue
        deviations = surprise.weight * surprise.amount / math.sqrt(factor * surprise.variance)
        verdicts[name] = Verdict(surprise.amount, deviations, two_sided(deviations, _OF_OTHERS + len(own)))
    return verdicts


def unusual(change: float, earlier: Sequence[float]) -> Verdict | None:
    """How unusual a change of one figure is among its `earlier` changes; None if these do not tell.

    Its variance is the trimmed mean of their squares. The p-value is two-sided, of Student's t with as many degrees of
    freedom as there are changes.
    """
    if len(earlier) < _FEWEST_CHANGES:
        return None
    variance = _factor([one**2 for one in earlier])
    if not variance:
        return None
    deviations = change / math.sqrt(variance)
    return Verdict(change, deviations, two_sided(deviations, len(earlier)))


def surprises(before: Samples, after: Samples) -> dict[str, Surprise]:
    """What each part contributes beyond its share, with its sampling variance.

    Parts with no variance, and wholes that are not above zero, are left out: there, nothing can be said.
    """
    names = [*before, *(name for name in after if name not in before)]
    pairs = {name: (before.get(name, _NONE), after.get(name, _NONE)) for name in names}
    is_sum = all(sample.denominator is None for sample in [*before.values(), *after.values()])
    found = _of_sum(pairs) if is_sum else _of_ratio(pairs)
    return {
        name: surprise
        for name, surprise in found.items()
        if surprise.variance > 0 and sum(sample.cases for sample in pairs[name]) >= 2 * _FEW
    }


_Pairs = Mapping[str, tuple[Sample, Sample]]


def _of_sum(pairs: _Pairs) -> dict[str, Surprise]:
    """Of a sum X with the shares s: X̄ · Δs. The sum of n cases of mean size a varies as n · a²."""
    totals = [sum(pair[period].numerator for pair in pairs.values()) for period in (0, 1)]
    if min(totals) <= 0:
        return {}
    cases = [sum(pair[period].cases for pair in pairs.values()) for period in (0, 1)]
    shares = {name: sum(sample.numerator for sample in pair) / sum(totals) for name, pair in pairs.items()}
    variances: list[dict[str, float]] = []
    for period in (0, 1):
        of_parts = {}
        for name, pair in pairs.items():
            counted = sum(sample.cases for sample in pair)
            square = _mean_square(sum(sample.numerator for sample in pair), counted, sum(totals) / max(sum(cases), 1))
            of_parts[name] = square * counted * cases[period] / max(sum(cases), 1)
        variances.append(of_parts)
    of_all = [sum(of_parts.values()) for of_parts in variances]
    mean = sum(totals) / 2
    found = {}
    for name, (first, last) in pairs.items():
        amount = mean * (last.numerator / totals[1] - first.numerator / totals[0])
        variance = sum(
            _of_the_rest(shares[name], variances[period][name], of_all[period]) / totals[period] ** 2
            for period in (0, 1)
        )
        found[name] = Surprise(amount, mean**2 * variance, last.numerator - first.numerator)
    return found


def _of_ratio(pairs: _Pairs) -> dict[str, Surprise]:
    """Of a ratio R of sums, where a part has the weight w and the rate r: Δ(w · (r - R))."""
    tops = [sum(pair[period].numerator for pair in pairs.values()) for period in (0, 1)]
    bottoms = [sum(pair[period].denominator or 0 for pair in pairs.values()) for period in (0, 1)]
    if min(bottoms) <= 0:
        return {}
    ratios = [top / bottom for top, bottom in zip(tops, bottoms, strict=True)]
    weights = {name: sum(sample.denominator or 0 for sample in pair) / sum(bottoms) for name, pair in pairs.items()}
    overall = sum(tops) / max(sum(sample.cases for pair in pairs.values() for sample in pair), 1)
    variances = [
        {name: _of_numerator(pair[period], pair, overall) for name, pair in pairs.items()} for period in (0, 1)
    ]
    of_all = [sum(of_parts.values()) for of_parts in variances]
    found = {}
    for name, pair in pairs.items():
        excess = [
            (sample.numerator - ratio * (sample.denominator or 0)) / bottom
            for sample, ratio, bottom in zip(pair, ratios, bottoms, strict=True)
        ]
        variance = sum(
            _of_the_rest(weights[name], variances[period][name], of_all[period]) / bottoms[period] ** 2
            for period in (0, 1)
        )
        gained = (pair[1].denominator or 0) / bottoms[1] - (pair[0].denominator or 0) / bottoms[0]
        of_numerator = pair[1].numerator / bottoms[1] - pair[0].numerator / bottoms[0]
        found[name] = Surprise(excess[1] - excess[0], variance, of_numerator - sum(ratios) / 2 * gained)
    return found


def _of_numerator(sample: Sample, pair: Sequence[Sample], overall: float) -> float:
    """The variance of a part's numerator in one period, if its cases are like those of both periods."""
    if sample.error is not None:
        return (sample.error * (sample.denominator or 0)) ** 2
    return sample.cases * _mean_square(sum(each.numerator for each in pair), sum(each.cases for each in pair), overall)


def _mean_square(total: float, cases: float, overall: float) -> float:
    """The square of the mean size of a case of a part. Few cases tell little of it, so the overall mean counts, too."""
    own = total / cases if cases else 0.0
    return (cases * own**2 + _FEW * overall**2) / (cases + _FEW)


def _of_the_rest(share: float, own: float, of_all: float) -> float:
    """The variance of one part compared with its share of the whole."""
    return (1 - share) ** 2 * own + share**2 * (of_all - own)


def _factor(squares: Sequence[float]) -> float:
    """How much larger squares are than those of a standard normal variable, by their mean without the largest tenth."""
    kept = sorted(squares)[: math.ceil(len(squares) * _KEPT)]
    return sum(kept) / len(kept) / _MEAN_OF_KEPT


def two_sided(deviations: float, degrees: int) -> float:
    """How often a variable with Student's t distribution is at least so far from zero.

    For an even number of degrees of freedom by its finite sum (Abramowitz and Stegun 1964, 26.7.4), so an odd number is
    rounded down, which is cautious.
    """
    if math.isinf(deviations):
        return 0.0
    degrees -= degrees % 2
    angle = math.atan(abs(deviations) / math.sqrt(degrees))
    cosine = math.cos(angle) ** 2
    term = total = 1.0
    for step in range(1, degrees // 2):
        term *= (2 * step - 1) / (2 * step) * cosine
        total += term
    return max(0.0, 1 - math.sin(angle) * total)
