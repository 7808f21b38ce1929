import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mtlsr.data.resize import downscale, resampling_matrix, resize
from mtlsr.metrics import Protocol, luma
from mtlsr.objective.smoothness import (
    EPSILON,
    ReconstructionTerm,
    SmoothnessTerm,
    charbonnier,
    distance,
)
from tests import by_hand

KINDS = ["mse", "l1", "charbonnier"]


def image(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("kind", KINDS)
def test_distances_agree_with_numpy(kind: str) -> None:
    a, b = image(2, 3, 6, 5, seed=1), image(2, 3, 6, 5, seed=2)
    assert distance(a, b, kind).shape == ()
    assert distance(a, b, kind).item() == pytest.approx(
        by_hand.distance(a.numpy(), b.numpy(), kind)
    )
    single = distance(a.float(), b.float(), kind).item()
    assert single == pytest.approx(by_hand.distance(a.numpy(), b.numpy(), kind), abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_distances_have_the_right_gradient(kind: str) -> None:
    a, b = image(1, 3, 4, 3, seed=1).requires_grad_(), image(1, 3, 4, 3, seed=2).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, y: distance(x, y, kind), (a, b))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_images_are_at_distance_zero_with_gradient_zero(
    kind: str, dtype: torch.dtype
) -> None:
    a = image(2, 3, 5, 5).to(dtype).requires_grad_()
    value = distance(a, a.detach(), kind)
    value.backward()
    assert abs(value.item()) < 1e-9
    assert (a.grad == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_distances_are_means_over_batch_and_patch(kind: str) -> None:
    a, b = image(2, 3, 4, 6, seed=1), image(2, 3, 4, 6, seed=2)
    once = distance(a, b, kind)
    torch.testing.assert_close(distance(a.repeat(3, 1, 2, 4), b.repeat(3, 1, 2, 4), kind), once)


@settings(max_examples=30, deadline=None)
@given(st.floats(-1, 1), st.floats(-1, 1))
def test_charbonnier_lies_between_l1_less_epsilon_and_l1(a: float, b: float) -> None:
    value = charbonnier(torch.tensor([a], dtype=torch.float64), torch.tensor([b]).double()).item()
    b = torch.tensor([b]).item()
    assert abs(a - b) - EPSILON - 1e-12 <= value <= abs(a - b) + 1e-12
    assert value >= -1e-12


@pytest.mark.parametrize("kind", KINDS)
def test_stage_one_compares_reconstruction_and_clean_image(kind: str) -> None:
    estimate, clean = image(2, 3, 6, 5, seed=1), image(2, 3, 6, 5, seed=2)
    value = ReconstructionTerm(kind)(reconstruction=estimate, lr_clean=clean).item()
    assert value == pytest.approx(by_hand.distance(estimate.numpy(), clean.numpy(), kind))


# ---- stage 2 -------------------------------------------------------------------------------------


def inputs() -> dict[str, Tensor]:
    return {
        "sr": image(2, 3, 12, 16, seed=1),
        "hr": image(2, 3, 12, 16, seed=2),
        "reconstruction": image(2, 3, 6, 8, seed=3),
        "lr_clean": image(2, 3, 6, 8, seed=4),
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("a", "b"), [(0, 0), (0.25, 0), (0, 0.5), (0.25, 0.5)])
def test_inner_weights_add_their_distances(kind: str, a: float, b: float) -> None:
    known = inputs()
    arrays = {name: x.numpy() for name, x in known.items()}
    height = np.einsum("oh,nchw->ncow", resampling_matrix(12, 6), 255 * arrays["sr"])
    height = np.floor(height + 0.5).clip(0, 255)  # as the benchmarks do between the two passes
    shrunk = np.einsum("pw,ncow->ncop", resampling_matrix(16, 8), height).clip(0, 255) / 255
    expected = (
        by_hand.distance(arrays["sr"], arrays["hr"], kind)
        + a * by_hand.distance(arrays["reconstruction"], arrays["lr_clean"], kind)
        + b * by_hand.distance(shrunk, arrays["lr_clean"], kind)
    )
    assert SmoothnessTerm(kind, a, b)(**known).item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_the_outputs_own_inner_weight_leaves_the_source_formula(kind: str) -> None:
    known = inputs()
    arrays = {name: x.numpy() for name, x in known.items()}
    own = by_hand.distance(arrays["sr"], arrays["hr"], kind)
    low = by_hand.distance(arrays["reconstruction"], arrays["lr_clean"], kind)
    both = SmoothnessTerm(kind, reconstruction=0.5, output=0.25)(**known)
    assert both.item() == pytest.approx(0.25 * own + 0.5 * low, abs=1e-9)
    known |= {name: torch.full_like(known[name], float("nan")) for name in ("sr", "hr")}
    formula = SmoothnessTerm(kind, reconstruction=1, output=0)(**known)
    assert formula.item() == pytest.approx(low, abs=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_luma_is_compared_from_black_to_white(kind: str) -> None:
    known = inputs()
    protocol = Protocol.preset("literature", 2)
    sr, hr = ((255 * known[name]).round().to(torch.uint8) for name in ("sr", "hr"))
    planes = [
        np.stack([luma(image.permute(1, 2, 0).numpy(), protocol) for image in images]) / 219
        for images in (sr, hr)
    ]
    known |= {"sr": sr / 255, "hr": hr / 255}
    expected = by_hand.distance(*planes, kind)
    term = SmoothnessTerm(kind, output=0, luma=0.5)
    assert term(**known).item() == pytest.approx(0.5 * expected, rel=1e-5)
    beside = SmoothnessTerm(kind, output=0.25, luma=0.5)(**known)
    own = by_hand.distance(known["sr"].numpy(), known["hr"].numpy(), kind)
    assert beside.item() == pytest.approx(0.25 * own + 0.5 * expected, rel=1e-5)
    white = known | {"sr": torch.ones_like(known["sr"]), "hr": torch.zeros_like(known["hr"])}
    assert SmoothnessTerm("l1", output=0, luma=1)(**white).item() == pytest.approx(1)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 3), st.booleans())
def test_turning_and_mirroring_all_images_changes_nothing(turns: int, mirrored: bool) -> None:
    known = inputs()
    turned = {
        name: torch.rot90(x.flip(-1) if mirrored else x, turns, (-2, -1))
        for name, x in known.items()
    }
    for kind in KINDS:
        term = SmoothnessTerm(kind, reconstruction=0.5)
        torch.testing.assert_close(term(**turned), term(**known))


def test_a_term_that_compares_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="output, luma, reconstruction, consistency are all 0"):
        SmoothnessTerm(output=0)


def test_single_task_looks_at_sr_and_hr_alone() -> None:
    known = inputs()
    for name in ("reconstruction", "lr_clean"):
        known[name] = torch.full_like(known[name], float("nan"))
    assert SmoothnessTerm("l1", 0, 0)(**known).isfinite()


@pytest.mark.parametrize("kind", KINDS)
def test_stage_twos_gradient_is_right(kind: str) -> None:
    term = SmoothnessTerm(kind, 0.3)
    known = [x[:1, :, :6, :8] if x.shape[-1] == 16 else x[:1, :, :3, :4] for x in inputs().values()]
    leaves = tuple(x.clone().requires_grad_() for x in known)
    assert torch.autograd.gradcheck(term, leaves)


@pytest.mark.parametrize("kind", KINDS)
def test_rounding_inside_the_consistency_passes_gradients_on(kind: str) -> None:
    known = {name: 0.3 + 0.4 * x for name, x in inputs().items()}  # nothing is clipped
    gradients = []
    for through in (False, True):
        sr = known["sr"].clone().requires_grad_()
        smooth = resize(sr, (6, 8))
        shrunk = downscale(sr, 2)
        if through:
            shrunk = smooth + (shrunk - smooth).detach()
        (gradient,) = torch.autograd.grad(distance(shrunk, known["lr_clean"], kind), sr)
        gradients.append(gradient)
    sr = known["sr"].clone().requires_grad_()
    without, term = SmoothnessTerm(kind), SmoothnessTerm(kind, consistency=1.0)
    total = term(**known | {"sr": sr}) - without(**known | {"sr": sr})
    gradients.append(torch.autograd.grad(total, sr)[0])
    torch.testing.assert_close(gradients[0], gradients[1])
    torch.testing.assert_close(gradients[0], gradients[2])


@pytest.mark.parametrize("kind", KINDS)
def test_stage_two_is_zero_with_a_finite_gradient_where_all_agree(kind: str) -> None:
    hr = torch.full((2, 3, 8, 8), 64 / 255, dtype=torch.float64)
    sr = hr.clone().requires_grad_()
    low = torch.full((2, 3, 4, 4), 64 / 255, dtype=torch.float64)
    value = SmoothnessTerm(kind, 1.0, 1.0)(sr, hr, low, low)
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-12)
    assert sr.grad is not None
    assert sr.grad.isfinite().all()


@pytest.mark.parametrize("sides", [(8, 4), (24, 12), (24, 6)])
def test_an_offset_costs_the_same_at_every_size(sides: tuple[int, int]) -> None:
    side, low_side = sides
    hr, clean = image(2, 3, side, side), torch.full((2, 3, low_side, low_side), 0.5)
    flat = torch.full_like(hr, 0.6)
    term = SmoothnessTerm("l1", consistency=2.0)
    assert term(hr + 0.1, hr, clean, clean).item() > 0.1
    value = term(flat, flat - 0.1, clean, clean.double()).item()
    assert value == pytest.approx(0.1 + 2 * 0.1)


def test_consistency_pulls_the_output_to_the_clean_image() -> None:
    known = inputs()
    known["sr"].requires_grad_()
    term = SmoothnessTerm("mse", consistency=1.0)
    alone = SmoothnessTerm("mse")
    (both,) = torch.autograd.grad(term(**known), known["sr"])
    (first,) = torch.autograd.grad(alone(**known), known["sr"])
    assert (both - first).abs().max() > 1e-6


@pytest.mark.parametrize("term", [ReconstructionTerm, SmoothnessTerm])
@pytest.mark.parametrize("kind", ["l2", "", None, "MSE"])
def test_unknown_distances_are_refused(term: type, kind: str) -> None:
    with pytest.raises(ValueError, match=f"distance is {kind!r}; it is one of mse, l1, charb"):
        term(kind)


@pytest.mark.parametrize("weight", [-0.1, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["output", "reconstruction", "consistency"])
def test_inner_weights_are_finite_and_not_negative(name: str, weight: float) -> None:
    with pytest.raises(ValueError, match=f"{name} is {weight}; it must be finite and"):
        SmoothnessTerm("l1", **{name: weight})


def test_without_a_reconstruction_its_inner_weight_must_be_zero() -> None:
    known = inputs() | {"reconstruction": None}
    expected = distance(known["sr"], known["hr"], "l1")
    torch.testing.assert_close(SmoothnessTerm("l1")(**known), expected)
    with pytest.raises(ValueError, match=r"reconstruction is 0\.1; without stage 1 there is none"):
        SmoothnessTerm("l1", reconstruction=0.1)(**known)
