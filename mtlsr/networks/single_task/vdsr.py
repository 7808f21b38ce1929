"""VDSR: twenty convolutions that learn what the enlarged Y channel lacks.

Kim, Lee and Lee, "Accurate image super-resolution using very deep convolutional networks", CVPR
2016, arXiv:1511.04587.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtlsr.networks.blocks import centred
from mtlsr.networks.single_task.luma import LumaNet
from mtlsr.networks.single_task.start import see_detail


class VDSR(LumaNet):
    """Twenty 3×3 convolutions with ReLU between, around them a skip: y + r.

    664,704 parameters and 612.59 G multiply-adds for 1280×720, at every scale. They are the paper's
    weights; with a bias for each filter there would be 1,217 more, and the literature counts both.

    The last convolution starts small, so that the first output is all but bicubic.

    Args:
        scale: Enlargement.
    """

    def __init__(self, scale: int) -> None:
        super().__init__(scale)
        widths = [1, *[64] * 19, 1]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
            for inputs, outputs in pairwise(widths)
        )
        for convolution in self.convolutions:
            nn.init.kaiming_normal_(convolution.weight)  # type: ignore[arg-type]
        see_detail(self.convolutions[0])  # type: ignore[arg-type]
        with torch.no_grad():
            for convolution in self.convolutions[1:]:
                convolution.weight.mul_(0.1)  # type: ignore[operator]
            for convolution in self.convolutions[1:-1]:
                kept = torch.empty_like(convolution.weight)  # type: ignore[arg-type]
                convolution.weight.add_(nn.init.dirac_(kept))  # type: ignore[operator]

    def restore(self, y: Tensor) -> Tensor:
        first, *others = self.convolutions
        residual = first(centred(y))
        for convolution in others:
            residual = convolution(F.relu(residual))
        return y + residual
