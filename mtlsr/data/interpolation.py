"""Enlarging uint8 images by a named kernel: what networks are compared with.

``bicubic`` is the benchmark's own (``bicubic_upscale``, bit for bit); the others follow it in all
but the kernel: pixel centres at half positions, replicated borders, height first and then width,
clipping and rounding half up to uint8 after each of the two passes, as MATLAB's ``imresize``.

    nearest    every pixel scale x scale times
    bilinear   h(x) = 1 - |x|                         for |x| < 1
    bicubic    Keys 1981, a = -1/2                    for |x| < 2, see ``mtlsr.data.resize``
    lanczos    h(x) = sinc(x) sinc(x / 3)             for |x| < 3, weights normalised
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtlsr.data.resize import bicubic_upscale, resampling_matrix

UInt8 = NDArray[np.uint8]


def interpolate(image: UInt8, scale: int, method: str) -> UInt8:
    """Enlarge a uint8 image by a whole factor.

    Args:
        image: uint8 ``(H, W, C)`` or ``(H, W)``.
        scale: 1 to 16.
        method: one of ``METHODS``.

    Returns:
        uint8 ``(scale*H, scale*W[, C])``.

    Raises:
        ValueError: an unknown method.
    """
    if method not in METHODS:
        raise ValueError(f"method is {method!r}: one of {', '.join(METHODS)} is needed.")
    return METHODS[method](image, scale)


def _nearest(image: UInt8, scale: int) -> UInt8:
    return image.repeat(scale, axis=0).repeat(scale, axis=1)


def _separable(kernel: Callable[[Any], Any], reach: int) -> Callable[[UInt8, int], UInt8]:
    def enlarge(image: UInt8, scale: int) -> UInt8:
        height, width = (
            resampling_matrix(size, scale * size, kernel, reach) for size in image.shape[:2]
        )
        rows = _levels(np.tensordot(height, image, 1))
        return _levels(np.tensordot(width, rows.swapaxes(0, 1), 1)).swapaxes(0, 1)

    return enlarge


def _levels(values: Any) -> UInt8:
    # What is meant to lie half-way between two levels may come out a little below.
    return np.clip(np.floor(values + (0.5 + 1e-9)), 0, 255).astype(np.uint8)


def _triangle(x: Any) -> Any:
    return np.maximum(1 - abs(x), 0)


def _lanczos(x: Any) -> Any:
    return (abs(x) < 3) * np.sinc(x) * np.sinc(x / 3)


METHODS: dict[str, Callable[[UInt8, int], UInt8]] = {
    "nearest": _nearest,
    "bilinear": _separable(_triangle, 1),
    "bicubic": bicubic_upscale,
    "lanczos": _separable(_lanczos, 3),
}
