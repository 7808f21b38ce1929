import numpy as np
import pytest
import skimage.data
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

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
@settings(max_examples=15, deadline=None)
@given(offset=st.floats(-2, 2), seed=st.integers(0, 1000))
def test_no_added_constant_changes_anything(kind: str, offset: float, seed: int) -> None:
    images = image(2, 3, 7, 8, seed=seed)
    torch.testing.assert_close(transform(images + offset, kind), transform(images, kind))


@settings(max_examples=15, deadline=None)
@given(factor=st.floats(0.1, 10), seed=st.integers(0, 1000))
def test_transforms_grow_with_contrast(factor: float, seed: int) -> None:
    images = image(1, 3, 7, 8, seed=seed)
    for kind in ("gradient", "identity"):
        grown = transform(factor * images, kind)
        torch.testing.assert_close(grown, factor * transform(images, kind))
    # Without the constants that keep its root's derivative finite, so would corners.
    squares = ((corners(x) + 1e-4).square() - 1e-8 for x in (factor * images, images))
    torch.testing.assert_close(next(squares), factor**2 * next(squares), rtol=1e-6, atol=1e-10)


TURNS = [(turns, mirrored) for turns in range(4) for mirrored in (False, True)]


def turned(images: Tensor, turns: int, mirrored: bool) -> Tensor:
    return torch.rot90(images.flip(-1) if mirrored else images, turns, (-2, -1))


@pytest.mark.parametrize(("turns", "mirrored"), TURNS)
def test_structure_turns_with_the_image(turns: int, mirrored: bool) -> None:
    images = image(2, 3, 7, 9)
    for kind in ("corners", "identity"):
        expected = turned(transform(images, kind), turns, mirrored)
        torch.testing.assert_close(transform(turned(images, turns, mirrored), kind), expected)
    # Derivatives are the components of a vector, which is mirrored and turned itself.
    dx, dy = turned(gradient(images), turns, mirrored).unbind(dim=1)
    dx = -dx if mirrored else dx
    for _ in range(turns):
        dx, dy = dy, -dx
    found = gradient(turned(images, turns, mirrored))
    torch.testing.assert_close(found, torch.stack([dx, dy], dim=1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("turns", "mirrored"), TURNS)
def test_turning_both_images_leaves_a_term_as_it_is(kind: str, turns: int, mirrored: bool) -> None:
    sr, hr = image(2, 3, 7, 9, seed=1), image(2, 3, 7, 9, seed=2)
    term = CleanStructureTerm(kind)
    after = term(turned(sr, turns, mirrored), turned(hr, turns, mirrored))
    torch.testing.assert_close(after, term(sr, hr))


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


LEVELS = [0.0, 1e-8, 0.1, 0.3, 0.5, 0.73, 1.0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("level", LEVELS)
def test_corners_of_a_flat_image_have_gradient_zero(level: float, dtype: torch.dtype) -> None:
    flat = torch.full((1, 3, 12, 12), level, dtype=dtype, requires_grad=True)
    (pull,) = torch.autograd.grad(corners(flat).sum(), flat)
    assert pull.abs().max() < 1e-3
    assert corners(flat).abs().max() < 1e-7


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), exponent=st.floats(-20, 0))
def test_corners_have_a_finite_gradient_whatever_is_flat_or_symmetric(
    dtype: torch.dtype, seed: int, exponent: float
) -> None:
    small = image(1, 3, 4, 4, seed=seed) * 10**exponent
    quarter = torch.cat([small, small.flip(-1)], -1)
    symmetric = torch.cat([quarter, quarter.flip(-2)], -2)
    for picture in (symmetric + symmetric.mT, F.pad(small, (6, 6, 6, 6), value=0.5)):
        picture = picture.to(dtype).requires_grad_()
        (pull,) = torch.autograd.grad(corners(picture).sum(), picture)
        assert pull.isfinite().all()
        assert pull.abs().max() < 100


def test_corners_and_edges_are_of_one_size() -> None:
    """So that λ3 means about the same for both."""
    photograph = torch.from_numpy(skimage.data.astronaut()).permute(2, 0, 1)[None] / 255
    sizes = {kind: transform(photograph, kind).square().mean().sqrt() for kind in KINDS[:2]}
    assert 0.1 < sizes["corners"] / sizes["gradient"] < 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_the_predicted_map_has_a_weight_of_its_own(kind: str, weight: float) -> None:
    sr, hr = image(2, 3, 9, 8, seed=1), image(2, 3, 9, 8, seed=2)
    predicted = image(2, CHANNELS[kind], 9, 8, seed=3).requires_grad_()
    target = structure_of(hr, kind)
    of_image = np.mean((structure_of(sr, kind) - target) ** 2)
    of_map = np.mean((predicted.detach().numpy() - target) ** 2)
    value = StructureTerm(kind, map=weight)(sr=sr, structure=predicted, hr=hr)
    assert value.item() == pytest.approx(of_image + weight * of_map, abs=1e-6)
    assert value.requires_grad is (weight > 0)


@pytest.mark.parametrize("weight", [-0.1, float("nan"), float("inf")])
def test_an_impossible_weight_of_the_map_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match=f"map is {weight}; it must be finite and"):
        StructureTerm(map=weight)


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
