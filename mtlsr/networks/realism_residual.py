"""Stage 1 for small budgets: residual units without normalisation, most work at full size.

Normalisation costs time and accuracy in super-resolution (EDSR, Lim et al. 2017), and a narrow
first block keeps the style term, which runs it on high-resolution images, cheap.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from mtlsr.networks.base import FirstBlock, RealismNet
from mtlsr.networks.blocks import (
    MergedScales,
    ResidualUnit,
    centred,
    check_at_least,
    check_each_at_least,
)
from mtlsr.networks.outputs import RealismOutput
from mtlsr.networks.reading import Reading
from mtlsr.networks.whole_image import GlobalMoments


class ResidualFirstBlock(FirstBlock):
    """Stem convolution and the first residual block, at full size."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.stem = nn.Conv2d(3, channels, 3, padding=1)
        self.block = ResidualUnit(channels)

    def forward(self, image: Tensor) -> Tensor:
        return self.block(self.stem(centred(image)))

    def anchored(self) -> dict[str, Tensor]:
        return {"expand": self.block.expand.weight, "project": self.block.project.weight}


class ResidualRealism(RealismNet):
    """Residual trunk at several scales.

    66,793 parameters and 2.08 G multiply-adds for 1280×720 at ×4, with a vector of five entries.

    Args:
        vector_size: Length V of the realism vector.
        first: Channels of the first block.
        widths: Channels at full, half, quarter ... size.
        units: Residual units at each of those sizes.
    """

    unit: type[nn.Module] = ResidualUnit
    """What the blocks after the first consist of: made from a number of channels."""

    def __init__(
        self,
        vector_size: int,
        first: int = 16,
        widths: Sequence[int] = (32, 32),
        units: Sequence[int] = (1, 1),
    ) -> None:
        super().__init__()
        check_each_at_least("widths", widths, 1)
        check_each_at_least("units", units, 0)
        if len(widths) != len(units) or not widths:
            raise ValueError(
                f"widths {list(widths)} and units {list(units)} must be of one length, at least 1."
            )
        check_at_least("first", first, 1)
        check_at_least("vector_size", vector_size, 1)
        self.channels = tuple(widths)
        self.vector_size = vector_size
        self.first_block = ResidualFirstBlock(first)
        entries = [nn.Conv2d(first, widths[0], 3, padding=1)]
        for above, below in pairwise(widths):
            entries.append(nn.Conv2d(above, below, 3, stride=2, padding=1))
        self.entries = nn.ModuleList(entries)
        self.blocks = nn.ModuleList(
            nn.Sequential(*(self.unit(width) for _ in range(count)))
            for width, count in zip(widths, units, strict=True)
        )
        self.merge = MergedScales(widths)
        self.restore = nn.Conv2d(widths[0], 3, 3, padding=1)
        self.moments = GlobalMoments()
        hidden = 2 * sum(widths)
        self.head = nn.Sequential(
            nn.LayerNorm(hidden), nn.Linear(hidden, 64), nn.ReLU(), nn.Linear(64, vector_size + 1)
        )
        self.reading = Reading(hidden, vector_size)
        # The image itself is the first guess of the clean image, and zero that of the vector.
        for last in (self.restore, self.head[-1]):
            nn.init.zeros_(last.bias)  # type: ignore[arg-type]
            with torch.no_grad():
                last.weight.mul_(0.1)  # type: ignore[operator]

    def forward(self, lr: Tensor, reconstruct: bool = True) -> RealismOutput:
        first = self.first_block(lr)
        features: list[Tensor] = []
        x = first
        for entry, block in zip(self.entries, self.blocks, strict=True):
            x = block(entry(x))
            features.append(x)
        statistics = self._statistics(features)
        said = self.head(statistics)
        return RealismOutput(
            features=tuple(features),
            first_block=first,
            vector=said[:, 1:],
            reading=self.reading(said[:, 1:], statistics),
            logit=said[:, 0],
            reconstruction=lr + self.restore(self.merge(features)) if reconstruct else lr,
        )

    def _statistics(self, features: Sequence[Tensor]) -> Tensor:
        """Mean and logarithm of the deviation of every channel: (N, 2·ΣC).

        Blur and noise change the deviation of fine detail by factors, which a logarithm makes
        steps.
        """
        means, variances = self.moments(*features)
        return torch.cat([means, 0.5 * (variances + 1e-6).log()], dim=1)
