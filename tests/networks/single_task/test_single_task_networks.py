"""Each network beside an independent computation of what its paper says."""

import numpy as np
import pytest
import torch
from scipy.signal import correlate2d
from torch import Tensor
from torch.nn import functional as F

from mtlsr.data.colour import luma
from mtlsr.data.resize import resize
from mtlsr.networks.single_task.edsr import EDSR
from mtlsr.networks.single_task.imdn import CCA, IMDB, IMDN
from mtlsr.networks.single_task.rlfn import ESA, RLFB, RLFN
from mtlsr.networks.single_task.span import SPAB, SPAN, ReparameterisedConv2d
from mtlsr.networks.single_task.srcnn import SRCNN
from mtlsr.networks.single_task.start import SHARE, interpolation_kernels
from mtlsr.networks.single_task.vdsr import VDSR


def shaken(network: torch.nn.Module) -> torch.nn.Module:
    """The network in float64, every weight away from its start."""
    torch.manual_seed(0)
    network.double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return network


def convolved(maps: np.ndarray, convolution: torch.nn.Conv2d) -> np.ndarray:
    """SciPy's correlation, (C, H, W) -> (C', H, W), borders padded with zeros."""
    weight = convolution.weight.detach().numpy()
    bias = np.zeros(len(weight)) if convolution.bias is None else convolution.bias.detach().numpy()
    return np.stack(
        [
            sum(correlate2d(x, w, mode="same") for x, w in zip(maps, kernels, strict=True)) + b
            for kernels, b in zip(weight, bias, strict=True)
        ]
    )


@torch.no_grad()
def y_channels(network: SRCNN | VDSR) -> tuple[np.ndarray, np.ndarray]:
    """Y of the bicubically enlarged image and of the network's output, (H, W)."""
    lr = torch.rand(1, 3, 5, 6, dtype=torch.float64)
    sr = network(lr)[1].sr
    base = resize(lr, (5 * network.scale, 6 * network.scale))
    return luma(base)[0, 0].numpy(), luma(sr)[0, 0].numpy()


def test_srcnn_is_three_convolutions_of_the_y_channel() -> None:
    network = shaken(SRCNN(2))
    y, restored = y_channels(network)
    patches = convolved(y[None] - 0.5, network.patches).clip(min=0)
    mapped = convolved(patches, network.mapping).clip(min=0)
    expected = convolved(mapped, network.reconstruction)[0]
    np.testing.assert_allclose(restored, expected, rtol=0, atol=1e-10)


def test_vdsr_is_the_y_channel_and_twenty_convolutions() -> None:
    network = shaken(VDSR(2))
    y, restored = y_channels(network)
    assert len(network.convolutions) == 20
    maps = torch.from_numpy(y - 0.5)[None, None]
    for index, convolution in enumerate(network.convolutions):
        if index:
            maps = maps.clamp(min=0)
        maps = F.conv2d(maps, convolution.weight, padding=1)
    np.testing.assert_allclose(restored, y + maps[0, 0].detach().numpy(), rtol=0, atol=1e-10)


@pytest.mark.parametrize(("scale", "steps"), [(2, [2]), (3, [3]), (4, [2, 2])])
def test_edsr_enlarges_in_the_papers_steps(scale: int, steps: list[int]) -> None:
    network = EDSR(scale)
    found = [x.upscale_factor for x in network.tail if isinstance(x, torch.nn.PixelShuffle)]
    assert found == steps
    assert len(network.body) == 17
    assert {x.expand.weight.shape for x in network.body[:-1]} == {(64, 64, 3, 3)}


def test_imdn_sets_a_quarter_of_the_channels_aside() -> None:
    network = IMDN(4)
    assert len(network.blocks) == 6
    block = network.blocks[0]
    assert [tuple(step.weight.shape[:2]) for step in block.steps] == [(64, 64), (64, 48), (64, 48)]
    assert tuple(block.last.weight.shape) == (16, 48, 3, 3)
    assert tuple(block.fuse.weight.shape) == (64, 64, 1, 1)
    assert block.attention.squeeze.out_channels == 4
    assert network.collect.in_channels == 6 * 64


def test_an_imdn_block_is_its_formula() -> None:
    block = shaken(IMDB(16))
    x = torch.rand(1, 16, 6, 7, dtype=torch.float64)
    rest, kept = x, []
    for step in block.steps:
        maps = step(rest)
        maps = torch.where(maps > 0, maps, 0.05 * maps)
        kept.append(maps[:, :4])
        rest = maps[:, 4:]
    kept.append(block.last(rest))
    expected = x + block.fuse(block.attention(torch.cat(kept, dim=1)))
    torch.testing.assert_close(block(x), expected)


def test_contrast_attention_reads_mean_and_deviation() -> None:
    attention = shaken(CCA(32))
    x = torch.randn(2, 32, 5, 6, dtype=torch.float64)
    numbers = x.numpy()
    said = numbers.mean(axis=(2, 3)) + numbers.std(axis=(2, 3))
    weights = [p.detach().numpy() for p in attention.parameters()]
    hidden = (said @ weights[0][:, :, 0, 0].T + weights[1]).clip(min=0)
    factors = 1 / (1 + np.exp(-(hidden @ weights[2][:, :, 0, 0].T + weights[3])))
    expected = numbers * factors[:, :, None, None]
    np.testing.assert_allclose(attention(x).detach().numpy(), expected, rtol=0, atol=1e-7)


def test_contrast_attention_of_a_constant_has_a_finite_gradient() -> None:
    x = torch.ones(1, 32, 4, 4, requires_grad=True)
    CCA(32)(x).sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_rlfn_has_the_papers_blocks() -> None:
    network = RLFN(4)
    blocks = [block for block in network.body if isinstance(block, RLFB)]
    assert len(blocks) == 6
    for block in blocks:
        assert {tuple(c.weight.shape) for c in block.convolutions} == {(52, 52, 3, 3)}
        assert block.attention.enter.out_channels == 16


def test_an_rlfn_block_is_its_formula() -> None:
    block = shaken(RLFB(8))
    x = torch.rand(1, 8, 17, 20, dtype=torch.float64)
    r = x
    for convolution in block.convolutions:
        r = convolution(r)
        r = torch.where(r > 0, r, 0.05 * r)
    torch.testing.assert_close(block(x), block.attention(block.fuse(x + r)))


@pytest.mark.parametrize("size", [(15, 15), (23, 40)])
def test_spatial_attention_is_the_papers_where_its_coarse_view_has_room(
    size: tuple[int, int],
) -> None:
    attention = shaken(ESA(8, 4))
    x = torch.rand(1, 8, *size, dtype=torch.float64)
    entered = attention.enter(x)
    small = F.conv2d(entered, attention.shrink.weight, attention.shrink.bias, stride=2)
    windows = small.unfold(2, 7, 3).unfold(3, 7, 3)
    coarse = attention.coarse(windows.amax(dim=(-2, -1)))
    view = F.interpolate(coarse, size=size, mode="bilinear")
    expected = x * torch.sigmoid(attention.leave(view + attention.same(entered)))
    torch.testing.assert_close(attention(x), expected)


def test_spatial_attention_works_on_the_smallest_maps() -> None:
    attention = ESA(8)
    for size in [(1, 1), (14, 15), (2, 30)]:
        assert attention(torch.rand(1, 8, *size)).shape == (1, 8, *size)


def test_a_reparameterised_convolution_is_the_papers_three_and_a_skip() -> None:
    convolution = shaken(ReparameterisedConv2d(3, 5))
    x = torch.rand(2, 3, 6, 7, dtype=torch.float64)
    enter, leave, skip = (
        weight[..., None, None]
        for weight in (convolution.enter, convolution.leave, convolution.skip)
    )
    wide = F.conv2d(F.conv2d(F.pad(x, (1, 1, 1, 1)), enter), convolution.middle)
    expected = F.conv2d(wide, leave) + F.conv2d(x, skip) + convolution.bias[:, None, None]
    torch.testing.assert_close(convolution(x), expected)
    torch.testing.assert_close(convolution.merged()(x), expected)
    assert tuple(convolution.middle.shape) == (10, 6, 3, 3)


def test_a_span_block_is_its_formula() -> None:
    block = shaken(SPAB(6))
    x = torch.rand(1, 6, 5, 5, dtype=torch.float64)

    def silu(x: Tensor) -> Tensor:
        return x / (1 + torch.exp(-x))

    maps, first = block(x)
    h = block.third(silu(block.second(silu(block.first(x)))))
    torch.testing.assert_close(first, block.first(x))
    torch.testing.assert_close(maps, (x + h) * (1 / (1 + torch.exp(-h)) - 0.5))


def test_span_is_deployed_with_plain_convolutions_and_computes_the_same() -> None:
    network = shaken(SPAN(2))
    deployed = network.deployed()
    assert not any(isinstance(x, ReparameterisedConv2d) for x in deployed.modules())
    assert any(isinstance(x, ReparameterisedConv2d) for x in network.modules())
    lr = torch.rand(1, 3, 9, 8, dtype=torch.float64)
    torch.testing.assert_close(deployed(lr)[1].sr, network(lr)[1].sr, rtol=0, atol=1e-12)


def test_span_reads_the_head_the_first_block_and_the_last_ones_first_convolution() -> None:
    network = shaken(SPAN(2))
    lr = torch.rand(1, 3, 9, 8, dtype=torch.float64)
    features = x = network.head(lr - 0.5)
    maps = []
    for block in network.blocks:
        x, first = block(x)
        maps.append(x)
    collected = network.collect(torch.cat([features, network.refine(maps[5]), maps[0], first], 1))
    expected = F.pixel_shuffle(network.paint(collected), 2) + 0.5
    torch.testing.assert_close(network(lr)[1].sr, expected)


# ---- the start -----------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_interpolation_kernels_reproduce_parabolas(scale: int) -> None:
    kernels = interpolation_kernels(scale).double()
    torch.testing.assert_close(kernels.sum(dim=(1, 2)), torch.ones(scale**2).double())

    def surface(y: Tensor, x: Tensor) -> Tensor:
        return 1 - 2 * x + 3 * y + x * x - 0.5 * y * y + x * y

    def centres(size: int, step: float) -> tuple[Tensor, Tensor]:
        line = ((torch.arange(size) + 0.5) * step).double()
        return torch.meshgrid(line, line, indexing="ij")

    small = surface(*centres(6, 1.0))[None, None]
    large = F.pixel_shuffle(F.conv2d(small, kernels[:, None]), scale)[0, 0]
    expected = surface(*centres(6 * scale, 1 / scale))[scale:-scale, scale:-scale]
    torch.testing.assert_close(large, expected, rtol=1e-5, atol=1e-5)


def test_little_is_left_of_the_random_weights_that_carry_the_image() -> None:
    paint = IMDN(4).paint
    others = paint.weight[:, 3:].abs().max()
    assert 0 < others <= SHARE / (9 * 64) ** 0.5
    assert (paint.bias == 0).all()


@pytest.mark.parametrize("network", [EDSR, IMDN, RLFN, SPAN])
@torch.no_grad()
def test_the_heads_carry_the_image_and_see_detail(network: type) -> None:
    torch.manual_seed(0)
    head = network(2).head
    flat = torch.rand(1, 3, 1, 1).expand(1, 3, 5, 5)
    inside = head(flat)[0, :, 2, 2]
    torch.testing.assert_close(inside[:3], flat[0, :, 2, 2], rtol=0.05, atol=0.02)
    assert inside[3:].abs().max() < 1e-5
    assert head(torch.rand(1, 3, 5, 5))[0, 3:, 2, 2].abs().max() > 0.1


@torch.no_grad()
def test_detail_reaches_the_last_convolution_of_vdsr() -> None:
    torch.manual_seed(0)
    first, *middle, last = VDSR(2).convolutions
    seen = maps = first(torch.rand(1, 1, 24, 24)).relu()
    for convolution in middle:
        maps = convolution(maps).relu()
    assert np.corrcoef(seen.flatten(), maps.flatten())[0, 1] > 0.7
    assert last(maps).std() < 0.2
