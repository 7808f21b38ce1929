import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from mtlsr.objective.moving_average import MovingAverage, moving_average
from mtlsr.objective.realism import StyleTerm
from mtlsr.objective.style import compare, describe
from tests import by_hand

EMPTY = (torch.zeros(2, 3).double(), torch.zeros(()).double())


def statistics(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def batches(count: int) -> list[Tensor]:
    """Statistics of batches of one to four images."""
    return [statistics(1 + seed % 4, 2, 3, seed=seed) for seed in range(count)]


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 8), st.floats(0, 0.999))
def test_the_state_is_the_mean_of_all_batches_weighted_by_their_age(
    count: int, decay: float
) -> None:
    state = EMPTY
    for batch in batches(count):
        _, state = moving_average(batch, state, decay)
    means = np.stack([batch.numpy().mean(axis=0) for batch in batches(count)])
    weights = decay ** np.arange(count)[::-1].astype(float)
    expected = np.average(means, axis=0, weights=weights)
    np.testing.assert_allclose(state[0].numpy(), expected, rtol=1e-9)
    assert state[1].item() == pytest.approx(weights.sum())


def test_each_image_is_averaged_as_the_newest_entry_by_hand() -> None:
    decay, mean, weight = 0.75, np.zeros((2, 3)), 0.0
    state = EMPTY
    for batch in batches(5):
        averaged, state = moving_average(batch, state, decay)
        heavier = decay * weight + 1
        own = [(decay * weight * mean + image) / heavier for image in batch.numpy()]
        np.testing.assert_allclose(averaged.numpy(), np.stack(own), rtol=1e-9)
        mean, weight = np.mean(own, axis=0), heavier
        np.testing.assert_allclose(state[0].numpy(), mean, rtol=1e-9)


def test_it_is_a_function_of_statistic_and_state_alone() -> None:
    _, state = moving_average(batches(1)[0], EMPTY, 0.9)
    before = [x.clone() for x in state]
    once, twice = (moving_average(batches(3)[2], state, 0.9) for _ in range(2))
    assert torch.equal(once[0], twice[0])
    assert all(torch.equal(a, b) for a, b in zip(once[1], twice[1], strict=True))
    assert all(torch.equal(a, b) for a, b in zip(state, before, strict=True))


def test_the_first_batch_and_a_decay_of_zero_leave_the_statistic_as_it_is() -> None:
    first, second = batches(2)
    averaged, state = moving_average(first, EMPTY, 0.9)
    assert torch.equal(averaged, first)
    averaged, state = moving_average(second, moving_average(first, EMPTY, 0)[1], 0)
    torch.testing.assert_close(averaged, second)
    torch.testing.assert_close(state[0], second.mean(dim=0))


@settings(max_examples=10, deadline=None)
@given(st.floats(0, 0.999), st.integers(0, 1000))
def test_equal_statistics_stay_where_they_are(decay: float, seed: int) -> None:
    constant = statistics(1, 2, 3, seed=seed)
    state = EMPTY
    for count in (1, 3, 2):
        averaged, state = moving_average(constant.repeat(count, 1, 1), state, decay)
        torch.testing.assert_close(averaged, constant.expand(count, 2, 3))
        torch.testing.assert_close(state[0], constant[0])


def test_the_gradient_is_straight_through() -> None:
    _, state = moving_average(batches(1)[0], EMPTY, 0.9)
    batch = batches(3)[2].requires_grad_()
    averaged, (mean, weight) = moving_average(batch, state, 0.9)
    pull = statistics(*batch.shape, seed=9)
    (gradient,) = torch.autograd.grad((pull * averaged).sum(), batch)
    assert torch.equal(gradient, pull)
    assert not mean.requires_grad
    assert not weight.requires_grad


# ---- the module ----------------------------------------------------------------------------------


def test_its_state_is_saved_and_restored() -> None:
    first, second = MovingAverage((2, 3), 0.9), MovingAverage((2, 3), 0.9)
    for batch in batches(3):
        first(batch)
    assert set(first.state_dict()) == {"mean", "weight"}
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(batches(4)[3]), second(batches(4)[3]))
    assert torch.equal(first.mean, second.mean)


def moved(average: MovingAverage) -> bool:
    return bool((average.weight > 0).item() or (average.mean != 0).any())


def test_only_training_with_gradients_moves_the_state() -> None:
    average = MovingAverage((2, 3), 0.9)
    with torch.no_grad():
        average(batches(1)[0])
    assert not moved(average)
    average.eval()
    average(batches(1)[0])
    assert not moved(average)
    average.train()
    average(batches(1)[0])
    assert moved(average)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_batch_that_overflowed_leaves_the_state_alone(value: float) -> None:
    average = MovingAverage((2, 3), 0.9)
    average(batches(1)[0])
    before = copy.deepcopy(average.state_dict())
    spoilt = batches(2)[1]
    spoilt[0, 0, 0] = value
    assert not average(spoilt).isfinite().all()
    assert all(torch.equal(x, before[name]) for name, x in average.state_dict().items())
    average(batches(2)[1])
    assert average.weight.item() == pytest.approx(1.9)


def test_a_copy_and_its_original_share_nothing() -> None:
    average = MovingAverage((2, 3), 0.9)
    average(batches(1)[0])
    twin = copy.deepcopy(average)
    twin(batches(2)[1])
    assert not torch.equal(average.mean, twin.mean)


# ---- within the term -----------------------------------------------------------------------------


def images(seed: int) -> tuple[Tensor, Tensor]:
    return statistics(2, 3, 8, 8, seed=seed), statistics(2, 3, 8, 8, seed=seed + 100)


def values_by_hand(steps: int, statistic: str, decay: float) -> list[float]:
    """The term of each step, from maps that are the images themselves."""
    earlier: dict[str, list[np.ndarray]] = {"sr": [], "hr": []}
    values = []
    for step in range(steps):
        found = {}
        for of, image in zip(("sr", "hr"), images(step), strict=True):
            own = by_hand.statistic(image.numpy(), statistic)
            if statistic == "centred":
                found[of] = by_hand.centre(own, earlier[of], decay)
            else:
                found[of] = np.stack([by_hand.averaged(x, earlier[of], decay) for x in own])
            earlier[of].append(own.mean(axis=0))
        values.append(by_hand.style(found["sr"], found["hr"], statistic))
    return values


Make = Callable[[str], StyleTerm]


@pytest.fixture
def make() -> Make:
    return lambda statistic: StyleTerm(statistic, average=0.8, channels=3).double().train()


@pytest.mark.parametrize("statistic", ["gram", "mean_std", "centred"])
def test_the_term_of_several_steps_agrees_with_numpy(make: Make, statistic: str) -> None:
    term = make(statistic)
    found = [term(*images(step), nn.Identity()).item() for step in range(5)]
    assert found == pytest.approx(values_by_hand(5, statistic, 0.8), rel=1e-6)
    plain = StyleTerm(statistic)(*images(4), nn.Identity()).item()
    assert abs(found[4] - plain) > 1e-4


@pytest.mark.parametrize("statistic", ["gram", "mean_std", "centred"])
def test_the_terms_gradient_is_that_of_the_statistic_at_the_averages(
    make: Make, statistic: str
) -> None:
    term = make(statistic)
    term(*images(0), nn.Identity())
    sr, hr = images(1)
    sr.requires_grad_()
    twin = copy.deepcopy(term)
    (gradient,) = torch.autograd.grad(term(sr, hr, nn.Identity()), sr)
    # d/dT of the distance at the averages, sent back through the statistic without average.
    with torch.no_grad():
        ours, truth = (
            describe(x, statistic, twin.averages[of]) for x, of in ((sr, "sr"), (hr, "hr"))
        )
    ours.requires_grad_()
    (pull,) = torch.autograd.grad(compare(ours, truth, statistic), ours)
    (expected,) = torch.autograd.grad(describe(sr, statistic), sr, pull)
    torch.testing.assert_close(gradient, expected)
    assert expected.abs().sum() > 0


@pytest.mark.parametrize("statistic", ["gram", "mean_std", "centred"])
def test_equal_images_cost_nothing_step_after_step(make: Make, statistic: str) -> None:
    term = make(statistic)
    for step in range(4):
        hr = images(step)[0]
        sr = hr.clone().requires_grad_()
        value = term(sr, hr, nn.Identity())
        (gradient,) = torch.autograd.grad(value, sr)
        assert value.item() == 0
        assert (gradient == 0).all()


@pytest.mark.parametrize("statistic", ["gram", "mean_std", "centred"])
def test_the_first_step_is_the_term_without_average(make: Make, statistic: str) -> None:
    torch.testing.assert_close(
        make(statistic)(*images(0), nn.Identity()), StyleTerm(statistic)(*images(0), nn.Identity())
    )


@pytest.mark.parametrize("statistic", ["gram", "mean_std"])
def test_evaluation_judges_each_image_by_itself(make: Make, statistic: str) -> None:
    term = make(statistic)
    for step in range(3):
        term(*images(step), nn.Identity())
    before = copy.deepcopy(term.state_dict())
    plain = StyleTerm(statistic)(*images(5), nn.Identity())
    torch.testing.assert_close(term.eval()(*images(5), nn.Identity()), plain)
    assert all(torch.equal(value, before[name]) for name, value in term.state_dict().items())


def test_with_an_average_even_one_image_has_a_centred_statistic(make: Make) -> None:
    term = make("centred")
    term(*images(0), nn.Identity())
    sr, hr = (x[:1] for x in images(1))
    assert StyleTerm("centred")(sr, hr, nn.Identity()).item() == 0
    assert term.eval()(sr, hr, nn.Identity()).item() > 1e-3


@pytest.mark.parametrize("average", [-0.1, 1.0, float("nan")])
def test_impossible_decays_are_refused(average: float) -> None:
    with pytest.raises(ValueError, match=f"average is {average}; it must be at least 0 and below"):
        StyleTerm(average=average, channels=3)


def test_an_average_needs_the_judges_channels() -> None:
    with pytest.raises(ValueError, match="channels is 0; an average needs"):
        StyleTerm(average=0.9)
