"""The intervals of NPS and of rates hold what they promise, on samples of known populations.

Samples are drawn with a seed; the bounds are computed by the models' own SQL.
"""

from typing import Any

import duckdb
import jinja2
import numpy as np
import pandas as pd
import pytest

from pipelines.transform.project import SHIPPED_PROJECT_DIR

SAMPLES = 20_000
POPULATIONS = {"mixed": (0.55, 0.30, 0.15), "delighted": (0.85, 0.12, 0.03)}  # promoters, passives, detractors
SIZES = (10, 20, 50)


@pytest.fixture(scope="module")
def macros() -> Any:
    """The project's macros that need nothing of dbt, as functions that return SQL."""
    files = [SHIPPED_PROJECT_DIR / "macros" / name for name in ("cross_database.sql", "kpis.sql")]
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    return jinja2.Environment(extensions=["jinja2.ext.do"], autoescape=False).from_string(text).module


def answers(generator: np.random.Generator, shares: tuple[float, float, float], size: int) -> pd.DataFrame:
    """Promoters and detractors of SAMPLES surveys with `size` answers each."""
    drawn = generator.multinomial(size, shares, SAMPLES)
    return pd.DataFrame({"promoters": drawn[:, 0], "detractors": drawn[:, 2], "n": size})


def scored(macros: Any, samples: pd.DataFrame) -> pd.DataFrame:
    """The NPS of each survey and its interval: value, ci_low, ci_high."""
    low, high = (macros.nps_bound("promoters", "detractors", "n", sign) for sign in "-+")
    return duckdb.sql(
        f"select 100.0e0 * (promoters - detractors) / n as value, {low} as ci_low, {high} as ci_high from samples"
    ).df()


def rated(macros: Any, samples: pd.DataFrame) -> pd.DataFrame:
    """The rate of each sample and its interval: value, ci_low, ci_high."""
    low, high = (macros.wilson_bound("successes", "n", sign) for sign in "-+")
    return duckdb.sql(f"select successes / n::double as value, {low} as ci_low, {high} as ci_high from samples").df()


def share_called_significant(macros: Any, now: pd.DataFrame, before: pd.DataFrame) -> float:
    """Of pairs of values, those whose change has an interval without zero."""
    pairs = pd.concat([now, before.add_prefix("prior_")], axis=1)
    low, high = (macros.change_bound("prior", sign) for sign in "-+")
    assert len(pairs) == SAMPLES
    [(share,)] = duckdb.sql(f"select avg(({low} > 0 or {high} < 0)::int) from pairs").fetchall()
    return float(share)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("population", POPULATIONS)
def test_intervals_of_nps_cover_the_true_score_as_often_as_they_promise(
    macros: Any, population: str, size: int
) -> None:
    shares = POPULATIONS[population]
    scores = scored(macros, answers(np.random.default_rng(2016), shares, size))
    true = 100 * (shares[0] - shares[2])
    covered = ((scores["ci_low"] <= true) & (true <= scores["ci_high"])).mean()
    assert 0.94 <= covered <= 0.97


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("population", POPULATIONS)
def test_changes_of_nps_by_chance_are_rarely_called_significant(macros: Any, population: str, size: int) -> None:
    generator = np.random.default_rng(1998)
    now, before = (scored(macros, answers(generator, POPULATIONS[population], size)) for _ in range(2))
    assert 0 < share_called_significant(macros, now, before) <= 0.06


@pytest.mark.parametrize("size", [20, 50, 200])
@pytest.mark.parametrize("rate", [0.05, 0.2, 0.5])
def test_changes_of_rates_by_chance_are_rarely_called_significant(macros: Any, rate: float, size: int) -> None:
    generator = np.random.default_rng(1998)
    now, before = (
        rated(macros, pd.DataFrame({"successes": generator.binomial(size, rate, SAMPLES), "n": size})) for _ in range(2)
    )
    assert share_called_significant(macros, now, before) <= 0.06


def test_a_real_change_is_called_significant(macros: Any) -> None:
    """From a score of 40 to one of 0, and from a fifth to a half, each with a hundred cases."""
    generator = np.random.default_rng(2008)
    before = scored(macros, answers(generator, POPULATIONS["mixed"], 100))
    now = scored(macros, answers(generator, (0.35, 0.30, 0.35), 100))
    assert share_called_significant(macros, now, before) > 0.9
    fifth, half = (
        rated(macros, pd.DataFrame({"successes": generator.binomial(100, rate, SAMPLES), "n": 100}))
        for rate in (0.2, 0.5)
    )
    assert share_called_significant(macros, half, fifth) > 0.9


def test_every_interval_of_nps_contains_its_score_and_keeps_to_the_scale(macros: Any) -> None:
    """All surveys with up to 30 answers."""
    samples = pd.DataFrame(
        [(up, down, n) for n in range(1, 31) for up in range(n + 1) for down in range(n + 1 - up)],
        columns=["promoters", "detractors", "n"],
    )
    scores = scored(macros, samples)
    assert ((scores["ci_low"] <= scores["value"]) & (scores["value"] <= scores["ci_high"])).all()
    assert scores["ci_low"].min() == -100
    assert scores["ci_high"].max() == 100
    assert (scores["ci_low"] < scores["ci_high"]).all()
