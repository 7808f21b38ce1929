"""Intervals, Wilcoxon's test and Holm's correction of paired differences."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mtlsr.metrics.paired import FEW, WIDEST, Interval, holm, paired_interval, signed_rank


def bounds(interval: Interval) -> tuple[float, float, float]:
    return interval.mean, interval.low, interval.high


def gains(count: int, seed: int = 0) -> np.ndarray:
    """Skewed, as gains in decibels are."""
    return np.random.default_rng(seed).gamma(2, 0.1, count) - 0.05


def student(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    return stats.t.interval(level, len(values) - 1, values.mean(), stats.sem(values))


@pytest.mark.parametrize("shape", [(20,), (3, 20), (2, 2)])
def test_equal_differences_leave_no_doubt(shape: tuple[int, ...]) -> None:
    found = paired_interval(np.full(shape, 0.25))
    assert bounds(found) == (0.25, 0.25, 0.25)
    assert found.excludes_zero


def test_equal_methods_are_not_told_apart() -> None:
    assert not paired_interval(np.zeros(20)).excludes_zero


@pytest.mark.parametrize("count", [5, 14, 60])
def test_a_single_seed_is_the_studentised_bootstrap(count: int) -> None:
    values = gains(count, seed=1)
    mean, error = values.mean(), stats.sem(values)

    def pivot(sample: np.ndarray, axis: int) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return (sample.mean(axis=axis) - mean) / stats.sem(sample, axis=axis)

    draws = np.random.default_rng(2).choice(values, (20_000, count))
    widest = WIDEST * stats.t.ppf(0.975, count - 1)
    low, high = np.quantile(np.nan_to_num(pivot(draws, 1)).clip(-widest, widest), [0.025, 0.975])
    found = paired_interval(values)
    assert found.mean == pytest.approx(mean)
    assert (found.low, found.high) == pytest.approx(
        (mean - high * error, mean - low * error), abs=0.15 * error
    )


def test_of_many_images_it_is_students() -> None:
    values = np.random.default_rng(3).normal(0.1, 1.0, 500)
    found = paired_interval(values)
    assert (found.low, found.high) == pytest.approx(student(values), abs=0.1 * stats.sem(values))


@pytest.mark.parametrize("count", range(2, FEW))
def test_of_very_few_images_it_is_students(count: int) -> None:
    values = gains(count)
    found = paired_interval(values)
    assert (found.low, found.high) == pytest.approx(student(values))


def test_it_follows_the_skewness() -> None:
    values = gains(14, seed=4)
    found = paired_interval(values)
    assert stats.skew(values) > 0.5
    assert found.high - found.mean > 1.2 * (found.mean - found.low)


def test_one_image_far_from_equal_others_leaves_it_bounded() -> None:
    values = np.array([0.1, 0.1, 0.1, 0.1, 0.5])
    margin = student(values)[1] - values.mean()
    found = paired_interval(values)
    assert found.high - found.mean == pytest.approx(WIDEST * margin)
    assert found.low > 0


def test_what_seeds_have_in_common_widens_the_interval() -> None:
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 0.1, (3, 40))
    luck = np.array([[-1.0], [0.0], [1.0]])
    alone, together = paired_interval(noise), paired_interval(noise + luck)
    assert together.high - together.low > 5 * (alone.high - alone.low)


def test_seeds_and_images_add_their_margins_as_squares() -> None:
    luck = np.array([[-1.0], [0.2], [1.0]])
    table = np.random.default_rng(5).normal(0.2, 1, (3, 14)) + luck
    images, seeds = paired_interval(table.mean(axis=0)), student(table.mean(axis=1))
    found = paired_interval(table)
    assert (found.mean - found.low) ** 2 == pytest.approx(
        (images.mean - images.low) ** 2 + (images.mean - seeds[0]) ** 2
    )
    assert (found.high - found.mean) ** 2 == pytest.approx(
        (images.high - images.mean) ** 2 + (seeds[1] - images.mean) ** 2
    )


def test_a_single_image_is_taken_as_given() -> None:
    values = gains(3)
    found = paired_interval(values[:, None])
    assert (found.low, found.high) == pytest.approx(student(values))


TABLES = st.integers(0, 2**32 - 1).map(
    lambda seed: np.random.default_rng(seed).gamma(2, 0.1, (1 + seed % 3, 2 + seed % 17)) - 0.1
)


@settings(deadline=None, max_examples=40)
@given(TABLES, st.integers(0, 1000))
def test_order_does_not_matter(table: np.ndarray, seed: int) -> None:
    rng = np.random.default_rng(seed)
    mixed = rng.permutation(rng.permutation(table, axis=0), axis=1)
    assert paired_interval(mixed, resamples=500) == paired_interval(table, resamples=500)


@settings(deadline=None, max_examples=40)
@given(TABLES)
def test_swapping_the_methods_swaps_the_bounds(table: np.ndarray) -> None:
    found, swapped = (paired_interval(sign * table, resamples=500) for sign in (1, -1))
    mean, low, high = bounds(found)
    assert bounds(swapped) == pytest.approx((-mean, -high, -low), rel=1e-9, abs=1e-12)


@settings(deadline=None, max_examples=40)
@given(TABLES, st.floats(-100, 100), st.floats(1e-3, 1e3))
def test_it_moves_and_stretches_with_the_differences(
    table: np.ndarray, shift: float, factor: float
) -> None:
    found = paired_interval(table, resamples=500)
    changed = paired_interval(shift + factor * table, resamples=500)
    expected = [shift + factor * bound for bound in bounds(found)]
    assert bounds(changed) == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("shape", [(9,), (3, 9)])
def test_a_higher_level_is_wider(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(6).normal(size=shape)
    narrow, usual, wide = (paired_interval(values, level) for level in (0.8, 0.95, 0.99))
    assert wide.low < usual.low < narrow.low < narrow.high < usual.high < wide.high


def test_it_is_the_same_every_time_and_says_itself() -> None:
    differences = np.random.default_rng(5).normal(size=(2, 9))
    assert paired_interval(differences) == paired_interval(differences.tolist())
    assert paired_interval(differences) != paired_interval(differences, seed=1)
    assert str(paired_interval([0.125, 0.125])) == "+0.125 (+0.125 to +0.125)"


def test_another_seed_of_the_draws_changes_little() -> None:
    values = gains(14)
    found, other = (paired_interval(values, seed=seed) for seed in (0, 1))
    assert bounds(found) == pytest.approx(bounds(other), abs=0.1 * stats.sem(values))


def test_what_is_resampled_in_parts_is_the_same_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    values = gains(100)
    whole = paired_interval(values)
    monkeypatch.setattr("mtlsr.metrics.paired.BLOCK", 70_000)
    parts = paired_interval(values)
    assert bounds(whole) == pytest.approx(bounds(parts), abs=0.1 * stats.sem(values))


@pytest.mark.parametrize("sign", [-1, 1])
def test_only_an_interval_without_zero_tells_two_methods_apart(sign: int) -> None:
    far, near = np.linspace(1, 2, 12), np.linspace(-1, 1.1, 12)
    assert paired_interval(sign * far).excludes_zero
    assert not paired_interval(sign * near).excludes_zero


@pytest.mark.parametrize(
    ("differences", "level", "message"),
    [
        ([], 0.95, "shape"),
        ([0.5], 0.95, "at least two"),
        ([1.0, float("nan")], 0.95, "finite"),
        ([1.0, float("inf")], 0.95, "finite"),
        ([[[1.0]]], 0.95, "shape"),
        ([1.0, 2.0], 1.0, "level is 1"),
        ([1.0, 2.0], 0.0, "level is 0"),
    ],
)
def test_what_has_no_interval_is_refused(differences, level: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        paired_interval(differences, level)


def enumerated(differences: np.ndarray) -> float:
    """Wilcoxon's p from its definition: over every choice of signs of the ranks."""
    values = differences[differences != 0]
    ranks = stats.rankdata(np.abs(values))
    balance = abs(ranks @ np.sign(values))
    signs = np.array(list(product((-1, 1), repeat=len(values))))
    return float(np.mean(np.abs(signs @ ranks) >= balance - 1e-9))


@pytest.mark.parametrize("count", [1, 2, 5, 9, 12])
@pytest.mark.parametrize("seed", range(4))
def test_signed_ranks_are_exact(count: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(0.4, 1, count)
    assert signed_rank(values) == pytest.approx(enumerated(values), rel=1e-12)
    assert signed_rank(-values) == signed_rank(values)
    assert signed_rank(values) >= 2 / 2**count


@pytest.mark.parametrize("seed", range(4))
def test_signed_ranks_with_ties_are_exact_where_images_are_few(seed: int) -> None:
    values = np.rint(np.random.default_rng(seed).normal(0.8, 1.5, 10))
    assert signed_rank(values) == pytest.approx(enumerated(values), rel=1e-12)


def test_signed_ranks_leave_out_what_is_equal() -> None:
    values = np.random.default_rng(7).normal(0.4, 1, 10)
    assert signed_rank([*values, 0, 0, 0]) == signed_rank(values)
    assert signed_rank(np.zeros(6)) == 1.0


def test_signed_ranks_of_equal_methods_are_as_often_small_as_they_say() -> None:
    rng = np.random.default_rng(8)
    found = [signed_rank(rng.normal(size=60)) for _ in range(400)]
    assert 0.02 <= np.mean(np.array(found) < 0.05) <= 0.08


@pytest.mark.parametrize("differences", [[[1.0, 2.0]], [1.0, float("nan")]])
def test_what_has_no_ranks_is_refused(differences) -> None:
    with pytest.raises(ValueError, match=r"finite \(images,\) are needed"):
        signed_rank(differences)


def closed(p_values: list[float]) -> list[float]:
    """Holm's correction as closed testing: a hypothesis falls if every set that holds it does, and
    a set of k falls by Bonferroni if k times its smallest p is below the bound."""
    count = len(p_values)
    sets = [s for k in range(1, count + 1) for s in combinations(range(count), k)]
    return [
        max(min(1.0, len(s) * min(p_values[j] for j in s)) for s in sets if i in s)
        for i in range(count)
    ]


@settings(max_examples=60)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=7))
def test_holm_is_closed_testing(p_values: list[float]) -> None:
    assert holm(p_values) == pytest.approx(closed(p_values), rel=1e-12)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


def test_holm_errs_no_more_often_than_it_says() -> None:
    rng = np.random.default_rng(9)
    erred = [min(holm(list(rng.uniform(size=6)))) < 0.05 for _ in range(2000)]
    assert np.mean(erred) <= 0.06
