"""A convolution with what follows it is the convolution, and then what follows it."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from mtlsr.networks.blocks import FiLM
from mtlsr.networks.convolving import convolve

LAST = {"memory_format": torch.channels_last}


class Called(TorchDispatchMode):
    """Notes the names of all operations."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(func.name())
        return func(*args, **(kwargs or {}))


def layers() -> Iterator[nn.Conv2d]:
    yield nn.Conv2d(6, 8, 3, padding=1)
    yield nn.Conv2d(6, 8, 1, bias=False)
    yield nn.Conv2d(6, 8, 3, padding=1, stride=2)
    yield nn.Conv2d(6, 8, 3, padding=2, dilation=2, groups=2)


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("follows", ["nothing", "relu", "plus"])
@pytest.mark.parametrize("size", [(40, 50), (7, 5)])
@pytest.mark.parametrize("last", [True, False])
def test_with_and_without_gradients_it_is_its_formula(number, follows, size, last):
    torch.manual_seed(0)
    layer = list(layers())[number]
    x = torch.randn(2, 6, *size)
    x = x.to(**LAST) if last else x
    expected = layer(x)
    other = torch.randn_like(expected)
    given = {"nothing": {}, "relu": {"relu": True}, "plus": {"plus": other}}[follows]
    if follows != "nothing":
        expected = expected.relu() if follows == "relu" else expected + other
    torch.testing.assert_close(convolve(layer, x, **given), expected)
    with torch.no_grad():
        torch.testing.assert_close(convolve(layer, x, **given), expected, rtol=0, atol=1e-5)


def test_it_is_one_operation_without_gradients():
    layer, x = nn.Conv2d(4, 4, 3, padding=1).to(**LAST), torch.randn(1, 4, 80, 80).to(**LAST)
    with torch.no_grad(), Called() as called:
        convolve(layer, x, relu=True)
        convolve(layer, x, plus=x)
    assert [name for name in called.names if "detach" not in name] == [
        "mkldnn::_convolution_pointwise",
        "mkldnn::_convolution_pointwise.binary",
    ]
    with Called() as called:
        convolve(layer, x, plus=x)
    assert "aten::convolution" in called.names


def test_what_is_added_keeps_its_values_and_may_be_a_part_of_a_map():
    layer, x = nn.Conv2d(4, 4, 3, padding=1), torch.randn(1, 4, 9, 9)
    larger = torch.randn(1, 4, 10, 10).to(**LAST)
    before = larger.clone()
    with torch.no_grad():
        found = convolve(layer, x, plus=larger[..., :9, :9])
        torch.testing.assert_close(found, layer(x) + larger[..., :9, :9])
    assert torch.equal(larger, before)


@pytest.mark.parametrize("gradients", [True, False])
def test_autocast_chooses_the_numbers(gradients):
    layer, x = nn.Conv2d(4, 4, 3, padding=1), torch.randn(1, 4, 64, 64)
    with torch.set_grad_enabled(gradients), torch.autocast("cpu", torch.bfloat16):
        for found in (convolve(layer, x), convolve(layer, x, relu=True)):
            assert found.dtype == torch.bfloat16
        assert convolve(layer, x.bfloat16(), plus=x.bfloat16()).dtype == torch.bfloat16


def test_double_precision_stays_so():
    layer, x = nn.Conv2d(3, 3, 3, padding=1).double(), torch.randn(1, 3, 8, 8).double()
    with torch.no_grad():
        assert torch.equal(convolve(layer, x, plus=x), layer(x) + x)


def test_hooks_are_called_and_have_their_say():
    layer, x = nn.Conv2d(3, 3, 3, padding=1), torch.randn(1, 3, 8, 8)
    layer.register_forward_hook(lambda module, given, output: output * 0)
    with torch.no_grad():
        assert not convolve(layer, x, relu=True).any()


def test_every_part_of_an_image_has_the_bits_of_the_whole():
    torch.manual_seed(0)
    layer, x = nn.Conv2d(8, 8, 3, padding=1).to(**LAST), torch.randn(1, 8, 70, 90).to(**LAST)
    for dtype in (torch.float32, torch.bfloat16):
        with torch.no_grad(), torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            whole = convolve(layer, x, plus=x.to(dtype))
            part = convolve(layer, x[:, :, 10:60], plus=x[:, :, 10:60].to(dtype))
        assert torch.equal(part[:, :, 1:-1], whole[:, :, 11:59])


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("gradients", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_a_modulation_before_a_convolution(count, gradients, bias):
    torch.manual_seed(0)
    modulation, layer = FiLM(5, 4), nn.Conv2d(4, 6, 1, bias=bias)
    nn.init.normal_(modulation.linear.weight)
    nn.init.normal_(modulation.linear.bias)
    x, vector, other = (
        torch.randn(count, 4, 9, 8),
        torch.rand(count, 5),
        torch.randn(count, 6, 9, 8),
    )
    expected = F.conv2d(modulation(x, vector), layer.weight, layer.bias) + other
    with torch.set_grad_enabled(gradients):
        found: Tensor = modulation.convolved(layer, x, vector, plus=other)
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-5)
