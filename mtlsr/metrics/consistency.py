"""Is the output consistent with the image that it was made of?"""

import numpy as np

from mtlsr.data.images import as_rgb
from mtlsr.data.resize import bicubic_downscale
from mtlsr.metrics._psnr import psnr_of_planes
from mtlsr.metrics.planes import Image, Output, checked, output
from mtlsr.metrics.protocol import Protocol


def lr_psnr(sr: Output, lr: Image, protocol: Protocol) -> float:
    """PSNR in dB of the output, brought back to low resolution, against the LR image.

    Bringing back is the benchmark's bicubic down-scaling (`mtlsr.data.bicubic_downscale`); the
    error is pooled over RGB and all pixels, no border cut. Infinite if the two are equal. As in the
    NTIRE challenge on the super-resolution space (Lugmayr et al., CVPR Workshops 2021).

    Args:
        sr: output, uint8, H x W x 3 or grey; floating-point levels, which are rounded here, where
            the protocol's `output` is "float".
        lr: what it was made of, uint8, H/scale x W/scale x 3 or grey.
        protocol: gives `scale` and `peak`.

    Raises:
        ValueError: a type or shape is not allowed, or the sizes' ratio is not the scale.
    """
    enlarged, lr = as_rgb(output(sr, protocol)), as_rgb(checked("lr", lr))
    scale = protocol.scale
    wanted = (scale * lr.shape[0], scale * lr.shape[1])
    if enlarged.shape[:2] != wanted:
        raise ValueError(
            f"sr is {enlarged.shape[0]} x {enlarged.shape[1]} and lr {lr.shape[0]} x "
            f"{lr.shape[1]}; allowed at scale {scale}: an sr of {wanted[0]} x {wanted[1]}"
        )
    levels = np.floor(enlarged + 0.5).astype(np.uint8)
    back = bicubic_downscale(levels, scale)
    return psnr_of_planes(back.astype(np.float64), lr.astype(np.float64), protocol)
