from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from mtlsr.data.resize import resize
from mtlsr.networks.base import TwoStageNetwork
from mtlsr.networks.outputs import RealismOutput, RestorationOutput
from mtlsr.networks.restoration_seed import SeedRestoration
from mtlsr.networks.restoration_unet import UNetRestoration
from mtlsr.networks.table import REALISM, RESTORATION, SCALES

PAIRS = [
    (realism, restoration) for realism in sorted(REALISM) for restoration in sorted(RESTORATION)
]
NAMES = sorted(RESTORATION)
Build = Callable[..., TwoStageNetwork]


def everything(realism: RealismOutput, restoration: RestorationOutput) -> dict[str, Tensor]:
    flat = {f"features.{i}": x for i, x in enumerate(realism.features)}
    flat |= {name: x for name, x in vars(realism).items() if name != "features"}
    return flat | vars(restoration)


def weights_of(realism: RealismOutput, restoration: RestorationOutput) -> Tensor:
    """A scalar that every output of training moves, each number by a weight of its own."""
    torch.manual_seed(1)
    outputs = (
        *(restoration.sr, restoration.structure),
        *(realism.vector, realism.logit, realism.reconstruction),
    )
    return sum((x * torch.randn_like(x)).sum() for x in outputs)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("size", [(31, 37), (8, 8), (1, 1)])
@pytest.mark.parametrize("name", NAMES)
def test_outputs_have_the_documented_shapes(
    name: str, size: tuple[int, int], scale: int, build: Build
) -> None:
    net = build(name, scale=scale, structure_channels=2)
    assert net.scale == scale
    realism, restoration = net(torch.rand(2, 3, *size))
    assert isinstance(restoration, RestorationOutput)
    large = (scale * size[0], scale * size[1])
    assert restoration.structure.shape == (2, 2, *large)
    assert restoration.texture.shape == (2, 3, *large)
    assert restoration.sr.shape == (2, 3, *large)
    assert all(x.isfinite().all() for x in everything(realism, restoration).values())


@pytest.mark.parametrize(("realism", "restoration"), PAIRS)
@pytest.mark.parametrize("scale", SCALES)
def test_any_two_networks_make_a_pair_for_any_size(
    realism: str, restoration: str, scale: int, build: Build
) -> None:
    net = build(restoration, realism, scale=scale, structure_channels=1, narrow=True)

    @settings(max_examples=8, deadline=None, derandomize=True)
    @given(st.integers(1, 21), st.integers(1, 21))
    def check(height: int, width: int) -> None:
        with torch.no_grad():
            _, out = net(torch.rand(1, 3, height, width))
        assert out.structure.shape == (1, 1, scale * height, scale * width)
        assert out.sr.shape == out.texture.shape == (1, 3, scale * height, scale * width)
        assert out.sr.isfinite().all()

    check()


@pytest.mark.parametrize("name", NAMES)
def test_bfloat16_autocast_keeps_images_in_float32(name: str, build: Build) -> None:
    net = build(name, scale=2)
    lr = torch.rand(1, 3, 9, 10)
    with torch.no_grad():
        exact_realism, exact = net(lr)
        with torch.autocast("cpu", torch.bfloat16):
            realism, restoration = net(lr)
    assert all(x.isfinite().all() for x in everything(realism, restoration).values())
    assert realism.reconstruction.dtype == restoration.sr.dtype == torch.float32
    # The interpolated image passes untouched: only what is added to it is rounded to 8 bits.
    added = (exact.sr - resize(lr, (18, 20))).abs().max()
    assert (restoration.sr - exact.sr).abs().max() < 0.1 * added
    painted = (exact_realism.reconstruction - lr).abs().max()
    error = (realism.reconstruction - exact_realism.reconstruction).abs().max()
    assert error < 0.1 * painted


@pytest.mark.parametrize(("realism", "restoration"), PAIRS)
@pytest.mark.parametrize("scale", SCALES)
def test_gradient_reaches_every_parameter(
    realism: str, restoration: str, scale: int, build: Build
) -> None:
    net = build(restoration, realism, scale=scale, narrow=True).train()
    weights_of(*net(torch.rand(2, 3, 11, 9))).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("name", NAMES)
def test_gradient_reaches_every_parameter_as_delivered(name: str, build: Build) -> None:
    net = build(name).train()
    weights_of(*net(torch.rand(2, 3, 8, 9))).backward()
    for parameter_name, parameter in net.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.abs().sum() > 0, parameter_name


@pytest.mark.parametrize("name", NAMES)
def test_state_dict_round_trip(name: str, build: Build) -> None:
    net, other = build(name, narrow=True), build(name, narrow=True)
    net.train()(torch.rand(2, 3, 8, 8))  # batch statistics move as well
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.01)
    lr = torch.rand(1, 3, 8, 9)
    net.eval()
    before = everything(*other(lr))
    other.load_state_dict(net.state_dict())
    expected, after = everything(*net(lr)), everything(*other(lr))
    assert all(torch.equal(after[key], expected[key]) for key in expected)
    assert not torch.equal(before["sr"], expected["sr"])


@pytest.mark.parametrize("name", NAMES)
def test_the_memory_format_changes_nothing(name: str, build: Build) -> None:
    net = build(name, scale=3, narrow=True)
    lr = torch.rand(2, 3, 9, 10)
    expected = net(lr)[1].sr
    last = net.to(memory_format=torch.channels_last)(
        lr.contiguous(memory_format=torch.channels_last)
    )[1].sr
    torch.testing.assert_close(last, expected)


# ---- what the image is made of -------------------------------------------------------------------


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", NAMES)
def test_sr_is_bicubic_plus_texture_plus_the_structures_share(
    name: str, scale: int, build: Build
) -> None:
    net = build(name, scale=scale, structure_channels=2)
    lr = torch.rand(2, 3, 9, 10)
    _, out = net(lr)
    fuse = net.restoration.fuse
    if name != "seed":  # they fuse before the enlargement
        packed = fuse(F.pixel_unshuffle(out.structure, scale))
        share = F.pixel_shuffle(packed, scale)
    else:
        share = fuse(out.structure)
    assert share.abs().max() > 1e-4
    base = resize(lr, (9 * scale, 10 * scale))
    torch.testing.assert_close(out.sr - base, out.texture + share, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_without_its_heads_the_network_is_bicubic(name: str, build: Build) -> None:
    net = build(name, scale=4)
    for head in (net.restoration.texture, net.restoration.fuse):
        for parameter in head.parameters():
            nn.init.zeros_(parameter)
    lr = torch.rand(1, 3, 7, 6)
    assert torch.equal(net(lr)[1].sr, resize(lr, (28, 24)))


@pytest.mark.parametrize("name", NAMES)
def test_the_vector_modulates_every_level(name: str, build: Build) -> None:
    net = build(name)
    lr = torch.rand(1, 3, 12, 12)
    realism = net.realism(lr)
    other = RealismOutput(**vars(realism) | {"vector": realism.vector + 1})
    modulations = net.restoration.modulations
    assert len(modulations) == len(realism.features)

    def change() -> float:
        difference = net.restoration(lr, realism).sr - net.restoration(lr, other).sr
        return difference.abs().max().item()

    assert change() == 0
    for modulation in modulations:
        nn.init.normal_(modulation.linear.weight, std=0.3)
        assert change() > 1e-5
        nn.init.zeros_(modulation.linear.weight)
    assert change() == 0


@pytest.mark.parametrize("name", NAMES)
def test_every_level_of_features_is_used(name: str, build: Build) -> None:
    net = build(name)
    lr = torch.rand(1, 3, 12, 12)
    realism = net.realism(lr)
    sr = net.restoration(lr, realism).sr
    for gradient in torch.autograd.grad(sr.square().sum(), realism.features):
        assert gradient.abs().sum() > 0


@pytest.mark.parametrize("name", NAMES)
def test_every_skip_carries_a_convolution(name: str, build: Build) -> None:
    net = build(name, scale=2)
    lr = torch.rand(1, 3, 12, 12)
    skips = net.restoration.skips
    sizes = {"unet_large": 3}.get(name, len(net.realism.channels))
    assert len(skips) == sizes - 1 > 0
    calls: list[nn.Module] = []
    for skip in skips:
        assert isinstance(skip, nn.Conv2d)
        skip.register_forward_hook(lambda module, inputs, output: calls.append(module))
    before = net(lr)[1].sr
    assert sorted(map(id, calls)) == sorted(map(id, skips))
    for skip in skips:
        nn.init.zeros_(skip.weight)
        after = net(lr)[1].sr
        assert not torch.equal(before, after)
        before = after


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(12, 12), (45, 37)])
@pytest.mark.parametrize("count", [1, 2])
def test_the_image_alone_is_that_of_all_outputs(
    name: str, size: tuple[int, int], count: int, build: Build
) -> None:
    net = build(name, scale=3)
    lr = torch.rand(count, 3, *size)
    expected = net(lr)[1].sr
    with torch.no_grad():
        found = net.enlarged(lr)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


# ---- where a pixel stands does not matter --------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_same_image_gives_the_same_bits(name: str, build: Build) -> None:
    net = build(name)
    lr = torch.rand(1, 3, 13, 11)
    first, second = everything(*net(lr)), everything(*net(lr))
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("scale", [2, 3])
@pytest.mark.parametrize("name", NAMES)
def test_a_crop_gives_the_same_pixels_away_from_its_border(
    name: str, scale: int, build: Build
) -> None:
    """At the start the vector, which sees the whole image, modulates nothing yet."""
    net = build(name, scale=scale, narrow=True)
    lr = torch.rand(1, 3, 104, 112)
    top, left, reach = 8, 16, 40  # steps of 2 to the number of sizes; farther than any kernel sees
    with torch.no_grad():
        whole = net(lr)[1].sr
        crop = net(lr[..., top:, left:])[1].sr
    inside = crop[..., reach * scale :, reach * scale :]
    expected = whole[..., (top + reach) * scale :, (left + reach) * scale :]
    torch.testing.assert_close(inside, expected, rtol=0, atol=1e-5)
    edge = (slice(None), slice(None), slice(0, scale), slice(0, scale))
    moved = whole[..., top * scale :, left * scale :]
    assert (crop[edge] - moved[edge]).abs().max() > 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_images_of_a_batch_do_not_meet(name: str, build: Build) -> None:
    net = build(name)
    for modulation in net.restoration.modulations:
        nn.init.normal_(modulation.linear.weight, std=0.3)
    lr = torch.rand(3, 3, 10, 11)
    torch.testing.assert_close(net(lr)[1].sr[1:2], net(lr[1:2])[1].sr, rtol=1e-4, atol=1e-5)


# ---- a UNet with channels of its own -----------------------------------------------------------


def test_without_widths_a_unet_has_stage_ones_and_nothing_more() -> None:
    same = UNetRestoration((8, 12), 5, 2, 2, units=[1, 2], widths=(8, 12))
    plain = UNetRestoration((8, 12), 5, 2, 2, units=[1, 2])
    assert plain.state_dict().keys() == same.state_dict().keys()
    assert not list(plain.entries.parameters()) + list(plain.descents.parameters())


def test_a_unet_goes_further_down_than_stage_one() -> None:
    torch.manual_seed(0)
    net = UNetRestoration((8, 12), 5, 2, 2, units=[1, 1, 1, 1], widths=(10, 12, 14, 16))
    sizes: list[tuple[int, ...]] = []
    for body in net.bodies:
        body.register_forward_hook(lambda module, inputs, maps: sizes.append(tuple(maps.shape[1:])))
    features = (torch.rand(1, 8, 13, 17), torch.rand(1, 12, 7, 9))
    realism = RealismOutput(
        features, features[0], *torch.rand(2, 1, 5), torch.rand(1), torch.rand(1, 3, 13, 17)
    )
    assert net(torch.rand(1, 3, 13, 17), realism).sr.shape == (1, 3, 26, 34)
    assert sizes == [(16, 2, 3), (14, 4, 5), (12, 7, 9), (10, 13, 17)]


# ---- the seed network is the method's ------------------------------------------------------------


@pytest.fixture
def seed(build: Build) -> SeedRestoration:
    return build("seed", scale=4).restoration


def test_seed_layers_are_convolution_batch_norm_leaky_relu(seed: SeedRestoration) -> None:
    for encoder in seed.encoders:
        assert [type(x) for x in encoder] == [nn.Conv2d, nn.BatchNorm2d, nn.LeakyReLU]
    for decoder in (*seed.rises, *seed.decoders, *seed.enlarge):
        assert [type(x) for x in decoder] == [nn.ConvTranspose2d, nn.BatchNorm2d, nn.LeakyReLU]
    assert not any(isinstance(x, nn.ReLU) for x in seed.modules())


def test_seed_kernels_differ_and_the_decoder_mirrors_them(seed: SeedRestoration) -> None:
    encoder = [x[0].kernel_size for x in seed.encoders]
    assert all(above != below for above, below in pairwise(encoder))
    assert [x[0].kernel_size for x in seed.rises] == encoder[1:]
    assert [x[0].kernel_size for x in seed.decoders] == encoder[:-1]


def test_seed_mirrors_any_kernels() -> None:
    net = SeedRestoration([4, 4, 4], 5, 2, 1, kernels=(7, 3, 5))
    assert [x[0].kernel_size[0] for x in net.encoders] == [7, 3, 5]
    assert [x[0].kernel_size[0] for x in net.rises] == [3, 5]
    assert [x[0].kernel_size[0] for x in net.decoders] == [7, 3]


@pytest.mark.parametrize("part", ["encoders", "decoders"])
def test_seed_has_plain_and_dilated_convolutions(seed: SeedRestoration, part: str) -> None:
    assert {x[0].dilation for x in getattr(seed, part)} == {(1, 1), (2, 2)}


@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
def test_seed_transposed_convolutions_multiply_the_size(kernel: int) -> None:
    net = SeedRestoration([4, 4, 4], 5, 3, 1, kernels=(kernel, kernel, kernel))
    x = torch.rand(2, 4, 5, 6)
    assert all(rise(x).shape == (2, 4, 10, 12) for rise in net.rises)
    assert all(decoder(torch.cat([x, x], 1)).shape == x.shape for decoder in net.decoders)
    assert net.enlarge(x).shape == (2, 4, 15, 18)


# ---- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("network", "options", "message"),
    [
        (UNetRestoration, {"units": [1]}, r"units \[1\] .* 2 sizes"),
        (UNetRestoration, {"units": [1, 1, 1]}, r"units \[1, 1, 1\] .* 2 sizes"),
        (UNetRestoration, {"units": [1], "widths": [8]}, r"units \[1\] .* 2 sizes"),
        (UNetRestoration, {"units": [1, 1], "widths": [8, 8, 8]}, r"or of widths \[8, 8, 8\]"),
        (UNetRestoration, {"units": [1, 1], "widths": [8, 0]}, r"widths is \[8, 0\].* at least 1"),
        (UNetRestoration, {"units": [1, -1]}, r"units is \[1, -1\].* at least 0"),
        (UNetRestoration, {"units": 1}, "units is 1"),
        (SeedRestoration, {"kernels": [3]}, r"kernels \[3\] must be 2 odd sizes"),
        (SeedRestoration, {"kernels": [3, 4]}, r"kernels \[3, 4\] must be 2 odd sizes"),
        (SeedRestoration, {"kernels": [3, -1]}, r"kernels is \[3, -1\].* at least 1"),
        (SeedRestoration, {"kernels": 3}, "kernels is 3"),
        (
            UNetRestoration,
            {"units": [1, 1], "structure_channels": 0},
            "structure_channels is 0",
        ),
        (SeedRestoration, {"kernels": [3, 5], "structure_channels": 0}, "structure_channels is 0"),
    ],
)
def test_refusals_say_what_is_allowed(
    network: Callable[..., nn.Module], options: dict, message: str
) -> None:
    given = {"channels": (8, 8), "vector_size": 5, "scale": 2, "structure_channels": 2}
    with pytest.raises(ValueError, match=message):
        network(**given | options)
