"""Peak signal-to-noise ratio."""

import math

import numpy as np

from mtlsr.metrics.planes import Image, Levels, Output, bands, levels
from mtlsr.metrics.protocol import Protocol, Space


def psnr(sr: Output, hr: Image, protocol: Protocol, space: Space | None = None) -> float:
    """Peak signal-to-noise ratio of one image, in dB; infinite for identical images.

        PSNR = 10 log10(peak^2 / MSE)

    Args:
        sr: output, uint8, H x W x 3; also grey (H x W or H x W x 1) if `hr` is. Floating-point
            levels where the protocol's `output` is "float".
        hr: ground truth of the same size, uint8, H x W x 3 or grey.
        protocol: how the two are compared.
        space: "y" for the Y channel, "rgb" for the MSE over all three channels; None for the
            protocol's own `space`.

    Raises:
        ValueError: types or shapes do not fit, or nothing is left inside the border.
    """
    return psnr_of_planes(*levels(sr, hr, protocol, space), protocol)


def psnr_of_planes(a: Levels, b: Levels, protocol: Protocol) -> float:
    """PSNR in dB of two planes of one shape, as `mtlsr.metrics.planes` or `levels` returns them."""
    total = 0.0
    for rows in bands(len(a), a[0].size):
        error = a[rows].astype(np.float64) - b[rows]
        # No dot product: a BLAS spreads it over threads, which then spin beside the network.
        total += float(np.square(error, out=error).sum())
    mse = total / a.size
    return 10 * math.log10(protocol.peak**2 / mse) if mse > 0 else math.inf
