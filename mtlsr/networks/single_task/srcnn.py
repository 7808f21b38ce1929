"""SRCNN: three convolutions over the enlarged Y channel, the first network of the field.

Dong, Loy, He and Tang, "Image super-resolution using deep convolutional networks", TPAMI 2016,
arXiv:1501.00092.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtlsr.networks.blocks import centred, check_each_at_least
from mtlsr.networks.single_task.luma import LumaNet
from mtlsr.networks.single_task.start import see_detail


class SRCNN(LumaNet):
    """SRCNN 9-5-5: patches, a non-linear mapping, reconstruction.

    57,281 parameters and 52.70 G multiply-adds for 1280×720, at every scale. They are the paper's
    57,184 weights and a bias for each of its 64 + 32 + 1 filters. Padding keeps the size, as in
    later work; the paper cuts the border off.

    It starts near the identity, so near bicubic interpolation; from the paper's start, near zero,
    the image itself has to be learnt first. Grey is taken off Y, so that padding is grey.

    Args:
        scale: Enlargement.
        widths: Filters of the first two convolutions; the paper's are the default.
    """

    def __init__(self, scale: int, widths: Sequence[int] = (64, 32)) -> None:
        super().__init__(scale)
        check_each_at_least("widths", widths, 1)
        if len(widths) != 2:
            raise ValueError(f"widths is {list(widths)}; it must be two numbers.")
        first, second = widths
        self.patches = nn.Conv2d(1, first, 9, padding=4)
        self.mapping = nn.Conv2d(first, second, 5, padding=2)
        self.reconstruction = nn.Conv2d(second, 1, 5, padding=2)
        for convolution in (self.patches, self.mapping, self.reconstruction):
            nn.init.kaiming_normal_(convolution.weight)
            nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
        see_detail(self.patches)
        # The first filters hand the image on. The bias makes it positive: ReLU lets it pass.
        nn.init.dirac_(self.patches.weight[:1])
        nn.init.dirac_(self.mapping.weight[:1])
        with torch.no_grad():
            self.patches.bias[0] = 0.5  # type: ignore[index]
            self.reconstruction.weight.mul_(0.01)[:, 0, 2, 2] = 1

    def restore(self, y: Tensor) -> Tensor:
        patches = F.relu(self.patches(centred(y)))
        return self.reconstruction(F.relu(self.mapping(patches)))
