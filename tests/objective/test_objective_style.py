import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mtlsr.objective.style import (
    centred,
    describe,
    gram,
    mean_std,
    norm_distance,
    relative_distance,
    style_distance,
)
from tests import by_hand

PER_IMAGE = ["gram", "mean_std"]
STATISTICS = [*PER_IMAGE, "centred"]
FUNCTIONS = {"gram": gram, "mean_std": mean_std, "centred": centred}


def maps(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def described(features: Tensor, statistic: str) -> np.ndarray:
    found = by_hand.statistic(features.numpy(), statistic)
    return by_hand.centre(found) if statistic == "centred" else found


# ---- statistics ----------------------------------------------------------------------------------


@pytest.mark.parametrize("statistic", STATISTICS)
def test_statistics_agree_with_numpy(statistic: str) -> None:
    features = maps(2, 5, 7, 6) - 0.3
    expected = described(features, statistic)
    found = FUNCTIONS[statistic](features)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)
    np.testing.assert_allclose(FUNCTIONS[statistic](features.float()), expected, atol=1e-6)
    assert torch.equal(describe(features, statistic), found)


@pytest.mark.parametrize("statistic", STATISTICS)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), height=st.integers(1, 6), width=st.integers(1, 6))
def test_statistics_do_not_see_where_a_pixel_stands(
    statistic: str, seed: int, height: int, width: int
) -> None:
    features = maps(2, 3, height, width, seed=seed)
    order = torch.randperm(height * width, generator=torch.Generator().manual_seed(seed))
    shuffled = features.flatten(2)[..., order].reshape(features.shape)
    torch.testing.assert_close(describe(shuffled, statistic), describe(features, statistic))


@pytest.mark.parametrize("statistic", STATISTICS)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), count=st.integers(1, 4))
def test_statistics_follow_the_order_of_images_and_of_channels(
    statistic: str, seed: int, count: int
) -> None:
    features = maps(count, 3, 4, 5, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    images, channels = (torch.randperm(n, generator=generator) for n in (count, 3))
    once = describe(features, statistic)[images][..., channels]
    if statistic == "gram":
        once = once[:, channels]
    again = describe(features[images][:, channels], statistic)
    torch.testing.assert_close(again, once)


@settings(max_examples=20, deadline=None)
@given(st.floats(-5, 5), st.floats(0.1, 3))
def test_what_an_offset_and_a_factor_do_to_each_statistic(offset: float, factor: float) -> None:
    features = maps(3, 4, 5, 6)
    moved = factor * features + offset
    torch.testing.assert_close(gram(moved), factor**2 * gram(features))
    torch.testing.assert_close(centred(moved), factor * centred(features))
    mean, deviation = mean_std(features).unbind(dim=1)
    found = mean_std(moved).unbind(dim=1)
    torch.testing.assert_close(found[0], factor * mean + offset)
    torch.testing.assert_close(found[1], factor * deviation, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("statistic", STATISTICS)
def test_statistics_are_means_over_the_patch(statistic: str) -> None:
    features = maps(2, 3, 4, 5)
    tiled = describe(features.repeat(1, 1, 3, 2), statistic)
    torch.testing.assert_close(tiled, describe(features, statistic))


@pytest.mark.parametrize("statistic", STATISTICS)
def test_statistics_stay_in_float32_under_autocast(statistic: str) -> None:
    features = maps(2, 8, 16, 16).float()
    expected = describe(features, statistic)
    with torch.autocast("cpu", torch.bfloat16):
        inside = describe(features, statistic)
        raised = describe(features.bfloat16(), statistic)
    assert inside.dtype == raised.dtype == torch.float32
    assert torch.equal(inside, expected)


@pytest.mark.parametrize("statistic", STATISTICS)
def test_statistics_keep_float64(statistic: str) -> None:
    assert describe(maps(1, 2, 3, 3), statistic).dtype == torch.float64


def test_centred_statistics_add_up_to_nothing_and_one_image_has_none() -> None:
    torch.testing.assert_close(centred(maps(4, 3, 5, 5)).sum(dim=0), torch.zeros(3).double())
    assert (centred(maps(1, 3, 5, 5)) == 0).all()


# ---- distances -----------------------------------------------------------------------------------


@pytest.mark.parametrize("statistic", STATISTICS)
def test_style_distance_agrees_with_numpy(statistic: str) -> None:
    a, b = maps(2, 4, 6, 5, seed=1), maps(2, 4, 6, 5, seed=2) ** 2
    expected = by_hand.style(*(described(x, statistic) for x in (a, b)), statistic)
    assert expected > 1e-4
    assert style_distance(a, b, statistic).shape == ()
    assert style_distance(a, b, statistic).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("statistic", STATISTICS)
def test_style_distance_has_the_right_gradient(statistic: str) -> None:
    a, b = maps(2, 3, 4, 3, seed=1).requires_grad_(), maps(2, 3, 4, 3, seed=2).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, y: style_distance(x, y, statistic), (a, b))


@pytest.mark.parametrize("statistic", PER_IMAGE)
def test_style_distance_compares_image_by_image(statistic: str) -> None:
    a, b = maps(2, 3, 5, 5, seed=1), maps(2, 3, 5, 5, seed=2)
    each = [style_distance(a[i : i + 1], b[i : i + 1], statistic) for i in range(2)]
    torch.testing.assert_close(style_distance(a, b, statistic), sum(each) / 2)


@pytest.mark.parametrize("statistic", STATISTICS)
def test_two_batches_of_the_same_images_in_another_order_are_not_of_one_style(
    statistic: str,
) -> None:
    a = maps(2, 3, 5, 5, seed=1)
    assert style_distance(a, a.flip(0), statistic) > 1e-5


@pytest.mark.parametrize("statistic", STATISTICS)
def test_style_distance_is_a_mean_over_batch_and_patch(statistic: str) -> None:
    a, b = maps(2, 3, 4, 6, seed=1), maps(2, 3, 4, 6, seed=2)
    once = style_distance(a, b, statistic)
    again = style_distance(a.repeat(3, 1, 2, 2), b.repeat(3, 1, 2, 2), statistic)
    torch.testing.assert_close(again, once)


@pytest.mark.parametrize("statistic", PER_IMAGE)
def test_style_distance_does_not_depend_on_how_large_the_judges_features_are(
    statistic: str,
) -> None:
    a, b = maps(2, 3, 5, 5, seed=1), maps(2, 3, 5, 5, seed=2)
    torch.testing.assert_close(
        style_distance(30 * a, 30 * b, statistic),
        style_distance(a, b, statistic),
        rtol=1e-4,
        atol=0,
    )


@pytest.mark.parametrize("statistic", PER_IMAGE)
def test_style_distance_grows_with_the_square_at_first_and_in_proportion_at_last(
    statistic: str,
) -> None:
    b = maps(1, 3, 5, 5)
    order = 2 if statistic == "gram" else 1  # in the features; mean and deviation are of the first
    near = [style_distance((1 + x) * b, b, statistic) for x in (1e-3, 2e-3)]
    assert (near[1] / near[0]).item() == pytest.approx(4, rel=0.02)
    far = [style_distance(x * b, b, statistic) for x in (1e3, 2e3)]
    assert (far[1] / far[0]).item() == pytest.approx(2**order, rel=0.02)


@settings(max_examples=20, deadline=None)
@given(st.floats(1e-3, 1e3))
def test_the_norm_of_centred_features_is_not_squared(factor: float) -> None:
    a, b = maps(3, 4, 5, 5, seed=1), maps(3, 4, 5, 5, seed=2)
    once = style_distance(a, b, "centred")
    torch.testing.assert_close(style_distance(b + factor * (a - b), b, "centred"), factor * once)


@settings(max_examples=20, deadline=None)
@given(st.floats(-5, 5))
def test_what_all_images_have_in_common_is_not_seen_by_centred(offset: float) -> None:
    a, b = maps(3, 4, 5, 5, seed=1), maps(3, 4, 5, 5, seed=2)
    once = style_distance(a, b, "centred")
    torch.testing.assert_close(style_distance(a + offset, b, "centred"), once)


@pytest.mark.parametrize("distance", [relative_distance, norm_distance])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_statistics_are_at_distance_zero_with_gradient_zero(distance, dtype) -> None:
    b = maps(3, 4).to(dtype)
    a = b.clone().requires_grad_()
    value = distance(a, b)
    value.backward()
    assert value.item() == 0
    assert a.grad is not None
    assert (a.grad == 0).all()


@pytest.mark.parametrize("gap", [1e-3, 1e-10, 1e-25, 1e-40])
def test_the_norms_gradient_stays_a_unit_vector_or_nothing_close_to_zero(gap: float) -> None:
    a = torch.full((2, 4), gap, requires_grad=True)
    norm_distance(a, torch.zeros(2, 4)).backward()
    assert a.grad is not None
    assert a.grad.isfinite().all()
    assert (2 * a.grad).norm(dim=1).max() <= 1 + 1e-6


def test_an_original_without_features_leaves_the_distance_finite() -> None:
    nothing = torch.zeros(1, 3, 4, 4)
    ours = torch.rand(1, 3, 4, 4, requires_grad=True)
    value = style_distance(ours, nothing)
    value.backward()
    assert value.isfinite()
    assert ours.grad.isfinite().all()
    assert style_distance(nothing, nothing).item() == 0
