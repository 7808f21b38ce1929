"""IMDN: blocks that set a quarter of their channels aside at each step and fuse them at the end.

Hui, Gao, Yang and Wang, "Lightweight image super-resolution with information multi-distillation
network", ACM Multimedia 2019, arXiv:1909.11856.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtlsr.networks.base import SingleTaskNetwork
from mtlsr.networks.blocks import centred
from mtlsr.networks.single_task.start import carry_image, interpolate_image, quieten, see_detail
from mtlsr.networks.whole_image import GlobalMoments

SLOPE = 0.05


class CCA(nn.Module):
    """Contrast-aware channel attention: mean and deviation of a channel say how it is scaled.

    Args:
        channels: Of the maps.
        reduction: By which factor the hidden layer has fewer.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.moments = GlobalMoments()
        self.squeeze = nn.Conv2d(channels, channels // reduction, 1)
        self.excite = nn.Conv2d(channels // reduction, channels, 1)
        nn.init.ones_(self.squeeze.bias)  # type: ignore[arg-type]  # no unit is dead at first

    def forward(self, x: Tensor) -> Tensor:
        means, variances = self.moments(x)
        # The small constant keeps the gradient of a constant channel finite.
        statistics = ((variances + 1e-8).sqrt() + means)[..., None, None]
        return x * torch.sigmoid(self.excite(F.relu(self.squeeze(statistics))))


class IMDB(nn.Module):
    """Information multi-distillation block.

    Three steps keep a quarter of the channels and refine the rest, a fourth is for the rest.

    Args:
        channels: Of the maps, a multiple of 16.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        kept = channels // 4
        self.split = (kept, channels - kept)
        refined = [channels] + 2 * [channels - kept]
        self.steps = nn.ModuleList(nn.Conv2d(width, channels, 3, padding=1) for width in refined)
        self.last = nn.Conv2d(channels - kept, kept, 3, padding=1)
        self.attention = CCA(channels)
        self.fuse = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        distilled: list[Tensor] = []
        rest = x
        for step in self.steps:
            kept, rest = F.leaky_relu(step(rest), SLOPE).split(self.split, dim=1)
            distilled.append(kept)
        distilled.append(self.last(rest))
        return x + self.fuse(self.attention(torch.cat(distilled, dim=1)))


class IMDN(SingleTaskNetwork):
    """Six distillation blocks of 64 channels, all of them fused, under one long skip.

    715,176 parameters and 40.89 G multiply-adds for 1280×720 at ×4 (×2 694,404, ×3 703,059
    parameters).

    Args:
        scale: Enlargement.
    """

    def __init__(self, scale: int) -> None:
        super().__init__(scale, stride=1)
        channels, blocks = 64, 6
        self.head = nn.Conv2d(3, channels, 3, padding=1)
        self.blocks = nn.ModuleList(IMDB(channels) for _ in range(blocks))
        self.collect = nn.Conv2d(blocks * channels, channels, 1)
        self.refine = nn.Conv2d(channels, channels, 3, padding=1)
        self.paint = nn.Conv2d(channels, 3 * scale**2, 3, padding=1)
        see_detail(self.head)
        carry_image(self.head)
        quieten(self.refine)
        interpolate_image(self.paint, scale)

    def enlarge(self, lr: Tensor) -> Tensor:
        features = x = self.head(centred(lr))
        outputs: list[Tensor] = []
        for block in self.blocks:
            x = block(x)
            outputs.append(x)
        collected = F.leaky_relu(self.collect(torch.cat(outputs, dim=1)), SLOPE)
        return F.pixel_shuffle(self.paint(features + self.refine(collected)), self.scale) + 0.5
