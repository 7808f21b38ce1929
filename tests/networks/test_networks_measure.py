import re

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtlsr.networks.base import SingleTaskNetwork, SRNetwork
from mtlsr.networks.measure import (
    LiveMemory,
    MeansForMaxima,
    multiply_adds,
    parameters,
    receptive_field,
)
from mtlsr.networks.table import (
    PARTNERS,
    REALISM,
    RESTORATION,
    SINGLE_TASK,
    build_pair,
    build_single_task,
)

HEIGHT, WIDTH = 180, 320  # 1280×720 at ×4


def stated(documented: object) -> tuple[int, float]:
    """Parameters, and 10^9 multiply-adds for 1280×720 at ×4, as a docstring states them."""
    text = " ".join((documented.__doc__ or "").split())
    found = re.search(r"([\d,]+) parameters and ([\d.]+) G multiply-adds for 1280×720", text)
    assert found, documented
    return int(found[1].replace(",", "")), float(found[2])


def measured(network: nn.Module) -> tuple[int, float]:
    network.eval()
    return parameters(network), round(multiply_adds(network, HEIGHT, WIDTH) / 1e9, 2)


def pair(restoration: str) -> SRNetwork:
    given = {"scale": 4, "vector_size": 5, "structure_channels": 2}
    return build_pair({"name": PARTNERS[restoration]}, {"name": restoration}, **given)


# ---- what the source states ----------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(REALISM))
def test_stage_one_is_as_large_as_it_says(name: str) -> None:
    assert measured(REALISM[name](vector_size=5)) == stated(REALISM[name])


@pytest.mark.parametrize("name", sorted(RESTORATION))
def test_stage_two_is_as_large_as_it_says(name: str) -> None:
    network = pair(name)
    (all_numbers, all_work), (own_numbers, own_work) = measured(network), measured(network.realism)
    assert all_numbers - own_numbers == stated(RESTORATION[name])[0]
    assert all_work - own_work == pytest.approx(stated(RESTORATION[name])[1], abs=0.011)


@pytest.mark.parametrize("name", sorted(SINGLE_TASK))
def test_networks_of_one_task_are_as_large_as_they_say(name: str) -> None:
    network = build_single_task({"name": name}, scale=4).deployed()
    assert measured(network) == stated(SINGLE_TASK[name])


@pytest.mark.parametrize(
    ("name", "scale", "thousands"),
    [
        ("srcnn", 4, 57),
        ("vdsr", 4, 665),
        ("edsr_baseline", 2, 1370),
        ("edsr_baseline", 4, 1518),
        ("imdn", 2, 694),
        ("imdn", 3, 703),
        ("imdn", 4, 715),
        ("rlfn", 2, 527),
        ("rlfn", 4, 544),
        ("span", 2, 481),
        ("span", 4, 498),
    ],
)
def test_networks_of_one_task_are_as_large_as_their_papers_say(
    name: str, scale: int, thousands: int
) -> None:
    network = build_single_task({"name": name}, scale=scale).deployed()
    assert round(parameters(network) / 1000) == thousands


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_networks_of_the_y_channel_have_the_papers_weights(scale: int) -> None:
    srcnn, vdsr = (build_single_task({"name": name}, scale=scale) for name in ("srcnn", "vdsr"))
    assert parameters(srcnn) == 57_281
    assert sum(p.numel() for name, p in srcnn.named_parameters() if "weight" in name) == 57_184
    assert parameters(vdsr) == 664_704
    assert all(p.ndim == 4 for p in vdsr.parameters())


@pytest.mark.parametrize(
    ("name", "giga"), [("srcnn", 52.7), ("vdsr", 612.6), ("imdn", 40.9), ("rlfn", 29.8)]
)
def test_multiply_adds_are_those_of_the_literature(name: str, giga: float) -> None:
    assert measured(build_single_task({"name": name}, scale=4))[1] == pytest.approx(giga, abs=0.05)


# ---- how it is measured --------------------------------------------------------------------------


class Chain(SingleTaskNetwork):
    """A convolution, two of stride 2 and a transposed one; a dilated one; a pooled linear layer."""

    def __init__(self, kernel: int = 3, dilation: int = 1, pooled: bool = False) -> None:
        super().__init__(2)
        padding = dilation * (kernel // 2)
        self.first = nn.Conv2d(3, 4, kernel, padding=padding, dilation=dilation)
        self.linear = nn.Linear(4, 4) if pooled else None
        self.last = nn.Conv2d(4, 12, 1)

    def enlarge(self, lr: Tensor) -> Tensor:
        x = self.first(lr - 0.5).relu()
        if self.linear is not None:
            x = x + self.linear(x.mean(dim=(-2, -1)))[..., None, None]
        return F.pixel_shuffle(self.last(x), 2)


def test_multiply_adds_are_counted_by_hand() -> None:
    assert multiply_adds(Chain(), 7, 5) == 7 * 5 * (3 * 4 * 9 + 4 * 12)
    assert multiply_adds(Chain(5, pooled=True), 7, 5) == 7 * 5 * (3 * 4 * 25 + 4 * 12) + 4 * 4


def test_counting_computes_nothing_and_leaves_the_network_alone() -> None:
    network = Chain()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    multiply_adds(network, 100_000, 100_000)  # 400 GB of features, were they computed
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert network(torch.rand(1, 3, 4, 4))[1].sr.isfinite().all()


@pytest.mark.parametrize(("kernel", "dilation", "field"), [(1, 1, 1), (3, 1, 3), (5, 3, 13)])
def test_the_receptive_field_of_a_convolution(kernel: int, dilation: int, field: int) -> None:
    network = Chain(kernel, dilation)
    before = network.first.weight.clone()
    assert receptive_field(network) == field
    assert torch.equal(network.first.weight, before)


def test_what_pools_over_the_whole_image_sees_all_of_it() -> None:
    assert receptive_field(Chain(pooled=True), 64) is None
    assert receptive_field(build_single_task({"name": "imdn"}, scale=2), 64) is None


def test_the_receptive_fields_of_the_papers() -> None:
    def field(**options: object) -> int | None:
        return receptive_field(build_single_task(options, scale=4), 128)

    # A pixel's share of 4 pixels, and 8 more on each side (9-5-5: 4 + 2 + 2), end between two
    # low-resolution pixels; bicubic interpolation reads two on either side of that.
    assert field(name="srcnn") == 9
    # 35 convolutions at low-resolution size, and one pixel of it more by those of the enlargement.
    assert field(name="edsr_baseline", channels=3) == 2 * (35 + 1) + 1


def test_a_maximum_does_not_hide_what_it_might_have_seen() -> None:
    x = torch.rand(1, 2, 9, 7, requires_grad=True)
    with MeansForMaxima():
        pooled = F.max_pool2d(x, 3, stride=2, ceil_mode=True)
    torch.testing.assert_close(pooled, F.avg_pool2d(x, 3, stride=2, ceil_mode=True))
    assert torch.equal(F.max_pool2d(x, 3).detach(), torch.nn.MaxPool2d(3)(x.detach()))
    (gradient,) = torch.autograd.grad(pooled[..., 0, 0].sum(), x)
    assert (gradient[..., :3, :3] > 0).all()


def test_live_memory_is_counted_by_hand() -> None:
    x = torch.rand(1000)
    with LiveMemory() as live:
        a = x + 1
        b = a * 2
        assert live.now == 8000
        del a
        assert live.now == 4000
        view = b[::2]
        assert live.now == 4000
        view += 1
        x += 1
        assert live.now == 4000
        del b
        assert live.now == 4000
        del view
        assert live.now == 0
    assert live.peak == 8000


def test_live_memory_of_a_network_is_its_largest_moment() -> None:
    """Four maps beside the image less grey; in the end twelve, shuffled, beside 12 and those 4."""
    network, image = Chain(), torch.rand(1, 3, 10, 10)
    with torch.no_grad():
        with LiveMemory() as first:
            network.first(image - 0.5)
        with LiveMemory() as whole:
            network(image)
    assert first.peak == 4 * 100 * (3 + 4)
    assert whole.peak == 4 * 100 * (4 + 12 + 12)
    assert first.now == whole.now == 0
