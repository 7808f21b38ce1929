"""RLFN: residual blocks without any distillation, each with a light spatial attention.

Kong, Li, Liu, Liu, He, Bai, Chen and Fu, "Residual local feature network for efficient
super-resolution", CVPR workshops 2022, arXiv:2205.07514.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtlsr.networks.base import SingleTaskNetwork
from mtlsr.networks.blocks import centred
from mtlsr.networks.single_task.start import carry_image, interpolate_image, quieten, see_detail

SLOPE = 0.05


class ESA(nn.Module):
    """Enhanced spatial attention: a pixel and a coarse view around it say how it is scaled.

    Liu, Zhang, Tang and Wu 2020, RFANet, as RLFN simplifies it: one convolution over the coarse
    view.

    Args:
        channels: Of the maps.
        hidden: Of the maps that the attention is made of.
    """

    least = 15
    """Rows and columns that the coarse view needs; smaller maps are repeated at their border."""

    def __init__(self, channels: int, hidden: int = 16) -> None:
        super().__init__()
        self.enter = nn.Conv2d(channels, hidden, 1)
        self.same = nn.Conv2d(hidden, hidden, 1)
        self.shrink = nn.Conv2d(hidden, hidden, 3, stride=2)
        self.coarse = nn.Conv2d(hidden, hidden, 3, padding=1)
        self.leave = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        entered = self.enter(x)
        below, right = max(0, self.least - height), max(0, self.least - width)
        padded = F.pad(entered, (0, right, 0, below), mode="replicate")
        coarse = self.coarse(F.max_pool2d(self.shrink(padded), 7, stride=3))
        view = F.interpolate(coarse, size=padded.shape[-2:], mode="bilinear", align_corners=False)
        view = view[..., :height, :width]
        return x * torch.sigmoid(self.leave(view + self.same(entered)))


class RLFB(nn.Module):
    """Residual local feature block.

    Three convolutions with LeakyReLU and x + r, a 1×1 convolution, attention.

    Args:
        channels: Of the maps.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=1) for _ in range(3)
        )
        self.fuse = nn.Conv2d(channels, channels, 1)
        self.attention = ESA(channels)

    def forward(self, x: Tensor) -> Tensor:
        residual = x
        for convolution in self.convolutions:
            residual = F.leaky_relu(convolution(residual), SLOPE)
        return self.attention(self.fuse(x + residual))


class RLFN(SingleTaskNetwork):
    """Six blocks of 52 channels under one long skip.

    It has no stride: how many pixels its coarse view is stretched to hangs on the image's size.

    543,740 parameters and 29.82 G multiply-adds for 1280×720 at ×4 (×2 526,856, ×3 533,891
    parameters).

    Args:
        scale: Enlargement.
    """

    def __init__(self, scale: int) -> None:
        super().__init__(scale)
        channels, blocks = 52, 6
        self.head = nn.Conv2d(3, channels, 3, padding=1)
        self.body = nn.Sequential(
            *(RLFB(channels) for _ in range(blocks)),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        self.paint = nn.Conv2d(channels, 3 * scale**2, 3, padding=1)
        see_detail(self.head)
        carry_image(self.head)
        quieten(self.body[-1])  # type: ignore[arg-type]
        interpolate_image(self.paint, scale)

    def enlarge(self, lr: Tensor) -> Tensor:
        features = self.head(centred(lr))
        return F.pixel_shuffle(self.paint(features + self.body(features)), self.scale) + 0.5
