"""VDSR: twenty convolutions that learn what the enlarged Y channel lacks.

Kim, Lee and Lee, "Accurate image super-resolution using very deep convolutional networks", CVPR
2016, arXiv:1511.04587.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtlsr.networks.blocks import centred, check_at_least
from mtlsr.networks.single_task.luma import LumaNet
from mtlsr.networks.single_task.start import see_detail


class VDSR(LumaNet):
    """Twenty 3×3 convolutions with ReLU between, around them a skip: y + r.

    664,704 parameters and 612.59 G multiply-adds for 1280×720, at every scale. They are the paper's
    weights; with a bias for each filter there would be 1,217 more, and the literature counts both.

    It starts all but bicubic: the last convolution is small, and those in the middle hand detail on
    (DiracNets, Zagoruyko and Komodakis 2017, arXiv:1706.00388), so that the last sees what the
    first saw. From random ones Adam's first steps led to r = 0. Grey is
    taken off Y, so that padding is grey.

    Args:
        scale: Enlargement.
        channels: Filters of each convolution but the last; the paper's are the default.
    """

    def __init__(self, scale: int, channels: int = 64) -> None:
        check_at_least("channels", channels, 1)
        super().__init__(scale)
        widths = [1, *[channels] * 19, 1]
        convolutions = [
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
            for inputs, outputs in pairwise(widths)
        ]
        first, *middle, last = convolutions
        nn.init.kaiming_normal_(first.weight)
        see_detail(first)
        with torch.no_grad():
            for convolution in (*middle, last):
                nn.init.kaiming_normal_(convolution.weight).mul_(0.1)
            for convolution in middle:
                convolution.weight += nn.init.dirac_(torch.empty_like(convolution.weight))
        self.convolutions = nn.ModuleList(convolutions)

    def restore(self, y: Tensor) -> Tensor:
        first, *others = self.convolutions
        residual = first(centred(y))
        for convolution in others:
            residual = convolution(F.relu(residual))
        return y + residual
