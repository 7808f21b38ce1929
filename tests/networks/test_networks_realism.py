import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from mtlsr.networks.base import FirstBlock, RealismNet
from mtlsr.networks.outputs import RealismOutput
from mtlsr.networks.realism_attention import AttentionRealism, ChannelAttention
from mtlsr.networks.realism_residual import ResidualRealism
from mtlsr.networks.realism_seed import SeedRealism
from mtlsr.networks.table import REALISM

NAMES = sorted(REALISM)


@pytest.fixture(params=NAMES)
def net(request: pytest.FixtureRequest) -> RealismNet:
    torch.manual_seed(0)
    return REALISM[request.param](vector_size=5).eval()


def ceil_halved(size: int, times: int) -> int:
    return -(-size // 2**times)


@pytest.mark.parametrize("size", [(31, 37), (8, 8), (1, 1), (3, 40)])
def test_outputs_have_the_documented_shapes(net: RealismNet, size: tuple[int, int]) -> None:
    out = net(torch.rand(2, 3, *size))
    assert isinstance(out, RealismOutput)
    assert isinstance(out.features, tuple)
    assert [tuple(x.shape) for x in out.features] == [
        (2, channels, ceil_halved(size[0], i), ceil_halved(size[1], i))
        for i, channels in enumerate(net.channels)
    ]
    assert out.first_block.shape[0] == 2
    assert out.first_block.shape[2:] == size
    assert out.vector.shape == (2, 5)
    assert torch.equal(out.reading, out.vector)  # nothing is fitted yet
    assert out.logit.shape == (2,)
    assert out.reconstruction.shape == (2, 3, *size)
    for x in (*out.features, out.first_block, out.vector, out.reconstruction):
        assert x.isfinite().all()


def test_features_come_at_several_scales(net: RealismNet) -> None:
    assert len(net.channels) >= 2


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("vector_size", [1, 9])
def test_the_vector_is_as_long_as_asked(name: str, vector_size: int) -> None:
    net = REALISM[name](vector_size=vector_size).eval()
    assert net.vector_size == vector_size
    assert net(torch.rand(3, 3, 8, 8)).vector.shape == (3, vector_size)


@pytest.mark.parametrize("network", [ResidualRealism, AttentionRealism, SeedRealism])
@pytest.mark.parametrize("sizes", [1, 4])
def test_any_number_of_sizes(network: Callable[..., RealismNet], sizes: int) -> None:
    net = network(5, widths=[4, 6, 8, 10][:sizes], units=[1, 0, 2, 1][:sizes]).eval()
    out = net(torch.rand(1, 3, 19, 13))
    assert [x.shape[2:] for x in out.features] == [(19, 13), (10, 7), (5, 4), (3, 2)][:sizes]
    assert net.channels == (4, 6, 8, 10)[:sizes]
    assert out.reconstruction.shape == (1, 3, 19, 13)


def test_what_judges_and_what_runs_are_the_same_first_block(net: RealismNet) -> None:
    lr = torch.rand(2, 3, 12, 10)
    assert isinstance(net.first_block, FirstBlock)
    assert torch.equal(net.first_block(lr), net(lr).first_block)
    assert net(lr).first_block.shape == (2, net.first_block.channels, 12, 10)


def test_everything_else_is_computed_from_the_first_block(net: RealismNet) -> None:
    lr = torch.rand(1, 3, 12, 10)
    before = net(lr)
    net.first_block.register_forward_hook(lambda block, inputs, maps: maps * 2 + 1)
    after = net(lr)
    assert not torch.equal(before.vector, after.vector)
    assert not torch.equal(before.reconstruction, after.reconstruction)
    assert not any(map(torch.equal, before.features, after.features))


def test_without_its_last_layer_the_image_is_its_own_reconstruction(net: RealismNet) -> None:
    lr = torch.rand(2, 3, 9, 11)
    assert not torch.equal(net(lr).reconstruction, lr)
    nn.init.zeros_(net.restore.weight)
    nn.init.zeros_(net.restore.bias)
    assert torch.equal(net(lr).reconstruction, lr)


def test_every_size_reaches_vector_and_reconstruction(net: RealismNet) -> None:
    out = net(torch.rand(1, 3, 16, 16))
    for target in (out.vector, out.reconstruction):
        for x in out.features:
            (gradient,) = torch.autograd.grad(target.sum(), x, retain_graph=True)
            assert gradient.abs().sum() > 0


def test_images_of_a_batch_do_not_meet(net: RealismNet) -> None:
    lr = torch.rand(3, 3, 12, 10)
    whole, alone = net(lr), net(lr[1:2])
    torch.testing.assert_close(whole.vector[1:2], alone.vector)
    torch.testing.assert_close(whole.reconstruction[1:2], alone.reconstruction)


# ---- the anchor's weights ------------------------------------------------------------------------


def first_residual_block_convolutions(net: RealismNet) -> list[nn.Parameter]:
    """All convolution weights of the first block except its stem's."""
    return [
        parameter
        for name, parameter in net.first_block.named_parameters()
        if parameter.ndim == 4 and not name.startswith("stem.")
    ]


def test_anchored_are_exactly_the_first_residual_blocks_convolutions(net: RealismNet) -> None:
    anchored = net.first_block.anchored()
    expected = first_residual_block_convolutions(net)
    assert len(expected) >= 2
    assert sorted(map(id, anchored.values())) == sorted(map(id, expected))


def test_anchored_are_live(net: RealismNet) -> None:
    anchored = net.first_block.anchored()
    with torch.no_grad():
        for parameter in first_residual_block_convolutions(net):
            parameter.fill_(7)
    assert all((weight == 7).all() for weight in anchored.values())
    assert all(weight.requires_grad for weight in anchored.values())


def test_a_copy_anchors_by_the_same_names_and_stays_behind(net: RealismNet) -> None:
    reference = copy.deepcopy(net.first_block).requires_grad_(False)
    before = {name: weight.clone() for name, weight in reference.anchored().items()}
    assert before.keys() == net.first_block.anchored().keys()
    with torch.no_grad():
        for weight in net.first_block.anchored().values():
            weight.add_(1)
    for name, weight in reference.anchored().items():
        assert torch.equal(weight, before[name])
        assert not torch.equal(weight, net.first_block.anchored()[name])


# ---- the seed network is the method's ------------------------------------------------------------


@pytest.fixture
def seed() -> SeedRealism:
    torch.manual_seed(0)
    return SeedRealism(5)


def test_seed_layers_are_convolution_batch_norm_relu(seed: SeedRealism) -> None:
    layers = [x for x in seed.modules() if isinstance(x, nn.Sequential) and _is_layer(x)]
    inside = {id(x[0]) for x in layers}
    outside = [
        name for name, x in seed.named_modules() if isinstance(x, nn.Conv2d) and id(x) not in inside
    ]
    # What only merges the sizes or paints the image is no layer of the network.
    assert {name.split(".")[0] for name in outside} == {"merge", "restore"}
    assert len(layers) == 1 + 2 * 2 + 2 * (1 + 2)
    assert not any(isinstance(x, nn.LeakyReLU) for x in seed.modules())


def _is_layer(x: nn.Sequential) -> bool:
    return [type(part) for part in x] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]


def test_seed_has_plain_and_dilated_convolutions_in_every_block(seed: SeedRealism) -> None:
    for block in (seed.first_block.block, *seed.blocks):
        dilations = {x.dilation for x in block.modules() if isinstance(x, nn.Conv2d)}
        assert dilations == {(1, 1), (2, 2)}


def test_seed_units_add_what_two_layers_say(seed: SeedRealism) -> None:
    unit = seed.eval().first_block.block[0]
    x = torch.randn(1, seed.channels[0], 6, 7)
    torch.testing.assert_close(unit(x) - x, unit.dilated(unit.plain(x)))


def test_seed_passes_the_blocks_own_maps_on(seed: SeedRealism) -> None:
    out = seed.eval()(torch.rand(1, 3, 16, 16))
    assert out.features[0] is out.first_block


def test_seed_learns_statistics_in_training_only(seed: SeedRealism) -> None:
    lr = torch.rand(2, 3, 8, 8)
    statistics = seed.first_block.stem[1].running_mean
    seed.eval()(lr)
    assert (statistics == 0).all()
    seed.train()(lr)
    assert (statistics != 0).any()


# ---- attention ---------------------------------------------------------------------------------


def test_channel_attention_is_its_formula() -> None:
    torch.manual_seed(0)
    attention = ChannelAttention(16, reduction=4).double()
    x = torch.randn(2, 16, 5, 7, dtype=torch.float64)
    for image, expected in zip(x, attention(x), strict=True):
        means = image.mean(dim=(1, 2))
        hidden = attention.squeeze.weight[:, :, 0, 0] @ means + attention.squeeze.bias
        said = attention.excite.weight[:, :, 0, 0] @ hidden.clamp(min=0) + attention.excite.bias
        factors = 1 / (1 + torch.exp(-said))
        torch.testing.assert_close(image * factors[:, None, None], expected)


def test_attention_tells_each_pixel_of_all_others() -> None:
    torch.manual_seed(0)
    lr = torch.rand(1, 3, 64, 64, requires_grad=True)
    for network, everywhere in ((AttentionRealism, True), (ResidualRealism, False)):
        maps = network(5).eval()(lr).features[0]
        (gradient,) = torch.autograd.grad(maps[..., 0, 0].square().sum(), lr)
        assert bool(gradient[..., -1, -1].abs().sum() > 0) is everywhere


# ---- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", [ResidualRealism, AttentionRealism, SeedRealism])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widths": [8, 8], "units": [1]}, r"widths \[8, 8\] and units \[1\] .* one length"),
        ({"widths": [], "units": []}, "at least 1"),
        ({"widths": [8, 0], "units": [1, 1]}, r"widths is \[8, 0\].* at least 1"),
        ({"widths": 8, "units": [1]}, "widths is 8"),
        ({"widths": [8], "units": [-1]}, r"units is \[-1\].* at least 0"),
        ({"widths": [8], "units": [1.5]}, r"units is \[1\.5\]"),
        ({"vector_size": 0}, "vector_size is 0; it must be at least 1"),
    ],
)
def test_refusals_say_what_is_allowed(
    network: Callable[..., RealismNet], options: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        network(**{"vector_size": 5} | options)


def test_seed_needs_a_residual_unit_in_its_first_block() -> None:
    with pytest.raises(ValueError, match="first block's units is 0; it must be at least 1"):
        SeedRealism(5, widths=[8], units=[0])


def test_residual_needs_a_channel_in_its_first_block() -> None:
    with pytest.raises(ValueError, match="first is 0; it must be at least 1"):
        ResidualRealism(5, first=0)


@pytest.mark.parametrize("network", [ResidualRealism, AttentionRealism])
def test_the_restoring_branch_cannot_fall_silent(network: Callable[..., RealismNet]) -> None:
    net = network(vector_size=5)
    out = net.merge.register_forward_hook(lambda *called: called[2] - 100)
    restored = net(torch.rand(1, 3, 16, 16)).reconstruction
    out.remove()
    (gradient,) = torch.autograd.grad(restored.sum(), net.entries[0].weight)
    assert gradient.abs().max() > 0
