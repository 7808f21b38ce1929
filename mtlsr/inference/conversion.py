"""Photographs as numbers that networks take, and back."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mtlsr.data.images import as_rgb
from mtlsr.networks.base import SRNetwork


def to_network(image: NDArray[np.uint8], device: torch.device | str = "cpu") -> Tensor:
    """uint8 (h, w, 3) or grey (h, w) -> float32 (1, 3, h, w) in [0, 1], channels last."""
    return to_floats(to_tensor(as_rgb(image)), torch.device(device))


def to_tensor(image: NDArray[Any]) -> Tensor:
    """(h, w, c) -> the same numbers as (1, c, h, w), shared where that is possible."""
    return torch.from_numpy(np.require(image, requirements=("C", "W"))).permute(2, 0, 1)[None]


def to_floats(images: Tensor, device: torch.device) -> Tensor:
    """uint8 in 0..255 or float in [0, 1], (N, 3, h, w) -> float32 in [0, 1], channels last."""
    given = images.to(device)
    floats = given.float() / 255 if given.dtype == torch.uint8 else given.float()
    return floats.contiguous(memory_format=torch.channels_last)


def to_uint8(image: Tensor) -> Tensor:
    """Float (1, 3, h, w) -> uint8 (h, w, 3): clamped to [0, 1] and rounded half up."""
    return (image[0].float().clamp(0, 1) * 255 + 0.5).floor().to(torch.uint8).permute(1, 2, 0)


def enlarge_uint8(
    network: SRNetwork, image: NDArray[np.uint8], device: torch.device | str
) -> Tensor:
    """Enlarge a uint8 photograph (h, w, 3) whole: uint8 (s·h, s·w, 3) on `device`."""
    return to_uint8(network.enlarged(to_network(image, device)))
