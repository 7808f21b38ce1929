"""Batch normalisation that has become part of the convolution before it.

In evaluation a batch normalisation multiplies and shifts every channel by fixed numbers (Ioffe and
Szegedy 2015, arXiv:1502.03167), and so can the convolution itself:

    γ (w ∗ x + b - μ) / √(σ² + ε) + β  =  (γ w / √(σ² + ε)) ∗ x + γ (b - μ) / √(σ² + ε) + β
"""

import copy
from itertools import pairwise
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Network = TypeVar("Network", bound=nn.Module)


def folded(network: Network) -> Network:
    """The same function with fewer operations, for evaluation.

    Folded is what follows a convolution within an `nn.Sequential`: nothing else can take the
    convolution's output there.

    Args:
        network: Stays as it is.

    Returns:
        A copy in evaluation mode; the network itself where there is nothing to fold.
    """
    if not _foldable(network):
        return network
    copied = copy.deepcopy(network).eval()
    for layers, place in _foldable(copied):
        convolution, normalisation = layers[place], layers[place + 1]
        assert isinstance(convolution, nn.Conv2d | nn.ConvTranspose2d)
        assert isinstance(normalisation, nn.BatchNorm2d)
        transposed = isinstance(convolution, nn.ConvTranspose2d)
        layers[place] = fuse_conv_bn_eval(convolution, normalisation, transposed)
        layers[place + 1] = nn.Identity()
    return copied


def _foldable(network: nn.Module) -> list[tuple[nn.Sequential, int]]:
    """The sequences, and the places in them, of convolutions that a normalisation follows."""
    return [
        (layers, place)
        for layers in network.modules()
        if isinstance(layers, nn.Sequential)
        for place, (first, second) in enumerate(pairwise(layers))
        if isinstance(first, nn.Conv2d | nn.ConvTranspose2d)
        and not (isinstance(first, nn.ConvTranspose2d) and first.groups > 1)
        and isinstance(second, nn.BatchNorm2d)
        and second.track_running_stats
    ]
