import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mtlsr.networks.realism_seed import SeedFirstBlock
from mtlsr.objective.anchor import AnchorTerm, anchor, drift


def tensors(seed: int, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = {"expand": (4, 3, 3, 3), "project": (2, 4, 1, 1)}
    return {
        name: torch.randn(*shape, generator=generator, dtype=dtype)
        for name, shape in shapes.items()
    }


def test_it_is_the_mean_over_all_numbers() -> None:
    weights, ideal = tensors(1), tensors(2)
    differences = [(weights[name] - ideal[name]).numpy().ravel() for name in weights]
    expected = np.mean(np.concatenate(differences) ** 2)
    assert AnchorTerm()(weights=weights, ideal=ideal).item() == pytest.approx(expected)
    assert anchor(weights, ideal).shape == ()


def test_names_and_not_their_order_pair_the_tensors() -> None:
    weights, ideal = tensors(1), tensors(2)
    backwards = dict(reversed(ideal.items()))
    assert list(backwards) != list(weights)
    torch.testing.assert_close(anchor(weights, backwards), anchor(weights, ideal))


@settings(max_examples=20, deadline=None)
@given(st.floats(-10, 10))
def test_an_offset_costs_its_square_whatever_the_shapes(offset: float) -> None:
    weights = tensors(1)
    ideal = {name: x - offset for name, x in weights.items()}
    assert anchor(weights, ideal).item() == pytest.approx(offset**2, abs=1e-12)


def test_the_gradient_is_right() -> None:
    ideal = tensors(2)
    leaves = tuple(x.requires_grad_() for x in tensors(1).values())
    assert torch.autograd.gradcheck(
        lambda *xs: anchor(dict(zip(ideal, xs, strict=True)), ideal), leaves
    )


def test_at_the_ideal_it_is_zero_with_gradient_zero() -> None:
    block = SeedFirstBlock(4, 2)
    reference = copy.deepcopy(block).requires_grad_(False)
    value = anchor(block.anchored(), reference.anchored())
    value.backward()
    assert value.item() == 0
    for weight in block.anchored().values():
        assert weight.grad is not None
        assert (weight.grad == 0).all()


def test_it_pulls_the_live_weights_back_and_them_alone() -> None:
    block = SeedFirstBlock(4, 2)
    reference = copy.deepcopy(block).requires_grad_(False)
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.add_(1)
    value = anchor(block.anchored(), reference.anchored())
    value.backward()
    assert value.item() == pytest.approx(1, abs=1e-5)
    pulled = {id(p) for p in block.parameters() if p.grad is not None}
    assert pulled == set(map(id, block.anchored().values()))
    total = sum(weight.numel() for weight in block.anchored().values())
    for weight in block.anchored().values():
        torch.testing.assert_close(
            weight.grad, torch.full_like(weight, 2 / total), rtol=1e-4, atol=0
        )
    assert all(parameter.grad is None for parameter in reference.parameters())


def test_tensors_of_other_names_are_refused() -> None:
    weights, ideal = tensors(1), tensors(2)
    ideal["other"] = ideal.pop("project")
    with pytest.raises(ValueError, match=r"\['expand', 'other'\].*\['expand', 'project'\]"):
        AnchorTerm()(weights, ideal)


# ---- drift ---------------------------------------------------------------------------------------


def test_drift_is_the_relative_distance_of_each_tensor() -> None:
    weights, ideal = tensors(1), tensors(2)
    found = drift(weights, ideal)
    assert set(found) == {"expand", "project"}
    for name, value in found.items():
        a, b = weights[name].numpy(), ideal[name].numpy()
        assert value.item() == pytest.approx(np.linalg.norm(a - b) / np.linalg.norm(b), abs=1e-9)
        assert value.shape == ()
    assert all(value == 0 for value in drift(ideal, ideal).values())


@settings(max_examples=20, deadline=None)
@given(st.floats(-3, 3), st.floats(1e-3, 1e3))
def test_drift_does_not_depend_on_how_large_weights_are(share: float, size: float) -> None:
    ideal = {name: size * x for name, x in tensors(1).items()}
    moved = {name: (1 + share) * x for name, x in ideal.items()}
    for value in drift(moved, ideal).values():
        assert value.item() == pytest.approx(abs(share), abs=1e-9)


def test_weights_that_started_at_zero_drift_finitely() -> None:
    nothing = {"expand": torch.zeros(2, 3)}
    assert drift(nothing, nothing)["expand"] == 0
    assert drift({"expand": torch.ones(2, 3) * 1e-8}, nothing)["expand"].isfinite()


def test_the_term_tells_the_drift_of_each_layer() -> None:
    weights, ideal = tensors(1), tensors(2)
    said = AnchorTerm().details(weights, ideal)
    assert set(said) == {"drift/expand", "drift/project"}
    assert torch.equal(said["drift/expand"], drift(weights, ideal)["expand"])
