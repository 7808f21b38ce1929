"""Structural similarity at several scales."""

import numpy as np

from mtlsr.metrics._ssim import contrast_of_planes, ssim_of_planes
from mtlsr.metrics.planes import Image, Output, Plane, check_side, planes
from mtlsr.metrics.protocol import Protocol, Space

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the five scales, the finest first; they add up to 1 but for rounding."""


def ms_ssim(sr: Output, hr: Image, protocol: Protocol, space: Space | None = None) -> float:
    """Multi-scale structural similarity of one image, from 0 to 1.

        MS-SSIM = (mean cs_1)^w1 (mean cs_2)^w2 (mean cs_3)^w3 (mean cs_4)^w4 (mean SSIM_5)^w5

    where cs is SSIM's factor of contrast and structure, and each scale is the one before, averaged
    over 2 x 2 pixels (Wang, Simoncelli and Bovik, "Multiscale structural similarity for image
    quality assessment", Asilomar 2003). As in the authors' own program, means are over valid
    positions, and an odd side is mirrored by a pixel before it is halved. A mean below 0, where
    the two images are each other's negatives, counts as 0.

    Args:
        sr: output, uint8, H x W x 3; also grey (H x W or H x W x 1) if `hr` is. Floating-point
            levels where the protocol's `output` is "float".
        hr: ground truth of the same size, uint8, H x W x 3 or grey.
        protocol: how the two are compared; gives SSIM's window and constants.
        space: "y" for the Y channel, "rgb" for the mean over the three channels; None for the
            protocol's own `space`.

    Raises:
        ValueError: types or shapes do not fit, or a side is below 16 windows (176 pixels) inside
            the border.
    """
    a, b = planes(sr, hr, protocol, space)
    least = protocol.window * 2 ** (len(WEIGHTS) - 1)
    check_side(a, least, "MS-SSIM")
    channels = zip(_channels(a), _channels(b), strict=True)
    return float(np.mean([_of_channel(x, y, protocol) for x, y in channels]))


def _of_channel(a: Plane, b: Plane, protocol: Protocol) -> float:
    result = 1.0
    for weight in WEIGHTS[:-1]:
        result *= max(contrast_of_planes(a, b, protocol), 0.0) ** weight
        a, b = _halved(a), _halved(b)
    return result * max(ssim_of_planes(a, b, protocol), 0.0) ** WEIGHTS[-1]


def _channels(plane: Plane) -> list[Plane]:
    return [np.ascontiguousarray(c) for c in np.moveaxis(np.atleast_3d(plane), 2, 0)]


def _halved(plane: Plane) -> Plane:
    height, width = plane.shape
    even = np.pad(plane, ((0, height % 2), (0, width % 2)), mode="edge")
    halved: Plane = even.reshape(-(-height // 2), 2, -(-width // 2), 2).mean(axis=(1, 3))
    return halved
