import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from mtlsr.networks.blocks import (
    FiLM,
    ResidualUnit,
    centred,
    check_at_least,
    check_each_at_least,
    crop_like,
)


def test_residual_unit_is_its_formula() -> None:
    torch.manual_seed(0)
    unit = ResidualUnit(5).double()
    x = torch.randn(2, 5, 7, 6, dtype=torch.float64)
    inner = F.conv2d(x, unit.expand.weight, unit.expand.bias, padding=1).clamp(min=0)
    expected = x + F.conv2d(inner, unit.project.weight, unit.project.bias, padding=1)
    torch.testing.assert_close(unit(x), expected)


def test_a_chain_of_residual_units_starts_near_the_identity() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 16, 24, 24)
    chain = torch.nn.Sequential(*(ResidualUnit(16) for _ in range(8)))
    change = (chain(x) - x).std() / x.std()
    assert 0 < change < 0.5


def test_modulation_starts_as_the_identity() -> None:
    x, vector = torch.randn(2, 4, 3, 5), torch.randn(2, 6)
    assert torch.equal(FiLM(6, 4)(x, vector), x)


def test_modulation_reads_the_vector_and_does_not_write_it() -> None:
    modulation = FiLM(2, 3)
    torch.nn.init.normal_(modulation.linear.weight)
    x, vector = torch.randn(2, 3, 4, 5), torch.randn(2, 2, requires_grad=True)
    modulation(x, vector).sum().backward()
    assert vector.grad is None
    assert modulation.linear.weight.grad is not None


def test_modulation_scales_and_shifts_each_channel_of_each_image() -> None:
    modulation = FiLM(2, 3)
    with torch.no_grad():
        modulation.linear.weight.copy_(torch.arange(12.0).reshape(6, 2))
        modulation.linear.bias.copy_(torch.arange(6.0) / 10)
    x, vector = torch.randn(2, 3, 4, 5), torch.tensor([[1.0, 0.0], [0.5, -1.0]])
    said = vector @ modulation.linear.weight.T + modulation.linear.bias
    y = modulation(x, vector)
    for image in range(2):
        for channel in range(3):
            gamma, beta = said[image, channel], said[image, 3 + channel]
            expected = x[image, channel] * (1 + gamma) + beta
            torch.testing.assert_close(y[image, channel], expected)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9))
def test_half_and_double_again_crops_to_the_first_size(height: int, width: int) -> None:
    x = torch.rand(1, 2, height, width)
    doubled = F.interpolate(F.max_pool2d(x, 2, ceil_mode=True), scale_factor=2)
    cropped = crop_like(doubled, x)
    assert cropped.shape == x.shape
    assert torch.equal(cropped, doubled[..., :height, :width])


def test_centred_puts_grey_at_zero() -> None:
    assert centred(torch.tensor([0.0, 0.5, 1.0])).tolist() == [-0.5, 0.0, 0.5]


def test_check_at_least_names_the_value_and_what_is_allowed() -> None:
    check_at_least("first", 1, 1)
    with pytest.raises(ValueError, match="first is 0; it must be at least 1"):
        check_at_least("first", 0, 1)


@pytest.mark.parametrize("values", [[8, 0], [8, -1], 8, "88", [8.0], ["8"], None, [True]])
def test_check_each_refuses_what_is_no_list_of_sizes(values: object) -> None:
    check_each_at_least("widths", [8, 1], 1)
    check_each_at_least("widths", (), 1)
    with pytest.raises(ValueError, match=r"widths is .*; it must be a list of whole numbers"):
        check_each_at_least("widths", values, 1)
