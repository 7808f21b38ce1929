import math

import pytest
import torch

from mtlsr.objective.balancing.diagnostics import diagnose
from mtlsr.objective.objective import Valued
from tests.objective.balancing.pair import TERMS, batch, stage


def test_norms_and_cosines_are_those_of_the_weighted_terms_gradients():
    module = stage()
    valued = module.evaluate_terms(batch())
    found = diagnose(valued, TERMS)
    maps = valued.shared
    flat = {}
    for name in TERMS:
        loss = valued.weights[name] * valued.raw[name]
        gradients = torch.autograd.grad(loss, maps, retain_graph=True, allow_unused=True)
        flat[name] = torch.cat(
            [
                (torch.zeros_like(x) if g is None else g).flatten()
                for g, x in zip(gradients, maps, strict=True)
            ]
        ).double()
    assert set(found) == {f"gradient_norm/{name}" for name in TERMS} | {
        "cosine/smoothness~realism",
        "cosine/smoothness~structure",
        "cosine/realism~structure",
    }
    for name, value in found.items():
        kind, what = name.split("/")
        if kind == "gradient_norm":
            assert value == pytest.approx(flat[what].norm().item(), rel=1e-4)
        else:
            a, b = (flat[term] for term in what.split("~"))
            assert value == pytest.approx((a @ b / a.norm() / b.norm()).item(), abs=1e-4)


def test_opposite_terms_have_cosine_minus_one_and_silent_ones_zero():
    x = torch.ones(3, requires_grad=True)
    shared = x * 1e-12
    raw = {"a": shared.sum(), "b": -2 * shared.sum(), "c": 0 * shared.sum(), "d": torch.ones(())}
    found = diagnose(Valued(raw, dict.fromkeys(raw, 1.0), x.sum(), (shared,)), list(raw))
    assert found["cosine/a~b"] == pytest.approx(-1)
    assert found["gradient_norm/b"] == pytest.approx(2 * math.sqrt(3))
    assert found["cosine/a~c"] == found["gradient_norm/c"] == found["gradient_norm/d"] == 0


def test_a_look_changes_no_gradient():
    found = []
    for looking in (False, True):
        module = stage()
        valued = module.evaluate_terms(batch())
        if looking:
            diagnose(valued, TERMS)
        assert all(p.grad is None for p in module.parameters())
        valued.total.backward()
        found.append([p.grad for p in module.parameters() if p.grad is not None])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_nothing_is_said_where_nothing_is_shared():
    module = stage()
    with torch.no_grad():
        assert diagnose(module.evaluate_terms(batch()), TERMS) == {}
    assert diagnose(Valued({}, {}, torch.zeros(()), ()), []) == {}
