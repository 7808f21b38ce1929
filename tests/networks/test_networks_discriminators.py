import pytest
import torch
from torch import Tensor, nn

from mtlsr.networks.discriminators.base import SpectralConv2d
from mtlsr.networks.table import DISCRIMINATORS, build_discriminator

NAMES = sorted(DISCRIMINATORS)


def build(name: str, width: int = 4):
    torch.manual_seed(0)
    return build_discriminator({"name": name, "width": width})


def images(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


def norm(weight: Tensor) -> float:
    return torch.linalg.matrix_norm(weight.detach().double().flatten(1), 2).item()


@pytest.mark.parametrize("size", [(1, 12, 12), (2, 13, 40), (3, 80, 80), (1, 57, 31)])
def test_patchgan_says_something_every_four_pixels(size: tuple[int, int, int]) -> None:
    count, height, width = size
    logits = build("patchgan")(images(count, 3, height, width))
    assert logits.shape == (count, 1, height // 4 - 2, width // 4 - 2)


@pytest.mark.parametrize("size", [(1, 8, 8), (2, 13, 40), (3, 80, 80), (1, 57, 31)])
def test_unet_says_something_of_every_pixel(size: tuple[int, int, int]) -> None:
    count, height, width = size
    assert build("unet")(images(count, 3, height, width)).shape == (count, 1, height, width)


@pytest.mark.parametrize("name", NAMES)
def test_the_stated_minimum_is_the_smallest_size_that_works(name: str) -> None:
    discriminator = build(name)
    least = discriminator.minimum
    assert discriminator(images(1, 3, least, least)).numel() >= 1
    with pytest.raises(RuntimeError):
        discriminator(images(1, 3, least - 1, least))


@pytest.mark.parametrize("name", NAMES)
def test_no_image_depends_on_the_others_of_its_batch(name: str) -> None:
    discriminator, batch = build(name).train(), images(3, 3, 16, 16)
    with torch.no_grad():
        alone = torch.cat([discriminator(image) for image in batch.split(1)])
        torch.testing.assert_close(discriminator(batch), alone)


def test_a_patchgan_logit_sees_34_pixels() -> None:
    batch = images(1, 3, 80, 80).double().requires_grad_()
    logits = build("patchgan").double()(batch)
    logits[0, 0, 9, 9].backward()
    assert batch.grad is not None
    seen = (batch.grad[0].abs().sum(dim=0) > 0).nonzero()
    assert (seen.amax(dim=0) - seen.amin(dim=0) + 1).tolist() == [34, 34]


@pytest.mark.parametrize("name", NAMES)
def test_width_sets_the_channels(name: str) -> None:
    counts = [sum(p.numel() for p in build(name, width).parameters()) for width in (4, 8)]
    assert 3 < counts[1] / counts[0] < 4


@pytest.mark.parametrize("name", NAMES)
def test_spectral_norms_stay_at_one_while_the_weights_move(name: str) -> None:
    discriminator = build(name).train()
    optimiser = torch.optim.SGD(discriminator.parameters(), lr=0.02)
    for _ in range(30):
        optimiser.zero_grad()
        (-discriminator(images(2, 3, 16, 16)).mean()).backward()
        optimiser.step()
    normalised = [m for m in discriminator.modules() if isinstance(m, SpectralConv2d)]
    plain = [m for m in discriminator.modules() if type(m) is nn.Conv2d]
    assert len(normalised) >= 2
    assert len(plain) == 2
    discriminator(images(2, 3, 16, 16))
    discriminator.eval()
    for convolution in normalised:
        assert norm(convolution.weight) > 0.1
        # The iteration lags a little behind, and never overestimates.
        assert 1 - 1e-5 < norm(convolution.normalised()) < 1.05


def test_the_estimate_converges_to_the_largest_singular_value() -> None:
    torch.manual_seed(3)
    convolution = SpectralConv2d(5, 7, 3).double().train()
    for _ in range(200):
        convolution.normalised()
    expected = convolution.weight / norm(convolution.weight)
    torch.testing.assert_close(convolution.eval().normalised(), expected, rtol=1e-6, atol=1e-9)


def test_its_gradient_is_that_of_the_quotient() -> None:
    torch.manual_seed(3)
    convolution = SpectralConv2d(2, 3, 3).double().eval()
    x = images(1, 2, 5, 5).double()

    def output(weight: Tensor) -> Tensor:
        return torch.func.functional_call(convolution, {"weight": weight}, (x,))

    assert torch.autograd.gradcheck(output, (convolution.weight.detach().requires_grad_(),))


def test_torchs_own_spectral_normalisation_gives_the_same() -> None:
    torch.manual_seed(3)
    ours, plain = SpectralConv2d(4, 6, 3).train(), nn.Conv2d(4, 6, 3)
    plain.load_state_dict({key: value for key, value in ours.state_dict().items() if key != "u"})
    theirs = nn.utils.parametrizations.spectral_norm(plain).train()
    x = images(2, 4, 9, 9)
    for _ in range(100):
        found, expected = ours(x), theirs(x)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_only_what_is_trained_iterates() -> None:
    torch.manual_seed(3)
    convolution, x = SpectralConv2d(4, 6, 3), images(1, 4, 9, 9)
    before = convolution.u.clone()
    fixed = {name: weight.detach() for name, weight in convolution.named_parameters()}
    convolution.train()
    torch.func.functional_call(convolution, fixed, (x,))
    with torch.no_grad():
        convolution(x)
    convolution.eval()(x)
    assert torch.equal(convolution.u, before)
    convolution.train()(x)
    assert not torch.equal(convolution.u, before)


def test_autocast_rounds_no_singular_value() -> None:
    torch.manual_seed(3)
    convolution = SpectralConv2d(4, 6, 3).eval()
    expected = convolution.normalised()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(convolution.normalised(), expected)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name": "vgg"}, "name is 'vgg'; known are patchgan, unet"),
        ({}, "name is 'None'; known are"),
        ({"name": "unet", "depth": 3}, "depth is not an option of 'unet'; it takes width"),
        ({"name": "patchgan", "width": 0}, "width is 0; it must be at least 1"),
        ("patchgan", "is 'patchgan'; it must hold a name"),
    ],
)
def test_what_is_no_discriminator_is_refused(options, said) -> None:
    with pytest.raises(ValueError, match=r"loss\.adversarial\.discriminator") as caught:
        build_discriminator(options)
    assert said in str(caught.value)
