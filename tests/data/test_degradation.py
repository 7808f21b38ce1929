from dataclasses import replace

import numpy as np
import pytest

from mtlsr.data import bundled
from mtlsr.data.degradation import (
    PARAMETERS,
    DegradationRanges,
    bicubic,
    classical,
    degrade,
    gaussian_kernel,
    sample_parameters,
)
from mtlsr.data.images import read_image
from mtlsr.data.resize import bicubic_downscale

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)


@pytest.fixture(scope="module")
def patch() -> np.ndarray:
    coffee = read_image(bundled.TEST[0].path)
    return bicubic_downscale(coffee[:256, :256], 4)


def vector(**strengths: float) -> np.ndarray:
    return np.array([strengths.get(name, 0) for name in PARAMETERS], np.float32)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def error(patch: np.ndarray, parameters: np.ndarray) -> float:
    degraded = degrade(patch, parameters, rng(), classical)
    return float(np.square(degraded.astype(float) - patch).mean())


def test_all_zero_is_the_very_image(patch: np.ndarray) -> None:
    assert degrade(patch, vector(), rng(), classical) is patch


@pytest.mark.parametrize("name", ["blur", "noise", "jpeg", "resampling"])
def test_more_is_more(patch: np.ndarray, name: str) -> None:
    errors = [error(patch, vector(**{name: strength})) for strength in STRENGTHS]
    assert errors == sorted(errors)
    assert len(set(errors)) == len(errors)
    assert errors[-1] > 10


def test_anisotropy_stretches_the_kernel_and_keeps_its_area() -> None:
    ratios = []
    for ratio in (1.0, 1.5, 2.0, 3.0):
        kernel = gaussian_kernel(1.5, ratio, 0.7).astype(float)
        assert kernel.sum() == pytest.approx(1)
        y, x = np.mgrid[: len(kernel), : len(kernel)] - len(kernel) // 2
        covariance = [[(kernel * a * b).sum() for a in (x, y)] for b in (x, y)]
        short, long = np.sqrt(np.linalg.eigvalsh(covariance))
        assert short * long == pytest.approx(1.5**2, rel=0.05)
        ratios.append(long / short)
    np.testing.assert_allclose(ratios, [1, 1.5, 2, 3], rtol=0.03)


def test_anisotropy_alone_changes_nothing_and_with_blur_it_does(patch: np.ndarray) -> None:
    np.testing.assert_array_equal(degrade(patch, vector(anisotropy=1), rng(), classical), patch)
    round_, long = vector(blur=0.5), vector(blur=0.5, anisotropy=1)
    assert (
        degrade(patch, round_, rng(), classical) != degrade(patch, long, rng(), classical)
    ).any()


def test_round_blur_is_the_limit_of_long_blur(patch: np.ndarray) -> None:
    almost = degrade(patch, vector(blur=0.5, anisotropy=1e-4), rng(), classical)
    exact = degrade(patch, vector(blur=0.5), rng(), classical)
    assert np.abs(almost.astype(int) - exact).max() <= 1


def test_noise_has_the_promised_deviation() -> None:
    grey = np.full((128, 128, 3), 128, np.uint8)
    noisy = degrade(grey, vector(noise=0.4), rng(), classical).astype(float)
    assert noisy.std() == pytest.approx(0.4 * classical.noise[1], rel=0.02)
    assert noisy.mean() == pytest.approx(128, abs=0.2)


def test_same_generator_same_image_other_generator_other_image(patch: np.ndarray) -> None:
    strengths = vector(blur=0.5, anisotropy=0.5, noise=0.5, jpeg=0.5, resampling=0.5)
    before = patch.copy()
    first = degrade(patch, strengths, rng(), classical)
    assert first.dtype == np.uint8
    assert first.shape == patch.shape
    np.testing.assert_array_equal(first, degrade(patch, strengths, rng(), classical))
    assert (first != degrade(patch, strengths, rng(1), classical)).any()
    np.testing.assert_array_equal(patch, before)


def test_drawn_strengths_fill_their_ranges_and_zero_is_absent() -> None:
    generator = rng()
    drawn = np.stack([sample_parameters(generator, classical) for _ in range(4000)])
    assert drawn.dtype == np.float32
    r = classical
    present = drawn > 0
    weakest = [r.blur[0] / r.blur[1], 0, r.noise[0] / r.noise[1], 5 / 70, 0]
    for column, least in enumerate(weakest):
        values = drawn[:, column][present[:, column]]
        assert least - 1e-6 <= values.min() < least + 0.02
        assert 0.98 < values.max() <= 1
    degraded = 1 - r.clean_probability
    expected = np.array([0.7, 0.35, 0.7, 0.7, 0.3]) * degraded
    np.testing.assert_allclose(present.mean(axis=0), expected, atol=0.03)
    assert not present[~present[:, 0], 1].any()  # no direction without blur


def test_clean_share() -> None:
    always = DegradationRanges(
        blur_probability=1, noise_probability=1, jpeg_probability=1, clean_probability=0.25
    )
    generator = rng()
    clean = [not sample_parameters(generator, always).any() for _ in range(4000)]
    assert np.mean(clean) == pytest.approx(0.25, abs=0.03)


def test_number_of_draws_does_not_depend_on_their_outcome() -> None:
    for seed in range(20):
        states = []
        for ranges in (bicubic, classical):
            generator = rng(seed)
            sample_parameters(generator, ranges)
            states.append(generator.random())
        assert states[0] == states[1]


def test_bicubic_never_degrades() -> None:
    generator = rng()
    assert not any(sample_parameters(generator, bicubic).any() for _ in range(200))


def test_ranges_accept_lists_and_compare_as_values() -> None:
    assert DegradationRanges(blur=[0.2, 2.0]) == classical  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("blur", (2.0, 0.2)),
        ("blur", (-1.0, 1.0)),
        ("noise", (0.0, float("nan"))),
        ("anisotropy", (0.5, 2.0)),
        ("jpeg", (0.0, 95.0)),
        ("resampling", (1.0, 2.0, 3.0)),
        ("clean_probability", 1.5),
        ("noise_probability", float("nan")),
    ],
)
def test_impossible_ranges_are_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        replace(classical, **{field: value})


@pytest.mark.parametrize("bad", [np.zeros(4), np.full(5, 1.01), np.full(5, np.nan)])
def test_impossible_strengths_are_refused(patch: np.ndarray, bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="five numbers"):
        degrade(patch, bad, rng(), classical)
