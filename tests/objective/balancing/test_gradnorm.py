"""GradNorm on problems whose answer is known."""

import pytest
import torch

from mtlsr.objective.balancing.gradnorm import LEAST, GradientNorms
from mtlsr.objective.balancing.table import build_balancer
from mtlsr.objective.objective import Valued


def test_without_alpha_weighted_gradients_become_equally_long():
    rule = GradientNorms(3, alpha=0, lr=0.01)
    norms = torch.tensor([1.0, 2.0, 4.0])
    for _ in range(300):
        rule.learn(torch.tensor([0.3, 0.2, 0.1]), norms)
    expected = 3 * (1 / norms) / (1 / norms).sum()
    torch.testing.assert_close(rule.weights, expected, atol=0.03, rtol=0)


def test_a_term_that_has_fallen_less_pulls_harder():
    """At rest w_i is between r_i^α and what the others' r_j^α leave of the sum."""
    rule = GradientNorms(2, alpha=1.5, lr=0.005)
    rule.learn(torch.tensor([1.0, 1.0]), torch.ones(2))
    losses = torch.tensor([0.8, 0.4])
    for _ in range(600):
        rule.learn(losses, torch.ones(2))
    slow, fast = ((losses / losses.mean()) ** 1.5).tolist()
    assert 2 - fast - 0.01 <= rule.weights[0].item() <= slow + 0.01


def test_the_direction_is_the_gradient_of_the_paper_s_loss():
    norms, losses = torch.tensor([1.0, 3.0, 0.5]), torch.tensor([0.5, 0.9, 0.7])
    rule = GradientNorms(3, alpha=0.5)
    rule.learn(torch.ones(3), norms)
    before = rule.weights.clone().requires_grad_()
    lengths = before * norms
    target = (lengths.mean() * (losses / losses.mean()) ** 0.5).detach()
    (expected,) = torch.autograd.grad((lengths - target).abs().sum(), before)
    rule.learn(losses, norms)
    torch.testing.assert_close(rule.weights.grad, expected)


def test_weights_stay_positive_and_sum_to_their_number():
    rule = GradientNorms(2, alpha=0, lr=0.5)
    for _ in range(20):
        rule.learn(torch.ones(2), torch.tensor([1.0, 1e6]))
        assert (rule.weights >= 0.4 * LEAST).all()
        assert rule.weights.sum().item() == pytest.approx(2)


def test_silent_terms_keep_their_weight_and_their_beginning():
    rule = GradientNorms(3)
    rule.learn(torch.tensor([0.5, 0.0, 0.2]), torch.tensor([1.0, 0.0, 2.0]))
    assert rule.first.tolist() == pytest.approx([0.5, 0.0, 0.2])
    assert rule.weights.isfinite().all()
    rule.learn(torch.tensor([0.5, 0.3, 0.2]), torch.tensor([1.0, 1.0, 2.0]))
    assert rule.first.tolist() == pytest.approx([0.5, 0.3, 0.2])
    rule.learn(torch.tensor([float("nan"), 0.3, 0.2]), torch.ones(3))
    assert rule.weights.isfinite().all()


def test_norms_are_those_at_the_shared_maps():
    x = torch.ones(4, requires_grad=True)
    shared = 2 * x
    raw = {"a": (3 * shared).sum(), "b": shared.mean()}
    balancer = build_balancer("gradnorm", ["a", "b"], alpha=0)
    seen = []
    balancer.rule.learn = lambda losses, norms: seen.append((losses, norms))
    balanced = balancer(Valued(raw, {"a": 1.0, "b": 2.0}, torch.zeros(()), (shared,)), [])
    ((losses, norms),) = seen
    assert losses.tolist() == [24, 4]
    assert norms.tolist() == [6, 1]
    (gradient,) = torch.autograd.grad(balanced.total, x)
    assert gradient.tolist() == [7, 7, 7, 7]
