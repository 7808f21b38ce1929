"""Filters on low-resolution images: Gaussians that blur, a low-pass that rings."""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from mtlsr.data.degradation.base import Float32


def gaussian_kernel(sigma: float, ratio: float, angle: float) -> NDArray[np.float32]:
    """A Gaussian of standard deviation ``sigma * sqrt(ratio)`` along ``angle``.

    Across it the standard deviation is ``sigma / sqrt(ratio)``.

    Args:
        sigma: geometric mean of the two standard deviations, in pixels, above 0.
        ratio: 1 (round) or more.
        angle: of the long axis against the rows, in radians.

    Returns:
        float32 ``(k, k)`` that adds up to 1; k is odd and reaches three long deviations each way.
    """
    long, short = sigma * ratio**0.5, sigma / ratio**0.5
    reach = gaussian_reach(sigma, ratio)
    steps = np.arange(-reach, reach + 1)
    along = (np.cos(angle) * steps - np.sin(angle) * steps[:, None]) / long
    across = (np.sin(angle) * steps + np.cos(angle) * steps[:, None]) / short
    kernel = np.exp(-0.5 * (along**2 + across**2))
    return (kernel / kernel.sum()).astype(np.float32)


def gaussian_reach(sigma: float, ratio: float = 1.0) -> int:
    """Pixels that ``gaussian_kernel`` goes to each side of its centre."""
    return int(np.ceil(3 * sigma * ratio**0.5))


def sinc_kernel(cutoff: float, side: int) -> NDArray[np.float32]:
    """The ideal round low-pass filter, cut to a square: it rings at edges.

    With the frequency w = pi * cutoff and the distance r from the centre

        k(r) = w J1(w r) / (2 pi r),    k(0) = w^2 / (4 pi),

    J1 the Bessel function of the first kind (Wang et al., "Real-ESRGAN", 2021, arXiv:2107.10833,
    equation 6).

    Args:
        cutoff: highest frequency that passes, in shares of the sampling limit, in ]0, 1].
        side: of the square; odd.

    Returns:
        float32 ``(side, side)`` that adds up to 1.
    """
    steps = np.arange(side) - side // 2
    distance = np.hypot(steps, steps[:, None])
    distance[side // 2, side // 2] = 1  # its value follows below
    frequency = np.pi * cutoff
    bessel = torch.special.bessel_j1(torch.from_numpy(frequency * distance)).numpy()
    kernel = frequency * bessel / (2 * np.pi * distance)
    kernel[side // 2, side // 2] = frequency**2 / (4 * np.pi)
    return (kernel / kernel.sum()).astype(np.float32)


def blur(image: Float32, sigma: float, ratio: float, angle: float) -> Float32:
    """Blur an ``(h, w, 3)`` image by ``gaussian_kernel``; its border is repeated outwards."""
    if ratio == 1:  # round: two passes over the axes do, which is quicker
        side = 2 * gaussian_reach(sigma) + 1
        blurred = cv2.GaussianBlur(image, (side, side), sigma, borderType=cv2.BORDER_REPLICATE)
        return np.asarray(blurred, np.float32)
    return filtered(image, gaussian_kernel(sigma, ratio, angle))


def filtered(image: Float32, kernel: Float32) -> Float32:
    """Filter an ``(h, w, 3)`` image by a kernel; its border is repeated outwards."""
    return np.asarray(cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REPLICATE), np.float32)
