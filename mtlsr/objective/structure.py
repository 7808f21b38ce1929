"""λ3, structure: the output keeps the edges and corners of the original."""

from collections.abc import Callable
from typing import Literal, get_args

import torch
from kornia.color import rgb_to_grayscale
from kornia.feature import gftt_response
from kornia.filters import spatial_gradient
from torch import Tensor, nn
from torch.nn import functional as F

from mtlsr.objective.checks import check_choice, check_weight
from mtlsr.objective.precision import in_full_precision, widened

Transform = Literal["gradient", "corners", "identity"]


@in_full_precision
def gradient(image: Tensor) -> Tensor:
    """Sobel derivatives of the grey image: (N, 3, H, W) -> (N, 2, H, W), per pixel."""
    return spatial_gradient(rgb_to_grayscale(image))[:, 0]


@in_full_precision
def corners(image: Tensor) -> Tensor:
    """Shi-Tomasi corner response of the grey image: (N, 3, H, W) -> (N, 1, H, W).

    The smaller eigenvalue of the structure tensor (Shi and Tomasi 1994); its root is taken so that
    it grows with contrast as a gradient does.
    """
    response = gftt_response(rgb_to_grayscale(image))
    return (response.clamp(min=0) + 1e-8).sqrt() - 1e-4


@in_full_precision
def identity(image: Tensor) -> Tensor:
    """The image itself, (N, 3, H, W): the formula of the source."""
    return image


_TRANSFORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "gradient": gradient,
    "corners": corners,
    "identity": identity,
}
CHANNELS: dict[str, int] = {"gradient": 2, "corners": 1, "identity": 3}
"""Channels of each transform's map, and so of the predicted structure map."""


def transform(image: Tensor, kind: Transform = "gradient") -> Tensor:
    """Structure T of an image (N, 3, H, W) in [0, 1], in float32 at least."""
    return _TRANSFORMS[kind](image)


class CleanStructureTerm(nn.Module):
    """Stage 1's λ3: mean of ‖T(y) - T(ŷ)‖², clean low-resolution image against `reconstruction`.

    Args:
        kind: The transform T.
    """

    def __init__(self, kind: Transform = "gradient") -> None:
        super().__init__()
        check_choice("transform", kind, get_args(Transform))
        self.kind: Transform = kind

    def forward(self, reconstruction: Tensor, lr_clean: Tensor) -> Tensor:
        return F.mse_loss(transform(reconstruction, self.kind), _target(lr_clean, self.kind))


class StructureTerm(nn.Module):
    """Stage 2's λ3: mean of ‖T(HR) - T(sr)‖² + m · mean of ‖T(HR) - structure‖².

    `structure` is the predicted structure map, (N, K, H, W) with K = `CHANNELS[kind]`. The source's
    ‖I - I_x̂‖² is T = identity with m = 0. Squares are averaged over all numbers of a map.

    Args:
        kind: The transform T.
        map: Inner weight m.

    Raises:
        ValueError: An unknown transform, or an impossible weight.
    """

    def __init__(self, kind: Transform = "gradient", map: float = 1.0) -> None:
        super().__init__()
        check_choice("transform", kind, get_args(Transform))
        check_weight("map", map)
        self.kind: Transform = kind
        self.map = map

    def forward(self, sr: Tensor, structure: Tensor, hr: Tensor) -> Tensor:
        target = _target(hr, self.kind)
        of_image = F.mse_loss(transform(sr, self.kind), target)
        if not self.map:
            return of_image
        return of_image + self.map * F.mse_loss(widened(structure), target)


@torch.no_grad()
def _target(image: Tensor, kind: Transform) -> Tensor:
    return transform(image, kind)
