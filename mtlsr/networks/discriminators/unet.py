"""UNet discriminator: a logit for every pixel, with the whole patch in view.

Real-ESRGAN, Wang et al. 2021, arXiv:2107.10833; spectral normalisation of all but the first and the
last convolution, as there.
"""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from mtlsr.networks.blocks import centred, check_at_least
from mtlsr.networks.discriminators.base import Discriminator, SpectralConv2d


class UNetDiscriminator(Discriminator):
    """Logits (N, 1, H, W).

    Args:
        width: Channels at full size; half, quarter and eighth size have 2, 4 and 8 times as many.
            The paper has 64.
    """

    minimum = 8

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        check_at_least("width", width, 1)
        widths = [width, 2 * width, 4 * width, 8 * width]
        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.falls = nn.ModuleList(
            SpectralConv2d(above, below, 4, stride=2, padding=1)
            for above, below in pairwise(widths)
        )
        self.rises = nn.ModuleList(
            SpectralConv2d(below, above, 3, padding=1) for above, below in pairwise(widths)
        )
        self.fuse = nn.ModuleList(SpectralConv2d(width, width, 3, padding=1) for _ in range(2))
        self.last = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        x = F.leaky_relu(self.first(centred(images)), 0.2)
        skips = []
        for fall in self.falls:
            skips.append(x)
            x = F.leaky_relu(fall(x), 0.2)
        for rise, skip in zip(reversed(self.rises), reversed(skips), strict=True):
            size = (skip.shape[-2], skip.shape[-1])
            x = F.interpolate(x, size, mode="bilinear", align_corners=False)
            x = F.leaky_relu(rise(x), 0.2) + skip
        for fuse in self.fuse:
            x = F.leaky_relu(fuse(x), 0.2)
        return self.last(x)
