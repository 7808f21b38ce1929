"""Gradient magnitude similarity deviation: how unevenly edges and detail have suffered."""

import cv2
import numpy as np

from mtlsr.metrics.planes import Image, Plane, check_side, planes
from mtlsr.metrics.protocol import Protocol

STABILITY = 170.0
"""c of the paper, in squared grey levels."""
SMALLEST = 6
"""Pixels of a side: three after halving."""


def gmsd(sr: Image, hr: Image, protocol: Protocol) -> float:
    """Deviation of the similarity of gradients on Y: 0 for equal images, the less the better.

        s = (2 |∇a| |∇b| + c) / (|∇a|² + |∇b|² + c),    GMSD = standard deviation of s

    Gradients are Prewitt's over 3, after means of 2 × 2 pixels (Xue et al. 2014, "Gradient
    magnitude similarity deviation", arXiv:1308.3052, whose MATLAB code this follows: zeros outside
    the image, n - 1 in the deviation). A last odd row or column is left out. It follows people's
    opinions of blurred, noisy and compressed images better than SSIM, without a trained network.

    Args:
        sr: output, uint8, H x W x 3; also grey (H x W or H x W x 1) if `hr` is.
        hr: ground truth of the same size, uint8, H x W x 3 or grey.
        protocol: how the two are compared.

    Raises:
        ValueError: types or shapes do not fit, or a side is below 6 pixels inside the border.
    """
    a, b = planes(sr, hr, protocol, "y")
    check_side(a, SMALLEST, "GMSD")
    ours, theirs = _steepness(a), _steepness(b)
    similarity = (2 * ours * theirs + STABILITY) / (ours**2 + theirs**2 + STABILITY)
    return float(similarity.std(ddof=1))


def _steepness(plane: Plane) -> Plane:
    """Length of the gradient of the halved plane."""
    height, width = (side // 2 * 2 for side in plane.shape)
    halved = plane[:height, :width].reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))
    across = np.outer(np.ones(3), [1.0, 0.0, -1.0]) / 3
    both = [
        cv2.filter2D(halved, cv2.CV_64F, kernel, borderType=cv2.BORDER_CONSTANT)
        for kernel in (across, across.T)
    ]
    return np.hypot(*both)
