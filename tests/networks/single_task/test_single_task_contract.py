"""What every network of one task promises."""

import numpy as np
import pytest
import skimage.data
import torch

from mtlsr.data.resize import bicubic_downscale, bicubic_upscale
from mtlsr.inference.conversion import enlarge_uint8
from mtlsr.metrics import Protocol, psnr
from mtlsr.networks.base import SingleTaskNetwork
from mtlsr.networks.outputs import RestorationOutput
from mtlsr.networks.table import SCALES, SINGLE_TASK, build_single_task

NAMES = sorted(SINGLE_TASK)
LOCAL = [name for name in NAMES if name not in ("imdn", "rlfn")]
"""Those that see a small part of the image only: no pooling."""

torch.set_num_threads(1)


def build(name: str, scale: int = 2) -> SingleTaskNetwork:
    torch.manual_seed(0)
    return build_single_task({"name": name}, scale=scale).eval()


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", NAMES)
def test_the_output_is_the_larger_image_alone(name: str, scale: int) -> None:
    network = build(name, scale)
    for size in [(9, 16), (1, 1)]:
        realism, restoration = network(torch.rand(2, 3, *size))
        assert realism is None
        assert isinstance(restoration, RestorationOutput)
        assert restoration.shared is restoration.structure is restoration.texture is None
        assert restoration.sr.shape == (2, 3, scale * size[0], scale * size[1])
        assert restoration.sr.isfinite().all()


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", NAMES)
def test_it_starts_as_good_as_bicubic_interpolation(name: str, scale: int) -> None:
    hr = skimage.data.astronaut()[60:180, 150:270]
    lr = bicubic_downscale(hr, scale)
    protocol = Protocol.preset("literature", scale)
    with torch.no_grad():
        start = enlarge_uint8(build(name, scale), lr, "cpu").numpy()
    assert psnr(start, hr, protocol) > psnr(bicubic_upscale(lr, scale), hr, protocol) - 0.3


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_falls_in_a_few_steps_on_a_photograph(name: str) -> None:
    photograph = skimage.data.astronaut()[:240, 140:300]
    low = torch.from_numpy(bicubic_downscale(photograph, 2)).permute(2, 0, 1) / 255
    high = torch.from_numpy(photograph).permute(2, 0, 1) / 255
    corners = [(10, 10), (30, 50), (60, 20)]
    lr = torch.stack([low[:, y : y + 10, x : x + 10] for y, x in corners])
    hr = torch.stack([high[:, 2 * y : 2 * y + 20, 2 * x : 2 * x + 20] for y, x in corners])
    network = build(name).train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-4, betas=(0.9, 0.99))
    losses = []
    for step in range(12):
        optimiser.param_groups[0]["lr"] = 3e-4 * min(1, (step + 1) / 6)
        loss = (network(lr)[1].sr - hr).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        losses.append(loss.item())
    assert min(losses[-4:]) < 0.97 * losses[0]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", NAMES)
def test_gradient_reaches_every_parameter(name: str, scale: int) -> None:
    network = build(name, scale).train()
    sr = network(torch.rand(2, 3, 8, 9))[1].sr
    (sr * torch.randn_like(sr)).sum().backward()
    for parameter_name, parameter in network.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name
        assert parameter.grad.abs().sum() > 0, parameter_name


@pytest.mark.parametrize("name", NAMES)
def test_state_dict_round_trip(name: str) -> None:
    network, other = build(name), build(name)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.001)
        lr = torch.rand(1, 3, 8, 9)
        expected, before = network(lr)[1].sr, other(lr)[1].sr
        other.load_state_dict(network.state_dict())
        assert torch.equal(other(lr)[1].sr, expected)
    assert not torch.equal(before, expected)


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_images_of_a_batch_do_not_meet_and_the_memory_format_changes_nothing(name: str) -> None:
    network = build(name)
    lr = torch.rand(3, 3, 10, 11)
    expected = network(lr)[1].sr
    torch.testing.assert_close(network(lr[1:2])[1].sr, expected[1:2], rtol=1e-4, atol=1e-5)
    last = network.to(memory_format=torch.channels_last)
    found = last(lr.contiguous(memory_format=torch.channels_last))[1].sr
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_bfloat16_autocast_gives_a_float32_image(name: str) -> None:
    network = build(name)
    lr = torch.rand(1, 3, 9, 10)
    exact = network(lr)[1].sr
    with torch.autocast("cpu", torch.bfloat16):
        reduced = network(lr)[1].sr
    assert reduced.dtype == torch.float32
    # A value near 1 has eight bits: half a level of a pixel is lost where the image itself is made.
    assert (reduced - exact).abs().mean() < 2 / 255


@pytest.mark.parametrize("name", LOCAL)
@torch.no_grad()
def test_a_crop_gives_the_same_pixels_away_from_its_border(name: str) -> None:
    network = build(name)
    lr = torch.rand(1, 3, 44, 88)
    whole, crop = network(lr)[1].sr, network(lr[..., 7:])[1].sr
    reach = 2 * 40
    np.testing.assert_allclose(
        crop[..., reach:].numpy(), whole[..., 14 + reach :].numpy(), rtol=0, atol=1e-5
    )
