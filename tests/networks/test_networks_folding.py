"""Folded batch normalisation: the same function, fewer operations."""

import pytest
import torch
from torch import nn

from mtlsr.networks.folding import folded
from mtlsr.networks.table import build_pair


def settled(network: nn.Module) -> nn.Module:
    """A network whose normalisations all have statistics and factors of their own."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values in (module.weight.data, module.running_var, module.bias.data):
                values.uniform_(0.5, 1.5, generator=generator)
            module.running_mean.uniform_(-1, 1, generator=generator)
    return network.double().eval()


@pytest.mark.parametrize(
    "convolution",
    [
        nn.Conv2d(4, 6, 3, padding=1),
        nn.Conv2d(4, 6, 3, padding=2, dilation=2, bias=False),
        nn.Conv2d(4, 6, 3, stride=2, groups=2),
        nn.ConvTranspose2d(4, 6, 3, stride=2),
        nn.ConvTranspose2d(4, 6, 5, padding=2, bias=False),
    ],
)
@pytest.mark.parametrize("affine", [True, False])
def test_a_convolution_takes_its_normalisation_in(convolution, affine):
    layers = nn.Sequential(convolution, nn.BatchNorm2d(6, affine=affine), nn.ReLU())
    if affine:
        settled(layers)
    layers.double().eval()[1].running_mean.uniform_(-1, 1)
    x = torch.rand(2, 4, 9, 9, dtype=torch.float64)
    found = folded(layers)
    torch.testing.assert_close(found(x), layers(x), rtol=1e-12, atol=1e-12)
    assert isinstance(found[1], nn.Identity)
    assert isinstance(layers[1], nn.BatchNorm2d)


def test_the_method_to_the_letter_has_no_normalisation_left():
    options = {"scale": 2, "vector_size": 5, "structure_channels": 2}
    torch.manual_seed(0)
    pair = settled(build_pair({"name": "seed"}, {"name": "seed"}, **options))
    lr = torch.rand(1, 3, 13, 11, dtype=torch.float64)
    found = folded(pair)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in found.modules())
    with torch.no_grad():
        for own, other in zip(found(lr), pair(lr), strict=True):
            for name in ("reconstruction", "vector", "sr", "structure"):
                if hasattr(own, name):
                    torch.testing.assert_close(getattr(own, name), getattr(other, name))


def test_a_network_without_normalisation_is_left_alone():
    network = nn.Sequential(nn.Conv2d(3, 3, 3), nn.ReLU(), nn.BatchNorm2d(3))
    assert folded(network) is network


def test_a_normalisation_by_the_batch_itself_stays():
    network = nn.Sequential(nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3, track_running_stats=False))
    assert folded(network) is network
