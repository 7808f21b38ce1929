import numpy as np
import pytest
from scipy import stats

from mtlsr.metrics.paired import paired_interval


def test_equal_differences_leave_no_doubt() -> None:
    found = paired_interval(np.full((3, 20), 0.25))
    assert (found.mean, found.low, found.high) == pytest.approx((0.25, 0.25, 0.25))
    assert found.excludes_zero


def test_a_single_seed_is_the_ordinary_bootstrap() -> None:
    differences = np.random.default_rng(1).normal(0.1, 1.0, 60)
    found = paired_interval(differences)
    reference = stats.bootstrap(
        (differences,), np.mean, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    assert found.mean == pytest.approx(differences.mean())
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high), abs=0.02)


def test_what_seeds_have_in_common_widens_the_interval() -> None:
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 0.1, (3, 40))
    luck = np.array([[-1.0], [0.0], [1.0]])
    alone, together = paired_interval(noise), paired_interval(noise + luck)
    assert together.high - together.low > 5 * (alone.high - alone.low)


def test_the_interval_covers_the_true_difference_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    covered = 0
    for _ in range(200):
        found = paired_interval(rng.normal(0.3, 1.0, 40), resamples=1000)
        covered += found.low <= 0.3 <= found.high
    assert 0.9 <= covered / 200 <= 0.99


def test_it_is_the_same_every_time_and_says_itself() -> None:
    differences = np.random.default_rng(5).normal(size=(2, 9))
    assert paired_interval(differences) == paired_interval(differences.tolist())
    assert str(paired_interval([0.125, 0.125])) == "+0.125 (+0.125 to +0.125)"


@pytest.mark.parametrize("sign", [-1, 1])
def test_only_an_interval_without_zero_tells_two_methods_apart(sign: int) -> None:
    far, near = np.linspace(1, 2, 12), np.linspace(-1, 1.1, 12)
    assert paired_interval(sign * far).excludes_zero
    assert not paired_interval(sign * near).excludes_zero


@pytest.mark.parametrize(
    ("differences", "level", "message"),
    [
        ([], 0.95, "shape"),
        ([1.0, float("nan")], 0.95, "finite"),
        ([[[1.0]]], 0.95, "shape"),
        ([1.0], 1.0, "level is 1"),
    ],
)
def test_what_has_no_interval_is_refused(differences, level: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        paired_interval(differences, level)
