"""What comes out of tiles is what comes out of the whole image."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mtlsr.errors import UserError
from mtlsr.inference.enlarger import Enlarger
from mtlsr.inference.tiling import LEAST, NARROWEST, Cut, stretches
from mtlsr.networks.base import SingleTaskNetwork, SRNetwork
from mtlsr.networks.bundled import bundled
from mtlsr.networks.folder import load_model
from mtlsr.networks.measure import reach
from mtlsr.networks.table import PARTNERS, build_pair, build_single_task

CPU = torch.device("cpu")

NARROW: dict[str, dict[str, object]] = {
    "attention": {"first": 6, "widths": [8, 12], "units": [1, 1]},
    "residual": {"first": 6, "widths": [8, 12], "units": [1, 1]},
    "seed": {"widths": [8, 12, 16], "units": [1, 1, 1]},
    "unet": {"units": [1, 1]},
    "unet_large": {"units": [1, 1, 1], "widths": [8, 12, 16]},
}


def shaken(network: SRNetwork) -> SRNetwork:
    """As training might leave it: no weight is where it started, no statistic 0 or 1."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1, generator=generator)
                module.running_var.uniform_(0.5, 1.5, generator=generator)
    return network.eval()


def pair(restoration: str, scale: int = 2) -> SRNetwork:
    torch.manual_seed(0)
    realism = PARTNERS[restoration]
    options = {"name": restoration} | (NARROW[restoration] if restoration != "seed" else {})
    return shaken(
        build_pair(
            {"name": realism, **NARROW[realism]},
            options,
            scale=scale,
            vector_size=5,
            structure_channels=2,
        )
    )


def single(name: str, scale: int = 2) -> SRNetwork:
    torch.manual_seed(0)
    return shaken(build_single_task({"name": name}, scale=scale))


def photograph(height: int, width: int, seed: int = 0) -> Tensor:
    """Patches of colour and noise: uint8 (1, 3, height, width)."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (3, height // 7 + 1, width // 7 + 1))
    patches = np.kron(coarse, np.ones((7, 7)))[:, :height, :width]
    noisy = (patches + rng.normal(0, 9, patches.shape)).clip(0, 255)
    return torch.from_numpy(noisy.astype(np.uint8))[None]


def levels(sr: Tensor) -> Tensor:
    return (sr.clamp(0, 1) * 255 + 0.5).floor()


def enlarged(network: SRNetwork, lr: Tensor, tile: int | str | None, **options: object) -> Tensor:
    precision = options.pop("precision", torch.float32)
    return Enlarger(network, CPU, precision, tile, **options)(lr)


NETWORKS: dict[str, Callable[[], SRNetwork]] = {
    **{name: lambda name=name: pair(name) for name in PARTNERS},
    **{
        name: lambda name=name: single(name)
        for name in ("srcnn", "vdsr", "edsr_baseline", "imdn", "span")
    },
    **{name: lambda path=path: load_model(path)[0].eval() for name, path in bundled().items()},
}


@pytest.mark.parametrize("name", ["unet", "unet_large", "seed", "srcnn"])
def test_tiles_are_what_the_whole_is(name: str) -> None:
    network = NETWORKS[name]()
    for seed, (size, tile) in enumerate([((171, 187), 64), ((19, 1301), 100)]):
        lr = photograph(*size, seed)
        whole, tiled = enlarged(network, lr, None), enlarged(network, lr, tile)
        assert whole.std() > 0.1
        difference = (levels(whole) - levels(tiled)).abs()
        assert difference.max() <= 1
        assert (difference > 0).float().mean() <= 1e-5


@pytest.mark.parametrize(
    ("height", "width", "seed", "tile"),
    [(151, 167, 0, 100), (159, 299, 13, 213)],  # the second: oneDNN adds up by width, with AMX
)
def test_tiles_in_bfloat16_are_what_the_whole_is(height, width, seed, tile) -> None:
    """With fewer bits to a number, not one level may differ."""
    network, lr = pair("unet_large"), photograph(height, width, seed)
    whole, tiled = (enlarged(network, lr, side, precision=torch.bfloat16) for side in (None, tile))
    assert torch.equal(levels(whole), levels(tiled))
    assert not torch.equal(whole, enlarged(network, lr, None))


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16], ids=str)
def test_tiles_of_every_size_are_what_the_whole_is(name: str, precision: torch.dtype) -> None:
    network = NETWORKS[name]()
    rng = np.random.default_rng(0)
    wrong = values = 0
    for seed in range(20):
        height, width = (int(side) | 1 for side in rng.integers(40, 300, 2))
        lr = photograph(height, width, seed)
        whole = levels(enlarged(network, lr, None, precision=precision))
        for tile in rng.integers(32, 257, 2):
            difference = (
                whole - levels(enlarged(network, lr, int(tile), precision=precision))
            ).abs()
            assert difference.max() <= (precision == torch.float32)
            wrong += int((difference > 0).sum())
            values += difference.numel()
    assert wrong <= 1e-5 * values


def test_what_a_network_sees_of_the_whole_image_reaches_every_tile() -> None:
    """Else the halves of an image, one dark and one bright, would each go by their own mean."""
    network = pair("unet_large")
    dark = photograph(161, 203) // 4
    lopsided = torch.cat([dark, 255 - dark], dim=-1)
    whole = enlarged(network, lopsided, None)
    torch.testing.assert_close(enlarged(network, lopsided, 96), whole, rtol=0, atol=1e-6)
    halves = torch.cat([enlarged(network, half, None) for half in lopsided.chunk(2, -1)], dim=-1)
    inside = (whole - halves)[..., :200].abs()
    assert inside.mean() > 1e-3


def test_network_is_left_as_it_was() -> None:
    network = pair("unet_large")
    lr = photograph(150, 160)
    before = enlarged(network, lr, None)
    cut = Enlarger(network, CPU, torch.float32, 64)
    cut(lr)
    assert all(module.answer is None for module in network.modules() if hasattr(module, "answer"))
    assert torch.equal(enlarged(network, lr, None), before)
    assert torch.equal(cut(lr), cut(lr))


def test_self_ensemble_of_tiles() -> None:
    network = pair("unet")
    lr = photograph(151, 162)  # odd: in mirrored views, tiles begin beside the stride
    whole = enlarged(network, lr, None, self_ensemble=True)
    tiled = enlarged(network, lr, 90, self_ensemble=True)
    torch.testing.assert_close(tiled, whole, rtol=0, atol=1e-6)
    assert (whole - enlarged(network, lr, None)).abs().max() > 1e-3


def test_a_batch_is_cut_as_an_image_is() -> None:
    network = pair("unet_large")
    lr = torch.cat([photograph(150, 160, seed) for seed in range(2)])
    torch.testing.assert_close(
        enlarged(network, lr, 96), enlarged(network, lr, None), rtol=0, atol=1e-6
    )


# ---- geometry ------------------------------------------------------------------------------------


def test_stretches_cover_an_axis_once() -> None:
    for size, side in [(1, 5), (5, 5), (11, 5), (15, 5)]:
        covered = [x for part in stretches(size, side) for x in range(size)[part]]
        assert covered == list(range(size))


@pytest.mark.parametrize("size", [(1, 1), (7, 3000), (201, 333), (1000, 1001)])
def test_windows_hold_what_is_asked_and_what_it_takes(size: tuple[int, int]) -> None:
    height, width = size
    cut = Cut(40, 4, 24)
    for rows in stretches(height, 37):
        for columns in stretches(width, 41):
            seen = cut.windows(rows, columns, height, width)
            pixels = 1
            for part, window, length in zip((rows, columns), seen, size, strict=True):
                assert 0 <= window.start <= max(0, part.start - 24)
                assert min(length, part.stop + 24) <= window.stop <= length
                assert window.start % 4 == 0
                assert window.stop % 4 == 0 or window.stop == length
                pixels *= window.stop - window.start
            assert pixels >= min(LEAST, height * width)
            assert seen[1].stop - seen[1].start >= min(width, NARROWEST * cut.stride)


def test_reach_is_what_a_tile_needs_and_no_more() -> None:
    """One pixel beyond it may change, and nothing in the tile does; one within it does."""
    network = pair("unet").double()
    assert network.stride == 2
    far = reach(network)
    assert far is not None
    image = torch.rand(1, 3, 60, 220, dtype=torch.float64)
    begin = 110
    moments = network.realism(image).vector
    given = {"vector": moments}

    def tile(lr: Tensor) -> Tensor:
        realism = network.realism(lr)
        realism.vector = given["vector"]
        return network.restoration(lr, realism).sr[..., 2 * begin :]

    with torch.no_grad():
        before = tile(image)
        image[..., begin - far - 1] += 1
        assert torch.equal(tile(image), before)
        image[..., begin - far + 2] += 1
        assert not torch.equal(tile(image), before)


def test_batch_statistics_do_not_shorten_the_reach() -> None:
    network = pair("seed")
    expected = reach(network)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.fill_(1e3)
    assert reach(network) == expected


# ---- which side ----------------------------------------------------------------------------------


def sizes_seen(enlarger: Enlarger, lr: Tensor) -> list[tuple[int, int]]:
    seen: list[tuple[int, int]] = []
    enlarged = enlarger.network.enlarged_and_read

    def noted(given: Tensor) -> tuple[Tensor, Tensor | None]:
        seen.append(tuple(given.shape[2:]))
        return enlarged(given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(enlarger.network, "enlarged_and_read", noted)
        enlarger(lr)
    return seen


def test_auto_cuts_only_what_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    lr = photograph(300, 400)
    enlarger = Enlarger(pair("unet"), CPU, torch.float32, "auto")
    whole = enlarger(lr)
    assert sizes_seen(enlarger, lr) == [(300, 400)]
    monkeypatch.setattr("mtlsr.inference.enlarger.budget", lambda device: 20_000_000)
    needed = enlarger._bytes_for_pixel
    seen = sizes_seen(enlarger, lr)
    assert len(seen) > 4
    assert max(height * width for height, width in seen) * needed <= 20_000_000
    torch.testing.assert_close(enlarger(lr), whole, rtol=0, atol=1e-6)


def test_auto_leaves_whole_what_cannot_be_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mtlsr.inference.enlarger.budget", lambda device: 1)
    enlarger = Enlarger(single("rlfn"), CPU, torch.float32, "auto")
    assert sizes_seen(enlarger, photograph(20, 31)) == [(20, 31)]


def test_an_image_of_one_tile_is_not_cut() -> None:
    enlarger = Enlarger(pair("unet"), CPU, torch.float32, 64)
    assert sizes_seen(enlarger, photograph(64, 50)) == [(64, 50)]


def test_progress_reaches_its_end() -> None:
    told: list[tuple[int, int]] = []
    enlarger = Enlarger(pair("unet_large"), CPU, torch.float32, 100, self_ensemble=True)
    for _ in enlarger.pieces(photograph(150, 203), lambda *counts: told.append(counts)):
        pass
    done = [count for count, _ in told]
    assert done == sorted(done)
    assert len({total for _, total in told}) == 1
    assert told[-1][0] == told[-1][1]


# ---- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("tile", [0, -1, 1.5, "big", True])
def test_no_side_of_tiles(tile: object) -> None:
    with pytest.raises(UserError, match=r"tile is .*; a whole number of low-resolution pixels"):
        Enlarger(pair("unet"), CPU, torch.float32, tile)


class Unknown(SingleTaskNetwork):
    def enlarge(self, lr: Tensor) -> Tensor:
        return lr.repeat_interleave(2, -1).repeat_interleave(2, -2)


class FarSighted(SingleTaskNetwork):
    """Looks at the whole image by itself."""

    def enlarge(self, lr: Tensor) -> Tensor:
        return (lr - lr.mean(dim=(-2, -1), keepdim=True)).repeat(1, 1, 2, 2)


def test_networks_that_cannot_be_cut() -> None:
    for network in (single("rlfn"), Unknown(2), FarSighted(2, stride=1)):
        name = type(network).__name__
        with pytest.raises(UserError, match=rf"tile is 64, but this network \({name}\) cannot be"):
            Enlarger(network, CPU, torch.float32, 64)
