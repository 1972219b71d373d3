"""BG/NBD and Gamma-Gamma: what they recover and refuse, and that the form of the input does not matter."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import approx_fprime
from scipy.special import roots_jacobi

from pipelines.transform import customer_value as value

COLUMNS = [
    "customer_id",
    "probability_alive",
    "expected_purchases",
    "expected_purchase_value",
    "predicted_value",
    "status",
]


def simulated(customers: int, seed: int = 7) -> pd.DataFrame:
    """Customers as both models describe them: r .25, alpha 4.4, a .8, b 2.4 (weeks), p 6, q 4, v 15."""
    dice = np.random.default_rng(seed)
    rate, dropout = dice.gamma(0.25, 1 / 4.4, customers), dice.beta(0.8, 2.4, customers)
    age = dice.integers(1, 104 * 7, customers).astype(float)
    repeats, recency, now = (np.zeros(customers) for _ in range(3))
    alive = np.arange(customers)
    while alive.size:
        now[alive] += 7 * dice.exponential(1 / rate[alive])
        alive = alive[now[alive] <= age[alive]]
        repeats[alive] += 1
        recency[alive] = now[alive]
        alive = alive[dice.random(alive.size) > dropout[alive]]
    shape = 6 * np.maximum(repeats, 1)
    mean_value = dice.gamma(shape) / np.maximum(repeats, 1) / dice.gamma(4, 1 / 15, customers)
    return pd.DataFrame(
        {
            "customer_id": [f"C{number:07d}" for number in range(customers)],
            "repeat_purchase_days": repeats,
            "recency_days": np.minimum(np.round(recency), age),
            "age_days": age,
            "mean_repeat_value": np.where(repeats > 0, mean_value, np.nan),
        }
    )


def arrays(customers: pd.DataFrame) -> tuple[value.FloatArray, value.FloatArray, value.FloatArray]:
    """Frequency, recency and age in weeks."""
    return (
        customers["repeat_purchase_days"].to_numpy(),
        customers["recency_days"].to_numpy() / 7,
        customers["age_days"].to_numpy() / 7,
    )


def test_the_purchase_model_recovers_what_it_was_simulated_with() -> None:
    frequency, recency, age = arrays(simulated(100_000))
    model = value.fit_purchases(frequency, recency, age, np.ones(100_000))
    assert model.converged
    assert (model.r, model.alpha, model.a, model.b) == pytest.approx((0.25, 4.4, 0.8, 2.4), rel=0.06)


def test_the_value_model_recovers_what_it_was_simulated_with() -> None:
    customers = simulated(100_000)
    repeat = customers[customers["repeat_purchase_days"] > 0]
    model = value.fit_value(
        repeat["repeat_purchase_days"].to_numpy(), repeat["mean_repeat_value"].to_numpy(), np.ones(len(repeat))
    )
    assert model.converged
    assert (model.p, model.q, model.v) == pytest.approx((6, 4, 15), rel=0.06)


def test_a_weight_is_as_good_as_so_many_equal_customers() -> None:
    frequency, recency, age = arrays(simulated(2_000))
    weights = np.tile([1.0, 2.0, 3.0, 4.0], 500)
    times = weights.astype(int)
    weighted = value.fit_purchases(frequency, recency, age, weights)
    repeated = value.fit_purchases(
        np.repeat(frequency, times), np.repeat(recency, times), np.repeat(age, times), np.ones(times.sum())
    )
    assert weighted.log_likelihood == pytest.approx(repeated.log_likelihood, rel=1e-12)
    assert (weighted.r, weighted.alpha, weighted.a, weighted.b) == pytest.approx(
        (repeated.r, repeated.alpha, repeated.a, repeated.b), rel=1e-6
    )


@pytest.mark.parametrize("seed", range(20))
def test_an_ordinary_company_gets_predictions(seed: int) -> None:
    """If rounding errors end the search, and not the data, the maximum was found and not missed."""
    assert set(value.predict(simulated(3_000, seed))["status"]) == {value.OK}


@pytest.mark.parametrize("a", [0.02, 0.8, 1.0000001, 3.0])
def test_expected_purchases_are_the_average_over_every_rate_and_dropout_a_customer_may_have(a: float) -> None:
    """For a rate and a dropout: (1 - exp(-rate * dropout * t)) / dropout purchases in t, if the customer is alive.

    Rates then vary as Gamma(r + x, alpha + T), which gives a closed form, and dropouts as Beta(a, b + x). The last
    customer came every day of a year. For ten more years, the textbook form of the equation overflows.
    """
    model = value.PurchaseModel(r=0.5, alpha=4.4, a=a, b=2.4, log_likelihood=0.0, converged=True)
    frequency = np.array([0.0, 0.0, 1.0, 5.0, 60.0, 364.0])
    recency = np.array([0.0, 0.0, 20.0, 30.0, 100.0, 52.0])
    age = np.array([0.0, 50.0, 38.0, 39.0, 104.0, 52.0])
    average = np.empty(len(frequency))
    for row, (x, since) in enumerate(zip(frequency, age, strict=True)):
        nodes, weights = roots_jacobi(200, model.b + x - 1, model.a - 1)
        dropout = (1 + nodes) / 2
        purchases = -np.expm1(-(model.r + x) * np.log1p(dropout * 520 / (model.alpha + since))) / dropout
        average[row] = np.average(purchases, weights=weights)
    average *= value.probability_alive(model, frequency, recency, age)
    assert value.expected_purchases(model, frequency, recency, age, 520.0) == pytest.approx(average, rel=1e-6)


def test_parameters_of_time_scale_with_the_unit_and_the_others_do_not() -> None:
    frequency, recency, age = arrays(simulated(20_000))
    weeks = value.fit_purchases(frequency, recency, age, np.ones(20_000))
    days = value.fit_purchases(frequency, 7 * recency, 7 * age, np.ones(20_000))
    assert (days.r, days.alpha, days.a, days.b) == pytest.approx((weeks.r, 7 * weeks.alpha, weeks.a, weeks.b), rel=1e-6)
    assert days.log_likelihood == pytest.approx(weeks.log_likelihood - frequency.sum() * np.log(7), rel=1e-12)


@pytest.mark.parametrize("logs", [[0.0, 0.0, 0.0, 0.0], [-1.4, 1.5, -0.2, 0.9], [1.0, -1.0, 0.5, -0.5]])
def test_the_purchase_models_gradient_is_that_of_its_likelihood(logs: list[float]) -> None:
    frequency, recency, age = arrays(simulated(500))
    data = frequency, recency, age, np.ones(500)
    _, gradient = value._purchase_likelihood(np.array(logs), *data)
    numeric = approx_fprime(np.array(logs), lambda at: value._purchase_likelihood(at, *data)[0], 1e-7)
    assert gradient == pytest.approx(numeric, rel=1e-4, abs=1e-3)


@pytest.mark.parametrize("logs", [[0.0, 0.0, 0.0], [1.8, 1.3, 2.7]])
def test_the_value_models_gradient_is_that_of_its_likelihood(logs: list[float]) -> None:
    customers = simulated(2_000)
    repeat = customers[customers["repeat_purchase_days"] > 0]
    data = repeat["repeat_purchase_days"].to_numpy(), repeat["mean_repeat_value"].to_numpy(), np.ones(len(repeat))
    _, gradient = value._value_likelihood(np.array(logs), *data)
    numeric = approx_fprime(np.array(logs), lambda at: value._value_likelihood(at, *data)[0], 1e-7)
    assert gradient == pytest.approx(numeric, rel=1e-4, abs=1e-3)


def test_the_order_of_the_customers_does_not_matter() -> None:
    customers = simulated(3_000)
    shuffled = customers.sample(frac=1, random_state=3)
    pd.testing.assert_frame_equal(value.predict(customers), value.predict(shuffled))


def test_a_customer_who_came_often_and_lately_is_expected_to_come_more() -> None:
    customers = simulated(3_000)
    told_apart = pd.DataFrame(
        {
            "customer_id": ["X1", "X2", "X3"],  # lately and often; often, but long ago; once
            "repeat_purchase_days": [10.0, 10.0, 0.0],
            "recency_days": [350.0, 100.0, 0.0],
            "age_days": [360.0, 360.0, 360.0],
            "mean_repeat_value": [50.0, 50.0, np.nan],
        }
    )
    predicted = value.predict(pd.concat([customers, told_apart])).set_index("customer_id")
    lately, long_ago, once = (predicted.loc[name] for name in ("X1", "X2", "X3"))
    assert lately["probability_alive"] > 0.8 > 0.2 > long_ago["probability_alive"]
    assert lately["expected_purchases"] > once["expected_purchases"] > long_ago["expected_purchases"]
    assert once["probability_alive"] == 1
    assert lately["predicted_value"] == pytest.approx(
        lately["expected_purchases"] * lately["expected_purchase_value"], abs=0.2
    )


def test_the_mean_value_shrinks_to_everybodys_where_there_are_few_purchases() -> None:
    model = value.ValueModel(p=6.0, q=4.0, v=15.0, log_likelihood=0.0, converged=True)
    everybody = 6 * 15 / 3  # p v / (q - 1)
    few, many = value.expected_value(model, np.array([1.0, 1_000.0]), np.array([90.0, 90.0]))
    assert value.expected_value(model, np.array([0.0]), np.array([0.0])) == pytest.approx(everybody)
    assert everybody < few < many < 90


def assert_says_why(predicted: pd.DataFrame, customers: int, status: str) -> None:
    assert list(predicted.columns) == COLUMNS
    assert len(predicted) == customers
    assert set(predicted["status"]) == {status}
    assert predicted[COLUMNS[1:-1]].isna().all().all()


def test_too_few_repeat_customers_are_said_to_be_too_few() -> None:
    customers = simulated(5_000)
    repeat = customers[customers["repeat_purchase_days"] > 0]
    enough = pd.concat([customers[customers["repeat_purchase_days"] == 0], repeat[: value.FEWEST_REPEAT_CUSTOMERS]])
    assert_says_why(value.predict(enough[:-1]), len(enough) - 1, value.TOO_FEW)
    assert set(value.predict(enough)["status"]) != {value.TOO_FEW}


def test_values_without_any_spread_are_said_not_to_converge() -> None:
    """If every customer's mean value were the same, the best model would be infinitely sure: the fit diverges."""
    customers = simulated(5_000)
    customers["mean_repeat_value"] = np.where(customers["repeat_purchase_days"] > 0, 10.0, np.nan)
    assert_says_why(value.predict(customers), 5_000, value.DID_NOT_CONVERGE)


def test_what_was_given_away_does_not_spoil_the_fit() -> None:
    customers = simulated(5_000)
    free = customers["customer_id"].isin(customers.loc[customers["repeat_purchase_days"] > 0, "customer_id"][:50])
    customers.loc[free, "mean_repeat_value"] = 0.0
    predicted = value.predict(customers)
    assert set(predicted["status"]) == {value.OK}
    assert (predicted["predicted_value"] >= 0).all()


def test_no_customers_are_no_rows_of_the_same_columns() -> None:
    predicted = value.predict(simulated(10)[:0])
    assert list(predicted.columns) == COLUMNS
    assert predicted.empty
    assert [str(predicted[name].dtype) for name in COLUMNS] == ["string", *["float64"] * 4, "string"]


@pytest.mark.nightly
def test_a_million_customers_are_predicted_at_once() -> None:
    predicted = value.predict(simulated(1_000_000))
    assert len(predicted) == 1_000_000
    assert set(predicted["status"]) == {value.OK}
    assert np.isfinite(predicted[COLUMNS[1:-1]].to_numpy()).all()
