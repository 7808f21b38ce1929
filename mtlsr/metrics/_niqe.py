"""NIQE: how natural an image looks, without a ground truth.

A. Mittal, R. Soundararajan and A. C. Bovik, "Making a 'completely blind' image quality analyzer",
IEEE Signal Processing Letters, 2013. The natural scene statistics are our own fit, niqe.json beside
this file, so that figures compare with each other and not with those of other programs; it says
which photographs it was made of. `python -m mtlsr.metrics fit-niqe` makes another.
"""

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mtlsr.data.images import as_rgb
from mtlsr.data.resize import resampling_matrix
from mtlsr.metrics.planes import Output, Plane, one_channel, output, without_border
from mtlsr.metrics.protocol import Protocol

BLOCK = 96
"""Side of the blocks whose statistics are compared, in pixels; 48 at the second scale."""
FEATURES = 36
"""Of a block: 18 at each of two scales."""
_SHAPES = np.linspace(0.2, 10, 9801)  # the shape parameters that are tried, as by the authors
_NOTHING = 1e-9  # contrasts below it are rounding errors, whose signs would count otherwise
_NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))


@dataclass(frozen=True)
class Statistics:
    """A multivariate Gaussian of block features."""

    mean: Plane
    """(36,)"""
    covariance: Plane
    """(36, 36)"""


def niqe(sr: Output, protocol: Protocol) -> float:
    """Naturalness of one image without its ground truth: 0 or more, the less the better.

        NIQE = sqrt((m - n)^T ((M + N) / 2)^-1 (m - n))

    with the mean m and the covariance M of the features of the image's blocks, and n and N those of
    sharp blocks of photographs. It looks at Y (BT.601, 16..235), whatever the protocol's own is.

    Args:
        sr: output, uint8, H x W x 3 or grey; floating-point levels where the protocol's `output` is
            "float".
        protocol: gives `border` and `output`.

    Raises:
        ValueError: the type or shape is not allowed, or fewer than two blocks of 96 x 96 pixels
            that are not flat lie inside the border.
    """
    image = without_border(output(sr, protocol), protocol.border)
    features, _ = block_features(one_channel(as_rgb(image), "bt601-studio"))
    if len(features) < 2:
        raise ValueError(
            f"inside the border the image is {image.shape[0]} x {image.shape[1]} with "
            f"{len(features)} blocks of {BLOCK} x {BLOCK} pixels that are not flat; allowed for "
            "NIQE: at least 2"
        )
    return distance(statistics(features), natural())


def block_features(plane: Plane) -> tuple[Plane, Plane]:
    """Features and sharpness of the blocks that are not flat.

    A block that is flat enough to have no distribution of contrasts, such as an overexposed sky,
    has no features. What is left at the bottom and right is no block.

    Args:
        plane: Y, H x W, in levels.

    Returns:
        (blocks, 36) features; (blocks,) mean local standard deviation in levels.
    """
    rows, columns = (size // BLOCK for size in plane.shape)
    if rows == 0 or columns == 0:
        return np.empty((0, FEATURES)), np.empty(0)
    plane = plane[: rows * BLOCK, : columns * BLOCK]
    found = []
    sharpness = np.empty(0)
    for side in (BLOCK, BLOCK // 2):
        normalised, deviation = _normalised(plane)
        found.append(_scene_statistics(_blocks(normalised, side)))
        if side == BLOCK:
            sharpness = _blocks(deviation, side).mean(axis=(1, 2))
            plane = _half(plane)
    features = np.concatenate(found, axis=1)
    good = np.isfinite(features).all(axis=1)
    return features[good], sharpness[good]


def statistics(features: Plane) -> Statistics:
    """Mean and covariance of two or more blocks' features."""
    return Statistics(features.mean(axis=0), np.cov(features, rowvar=False))


def distance(ours: Statistics, theirs: Statistics) -> float:
    """The formula of `niqe`."""
    difference = ours.mean - theirs.mean
    inverse = np.linalg.pinv((ours.covariance + theirs.covariance) / 2)
    return math.sqrt(max(float(difference @ inverse @ difference), 0.0))


@cache
def natural() -> Statistics:
    """The fitted statistics of natural photographs."""
    stored = json.loads(Path(__file__).with_name("niqe.json").read_text(encoding="utf-8"))
    return Statistics(np.array(stored["mean"]), np.array(stored["covariance"]))


def _normalised(plane: Plane) -> tuple[Plane, Plane]:
    """Mean-subtracted, contrast-normalised luminance, and the local standard deviation."""
    kernel = cv2.getGaussianKernel(7, 7 / 6, cv2.CV_64F)

    def blurred(image: Plane) -> Any:
        return cv2.sepFilter2D(image, cv2.CV_64F, kernel, kernel, borderType=cv2.BORDER_REPLICATE)

    mean = blurred(plane)
    deviation = np.sqrt(np.abs(blurred(plane * plane) - mean * mean))
    contrast = (plane - mean) / (deviation + 1)
    contrast[np.abs(contrast) < _NOTHING] = 0
    return contrast, deviation


def _blocks(plane: Plane, side: int) -> Plane:
    """H x W -> (blocks, side, side)."""
    rows, columns = plane.shape[0] // side, plane.shape[1] // side
    return plane.reshape(rows, side, columns, side).swapaxes(1, 2).reshape(-1, side, side)


def _half(plane: Plane) -> Plane:
    """Bicubic down-scaling by 2, not rounded; a sum of eight, the same on any number of threads."""
    taps = resampling_matrix(16, 8)[3, 3:11]
    for _ in range(2):
        padded, size = np.pad(plane, ((3, 3), (0, 0)), mode="edge"), len(plane)
        plane = np.sum([w * padded[i : i + size : 2] for i, w in enumerate(taps)], axis=0).T
    return plane


def _scene_statistics(blocks: Plane) -> Plane:
    """(blocks, side, side) -> (blocks, 18): of values, and of products with neighbours."""
    shape, left, right = _asymmetric_gaussian(blocks)
    found = [shape, (left + right) / 2]
    for shift in _NEIGHBOURS:
        shape, left, right = _asymmetric_gaussian(blocks * np.roll(blocks, shift, axis=(1, 2)))
        with np.errstate(invalid="ignore"):
            mean = (right - left) * _gamma_ratio(2, 1, shape)
        found += [shape, mean, left, right]
    return np.stack(found, axis=1)


def _asymmetric_gaussian(blocks: Plane) -> tuple[Plane, Plane, Plane]:
    """Shape and both scales of a generalised Gaussian, by moments; NaN where one side is empty."""
    values = blocks.reshape(len(blocks), -1)
    squares = values * values
    with np.errstate(invalid="ignore", divide="ignore"):
        left, right = (
            np.sqrt((squares * side).sum(axis=1) / side.sum(axis=1))
            for side in (values < 0, values > 0)
        )
        ratio = left / right
        kurtosis = np.abs(values).mean(axis=1) ** 2 / squares.mean(axis=1)
        wanted = kurtosis * (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2
    # The ratio rises with the shape, so the nearest is beside the place where `wanted` would be.
    rising = _gamma_ratio_table()
    place = np.searchsorted((rising[1:] + rising[:-1]) / 2, wanted)
    shape = np.where(np.isfinite(wanted), _SHAPES[np.minimum(place, len(_SHAPES) - 1)], np.nan)
    scale = np.sqrt(_gamma_ratio(1, 3, shape))
    return shape, left * scale, right * scale


@cache
def _gamma_ratio_table() -> Plane:
    """G(2/a)^2 / (G(1/a) G(3/a)) of every shape a that is tried."""
    return np.array(
        [math.gamma(2 / a) ** 2 / (math.gamma(1 / a) * math.gamma(3 / a)) for a in _SHAPES]
    )


def _gamma_ratio(above: int, below: int, shapes: Plane) -> Plane:
    """G(above / a) / G(below / a) of each shape a."""
    return np.array(
        [math.gamma(above / a) / math.gamma(below / a) if a > 0 else math.nan for a in shapes]
    )
