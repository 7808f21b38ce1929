"""Weights to start from, for few steps at a high learning rate. Architectures stay the papers'.

The image is handed on. None of the papers' networks that work at low-resolution size adds its
output to an interpolation: they learn the image itself again. Over 10^6 steps that costs little,
over 10^3 it is all that they learn. Here the first three channels of the features carry the colours
from the first convolution to the sub-pixel convolution, which interpolates them.

The other channels see detail. Adam's first steps move all weights equally far, those that read the
same brightness all in the same direction, and with them the brightness of the whole image.
"""

import torch
from torch import Tensor, nn

SHARE = 0.01
"""What stays of the random weights in the rows that carry the image."""


@torch.no_grad()
def see_detail(convolution: nn.Conv2d) -> None:
    """Make the outputs zero wherever the image is constant."""
    convolution.weight -= convolution.weight.mean(dim=(-2, -1), keepdim=True)
    if convolution.bias is not None:
        convolution.bias.zero_()


@torch.no_grad()
def carry_image(convolution: nn.Conv2d) -> None:
    """Make the first three outputs the first three inputs, nearly.

    Args:
        convolution: Of odd kernel size, and its size kept by padding.
    """
    centre = convolution.kernel_size[0] // 2
    quieten(convolution)
    for colour in range(3):
        convolution.weight[colour, colour, centre, centre] += 1


@torch.no_grad()
def interpolate_image(convolution: nn.Conv2d, scale: int) -> None:
    """Make the first three channels after `F.pixel_shuffle` the first three inputs, enlarged.

    Args:
        convolution: 3×3 sub-pixel convolution, of at least 3 · scale² outputs.
        scale: Enlargement of the shuffling.
    """
    quieten(convolution, 3 * scale**2)
    kernels = interpolation_kernels(scale)
    for colour in range(3):
        rows = slice(colour * scale**2, (colour + 1) * scale**2)
        convolution.weight[rows, colour] += kernels


def interpolation_kernels(scale: int) -> Tensor:
    """Interpolation as s² kernels of 3×3, one for each sub-pixel: (s², 3, 3).

    In each direction the parabola through three pixels (Lagrange): on photographs as good as
    bicubic, which needs five.
    """
    x = (torch.arange(scale) + 0.5) / scale - 0.5  # of each sub-pixel, from the pixel's centre
    taps = torch.stack([x * (x - 1) / 2, 1 - x * x, x * (x + 1) / 2], dim=1)
    return torch.einsum("ay,bx->abyx", taps, taps).reshape(scale**2, 3, 3)


@torch.no_grad()
def quieten(convolution: nn.Conv2d, rows: int = 3) -> None:
    """Leave little of the random weights of the first `rows` outputs, and none of their biases."""
    convolution.weight[:rows] *= SHARE
    if convolution.bias is not None:
        convolution.bias[:rows] = 0
