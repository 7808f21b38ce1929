import math
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from mtlsr.networks.table import DISCRIMINATORS, build_discriminator
from mtlsr.objective.adversarial import (
    AdversarialTerm,
    DiscriminatorTerm,
    discriminator_loss,
    generator_loss,
    held,
    ranked_rightly,
)
from mtlsr.objective.balancing.base import balanced_terms
from mtlsr.objective.objective import Objective

KINDS = ("relativistic", "hinge", "lsgan")


def logits(seed: int, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*(shape or (3, 1, 4, 5)), generator=generator, dtype=dtype)


def images(seed: int, count: int = 2, size: int = 20) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def small(name: str = "patchgan") -> nn.Module:
    torch.manual_seed(0)
    return build_discriminator({"name": name, "width": 4})


def of_discriminator(r: NDArray, f: NDArray, kind: str) -> float:
    if kind == "hinge":
        return 0.5 * np.maximum(0, 1 - r).mean() + 0.5 * np.maximum(0, 1 + f).mean()
    if kind == "lsgan":
        return 0.5 * ((r - 1) ** 2).mean() + 0.5 * (f**2).mean()
    # -log of the probability that HR is more real than the mean output, and the other way about.
    more = 1 / (1 + np.exp(-(r - f.mean())))
    less = 1 / (1 + np.exp(-(f - r.mean())))
    return 0.5 * -np.log(more).mean() + 0.5 * -np.log(1 - less).mean()


def of_generator(r: NDArray, f: NDArray, kind: str) -> float:
    if kind == "hinge":
        return -f.mean()
    if kind == "lsgan":
        return 0.5 * ((f - 1) ** 2).mean()
    more = 1 / (1 + np.exp(-(r - f.mean())))
    less = 1 / (1 + np.exp(-(f - r.mean())))
    return 0.5 * -np.log(1 - more).mean() + 0.5 * -np.log(less).mean()


@pytest.mark.parametrize("kind", KINDS)
def test_both_losses_are_the_papers(kind: str) -> None:
    real, fake = logits(1), 2 * logits(2) - 0.3
    for ours, theirs in (
        (discriminator_loss, of_discriminator),
        (generator_loss, of_generator),
    ):
        found = ours(real, fake, kind)
        assert found.shape == ()
        assert found.item() == pytest.approx(theirs(real.numpy(), fake.numpy(), kind), rel=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_both_gradients_are_right(kind: str) -> None:
    real, fake = logits(1).requires_grad_(), logits(2).requires_grad_()
    for loss in (discriminator_loss, generator_loss):
        assert torch.autograd.gradcheck(partial(loss, kind=kind), (real, fake))


@pytest.mark.parametrize(
    ("kind", "undecided"), [("relativistic", math.log(2)), ("hinge", 1), ("lsgan", 0.5)]
)
def test_a_discriminator_that_says_nothing_has_a_known_loss(kind: str, undecided: float) -> None:
    nothing = torch.zeros(2, 1, 3, 3)
    assert discriminator_loss(nothing, nothing, kind).item() == pytest.approx(undecided)


@pytest.mark.parametrize("kind", KINDS)
def test_the_players_want_opposite_things(kind: str) -> None:
    # Logits between what fakes and what photographs are meant to get, whatever the kind.
    real, fake = (logits(seed).sigmoid().requires_grad_() for seed in (1, 2))
    (up,) = torch.autograd.grad(generator_loss(real, fake, kind), fake)
    (down,) = torch.autograd.grad(discriminator_loss(real, fake, kind), fake)
    assert up.sum() < 0 < down.sum()


@settings(max_examples=20, deadline=None)
@given(st.floats(-5, 5))
def test_relativistic_losses_look_at_differences_alone(offset: float) -> None:
    real, fake = logits(1), logits(2)
    for loss in (discriminator_loss, generator_loss):
        torch.testing.assert_close(loss(real + offset, fake + offset), loss(real, fake))


@pytest.mark.parametrize("kind", KINDS)
def test_neither_batch_nor_patch_size_changes_the_scale(kind: str) -> None:
    real, fake = logits(1), logits(2)
    for loss in (discriminator_loss, generator_loss):
        once = loss(real, fake, kind)
        torch.testing.assert_close(loss(torch.cat([real] * 3), torch.cat([fake] * 3), kind), once)
        larger = (logit.repeat(1, 1, 2, 3) for logit in (real, fake))
        torch.testing.assert_close(loss(*larger, kind), once)


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_and_large_logits_stay_finite(kind: str) -> None:
    real, fake = (200 * logits(seed, dtype=torch.float32).bfloat16() for seed in (1, 2))
    for loss in (discriminator_loss, generator_loss):
        found = loss(real, fake, kind)
        assert found.dtype == torch.float32
        assert found.isfinite()


def test_pairs_are_ranked_by_their_mean_logit() -> None:
    real = torch.tensor([[3.0, -1.0], [0.0, 0.0], [5.0, 5.0], [1.0, 1.0]])
    fake = torch.tensor([[0.0, 1.0], [0.5, 0.0], [-9.0, 9.0], [1.0, 1.0]])
    # 1 > 0.5, 0 < 0.25, 5 > 0, and a tie is no win.
    assert ranked_rightly(real, fake).item() == 0.5
    assert ranked_rightly(fake, real).item() == 0.25
    assert ranked_rightly(real[..., None, None], fake[..., None, None]).item() == 0.5


@pytest.mark.parametrize("name", sorted(DISCRIMINATORS))
@pytest.mark.parametrize("kind", KINDS)
def test_the_generator_receives_its_gradient_and_the_discriminator_none_of_it(
    kind: str, name: str
) -> None:
    discriminator = small(name).double().train()
    before = {key: value.clone() for key, value in discriminator.state_dict().items()}
    sr, hr = images(1, 1, 12).double().requires_grad_(), images(2, 1, 12).double()
    term = AdversarialTerm(kind)
    term(sr, hr, discriminator).backward()
    assert sr.grad is not None
    assert sr.grad.abs().sum() > 0
    assert all(weight.grad is None for weight in discriminator.parameters())
    for key, value in discriminator.state_dict().items():
        assert torch.equal(value, before[key])
    # Against central differences, along the gradient and along a random direction.
    for direction in (sr.grad / sr.grad.norm(), logits(3, *sr.shape)):
        step = 1e-6 * direction / direction.norm()
        with torch.no_grad():
            change = term(sr + step, hr, discriminator) - term(sr - step, hr, discriminator)
        expected = (sr.grad * step).sum() * 2
        assert change.item() == pytest.approx(expected.item(), rel=1e-4, abs=1e-15)


@pytest.mark.parametrize("name", sorted(DISCRIMINATORS))
@pytest.mark.parametrize("kind", KINDS)
def test_the_discriminator_receives_its_gradient_and_the_generator_none_of_it(
    kind: str, name: str
) -> None:
    discriminator = small(name).train()
    sr, hr = images(1).requires_grad_(), images(2)
    DiscriminatorTerm(kind)(sr, hr, discriminator).backward()
    assert sr.grad is None
    for weight in discriminator.parameters():
        assert weight.grad is not None
        assert weight.grad.isfinite().all()
    assert sum(weight.grad.abs().sum() for weight in discriminator.parameters()) > 0


def test_the_discriminators_gradient_is_the_same_beside_the_generators_loss() -> None:
    grads = []
    for weight in (0.0, 0.5):
        discriminator = small().train()
        objective = Objective(
            {"adversarial": AdversarialTerm(), "discriminator": DiscriminatorTerm()},
            {"adversarial": weight, "discriminator": 1.0},
        )
        sr = images(1).requires_grad_()
        objective(sr=sr, hr=images(2), discriminator=discriminator).total.backward()
        assert (sr.grad is not None) == (weight > 0)
        grads.append([parameter.grad for parameter in discriminator.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*grads, strict=True))


def test_holding_changes_no_logit() -> None:
    discriminator = small().eval()
    torch.testing.assert_close(held(discriminator, images(1)), discriminator(images(1)))


def test_reporting_changes_nothing() -> None:
    states = []
    for everything in (False, True):
        discriminator = small().train()
        objective = Objective(
            {"adversarial": AdversarialTerm(), "discriminator": DiscriminatorTerm()},
            {"adversarial": 1.0, "discriminator": 1.0},
        )
        valued = objective(everything, sr=images(1), hr=images(2), discriminator=discriminator)
        assert set(valued.details) == ({"adversarial/right"} if everything else set())
        valued.total.backward()
        states.append(
            [*discriminator.state_dict().values()] + [p.grad for p in discriminator.parameters()]
        )
    assert all(torch.equal(a, b) for a, b in zip(*states, strict=True))


@pytest.mark.parametrize("name", sorted(DISCRIMINATORS))
@pytest.mark.parametrize("kind", KINDS)
def test_the_discriminator_learns_to_rank_what_can_be_told_apart(kind: str, name: str) -> None:
    # Noise of the same mean and range, smoothed on one side: only the texture differs.
    discriminator = small(name).train()
    term, share = DiscriminatorTerm(kind), AdversarialTerm(kind).details
    optimiser = torch.optim.Adam(discriminator.parameters(), lr=5e-3, betas=(0.9, 0.99))
    before = [weight.detach().clone() for weight in discriminator.parameters()]

    def pairs(seed: int) -> tuple[Tensor, Tensor]:
        hr = images(seed, 8, 16)
        return nn.functional.avg_pool2d(hr, 3, stride=1, padding=1), hr

    first = term(*pairs(99), discriminator).item()
    for step in range(60):
        optimiser.zero_grad()
        term(*pairs(step), discriminator).backward()
        optimiser.step()
    assert all(
        not torch.equal(old, new)
        for old, new in zip(before, discriminator.parameters(), strict=True)
    )
    with torch.no_grad():
        assert term(*pairs(99), discriminator).item() < first
        shares = [share(*pairs(seed), discriminator)["right"] for seed in range(100, 110)]
    assert torch.stack(shares).mean() > 0.9


def test_both_players_stay_out_of_balancing() -> None:
    terms = {"a": nn.Identity(), "g": AdversarialTerm(), "d": DiscriminatorTerm()}
    assert balanced_terms(Objective(terms, dict.fromkeys(terms, 1.0))) == ["a"]


@pytest.mark.parametrize("term", [AdversarialTerm, DiscriminatorTerm])
def test_an_unknown_kind_is_refused(term: type) -> None:
    with pytest.raises(ValueError, match="kind is 'wgan'; it is one of relativistic, hinge, lsgan"):
        term("wgan")
