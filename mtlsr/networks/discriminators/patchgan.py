"""PatchGAN: a plain chain of strided convolutions that judges overlapping windows.

Isola et al. 2017, arXiv:1611.07004, without normalisation by batch, with spectral normalisation
instead. Two strided layers in place of their three: a logit sees 34 × 34 pixels, not 70 × 70, since
a training patch of super-resolution has 40 to 96 pixels a side.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from mtlsr.networks.blocks import centred, check_at_least
from mtlsr.networks.discriminators.base import Discriminator, SpectralConv2d


class PatchGan(Discriminator):
    """Logits (N, 1, ⌊H/4⌋ - 2, ⌊W/4⌋ - 2), each of a window of 34 × 34 pixels.

    Args:
        width: Channels of the first layer; the others have twice and four times as many.
    """

    minimum = 12

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        check_at_least("width", width, 1)
        self.first = nn.Conv2d(3, width, 4, stride=2, padding=1)
        self.second = SpectralConv2d(width, 2 * width, 4, stride=2, padding=1)
        self.third = SpectralConv2d(2 * width, 4 * width, 4, padding=1)
        self.last = nn.Conv2d(4 * width, 1, 4, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        x = F.leaky_relu(self.first(centred(images)), 0.2)
        x = F.leaky_relu(self.second(x), 0.2)
        x = F.leaky_relu(self.third(x), 0.2)
        return self.last(x)
