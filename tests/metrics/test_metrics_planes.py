import dataclasses

import cv2
import numpy as np
import pytest

from mtlsr.metrics import Protocol, luma
from mtlsr.metrics.planes import planes

LITERATURE = Protocol.preset("literature", 2)
RGB_GREY = Protocol.preset("rgb-grey", 2)
LEVELS = np.arange(256, dtype=np.uint8).reshape(16, 16)


def test_luma_of_black_white_and_the_primaries() -> None:
    colours = np.array([[[0] * 3, [255] * 3, [255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    expected = [[16.0, 235.0, 16 + 65.481, 16 + 128.553, 16 + 24.966]]
    np.testing.assert_allclose(luma(colours, LITERATURE), expected, rtol=0, atol=1e-12)


def test_luma_is_float64_and_never_rounded() -> None:
    y = luma(np.full((1, 1, 3), 1, np.uint8), LITERATURE)
    assert y.dtype == np.float64
    assert y[0, 0] == pytest.approx(16 + 219 / 255, abs=1e-13)


def test_opencvs_luma_is_opencvs() -> None:
    protocol = dataclasses.replace(LITERATURE, colour="opencv")
    image = np.random.default_rng(0).integers(0, 256, (64, 48, 3), dtype=np.uint8)
    bgr = np.ascontiguousarray(image[..., ::-1])
    expected = cv2.cvtColor(bgr, cv2.COLOR_BGR2YCrCb)[..., 0]
    np.testing.assert_array_equal(luma(image, protocol), expected)
    exact = image @ np.array([0.299, 0.587, 0.114])
    assert np.abs(luma(image, protocol) - exact).max() == pytest.approx(0.5, abs=0.01)


def test_an_output_that_was_never_rounded_is_compared_as_it_is() -> None:
    protocol = dataclasses.replace(LITERATURE, output="float", border=0)
    hr = np.zeros((5, 5, 3), np.uint8)
    levels = np.full((5, 5, 3), 100.4)
    for kind in (np.float32, np.float64):
        sr, _ = planes(levels.astype(kind), hr, protocol, "rgb")
        assert sr.dtype == np.float64
        np.testing.assert_allclose(sr, 100.4, rtol=1e-7)
    np.testing.assert_array_equal(planes(levels + 200, hr, protocol, "rgb")[0], 255)
    np.testing.assert_array_equal(planes(levels - 200, hr, protocol, "rgb")[0], 0)
    for colour in ("bt601-studio", "bt601-full", "opencv"):
        changed = dataclasses.replace(protocol, colour=colour)
        whole = planes(np.full_like(levels, 100), hr, changed)[0][0, 0]
        expected = luma(np.full_like(hr, 100), changed)[0, 0]
        assert whole == pytest.approx(expected, abs=1e-9)
        assert 0.3 < planes(levels, hr, changed)[0][0, 0] - whole < 0.41


def test_where_no_space_is_named_it_is_the_protocols() -> None:
    rgb = Protocol.preset("rgb", 2)
    assert planes(RGB, RGB, rgb)[0].shape == (12, 12, 3)
    assert planes(RGB, RGB, rgb, "y")[0].shape == (12, 12)
    assert planes(RGB, RGB, LITERATURE)[0].shape == (12, 12)


def test_grey_is_as_stored_or_expanded() -> None:
    np.testing.assert_array_equal(luma(LEVELS, LITERATURE), LEVELS)
    np.testing.assert_array_equal(luma(LEVELS[..., None], LITERATURE), LEVELS)
    expanded = luma(np.dstack([LEVELS] * 3), RGB_GREY)
    np.testing.assert_array_equal(luma(LEVELS, RGB_GREY), expanded)
    np.testing.assert_allclose(expanded, 16 + LEVELS * (219 / 255), rtol=0, atol=1e-12)


@pytest.mark.parametrize("grey_output", ["bt601-full", "mean"])
def test_a_grey_rgb_output_meets_a_stored_grey_exactly(grey_output: str) -> None:
    protocol = dataclasses.replace(LITERATURE, grey_output=grey_output, border=0)
    sr, hr = planes(np.dstack([LEVELS] * 3), LEVELS, protocol)
    np.testing.assert_array_equal(sr, LEVELS)
    np.testing.assert_array_equal(hr, LEVELS)


def test_a_tinted_output_meets_a_stored_grey_by_its_bt601_weights() -> None:
    red = np.zeros((5, 5, 3), np.uint8)
    red[..., 0] = 255
    sr, _ = planes(red, np.zeros((5, 5), np.uint8), LITERATURE)
    np.testing.assert_allclose(sr, 255 * 65.481 / 219, rtol=0, atol=1e-12)


def test_in_rgb_a_grey_image_has_three_equal_channels() -> None:
    for protocol in (LITERATURE, RGB_GREY):
        sr, hr = planes(LEVELS, LEVELS, protocol, "rgb")
        assert sr.shape == hr.shape == (12, 12, 3)
        np.testing.assert_array_equal(hr, np.dstack([LEVELS[2:-2, 2:-2]] * 3))


def test_the_border_is_cut_from_all_four_sides() -> None:
    hr = np.zeros((20, 24, 3), np.uint8)
    sr = np.full_like(hr, 255)
    sr[3:-3, 3:-3] = 0
    inside, _ = planes(sr, hr, dataclasses.replace(LITERATURE, border=3))
    assert inside.shape == (14, 18)
    assert np.ptp(inside) == 0
    outside, _ = planes(sr, hr, LITERATURE)
    assert all(np.ptp(side) == 0 and side[1] > 16 for side in (outside[0], outside[:, -1]))


RGB = np.zeros((16, 16, 3), np.uint8)


@pytest.mark.parametrize(
    ("sr", "hr", "message"),
    [
        (RGB[:15], RGB, r"sr is 15 x 16 but hr is 16 x 16; allowed: equal sizes"),
        (RGB.astype(np.float32), RGB, r"sr is a ndarray of float32; allowed: .*uint8"),
        (RGB, RGB.tolist(), r"hr is a list; allowed: .*uint8"),
        (RGB[..., 0], RGB, r"sr is grey but hr has three channels"),
        (RGB, np.zeros((16, 16, 4), np.uint8), r"hr has shape \(16, 16, 4\); allowed: \(H, W, 3\)"),
        (RGB[None], RGB, r"sr has shape \(1, 16, 16, 3\)"),
        (RGB[:4], RGB[:4], r"the image is 4 x 16; allowed: more than 4 pixels a side"),
    ],
)
def test_refusals_say_what_was_given_and_what_is_allowed(
    sr: np.ndarray, hr: np.ndarray, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        planes(sr, hr, LITERATURE)


@pytest.mark.parametrize(
    ("sr", "message"),
    [
        (RGB, r"sr is a ndarray of uint8; allowed: a NumPy array of float32 or float64"),
        (RGB.astype(np.float16), r"sr is a ndarray of float16"),
        (np.full(RGB.shape, np.nan), r"sr holds levels that are not finite; allowed: 0 to 255"),
    ],
)
def test_a_rounded_output_does_not_pass_for_one_that_never_was(
    sr: np.ndarray, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        planes(sr, RGB, dataclasses.replace(LITERATURE, output="float"))


def test_an_unknown_space_is_refused() -> None:
    with pytest.raises(ValueError, match="space is 'lab'; allowed: y, rgb"):
        planes(RGB, RGB, LITERATURE, "lab")  # type: ignore[arg-type]
