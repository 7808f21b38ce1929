"""Pieces that several networks share."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtlsr.networks.convolving import convolve


class ResidualUnit(nn.Module):
    """x + conv(ReLU(conv(x))), without normalisation (EDSR, Lim et al. 2017, arXiv:1707.02921).

    The second convolution starts small, so that a deep chain starts near the identity and a high
    learning rate is safe from the first step (Fixup, Zhang et al. 2019, arXiv:1901.09321).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.expand = nn.Conv2d(channels, channels, 3, padding=1)
        self.project = nn.Conv2d(channels, channels, 3, padding=1)
        for convolution, gain in ((self.expand, 1.0), (self.project, 0.1)):
            nn.init.kaiming_normal_(convolution.weight)
            nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
            with torch.no_grad():
                convolution.weight.mul_(gain)

    def forward(self, x: Tensor) -> Tensor:
        return convolve(self.project, convolve(self.expand, x, relu=True), plus=x)


class FiLM(nn.Module):
    """Scale and shift every channel by what the realism vector says.

    y = x · (1 + γ(v)) + β(v), with γ and β linear (FiLM, Perez et al. 2018, arXiv:1709.07871).
    It starts as the identity. Its gradient stops at the vector: stage 2 reads what stage 1 was
    taught to say, and does not make a channel of its own out of it.
    """

    def __init__(self, vector_size: int, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(vector_size, 2 * channels)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor, vector: Tensor) -> Tensor:
        scale, shift = self._said(vector)
        return torch.addcmul(x + shift, x, scale)

    def convolved(
        self, layer: nn.Conv2d, x: Tensor, vector: Tensor, plus: Tensor | None = None
    ) -> Tensor:
        """layer(self(x, vector)) [+ plus], for a convolution of one pixel.

        Of a single image without gradients, the layer's weights are scaled in place of the maps.
        """
        if len(x) > 1 or torch.is_grad_enabled():
            return convolve(layer, self(x, vector), plus=plus)
        with torch.autocast(x.device.type, enabled=False):
            scale, shift = self._said(vector.to(layer.weight.dtype))
            weight = layer.weight * (1 + scale)
            bias = (layer.weight * shift).sum(dim=(1, 2, 3))
            bias = bias if layer.bias is None else layer.bias + bias
        return convolve(layer, x, plus=plus, weight=weight, bias=bias)

    def _said(self, vector: Tensor) -> tuple[Tensor, Tensor]:
        """γ and β, (N, C, 1, 1) each."""
        scale, shift = self.linear(vector.detach())[..., None, None].chunk(2, dim=1)
        return scale, shift


class MergedScales(nn.Module):
    """Sum of maps of several sizes at the largest one: 1×1 convolution, then nearest neighbours.

    Args:
        widths: Channels at full, half, quarter ... size.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv2d(width, widths[0], 1) for width in widths[1:])

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        merged = features[0]
        for level, convolution in enumerate(self.convolutions, start=1):
            coarse = F.interpolate(
                convolution(features[level]), scale_factor=2**level, mode="nearest"
            )
            merged = merged + crop_like(coarse, merged)
        return merged


def crop_like(x: Tensor, reference: Tensor) -> Tensor:
    """Cut `x` at the bottom and right to the height and width of `reference`.

    Halving an odd size rounds up; doubling it again gives one row too many.
    """
    return x[..., : reference.shape[-2], : reference.shape[-1]]


def centred(image: Tensor) -> Tensor:
    """Shift an image from [0, 1] to [-0.5, 0.5], where zero padding means grey, not black."""
    return image - 0.5


def check_at_least(name: str, value: int, least: int) -> None:
    """Refuse a size below `least` with a sentence (ValueError)."""
    if not isinstance(value, int) or value < least:
        raise ValueError(f"{name} is {value!r}; it must be at least {least}.")


def check_each_at_least(name: str, values: Any, least: int) -> None:
    """Refuse what is no list of whole numbers from `least` on with a sentence (ValueError)."""
    if (
        not isinstance(values, Sequence)
        or not all(type(value) is int for value in values)
        or any(value < least for value in values)
    ):
        raise ValueError(
            f"{name} is {values!r}; it must be a list of whole numbers, each at least {least}."
        )
