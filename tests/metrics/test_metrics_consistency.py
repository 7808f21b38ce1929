import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from mtlsr.data.resize import bicubic_downscale, bicubic_upscale, resampling_matrix
from mtlsr.metrics import Protocol, lr_psnr

PROTOCOL = Protocol.preset("literature", 4)
FLOAT = dataclasses.replace(PROTOCOL, output="float")


def by_hand(sr: np.ndarray, lr: np.ndarray) -> float:
    """Operators instead of taps, rounded after each pass; scikit-image's PSNR."""
    down = resampling_matrix(sr.shape[0], lr.shape[0])
    across = resampling_matrix(sr.shape[1], lr.shape[1])
    first = np.floor(np.einsum("is,swc->iwc", down, sr).clip(0, 255) + 0.5 + 1e-9)
    back = np.floor(np.einsum("jw,iwc->ijc", across, first).clip(0, 255) + 0.5 + 1e-9)
    return float(peak_signal_noise_ratio(lr.astype(float), back, data_range=255))


@pytest.mark.parametrize("shape", [(40, 56, 3), (37, 23, 3)], ids=str)
def test_it_is_the_psnr_of_what_comes_back(shape: tuple[int, ...], random_pair: Callable) -> None:
    lr, _ = random_pair(shape)
    sr = bicubic_upscale(lr, 4)
    assert lr_psnr(sr, lr, PROTOCOL) == pytest.approx(by_hand(sr, lr), abs=1e-9)


def test_the_truth_comes_back_whole_and_what_is_added_is_lost(random_pair: Callable) -> None:
    _, hr = random_pair((64, 80, 3))
    lr = bicubic_downscale(hr, 4)
    assert lr_psnr(hr, lr, PROTOCOL) == math.inf
    shifted = np.clip(hr.astype(int) + 10, 0, 255).astype(np.uint8)
    assert lr_psnr(shifted, lr, PROTOCOL) == pytest.approx(20 * math.log10(25.5), abs=0.2)


def test_the_border_counts(random_pair: Callable) -> None:
    """An output that invents its border is not consistent with its input."""
    _, hr = random_pair((64, 80, 3))
    lr, broken = bicubic_downscale(hr, 4), hr.copy()
    broken[:4] = 255 - broken[:4]
    assert lr_psnr(broken, lr, PROTOCOL) < 35


def test_grey_is_three_equal_channels(random_pair: Callable) -> None:
    sr, hr = random_pair((64, 80))
    lr = bicubic_downscale(hr, 4)
    expected = lr_psnr(np.dstack([sr] * 3), np.dstack([lr] * 3), PROTOCOL)
    assert lr_psnr(sr, lr, PROTOCOL) == lr_psnr(sr, np.dstack([lr] * 3), PROTOCOL) == expected


def test_levels_that_were_never_rounded_are_rounded_first(random_pair: Callable) -> None:
    sr, hr = random_pair((64, 80, 3))
    lr = bicubic_downscale(hr, 4)
    expected = lr_psnr(sr, lr, PROTOCOL)
    for off in (-0.49, 0.49):
        assert lr_psnr(sr + off, lr, FLOAT) == expected


@pytest.mark.parametrize(
    ("sr", "lr", "message"),
    [
        ((64, 80, 3), (16, 21, 3), r"sr is 64 x 80 and lr 16 x 21; .* scale 4: an sr of 64 x 84"),
        ((64, 80, 3), (32, 40, 3), r"an sr of 128 x 160"),
        ((64, 80, 4), (16, 20, 3), r"sr has shape \(64, 80, 4\)"),
        ((64, 80, 3), (16, 20, 2), r"lr has shape \(16, 20, 2\)"),
    ],
)
def test_sizes_that_do_not_match_are_refused(
    sr: tuple[int, ...], lr: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        lr_psnr(np.zeros(sr, np.uint8), np.zeros(lr, np.uint8), PROTOCOL)
