from collections.abc import Callable

import cv2
import numpy as np
import pytest
from scipy.signal import convolve2d

from mtlsr.metrics import Protocol, gmsd
from mtlsr.metrics.planes import planes

PROTOCOL = Protocol.preset("literature", 2)


def authors(a: np.ndarray, b: np.ndarray) -> float:
    """The authors' MATLAB code, line by line; for even sides."""
    across = np.array([[1, 0, -1], [1, 0, -1], [1, 0, -1]]) / 3
    maps = []
    for image in (a, b):
        # conv2(..., 'same') with an even kernel begins one pixel later than scipy's.
        mean = convolve2d(image, np.ones((2, 2)) / 4, mode="full")[1:, 1:][::2, ::2]
        x, y = (convolve2d(mean, kernel, mode="same") for kernel in (across, across.T))
        maps.append(np.sqrt(x**2 + y**2))
    similarity = (2 * maps[0] * maps[1] + 170) / (maps[0] ** 2 + maps[1] ** 2 + 170)
    return float(np.std(similarity, ddof=1))


@pytest.mark.parametrize("shape", [(40, 56, 3), (64, 44), (10, 12, 3)], ids=str)
def test_it_is_the_authors_code(shape: tuple[int, ...], random_pair: Callable) -> None:
    sr, hr = random_pair(shape)
    assert gmsd(sr, hr, PROTOCOL) == pytest.approx(authors(*planes(sr, hr, PROTOCOL)), abs=1e-12)


def test_a_last_odd_row_and_column_do_not_count(random_pair: Callable) -> None:
    protocol = Protocol(scale=2, border=0)
    sr, hr = random_pair((41, 57, 3))
    assert gmsd(sr, hr, protocol) == gmsd(sr[:40, :56], hr[:40, :56], protocol)


def test_equal_images_have_none_and_it_is_symmetric(random_pair: Callable) -> None:
    sr, hr = random_pair((40, 56, 3))
    assert gmsd(hr, hr, PROTOCOL) == 0
    assert gmsd(sr, hr, PROTOCOL) == pytest.approx(gmsd(hr, sr, PROTOCOL), abs=1e-12)


def test_blur_costs_the_more_the_stronger_it_is() -> None:
    rng = np.random.default_rng(0)
    hr = cv2.GaussianBlur(rng.integers(0, 256, (128, 128, 3), dtype=np.uint8), (0, 0), 1.5)
    figures = [gmsd(cv2.GaussianBlur(hr, (0, 0), s), hr, PROTOCOL) for s in (0.5, 1, 2)]
    assert figures == sorted(figures)
    assert figures[0] > 0


def test_small_images_are_refused() -> None:
    image = np.zeros((9, 20, 3), np.uint8)
    with pytest.raises(ValueError, match=r"the image is 5 x 16; allowed for GMSD: at least 6"):
        gmsd(image, image, PROTOCOL)
