"""What every method promises, whatever its mathematics."""

import io

import pytest
import torch
from torch import Tensor, nn

from mtlsr.objective.anchor import AnchorTerm
from mtlsr.objective.balancing.base import balanced_terms
from mtlsr.objective.balancing.gramian import GramianBalancer
from mtlsr.objective.balancing.losses import LossBalancer
from mtlsr.objective.balancing.table import METHODS, build_balancer
from mtlsr.objective.objective import Objective, Valued
from tests.objective.balancing.pair import TERMS, batch, leave_the_start, stage

DRAWING = ("random", "pcgrad", "gradvac")
BY_GRAMIAN = [name for name, method in METHODS.items() if method.gramian]


class Mean(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean()


class Apart(Mean):
    balanced = False


def statistic(name: str, number: int, count: int = 3) -> Tensor:
    """A Gramian of conflicting gradients, or losses, as the method asks for."""
    generator = torch.Generator().manual_seed(number)
    rows = torch.randn(count, 8, generator=generator)
    rows = rows - 0.9 * rows.mean(dim=0)
    return rows @ rows.T if name in BY_GRAMIAN else rows.square().mean(dim=1)


def chosen(balancer: LossBalancer | GramianBalancer, x: Tensor) -> Tensor:
    """Choose, as a step does."""
    weights = balancer.choose(x)
    balancer.calls += 1
    return weights


CHOOSING = [name for name in METHODS if name not in ("uncertainty", "gradnorm")]
"""Methods whose weights follow from losses, or a Gramian, alone."""


def test_terms_of_weight_zero_and_those_that_ask_for_it_stay_outside():
    terms = {"a": Mean(), "b": Mean(), "c": Apart(), "anchor": AnchorTerm(), "d": Mean()}
    weights = {"a": 1.0, "b": 0.0, "c": 1.0, "anchor": 1.0, "d": 0.1}
    assert balanced_terms(Objective(terms, weights)) == ["a", "d"]
    assert balanced_terms(stage().objective) == list(TERMS)


@pytest.mark.parametrize("names", [[], ["smoothness"]])
@pytest.mark.parametrize("name", METHODS)
def test_less_than_two_terms_are_refused(name, names):
    with pytest.raises(ValueError, match="nothing to balance"):
        build_balancer(name, names)


def test_unknown_values_are_named():
    with pytest.raises(ValueError, match="normalize is 'some'; it is one of sum_to_k, none"):
        build_balancer("upgrad", TERMS, normalize="some")
    with pytest.raises(ValueError, match="form is 'best'; it is one of exact, cheap"):
        build_balancer("upgrad", TERMS, form="best")
    with pytest.raises(ValueError, match=r"balancing\.name is 'luck'; it is one of fixed, uncert"):
        build_balancer("luck", TERMS)
    with pytest.raises(ValueError, match="scale is 'max'; it is one of min, median, rmse"):
        build_balancer("aligned_mtl", TERMS, scale="max")
    with pytest.raises(ValueError, match="c must be non-negative"):
        build_balancer("cagrad", TERMS, c=-1.0)
    with pytest.raises(ValueError, match="alpha is 0; it must be above 0"):
        build_balancer("fairgrad", TERMS, alpha=0)


def test_a_missing_package_is_named(monkeypatch):
    def none_of(package: str) -> object | None:
        return None if package in ("quadprog", "qpsolvers") else object()

    monkeypatch.setattr("mtlsr.objective.balancing.table.find_spec", none_of)
    with pytest.raises(ValueError, match="balancing=upgrad needs the packages") as caught:
        build_balancer("upgrad", TERMS)
    assert str(caught.value).endswith("qpsolvers and quadprog: pip install 'mtlsr[balancing]'")
    assert build_balancer("gradnorm", TERMS).names == TERMS


@pytest.mark.parametrize("name", METHODS)
def test_weights_sum_to_the_number_of_terms(name):
    module = stage(build_balancer(name, TERMS))
    for number in range(3):
        valued = module.evaluate_terms(batch(number))
        weights = torch.stack(list(module.balancer(valued, module.parameters()).weights.values()))
        assert weights.abs().sum().item() == pytest.approx(3, rel=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_terms_outside_are_added_at_their_fixed_weight(name):
    module = stage(build_balancer(name, TERMS))
    leave_the_start(module)
    valued = module.evaluate_terms(batch())
    with_anchor = module.balancer(valued, module.parameters()).total
    without = Valued({n: valued.raw[n] for n in TERMS}, valued.weights, valued.total, valued.shared)
    torch.manual_seed(0)
    again = build_balancer(name, TERMS)
    alone = again(without, module.parameters()).total
    anchored = list(module.network.realism.first_block.anchored().values())
    difference = [
        a - b
        for a, b in zip(
            torch.autograd.grad(with_anchor, anchored, retain_graph=True),
            torch.autograd.grad(alone, anchored, retain_graph=True),
            strict=True,
        )
    ]
    expected = torch.autograd.grad(3 * valued.raw["anchor"], anchored)
    assert max(gradient.abs().max() for gradient in expected) > 1e-5
    for found, right in zip(difference, expected, strict=True):
        torch.testing.assert_close(found, right, atol=1e-6, rtol=1e-4)
    assert (with_anchor - alone).item() == pytest.approx(3 * valued.raw["anchor"].item(), rel=1e-3)


@pytest.mark.parametrize("name", METHODS)
def test_a_step_leaves_the_global_generator_alone(name):
    module = stage(build_balancer(name, TERMS))
    valued = module.evaluate_terms(batch())
    before = torch.get_rng_state()
    module.balancer(valued, module.parameters())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", DRAWING)
def test_draws_follow_from_seed_and_step_alone(name):
    def draws(seed: int, noise: int) -> list[Tensor]:
        balancer = build_balancer(name, list("abcde"), seed=seed)
        found = []
        for _ in range(8):
            torch.manual_seed(noise)
            found.append(chosen(balancer, statistic(name, 3, count=5)))
        return found

    first, again, other = draws(0, 1), draws(0, 2), draws(1, 1)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(first, other, strict=True))
    assert any(not torch.equal(a, first[0]) for a in first)


def restored(name: str, balancer: nn.Module, options: dict[str, int]) -> nn.Module:
    """A new balancer in the state of another, through a file of plain data."""
    file = io.BytesIO()
    torch.save(balancer.state_dict(), file)
    file.seek(0)
    fresh = build_balancer(name, TERMS, **options)
    fresh.load_state_dict(torch.load(file, weights_only=True))
    return fresh


@pytest.mark.parametrize("stopped", [0, 3])
@pytest.mark.parametrize("name", METHODS)
def test_a_restored_balancer_goes_on_to_the_same_bits(name, stopped):
    options = {"interval": 2} if name == "dwa" else {}
    straight = build_balancer(name, TERMS, **options)

    def step(balancer: nn.Module, number: int) -> Tensor:
        x = statistic(name, number)
        if name == "gradnorm":
            balancer.rule.learn(x, statistic(name, number + 100))
        if name == "uncertainty":
            values = [v.clone().requires_grad_() for v in x]
            total, weights = balancer.balance(values, (), ())
            total.backward()
            with torch.no_grad():
                for parameter in balancer.parameters():
                    parameter -= 0.1 * parameter.grad
                    parameter.grad = None
            return weights
        weights = chosen(balancer, x)
        if name == "famo":
            balancer.rule.update(statistic(name, number + 100))
        return weights

    for number in range(stopped):
        step(straight, number)
    second = restored(name, straight, options)
    for number in range(stopped, 5):
        assert torch.equal(step(straight, number), step(second, number))
    assert second.calls == straight.calls


@pytest.mark.parametrize("name", [name for name in CHOOSING if name not in DRAWING])
def test_a_silent_term_does_not_disturb_the_others(name):
    full, fewer = statistic(name, 5, count=4), statistic(name, 5, count=4)
    if name in BY_GRAMIAN:
        full[3], full[:, 3] = 0, 0
        fewer = fewer[:3, :3]
    else:
        full[3] = 0
        fewer = fewer[:3]
    found = build_balancer(name, list("abcd")).choose(full)
    alone = build_balancer(name, list("abc")).choose(fewer)
    assert found[3] == 1
    if name in ("cagrad", "stch"):  # how near is near, and μ, depend on the number of terms
        assert torch.equal(found[:3].argsort(), alone.argsort())
        assert found[:3].sum().item() == pytest.approx(3)
    else:
        torch.testing.assert_close(found[:3], alone, rtol=0.05, atol=1e-3)


@pytest.mark.parametrize("name", CHOOSING)
def test_where_nothing_can_be_weighed_all_terms_count_alike(name):
    balancer = build_balancer(name, TERMS)
    for x in (torch.zeros_like(statistic(name, 0)), statistic(name, 0) * float("nan")):
        assert torch.equal(balancer.choose(x), torch.ones(3))
    assert balancer.choose(statistic(name, 0)).isfinite().all()


@pytest.mark.parametrize("name", METHODS)
def test_a_term_without_any_gradient_stops_nothing(name):
    module = stage(build_balancer(name, TERMS))
    valued = module.evaluate_terms(batch())
    valued.raw["realism"] = torch.zeros(())
    balanced = module.balancer(valued, module.parameters())
    balanced.total.backward()
    assert balanced.weights["realism"] == 1
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients)
    for network in (module.network.realism, module.network.restoration):
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


@pytest.mark.parametrize("reported", [True, False])
@pytest.mark.parametrize("name", METHODS)
def test_a_term_that_has_not_started_is_silent(name, reported):
    """Before it starts it has weight 0, and a value without gradient where it is reported."""
    module = stage(build_balancer(name, TERMS))
    module.objective.starts["realism"] = 1.5  # never
    valued = module.evaluate_terms(batch(), everything=reported)
    assert ("realism" in valued.raw) is reported
    balanced = module.balancer(valued, module.parameters())
    assert balanced.weights["realism"] == 1
    assert sum(balanced.weights.values()).item() == pytest.approx(3, rel=1e-5)
    if module.balancer.looks_back:
        module.balancer.look_back(module.evaluate_terms(batch(), everything=False))
    balanced.total.backward()
    module.objective.starts["realism"] = 0.0
    later = module.balancer(module.evaluate_terms(batch()), module.parameters())
    assert later.total.item() > balanced.total.item() or later.weights["realism"] != 1
