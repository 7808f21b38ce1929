import numpy as np
import pytest
import torch
from torch import Tensor

from mtlsr.objective.structure import (
    CHANNELS,
    CleanStructureTerm,
    StructureTerm,
    corners,
    gradient,
    identity,
    transform,
)
from tests import by_hand

KINDS = ["gradient", "corners", "identity"]
TRANSFORMS = {"gradient": gradient, "corners": corners, "identity": identity}


def image(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def structure_of(images: Tensor, kind: str) -> np.ndarray:
    return by_hand.structure(images.double().numpy(), kind)


@pytest.mark.parametrize("kind", KINDS)
def test_transforms_agree_with_scipy(kind: str) -> None:
    images = image(2, 3, 11, 9)
    expected = structure_of(images, kind)
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(transform(images, kind).numpy(), expected, atol=1e-6)
    # The root of a small eigenvalue magnifies what float32 rounds.
    tolerance = 1e-4 if kind == "corners" else 1e-6
    np.testing.assert_allclose(transform(images.float(), kind), expected, atol=tolerance)


@pytest.mark.parametrize("kind", KINDS)
def test_maps_have_as_many_channels_as_the_table_says(kind: str) -> None:
    assert transform(image(2, 3, 8, 9), kind).shape == (2, CHANNELS[kind], 8, 9)
    assert torch.equal(transform(image(2, 3, 8, 9), kind), TRANSFORMS[kind](image(2, 3, 8, 9)))


def test_the_gradient_of_a_ramp_is_its_slope() -> None:
    ramp = torch.arange(9.0) / 10
    across = ramp.expand(1, 3, 7, 9)
    inside = gradient(across)[..., 1:-1, 1:-1]
    torch.testing.assert_close(inside[:, 0], torch.full_like(inside[:, 0], 0.1))
    torch.testing.assert_close(inside[:, 1], torch.zeros_like(inside[:, 1]), rtol=0, atol=1e-6)
    torch.testing.assert_close(gradient(across.mT)[:, 1], gradient(across)[:, 0].mT)


@pytest.mark.parametrize("kind", ["gradient", "corners"])
def test_an_added_constant_changes_nothing(kind: str) -> None:
    images = image(2, 3, 9, 9)
    torch.testing.assert_close(transform(images + 0.37, kind), transform(images, kind))
    assert not torch.allclose(identity(images + 0.37), identity(images))


def test_corners_shine_at_a_corner_and_not_along_an_edge() -> None:
    picture = torch.zeros(1, 3, 24, 24, dtype=torch.float64)
    picture[..., 8:, 8:] = 1
    response = corners(picture)[0, 0]
    peak = response.argmax().item()
    assert abs(peak // 24 - 8) <= 1
    assert abs(peak % 24 - 8) <= 1
    assert response[20, 8] < 0.05 * response.max()
    assert response[2, 2] == 0


def test_corners_grow_with_contrast() -> None:
    picture = torch.zeros(1, 3, 24, 24, dtype=torch.float64)
    picture[..., 8:, 8:] = 1
    strong, weak = corners(picture).max(), corners(0.25 * picture).max()
    torch.testing.assert_close(weak, 0.25 * strong, rtol=0.01, atol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_transforms_have_the_right_derivative(kind: str) -> None:
    images = image(1, 3, 6, 5).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: transform(x, kind), (images,))


@pytest.mark.parametrize("kind", KINDS)
def test_transforms_stay_in_float32_under_autocast(kind: str) -> None:
    images = image(2, 3, 16, 16).float()
    expected = transform(images, kind)
    with torch.autocast("cpu", torch.bfloat16):
        inside = transform(images, kind)
        raised = transform(images.bfloat16(), kind)
    assert inside.dtype == raised.dtype == torch.float32
    assert torch.equal(inside, expected)


# ---- terms ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_stage_one_compares_reconstruction_and_clean_image(kind: str) -> None:
    estimate, clean = image(2, 3, 9, 8, seed=1), image(2, 3, 9, 8, seed=2)
    expected = np.mean((structure_of(estimate, kind) - structure_of(clean, kind)) ** 2)
    value = CleanStructureTerm(kind)(reconstruction=estimate, lr_clean=clean)
    assert value.shape == ()
    assert value.item() == pytest.approx(expected, abs=1e-6)
    assert expected > 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_stage_two_adds_the_images_and_the_predicted_structures_error(kind: str) -> None:
    sr, hr = image(2, 3, 9, 8, seed=1), image(2, 3, 9, 8, seed=2)
    predicted = image(2, CHANNELS[kind], 9, 8, seed=3) - 0.5
    target = structure_of(hr, kind)
    expected = np.mean((structure_of(sr, kind) - target) ** 2)
    expected += np.mean((predicted.numpy() - target) ** 2)
    value = StructureTerm(kind)(sr=sr, structure=predicted, hr=hr)
    assert value.shape == ()
    assert value.item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_terms_gradients_are_right(kind: str) -> None:
    sr, hr = image(1, 3, 6, 5, seed=1).requires_grad_(), image(1, 3, 6, 5, seed=2)
    predicted = image(1, CHANNELS[kind], 6, 5, seed=3).requires_grad_()
    check = torch.autograd.gradcheck
    assert check(lambda x, y: StructureTerm(kind)(x, y, hr), (sr, predicted), fast_mode=True)
    assert check(lambda x: CleanStructureTerm(kind)(x, hr), (sr,), fast_mode=True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("flat", [False, True])
def test_equal_images_cost_nothing_and_pull_nowhere(kind: str, flat: bool) -> None:
    hr = torch.full((2, 3, 12, 12), 0.5) if flat else image(2, 3, 12, 12).float()
    sr = hr.clone().requires_grad_()
    structure = transform(hr, kind).requires_grad_()
    for value in (StructureTerm(kind)(sr, structure, hr), CleanStructureTerm(kind)(sr, hr)):
        (pull,) = torch.autograd.grad(value, sr)
        assert value.item() == 0
        assert (pull == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_flat_output_has_a_finite_gradient(kind: str) -> None:
    hr = image(1, 3, 12, 12).float()
    sr = torch.full_like(hr, 0.5, requires_grad=True)
    (pull,) = torch.autograd.grad(CleanStructureTerm(kind)(sr, hr), sr)
    assert pull.isfinite().all()


def test_the_original_gets_no_gradient() -> None:
    sr, hr = image(1, 3, 8, 8, seed=1).requires_grad_(), image(1, 3, 8, 8, seed=2).requires_grad_()
    structure = image(1, 2, 8, 8).requires_grad_()
    StructureTerm()(sr, structure, hr).backward()
    CleanStructureTerm()(sr, hr).backward()
    assert hr.grad is None
    for leaf in (sr, structure):
        assert leaf.grad is not None
        assert leaf.grad.abs().sum() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_terms_are_means_over_the_batch(kind: str) -> None:
    sr, hr = image(2, 3, 8, 9, seed=1), image(2, 3, 8, 9, seed=2)
    structure = image(2, CHANNELS[kind], 8, 9)
    once = StructureTerm(kind)(sr, structure, hr)
    thrice = StructureTerm(kind)(*(x.repeat(3, 1, 1, 1) for x in (sr, structure, hr)))
    torch.testing.assert_close(thrice, once)


def mirrored(x: Tensor) -> Tensor:
    """Continue an image by its mirror image, as its replicated border already does."""
    x = torch.cat([x, x.flip(-1)], -1)
    return torch.cat([x, x.flip(-2)], -2)


@pytest.mark.parametrize("kind", ["gradient", "identity"])
def test_terms_are_means_over_the_patch(kind: str) -> None:
    sr, hr = image(2, 3, 8, 9, seed=1), image(2, 3, 8, 9, seed=2)
    once = CleanStructureTerm(kind)(sr, hr)
    torch.testing.assert_close(CleanStructureTerm(kind)(mirrored(sr), mirrored(hr)), once)


def test_corner_terms_are_means_over_the_patch_but_for_the_seams() -> None:
    sr, hr = image(1, 3, 64, 64, seed=1), image(1, 3, 64, 64, seed=2)
    once = CleanStructureTerm("corners")(sr, hr)
    tiled = CleanStructureTerm("corners")(sr.repeat(1, 1, 2, 2), hr.repeat(1, 1, 2, 2))
    torch.testing.assert_close(tiled, once, rtol=0.1, atol=0)


@pytest.mark.parametrize("term", [CleanStructureTerm, StructureTerm])
@pytest.mark.parametrize("kind", ["edges", "", None])
def test_unknown_transforms_are_refused(term: type, kind: str) -> None:
    with pytest.raises(ValueError, match=f"transform is {kind!r}; it is one of gradient, corners"):
        term(kind)
