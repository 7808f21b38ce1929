"""Gramian methods: TorchJD's own updates, on the real two networks, whatever the form."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor, nn
from torchjd.aggregation import (
    IMTLG,
    MGDA,
    AlignedMTL,
    CAGrad,
    DualProj,
    FairGrad,
    GradVac,
    PCGrad,
    UPGrad,
)
from torchjd.autojac import jac_to_grad, mtl_backward

from mtlsr.errors import UserError
from mtlsr.objective.balancing.gramian import GramianBalancer, WeightingRule
from mtlsr.objective.balancing.table import METHODS, build_balancer
from mtlsr.objective.objective import Valued
from tests.objective.balancing.pair import NETWORKS, TERMS, batch, leave_the_start, stage

GRAMIAN = [name for name, method in METHODS.items() if method.gramian]
AGGREGATORS = {
    "pcgrad": PCGrad(),
    "gradvac": GradVac(),
    "mgda": MGDA(),
    "imtl_g": IMTLG(),
    "aligned_mtl": AlignedMTL(),
    "cagrad": CAGrad(c=0.4),
    "upgrad": UPGrad(),
    "dualproj": DualProj(),
    "fairgrad": FairGrad(alpha=1.0),
}
"""All but nash_mtl, whose own limit on the norm is off here."""


class Given(WeightingRule):
    """Weights that are known beforehand."""

    def __init__(self, *weights: float) -> None:
        super().__init__(lambda gramian: torch.tensor(weights))


def rows(number: int = 0, count: int = 3) -> Tensor:
    """Gradients that conflict."""
    found = torch.randn(count, 8, generator=torch.Generator().manual_seed(number))
    return found - 0.9 * found.mean(dim=0)


def gradients_of(module: nn.Module) -> dict[str, Tensor]:
    return {name: p.grad for name, p in module.named_parameters() if p.grad is not None}


def backward(module: nn.Module, number: int = 0) -> dict[str, Tensor]:
    valued = module.evaluate_terms(batch(number))
    module.balancer(valued, module.parameters()).total.backward()
    return gradients_of(module)


@pytest.mark.parametrize("start", ["start", "later"])
@pytest.mark.parametrize("pair", NETWORKS)
def test_the_exact_form_is_torchjd_s_own_update(pair, start):
    module = stage(build_balancer("upgrad", TERMS, normalize="none"), pair)
    theirs = stage(pair=pair)
    for one in (module, theirs):
        if start == "later":
            leave_the_start(one)
    found = backward(module)

    valued = theirs.evaluate_terms(batch())
    losses = [valued.weights[name] * valued.raw[name] for name in TERMS]
    mtl_backward(losses, features=list(valued.shared), retain_graph=True)
    shared = [p for p in theirs.parameters() if getattr(p, "jac", None) is not None]
    jac_to_grad(shared, UPGrad())
    (3 * valued.raw["anchor"]).backward()
    expected = gradients_of(theirs)
    assert found.keys() == expected.keys()
    assert len(shared) > 5
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("name", AGGREGATORS)
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_weights_are_those_of_torchjd_s_aggregator(name, scale):
    balancer = build_balancer(name, TERMS, normalize="none")
    matrix = scale * rows()
    with balancer.drawing():  # both draw the same
        expected = AGGREGATORS[name](matrix)
    found = balancer.choose(matrix @ matrix.T) @ matrix
    torch.testing.assert_close(found, expected, rtol=2e-3, atol=2e-3 * scale)
    if name == "gradvac":
        AGGREGATORS[name].reset()


def test_nash_weights_solve_the_bargain():
    matrix = rows()
    gramian = matrix @ matrix.T
    weights = build_balancer("nash_mtl", TERMS, normalize="none").choose(gramian)
    product = (gramian @ weights * weights).numpy()  # G w = c / w
    np.testing.assert_allclose(product, product.mean(), rtol=0.02)


@pytest.mark.parametrize("name", GRAMIAN)
def test_small_gradients_are_weighed_like_large_ones(name):
    gramian = rows() @ rows().T
    expected = build_balancer(name, TERMS).choose(gramian)
    for scale in (1e-12, 1e12):
        found = build_balancer(name, TERMS).choose(scale * gramian)
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["upgrad", "dualproj"])
def test_projected_gradients_harm_no_term(name):
    for number in range(10):
        matrix = rows(number)
        gramian = matrix @ matrix.T
        progress = gramian @ build_balancer(name, TERMS).choose(gramian)
        assert (progress > -1e-2 * gramian.diagonal().mean()).all()
        assert (gramian.sum(dim=1) < -1e-2).any() or number


def test_mgda_finds_the_shortest_convex_combination():
    matrix = rows().double().numpy()
    weights = build_balancer("mgda", TERMS).choose(rows() @ rows().T).numpy() / 3
    found = minimize(
        lambda w: np.sum((w @ matrix) ** 2),
        np.ones(3) / 3,
        bounds=[(0, 1)] * 3,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
    )
    assert np.linalg.norm(weights @ matrix) == pytest.approx(np.sqrt(found.fun), rel=0.01)


@pytest.mark.parametrize("name", GRAMIAN)
def test_gradients_that_only_oppose_each_other_give_bounded_weights(name):
    matrix = rows()
    matrix[2] = -matrix[0] - matrix[1]
    weights = build_balancer(name, TERMS).choose(matrix @ matrix.T)
    assert weights.isfinite().all()
    assert weights.abs().max() <= 3.01


@pytest.mark.parametrize("form", ["exact", "cheap"])
@pytest.mark.parametrize("pair", NETWORKS)
def test_equal_weights_give_the_gradient_of_the_plain_sum(pair, form):
    module = stage(GramianBalancer(TERMS, Given(1, 1, 1), form), pair)
    plain = stage(pair=pair)
    for one in (module, plain):
        leave_the_start(one)
    found = backward(module)
    valued = plain.evaluate_terms(batch())
    valued.total.backward()
    expected = gradients_of(plain)
    assert found.keys() == expected.keys()  # what nothing reaches has no gradient here, either
    assert len(expected) < len(list(plain.parameters()))
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-6, rtol=1e-3)


@pytest.mark.parametrize("form", ["exact", "cheap"])
def test_a_term_outside_keeps_its_way_through_both_networks(form):
    module, plain = stage(GramianBalancer(TERMS[:2], Given(1, 1), form)), stage()
    found = backward(module)
    plain.evaluate_terms(batch()).total.backward()
    for name, gradient in gradients_of(plain).items():
        torch.testing.assert_close(found[name], gradient, atol=1e-6, rtol=1e-3)


@pytest.mark.parametrize("pair", NETWORKS)
def test_both_forms_deliver_what_the_weights_say(pair):
    found = []
    for form in ("exact", "cheap"):
        module = stage(GramianBalancer(TERMS, Given(0.2, 0.9, 1.9), form), pair)
        leave_the_start(module)
        found.append(backward(module))
    exact, cheap = found
    assert exact.keys() == cheap.keys()
    for name, gradient in exact.items():
        torch.testing.assert_close(cheap[name], gradient, atol=1e-6, rtol=1e-3)


def test_heads_get_the_plain_sum_and_the_trunk_the_weighted_one():
    found = {}
    for weights in ((1, 1, 1), (3, 0, 0)):
        module = stage(GramianBalancer(TERMS, Given(*weights)))
        found[weights] = backward(module)
    heads = [
        name for name in found[1, 1, 1] if ".texture." in name or ".restoration.structure" in name
    ]
    assert len(heads) == 4
    for name, gradient in found[1, 1, 1].items():
        same = torch.allclose(gradient, found[3, 0, 0][name], atol=1e-7)
        assert same is (name in heads or ".fuse." in name)


@pytest.mark.parametrize("form", ["exact", "cheap"])
def test_a_divided_loss_divides_the_gradients(form):
    found = []
    for share in (1, 4):
        module = stage(build_balancer("upgrad", TERMS, form=form))
        for _ in range(share):
            valued = module.evaluate_terms(batch())
            (module.balancer(valued, module.parameters()).total / share).backward()
        found.append(gradients_of(module))
    for name, gradient in found[0].items():
        torch.testing.assert_close(found[1][name], gradient)


@pytest.mark.parametrize("form", ["exact", "cheap"])
@pytest.mark.parametrize("name", GRAMIAN)
def test_bfloat16_outside_stays_outside(name, form):
    module = stage(build_balancer(name, TERMS, form=form))
    seen, rule = [], module.balancer.rule
    weighting = rule.weighting

    def watched(x: Tensor) -> Tensor:
        seen.append((x.dtype, torch.is_autocast_enabled("cpu")))
        return weighting(x)

    rule.weighting = watched
    with torch.autocast("cpu", torch.bfloat16):
        valued = module.evaluate_terms(batch())
        assert valued.shared[0].dtype == torch.bfloat16
        balanced = module.balancer(valued, module.parameters())
    assert seen == [(torch.float32, False)]
    assert balanced.total.dtype == torch.float32
    balanced.total.backward()
    assert all(gradient.isfinite().all() for gradient in gradients_of(module).values())


@pytest.mark.parametrize("form", ["exact", "cheap"])
def test_a_frozen_stage_one_is_balanced_around(form):
    module = stage(build_balancer("upgrad", TERMS, form=form), freeze=True)
    found = backward(module)
    assert found
    assert all(name.startswith("network.restoration") for name in found)


def around() -> tuple[Valued, list[nn.Parameter]]:
    """Two terms, the second of which reaches the trunk past the shared maps, too."""
    a, b = (nn.Parameter(torch.tensor([1.0, 2.0])) for _ in range(2))
    shared = 3 * a
    raw = {"x": (shared * b).sum(), "y": shared.square().sum() + a.sum()}
    return Valued(raw, {"x": 1.0, "y": 1.0}, torch.zeros(()), (shared,)), [a, b]


def test_the_cheap_form_refuses_terms_that_go_around_the_shared_maps():
    valued, parameters = around()
    with pytest.raises(UserError, match="y also reaches shared weights past the shared maps"):
        build_balancer("upgrad", "xy", form="cheap")(valued, parameters)
    GramianBalancer("xy", Given(1, 1))(valued, parameters).total.backward()
    # x: 3b, y: 2 · 3 · 3a + 1
    assert parameters[0].grad.tolist() == [3 + 19, 6 + 37]
    assert parameters[1].grad.tolist() == [3, 6]


def test_the_cheap_form_looks_at_a_term_when_it_starts():
    valued, parameters = around()
    balancer = build_balancer("upgrad", "xyz", form="cheap")
    valued.weights["z"], valued.raw["z"] = 1.0, (valued.shared[0] * parameters[1]).mean()
    late = replace(valued, weights=valued.weights | {"y": 0.0})
    balancer(late, parameters)
    with pytest.raises(UserError, match="y also reaches shared weights past the shared maps"):
        balancer(valued, parameters)


def test_the_cheap_form_refuses_shared_maps_that_build_on_each_other():
    a, b = (nn.Parameter(torch.tensor([1.0, 2.0])) for _ in range(2))
    first = 3 * a
    second = first * b
    raw = {"x": second.sum(), "y": (first + second).square().sum()}
    valued = Valued(raw, {"x": 1.0, "y": 1.0}, torch.zeros(()), (first, second))
    with pytest.raises(UserError, match="one shared map is computed from another"):
        build_balancer("mgda", "xy", form="cheap")(valued, [a, b])
    GramianBalancer("xy", Given(1, 1))(valued, [a, b]).total.backward()
    (expected,) = torch.autograd.grad(raw["x"] + raw["y"], [a], retain_graph=True)
    assert torch.equal(a.grad, expected)


def test_nothing_shared_is_refused():
    a = nn.Parameter(torch.ones(2))
    raw = {"x": a.sum(), "y": a.square().sum()}
    with pytest.raises(UserError, match="no trained parameter is shared"):
        build_balancer("mgda", "xy")(Valued(raw, {"x": 1.0, "y": 1.0}, a.sum(), ()), [a])
