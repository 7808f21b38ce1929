"""Stage 1 with channel attention: each residual unit weighs its channels by their means.

How an image was degraded is the same everywhere in it, and so is what should be done about it; a
mean over the whole image tells every pixel. RCAN: Zhang et al. 2018, arXiv:1807.02758, after
squeeze and excitation, Hu et al. 2018, arXiv:1709.01507.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtlsr.networks.blocks import ResidualUnit
from mtlsr.networks.convolving import convolve
from mtlsr.networks.realism_residual import ResidualRealism
from mtlsr.networks.whole_image import GlobalMean


class ChannelAttention(nn.Module):
    """Scale each channel of (N, C, h, w) by a factor from 0 to 1 that follows from all means.

    Args:
        channels: C.
        reduction: By which factor the hidden layer has fewer.
    """

    def __init__(self, channels: int, reduction: int = 8) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.means = GlobalMean()
        self.squeeze = nn.Conv2d(channels, hidden, 1)
        self.excite = nn.Conv2d(hidden, channels, 1)
        nn.init.ones_(self.squeeze.bias)  # type: ignore[arg-type]  # no unit is dead at first

    def forward(self, x: Tensor) -> Tensor:
        means = self.means(x)[..., None, None]
        return x * torch.sigmoid(self.excite(F.relu(self.squeeze(means))))


class AttentionUnit(ResidualUnit):
    """x + attention(conv(ReLU(conv(x))))."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.attention = ChannelAttention(channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.attention(self.project(convolve(self.expand, x, relu=True)))


class AttentionRealism(ResidualRealism):
    """Residual trunk at several scales whose units have channel attention.

    378,113 parameters and 12.88 G multiply-adds for 1280×720 at ×4, with a vector of five entries.

    The first block is `residual`'s: it judges style on high-resolution images, and has to be cheap
    and local for that.

    Args:
        vector_size: Length V of the realism vector.
        first: Channels of the first block.
        widths: Channels at full, half, quarter ... size.
        units: Residual units at each of those sizes.
    """

    unit = AttentionUnit

    def __init__(
        self,
        vector_size: int,
        first: int = 16,
        widths: Sequence[int] = (48, 64),
        units: Sequence[int] = (4, 2),
    ) -> None:
        super().__init__(vector_size, first, widths, units)
