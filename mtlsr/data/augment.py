"""What comes from albumentations: the eight symmetries of the square, and a real JPEG codec.

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
    if not 1 <= quality <= 100:
        raise ValueError(f"quality is {quality}: JPEG's qualities go from 1 to 100.")
    # The codec takes BGR. Handed RGB, it would keep the blue channel sharp instead of the green.
    swapped = np.ascontiguousarray(image[:, :, ::-1])
    decoded = functional()[1].image_compression(swapped, quality, ".jpg")
    return np.ascontiguousarray(decoded[:, :, ::-1])
