import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from mtlsr.networks.realism_residual import ResidualFirstBlock
from mtlsr.networks.realism_seed import SeedFirstBlock
from mtlsr.objective.realism import DegradationTerm, StyleTerm, centre
from tests import by_hand

STATISTICS = ["gram", "mean_std", "centred"]
torch.manual_seed(0)
JUDGES = [ResidualFirstBlock(4), SeedFirstBlock(4, 1)]


def maps(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def frozen(block: nn.Module) -> nn.Module:
    return copy.deepcopy(block).double().requires_grad_(False).eval()


# ---- stage 1 -------------------------------------------------------------------------------------


def test_the_vector_is_compared_with_the_degradation() -> None:
    vector, truth, logit = maps(4, 5, seed=1), maps(4, 5, seed=2), maps(4, seed=3)
    expected = np.mean((vector.numpy() - truth.numpy()) ** 2)
    assert DegradationTerm()(vector, logit, truth).item() == pytest.approx(expected)
    halves = DegradationTerm()(vector.bfloat16(), logit.bfloat16(), truth.float())
    assert halves.dtype == torch.float32
    assert halves.item() == pytest.approx(expected, rel=0.05)


def test_clean_is_told_from_degraded_by_cross_entropy() -> None:
    truth = torch.tensor([[0.0, 0.0], [0.0, 0.3], [0.9, 0.1]], dtype=torch.float64)
    logit = torch.tensor([-2.0, 0.5, 3.0], dtype=torch.float64, requires_grad=True)
    chance = 1 / (1 + np.exp(-logit.detach().numpy()))
    expected = -np.mean(np.log([1 - chance[0], chance[1], chance[2]]))
    term = DegradationTerm(detection=0.5)
    assert term(truth, logit, truth).item() == pytest.approx(0.5 * expected, abs=1e-12)
    assert torch.autograd.gradcheck(lambda x: term(truth, x, truth), (logit,))


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_an_impossible_weight_of_the_decision_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match=f"detection is {weight}"):
        DegradationTerm(weight)


def test_the_vectors_gradient_is_right_and_zero_at_the_truth() -> None:
    vector, truth = maps(3, 5, seed=1).requires_grad_(), maps(3, 5, seed=2)
    logit = maps(3, seed=3)
    assert torch.autograd.gradcheck(lambda x: DegradationTerm()(x, logit, truth), (vector,))
    value = DegradationTerm()(vector, logit, vector.detach())
    value.backward()
    assert value.item() == 0
    assert (vector.grad == 0).all()


def test_the_vectors_term_is_a_mean() -> None:
    vector, truth, logit = maps(2, 5, seed=1), maps(2, 5, seed=2), maps(2, seed=3)
    term = DegradationTerm(detection=0.5)
    once = term(vector, logit, truth)
    again = term(vector.repeat(4, 1), logit.repeat(4), truth.repeat(4, 1))
    torch.testing.assert_close(again, once)


# ---- stage 2 -------------------------------------------------------------------------------------


@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize("judge", JUDGES)
def test_the_term_is_the_style_distance_of_the_judges_maps(judge, statistic: str) -> None:
    judge = frozen(judge)
    sr, hr = maps(2, 3, 9, 8, seed=1), maps(2, 3, 9, 8, seed=2) ** 2
    a, b = (by_hand.statistic(judge(x).numpy(), statistic) for x in (sr, hr))
    if statistic == "centred":
        a, b = by_hand.centre(a), by_hand.centre(b)
    value = StyleTerm(statistic)(sr=sr, hr=hr, judge=judge).item()
    assert value == pytest.approx(by_hand.style(a, b, statistic), rel=1e-4, abs=1e-7)
    assert value > 1e-7


@pytest.mark.parametrize("statistic", STATISTICS)
def test_the_terms_gradient_is_right(statistic: str) -> None:
    judge = frozen(JUDGES[0])
    sr, hr = maps(2, 3, 5, 4, seed=1).requires_grad_(), maps(2, 3, 5, 4, seed=2)
    assert torch.autograd.gradcheck(lambda x: StyleTerm(statistic)(x, hr, judge), (sr,))


@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize("flat", [False, True])
def test_equal_images_are_of_one_style_with_gradient_zero(statistic: str, flat: bool) -> None:
    hr = torch.full((2, 3, 8, 8), 0.5).double() if flat else maps(2, 3, 8, 8)
    sr = hr.clone().requires_grad_()
    for judge in (*map(frozen, JUDGES), nn.Identity()):
        (gradient,) = torch.autograd.grad(StyleTerm(statistic)(sr, hr, judge), sr)
        assert StyleTerm(statistic)(sr, hr, judge).item() == 0
        assert (gradient == 0).all()


@pytest.mark.parametrize("statistic", STATISTICS)
def test_a_flat_output_has_a_finite_gradient(statistic: str) -> None:
    hr = maps(2, 3, 8, 8).float()
    for contrast in (0, 1e-3):
        sr = (0.5 + contrast * (maps(2, 3, 8, 8, seed=1).float() - 0.5)).requires_grad_()
        (gradient,) = torch.autograd.grad(StyleTerm(statistic)(sr, hr, nn.Identity()), sr)
        assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize("judge", JUDGES)
def test_the_judge_learns_nothing_and_the_original_gets_no_gradient(judge) -> None:
    judge = frozen(judge)
    before = copy.deepcopy(judge.state_dict())
    sr, hr = maps(2, 3, 8, 8, seed=1).requires_grad_(), maps(2, 3, 8, 8, seed=2).requires_grad_()
    StyleTerm()(sr, hr, judge).backward()
    assert sr.grad is not None
    assert sr.grad.abs().sum() > 0
    assert hr.grad is None
    assert all(parameter.grad is None for parameter in judge.parameters())
    assert not judge.training
    assert all(torch.equal(value, before[key]) for key, value in judge.state_dict().items())


def test_style_in_autocast_is_computed_in_float32() -> None:
    sr, hr = maps(2, 3, 16, 16, seed=1).float(), maps(2, 3, 16, 16, seed=2).float()
    expected = StyleTerm()(sr, hr, nn.Identity())
    with torch.autocast("cpu", torch.bfloat16):
        inside = StyleTerm()(sr, hr, nn.Identity())
    assert torch.equal(inside, expected)


# ---- window --------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9))
def test_the_window_lies_in_the_centre(height: int, width: int, window: int) -> None:
    images = torch.arange(height * width).reshape(1, 1, height, width)
    cut = centre(images, window)
    if window > min(height, width):
        assert cut is images
        return
    assert cut.shape == (1, 1, window, window)
    top, left = divmod(cut[0, 0, 0, 0].item(), width)
    assert 0 <= (height - window - top) - top <= 1
    assert 0 <= (width - window - left) - left <= 1
    assert torch.equal(cut, images[..., top : top + window, left : left + window])


def test_a_window_of_zero_takes_all() -> None:
    images = maps(1, 3, 4, 5)
    assert centre(images, 0) is images


@pytest.mark.parametrize("statistic", STATISTICS)
def test_the_term_sees_its_window_alone(statistic: str) -> None:
    sr, hr = maps(2, 3, 12, 12, seed=1).requires_grad_(), maps(2, 3, 12, 12, seed=2)
    judge = frozen(JUDGES[0])
    value = StyleTerm(statistic, window=4)(sr, hr, judge)
    value.backward()
    assert sr.grad is not None
    assert sr.grad[..., 4:8, 4:8].abs().sum() > 0
    outside = sr.grad.clone()
    outside[..., 4:8, 4:8] = 0
    assert (outside == 0).all()
    cut = (..., slice(4, 8), slice(4, 8))
    torch.testing.assert_close(value, StyleTerm(statistic)(sr[cut], hr[cut], judge))


# ---- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("statistic", ["grams", "", None, "Gram"])
def test_unknown_statistics_are_refused(statistic: str) -> None:
    with pytest.raises(
        ValueError, match=f"statistic is {statistic!r}; it is one of gram, mean_std"
    ):
        StyleTerm(statistic)


def test_a_negative_window_is_refused() -> None:
    with pytest.raises(ValueError, match="window is -1"):
        StyleTerm(window=-1)
