"""λ1, smoothness: the output must be close to the original."""

from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtlsr.data.colour import RISE, luma
from mtlsr.data.resize import downscale
from mtlsr.objective.checks import check_choice, check_weight

Distance = Literal["mse", "l1", "charbonnier"]

EPSILON = 1e-3
"""Where Charbonnier turns from quadratic to linear, in units of intensity (1 = white)."""


def charbonnier(estimate: Tensor, target: Tensor) -> Tensor:
    """Mean of √((a - b)² + ε²) - ε: L1 with a smooth, zero minimum.

    Charbonnier et al. 1994; ε = 1e-3 as in LapSRN (Lai et al. 2017, arXiv:1704.03915).
    """
    return ((estimate - target).square() + EPSILON**2).sqrt().mean() - EPSILON


_DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": F.mse_loss,
    "l1": F.l1_loss,
    "charbonnier": charbonnier,
}


def distance(estimate: Tensor, target: Tensor, kind: Distance = "l1") -> Tensor:
    """Mean distance between two tensors of one shape: a scalar, 0 when they are equal."""
    return _DISTANCES[kind](estimate, target)


class ReconstructionTerm(nn.Module):
    """Stage 1's λ1: d(y, ŷ), clean low-resolution image against `reconstruction`.

    Args:
        kind: The distance d.
    """

    def __init__(self, kind: Distance = "l1") -> None:
        super().__init__()
        check_choice("distance", kind, get_args(Distance))
        self.kind: Distance = kind

    def forward(self, reconstruction: Tensor, lr_clean: Tensor) -> Tensor:
        return distance(reconstruction, lr_clean, self.kind)


class SmoothnessTerm(nn.Module):
    """Stage 2's λ1: o · d(HR, sr) + l · d(Y(HR), Y(sr)) + a · d(y, ŷ) + b · d(y, sr↓).

    Y is brightness (BT.601) from black, 0, to white, 1; y the clean low-resolution image, ŷ its
    `reconstruction`, sr↓ the output brought back to low resolution by the exact bicubic kernel. All
    images are (N, 3, ·, ·) in [0, 1]. The source's L_mse(y, ŷ) is d = mse with a = 1 and all others
    0. Without stage 1 there is no ŷ, and a must be 0.

    Args:
        kind: The distance d.
        reconstruction: Inner weight a.
        consistency: Inner weight b.
        output: Inner weight o.
        luma: Inner weight l. PSNR-Y looks at Y alone.

    Raises:
        ValueError: An unknown distance, an impossible weight, or nothing to compare.
    """

    def __init__(
        self,
        kind: Distance = "l1",
        reconstruction: float = 0.0,
        consistency: float = 0.0,
        output: float = 1.0,
        luma: float = 0.0,
    ) -> None:
        super().__init__()
        check_choice("distance", kind, get_args(Distance))
        inner = {
            "output": output,
            "luma": luma,
            "reconstruction": reconstruction,
            "consistency": consistency,
        }
        for name, weight in inner.items():
            check_weight(name, weight)
        if not any(inner.values()):
            raise ValueError(f"{', '.join(inner)} are all 0: nothing is compared.")
        self.kind: Distance = kind
        self.output = output
        self.luma = luma
        self.reconstruction = reconstruction
        self.consistency = consistency

    def forward(
        self, sr: Tensor, hr: Tensor, reconstruction: Tensor | None, lr_clean: Tensor
    ) -> Tensor:
        parts: list[Tensor] = []
        if self.output:
            parts.append(self.output * distance(sr, hr, self.kind))
        if self.luma:
            parts.append(self.luma * distance(luma(sr) / RISE, luma(hr) / RISE, self.kind))
        if self.reconstruction:
            if reconstruction is None:
                raise ValueError(
                    f"the inner weight of reconstruction is {self.reconstruction}; "
                    "without stage 1 there is none, and it must be 0."
                )
            parts.append(self.reconstruction * distance(reconstruction, lr_clean, self.kind))
        if self.consistency:
            scale = sr.shape[-1] // lr_clean.shape[-1]
            parts.append(self.consistency * distance(downscale(sr, scale), lr_clean, self.kind))
        return torch.stack(parts).sum()
