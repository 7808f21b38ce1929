"""Texture: how fine detail is distributed, region by region, whatever its exact place."""

from functools import cache

import cv2
import numpy as np

from mtlsr.metrics.planes import Image, Plane, check_side, planes
from mtlsr.metrics.protocol import Protocol

LEVELS = 2
"""Bands of the pyramid: detail of 1 to 2 and of 2 to 4 pixels, what enlarging by 4 must invent."""
NEIGHBOURHOOD = 7
"""Side of the neighbourhoods that are compared, in pixels of their band."""
WINDOW = 16
"""Side of the regions within which the place does not matter, in pixels of their band."""
DIRECTIONS = 32
"""Projections of the neighbourhoods."""
SMALLEST = 2 ** (LEVELS - 1) * (WINDOW + NEIGHBOURHOOD - 1)
FLOOR = 1e-6
"""Grey levels, added to the energy that divides, for a ground truth without any texture."""


def texture_distance(sr: Image, hr: Image, protocol: Protocol) -> float:
    """Distance of the texture of an image from its ground truth's: 0 or more, the less the better.

                          Σ_w Σ_θ W₁(θ∘a, θ∘b)
        d = mean over l   --------------------      bands l, windows w, directions θ
                          Σ_w Σ_θ mean |θ∘b|

    a and b are the same window of the same band of the Laplacian pyramids (Burt and Adelson 1983)
    of `sr` and `hr` on Y. θ∘a are the inner products of its 7 × 7 neighbourhoods with a random unit
    vector, one of 32 that are the same for every image. W₁ is the Wasserstein distance of their
    distributions: the mean difference of the two sorted lists. So it is the sliced Wasserstein
    distance of Karras et al. 2018 (arXiv:1710.10196), region by region, and relative to the ground
    truth's own energy: too little and too much texture count alike.

    An equal image has 0, one without any texture 1. Within a window of 16 × 16 pixels it does not
    matter what stands where: texture of the right kind at the wrong place, which costs PSNR, costs
    nothing here. Noise where the ground truth is smooth does cost.

    Args:
        sr: output, uint8, H x W x 3; also grey (H x W or H x W x 1) if `hr` is.
        hr: ground truth of the same size, uint8, H x W x 3 or grey.
        protocol: how the two are compared.

    Raises:
        ValueError: types or shapes do not fit, or a side is below 44 pixels inside the border.
    """
    a, b = planes(sr, hr, protocol, "y")
    check_side(a, SMALLEST, "its texture")
    shares = []
    for ours, theirs in zip(_bands(a), _bands(b), strict=True):
        distance = energy = 0.0
        for direction in _directions():
            x, y = _sorted_projections(ours, direction), _sorted_projections(theirs, direction)
            distance += float(np.abs(x - y).mean())
            energy += float(np.abs(y).mean())
        shares.append(distance / (energy + FLOOR * DIRECTIONS))
    return float(np.mean(shares))


def _bands(plane: Plane) -> list[Plane]:
    """Laplacian pyramid, finest band first, without the low-pass rest."""
    found: list[Plane] = []
    for _ in range(LEVELS):
        smaller = cv2.pyrDown(plane)
        height, width = plane.shape
        found.append(plane - cv2.pyrUp(smaller, dstsize=(width, height)))
        plane = np.asarray(smaller, np.float64)
    return found


@cache
def _directions() -> tuple[Plane, ...]:
    """Random unit vectors as filters."""
    drawn = np.random.default_rng(0).normal(size=(DIRECTIONS, NEIGHBOURHOOD, NEIGHBOURHOOD))
    return tuple(each / np.linalg.norm(each) for each in drawn)


def _sorted_projections(band: Plane, direction: Plane) -> Plane:
    """Inner products of `direction` with the neighbourhoods, ascending in each window: (w, 256).

    Neighbourhoods lie wholly inside the band; windows do not overlap, and what is left at the
    bottom and right is no window.
    """
    edge = NEIGHBOURHOOD // 2
    filtered = cv2.filter2D(band, cv2.CV_64F, direction)[edge:-edge, edge:-edge]
    rows, columns = (size // WINDOW for size in filtered.shape)
    whole = filtered[: rows * WINDOW, : columns * WINDOW]
    windows = whole.reshape(rows, WINDOW, columns, WINDOW).swapaxes(1, 2).reshape(-1, WINDOW**2)
    ordered: Plane = np.sort(windows, axis=1)
    return ordered
