"""Pictures of what stage 2 predicts beside the image: structure and texture."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from mtlsr.data.images import as_rgb

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]


def edge_strength(structure: Tensor) -> Float32:
    """How strong the edges of a structure map (1, K, h, w) are at every pixel, (h, w)."""
    strength: Float32 = structure[0].float().square().sum(dim=0).sqrt().numpy(force=True)
    return strength


def structure_picture(strength: Float32) -> UInt8:
    """Edge strength as grey levels, the strongest edge white: uint8 (h, w, 3)."""
    grey = strength / max(float(strength.max()), 1e-6)
    return as_rgb((255 * grey + 0.5).astype(np.uint8))


def texture_picture(texture: Tensor) -> UInt8:
    """Detail (1, 3, h, w) around middle grey, twice as strong as it is: uint8 (h, w, 3)."""
    levels = (255 * (0.5 + 2 * texture[0].float()).clamp(0, 1) + 0.5).floor()
    picture: UInt8 = levels.permute(1, 2, 0).numpy(force=True).astype(np.uint8)
    return picture
