"""BG/NBD and Gamma-Gamma on the published sample: the parameters given by the papers and their reference code."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.transform.customer_value import PurchaseModel, expected_purchases, fit_purchases, fit_value


@pytest.fixture(scope="module")
def sample(real_data_dir: Path) -> pd.DataFrame:
    """2,357 customers: x repeat purchases, the last in week t_x, observed for T weeks; zbar is their mean value."""
    return pd.read_csv(real_data_dir / "cdnow" / "cdnow_customers_summary_with_transactions.csv")


@pytest.fixture(scope="module")
def purchases(real_data_dir: Path) -> PurchaseModel:
    """BG/NBD fitted to the sample's summary."""
    summary = pd.read_csv(real_data_dir / "cdnow" / "cdnow_customers_summary.csv")
    frequency, recency, age = (summary[name].to_numpy(dtype=float) for name in ("frequency", "recency", "T"))
    return fit_purchases(frequency, recency, age, np.ones(len(summary)))


def test_purchases_have_the_published_parameters(purchases: PurchaseModel) -> None:
    assert purchases.converged
    found = [round(value, 3) for value in (purchases.r, purchases.alpha, purchases.a, purchases.b)]
    assert found == [0.243, 4.414, 0.793, 2.426]
    assert round(purchases.log_likelihood, 1) == -9582.4


def test_a_customer_has_the_published_expectation(purchases: PurchaseModel) -> None:
    [expected] = expected_purchases(purchases, np.array([2.0]), np.array([30.43]), np.array([38.86]), horizon=39)
    assert round(expected, 3) == 1.226


def test_values_have_the_published_parameters(sample: pd.DataFrame) -> None:
    repeat = sample[sample["x"] > 0]
    model = fit_value(repeat["x"].to_numpy(dtype=float), repeat["zbar"].to_numpy(), np.ones(len(repeat)))
    assert model.converged
    assert len(repeat) == 946
    assert [round(value, 3) for value in (model.p, model.q, model.v)] == [6.249, 3.745, 15.448]
