import numpy as np
import pytest
import torch

from mtlsr.data.colour import luma
from mtlsr.data.resize import resize
from mtlsr.metrics import Protocol
from mtlsr.metrics import luma as luma_of_metrics
from mtlsr.networks.single_task.luma import LumaNet, with_luma
from mtlsr.networks.table import build_single_task

# ITU-R BT.601 from RGB in [0, 1] to Cb and Cr in 8 bits, less their offset of 128.
CHROMA = np.array([[-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]])


def chroma(image: torch.Tensor) -> np.ndarray:
    return np.einsum("ck,nkyx->ncyx", CHROMA, image.numpy())


@pytest.fixture
def image() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.rand(2, 3, 7, 9, dtype=torch.float64)


def test_luma_is_that_of_the_metrics() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 17, 3), dtype=np.uint8)
    expected = luma_of_metrics(pixels, Protocol.preset("literature", 4)) / 255
    given = torch.from_numpy(pixels).permute(2, 0, 1)[None].double() / 255
    np.testing.assert_allclose(luma(given)[0, 0].numpy(), expected, rtol=0, atol=1e-12)


def test_black_and_white_are_sixteen_and_two_hundred_thirty_five() -> None:
    ends = luma(torch.tensor([0.0, 1.0], dtype=torch.float64).expand(1, 3, 1, 2)) * 255
    np.testing.assert_allclose(ends.flatten().numpy(), [16, 235], atol=1e-9)


def test_another_luma_is_the_one_that_was_asked_for(image: torch.Tensor) -> None:
    y = torch.rand(2, 1, 7, 9, dtype=torch.float64)
    torch.testing.assert_close(luma(with_luma(image, y)), y)
    torch.testing.assert_close(with_luma(image, luma(image)), image)


def test_another_luma_keeps_the_chroma(image: torch.Tensor) -> None:
    changed = with_luma(image, torch.rand(2, 1, 7, 9, dtype=torch.float64))
    np.testing.assert_allclose(chroma(changed), chroma(image), rtol=0, atol=1e-9)


def test_both_are_differentiable(image: torch.Tensor) -> None:
    small = image[:1, :, :2, :2].clone().requires_grad_()
    y = torch.rand(1, 1, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(luma, (small,))
    assert torch.autograd.gradcheck(with_luma, (small, y))


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("name", ["srcnn", "vdsr"])
def test_the_networks_of_the_y_channel_leave_the_chroma_bicubic(name: str, scale: int) -> None:
    torch.manual_seed(0)
    network = build_single_task({"name": name}, scale=scale).double()
    assert isinstance(network, LumaNet)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1.2).add_(0.001)
        lr = torch.rand(1, 3, 7, 8, dtype=torch.float64)
        sr = network(lr)[1].sr
    bicubic = resize(lr, (7 * scale, 8 * scale))
    np.testing.assert_allclose(chroma(sr), chroma(bicubic), rtol=0, atol=1e-9)
    assert (luma(sr) - luma(bicubic)).abs().mean() > 0.01
