"""Structural similarity."""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import cv2
import numpy as np

from mtlsr.metrics.planes import BAND, Image, Levels, Output, Plane, levels
from mtlsr.metrics.protocol import Protocol, Space

_LEAST_ROWS = 32  # each band blurs window - 1 rows again, so thin ones waste work


class _Moments(NamedTuple):
    """Of two planes, under the window, at each valid position."""

    product: Plane
    """Of the means."""
    squares: Plane
    """Sum of the squared means."""
    variances: Plane
    """Sum of the two."""
    covariance: Plane


_Map = Callable[[_Moments, float, float], Plane]


def ssim(sr: Output, hr: Image, protocol: Protocol, space: Space | None = None) -> float:
    """Structural similarity of one image, at most 1.

                    (2 m_a m_b + C1) (2 s_ab + C2)
        SSIM = -----------------------------------------
               (m_a^2 + m_b^2 + C1) (s_a^2 + s_b^2 + C2)

    with means m, variances s^2 and the covariance s_ab under a Gaussian window, C1 = (k1 peak)^2
    and C2 = (k2 peak)^2, averaged over all positions at which the window lies wholly inside the
    image (Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to
    structural similarity", IEEE Transactions on Image Processing, 2004).

    Args:
        sr: output, uint8, H x W x 3; also grey (H x W or H x W x 1) if `hr` is. Floating-point
            levels where the protocol's `output` is "float".
        hr: ground truth of the same size, uint8, H x W x 3 or grey.
        protocol: how the two are compared.
        space: "y" for the Y channel, "rgb" for the mean over the three channels; None for the
            protocol's own `space`.

    Raises:
        ValueError: types or shapes do not fit, or the image is smaller than border and window.
    """
    return ssim_of_planes(*levels(sr, hr, protocol, space), protocol)


def ssim_of_planes(a: Levels, b: Levels, protocol: Protocol) -> float:
    """Mean SSIM of two planes of one shape, as `mtlsr.metrics.planes` or `levels` returns them.

    Raises:
        ValueError: a side is shorter than the window.
    """
    return _mean(_similarity, a, b, protocol)


def contrast_of_planes(a: Levels, b: Levels, protocol: Protocol) -> float:
    """Mean of SSIM's second factor, contrast and structure: (2 s_ab + C2) / (s_a^2 + s_b^2 + C2).

    Raises:
        ValueError: a side is shorter than the window.
    """
    return _mean(_contrast, a, b, protocol)


def _mean(formula: _Map, a: Levels, b: Levels, protocol: Protocol) -> float:
    """Mean of a map over all valid positions and channels."""
    height, width = a.shape[:2]
    if min(height, width) < protocol.window:
        raise ValueError(
            f"inside the border the image is {height} x {width}; allowed for SSIM: at least the "
            f"window, {protocol.window} pixels a side"
        )
    c1, c2 = (protocol.k1 * protocol.peak) ** 2, (protocol.k2 * protocol.peak) ** 2
    kernel = _gaussian(protocol.window, protocol.sigma)
    around = protocol.window - 1  # rows that a band of positions needs beyond its own

    channels = a.size // (height * width)
    band = max(_LEAST_ROWS, BAND // (width * channels))
    memory = [(x, np.empty((band + around, *x.shape[1:]))) for x in (a, b)]
    total = 0.0
    for top in range(0, height - around, band):
        rows = slice(top, top + band + around)
        ours, theirs = (_as_float(x[rows], own) for x, own in memory)
        moments = _moments(ours, theirs, kernel)
        total += float(formula(moments, c1, c2).sum())
    return total / float((height - around) * (width - around) * channels)


def _as_float(rows: Levels, memory: Plane) -> Plane:
    """Rows in float64: as they are, or in memory that is there; new memory costs more than that."""
    if rows.dtype == np.float64:
        return rows
    memory[: len(rows)] = rows
    return memory[: len(rows)]


def _moments(a: Plane, b: Plane, kernel: Plane) -> _Moments:
    mean_a, mean_b = _blur(a, kernel), _blur(b, kernel)
    product = mean_a * mean_b
    squares = mean_a * mean_a + mean_b * mean_b
    # The formulas need only the sum of the two variances: four blurs instead of five.
    variances = _blur(a * a + b * b, kernel) - squares
    covariance = _blur(a * b, kernel) - product
    return _Moments(product, squares, variances, covariance)


def _similarity(of: _Moments, c1: float, c2: float) -> Plane:
    numerator = (2 * of.product + c1) * (2 * of.covariance + c2)
    denominator = (of.squares + c1) * (of.variances + c2)
    quotient: Plane = numerator / denominator
    return quotient


def _contrast(of: _Moments, c1: float, c2: float) -> Plane:
    quotient: Plane = (2 * of.covariance + c2) / (of.variances + c2)
    return quotient


@cache
def _gaussian(size: int, sigma: float) -> Plane:
    offsets = np.arange(size) - size // 2
    weights = np.exp(-(offsets**2) / (2 * sigma**2))
    kernel: Plane = weights / weights.sum()
    return kernel


def _blur(plane: Plane, kernel: Plane) -> Plane:
    """Separable filter per channel, at valid positions only."""
    edge = len(kernel) // 2
    blurred = cv2.sepFilter2D(plane, cv2.CV_64F, kernel, kernel)
    valid: Plane = np.asarray(blurred, np.float64)[edge:-edge, edge:-edge]
    return valid
