import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from mtlsr.objective.objective import Objective


class Square(nn.Module):
    """Counts how often it is asked."""

    calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x.square().mean()


class Product(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return (x * y).mean()


def objective(square: float, product: float) -> Objective:
    return Objective(
        {"square": Square(), "product": Product()}, {"square": square, "product": product}
    )


def test_the_total_is_the_weighted_sum() -> None:
    x, y = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 5.0])
    valued = objective(2, 0.5)(x=x, y=y)
    assert {name: value.item() for name, value in valued.raw.items()} == {
        "square": 2.5,
        "product": 6.5,
    }
    assert valued.weights == {"square": 2, "product": 0.5}
    assert valued.total.item() == 2 * 2.5 + 0.5 * 6.5
    assert valued.total.shape == ()


@settings(max_examples=25, deadline=None)
@given(st.floats(0, 100), st.floats(1e-3, 100))
def test_value_and_gradient_are_linear_in_the_weights(a: float, b: float) -> None:
    x = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([3.0, 5.0, -1.0], dtype=torch.float64)
    total = objective(a, b)(x=x, y=y).total
    total.backward()
    detached = x.detach()
    assert total.item() == pytest.approx(
        a * detached.square().mean().item() + b * (detached * y).mean().item()
    )
    torch.testing.assert_close(x.grad, (2 * a * detached + b * y) / 3)


def test_a_term_of_weight_zero_that_cannot_be_had_is_left_out() -> None:
    x = torch.tensor([2.0])
    assert objective(1, 0)(x=x, y=None).raw.keys() == {"square"}
    assert objective(1, 0)(x=x, y=x).raw.keys() == {"square", "product"}
    with pytest.raises(TypeError):
        objective(1, 1)(x=x, y=None)
    with pytest.raises(KeyError):
        objective(1, 0)(x=x)


def test_a_term_of_weight_zero_is_reported_without_gradient() -> None:
    x, y = torch.tensor([2.0], requires_grad=True), torch.tensor([3.0], requires_grad=True)
    valued = objective(1, 0)(x=x, y=y)
    assert valued.raw["product"].item() == 6
    assert not valued.raw["product"].requires_grad
    assert valued.raw["square"].requires_grad
    assert valued.total.item() == 4
    valued.total.backward()
    assert x.grad.item() == 4
    assert y.grad is None


def test_a_term_of_weight_zero_is_left_out_where_nothing_is_reported() -> None:
    both = objective(0, 1)
    valued = both(everything=False, x=torch.ones(2), y=torch.ones(2))
    assert list(valued.raw) == ["product"]
    assert valued.weights == {"square": 0, "product": 1}
    assert both.terms["square"].calls == 0
    both(everything=True, x=torch.ones(2), y=torch.ones(2))
    assert both.terms["square"].calls == 1


def test_a_term_of_weight_zero_cannot_spoil_the_total() -> None:
    x = torch.tensor([float("nan")])
    valued = Objective({"square": Square(), "other": Square()}, {"square": 0, "other": 1})(
        x=torch.ones(2)
    )
    assert valued.total.item() == 1
    spoiled = Objective({"square": Square(), "product": Product()}, {"square": 1, "product": 0})
    assert spoiled(x=torch.ones(1), y=x).total.item() == 1


def test_a_term_has_no_weight_before_it_starts() -> None:
    both = Objective(
        {"square": Square(), "product": Product()},
        {"square": 2, "product": 0.5},
        starts={"product": 0.25},
    )
    x, y = torch.tensor([2.0], requires_grad=True), torch.tensor([3.0])
    early = both(progress=0.24, x=x, y=y)
    assert early.weights == {"square": 2, "product": 0}
    assert early.total.item() == 8
    assert early.raw["product"].item() == 6
    assert not early.raw["product"].requires_grad
    assert list(both(False, 0.24, x=x, y=y).raw) == ["square"]
    for valued in (both(progress=0.25, x=x, y=y), both(x=x, y=y)):
        assert valued.weights == {"square": 2, "product": 0.5}
        assert valued.total.item() == 11
    assert both.weights == {"square": 2, "product": 0.5}


def test_terms_may_say_more_than_their_value() -> None:
    class Talking(Square):
        def details(self, x: Tensor) -> dict[str, Tensor]:
            assert not torch.is_grad_enabled()
            return {"largest": x.max()}

    both = Objective({"talking": Talking(), "square": Square()}, {"talking": 1, "square": 0})
    x = torch.tensor([1.0, 3.0], requires_grad=True)
    assert {k: v.item() for k, v in both(x=x).details.items()} == {"talking/largest": 3}
    assert both(everything=False, x=x).details == {}


def test_without_gradient_nothing_has_a_gradient() -> None:
    x = torch.ones(2, requires_grad=True)
    with torch.no_grad():
        valued = objective(1, 1)(x=x, y=x)
    assert not valued.total.requires_grad
    assert not any(raw.requires_grad for raw in valued.raw.values())


def test_what_no_term_asks_for_is_ignored() -> None:
    valued = Objective({"square": Square()}, {"square": 1})(x=torch.ones(2), hr=None)
    assert valued.total.item() == 1


def test_what_a_term_misses_is_named() -> None:
    with pytest.raises(KeyError, match="y"):
        objective(1, 1)(x=torch.ones(2))


def test_what_a_left_out_term_misses_does_not_matter() -> None:
    assert objective(1, 0)(everything=False, x=torch.ones(2)).total.item() == 1


def test_parameters_of_terms_are_the_objectives() -> None:
    class Learnt(Square):
        def __init__(self) -> None:
            super().__init__()
            self.discriminator = nn.Linear(2, 1)

    total = Objective({"learnt": Learnt()}, {"learnt": 1})
    assert len(list(total.parameters())) == 2


@pytest.mark.parametrize("weight", [-1, -1e-9, float("nan"), float("inf"), float("-inf")])
def test_a_weight_that_is_negative_or_not_finite_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match=f"the weight of product is {weight}; it must be finite"):
        objective(1, weight)


def test_nothing_to_train_is_refused() -> None:
    with pytest.raises(ValueError, match="every weight of square, product is 0"):
        objective(0, 0.0)


@pytest.mark.parametrize("weights", [{}, {"square": 1, "other": 1}, {"sqare": 1}])
def test_weights_of_other_names_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"terms are \['square'\], weights are"):
        Objective({"square": Square()}, weights)


class Talkative(Square):
    def details(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        return {"largest": (x * y).max(), "smallest": (x * y).min()}


def test_what_terms_say_beside_their_value_goes_by_their_name() -> None:
    terms = {"square": Talkative(), "product": Product(), "unused": Talkative()}
    total = Objective(terms, {"square": 1, "product": 1, "unused": 0})
    x, y = torch.tensor([2.0, -1.0], requires_grad=True), torch.tensor([3.0, 5.0])
    said = total(x=x, y=y).details
    assert {name: value.item() for name, value in said.items()} == {
        "square/largest": 6,
        "square/smallest": -5,
        "unused/largest": 6,
        "unused/smallest": -5,
    }
    assert not any(value.requires_grad for value in said.values())


def test_nothing_is_said_where_nothing_is_reported() -> None:
    total = Objective({"square": Talkative()}, {"square": 1})
    assert total(everything=False, x=torch.ones(2)).details == {}
