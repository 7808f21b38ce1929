"""Methods that look at losses, against the formulas of their papers in NumPy."""

import numpy as np
import pytest
import torch
from scipy.special import softmax

from mtlsr.errors import UserError
from mtlsr.objective.balancing.table import build_balancer

LOSSES = torch.tensor([0.05, 0.4, 0.012])
NAMES = ["a", "b", "c"]


def raw(name, losses=LOSSES, **options):
    return build_balancer(name, NAMES, normalize="none", **options).choose(losses)


def test_geometric_weights_make_all_relative_gradients_equal():
    losses = LOSSES.numpy().astype(float)
    expected = np.prod(losses) ** (1 / 3) / (3 * losses)
    np.testing.assert_allclose(raw("geometric"), expected, rtol=1e-5)


def test_lambda_is_an_exponent_of_the_geometric_mean():
    losses, lambdas = LOSSES.numpy().astype(float), np.array([1.0, 0.05, 2.0])
    exponents = lambdas / lambdas.sum()
    expected = np.prod(losses**exponents) * exponents / losses
    found = raw("geometric", lambdas=lambdas.tolist())
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("mu", [0.01, 0.1, 1.0])
def test_smooth_tchebycheff_weights_are_a_softmax(mu):
    expected = softmax(LOSSES.numpy().astype(float) / (3 * mu)) / 3
    np.testing.assert_allclose(raw("stch", mu=mu), expected, rtol=1e-5)


def test_random_weights_are_a_softmax_of_noise():
    balancer = build_balancer("random", NAMES, normalize="none")
    drawn = []
    for _ in range(200):
        drawn.append(balancer.choose(LOSSES).numpy())
        balancer.calls += 1
    found = np.array(drawn)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(found.mean(axis=0), 1 / 3, atol=0.06)  # 4 standard errors
    logs = np.log(found)
    centred = logs - logs.mean(axis=1, keepdims=True)
    assert centred.std() == pytest.approx(np.sqrt(2 / 3), rel=0.1)


def test_dynamic_weights_follow_the_last_two_intervals():
    rng = np.random.default_rng(0)
    losses = rng.uniform(0.1, 1, (9, 3)).astype(np.float32)
    balancer = build_balancer("dwa", NAMES, temperature=2.0, interval=3)
    found = np.array([balancer.choose(torch.from_numpy(row)).numpy() for row in losses])
    np.testing.assert_allclose(found[:6], 1, rtol=1e-6)
    means = losses.reshape(3, 3, 3).mean(axis=1)
    np.testing.assert_allclose(found[6:], [3 * softmax(means[1] / means[0] / 2)] * 3, rtol=1e-5)


def test_famo_is_the_paper_s_algorithm():
    rng = np.random.default_rng(1)
    before, after = rng.uniform(0.1, 1, (2, 5, 3))
    balancer = build_balancer("famo", NAMES, normalize="none", lr=0.1, weight_decay=0.01)
    logits, m, v = np.zeros(3), np.zeros(3), np.zeros(3)
    for step, (old, new) in enumerate(zip(before, after, strict=True), start=1):
        z = softmax(logits)
        c = 1 / (z / old).sum()
        weights = balancer.choose(torch.from_numpy(old).float())
        np.testing.assert_allclose(weights, c * z / old, rtol=1e-4)
        balancer.rule.update(torch.from_numpy(new).float())
        gain = np.log(old) - np.log(new)
        gradient = z * (gain - (z * gain).sum()) + 0.01 * logits
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        logits -= 0.1 * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)


def test_famo_takes_a_term_that_fell_silent_for_unchanged():
    balancer = build_balancer("famo", NAMES)
    balancer.choose(LOSSES)
    balancer.rule.update(torch.tensor([0.05, 0.4, 0.0]))
    assert balancer.choose(LOSSES).isfinite().all()
    assert torch.equal(balancer.rule.state()["logits"], torch.zeros(3))


def test_uncertainty_learns_the_logarithm_of_each_loss():
    """∂/∂s of ½ exp(-s) L + ½ s is 0 at s = log L, where every weighted loss is ½."""
    balancer = build_balancer("uncertainty", NAMES, normalize="none")
    optimiser = torch.optim.SGD(balancer.parameters(), lr=0.5)
    for _ in range(100):
        losses = [loss.clone().requires_grad_() for loss in LOSSES]
        total, weights = balancer.balance(losses, (), ())
        optimiser.zero_grad()
        total.backward()
        torch.testing.assert_close(torch.stack([loss.grad for loss in losses]), weights)
        optimiser.step()
    torch.testing.assert_close(weights * LOSSES, torch.full((3,), 0.5), rtol=1e-3, atol=0)


def test_normalisation_does_not_change_what_uncertainty_learns():
    found = []
    for normalize in ("none", "sum_to_k"):
        balancer = build_balancer("uncertainty", NAMES, normalize=normalize)
        balancer.balance([loss.clone().requires_grad_() for loss in LOSSES], (), ())[0].backward()
        (parameter,) = balancer.parameters()
        found.append(parameter.grad)
    assert torch.equal(*found)
    torch.testing.assert_close(found[0], 0.5 - 0.5 * LOSSES)


@pytest.mark.parametrize("name", ["geometric", "famo"])
def test_methods_of_logarithms_refuse_negative_losses(name):
    with pytest.raises(UserError, match=r"takes logarithms of losses, and b is -0\.2"):
        raw(name, torch.tensor([0.1, -0.2, 0.3]))
    assert raw("stch", torch.tensor([0.1, -0.2, 0.3])).isfinite().all()
