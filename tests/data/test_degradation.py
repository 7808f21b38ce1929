"""One pass: `classical`, and `bicubic`, which is `classical` that never happens."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage, stats
from torch.nn import functional as F

from mtlsr.data import bundled
from mtlsr.data.degradation import Classical, bicubic, classical, gaussian_kernel
from mtlsr.data.images import read_image
from mtlsr.data.resize import bicubic_downscale

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)


@pytest.fixture(scope="module")
def patch() -> np.ndarray:
    coffee = read_image(bundled.TEST[0].path)
    return bicubic_downscale(coffee[:256, :256], 4)


def vector(**strengths: float) -> np.ndarray:
    return np.array([strengths.get(name, 0) for name in Classical.names], np.float32)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def degraded(patch: np.ndarray, degradation: Classical = classical, **strengths: float):
    return degradation.degrade(patch, vector(**strengths), rng())


def test_all_zero_is_the_very_image(patch: np.ndarray) -> None:
    assert classical.degrade(patch, vector(), rng()) is patch


@pytest.mark.parametrize("name", ["blur", "noise", "jpeg", "resampling"])
def test_more_is_more(patch: np.ndarray, name: str) -> None:
    errors = [
        np.square(degraded(patch, **{name: strength}).astype(float) - patch).mean()
        for strength in STRENGTHS
    ]
    assert errors == sorted(errors)
    assert len(set(errors)) == len(errors)
    assert errors[-1] > 10


def test_blur_is_that_of_scipy(patch: np.ndarray) -> None:
    sigma = 0.6 * classical.blur[1]
    expected = ndimage.gaussian_filter(
        patch.astype(float), (sigma, sigma, 0), mode="nearest", radius=(4, 4, 0)
    )
    assert np.abs(degraded(patch, blur=0.6) - expected).max() < 0.51


def test_long_blur_is_that_of_scipy(patch: np.ndarray) -> None:
    """A probability density lies as the Gaussian does; its angle is drawn first."""
    sigma, ratio, angle = 0.6 * classical.blur[1], 2.0, np.pi * rng().random()
    along = np.array([np.cos(angle), -np.sin(angle)])  # columns, rows: rows are counted downwards
    across = np.array([np.sin(angle), np.cos(angle)])
    spread = sigma**2 * (ratio * np.outer(along, along) + np.outer(across, across) / ratio)
    places = np.stack(np.meshgrid(np.arange(-9, 10), np.arange(-9, 10)), axis=-1)
    kernel = stats.multivariate_normal([0, 0], spread).pdf(places)
    kernel /= kernel.sum()
    expected = ndimage.correlate(patch.astype(float), kernel[..., None], mode="nearest")
    found = degraded(patch, blur=0.6, anisotropy=0.5)
    assert np.abs(found - expected).max() < 1.2  # ours ends after three deviations


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
    np.testing.assert_array_equal(degraded(patch, anisotropy=1), patch)
    assert (degraded(patch, blur=0.5) != degraded(patch, blur=0.5, anisotropy=1)).any()


def test_round_blur_is_the_limit_of_long_blur(patch: np.ndarray) -> None:
    almost = degraded(patch, blur=0.5, anisotropy=1e-4)
    assert np.abs(almost.astype(int) - degraded(patch, blur=0.5)).max() <= 1


def test_noise_is_white_and_gaussian_with_the_promised_deviation() -> None:
    grey = np.full((128, 128, 3), 128, np.uint8)
    noise = degraded(grey, noise=0.4).astype(float) - 128
    assert noise.std() == pytest.approx(0.4 * classical.noise[1], rel=0.02)
    assert noise.mean() == pytest.approx(0, abs=0.2)
    assert stats.kurtosis(noise, axis=None) == pytest.approx(0, abs=0.1)
    neighbours = noise[1:], noise[:-1]
    assert abs(np.corrcoef(*map(np.ravel, neighbours))[0, 1]) < 0.02
    assert np.abs(np.corrcoef(noise.reshape(-1, 3).T) - np.eye(3)).max() < 0.03


@pytest.mark.parametrize("kernel", ["area", "bilinear", "bicubic"])
def test_the_kernel_that_shrinks_is_the_configured_one(patch: np.ndarray, kernel: str) -> None:
    own = replace(classical, kernels=[kernel])
    tensor = torch.from_numpy(patch).permute(2, 0, 1)[None].double()
    corners = {} if kernel == "area" else {"align_corners": False}
    small = F.interpolate(tensor, (32, 32), mode=kernel, **corners)
    large = F.interpolate(small, (64, 64), mode="bicubic", align_corners=False)
    expected = large[0].permute(1, 2, 0).clamp(0, 255).numpy()
    assert np.abs(degraded(patch, own, resampling=1) - expected).max() < 0.51


def test_each_kernel_that_shrinks_is_taken(patch: np.ndarray) -> None:
    every = replace(classical, kernels=["area", "bicubic"])
    area = degraded(patch, replace(classical, kernels=["area"]), resampling=0.6)
    cubic = degraded(patch, replace(classical, kernels=["bicubic"]), resampling=0.6)
    found = [every.degrade(patch, vector(resampling=0.6), rng(seed)) for seed in range(40)]
    shares = [np.mean([np.array_equal(x, y) for x in found]) for y in (area, cubic)]
    assert sum(shares) == 1
    assert min(shares) > 0.25


def test_same_generator_same_image_other_generator_other_image(patch: np.ndarray) -> None:
    strengths = vector(blur=0.5, anisotropy=0.5, noise=0.5, jpeg=0.5, resampling=0.5)
    before = patch.copy()
    first = classical.degrade(patch, strengths, rng())
    assert first.dtype == np.uint8
    assert first.shape == patch.shape
    np.testing.assert_array_equal(first, classical.degrade(patch, strengths, rng()))
    assert (first != classical.degrade(patch, strengths, rng(1))).any()
    np.testing.assert_array_equal(patch, before)


def test_drawn_strengths_fill_their_ranges_and_zero_is_absent() -> None:
    generator = rng()
    drawn = np.stack([classical.sample(generator) for _ in range(4000)])
    assert drawn.dtype == np.float32
    r = classical
    present = drawn > 0
    weakest = [r.blur[0] / r.blur[1], 0, r.noise[0] / r.noise[1], 5 / 70, 0]
    for column, least in enumerate(weakest):
        values = drawn[:, column][present[:, column]]
        assert least - 1e-6 <= values.min() < least + 0.02
        assert 0.98 < values.max() <= 1
        uniform = stats.kstest(values, stats.uniform(least, 1 - least).cdf)
        assert uniform.pvalue > 1e-3
    share = 1 - r.clean_probability
    expected = np.array([0.7, 0.35, 0.7, 0.7, 0.3]) * share
    np.testing.assert_allclose(present.mean(axis=0), expected, atol=0.03)
    assert not present[~present[:, 0], 1].any()  # no direction without blur


def test_clean_share() -> None:
    always = Classical(
        blur_probability=1, noise_probability=1, jpeg_probability=1, clean_probability=0.25
    )
    generator = rng()
    clean = [not always.sample(generator).any() for _ in range(4000)]
    assert np.mean(clean) == pytest.approx(0.25, abs=0.03)


def test_number_of_draws_does_not_depend_on_their_outcome() -> None:
    for seed in range(20):
        states = []
        for degradation in (bicubic, classical):
            generator = rng(seed)
            degradation.sample(generator)
            states.append(generator.random())
        assert states[0] == states[1]


def test_bicubic_never_degrades() -> None:
    generator = rng()
    assert not any(bicubic.sample(generator).any() for _ in range(200))


def test_ranges_accept_lists_and_compare_as_values() -> None:
    assert Classical(blur=[0.2, 2.0], kernels=["area"]) == classical  # type: ignore[arg-type]
    assert len({Classical(), classical, bicubic}) == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("blur", (2.0, 0.2)),
        ("blur", (-1.0, 1.0)),
        ("noise", (0.0, float("nan"))),
        ("anisotropy", (0.5, 2.0)),
        ("jpeg", (0.0, 95.0)),
        ("resampling", (1.0, 2.0, 3.0)),
        ("kernels", ("lanczos",)),
        ("kernels", ()),
        ("clean_probability", 1.5),
        ("noise_probability", float("nan")),
    ],
)
def test_impossible_ranges_are_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        replace(classical, **{field: value})


@pytest.mark.parametrize("bad", [np.zeros(4), np.full(5, 1.01), np.full(5, np.nan)])
def test_impossible_strengths_are_refused(patch: np.ndarray, bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="5 numbers from 0 to 1 are needed, for blur, aniso"):
        classical.degrade(patch, bad, rng())
