"""What the two networks return: one small dataclass each, so that no magic keys travel."""

from dataclasses import dataclass

from torch import Tensor


@dataclass
class RealismOutput:
    """What stage 1 says of a low-resolution image of shape (N, 3, h, w)."""

    features: tuple[Tensor, ...]
    """Maps of the blocks at several scales; the i-th is (N, C_i, ceil(h / 2^i), ceil(w / 2^i))."""
    first_block: Tensor
    """Maps of the first residual block, (N, C, h, w): S of the λ2 term."""
    vector: Tensor
    """Realism vector (N, V): how far the image departs from a clean photograph, 0 = not at all."""
    reading: Tensor
    """The same, for people, (N, V): corrected for what stage 2 did to the layers below the head."""
    logit: Tensor
    """Log odds that the image is degraded at all, (N,)."""
    reconstruction: Tensor
    """The clean low-resolution image that the network believes in, (N, 3, h, w): ŷ of λ1."""


@dataclass
class RestorationOutput:
    """What stage 2 makes of stage 1's output, at s times the size; of one task alone, `sr` only."""

    shared: Tensor | None
    """The last maps that structure and texture both read, (N, C, ·, ·): where the tasks part."""
    structure: Tensor | None
    """Predicted structure map of the high-resolution image, (N, K, s·h, s·w)."""
    texture: Tensor | None
    """Predicted high-resolution detail, (N, 3, s·h, s·w)."""
    sr: Tensor
    """The super-resolved image, (N, 3, s·h, s·w): interpolation + texture + structure's share."""
