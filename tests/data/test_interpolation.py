"""Enlarging by a named kernel, against sums written out pixel by pixel, Pillow and torch."""

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional as F

from mtlsr.data.interpolation import METHODS, interpolate
from mtlsr.data.resize import bicubic_upscale, resampling_matrix

Number = float | Fraction


def image(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def triangle(x: Fraction) -> Fraction:
    return max(1 - abs(x), Fraction(0))


def lanczos(x: Fraction) -> float:
    if x == 0:
        return 1.0
    a, b = math.pi * float(x), math.pi * float(x) / 3
    return math.sin(a) / a * math.sin(b) / b if abs(x) < 3 else 0.0


def by_hand(
    pixels: NDArray[np.uint8], scale: int, kernel: Callable[[Fraction], Number], reach: int
) -> NDArray[np.uint8]:
    """Grey (H, W), rows first, each number the sum that the definition says."""

    def line(values: list[int]) -> list[int]:
        out = []
        for place in range(scale * len(values)):
            centre = Fraction(2 * place + 1, 2 * scale) - Fraction(1, 2)
            taps = range(math.floor(centre) - reach, math.floor(centre) + reach + 2)
            weights = [kernel(tap - centre) for tap in taps]
            seen = [values[min(max(tap, 0), len(values) - 1)] for tap in taps]
            mean = sum(w * v for w, v in zip(weights, seen, strict=True)) / sum(weights)
            out.append(min(max(math.floor(mean + Fraction(1, 2)), 0), 255))
        return out

    tall = [line([int(v) for v in column]) for column in pixels.T]
    return np.array([line(list(row)) for row in zip(*tall, strict=True)], np.uint8)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize(
    ("method", "kernel", "reach"), [("bilinear", triangle, 1), ("lanczos", lanczos, 3)]
)
def test_every_pixel_is_the_sum_of_the_definition(
    scale: int, method: str, kernel: Callable[[Fraction], Number], reach: int
) -> None:
    pixels = image(7, 5)
    np.testing.assert_array_equal(
        interpolate(pixels, scale, method), by_hand(pixels, scale, kernel, reach)
    )


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bicubic_is_the_benchmarks_and_so_is_its_operator(scale: int) -> None:
    pixels = image(9, 11, 3)
    expected = bicubic_upscale(pixels, scale)
    np.testing.assert_array_equal(interpolate(pixels, scale, "bicubic"), expected)
    rows, columns = (resampling_matrix(n, scale * n) for n in pixels.shape[:2])
    tall = np.clip(np.floor(np.einsum("ih,hwc->iwc", rows, pixels) + 0.5 + 1e-9), 0, 255)
    wide = np.clip(np.floor(np.einsum("jw,iwc->ijc", columns, tall) + 0.5 + 1e-9), 0, 255)
    np.testing.assert_array_equal(wide, expected)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bilinear_is_torchs_but_for_the_rounding_between_the_passes(scale: int) -> None:
    pixels = image(13, 8, 3)
    tensor = torch.from_numpy(pixels).permute(2, 0, 1)[None].double()
    theirs = F.interpolate(tensor, scale_factor=scale, mode="bilinear", align_corners=False)
    ours = interpolate(pixels, scale, "bilinear").astype(float)
    assert np.abs(ours - theirs[0].permute(1, 2, 0).numpy()).max() <= 1.0


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_lanczos_is_pillows_inside_the_image(scale: int) -> None:
    """Pillow takes the width first, so that the rounding in between differs, and clipping would;
    at borders it weighs anew."""
    pixels = image(20, 24, 3) // 2 + 64
    size = 24 * scale, 20 * scale
    theirs = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS), int)
    ours = interpolate(pixels, scale, "lanczos").astype(int)
    inside = slice(4 * scale, -4 * scale)
    assert np.abs(ours - theirs)[inside, inside].max() <= 2


def test_nearest_repeats_every_pixel() -> None:
    pixels = image(3, 4, 3)
    enlarged = interpolate(pixels, 3, "nearest")
    for row in range(3):
        for column in range(3):
            np.testing.assert_array_equal(enlarged[row::3, column::3], pixels)


@pytest.mark.parametrize("method", METHODS)
def test_flat_images_stay_flat_and_mirrored_ones_are_mirrored(method: str) -> None:
    flat = np.full((5, 6, 3), 77, np.uint8)
    np.testing.assert_array_equal(interpolate(flat, 4, method), np.full((20, 24, 3), 77))
    pixels = image(6, 5)
    mirrored = interpolate(np.ascontiguousarray(pixels[::-1, ::-1]), 3, method)
    np.testing.assert_array_equal(mirrored, interpolate(pixels, 3, method)[::-1, ::-1])


@pytest.mark.parametrize("method", METHODS)
def test_one_pixel_is_enlarged_to_itself(method: str) -> None:
    np.testing.assert_array_equal(
        interpolate(image(1, 1, 3), 2, method)[0, 0], image(1, 1, 3)[0, 0]
    )


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(ValueError, match="method is 'cubic': one of nearest, bilinear, bicubic"):
        interpolate(image(4, 4), 2, "cubic")
