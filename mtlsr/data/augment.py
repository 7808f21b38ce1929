"""What comes from albumentations: the square's eight symmetries, resizing, real JPEG and WebP.

It is the only file that knows the library. Only its pure functions are used, never its transforms,
which draw from random generators of their own. The import takes a second, so it waits for use.
"""

import os
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

UInt8 = NDArray[np.uint8]

KERNELS = {
    "area": cv2.INTER_AREA,
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
}
"""Kernels of ``resize``: OpenCV's. Shrinking, area alone takes every pixel into account."""


@lru_cache(maxsize=1)
def functional() -> tuple[Any, Any]:
    """Import the library: its functions on geometry and on pixels."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else the import asks the network
    from albumentations.augmentations.geometric import functional as geometric
    from albumentations.augmentations.pixel import functional as pixel

    return geometric, pixel


def dihedral(image: UInt8, element: int) -> UInt8:
    """Turn or mirror an image; no pixel changes its value.

    Args:
        image: ``(H, W, C)`` or ``(H, W)``.
        element: 0 to 7. Its three bits say what is done, in this order: 4 mirrors along the main
            diagonal (height and width are swapped), 2 turns upside down, 1 mirrors left-right.

    Returns:
        The same pixels, contiguous.

    Raises:
        ValueError: the element is not 0 to 7.
    """
    if not 0 <= element <= 7:
        raise ValueError(f"element is {element}: the square's symmetries have the numbers 0 to 7.")
    d4 = functional()[0].d4
    turned: Any = image
    if element & 4:
        turned = cv2.transpose(turned)  # the library's is a view, and copying it 20 times slower
    if element & 2:
        turned = d4(turned, "v")
    if element & 1:
        turned = d4(turned, "h")
    return np.ascontiguousarray(turned)


def resize(image: NDArray[Any], size: tuple[int, int], kernel: str) -> NDArray[Any]:
    """Resize an image as everyday software does, with all its aliasing.

    For the benchmark's definition of bicubic down-scaling see ``resize.bicubic_downscale``.

    Args:
        image: float or uint8 ``(H, W, C)`` or ``(H, W)``.
        size: height and width wanted, at least 1.
        kernel: one of ``KERNELS``.

    Returns:
        The same type, ``(*size[, C])``.

    Raises:
        ValueError: an unknown kernel, or a size below 1.
    """
    if kernel not in KERNELS:
        raise ValueError(f"kernel is {kernel!r}: one of {', '.join(KERNELS)} is needed.")
    if min(size) < 1:
        raise ValueError(f"Cannot resize to {size[0]}x{size[1]}: both must be at least 1.")
    resized: NDArray[Any] = functional()[0].resize(image, size, KERNELS[kernel])
    return resized


def jpeg(image: UInt8, quality: int) -> UInt8:
    """Write an image as JPEG and read it back (libjpeg, chroma at half resolution).

    Args:
        image: uint8 ``(H, W, 3)``, RGB.
        quality: 1 to 100.

    Returns:
        uint8 ``(H, W, 3)``.

    Raises:
        ValueError: the quality is not 1 to 100.
    """
    return _compressed(image, quality, "JPEG", ".jpg")


def webp(image: UInt8, quality: int) -> UInt8:
    """Write an image as lossy WebP and read it back (libwebp, chroma at half resolution).

    Args:
        image: uint8 ``(H, W, 3)``, RGB.
        quality: 1 to 100.

    Returns:
        uint8 ``(H, W, 3)``.

    Raises:
        ValueError: the quality is not 1 to 100.
    """
    return _compressed(image, quality, "WebP", ".webp")


def _compressed(image: UInt8, quality: int, name: str, suffix: str) -> UInt8:
    if not 1 <= quality <= 100:
        raise ValueError(f"quality is {quality}: {name}'s qualities go from 1 to 100.")
    # The codec takes BGR. Handed RGB, it would keep the blue channel sharp instead of the green.
    swapped = np.ascontiguousarray(image[:, :, ::-1])
    decoded = functional()[1].image_compression(swapped, quality, suffix)
    return np.ascontiguousarray(decoded[:, :, ::-1])
