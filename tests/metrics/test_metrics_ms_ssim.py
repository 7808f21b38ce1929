"""MS-SSIM against the authors' program in SciPy, against torchmetrics, and at points known."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate, correlate1d
from torchmetrics.functional.image import structural_similarity_index_measure as torch_ssim

from mtlsr.metrics import Protocol, ms_ssim
from mtlsr.metrics.planes import Plane, planes

WHOLE = Protocol(scale=2, border=0)
WEIGHTS = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]


def by_hand(a: Plane, b: Plane) -> float:
    """The steps of the authors' msssim.m, on one channel."""
    offsets = np.arange(-5, 6)
    kernel = np.exp(-(offsets**2) / (2 * 1.5**2))
    kernel /= kernel.sum()

    def local(x: Plane) -> Plane:
        return correlate1d(correlate1d(x, kernel, axis=0), kernel, axis=1)[5:-5, 5:-5]

    contrasts = []
    for _ in WEIGHTS:
        means = local(a), local(b)
        variances = [local(x * x) - m * m for x, m in zip((a, b), means, strict=True)]
        covariance = local(a * b) - means[0] * means[1]
        contrast = (2 * covariance + 58.5225) / (sum(variances) + 58.5225)
        luminance = (2 * means[0] * means[1] + 6.5025) / (means[0] ** 2 + means[1] ** 2 + 6.5025)
        similarity = (luminance * contrast).mean()
        contrasts.append(contrast.mean())
        # Every second mean of four pixels; SciPy's "reflect" is MATLAB's "symmetric".
        a, b = (correlate(x, np.full((2, 2), 0.25), origin=-1)[::2, ::2] for x in (a, b))
    return float(np.prod(np.array([*contrasts[:-1], similarity]) ** WEIGHTS))


@pytest.mark.parametrize("shape", [(176, 176, 3), (180, 209, 3), (191, 177), (223, 331)], ids=str)
def test_it_is_the_authors_program(shape: tuple[int, ...], random_pair: Callable) -> None:
    sr, hr = random_pair(shape)
    assert ms_ssim(sr, hr, WHOLE) == pytest.approx(by_hand(*planes(sr, hr, WHOLE)), abs=1e-9)
    channels = zip(*(np.moveaxis(p, 2, 0) for p in planes(sr, hr, WHOLE, "rgb")), strict=True)
    expected = np.mean([by_hand(a, b) for a, b in channels])
    assert ms_ssim(sr, hr, WHOLE, "rgb") == pytest.approx(expected, abs=1e-9)


def test_torchmetrics_means_at_valid_positions_make_the_same_figure(random_pair: Callable) -> None:
    """On sides that halve four times, where both average alike.

    torchmetrics' own MS-SSIM keeps the mirrored border in the last scale's mean, which the authors
    do not; cut there, its parts are ours.
    """
    sr, hr = random_pair((176, 208, 3))
    a, b = (torch.from_numpy(plane)[None, None] for plane in planes(sr, hr, WHOLE))
    result = 1.0
    for weight in WEIGHTS[:-1]:
        _, contrast = torch_ssim(a, b, data_range=255.0, return_contrast_sensitivity=True)
        result *= float(contrast) ** weight
        a, b = (torch.nn.functional.avg_pool2d(x, 2) for x in (a, b))
    _, last = torch_ssim(a, b, data_range=255.0, return_full_image=True)
    result *= float(last[..., 5:-5, 5:-5].mean()) ** WEIGHTS[-1]
    assert ms_ssim(sr, hr, WHOLE) == pytest.approx(result, abs=1e-9)


@pytest.mark.parametrize("space", ["y", "rgb"])
def test_equal_images_have_one_and_negatives_none(space: str, random_pair: Callable) -> None:
    _, hr = random_pair((180, 190, 3))
    assert ms_ssim(hr, hr, WHOLE, space) == pytest.approx(1, abs=1e-12)
    assert ms_ssim(255 - hr, hr, WHOLE, space) == 0
    flat = np.full_like(hr, 90)
    assert ms_ssim(flat, flat, WHOLE, space) == pytest.approx(1, abs=1e-12)


def test_noise_costs_the_more_the_stronger_it_is(random_pair: Callable) -> None:
    _, hr = random_pair((180, 190, 3))
    noise = np.random.default_rng(0).normal(size=hr.shape)
    levels = [np.clip(hr + s * noise, 0, 255).astype(np.uint8) for s in (2, 8, 32)]
    figures = [ms_ssim(sr, hr, WHOLE) for sr in levels]
    assert 1 > figures[0] > figures[1] > figures[2] > 0


def test_the_protocols_window_constants_border_and_space_count(random_pair: Callable) -> None:
    sr, hr = random_pair((200, 200, 3))
    usual = ms_ssim(sr, hr, WHOLE)
    for change in ({"sigma": 1.2}, {"k2": 0.05}, {"border": 4}, {"space": "rgb"}, {"window": 9}):
        assert abs(ms_ssim(sr, hr, dataclasses.replace(WHOLE, **change)) - usual) > 1e-5, change


def test_an_image_below_sixteen_windows_is_refused(random_pair: Callable) -> None:
    sr, hr = random_pair((180, 179, 3))
    with pytest.raises(ValueError, match=r"is 176 x 175; allowed for MS-SSIM: at least 176 pixels"):
        ms_ssim(sr, hr, dataclasses.replace(WHOLE, border=2))
