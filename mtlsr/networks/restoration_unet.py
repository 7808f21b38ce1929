"""Stage 2 at low-resolution size: a UNet over stage 1's features.

All convolutions run before the enlargement, which sub-pixel shuffling does at the end (ESPCN,
Shi et al. 2016, arXiv:1609.05158), and only what bicubic interpolation misses is learnt.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtlsr.data.resize import enlarge_and_add
from mtlsr.networks.base import RestorationNet
from mtlsr.networks.blocks import (
    FiLM,
    ResidualUnit,
    check_at_least,
    check_each_at_least,
    crop_like,
)
from mtlsr.networks.convolving import convolve
from mtlsr.networks.outputs import RealismOutput, RestorationOutput


class UNetRestoration(RestorationNet):
    """UNet decoder over the multi-scale features of stage 1.

    123,184 parameters and 6.05 G multiply-adds for 1280×720 at ×4, over stage 1's `residual` and
    with a structure map of two channels.

    Args:
        channels: Channels of stage 1's features.
        vector_size: Length V of the realism vector.
        scale: Enlargement, 2, 3 or 4.
        structure_channels: Channels K of the structure map.
        units: Residual units at each size, from full size down.
        widths: Channels at each of those sizes, of which there may be more than stage 1 has; none
            means stage 1's own channels.
    """

    def __init__(
        self,
        channels: Sequence[int],
        vector_size: int,
        scale: int,
        structure_channels: int,
        units: Sequence[int] = (4, 1),
        widths: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        check_each_at_least("units", units, 0)
        widths = channels if widths is None else widths
        check_each_at_least("widths", widths, 1)
        if not len(units) == len(widths) >= len(channels):
            raise ValueError(
                f"units {list(units)} must name one number for each of stage 1's "
                f"{len(channels)} sizes, or of widths {list(widths)} where those are more."
            )
        check_at_least("structure_channels", structure_channels, 1)
        self.scale = scale
        self.stride = 2 ** (len(widths) - 1)
        self.modulations = nn.ModuleList(FiLM(vector_size, width) for width in channels)
        self.entries = nn.ModuleList(
            nn.Identity() if width == own else nn.Conv2d(width, own, 1)
            for width, own in zip(channels, widths, strict=False)
        )
        self.descents = nn.ModuleList(
            nn.Conv2d(above, below, 3, stride=2, padding=1)
            for above, below in pairwise(widths[len(channels) - 1 :])
        )
        self.bodies = nn.ModuleList(
            nn.Sequential(*(ResidualUnit(width) for _ in range(count)))
            for width, count in zip(widths, units, strict=True)
        )
        pairs = list(pairwise(widths))
        self.skips = nn.ModuleList(nn.Conv2d(above, above, 1) for above, _ in pairs)
        self.rises = nn.ModuleList(nn.Conv2d(below, 4 * above, 1) for above, below in pairs)
        area = scale * scale
        self.structure = nn.Conv2d(widths[0], structure_channels * area, 3, padding=1)
        self.texture = nn.Conv2d(widths[0], 3 * area, 3, padding=1)
        self.fuse = nn.Conv2d(structure_channels * area, 3 * area, 1, bias=False)
        # The first output is the bicubic interpolation, all but exactly.
        with torch.no_grad():
            for head in (self.texture, self.fuse):
                head.weight.mul_(0.01)
        for head in (self.texture, self.structure):
            nn.init.zeros_(head.bias)  # type: ignore[arg-type]

    def forward(self, lr: Tensor, realism: RealismOutput) -> RestorationOutput:
        x = self._decoded(realism)
        structure, texture = self.structure(x), self.texture(x)
        return RestorationOutput(
            shared=x,
            structure=F.pixel_shuffle(structure, self.scale),
            texture=F.pixel_shuffle(texture, self.scale),
            sr=enlarge_and_add(lr, self.scale, texture, self.fuse(structure)),
        )

    def enlarged(self, lr: Tensor, realism: RealismOutput) -> Tensor:
        x = self._decoded(realism)
        # Nothing stands between structure, its share and the sum: one convolution is all three.
        with torch.autocast(x.device.type, enabled=False):
            own, start = self.structure.weight, self.structure.bias
            share = self.fuse.weight[:, :, 0, 0]
            weight = self.texture.weight + (share @ own.flatten(1)).unflatten(1, own.shape[1:])
            bias = torch.addmv(self.texture.bias, share, start)  # type: ignore[arg-type]
        detail = convolve(self.texture, x, weight=weight, bias=bias)
        return enlarge_and_add(lr, self.scale, detail)

    def _decoded(self, realism: RealismOutput) -> Tensor:
        """The maps that structure and texture both read, at low-resolution size."""
        last = len(realism.features) - 1
        deep = [self.entries[last](self.modulations[last](realism.features[last], realism.vector))]
        for descent in self.descents:
            deep.append(descent(deep[-1]))
        x = self.bodies[-1](deep[-1])
        for level in reversed(range(len(self.skips))):
            risen = F.pixel_shuffle(self.rises[level](x), 2)
            if level < last:
                x = self._skipped(level, realism, risen)
            else:
                x = self._joined(level, deep[level - last], risen)
            x = self.bodies[level](x)
        return x

    def _skipped(self, level: int, realism: RealismOutput, risen: Tensor) -> Tensor:
        """What has risen from the sizes below, and stage 1's features of this size."""
        modulation, entry = self.modulations[level], self.entries[level]
        x, vector = realism.features[level], realism.vector
        assert isinstance(modulation, FiLM)
        if isinstance(entry, nn.Conv2d):
            return self._joined(level, modulation.convolved(entry, x, vector), risen)
        skip = self.skips[level]
        assert isinstance(skip, nn.Conv2d)
        return modulation.convolved(skip, x, vector, plus=crop_like(risen, x))

    def _joined(self, level: int, x: Tensor, risen: Tensor) -> Tensor:
        """What has risen from the sizes below, and the map `x` of this size."""
        skip = self.skips[level]
        assert isinstance(skip, nn.Conv2d)
        return convolve(skip, x, plus=crop_like(risen, x))


class LargeUNetRestoration(UNetRestoration):
    """The same UNet for large budgets: wider, deeper, and one size further down.

    2,693,328 parameters and 83.93 G multiply-adds for 1280×720 at ×4, over stage 1's `attention`
    and with a structure map of two channels.

    Args:
        channels: Channels of stage 1's features.
        vector_size: Length V of the realism vector.
        scale: Enlargement, 2, 3 or 4.
        structure_channels: Channels K of the structure map.
        units: Residual units at each size, from full size down.
        widths: Channels at each of those sizes.
    """

    def __init__(
        self,
        channels: Sequence[int],
        vector_size: int,
        scale: int,
        structure_channels: int,
        units: Sequence[int] = (16, 4, 2),
        widths: Sequence[int] = (64, 96, 128),
    ) -> None:
        super().__init__(channels, vector_size, scale, structure_channels, units, widths)
