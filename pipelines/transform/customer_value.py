"""How often customers will buy again, and for how much: BG/NBD and Gamma-Gamma, in plain numpy and scipy.

Belongs here: fitting both models and predicting with them. All times have the same unit, weeks when the pipeline calls;
values are in the reporting currency. Arrays are one-dimensional, with one entry per customer or group of equal
customers.
Does not belong here: reading or writing tables (`int_customer_value_predictions`).

Sources: Fader, Hardie and Lee, "Counting Your Customers the Easy Way", Marketing Science 24 (2005), cited as FHL; Fader
and Hardie, "The Gamma-Gamma Model of Monetary Value" (2013), cited as FH.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import digamma, gammaln, hyp2f1

FloatArray = NDArray[np.float64]

DAYS_PER_WEEK = 7
HORIZON_DAYS = 365
# Fits to random parts of the CDNOW sample: with about 100 repeat customers, nine in ten fits that converge predict a
# total within 24 % of the fit to the whole sample; with about 30, within 53 %, and half of the fits do not converge.
FEWEST_REPEAT_CUSTOMERS = 100
LOG_BOUNDS = (-12.0, 12.0)  # of each parameter; a fit that ends at a bound has diverged from the data
LARGEST_SLOPE = 1e-6  # slope of the mean log-likelihood, by the logarithm of any parameter, up to which it is a maximum

OK, TOO_FEW, DID_NOT_CONVERGE = "ok", "too_few_repeat_customers", "did_not_converge"


@dataclass(frozen=True)
class PurchaseModel:
    """A fitted BG/NBD model: purchase rates vary as Gamma(r, alpha), dropout after a purchase as Beta(a, b)."""

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float
    converged: bool


@dataclass(frozen=True)
class ValueModel:
    """A fitted Gamma-Gamma model: a purchase is Gamma(p, nu), and nu varies over customers as Gamma(q, v)."""

    p: float
    q: float
    v: float
    log_likelihood: float
    converged: bool


def fit_purchases(frequency: FloatArray, recency: FloatArray, age: FloatArray, weights: FloatArray) -> PurchaseModel:
    """The BG/NBD model that makes the observed purchases most likely (FHL, equation 6).

    frequency: repeat purchases; recency: time of the last purchase since the first; age: time since the first;
    weights: the number of customers with these values. Equal customers can be passed once, with their number.
    """
    unit = float(age.max())  # in units of the longest observation, the parameters are near 1 whatever the time unit
    scaled = frequency, recency / unit, age / unit, weights
    log_parameters, value, converged = _maximise(
        lambda log: _purchase_likelihood(log, *scaled), parameters=4, customers=float(weights.sum())
    )
    r, alpha, a, b = np.exp(log_parameters)
    # Density of purchase times per unit: each repeat purchase contributes one factor of the unit.
    log_likelihood = value - float(np.sum(weights * frequency)) * np.log(unit)
    return PurchaseModel(float(r), float(alpha * unit), float(a), float(b), float(log_likelihood), converged)


def expected_purchases(
    model: PurchaseModel, frequency: FloatArray, recency: FloatArray, age: FloatArray, horizon: float
) -> FloatArray:
    """Expected purchases of each customer in the `horizon` after its age (FHL, equation 10).

    This applies Euler's transformation, 2F1(A, B; C; z) = (1 - z)^(C - A - B) 2F1(C - A, C - B; C; z): in the original
    equation, for customers who buy very often, a vanishing factor is multiplied by one that overflows.
    """
    r, alpha, a, b = model.r, model.alpha, model.a, model.b
    ratio = (alpha + age) / (alpha + age + horizon)
    growth = ratio ** (a - 1) * hyp2f1(a + b - 1 - r, a - 1, a + b + frequency - 1, 1 - ratio)
    purchases: FloatArray = (a + b + frequency - 1) / (a - 1) * (1 - growth)
    return purchases * probability_alive(model, frequency, recency, age)


def probability_alive(model: PurchaseModel, frequency: FloatArray, recency: FloatArray, age: FloatArray) -> FloatArray:
    """The probability that each customer has not dropped out (FHL, section 4); 1 without repeat purchases, since
    dropout can only follow one."""
    again = np.maximum(frequency, 1)
    log_odds = (
        np.log(model.a)
        - np.log(model.b + again - 1)
        + (model.r + frequency) * (np.log(model.alpha + age) - np.log(model.alpha + recency))
    )
    alive: FloatArray = np.where(frequency > 0, 1 / (1 + np.exp(np.minimum(log_odds, 700))), 1.0)
    return alive


def fit_value(frequency: FloatArray, mean_value: FloatArray, weights: FloatArray) -> ValueModel:
    """The Gamma-Gamma model that makes the observed mean values most likely (FH, equation 1a).

    frequency: repeat purchases, at least 1; mean_value: their mean value, above 0.
    """
    unit = float(np.average(mean_value, weights=weights))
    scaled = frequency, mean_value / unit, weights
    log_parameters, value, converged = _maximise(
        lambda log: _value_likelihood(log, *scaled), parameters=3, customers=float(weights.sum())
    )
    p, q, v = np.exp(log_parameters)
    log_likelihood = value - float(weights.sum()) * np.log(unit)
    return ValueModel(float(p), float(q), float(v * unit), float(log_likelihood), converged)


def expected_value(model: ValueModel, frequency: FloatArray, mean_value: FloatArray) -> FloatArray:
    """The expected value of a purchase of each customer, between its own mean and the overall mean (FH, equation 5).

    Without repeat purchases, it is the overall mean, which exists only for q above 1.
    """
    value: FloatArray = model.p * (model.v + frequency * mean_value) / (model.p * frequency + model.q - 1)
    return value


def predict(customers: pd.DataFrame) -> pd.DataFrame:
    """What each customer is expected to buy in the `HORIZON_DAYS` after the as-of date, ordered by `customer_id`.

    customers: customer_id, repeat_purchase_days, recency_days, age_days, mean_repeat_value (NULL without any).
    Returned: customer_id, probability_alive, expected_purchases, expected_purchase_value, predicted_value and status,
    which is `ok` or, the same for all customers, says why there are no values: `too_few_repeat_customers` or
    `did_not_converge`. The order of the input rows does not matter. A mean value that is not positive is left out of
    the fit of values, since a gamma distribution has only positive values, and counts as zero in the prediction.
    """
    customers = customers.sort_values("customer_id", ignore_index=True)
    frequency, recency, age, value = (
        customers[column].fillna(0).to_numpy(dtype=np.float64)
        for column in ("repeat_purchase_days", "recency_days", "age_days", "mean_repeat_value")
    )
    recency, age = recency / DAYS_PER_WEEK, age / DAYS_PER_WEEK
    valued = (frequency > 0) & (value > 0)  # free items say nothing about values
    if valued.sum() < FEWEST_REPEAT_CUSTOMERS:
        return _without_values(customers["customer_id"], TOO_FEW)
    groups, weights = np.unique(np.column_stack([frequency, recency, age]), axis=0, return_counts=True)
    purchases = fit_purchases(groups[:, 0], groups[:, 1], groups[:, 2], weights.astype(np.float64))
    worth = fit_value(frequency[valued], value[valued], np.ones(int(valued.sum())))
    if not (purchases.converged and worth.converged and worth.q > 1):
        return _without_values(customers["customer_id"], DID_NOT_CONVERGE)
    alive = probability_alive(purchases, frequency, recency, age)
    expected = expected_purchases(purchases, frequency, recency, age, HORIZON_DAYS / DAYS_PER_WEEK)
    each = expected_value(worth, frequency, np.maximum(value, 0))
    if not all(np.all((numbers.round(6) >= 0) & (numbers < np.inf)) for numbers in (expected, each)):
        return _without_values(customers["customer_id"], DID_NOT_CONVERGE)
    return _table(customers["customer_id"], alive, expected, each, expected * each, OK)


def _without_values(customer_ids: "pd.Series[Any]", status: str) -> pd.DataFrame:
    nothing = np.full(len(customer_ids), np.nan)
    return _table(customer_ids, nothing, nothing, nothing, nothing, status)


def _table(
    customer_ids: "pd.Series[Any]",
    alive: FloatArray,
    purchases: FloatArray,
    value: FloatArray,
    predicted: FloatArray,
    status: str,
) -> pd.DataFrame:
    """The table, rounded so coarsely that equal input gives equal tables on every machine."""
    return pd.DataFrame(
        {
            "customer_id": customer_ids.astype("string"),
            "probability_alive": alive.round(6),
            "expected_purchases": purchases.round(6),
            "expected_purchase_value": value.round(2),
            "predicted_value": predicted.round(2),
            "status": pd.Series([status] * len(customer_ids), dtype="string"),
        }
    )


def _purchase_likelihood(
    log_parameters: FloatArray, frequency: FloatArray, recency: FloatArray, age: FloatArray, weights: FloatArray
) -> tuple[float, FloatArray]:
    """Log-likelihood of BG/NBD and its gradient by the logarithms of r, alpha, a and b."""
    r, alpha, a, b = np.exp(log_parameters)
    again = np.maximum(frequency, 1)
    still_alive = -(r + frequency) * np.log(alpha + age)
    dropped_out = np.where(
        frequency > 0, np.log(a) - np.log(b + again - 1) - (r + frequency) * np.log(alpha + recency), -np.inf
    )
    either = np.logaddexp(still_alive, dropped_out)
    alive = np.exp(still_alive - either)
    gone = 1 - alive
    likelihood = (
        gammaln(r + frequency)
        - gammaln(r)
        + r * np.log(alpha)
        + gammaln(a + b)
        + gammaln(b + frequency)
        - gammaln(b)
        - gammaln(a + b + frequency)
        + either
    )
    by_both = digamma(a + b) - digamma(a + b + frequency)
    gradient = np.array(
        [
            r
            * _sum(
                weights,
                digamma(r + frequency)
                - digamma(r)
                + np.log(alpha)
                - alive * np.log(alpha + age)
                - gone * np.log(alpha + recency),
            ),
            alpha * _sum(weights, r / alpha - (r + frequency) * (alive / (alpha + age) + gone / (alpha + recency))),
            a * _sum(weights, by_both + gone / a),
            b * _sum(weights, by_both + digamma(b + frequency) - digamma(b) - gone / (b + again - 1)),
        ]
    )
    return _sum(weights, likelihood), gradient


def _value_likelihood(
    log_parameters: FloatArray, frequency: FloatArray, mean_value: FloatArray, weights: FloatArray
) -> tuple[float, FloatArray]:
    """Log-likelihood of Gamma-Gamma and its gradient by the logarithms of p, q and v."""
    p, q, v = np.exp(log_parameters)
    shape, total = p * frequency, frequency * mean_value
    log_total = np.log(total + v)
    likelihood = (
        gammaln(shape + q)
        - gammaln(shape)
        - gammaln(q)
        + q * np.log(v)
        + (shape - 1) * np.log(mean_value)
        + shape * np.log(frequency)
        - (shape + q) * log_total
    )
    gradient = np.array(
        [
            p * _sum(weights, frequency * (digamma(shape + q) - digamma(shape) + np.log(total) - log_total)),
            q * _sum(weights, digamma(shape + q) - digamma(q) + np.log(v) - log_total),
            v * _sum(weights, q / v - (shape + q) / (total + v)),
        ]
    )
    return _sum(weights, likelihood), gradient


def _sum(weights: FloatArray, values: FloatArray) -> float:
    return float(np.sum(weights * values))


def _maximise(
    likelihood: Callable[[FloatArray], tuple[float, FloatArray]], parameters: int, customers: float
) -> tuple[FloatArray, float, bool]:
    """Logarithms of the best parameters, the log-likelihood there, and whether it is a maximum inside the bounds.

    The gradient decides whether it is a maximum, not the optimiser: at the exact maximum, no step improves on rounding
    errors, and the optimiser reports a failed line search.
    """

    def loss(log_parameters: FloatArray) -> tuple[float, FloatArray]:
        value, gradient = likelihood(log_parameters)
        return -value / customers, -gradient / customers

    found = minimize(
        loss,
        np.zeros(parameters),
        jac=True,
        method="L-BFGS-B",
        bounds=[LOG_BOUNDS] * parameters,
        options={"maxiter": 500, "ftol": 0.0, "gtol": 1e-9},
    )
    flat = bool(np.all(np.abs(found.jac) < LARGEST_SLOPE))  # False for NaN
    inside = bool(np.all((found.x > LOG_BOUNDS[0] + 0.01) & (found.x < LOG_BOUNDS[1] - 0.01)))
    return found.x, -float(found.fun) * customers, flat and inside
