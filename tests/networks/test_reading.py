"""The correction of the realism vector, beside an independent regression."""

import numpy as np
import pytest
import torch
from torch import Tensor

from mtlsr.networks.reading import PENALTY, Reading
from mtlsr.networks.table import REALISM

N, F, V = 60, 7, 3


@pytest.fixture
def seen() -> tuple[Tensor, Tensor, Tensor]:
    """Vectors, statistics of very different sizes, and what is known, of N images."""
    generator = torch.Generator().manual_seed(0)
    statistics = torch.randn(N, F, generator=generator) * torch.logspace(-2, 2, F) + 5
    vector, known = (torch.randn(N, V, generator=generator) for _ in range(2))
    return vector, statistics, known


def test_it_is_the_vector_until_it_is_fitted(seen) -> None:
    vector, statistics, _ = seen
    assert torch.equal(Reading(F, V)(vector, statistics), vector)


def test_it_is_the_ridge_regression_of_what_the_vector_misses(seen) -> None:
    """Least squares of rows that hold the penalty give the same as the normal equations."""
    vector, statistics, known = seen
    reading = Reading(F, V)
    reading.fit(vector, statistics, known)

    x, missed = statistics.double().numpy(), (known - vector).double().numpy()
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    rows = np.vstack([x, np.sqrt(PENALTY) * np.eye(F)])
    targets = np.vstack([missed - missed.mean(axis=0), np.zeros((F, V))])
    slopes = np.linalg.lstsq(rows, targets, rcond=None)[0]
    expected = vector.numpy() + missed.mean(axis=0) + x @ slopes
    np.testing.assert_allclose(reading(vector, statistics).numpy(), expected, atol=1e-4)


def test_what_is_linear_in_the_statistics_is_read_off(seen) -> None:
    statistics = seen[1].repeat(100, 1)
    scaled = (statistics - 5) / statistics.std(dim=0)
    vector, known = scaled[:, :V], scaled @ torch.ones(F, V)
    reading = Reading(F, V)
    reading.fit(vector, statistics, known)
    assert (reading(vector, statistics) - known).abs().max() < 0.01


def test_a_statistic_that_never_varies_says_nothing(seen) -> None:
    vector, statistics, known = seen
    statistics[:, 2] = 3
    reading = Reading(F, V)
    reading.fit(vector, statistics, known)
    said = reading(vector, statistics)
    assert said.isfinite().all()
    assert (said - known).square().mean() < (vector - known).square().mean()


def test_half_precision_does_not_reach_it(seen) -> None:
    vector, statistics, known = seen
    reading = Reading(F, V)
    reading.fit(vector, statistics, known)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(reading(vector, statistics), reading(vector, statistics).float())
        within = reading(vector, statistics)
    assert torch.equal(within, reading(vector, statistics))


@pytest.mark.parametrize("name", sorted(REALISM))
def test_weights_of_before_it_load_and_correct_nothing(name: str) -> None:
    net = REALISM[name](vector_size=V).eval()
    net.reading.bias.fill_(1)
    held = {key: value for key, value in net.state_dict().items() if "reading" not in key}
    assert len(held) == len(net.state_dict()) - 2
    net.load_state_dict(held)
    out = net(torch.rand(1, 3, 8, 8))
    assert torch.equal(out.reading, out.vector)


def test_it_takes_no_random_numbers_and_is_not_trained() -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    reading = Reading(F, V)
    assert torch.equal(torch.rand(1), expected)
    assert not list(reading.parameters())
