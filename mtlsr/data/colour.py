"""Brightness of RGB images as torch tensors, differentiable, for networks and losses."""

from torch import Tensor

BLACK = 16 / 255
RED, GREEN, BLUE = 65.481 / 255, 128.553 / 255, 24.966 / 255
RISE = RED + GREEN + BLUE
"""By how much Y rises from black to white: 219 / 255."""


def luma(image: Tensor) -> Tensor:
    """The Y channel, Y = (16 + 65.481 R + 128.553 G + 24.966 B) / 255 (ITU-R BT.601).

    Args:
        image: RGB, (N, 3, H, W) in [0, 1].

    Returns:
        (N, 1, H, W) in [16/255, 235/255]: `mtlsr.metrics.luma` over 255, differentiable.
    """
    red, green, blue = image.split(1, dim=1)
    return BLACK + RED * red + GREEN * green + BLUE * blue
