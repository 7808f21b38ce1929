"""The texture statistic: an independent computation, and what it must and must not see."""

import cv2
import numpy as np
import pytest
from scipy.ndimage import correlate
from scipy.stats import wasserstein_distance

from mtlsr.metrics import Protocol, luma, texture_distance
from mtlsr.metrics import texture as room

WHOLE = Protocol(scale=4, border=0)


def photograph(seed: int = 0, shape: tuple[int, int] = (113, 97)) -> np.ndarray:
    """Noise of two scales, strong at the left and absent at the right: texture has a place."""
    rng = np.random.default_rng(seed)
    fine = rng.normal(0, 14, (*shape, 3))
    fine += cv2.resize(rng.normal(0, 20, (shape[0] // 2, shape[1] // 2, 3)), shape[::-1])
    place = np.linspace(1, 0, shape[1])[None, :, None]
    return np.clip(np.rint(120 + place * fine), 0, 255).astype(np.uint8)


def blurred(image: np.ndarray, sigma: float = 1.0) -> np.ndarray:
    return cv2.GaussianBlur(image, (0, 0), sigma)


def by_hand(sr: np.ndarray, hr: np.ndarray) -> float:
    """SciPy's filters and Wasserstein distance, window by window."""

    def bands(plane):
        kernel = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256
        found = []
        for _ in range(2):
            low = correlate(plane, kernel, mode="mirror")[::2, ::2]
            # Enlarging, OpenCV mirrors at the top and left and repeats at the bottom and right.
            wide = np.pad(np.pad(low, ((1, 0), (1, 0)), "reflect"), ((0, 1), (0, 1)), "edge")
            spread = np.zeros((2 * wide.shape[0], 2 * wide.shape[1]))
            spread[::2, ::2] = wide
            height, width = plane.shape
            found.append(plane - correlate(spread, 4 * kernel)[2 : 2 + height, 2 : 2 + width])
            plane = low
        return found

    rng = np.random.default_rng(0)
    directions = [each / np.sqrt((each**2).sum()) for each in rng.normal(size=(32, 7, 7))]
    shares = []
    for a, b in zip(*(bands(luma(x, WHOLE)) for x in (sr, hr)), strict=True):
        distance = energy = 0.0
        for direction in directions:
            x, y = (correlate(band, direction, mode="mirror")[3:-3, 3:-3] for band in (a, b))
            for top in range(0, x.shape[0] - 15, 16):
                for left in range(0, x.shape[1] - 15, 16):
                    window = (slice(top, top + 16), slice(left, left + 16))
                    distance += wasserstein_distance(x[window].ravel(), y[window].ravel())
                    energy += np.abs(y[window]).mean()
        shares.append(distance / energy)
    return float(np.mean(shares))


def test_it_is_what_its_docstring_says():
    for shape in ((113, 97), (112, 90)):
        hr = photograph(shape=shape)
        for sr in (blurred(hr), photograph(1, shape)):
            assert texture_distance(sr, hr, WHOLE) == pytest.approx(by_hand(sr, hr), rel=1e-6)


def test_an_equal_image_has_none_and_one_without_texture_has_one():
    hr = photograph()
    assert texture_distance(hr, hr, WHOLE) == 0
    assert texture_distance(np.full_like(hr, 90), hr, WHOLE) == pytest.approx(1, abs=1e-3)


def test_the_more_is_blurred_the_farther_it_is():
    hr = photograph()
    distances = [texture_distance(blurred(hr, s), hr, WHOLE) for s in (0.5, 0.8, 1.2, 2.0)]
    assert distances == sorted(distances)
    assert 0 < distances[0] < distances[-1] < 1


def test_too_much_counts_like_too_little():
    hr = photograph()
    weaker, stronger = (
        np.clip(np.rint(120 + factor * (hr - 120.0)), 0, 255).astype(np.uint8)
        for factor in (0.7, 1.3)
    )
    less, more = (texture_distance(sr, hr, WHOLE) for sr in (weaker, stronger))
    assert less == pytest.approx(0.3, abs=0.02)
    assert more == pytest.approx(0.3, abs=0.02)


def test_the_right_kind_at_another_place_of_the_same_region_costs_little():
    hr = photograph()
    moved = np.roll(hr, 5, axis=0)
    assert texture_distance(moved, hr, WHOLE) < 0.5 * texture_distance(blurred(hr), hr, WHOLE)
    assert np.abs(moved.astype(float) - hr).mean() > np.abs(blurred(hr).astype(float) - hr).mean()


def test_texture_in_the_wrong_region_costs():
    hr = photograph()
    upside_down, mirrored = hr[::-1], hr[:, ::-1]  # the former leaves left at the left
    right, wrong = (texture_distance(sr.copy(), hr, WHOLE) for sr in (upside_down, mirrored))
    assert wrong > 3 * right


def test_brightness_is_no_texture():
    hr = np.clip(photograph(), 0, 225)
    assert texture_distance(hr + np.uint8(30), hr, WHOLE) == pytest.approx(0, abs=1e-9)


def test_a_ground_truth_without_texture_gives_a_number():
    flat = np.full((64, 64, 3), 100, np.uint8)
    assert texture_distance(flat, flat, WHOLE) == 0
    assert np.isfinite(texture_distance(photograph(shape=(64, 64)), flat, WHOLE))


def test_grey_images_are_taken_and_borders_are_cut():
    hr = photograph()
    spoiled = hr.copy()
    spoiled[:4] = spoiled[-4:] = spoiled[:, :4] = spoiled[:, -4:] = 0
    assert texture_distance(spoiled, hr, Protocol.preset("literature", 4)) == 0
    grey = hr[..., 0]
    assert texture_distance(blurred(grey), grey, WHOLE) > 0


def test_what_it_cannot_measure_is_refused():
    hr = photograph()
    least = room.SMALLEST
    texture_distance(hr[:least, :least], hr[:least, :least], WHOLE)
    with pytest.raises(ValueError, match="43 x 97; allowed for its texture: at least 44 pixels"):
        texture_distance(hr[:43], hr[:43], WHOLE)
    with pytest.raises(ValueError, match="equal sizes"):
        texture_distance(hr[:60], hr, WHOLE)
