"""Are edges where they belong, and as steep?"""

import cv2
import numpy as np

from mtlsr.metrics._psnr import psnr_of_planes
from mtlsr.metrics.planes import Image, Output, Plane, check_side, planes
from mtlsr.metrics.protocol import Protocol


def edge_psnr(sr: Output, hr: Image, protocol: Protocol) -> float:
    """PSNR of the gradient on the Y channel, in dB; infinite for equal gradients.

        10 log10(peak^2 / mean of (d sr/dx - d hr/dx)^2 and (d sr/dy - d hr/dy)^2)

    Derivatives are Sobel's over 8, in levels per pixel, at valid positions: those of the
    objective's structure term. A constant that is added to an image changes nothing.

    Args:
        sr: output, uint8, H x W x 3; also grey (H x W or H x W x 1) if `hr` is. Floating-point
            levels where the protocol's `output` is "float".
        hr: ground truth of the same size, uint8, H x W x 3 or grey.
        protocol: how the two are compared.

    Raises:
        ValueError: types or shapes do not fit, or a side is below 3 pixels inside the border.
    """
    a, b = planes(sr, hr, protocol, "y")
    check_side(a, 3, "its gradient")
    return psnr_of_planes(_gradient(a), _gradient(b), protocol)


def _gradient(plane: Plane) -> Plane:
    """Both Sobel derivatives at valid positions: H x W -> 2 x (H - 2) x (W - 2)."""
    both = [cv2.Sobel(plane, cv2.CV_64F, dx, 1 - dx, ksize=3, scale=1 / 8) for dx in (1, 0)]
    return np.stack(both, dtype=np.float64)[:, 1:-1, 1:-1]
