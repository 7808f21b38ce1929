"""Muon against torch's own for matrices, AdamW, and what orthogonal steps are."""

import copy
import io

import pytest
import torch
from torch import nn

from mtlsr.stages.muon import Muon, orthogonal

OPTIONS = {"lr": 0.02, "betas": (0.9, 0.99), "weight_decay": 0.1}


def network() -> nn.Sequential:
    """Kernels on both sides of the least number of channels, and biases."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.Conv2d(16, 24, 3), nn.Conv2d(24, 16, 1), nn.Conv2d(16, 4, 3)
    ).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def train(model: nn.Module, optimiser: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        optimiser.zero_grad()
        model(torch.randn(2, 3, 12, 12, generator=generator)).square().mean().backward()
        optimiser.step()


@pytest.mark.parametrize("shape", [(16, 144), (144, 16), (48, 48)])
def test_orthogonal_matrices_keep_the_singular_vectors_alone(shape):
    torch.manual_seed(1)
    matrices = torch.randn(3, *shape, dtype=torch.float64)
    found = orthogonal(matrices)
    for matrix, other in zip(matrices, found, strict=True):
        u, values, v = torch.linalg.svd(matrix, full_matrices=False)
        core = u.mT @ other @ v.mT
        large = values > 0.05 * values[0]
        assert torch.all((core.diag()[large] > 0.6) & (core.diag()[large] < 1.3))
        assert (core - core.diag().diag()).abs().max() < 1e-8
    torch.testing.assert_close(orthogonal(1000 * matrices), found)
    assert torch.equal(orthogonal(torch.zeros(1, 4, 5)), torch.zeros(1, 4, 5))


def test_kernels_move_as_torch_moves_matrices():
    torch.manual_seed(2)
    kernel = nn.Parameter(torch.randn(32, 16, 3, 3))
    matrix = nn.Parameter(kernel.detach().flatten(1).clone())
    ours = Muon([kernel], **OPTIONS)
    theirs = torch.optim.Muon(
        [matrix], lr=0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw", momentum=0.95
    )
    start = matrix.detach().clone()
    for _ in range(4):
        kernel.grad = torch.randn_like(kernel)
        matrix.grad = kernel.grad.flatten(1).clone()
        ours.step()
        theirs.step()
    apart = (kernel.detach().flatten(1) - matrix.detach()).norm() / (matrix - start).norm()
    assert apart < 0.02  # torch computes in bfloat16


def test_everything_but_kernels_moves_as_in_adamw():
    mine, reference = network(), network()
    ours, adamw = (
        Muon(mine.parameters(), **OPTIONS),
        torch.optim.AdamW(reference.parameters(), **OPTIONS),
    )
    for p, q in zip(mine.parameters(), reference.parameters(), strict=True):
        p.grad = torch.randn_like(p)
        q.grad = p.grad.clone()
    before = copy.deepcopy(mine)
    ours.step()
    adamw.step()
    for (name, p), q in zip(mine.named_parameters(), reference.parameters(), strict=True):
        assert torch.equal(p, q) == (name not in ("1.weight", "2.weight")), name
        assert not torch.equal(p, before.get_parameter(name))
        assert torch.equal(p.grad, q.grad)  # as they were, for those who look at them


def test_an_orthogonal_step_is_as_long_as_one_of_adamw():
    kernel = nn.Parameter(torch.zeros(48, 48, 3, 3))
    optimiser = Muon([kernel], lr=1.0, weight_decay=0.0)
    kernel.grad = torch.randn_like(kernel)
    optimiser.step()
    assert kernel.square().mean().sqrt().item() == pytest.approx(0.2, rel=0.2)


@pytest.mark.parametrize("fused", [True, False])
def test_it_goes_on_from_its_state_to_the_bit(fused):
    whole = network()
    optimiser = Muon(whole.parameters(), fused=fused, **OPTIONS)
    train(whole, optimiser, range(3))
    file = io.BytesIO()
    torch.save({"model": whole.state_dict(), "optimiser": optimiser.state_dict()}, file)
    train(whole, optimiser, range(3, 6))
    file.seek(0)
    state = torch.load(file, weights_only=True)
    later = network()
    later.load_state_dict(state["model"])
    again = Muon(later.parameters(), fused=fused, **OPTIONS)
    again.load_state_dict(state["optimiser"])
    train(later, again, range(3, 6))
    for p, q in zip(whole.parameters(), later.parameters(), strict=True):
        assert torch.equal(p, q)


def test_the_closure_runs_once_with_gradients_and_its_value_returns():
    model = network()
    optimiser = Muon(model.parameters(), **OPTIONS)
    frozen = model[1].weight.requires_grad_(False).clone()
    calls = []

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = model(torch.ones(1, 3, 9, 9)).square().mean()
        loss.backward()
        calls.append(loss)
        return loss

    before = model[2].weight.detach().clone()
    assert optimiser.step(closure) is calls[0]
    assert len(calls) == 1
    assert torch.equal(model[1].weight, frozen)
    assert not torch.equal(model[2].weight, before)
