import dataclasses
import math
from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch
from scipy.ndimage import sobel
from skimage.metrics import peak_signal_noise_ratio

from mtlsr.metrics import Protocol, edge_psnr
from mtlsr.metrics.planes import planes
from mtlsr.objective.structure import gradient

PROTOCOL = Protocol.preset("literature", 2)


@pytest.mark.parametrize("shape", [(40, 56, 3), (37, 23, 3), (31, 44)], ids=str)
def test_it_is_the_psnr_of_scipys_derivatives(
    shape: tuple[int, ...], random_pair: Callable
) -> None:
    sr, hr = random_pair(shape)
    a, b = (
        np.stack([sobel(plane, axis)[1:-1, 1:-1] / 8 for axis in (0, 1)])
        for plane in planes(sr, hr, PROTOCOL)
    )
    expected = peak_signal_noise_ratio(b, a, data_range=255)
    assert edge_psnr(sr, hr, PROTOCOL) == pytest.approx(expected, abs=1e-9)


def test_its_derivatives_are_those_of_the_structure_term(random_pair: Callable) -> None:
    sr, hr = random_pair((40, 56, 3))
    protocol = Protocol(scale=2, border=0, colour="bt601-full")
    images = (torch.from_numpy(x).permute(2, 0, 1)[None].double() / 255 for x in (sr, hr))
    a, b = (255 * gradient(image)[..., 1:-1, 1:-1].numpy() for image in images)
    expected = peak_signal_noise_ratio(b, a, data_range=255)
    assert edge_psnr(sr, hr, protocol) == pytest.approx(expected, abs=1e-6)


def test_a_ramp_has_the_error_of_its_slope() -> None:
    """Five levels a pixel against none: the error is 25 in one of the two derivatives."""
    protocol = Protocol(scale=2, border=0)
    ramp = np.tile(np.arange(0, 250, 5, dtype=np.uint8), (20, 1))
    expected = 10 * math.log10(255**2 / 12.5)
    assert edge_psnr(ramp, np.zeros_like(ramp), protocol) == pytest.approx(expected, abs=1e-9)


def test_equal_edges_are_infinitely_near_whatever_is_added(random_pair: Callable) -> None:
    _, hr = random_pair((40, 56, 3))
    hr = hr.clip(0, 200)
    assert edge_psnr(hr, hr, PROTOCOL) == math.inf
    assert edge_psnr(hr + 10, hr, PROTOCOL) > 250


def test_blur_costs_the_more_the_stronger_it_is(random_pair: Callable) -> None:
    _, hr = random_pair((60, 56, 3))
    figures = [edge_psnr(cv2.GaussianBlur(hr, (0, 0), s), hr, PROTOCOL) for s in (0.5, 1, 2)]
    assert figures == sorted(figures, reverse=True)


def test_what_has_no_gradient_is_refused(random_pair: Callable) -> None:
    sr, hr = random_pair((6, 30, 3))
    with pytest.raises(ValueError, match="is 2 x 26; allowed for its gradient: at least 3 pixels"):
        edge_psnr(sr, hr, PROTOCOL)
    assert math.isfinite(edge_psnr(sr, hr, dataclasses.replace(PROTOCOL, border=1)))
