"""Stage 1 to the letter of the method: convolution, batch normalisation and ReLU throughout.

A layer is convolution (plain or dilated) + batch normalisation + ReLU, a residual unit is two such
layers with x + r, a block is several units; the blocks work at several scales.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from mtlsr.networks.base import FirstBlock, RealismNet
from mtlsr.networks.blocks import MergedScales, centred, check_at_least, check_each_at_least
from mtlsr.networks.outputs import RealismOutput
from mtlsr.networks.reading import Reading
from mtlsr.networks.whole_image import GlobalMean


def layer(inputs: int, outputs: int, dilation: int = 1, stride: int = 1) -> nn.Sequential:
    """Convolution 3×3 (plain or dilated) + batch normalisation + ReLU."""
    return nn.Sequential(
        nn.Conv2d(
            inputs, outputs, 3, stride=stride, padding=dilation, dilation=dilation, bias=False
        ),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class SeedUnit(nn.Module):
    """Two layers, the second dilated, with x + r (He et al. 2016, arXiv:1512.03385)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.plain = layer(channels, channels)
        self.dilated = layer(channels, channels, dilation=2)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.dilated(self.plain(x))


class SeedFirstBlock(FirstBlock):
    """Stem layer and the first residual block, at full size."""

    def __init__(self, channels: int, units: int) -> None:
        super().__init__()
        self.channels = channels
        self.stem = layer(3, channels)
        self.block = nn.Sequential(*(SeedUnit(channels) for _ in range(units)))

    def forward(self, image: Tensor) -> Tensor:
        return self.block(self.stem(centred(image)))

    def anchored(self) -> dict[str, Tensor]:
        return {
            name: module.weight
            for name, module in self.block.named_modules()
            if isinstance(module, nn.Conv2d)
        }


class SeedRealism(RealismNet):
    """Residual network of the method.

    105,993 parameters and 1.85 G multiply-adds for 1280×720 at ×4, with a vector of five entries.

    Args:
        vector_size: Length V of the realism vector.
        widths: Channels at full, half, quarter ... size.
        units: Residual units in the block of each size; at least 1 in the first.
    """

    def __init__(
        self,
        vector_size: int,
        widths: Sequence[int] = (24, 32, 48),
        units: Sequence[int] = (2, 1, 1),
    ) -> None:
        super().__init__()
        check_each_at_least("widths", widths, 1)
        check_each_at_least("units", units, 0)
        if len(widths) != len(units) or not widths:
            raise ValueError(
                f"widths {list(widths)} and units {list(units)} must be of one length, at least 1."
            )
        check_at_least("the first block's units", units[0], 1)
        check_at_least("vector_size", vector_size, 1)
        self.channels = tuple(widths)
        self.vector_size = vector_size
        self.first_block = SeedFirstBlock(widths[0], units[0])
        self.blocks = nn.ModuleList(
            nn.Sequential(layer(above, below, stride=2), *(SeedUnit(below) for _ in range(count)))
            for above, below, count in zip(widths, widths[1:], units[1:], strict=False)
        )
        self.merge = MergedScales(widths)
        self.restore = nn.Conv2d(widths[0], 3, 3, padding=1)
        self.means = GlobalMean()
        self.head = nn.Linear(sum(widths), vector_size + 1)
        self.reading = Reading(sum(widths), vector_size)

    def forward(self, lr: Tensor, reconstruct: bool = True) -> RealismOutput:
        features = [self.first_block(lr)]
        for block in self.blocks:
            features.append(block(features[-1]))
        means = self.means(*features)
        said = self.head(means)
        return RealismOutput(
            features=tuple(features),
            first_block=features[0],
            vector=said[:, 1:],
            reading=self.reading(said[:, 1:], means),
            logit=said[:, 0],
            reconstruction=lr + self.restore(self.merge(features)) if reconstruct else lr,
        )
